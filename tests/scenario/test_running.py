"""Start, reload, end, and what a kill leaves behind."""
import json
import os
import sqlite3
import subprocess
import threading

import harness
from harness import wait_for

BASE = """
tasks:
  hello:
    triggers: [{http-request: /hello}]
    actions: [{http-response: "VERSION"}]
  echo:
    triggers: [{server-message: /echo}]
    actions: [{send-message: "VERSION ${WsMessage}"}]
  slow:
    triggers: [{http-request: /slow}]
    actions: [{wait: 300ms}, {http-response: "VERSION"}]
"""


def version(text):
    return BASE.replace("VERSION", text)


def test_a_reload_changes_tasks_and_drops_no_connection(start):
    """By HUP and by the manager; a going run finishes on the old configuration. proves D2"""
    daemon = start(version("one"))
    with daemon.ws("/echo") as ws, daemon.raw() as raw:
        ws.send("a")
        assert ws.recv() == "one a"
        raw.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        raw_second = daemon.raw().send(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw_second.response().body == b"one"
        daemon.write(version("two"))
        result = daemon.reload()
        assert result["ok"] and result["generation"] == 2 and result["closed_sessions"] == 0
        assert sorted(result["changes"]["tasks"]["changed"]) == ["echo", "hello", "slow"]
        ws.send("b")
        assert ws.recv() == "two b"
        raw_second.send(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw_second.response().body == b"two"
        assert raw.response().body == b"one"
        daemon.write(version("three"))
        mark = daemon.log.mark()
        daemon.hangup()
        daemon.log.wait("reloaded", since=mark)
        ws.send("c")
        assert ws.recv() == "three c"


def test_a_wrong_reload_changes_nothing_and_names_every_place(start):
    """proves D2 T1"""
    daemon = start(version("one"))
    with daemon.ws("/echo") as ws:
        daemon.write(version("two") + """
  bad:
    triggers: [{http-reqest: /bad}]
    actions: [{log: "${HttpPaht}"}]
""")
        result = daemon.reload()
        assert not result["ok"] and daemon.reload_code == 78
        assert [error["line"] for error in result["errors"]] == [14, 15]
        assert daemon.http("GET", "/hello").text == "one"
        ws.send("a")
        assert ws.recv() == "one a"
        assert daemon.manager_json("status")["last_reload"]["ok"] is False
    daemon.write(version("two"))
    assert daemon.reload()["ok"]
    assert daemon.http("GET", "/hello").text == "two"


def test_a_reload_opens_closes_and_swaps_addresses(start):
    """Only what differs is touched; sessions of a removed server get 1001. proves D2 S4"""
    daemon = start("""
        servers: {a: {bind: "127.0.0.1:0"}, b: {bind: "127.0.0.1:0"}}
        tasks:
          a: {triggers: [{http-request: {path: /, server: a}}, {server-message: {path: /, server: a}}], actions: [{log: x}]}
          b: {triggers: [{http-request: {path: /, server: b}}, {server-message: {path: /, server: b}}], actions: [{log: x}]}
    """)
    with daemon.ws("/", server="a") as kept, daemon.ws("/", server="b") as removed:
        daemon.write("""
            servers: {a: {bind: "127.0.0.1:0"}, c: {bind: "127.0.0.1:0"}}
            tasks:
              a: {triggers: [{http-request: {path: /, server: a}}, {server-message: {path: /, server: a}}], actions: [{log: x}]}
              c: {triggers: [{http-request: {path: /, server: c}}], actions: [{http-response: new}]}
        """)
        result = daemon.reload()
        assert result["ok"], result
        assert result["changes"]["servers"] == {"added": ["c"], "changed": [], "removed": ["b"]}
        assert result["closed_sessions"] == 1
        assert removed.expect_close()[0] == 1001
        kept.send_frame(9, b"alive")
        assert kept.recv_frame().payload == b"alive"
        assert daemon.http("GET", "/", server="c").text == "new"


def test_reloads_in_a_row_under_load_lose_nothing(start):
    """proves D2"""
    daemon = start(version("v"))
    stop = threading.Event()
    failures = []

    def ask():
        try:
            with daemon.raw() as raw:
                while not stop.is_set():
                    raw.send(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    answer = raw.response()
                    if answer.status != 200:
                        failures.append(answer)
        except Exception as error:  # any failure of this thread is the test's
            failures.append(error)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(20):
        daemon.write(version(f"v{n}"))
        assert daemon.reload()["ok"]
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_term_lets_runs_finish_and_closes_sessions(start):
    """proves D3"""
    daemon = start(version("one"))
    ws = daemon.ws("/echo")
    raw = daemon.raw().send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: daemon.manager_json("stats")["runs"]["started"] >= 1, "the run to start")
    daemon.terminate()
    assert ws.expect_close()[0] == 1001
    assert raw.response().body == b"one"
    assert daemon.wait_exit() == 0


def test_term_does_not_wait_for_the_close_frames_of_the_dead(start):
    """Peers that answer nothing, or read nothing, are waited for a moment, whatever the time-outs. proves D3"""
    d = start("""
        shutdown-timeout: 1h
        servers: {main: {bind: "127.0.0.1:0", handshake-timeout: 1h, drain-timeout: 1h}}
        tasks:
          flood:
            triggers: [{server-message: /flood}]
            actions: [{repeat: {times: 100}, do: [{send-message: "${('x'):rep(60000)}"}]}]
          leave:
            triggers: [{server-message: /leave}]
            actions: [{close-session: 1000}]
    """)
    silent, flooded, leaving = d.ws("/flood"), d.ws("/flood"), d.ws("/leave")
    flooded.send("go")
    leaving.send("go")
    assert leaving.recv_frame().opcode == 8
    d.terminate()
    assert silent.recv_frame().payload[:2] == (1001).to_bytes(2, "big")
    assert d.wait_exit() == 0
    for peer in (silent, flooded, leaving):
        peer.socket.close()


def test_what_does_not_finish_is_cancelled_and_listed(start):
    """proves D3"""
    daemon = start("""
        shutdown-timeout: 200ms
        tasks: {long: {triggers: [{http-request: /}], actions: [{wait: 1h}]}}
    """)
    raw = daemon.raw().send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: daemon.manager_json("stats")["runs"]["started"] >= 1, "the run to start")
    daemon.terminate()
    entry = daemon.log.wait("cancelled", task="long")
    assert entry["run"] and entry["at"]
    assert daemon.wait_exit() == 0
    raw.close()


def test_a_second_term_ends_at_once(start):
    """proves D3"""
    daemon = start("tasks: {long: {triggers: [{http-request: /}], actions: [{wait: 1h}]}}")
    raw = daemon.raw().send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: daemon.manager_json("stats")["runs"]["started"] >= 1, "the run to start")
    daemon.terminate()
    daemon.log.wait("ending")
    daemon.terminate()
    assert daemon.wait_exit() == 0
    raw.close()


