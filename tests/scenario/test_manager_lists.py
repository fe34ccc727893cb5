"""What the manager lists and shows, as JSON and as tables."""
import json
import subprocess

import pytest

import harness

FILES = {
    "bellwire.yaml": """
        servers:
          main: {name: Front door, bind: "127.0.0.1:0", max-body: 2MiB}
          spare: {bind: "127.0.0.1:0", enabled: false}
        clients:
          prices: {url: "ws://127.0.0.1:9/stream", name: Prices}
        """,
    "tasks/a.yaml": """
        tasks:
          hello:
            name: Greeting
            description: Says hello
            triggers: [{http-request: {path: "/hello/{name}", method: GET, server: main}}]
            actions: [{http-response: "hi ${HttpPathParam(name)}"}]
          enter:
            triggers: [{server-open: {path: "/chat/{room}", server: main}}]
            actions: [{join-room: "${WsPathParam(room)}"}]
          echo:
            triggers: [{server-message: {path: "/chat/{room}", server: main}}]
            actions: [{send-message: "${WsMessage}"}]
          by-hand:
            actions: [{wait: 60s}]
          off:
            enabled: false
            triggers: [{http-request: {path: /off, server: main}}]
            actions: [{http-response: x}]
          early:
            triggers: [{http-request: {path: /early, server: later}}]
            actions: [{http-response: x}]
        """,
}


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(FILES)


def by_id(rows):
    return {row["id"]: row for row in rows}


def test_server_list_tells_state_and_addresses(daemon):
    """Enabled servers listen, others are stopped; the bound address is shown. proves S4"""
    rows = by_id(daemon.manager_json("server", "list"))
    main = rows["main"]
    assert set(main) >= {"id", "name", "origin", "enabled", "state", "bind", "tls", "sessions", "since", "error"}
    assert (main["name"], main["origin"], main["enabled"], main["state"]) == ("Front door", "file", True, "listening")
    assert main["bind"] == [f"127.0.0.1:{daemon.port('main')}"]
    assert main["tls"] is False and main["error"] is None and main["since"].endswith("Z")
    assert (rows["spare"]["state"], rows["spare"]["enabled"]) == ("stopped", False)


def test_show_gives_the_row_and_its_declaration(daemon):
    """`show` is the row of `list` and the declaration in the spelling of the YAML."""
    shown = daemon.manager_json("server", "show", "main")
    assert shown["config"] == {"name": "Front door", "bind": "127.0.0.1:0", "max-body": "2MiB"}
    assert shown["state"] == "listening"
    client = daemon.manager_json("client", "show", "prices")
    assert client["config"]["url"] == client["url"] == "ws://127.0.0.1:9/stream"
    task = daemon.manager_json("task", "show", "hello")
    assert task["config"]["triggers"] == [{"http-request": {"path": "/hello/{name}", "method": "GET", "server": "main"}}]


def test_unknown_ids_fail_and_name_the_nearest(daemon):
    for noun, wrong, right in (("server", "mian", "main"), ("task", "helo", "hello"), ("client", "price", "prices")):
        done = daemon.manager(noun, "show", wrong, check=1)
        assert f'unknown {noun} "{wrong}"; did you mean "{right}"?' in done.stderr
        assert done.stdout == ""


def test_task_list_tells_states_and_places(daemon):
    """Manual, idle, disabled, waiting and running, with the place of the declaration. proves T11"""
    rows = by_id(daemon.manager_json("task", "list"))
    assert {name: row["state"] for name, row in rows.items()} == {
        "hello": "idle", "enter": "idle", "echo": "idle", "by-hand": "manual", "off": "disabled", "early": "waiting"}
    hello = rows["hello"]
    assert hello["file"].endswith("tasks/a.yaml") and hello["line"] == 2
    assert hello["triggers"] == ["http-request GET /hello/{name}"]
    assert hello["enabled_by"] == "file" and hello["name"] == "Greeting"
    run = daemon.manager_json("task", "run", "by-hand")["run"]
    row = daemon.manager_json("task", "show", "by-hand")
    assert (row["state"], row["active_runs"], row["runs"]) == ("running", 1, 1)
    live = by_id(daemon.manager_json("run", "list"))[run]
    assert (live["task"], live["state"], live["step"], live["ended"]) == ("by-hand", "waiting", "1", None)
    assert daemon.manager_json("run", "show", run)["id"] == run
    daemon.manager("run", "cancel", run, check=0)
    harness.wait_for(lambda: daemon.manager_json("run", "show", run)["state"] == "cancelled", "the run has ended")
    daemon.manager("run", "cancel", run, check=1)


