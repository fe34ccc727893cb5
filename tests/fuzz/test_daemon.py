"""Mutated bytes at a running daemon: HTTP, WebSocket, the control socket. It must go on serving.

FUZZ_SECONDS says for how long (default 8), FUZZ_SEED repeats a run; a failure prints its seed. proves D9 W16
"""
import os
import random
import socket
import time

import pytest

from peers import RawSocket, encode_frame

SECONDS = float(os.environ.get("FUZZ_SECONDS", "8"))
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(1 << 32)))
CONFIG = r"""
servers: {main: {bind: "127.0.0.1:0", compression: {context-takeover: true}, max-message: 64KiB, max-body: 64KiB,
  header-timeout: 2s, body-timeout: 2s, hosts: any}}
tasks:
  page:
    triggers: [{http-request: "/{any...}"}]
    actions:
      - http-response:
          html: "<p title='${HttpHeader(x-a)}'>${HttpPath} ${HttpQueryParam(a)} ${HttpPostParam(a)} ${HttpPostFile(file).name}
            ${HttpCookie(sid)} ${HttpPathParam(any)} ${HttpJson(a.b)}</p>"
  chat:
    triggers: [{server-message: {path: /ws, regex: '^(?<all>.*)$'}}, {server-message: {path: /ws, json: {a: 1}}}]
    actions:
      - set: {session.last: "${WsMessage}", global.last: "${WsJson(a)}"}
      - send-message: {binary: "${WsMessage}${Match(all)}${session.last}", is-binary: "${WsIsBinary}"}
        on-error: continue
"""
HTTP = [b"GET /a/b%20c?a=1&b=2 HTTP/1.1\r\nHost: localhost\r\nX-A: y\r\nCookie: sid=1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=1&b=2",
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"8;x=y\r\n{\"a\":{\"\r\n6\r\nb\":1}}\r\n0\r\nX: y\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 88\r\n\r\n"
        b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhello\r\n--B--\r\n      ",
        b"OPTIONS * HTTP/1.0\r\n\r\n", b"HEAD http://localhost/ HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n"]
UPGRADE = (b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
CONTROL = [f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode() for line, body in [
    ("GET /v1/status", ""), ("GET /v1/servers/main", ""), ("PUT /v1/servers/s1", '{"bind":"127.0.0.1:0"}'),
    ("PATCH /v1/servers/s1", '{"max-body":"1MiB"}'), ("DELETE /v1/servers/s1", ""), ("GET /v1/log?level=info", ""),
    ("POST /v1/tasks/page/run", '{"request":"GET /x","body":"b"}'), ("PUT /v1/vars/a.b", '{"value":[1,{"x":null}]}'),
    ("GET /v1/sessions", ""), ("POST /v1/check", '{"path":"/dev/null"}'), ("GET /v1/why?task=page", ""), ("GET /v1/limits", "")]]
WORDS = [b"\r\n", b"\r\n\r\n", b":", b"\0", b"%", b"%00", b"/", b"..", b"chunked", b"Content-Length: 99999999999",
         b"ffffffffffffffff", b"{", b"[" * 100, b'"', b"\xff\xff\xff\xff", b"\xed\xa0\x80", b"0", b"-1", b"\\", b"A" * 40000]


def mutate(source, data):
    data = bytearray(data)
    for _ in range(source.choice((0, 1, 1, 2, 4, 16))):
        at = source.randrange(len(data) + 1)
        how = source.randrange(5)
        if how == 0 and data:
            data[at % len(data)] = source.randrange(256)
        elif how == 1:
            data[at:at] = source.choice(WORDS)
        elif how == 2:
            del data[at:at + source.randrange(1, 20)]
        elif how == 3:
            data[at:at] = data[at // 2:at]
        elif data:
            data[at % len(data)] ^= 1 << source.randrange(8)
    return bytes(data)


def frames(source):
    parts = []
    for _ in range(source.randrange(1, 6)):
        data = source.choice((b"hello", b'{"a":1}', b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"x" * 70000, b"", b"\x03\xe8bye"))
        parts.append(encode_frame(source.choice((0, 1, 1, 2, 8, 9, 10, 11)), data, source.random() < .8,
                                  source.choice((0, 0, 0, 4, 2)), source.random() < .95))
    return b"".join(parts)


def throw(source, connection, data):
    """Sends in pieces, reads a little, ends in one of several ways."""
    with connection:
        connection.settimeout(5)
        try:
            while data:
                size = source.choice((1, 7, 100, len(data)))
                connection.sendall(data[:size])
                data = data[size:] if source.random() < .98 else b""
            connection.settimeout(source.choice((0.001, 0.02)))
            connection.recv(65536)
            if source.random() < .3:
                connection.shutdown(socket.SHUT_WR)
            if source.random() < .2:
                RawSocket(connection).reset()
        except (OSError, ValueError):
            pass  # it was thrown out, which is its right


def control(daemon):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(daemon.socket))
    return connection


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(CONFIG)


def test_it_still_serves(daemon):
    source, rounds, end = random.Random(SEED), 0, time.monotonic() + SECONDS
    print(f"FUZZ_SEED={SEED}")
    bystander = daemon.ws("/ws", timeout=60)
    while time.monotonic() < end:
        rounds += 1
        kind = source.randrange(3)
        if kind == 0:
            data = b"".join(mutate(source, source.choice(HTTP)) for _ in range(source.choice((1, 1, 3))))
            throw(source, socket.create_connection(daemon.address()), data)
        elif kind == 1:
            opening = UPGRADE if source.random() < .8 else mutate(source, UPGRADE)
            throw(source, socket.create_connection(daemon.address()), opening + mutate(source, frames(source)))
        else:
            throw(source, control(daemon), mutate(source, source.choice(CONTROL)))
        if rounds % 100 == 0:
            assert daemon.http("GET", "/well").status == 200
            bystander.send("well")
            assert bystander.recv().startswith("well")
            assert daemon.manager("status", check=0)
    assert daemon.is_running() and rounds > 0
    print(f"{rounds} rounds")
    bystander.close()

