"""Handshakes that a task is told of or decides, and the faults that server-error tells."""
import pytest

TASKS = """
tasks:
  gate:
    triggers: [{server-upgrade: {path: "/room/{name}", mode: manual, timeout: 700ms}}]
    actions:
      - log: "asks ${WsMethod} ${WsPath} ${WsPathParam(name)} ${WsQueryParam(q)} ${WsHeader(x-who)} ${Peer} ${ServerId} [${SessionId}] [${HttpPath}]"
      - switch: ${WsPathParam(name)}
        cases:
          open:
            - accept-upgrade: {subprotocol: chat.v2, headers: {X-Room: "${WsPathParam(name)}"}}
          later:
            - wait: 50ms
            - accept-upgrade: {headers: {X-Room: later}}
            - log: goes on
          shut:
            - reject-upgrade: {status: 451, text: "not ${WsPathParam(name)}", headers: {X-Why: law}}
          later-shut:
            - wait: 50ms
            - reject-upgrade
          slow:
            - wait: 2s
            - accept-upgrade
          broken:
            - fail: no idea
          wrong:
            - accept-upgrade: {subprotocol: unknown}
          twice:
            - accept-upgrade
            - reject-upgrade
  any:
    triggers: [{server-upgrade: {mode: manual}}, {server-upgrade: "/told"}]
    actions:
      - if: SessionId == ""
        then: [accept-upgrade]
        else: [{send-message: "upgraded ${WsPath}"}]
  opened:
    triggers: [{server-open: {}}]
    actions:
      - log: "opened ${WsPath}"
      - send-message: "open ${WsPath} ${WsHeader(x-who)} ${WsSubprotocol}"
  faults:
    triggers: [{server-error: {}}]
    actions: [{log: "fault ${WsPath}: ${WsError} [${SessionId}] ${Peer} ${ServerId}"}]
  faults-of-rooms:
    triggers: [{server-error: "/room/{name}"}]
    actions: [{log: "room fault ${WsPathParam(name)}: ${WsError}"}]
"""


@pytest.fixture(scope="module")
def d(start_module):
    return start_module(TASKS)


def faults(d, path):
    return [e["message"] for e in d.log.find(f"fault {path}:", task="faults")]


def test_a_task_accepts_with_subprotocol_and_headers(d):
    """proves W11 W7"""
    ws = d.ws("/room/open?q=1", headers=[("X-Who", "ada")], subprotocols=["chat.v1", "chat.v2"])
    assert ws.status == 101
    assert ws.headers["sec-websocket-protocol"] == "chat.v2"
    assert ws.headers["x-room"] == "open"
    assert ws.headers["x-bellwire-run"]
    assert ws.recv() == "open /room/open ada chat.v2"
    d.log.wait("asks GET /room/open open 1 ada 127.0.0.1 main [] []", task="gate")
    ws.close()


def test_a_decision_may_come_later_and_its_run_goes_on(d):
    """proves W11"""
    since = d.log.mark()
    ws = d.ws("/room/later")
    assert ws.headers["x-room"] == "later"
    assert ws.recv().startswith("open /room/later")
    d.log.wait("goes on", task="gate", since=since)
    ws.close()


