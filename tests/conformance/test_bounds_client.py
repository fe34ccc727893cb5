"""The bounds of a client, passed by one against servers that misbehave: rows of bounds.json. proves C5 C7 C10"""
import select
import socket

import pytest

import harness
import test_bounds
from client_peers import RawServer
from peers import BINARY, CLOSE, PING, PONG, TEXT, encode_frame

ROWS = [row for row in test_bounds.ALL if row["of"] == "client"]
CONFIG = """
workers: 1
shutdown-timeout: 100ms
servers: {main: {bind: "127.0.0.1:0"}}
clients: {peer: {url: "ws://127.0.0.1:PORT/", auto-reconnect: false, KEY: VALUEMORE}}
tasks:
  after:
    triggers: [{http-request: /after}]
    actions: [{http-response: done}]
  send:
    triggers: [{http-request: {path: "/send/{n}", respond: 200}}]
    actions:
      - repeat: {times: "${number(HttpPathParam('n'))}"}
        do: [{send-message: {text: "${('x'):rep(60000)}", to: {client: peer}}}]
  got:
    triggers: [client-message: peer]
    actions: [{log: "GOT ${#WsMessage}"}]
  failed:
    triggers: [client-error]
    actions: [{log: "ERROR ${WsError}"}]
"""


def error_of(daemon):
    return daemon.log.wait("ERROR ")["message"].split()[1].rstrip(":")


def state_of(daemon):
    return daemon.manager_json("client", "list")[0]["state"]


class FullQueue:
    """A listener that answers nobody: its queue is full."""

    def __init__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port = self._listener.getsockname()[1]
        self._fillers = []
        while not self._fillers or select.select([], [self._fillers[-1]], [], 0.2)[1]:
            assert len(self._fillers) < 20
            self._fillers.append(socket.socket())
            self._fillers[-1].setblocking(False)
            self._fillers[-1].connect_ex(("127.0.0.1", self.port))

    def close(self):
        for each in [self._listener, *self._fillers]:
            each.close()


def full_queue(daemon, row, server):
    return error_of(daemon)


def open_peer(daemon, server):
    raw = server.accept_ws()
    harness.wait_for(lambda: state_of(daemon) == "open", "it is open")
    return raw


def open(daemon, row, server):
    raw = open_peer(daemon, server)
    raw.socket.close()
    return "open"


def silent_handshake(daemon, row, server):
    raw = server.accept()
    return error_of(daemon) if raw.recv_all().startswith(b"GET ") else "nothing was asked"


def dripped_handshake(daemon, row, server):
    raw = server.accept()
    raw.recv_until(b"\r\n\r\n")
    test_bounds.drip(raw, b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"y" * 5000)
    return error_of(daemon)


def read_frame(raw):
    head = raw.recv_exact(2)
    size = head[1] & 127
    size = int.from_bytes(raw.recv_exact({126: 2, 127: 8}[size]), "big") if size > 125 else size
    mask = raw.recv_exact(4)
    return head[0] & 15, bytes(byte ^ mask[i % 4] for i, byte in enumerate(raw.recv_exact(size)))


def message(daemon, row, server):
    raw = open_peer(daemon, server)
    raw.send(encode_frame(TEXT, b"m" * row["size"], mask=False))
    if row.get("refused", 1):
        opcode, payload = read_frame(raw)
        assert opcode == CLOSE
        return int.from_bytes(payload[:2], "big")
    daemon.log.wait(f"GOT {row['size']}")
    raw.socket.close()
    return "received"


def unread_messages(daemon, row, server):
    """The task waits while the peer does not read; nobody else does, and it goes on when the peer reads."""
    raw = open_peer(daemon, server)
    assert daemon.http("GET", f"/send/{row['count']}").status == 200
    if row.get("refused", 1):
        harness.wait_for(lambda: test_bounds.refused(daemon, row), "the task waits")
    assert daemon.http("GET", "/after").status == 200
    for _ in range(row["count"]):
        assert len(read_all_of_frame(raw)) == 60000
    state = state_of(daemon)
    raw.socket.close()
    return state


def read_all_of_frame(raw):
    """As read_frame(), without taking the mask off."""
    head = raw.recv_exact(4)
    assert head[0] & 15 in (TEXT, BINARY) and head[1] & 127 == 126
    return raw.recv_exact(4 + int.from_bytes(head[2:], "big"))[4:]


def unread_messages_too_long(daemon, row, server):
    raw = open_peer(daemon, server)
    assert daemon.http("GET", "/send/500").status == 200
    error = error_of(daemon)
    raw.socket.close()
    return error


def silent_peer(daemon, row, server):
    raw = server.accept_ws()
    error = error_of(daemon)
    raw.socket.close()
    return error


def answered_ping(daemon, row, server):
    raw = open_peer(daemon, server)
    for _ in range(3):
        opcode, payload = read_frame(raw)
        assert opcode == PING
        raw.send(encode_frame(PONG, payload, mask=False))
    state = state_of(daemon)
    raw.socket.close()
    return state


@pytest.mark.parametrize("row", ROWS, ids=map(test_bounds.name, ROWS))
def test_bound(start, row):
    server = FullQueue() if row["scenario"] == "full_queue" else RawServer()
    config = CONFIG.replace("PORT", str(server.port)).replace("KEY", row["key"]).replace("VALUE", row["value"])
    row = {**row, "of": "client:peer"}
    daemon = start(config.replace("MORE", row.get("more", "")), workers=1)
    assert globals()[row["scenario"]](daemon, row, server) == row["answer"]
    server.close()
    test_bounds.assert_counted(daemon, row)
    assert ":" in test_bounds.limit_of(daemon, row)["set_at"]
    assert daemon.http("GET", "/after").status == 200
