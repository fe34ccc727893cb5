"""The daemon as the manager sees it: status, statistics, the log, reload, check, and the tables as text."""
import json
import subprocess
import threading

import harness

HELLO = """
    tasks:
      hello:
        triggers: [{http-request: {path: "/hello/{name}"}}]
        actions: [{log: "greets ${HttpPathParam(name)}"}, {http-response: "hi ${HttpPathParam(name)}"}]
      echo:
        triggers: [{server-message: /echo}]
        actions: [{send-message: "${WsMessage}"}]
      bad: {actions: [{fail: "no\\nline"}]}
"""


def test_status(start):
    d = start(HELLO, workers=2)
    status = d.manager_json("status")
    assert status["pid"] == d.pid and status["workers"] == 2 and status["generation"] == 1
    assert (status["tasks"], status["servers"], status["clients"], status["sessions"]) == (3, 1, 0, 0)
    assert status["config"] == str(d.folder) and status["degraded"] is False and status["stalled"] == []
    assert status["last_reload"]["ok"] is True and status["last_reload"]["error"] is None
    version = json.loads(d.manager("-o", "json", "version", check=0).stdout)["version"]
    assert status["version"] == version
    assert "uptime" in d.manager("status", check=0).stdout


def test_statistics_are_right_to_the_byte(start):
    """Connections, bytes, messages and requests, in total and per server. proves D7"""
    d = start({"bellwire.yaml": """
        servers: {main: {bind: "127.0.0.1:0"}, quiet: {bind: "127.0.0.1:0"}}
        tasks:
          hello: {triggers: [{http-request: {path: /hello, server: main}}], actions: [{http-response: hi}]}
          echo: {triggers: [{server-message: {path: /echo, server: main}}], actions: [{send-message: "${WsMessage}"}]}
        """})
    raw = d.raw("main")
    request = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
    sent = received = 0
    for _ in range(3):
        raw.send(request)
        head = raw.recv_until(b"\r\n\r\n")
        size = int([line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")][0].split(b":")[1])
        sent, received = sent + len(request), received + len(head) + len(raw.recv_exact(size))
    stats = d.manager_json("stats")
    main = stats["servers"]["main"]
    assert (main["bytes"]["received"], main["bytes"]["sent"]) == (sent, received)
    assert (main["connections"]["total"], main["connections"]["open"], main["http"]["requests"]) == (1, 1, 3)
    ws = d.ws("/echo", server="main")
    before = d.manager_json("stats")["servers"]["main"]["bytes"]
    for _ in range(5):
        ws.send("x" * 100)
        ws.recv()
    after = d.manager_json("stats")["servers"]["main"]
    assert after["bytes"]["received"] - before["received"] == 5 * (2 + 4 + 100)
    assert after["bytes"]["sent"] - before["sent"] == 5 * (2 + 100)
    assert after["messages"]["received"] == 5 and after["messages"]["sent"] == 5
    assert after["connections"]["total"] == 2
    stats = d.manager_json("stats")
    assert stats["servers"]["quiet"]["bytes"]["received"] == 0
    assert stats["bytes"]["received"] == stats["servers"]["main"]["bytes"]["received"]
    assert stats["runs"]["started"] == 8 and stats["runs"]["done"] == 8 and stats["runs"]["failed"] == 0
    assert set(stats["runs"]["refused"]) >= {"conditions", "at_most", "mode", "max", "depth"}
    ws.close()
    raw.close()
    harness.wait_for(lambda: d.manager_json("stats")["connections"]["open"] == 0, "all are closed")


def test_rates_follow_what_happens(start):
    """New and failed connections and bytes per second over the last 10 s. proves D7"""
    d = start(HELLO)
    def rate():
        d.http("GET", "/hello/x")
        stats = d.manager_json("stats")
        return stats["connections"]["new_per_second"] > 0 and stats["bytes"]["sent_per_second"] > 0
    harness.wait_for(rate, "the rates are above zero")


def test_log_follows_and_filters(start):
    """Lines as JSON, by task, level and run, while they are written. proves T13"""
    d = start(HELLO)
    run = json.loads(d.manager("-o", "json", "task", "run", "bad", "--wait", check=1).stdout)["run"]
    kept = [json.loads(line) for line in d.manager("-o", "json", "log", "--task", "bad", check=0).stdout.splitlines()]
    assert [(line["run"], line["level"]) for line in kept] == [(run, "warn")]
    assert "\n" not in kept[0]["message"] and kept[0]["at"].endswith("bellwire.yaml:9")
    follower = subprocess.Popen([harness.BUILD / "bellwire", "--control", d.socket, "-o", "json", "log", "-f", "--task", "hello"],
                                stdout=subprocess.PIPE, text=True)
    try:
        # Whether it follows already shows in its first line, so requests go on until one comes.
        seen = []
        reader = threading.Thread(target=lambda: seen.append(json.loads(follower.stdout.readline())), daemon=True)
        reader.start()
        harness.wait_for(lambda: d.http("GET", "/hello/bob") and seen, "a line of the task")
        assert seen[0]["task"] == "hello" and seen[0]["message"] == "greets bob" and seen[0]["level"] == "info"
        d.stop()
        assert follower.wait(harness.DEADLINE) == 3  # the daemon is not running any more
    finally:
        follower.kill()
        follower.wait()
    d.restart()
    d.http("GET", "/hello/bob")
    assert "greets bob" in d.manager("log", "--task", "hello", check=0).stdout
    d.manager("log", "--level", "loud", check=1)


def test_reload_prints_what_changed(start):
    """Added, changed and removed by ID. proves D2"""
    d = start(HELLO)
    d.write("""
        tasks:
          hello:
            triggers: [{http-request: {path: "/hello/{name}"}}]
            actions: [{http-response: "hello ${HttpPathParam(name)}"}]
          echo:
            triggers: [{server-message: /echo}]
            actions: [{send-message: "${WsMessage}"}]
          new: {actions: [{log: x}]}
        """)
    result = d.reload()
    assert d.reload_code == 0 and result["ok"] is True and result["generation"] == 2
    assert result["changes"]["tasks"] == {"added": ["new"], "changed": ["hello"], "removed": ["bad"]}
    assert result["changes"]["servers"] == {"added": [], "changed": [], "removed": []}
    assert result["errors"] == [] and result["closed_sessions"] == 0
    assert d.http("GET", "/hello/x").text == "hello x"
    assert "tasks: unchanged" in d.manager("reload", check=0).stdout


def test_reload_with_an_error_changes_nothing(start):
    """Exit code 78, the place on standard error, and the old tasks serve. proves D2"""
    d = start(HELLO)
    d.write("tasks:\n  hello:\n    actions: [{logg: x}]\n")
    result = d.reload()
    assert d.reload_code == 78 and result["ok"] is False and result["generation"] == 1
    assert result["errors"][0]["line"] == 4 and 'unknown action "logg"' in result["errors"][0]["message"]
    shown = d.manager("reload", check=78)
    assert 'bellwire.yaml:4:' in shown.stderr and "unchanged" in shown.stderr
    status = d.manager_json("status")
    assert status["last_reload"]["ok"] is False and "logg" in status["last_reload"]["error"]
    assert d.http("GET", "/hello/x").text == "hi x"


def test_check_agrees_with_the_loader(start):
    """With and without a daemon, by the manager and by the daemon's own --check. proves D4"""
    good, warned, bad = start.folder(HELLO), start.folder(HELLO + """
      early: {triggers: [{http-request: {path: /e, server: nowhere}}], actions: [{log: x}]}
    """), start.folder("tasks: {t: {actions: [{logg: x}]}}")
    bellwire, bellwired = harness.BUILD / "bellwire", harness.BUILD / "bellwired"
    for folder, extra, code in ((good, (), 0), (good, ("--strict",), 0), (warned, (), 0), (warned, ("--strict",), 78),
                                (bad, (), 78), (bad, ("--strict",), 78)):
        ours = subprocess.run([bellwire, "--control", folder / "none", "check", "-c", folder, *extra], capture_output=True, text=True)
        theirs = subprocess.run([bellwired, "--check", *extra, "-c", folder], capture_output=True, text=True)
        assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)
        assert ours.returncode == code
        body = json.loads(subprocess.run([bellwire, "-o", "json", "check", "-c", folder, *extra], capture_output=True, text=True).stdout)
        assert body["ok"] is (code == 0) and set(body) == {"ok", "errors", "warnings"}
    d = start(HELLO)
    assert d.manager("check", check=0).stdout.strip().endswith("is good")
    d.write("tasks: {t: {actions: [{logg: x}]}}")
    assert "logg" in d.manager("check", check=78).stderr


def test_schema_and_reference_need_no_daemon(start):
    """Both come from the tables, with what stands inside of keys, and the socket gives the same. proves T5 T9 S20"""
    bellwire = harness.BUILD / "bellwire"
    schema = json.loads(subprocess.run([bellwire, "schema"], capture_output=True, text=True, check=True).stdout)
    assert set(schema["properties"]) >= {"workers", "include", "servers", "clients", "secrets", "tasks"}
    reference = subprocess.run([bellwire, "reference"], capture_output=True, text=True, check=True).stdout
    for name in ("`http-request`", "`send-message`", "`max-body`", "`HttpPathParam(n)`", "`shutdown-timeout`", "### `repeat`",
                 "number(x", "`RunId`", "`mode.overflow`", "`mode.on-refused`", "`at-most.then`", "`on-error.retry.delay`",
                 "`on-error.run-task`", "`conditions.unmet`", "`lines.as`", "`auto-reconnect.stable`"):
        assert name in reference, name
    d = start(HELLO)
    direct = subprocess.run(["curl", "-sS", "--unix-socket", str(d.socket), "http://x/v1/schema"], capture_output=True, text=True)
    assert json.loads(direct.stdout) == schema


def test_wrong_usage_ends_with_2(start):
    bellwire = harness.BUILD / "bellwire"
    for words in ((), ("nonsense",), ("server",), ("server", "lst"), ("task", "run"), ("status", "extra"),
                  ("status", "--nope"), ("-o", "xml", "status"), ("task", "run", "a", "b"), ("--timeout", "5", "status")):
        done = subprocess.run([bellwire, "--control", "/nowhere/c.sock", *words], capture_output=True, text=True)
        assert done.returncode == 2, (words, done)
        assert done.stderr
    assert 'did you mean "server list"' in subprocess.run([bellwire, "server", "lst"], capture_output=True, text=True).stderr
    for words in (("--help",), ("task", "run", "--help"), ("status", "--help")):
        done = subprocess.run([bellwire, *words], capture_output=True, text=True)
        assert done.returncode == 0 and "Exit codes" in done.stdout
    assert "[--var K=V]" in subprocess.run([bellwire, "task", "run", "--help"], capture_output=True, text=True).stdout
