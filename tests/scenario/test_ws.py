"""WebSocket servers as peers see them, on the real daemon."""
import json
import socket
import struct

import pytest

from harness import wait_for
from peers import CLOSE, CONTINUATION, PING, PONG, TEXT

CONFIG = r"""
servers:
  main: {bind: "127.0.0.1:0", subprotocols: [chat.v2, chat.v1], max-message: 64KiB}
tasks:
  echo:
    triggers: [{server-message: /echo}]
    actions: [{send-message: {binary: "${WsMessage}", is-binary: "${WsIsBinary}"}}]
  opened:
    triggers: [{server-open: "/info/{name}"}]
    actions:
      - send-message:
          json: {event: open, session: "${SessionId}", peer: "${Peer}", method: "${WsMethod}", path: "${WsPath}",
                 name: "${WsPathParam(name)}", q: "${WsQueryParam(q)}", query: "${WsQuery}", header: "${WsHeader(x-test)}",
                 protocol: "${WsSubprotocol}", http: "${HttpPath}", server: "${ServerId}"}
  info:
    triggers: [{server-message: "/info/{name}"}]
    actions:
      - send-message:
          json: {event: message, session: "${SessionId}", peer: "${Peer}", name: "${WsPathParam(name)}",
                 q: "${WsQueryParam(q)}", header: "${WsHeader(x-test)}", binary: "${WsIsBinary}", j: "${WsJson(a.1)}"}
  closed:
    triggers: [{server-close: "/info/{name}"}]
    actions:
      - log: "closed ${WsPathParam(name)} ${WsQueryParam(q)} ${WsHeader(x-test)} code=${WsCloseCode} reason=${WsCloseReason} by=${WsClosedBy}"
  bye:
    triggers: [{server-message: {path: /bye, exact: now}}]
    actions: [{send-message: {text: good bye, end: true}}]
  bye-silent:
    triggers: [{server-message: {path: /bye, exact: silent}}]
    actions: [{send-message: {end: true}}]
  closing:
    triggers: [{server-message: {path: /bye, starts-with: "close "}}]
    actions: [{close-session: {code: "${WsJson(code)}", reason: done}}]
  m-contains:
    triggers: [{server-message: {path: /match, contains: "a*b"}}]
    actions: [{send-message: contains}]
  m-start:
    triggers: [{server-message: {path: /match, starts-with: "Hi", case-sensitive: false}}]
    actions: [{send-message: starts-with}]
  m-exact:
    triggers: [{server-message: {path: /match, exact: "hi a*b"}}]
    actions: [{send-message: exact}]
  m-regex:
    triggers: [{server-message: {path: /match, regex: '^(\w+) (?<rest>.*)$'}}]
    actions: [{send-message: "regex ${Match(1)}|${Match(rest)}|${Match(0)}"}]
  m-json:
    triggers: [{server-message: {path: /match, json: {kind: order, item.count: 7, none: null}}}]
    actions: [{send-message: json}]
  m-all:
    triggers: [{server-message: /match}]
    actions: [{send-message: all}]
  push:
    triggers: [{http-request: "/push/{id}"}]
    actions:
      - send-message: {to: {session: "${HttpPathParam(id)}"}, text: pushed}
        save: result
      - http-response: "${result.sent}"
  plain:
    triggers: [{http-request: /echo}]
    actions: [{http-response: plain}]
  counter:
    triggers: [{server-message: /count}]
    actions:
      - set: {session.n: "${number(session.n or 0) + 1}"}
      - send-message: "${session.n}"
"""


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(CONFIG)


def test_one_address_answers_both(daemon):
    """A message never fires http-request, an upgrade neither. proves S1"""
    assert daemon.http("GET", "/echo").text == "plain"
    with daemon.ws("/echo") as ws:
        ws.send("over websocket")
        assert ws.recv() == "over websocket"
    requests = daemon.manager_json("task", "show", "plain")["runs"]
    assert requests == 1


def test_messages_in_any_shape_arrive_once(daemon):
    """Coalesced, byte by byte, and in fragments with a ping between. proves W1 W3"""
    with daemon.ws("/echo") as ws:
        frames = b"".join(frame(TEXT, b"message %d" % n) for n in range(100))
        ws.send_raw(frames)
        assert [ws.recv() for _ in range(100)] == [f"message {n}" for n in range(100)]
        for byte in frame(TEXT, "häßlich".encode()):
            ws.send_raw(bytes([byte]))
        assert ws.recv() == "häßlich"
        ws.send_raw(frame(TEXT, b"one ", fin=False) + frame(PING, b"!") + frame(CONTINUATION, b"two", fin=False) +
                    frame(CONTINUATION, b"", fin=True))
        pong = ws.recv_frame()
        assert (pong.opcode, pong.payload) == (PONG, b"!")
        assert ws.recv() == "one two"
        ws.send(b"\0\1\xff")
        assert ws.recv() == b"\0\1\xff"