def test_the_registry_is_readable_and_whole_after_a_kill(start):
    """proves D5"""
    daemon = start("""
        servers: {main: {bind: "127.0.0.1:0", name: Front door}}
        clients: {out: {url: "ws://127.0.0.1:1/x", enabled: no}}
        tasks: {t: {triggers: [{http-request: /}], actions: [{http-response: up}]}}
    """)
    database = daemon.state / "bellwire.db"

    def rows(table):
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            return connection.execute(f"SELECT id, origin, enabled, declaration FROM {table}").fetchall()
        finally:
            connection.close()
    found = wait_for(lambda: rows("servers"), "the server's row")
    assert found[0][:3] == ("main", "file", 1) and json.loads(found[0][3])["name"] == "Front door"
    assert wait_for(lambda: rows("clients"), "the client's row")[0][:3] == ("out", "file", 0)
    for _ in range(3):
        daemon.kill9()
        assert sqlite3.connect(database).execute("PRAGMA integrity_check").fetchone() == ("ok",)
        daemon.restart()
        assert daemon.http("GET", "/").text == "up"
    assert [row[0] for row in rows("servers")] == ["main"]


def test_a_damaged_database_stops_the_start_untouched(start):
    """proves D8"""
    daemon = start(version("one"))
    daemon.stop()
    database = daemon.state / "bellwire.db"
    for rest in daemon.state.glob("bellwire.db-*"):
        rest.unlink()
    damaged = b"SQLite format 3\0" + os.urandom(4096)
    database.write_bytes(damaged)
    done = subprocess.run(daemon.args, capture_output=True, text=True, timeout=harness.DEADLINE, env=daemon.env)
    assert done.returncode == 1
    assert str(database) in done.stdout + done.stderr
    assert database.read_bytes() == damaged


