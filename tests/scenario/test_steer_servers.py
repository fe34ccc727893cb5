"""Servers that tasks start and stop."""
import socket

import pytest

TASKS = """
servers:
  main: {bind: "127.0.0.1:0"}
  side: {bind: "127.0.0.1:0", enabled: false}
  busy: {bind: "127.0.0.1:%d", enabled: false}
tasks:
  steer:
    triggers: [{http-request: {server: main, path: "/{what}/{server}"}}]
    actions:
      - try:
          - if: HttpPathParam("what") == "start"
            then: [{start-server: "${HttpPathParam(server)}"}]
            else: [{stop-server: "${HttpPathParam(server)}"}]
          - http-response: ok
        catch: [{http-response: {status: 409, text: "${LastErrorDescription}"}}]
  both:
    triggers: [{http-request: {server: main, path: /both}}]
    actions:
      - parallel: [[{start-server: side}], [{start-server: side}], [{start-server: side}], [{start-server: side}]]
      - http-response: ok
  many:
    triggers: [{http-request: {server: main, path: /many}}]
    actions:
      - repeat: {times: 20}
        do: [{start-server: side}, {stop-server: side}]
      - http-response: ok
  hello:
    triggers: [{http-request: {server: side, path: /}}, {http-request: {server: main, path: /}}]
    actions: [{http-response: "hello from ${ServerId}"}]
  talk:
    triggers: [{server-message: {server: side}}]
    actions: [{if: WsMessage == "stop", then: [{stop-server: side}, {log: stopped itself}]}]
  over:
    triggers: [{server-close: {server: side}}]
    actions: [{log: "closed ${WsCloseCode} by ${WsClosedBy}"}]
"""


def state(d, server="side"):
    return next(row for row in d.manager_json("server", "list") if row["id"] == server)["state"]


def patient(d):
    """The log may be read a moment after the manager's answer: addresses are waited for."""
    address = d.address

    def wait_for_address(server=None, index=-1):
        if server:
            d.log.wait("listening", server=server)
        return address(server, index)
    d.address = wait_for_address
    return d


@pytest.fixture
def d(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield patient(start(TASKS % taken.getsockname()[1]))


def test_a_task_starts_and_stops_a_server(d):
    """proves S5"""
    assert state(d) == "stopped"
    assert d.http("GET", "/start/side").text == "ok"
    assert state(d) == "listening"
    address = d.address("side")
    assert d.http("GET", "/", server="side").text == "hello from side"
    ws = d.ws("/", server="side")
    assert d.http("GET", "/start/side").text == "ok"
    assert d.address("side") == address and len(d.log.find("listening", server="side")) == 1
    assert d.http("GET", "/stop/side").text == "ok"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    assert ws.expect_close()[0] == 1001
    ws.close()
    d.log.wait("closed 1001 by local")
    assert state(d) == "stopped"
    assert d.http("GET", "/stop/side").text == "ok"
    assert d.http("GET", "/").text == "hello from main"


def test_starts_at_once_make_one_listener(d):
    """proves S5"""
    assert d.http("GET", "/both").text == "ok"
    d.log.wait("listening", server="side")
    assert len(d.log.find("listening", server="side")) == 1
    assert d.http("GET", "/many").text == "ok"
    assert state(d) == "stopped"


def test_a_run_may_stop_the_server_that_it_came_from(d):
    """proves S5"""
    d.http("GET", "/start/side")
    ws = d.ws("/", server="side")
    ws.send("stop")
    assert ws.expect_close()[0] == 1001
    d.log.wait("stopped itself")


def test_unknown_and_failing_servers_are_step_errors(d):
    """proves S5 S11"""
    for what in ("start", "stop"):
        answer = d.http("GET", f"/{what}/sied")
        assert answer.status == 409 and answer.text == 'Invalid WS Server ID "sied"'
    answer = d.http("GET", "/start/busy")
    assert answer.status == 409
    assert answer.text.startswith('server "busy" cannot listen: 127.0.0.1:') and "in use" in answer.text
    assert state(d, "busy") == "failed"


def test_the_manager_starts_and_stops_until_the_next_start(d):
    """proves S5"""
    d.manager("server", "start", "side", check=0)
    d.manager("server", "start", "side", check=0)
    address = d.address("side")
    ws = d.ws("/", server="side")
    d.manager("server", "stop", "side", check=0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    assert ws.expect_close()[0] == 1001
    d.manager("server", "start", "side", check=0)
    d.reload()
    assert state(d) == "listening"
    failed = d.manager("server", "start", "busy", check=1)
    assert "in use" in failed.stderr
    unknown = d.manager("server", "stop", "sied", check=1)
    assert "sied" in unknown.stderr
    d.stop()
    d.restart()
    assert state(d) == "stopped"


def test_orders_under_way_while_the_daemon_ends(start):
    """proves S5 D3"""
    d = start("""
        servers: {main: {bind: "127.0.0.1:0"}, side: {bind: "127.0.0.1:0"}}
        tasks:
          storm:
            triggers: [startup]
            actions:
              - repeat: {while: "true"}
                max: 1000000
                do: [{stop-server: side}, {start-server: side}, {wait: 1ms}]
    """, workers=3)
    d.log.wait("listening", server="side", count=5)
    d.terminate()
    d.terminate()
    assert d.wait_exit() == 0


def test_an_unknown_server_is_a_load_warning(start):
    """proves S11"""
    result = start.check("""
        tasks: {a: {triggers: [startup], actions: [{start-server: mian}]}}
    """)
    assert result.returncode == 0 and '"mian"' in result.stdout and "main" in result.stdout
