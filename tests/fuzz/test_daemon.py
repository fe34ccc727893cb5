"""Mutated bytes at a running daemon, by each of its doors: HTTP, WebSocket, both within TLS, TLS itself, the control
socket, and what servers answer to its clients. It must go on serving.

FUZZ_SECONDS says for how long (default 8), FUZZ_SEED repeats the choices of a run; a failure prints its seed.
proves D9 W16
"""
import collections
import os
import random
import socket
import ssl
import threading
import time

import harness
import tls_peers
from client_peers import answer_to
from peers import RawSocket, encode_frame

SECONDS = float(os.environ.get("FUZZ_SECONDS", "8"))
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(1 << 32)))
CONFIG = r"""
servers:
  main: &main {bind: "127.0.0.1:0", compression: {context-takeover: true}, max-message: 64KiB, max-body: 64KiB,
    header-timeout: 2s, body-timeout: 2s, handshake-timeout: 2s, hosts: any}
  side: {<<: *main, tls: {certificate: server.pem, key: server.key}}
clients:
  plain: &client {url: "ws://127.0.0.1:PLAIN/", auto-reconnect: {min: 1ms, max: 5ms}, compression: true, max-message: 64KiB,
    connect-timeout: 2s, ping-interval: 100ms, log-level: error}
  secret: {<<: *client, url: "wss://127.0.0.1:SECRET/", tls: {verify: false}}
tasks:
  met:
    triggers: [client-open: plain, client-open: secret]
    actions: [{send-message: {text: "hello ${HttpHeader(x-a)}"}, on-error: continue}]
  heard:
    triggers: [client-message: plain, client-message: secret]
    actions: [{send-message: {binary: "${WsMessage}", is-binary: "${WsIsBinary}"}, on-error: continue}]
  page:
    triggers: [{http-request: {path: "/{any...}", server: main}}, {http-request: {path: "/{any...}", server: side}}]
    actions:
      - http-response:
          html: "<p title='${HttpHeader(x-a)}'>${HttpPath} ${HttpQueryParam(a)} ${HttpPostParam(a)} ${HttpPostFile(file).name}
            ${HttpCookie(sid)} ${HttpPathParam(any)} ${HttpJson(a.b)}</p>"
  chat:
    triggers: [{server-message: {path: /ws, regex: '^(?<all>.*)$', server: main}}, {server-message: {path: /ws, json: {a: 1}, server: main}},
      {server-message: {path: /ws, server: side}}]
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
    ("GET /v1/sessions", ""), ("POST /v1/reload", ""), ("POST /v1/tasks/met/disable", ""), ("POST /v1/tasks/met/enable", ""),
    ("PATCH /v1/clients/plain", '{"max-message":"1KiB"}'), ("POST /v1/check", '{"path":"/dev/null"}'), ("GET /v1/why?task=page", ""), ("GET /v1/limits", "")]]
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


def frames(source, mask=.95):
    """`mask`: how many have one, as those of clients must and those of servers must not."""
    parts = []
    for _ in range(source.randrange(1, 6)):
        data = source.choice((b"hello", b'{"a":1}', b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"x" * 70000, b"", b"\x03\xe8bye"))
        parts.append(encode_frame(source.choice((0, 1, 1, 2, 8, 9, 10, 11)), data, source.random() < .8,
                                  source.choice((0, 0, 0, 4, 2)), source.random() < mask))
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


def http(source):
    return b"".join(mutate(source, source.choice(HTTP)) for _ in range(source.choice((1, 1, 3))))


def websocket(source):
    opening = UPGRADE if source.random() < .8 else mutate(source, UPGRADE)
    return opening + mutate(source, frames(source))


class Tls:
    """TLS over a socket, whose records pass through our hands."""

    def __init__(self, connection, context, **options):
        self.connection, self._in, self._out = connection, ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, **options)
        connection.settimeout(5)

    def step(self, what, *arguments):
        """Does it, reading as much as that takes. What is to be sent waits for records()."""
        while True:
            try:
                return what(*arguments)
            except ssl.SSLWantReadError:
                self.connection.sendall(self.records())
                data = self.connection.recv(65536)
                if not data:
                    raise ConnectionError("closed") from None
                self._in.write(data)

    def records(self):
        return self._out.read()

    def greet(self):
        self.step(self._tls.do_handshake)

    def first(self):
        """The first flight of a handshake; a server's answers what has come."""
        data = self.connection.recv(65536) if self._tls.server_side else b""
        self._in.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLError:
            pass  # more is wanted, or the other end is no TLS
        return self.records()

    def read(self, size=65536):
        return self.step(self._tls.read, size)

    def wrapped(self, data):
        """Its records, after what else is to be sent."""
        self._tls.write(data)
        return self.records()