def test_two_daemons_never_share_a_state_directory(start):
    """proves D9"""
    daemon = start(version("one"))
    done = subprocess.run(daemon.args, capture_output=True, text=True, timeout=harness.DEADLINE, env=daemon.env)
    assert done.returncode == 1
    assert "another bellwired" in done.stdout + done.stderr
    assert daemon.http("GET", "/hello").text == "one"
    assert daemon.manager_json("status")["pid"] == daemon.pid


def test_a_port_of_another_daemon_is_noticed(start):
    """proves D9 S2"""
    first = start(version("one"))
    second = start(f'servers: {{main: {{bind: "127.0.0.1:{first.port()}"}}}}\n' + version("two"))
    assert second.manager_json("server", "list")[0]["state"] == "failed"
    assert first.http("GET", "/hello").text == "one"


def test_the_control_socket_is_its_users_alone(start):
    """proves D9"""
    daemon = start(version("one"))
    assert daemon.socket.stat().st_mode & 0o777 == 0o660
    assert oct(daemon.state.stat().st_mode & 0o777) == "0o700"


def test_a_wrong_configuration_never_starts(start):
    """proves T1 D4"""
    files = {"bellwire.yaml": 'servers: {main: {bind: nonsense}}\n',
             "tasks/a.yaml": 'tasks:\n  a:\n    triggers: [{http-request: /}]\n    actions: [{lgo: x}]\n',
             "tasks/b.yaml": 'tasks:\n  a:\n    triggers: [{http-request: /b}]\n    actions: [{log: "${Nope}"}]\n'}
    done = start.fails(files)
    assert done.returncode == 78
    for place in ("bellwire.yaml:1:", "tasks/a.yaml:4:", "tasks/b.yaml:2:"):
        assert place in done.stdout, done.stdout
    check = start.check(files)
    assert check.returncode == 78

    def messages(text):
        return [line.split("/etc/", 1)[1] for line in text.splitlines() if "/etc/" in line and ": error:" in line]
    assert messages(check.stdout) == messages(done.stdout)


def test_bytes_are_counted_exactly(start):
    """Bytes of HTTP and WebSocket as sent and received. proves D7"""
    daemon = start(version("one"))
    sent = received = 0
    request = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with daemon.raw() as raw:
        for _ in range(10):
            raw.send(request)
            sent += len(request)
            head = raw.recv_until(b"\r\n\r\n")
            received += len(head) + len(raw.recv_exact(3))
        stats = daemon.manager_json("stats")
        assert stats["bytes"]["received"] == sent
        assert stats["bytes"]["sent"] == received
        assert stats["servers"]["main"]["http"]["requests"] == 10
        assert stats["connections"]["total"] == 1
        assert stats["connections"]["open"] == 1
    wait_for(lambda: daemon.manager_json("stats")["connections"]["open"] == 0, "the connection to be gone")


def test_the_last_known_state_is_told_without_a_daemon(start):
    """What a client sent and received last is in the registry when the daemon has ended. proves C14 D5"""
    first = start("tasks: {echo: {triggers: [{server-message: /echo}], actions: [{send-message: 'back ${WsMessage}'}]}}")
    daemon = start(f"""
        clients: {{me: {{url: "ws://127.0.0.1:{first.port()}/echo"}}}}
        tasks: {{hello: {{triggers: [client-open], actions: [{{send-message: hello}}]}}}}
    """)

    def last():
        row = daemon.manager_json("client", "list")[0]
        return row["last_received"] and row["last_received"]["text"]
    wait_for(lambda: last() == "back hello", "the answer")
    daemon.stop()
    done = subprocess.run([str(harness.BUILD / "bellwire"), "-o", "json", "--state", str(daemon.state), "client", "list"],
                          capture_output=True, text=True, timeout=harness.DEADLINE, env=daemon.env)
    assert done.returncode == 0
    row = json.loads(done.stdout)[0]
    assert row["state"] == "stopped"
    assert row["last_sent"]["text"] == "hello" and row["last_received"]["text"] == "back hello"