def frame(opcode, payload, fin=True):
    mask = b"\1\2\3\4"
    size = struct.pack("!B", 0x80 | len(payload)) if len(payload) < 126 else struct.pack("!BH", 0x80 | 126, len(payload))
    return bytes([opcode | (0x80 if fin else 0)]) + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def test_the_opening_request_stays_readable(daemon):
    """In open, message and close alike. proves W4 W5 W7"""
    mark = daemon.log.mark()
    with daemon.ws("/info/ada%20b?q=1+2", headers=[("X-Test", "yes")], subprotocols=["chat.v1", "other"]) as ws:
        opened = json.loads(ws.recv())
        assert opened == {"event": "open", "session": opened["session"], "peer": opened["peer"], "method": "GET",
                          "path": "/info/ada b", "name": "ada b", "q": "1 2", "query": "q=1+2", "header": "yes",
                          "protocol": "chat.v1", "http": "", "server": "main"}
        assert opened["peer"].startswith("127.0.0.1")
        ws.send('{"a": [1, {"b": 2}]}')
        message = json.loads(ws.recv())
        assert message["session"] == opened["session"] and message["name"] == "ada b" and message["q"] == "1 2"
        assert message["header"] == "yes" and message["binary"] is False and message["j"] == {"b": 2}
        ws.close(4001, "enough")
    entry = daemon.log.wait("closed ada b", since=mark)
    assert entry["message"] == "closed ada b 1 2 yes code=4001 reason=enough by=peer"


def test_a_lost_peer_is_1006(daemon):
    """proves W5"""
    mark = daemon.log.mark()
    ws = daemon.ws("/info/lost")
    ws.recv()
    ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ws.socket.close()
    assert daemon.log.wait("closed lost", since=mark)["message"].endswith("code=1006 reason= by=lost")


def test_a_close_without_a_code_is_1005(daemon):
    """proves W5"""
    mark = daemon.log.mark()
    with daemon.ws("/info/bare") as ws:
        ws.recv()
        ws.send_frame(CLOSE, b"")
        ws.expect_close()
    assert daemon.log.wait("closed bare", since=mark)["message"].endswith("code=1005 reason= by=peer")


def test_session_ids_are_unique_and_long(daemon):
    """proves W7"""
    ids = set()
    for _ in range(50):
        with daemon.ws("/info/x") as ws:
            ids.add(json.loads(ws.recv())["session"])
    assert len(ids) == 50 and min(map(len, ids)) >= 22


def test_end_sends_then_closes(daemon):
    """proves W10"""
    with daemon.ws("/bye") as ws:
        ws.send("now")
        assert ws.recv() == "good bye"
        assert ws.expect_close()[0] == 1000
    with daemon.ws("/bye") as ws:
        ws.send("silent")
        assert ws.expect_close()[0] == 1000


def test_match_keys(daemon):
    """Every trigger that matches fires, in the order of the files. proves W1 W2"""
    def answers(message, count):
        with daemon.ws("/match") as ws:
            ws.send(message)
            found = [ws.recv() for _ in range(count)]
            ws.send("end-marker")
            assert ws.recv() == "all"
            return found
    assert answers("hi a*b", 5) == ["contains", "starts-with", "exact", "regex hi|a*b|hi a*b", "all"]
    assert answers("HI aXb", 3) == ["starts-with", "regex HI|aXb|HI aXb", "all"]
    assert answers('{"kind":"order","item":{"count":7.0},"none":null}', 2) == ["json", "all"]
    assert answers('{"kind":"order","item":{"count":"7"},"none":null}', 1) == ["all"]
    assert answers('{"kind":"order","item":{"count":7}}', 1) == ["all"]


def test_paths_choose_and_unknown_ones_are_refused(daemon):
    """proves W12"""
    ws = daemon.ws("/nowhere", check=False)
    assert ws.status == 404
    entry = daemon.log.wait("/nowhere")
    assert "/echo" in entry["message"]
    with daemon.ws("/echo", subprotocols=["unknown"]) as ws:
        assert "sec-websocket-protocol" not in ws.headers
    assert daemon.http("GET", "/match").status == 426