def test_task_counters_follow_the_runs(daemon):
    before = daemon.manager_json("task", "show", "hello")
    daemon.http("GET", "/hello/bob", server="main")
    after = daemon.manager_json("task", "show", "hello")
    assert after["runs"] == before["runs"] + 1
    assert after["failures"] == 0 and after["last_run"] is not None and after["last_error"] is None


def test_task_stop_cancels_its_runs(daemon):
    for _ in range(3):
        daemon.manager_json("task", "run", "by-hand")
    assert daemon.manager_json("task", "stop", "by-hand") == {"task": "by-hand", "cancelled": 3}
    harness.wait_for(lambda: daemon.manager_json("task", "show", "by-hand")["state"] == "manual", "all have ended")


def test_session_list_tells_what_a_session_did(daemon):
    """Its ID, peer, path, rooms and counters. proves W7"""
    ws = daemon.ws("/chat/blue?x=1", server="main")
    ws.send("hello")
    assert ws.recv() == "hello"
    rows = [row for row in daemon.manager_json("session", "list") if row["path"] == "/chat/blue"]
    assert len(rows) == 1
    row = rows[0]
    assert (row["server"], row["client"], row["rooms"]) == ("main", None, ["blue"])
    assert (row["messages_in"], row["messages_out"], row["queued"]) == (1, 1, 0)
    assert row["peer"] == "127.0.0.1" and row["subprotocol"] is None
    assert daemon.manager_json("session", "show", row["id"])["id"] == row["id"]
    assert daemon.manager_json("server", "show", "main")["sessions"] == 1
    assert daemon.manager_json("status")["sessions"] == 1
    ws.close()
    harness.wait_for(lambda: not daemon.manager_json("session", "list"), "the session is gone")
    daemon.manager("session", "show", row["id"], check=1)


def test_session_send_and_close(daemon):
    ws = daemon.ws("/chat/red", server="main")
    row = next(row for row in daemon.manager_json("session", "list") if row["path"] == "/chat/red")
    daemon.manager("session", "send", row["id"], "from the shell", check=0)
    assert ws.recv() == "from the shell"
    daemon.manager("session", "send", row["id"], "bytes", "--binary", check=0)
    assert ws.recv() == b"bytes"
    daemon.manager("session", "send", row["id"], "--", "--dashes", check=0)
    assert ws.recv() == "--dashes"
    daemon.manager("session", "close", row["id"], "--code", "1005", check=1)
    daemon.manager("session", "close", row["id"], "--code", "x", check=2)
    daemon.manager("session", "close", row["id"], "--code", "4001", "--reason", "enough", check=0)
    assert ws.expect_close() == (4001, b"enough")
    harness.wait_for(lambda: not daemon.manager_json("session", "list"), "the session is gone")
    assert "there is no session" in daemon.manager("session", "send", row["id"], "x", check=1).stderr


def test_tables_are_aligned(daemon):
    """Each column begins where its heading does."""
    lines = daemon.manager("task", "list", check=0).stdout.splitlines()
    assert lines[0].split() == "ID STATE TRIGGERS ACTIVE RUNS RUNS FAILURES LAST RUN LAST ERROR".split()
    at = lines[0].index("STATE")
    assert all(line[at - 1] == " " and line[at] != " " for line in lines)
    shown = daemon.manager("server", "list", check=0).stdout.splitlines()
    assert "ago" in shown[1] and "listening" in shown[1]