def context(is_server):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    if is_server:
        made.load_cert_chain(tls_peers.folder() / "server.pem", tls_peers.folder() / "server.key")
    else:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def within_tls(source, connection, made):
    """A broken hello; or a handshake, then what plain connections get, as it is or with broken records."""
    tls = Tls(connection, made, server_side=False)
    if source.random() < .4:
        throw(source, connection, mutate(source, tls.first()))
        return
    try:
        tls.greet()
        data = tls.wrapped(source.choice((http, websocket))(source))
    except OSError:
        connection.close()
        return
    throw(source, connection, data if source.random() < .6 else mutate(source, data))


class Adversary(threading.Thread):
    """A server that the daemon's client meets, again and again."""

    def __init__(self, seed, made=None):
        super().__init__(daemon=True)
        self.source, self.made, self.rounds, self.is_over = random.Random(seed), made, 0, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(.1)
        self.port = self.listener.getsockname()[1]

    def run(self):
        while not self.is_over:
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                continue
            with connection:
                try:
                    self.meet(connection)
                except (OSError, ValueError):
                    pass  # it has gone, which is its right
            self.rounds += 1
        self.listener.close()

    def meet(self, connection):
        source, tls = self.source, Tls(connection, self.made, server_side=True) if self.made else None
        connection.settimeout(5)
        if tls and source.random() < .3:
            throw(source, connection, mutate(source, tls.first()))
            return
        if tls:
            tls.greet()
        request = b""
        while b"\r\n\r\n" not in request:
            more = tls.read() if tls else connection.recv(65536)
            if not more:
                return
            request += more
        answer = answer_to(request)
        data = (answer if source.random() < .7 else mutate(source, answer)) + mutate(source, frames(source, .05))
        data = tls.wrapped(data) if tls else data
        throw(source, connection, data if not tls or source.random() < .6 else mutate(source, data))

    def end(self):
        self.is_over = True
        self.join(harness.DEADLINE)


def test_it_still_serves(start):
    source, rounds, end = random.Random(SEED), collections.Counter(), time.monotonic() + SECONDS
    print(f"FUZZ_SEED={SEED}")
    adversaries = [Adversary(SEED + 1), Adversary(SEED + 2, context(True))]
    text = CONFIG.replace("PLAIN", str(adversaries[0].port)).replace("SECRET", str(adversaries[1].port))
    daemon = start(tls_peers.files(text, "server.pem", "server.key"))
    descriptors = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    for adversary in adversaries:
        adversary.start()
    made, bystander = context(False), daemon.ws("/ws", timeout=60)
    while time.monotonic() < end:
        kind = source.choice(("http", "ws", "control", "tls"))
        rounds[kind] += 1
        if kind == "http":
            throw(source, socket.create_connection(daemon.address("main")), http(source))
        elif kind == "ws":
            throw(source, socket.create_connection(daemon.address("main")), websocket(source))
        elif kind == "tls":
            within_tls(source, socket.create_connection(daemon.address("side")), made)
        else:
            throw(source, control(daemon), mutate(source, source.choice(CONTROL)))
        if rounds.total() % 100 == 0:
            assert daemon.http("GET", "/well").status == 200
            bystander.send("well")
            assert bystander.recv().startswith("well")
            assert daemon.manager("status", check=0)

    def heard():
        clients = daemon.manager_json("stats")["clients"]
        return [clients[name]["messages"]["received"] for name in ("plain", "secret")]

    harness.wait_for(lambda: all(heard()), "the clients get past their handshakes")
    print(f"rounds: {dict(rounds)}, met by clients: {[adversary.rounds for adversary in adversaries]}, messages to them: {heard()}")
    for adversary in adversaries:
        adversary.end()
    assert daemon.is_running() and rounds.total() > 0
    bystander.send("well")
    assert bystander.recv().startswith("well")
    bystander.close()
    for row in daemon.manager_json("server", "list"):
        if row["origin"] == "manager":
            daemon.manager("server", "remove", row["id"], check=0)
    harness.wait_for(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= descriptors + 4, "what was opened is closed")