def test_a_session_is_reached_by_its_id_from_any_worker(daemon):
    """proves W9 W16"""
    sessions = [daemon.ws("/info/p") for _ in range(12)]
    ids = [json.loads(ws.recv())["session"] for ws in sessions]
    for ws, session in zip(sessions, ids):
        assert daemon.http("GET", f"/push/{session}").text == "1"
        assert ws.recv() == "pushed"
    for ws in sessions:
        ws.close()
    wait_for(lambda: daemon.http("GET", f"/push/{ids[0]}").status == 500, "the closed session to be unknown")


def test_session_names_live_with_their_session(daemon):
    """proves T14"""
    with daemon.ws("/count") as one, daemon.ws("/count") as two:
        for n in range(1, 6):
            one.send("x")
            assert one.recv() == str(n)
        two.send("x")
        assert two.recv() == "1"


def test_messages_above_the_bound_close_with_1009(daemon):
    """proves W13"""
    with daemon.ws("/echo") as ws:
        ws.send("x" * 65536)
        assert ws.recv() == "x" * 65536
        ws.send("x" * 65537)
        assert ws.expect_close()[0] == 1009


@pytest.mark.parametrize("wrong, code", [
    (bytes([0x81, 0x01]) + b"a", 1002),                       # not masked
    (bytes([0xC1, 0x80, 1, 2, 3, 4]), 1002),                  # reserved bit
    (bytes([0x83, 0x80, 1, 2, 3, 4]), 1002),                  # unknown opcode
    (bytes([0x09, 0x80, 1, 2, 3, 4]), 1002),                  # control frame in pieces
    (bytes([0x80, 0x80, 1, 2, 3, 4]), 1002),                  # nothing to continue
    (bytes([0x81, 0x81, 0, 0, 0, 0, 0xFF]), 1007),            # not UTF-8
    (bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xED]), 1002),      # close with 1005
])
def test_malformed_frames_close_with_their_code(daemon, wrong, code):
    """And disturb nobody else. proves W13"""
    with daemon.ws("/echo") as other:
        with daemon.ws("/echo") as ws:
            ws.send_raw(wrong)
            assert ws.expect_close()[0] == code
        other.send("still here")
        assert other.recv() == "still here"


def test_an_independent_peer(daemon):
    """python3-websockets, with compression off. proves W13"""
    peer = daemon.peer("/echo", compression=None)
    for message in ("text", b"\0binary", "", "x" * 40000):
        peer.send(message)
        assert peer.recv() == message
    peer.close()


def test_thousands_of_sessions_reach_each_other(start):
    """proves W15 W16"""
    daemon = start("""
        tasks:
          enter: {triggers: [{server-open: "/room/{r}"}], actions: [{join-room: "${WsPathParam(r)}"}, {send-message: in}]}
          say:
            triggers: [{server-message: "/room/{r}"}]
            actions: [{send-message: {to: {room: "${WsPathParam(r)}", except: "${SessionId}"}, text: "${WsMessage}"}}]
    """)
    sessions = [daemon.ws(f"/room/{n % 10}") for n in range(1500)]
    for ws in sessions:
        assert ws.recv() == "in"
    sessions[3].send("hello three")
    for n, ws in enumerate(sessions):
        if n % 10 == 3 and n != 3:
            assert ws.recv() == "hello three"
    sessions[4].send("hello four")
    assert sessions[14].recv() == "hello four"
    assert daemon.manager_json("status")["sessions"] == 1500
    for ws in sessions:
        ws.socket.close()


def test_a_peer_that_never_reads_harms_no_other(start):
    """A broadcast past max-backlog closes it, the others get everything. proves W16"""
    daemon = start("""
        servers: {main: {bind: "127.0.0.1:0", max-backlog: 256KiB, max-message: 1MiB}}
        tasks:
          all: {triggers: [{server-message: /all}], actions: [{send-message: {to: {server: main}, text: "${WsMessage}"}}]}
    """)
    deaf = daemon.ws("/all")
    with daemon.ws("/all") as speaker:
        for n in range(200):
            speaker.send("x" * 60000)
            assert len(speaker.recv()) == 60000
        wait_for(lambda: daemon.manager_json("status")["sessions"] == 1, "the deaf peer to be dropped")
        speaker.send("end")
        assert speaker.recv() == "end"
    deaf.socket.close()