def test_a_task_rejects_with_status_headers_and_text(d):
    """proves W11"""
    ws = d.ws("/room/shut", check=False)
    assert ws.status == 451 and ws.headers["x-why"] == "law" and ws.headers["x-bellwire-run"]
    assert d.ws("/room/later-shut", check=False).status == 403
    raw = d.raw()
    raw.send(b"GET /room/shut HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert raw.response().body == b"not shut"
    assert faults(d, "/room/shut") == []


@pytest.mark.parametrize("name, status, cause", [
    ("nobody", 500, "handshake: the task ended without a decision"),
    ("broken", 500, "handshake: the task failed before its decision"),
    ("wrong", 500, "handshake: the task failed before its decision"),
    ("slow", 504, "timeout: the handshake was not decided in time"),
])
def test_a_handshake_without_a_decision_is_refused_and_told_once(d, name, status, cause):
    """proves W11 W6"""
    path = f"/room/{name}"
    assert d.ws(path, check=False).status == status
    d.log.wait(f"room fault {name}: {cause}")
    d.log.wait(f"fault {path}: {cause} [] 127.0.0.1 main", task="faults")
    assert len(faults(d, path)) == 1
    assert len(d.log.find(f"room fault {name}:")) == 1
    assert not d.log.find(f"opened {path}")


def test_the_first_decision_counts(d):
    """proves W11"""
    ws = d.ws("/room/twice")
    assert ws.status == 101
    d.log.wait(where=lambda e: "the handshake is decided already" in str(e), task="gate")
    ws.close()


def test_auto_is_told_after_the_101_and_the_most_specific_manual_task_decides(d):
    """proves W11"""
    ws = d.ws("/told")
    assert ws.recv() == "upgraded /told"
    assert ws.recv().startswith("open /told")
    ws.close()


def test_a_peer_that_leaves_while_the_task_decides_harms_nothing(d):
    """proves W11"""
    for _ in range(5):
        raw = d.raw()
        raw.send(b"GET /room/slow HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        raw.close()
    assert d.ws("/room/later").recv()


def handshake(d, path, *lines):
    raw = d.raw()
    raw.send("\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", "Connection: Upgrade",
                          "Upgrade: websocket", *lines, "", ""]).encode())
    return raw.response()