def test_json_is_the_answer_of_the_socket(daemon):
    """`-o json` prints exactly what curl reads from the control socket."""
    direct = subprocess.run(["curl", "-sS", "--unix-socket", str(daemon.socket), "http://x/v1/servers"],
                            capture_output=True, check=True).stdout
    assert daemon.manager("server", "list", "-o", "json", check=0).stdout == direct.decode()
    assert json.loads(direct)


def test_limits_lists_every_bound_with_its_origin(daemon):
    rows = daemon.manager_json("limits")
    table = {(row["of"], row["key"]): row for row in rows}
    body = table["server:main", "max-body"]
    assert body["value"] == 2 << 20 and body["set_at"].endswith("bellwire.yaml:2") and body["refused"] == 0
    assert table["server:spare", "max-body"]["set_at"] == "default"
    assert table["main", "shutdown-timeout"]["value"] == "30s"
    assert table["task:hello", "mode.max"]["value"] == 10000
    reply = daemon.http("POST", "/hello/bob", body=b"x" * 10, server="main")
    assert reply.status == 405
    for key in ("header-timeout", "idle-timeout", "max-message", "max-backlog", "slow-consumer", "drain-timeout",
                "ping-interval", "pong-timeout", "max-sessions", "max-sessions-per-address"):
        assert ("server:main", key) in table


def test_limits_counts_what_a_bound_refused(start):
    d = start("""
        servers: {main: {bind: "127.0.0.1:0", max-body: 10}}
        tasks: {t: {triggers: [{http-request: /}], actions: [{http-response: x}]}}
        """)
    assert d.http("POST", "/", body=b"x" * 11).status == 413
    row = next(row for row in d.manager_json("limits") if row["key"] == "max-body")
    assert (row["value"], row["refused"]) == (10, 1)


def test_lists_without_a_daemon_read_the_registry(start):
    """Every state is stopped, a line says so, exit code 0; all others end with 3."""
    d = start({"bellwire.yaml": FILES["bellwire.yaml"]})
    d.stop()
    done = d.manager("--state", d.state, "-o", "json", "server", "list", check=0)
    rows = by_id(json.loads(done.stdout))
    assert {row["state"] for row in rows.values()} == {"stopped"} and set(rows) == {"main", "spare"}
    assert "the daemon is not running" in done.stderr
    assert rows["main"]["name"] == "Front door" and rows["main"]["bind"] == ["127.0.0.1:0"]
    clients = json.loads(d.manager("--state", d.state, "-o", "json", "client", "list", check=0).stdout)
    assert clients[0]["url"] == "ws://127.0.0.1:9/stream"
    for words in (("status",), ("task", "list"), ("session", "list"), ("server", "show", "main"), ("reload",), ("log",)):
        assert "the daemon is not running" in d.manager("--state", d.state, *words, check=3).stderr


def test_numbers_are_shown_as_they_were_set(start):
    d = start("tasks: {}\n")
    for text, shown in (("3.14159", "3.14159"), ("0.1", "0.1"), ("12345678.125", "12345678.125"), ("[4.2, 7]", "4.2, 7")):
        d.manager("var", "set", "x", "--json", text, check=0)
        assert f"value    {shown}\n" in d.manager("var", "get", "x", check=0).stdout
    d.manager("var", "set", "x", "--json", '{"tea": 4.2}', check=0)
    assert '{"tea":4.2} ' in d.manager("var", "list", check=0).stdout


def test_control_characters_of_a_peer_do_not_reach_the_terminal(start):
    """Neither those of ASCII nor U+0080 to U+009F, of which one begins a terminal's commands. proves D9"""
    d = start("""
        tasks:
          keep:
            triggers: [{http-request: {path: /keep, method: POST}}]
            actions: [{set: {global.said: "${HttpBody}"}}, {http-response: ok}]
    """)
    assert d.http("POST", "/keep", "a\u009b31mb\x1bc\u00a0ä\x7f".encode()).status == 200
    shown = harness.wait_for(lambda: d.manager("var", "list").stdout, "it is kept")
    assert "a?31mb?c\u00a0ä?" in shown, shown