def test_a_failed_handshake_is_told_with_its_cause_and_opens_nothing(d):
    """proves W6"""
    assert handshake(d, "/bad-key", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x").status == 400
    d.log.wait("fault /bad-key: handshake: ", task="faults")
    answer = handshake(d, "/old", "Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    assert answer.status == 426 and answer.headers["sec-websocket-version"] == "13"
    d.log.wait("fault /old: handshake: ", task="faults")
    assert len(faults(d, "/bad-key")) == len(faults(d, "/old")) == 1


def test_a_protocol_fault_of_a_session_is_told_once(d):
    """proves W6"""
    ws = d.ws("/unmasked")
    ws.recv()
    ws.send_frame(1, b"no mask", mask=False)
    assert ws.expect_close()[0] == 1002
    entry = d.log.wait("fault /unmasked: protocol: ", task="faults")
    assert "[]" not in entry["message"]
    assert len(faults(d, "/unmasked")) == 1


def test_a_reset_connection_is_a_transport_fault(d):
    """proves W6 W5"""
    ws = d.ws("/reset")
    ws.recv()
    ws.reset()
    d.log.wait("fault /reset: transport: ", task="faults")
    assert len(faults(d, "/reset")) == 1


def test_gates_and_credentials_of_the_trigger_come_before_its_task(start):
    """proves W11 S17"""
    d = start({"bellwire.yaml": """
        tasks:
          gate:
            triggers: [{server-upgrade: {path: /in, mode: manual, auth: {bearer: {file: tokens}}}}]
            conditions: [{when: WsQuery ~= "no", unmet: 418}]
            at-most: {runs: 2, per: 1h}
            actions: [{accept-upgrade: {headers: {X-User: "${User}"}}}]
          told:
            triggers: [{server-upgrade: {path: /guarded, auth: {bearer: {file: tokens}}}}]
            actions: [{send-message: "hello ${User}"}]
    """, "tokens": "secret ada\n"})
    token = [("Authorization", "Bearer secret")]
    assert d.ws("/in", check=False).status == 401
    assert d.ws("/guarded", check=False).status == 401
    assert d.ws("/in?no", token, check=False).status == 418
    assert d.ws("/in", token).headers["x-user"] == "ada"
    assert d.ws("/guarded", token).recv() == "hello ada"
    assert d.ws("/in", token).status == 101
    refused = d.ws("/in", token, check=False)
    assert refused.status == 429 and int(refused.headers["retry-after"]) > 1000


def test_a_mode_that_waits_holds_the_handshake(start):
    """proves W11 T9"""
    d = start("""
        tasks:
          gate:
            triggers: [{server-upgrade: {mode: manual}}]
            mode: queued
            actions: [{wait: 100ms}, accept-upgrade]
    """)
    peers = [d.raw() for _ in range(3)]
    for raw in peers:
        raw.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert [raw.response().status for raw in peers] == [101, 101, 101]


def test_wrong_uses_are_load_errors_or_step_errors(start):
    """proves W11 S13"""
    result = start.check("""
        tasks:
          b: {triggers: [{server-upgrade: {path: /x, mode: manual}}], actions: [reject-upgrade: 99]}
          c: {triggers: [{server-upgrade: {mode: maybe}}], actions: [{accept-upgrade: {headers: {Upgrade: x}}}]}
          d: {triggers: [startup], actions: [{reject-upgrade: {headers: {Sec-WebSocket-Accept: x}}}]}
    """)
    assert result.returncode == 78
    for text in ("between 300 and 599", '"mode"',
                 'header "Upgrade" is written by Bellwire itself', 'header "Sec-WebSocket-Accept" is'):
        assert text in result.stdout, result.stdout
    result = start.check("""
        tasks:
          a: {triggers: [{server-upgrade: {path: /x, mode: manual}}], actions: [accept-upgrade]}
          b: {triggers: [{server-upgrade: {path: /x, mode: manual}}], actions: [reject-upgrade]}
    """)
    assert result.returncode == 78 and 'matches the same requests to "/x"' in result.stdout, result.stdout
    d = start("""
        tasks:
          a:
            triggers: [{http-request: /}]
            actions: [{accept-upgrade: {}, on-error: continue}, {http-response: "${LastErrorDescription}"}]
          b:
            triggers: [{server-upgrade: {mode: manual}}]
            actions: [{accept-upgrade: {headers: {X-A: "${WsQueryParam(v)}"}}}]
    """)
    assert "no handshake waits for this run" in d.http("GET", "/").text
    assert d.ws("/?v=a%0d%0ab", check=False).status == 500


WAITING = """
servers: {main: {bind: "127.0.0.1:0"}, side: {bind: "127.0.0.1:0"}}
tasks:
  gate:
    triggers: [{server-upgrade: {server: side, mode: manual}}]
    actions: [{log: asked}, {wait: 400ms}, accept-upgrade, {log: "decided %s"}]
  stop:
    triggers: [{http-request: {server: main, path: /stop}}]
    actions: [{stop-server: side}, {http-response: ok}]
"""
HANDSHAKE = (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def test_a_handshake_waits_through_a_reload(start):
    """proves W11 D2"""
    d = start(WAITING % "before")
    raw = d.raw("side").send(HANDSHAKE)
    d.log.wait("asked")
    d.write(WAITING % "after")
    assert d.reload()["changes"]["tasks"]["changed"] == ["gate"]
    assert raw.response().status == 101
    d.log.wait("decided before")
    assert d.ws("/", server="side").status == 101
    d.log.wait("decided after")


def test_a_server_that_stops_opens_nothing_that_waits(start):
    """proves W11 S5 D3"""
    d = start(WAITING % "late")
    raw = d.raw("side").send(HANDSHAKE)
    d.log.wait("asked")
    assert d.http("GET", "/stop", server="main").text == "ok"
    assert raw.response().status == 503
    d.manager("server", "start", "side", check=0)
    d.log.wait("listening", server="side", count=2)
    raw = d.raw("side").send(HANDSHAKE)
    d.log.wait("asked", count=2)
    d.terminate()
    assert raw.response().status == 503
    assert d.wait_exit() == 0


def test_headers_that_are_too_large_fail_the_step(start):
    """What a peer sends may come back in them, as often as the task says. proves W2"""
    daemon = start("""
        tasks:
          gate:
            triggers: [{server-upgrade: {path: /room, mode: manual}}]
            actions:
              - accept-upgrade: {headers: {X-A: "${WsQueryParam(q)}", X-B: "${WsQueryParam(q)}", X-C: "${WsQueryParam(q)}"}}
                on-error: continue
              - reject-upgrade: {status: 400, text: "${LastErrorDescription}"}
    """)
    peer = daemon.ws("/room?q=" + "a" * 20000)
    assert peer.headers["x-c"] == "a" * 20000
    peer.close()
    peer = daemon.ws("/room?q=" + "a" * 31000, check=False)
    assert peer.status == 400
    peer.close()
    peer = daemon.ws("/room?q=a")
    peer.close()


def test_a_subprotocol_that_no_answer_holds_is_refused(start):
    """proves W2"""
    daemon = start("""
        servers: {main: {bind: "127.0.0.1:0", max-header-size: 256KiB}}
        tasks:
          room:
            triggers: [{server-upgrade: {path: /room, mode: manual}}]
            actions: [{accept-upgrade: {subprotocol: "${WsHeader(sec-websocket-protocol)}"}}]
    """)
    peer = daemon.ws("/room", subprotocols=["a" * 70000], check=False)
    assert peer.status == 500
    peer.close()
    peer = daemon.ws("/room", subprotocols=["a" * 1000])
    peer.close()


def test_a_handshake_behind_a_request_that_waits(start):
    """It is taken up when the answer is out, and the session is as any other. proves W2 S6"""
    daemon = start("""
        tasks:
          slow:
            triggers: [{http-request: /slow}]
            actions: [{wait: 50ms}, {http-response: done}]
          echo:
            triggers: [{server-message: /echo}]
            actions: [{send-message: "${WsMessage}"}]
    """)
    peer = daemon.raw()
    peer.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"
              b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    assert peer.response().body == b"done"
    assert peer.recv_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    peer.send(b"\x81\x82\0\0\0\0hi")
    assert peer.recv_exact(4) == b"\x81\x02hi"
    peer.close()


def test_what_a_disabled_task_guards_stays_shut(start):
    """Its paths are 404, also where another task would be glad of the session. proves W2 D7"""
    config = """
        tasks:
          guard:
            enabled: %s
            triggers: [{server-upgrade: {path: /guarded, auth: {bearer: {file: tokens}}}}]
            actions: []
          decider:
            triggers: [{server-upgrade: {path: /decided, mode: manual}}]
            actions: [{reject-upgrade: {status: 403}}]
          told:
            triggers: [{server-upgrade: /open}]
            actions: []
          echo:
            triggers: [{server-message: "/{any}"}]
            actions: [{send-message: "${WsMessage}"}]
    """
    daemon = start({"bellwire.yaml": config % "true", "tokens": "secret\n"})

    def status(path, **headers):
        peer = daemon.ws(path, headers=list(headers.items()), check=False)
        peer.close() if peer.status == 101 else None
        return peer.status
    bearer = {"Authorization": "Bearer secret"}
    assert [status("/guarded"), status("/guarded", **bearer), status("/decided"), status("/open")] == [401, 101, 403, 101]
    for task in ("guard", "decider", "told"):
        daemon.manager("task", "disable", task, check=0)
    assert [status("/guarded"), status("/guarded", **bearer), status("/decided"), status("/open")] == [404, 404, 404, 101]
    daemon.log.wait('which decides about it, is disabled')
    for task in ("guard", "decider"):
        daemon.manager("task", "enable", task, check=0)
    assert [status("/guarded"), status("/guarded", **bearer), status("/decided")] == [401, 101, 403]
    daemon.write({"bellwire.yaml": config % "false"})
    assert daemon.reload()["ok"]
    assert [status("/guarded", **bearer), status("/open")] == [404, 101]
