"""Servers that the daemon's clients connect to: an independent one, and a scripted one for misbehaviour."""
import asyncio
import base64
import hashlib
import queue
import socket
import threading

import websockets

from peers import RawSocket

DEADLINE = 20
HEARD = 0.1  # seconds: a closed socket is known by its FIN, which comes beside the next connection
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WsServer:
    """python3-websockets, 10.4 (Debian 12) and 15 (Debian 13), as a server; `headers` go into its answer. `.accepted` is a queue of connections, in order; every one stays open until
    it or the server is closed. `.open` counts those that are open, `.overlaps` the pairs that were open together for
    longer than it takes to hear of a peer that has closed."""

    def __init__(self, port=0, headers=None, **options):
        self.accepted = queue.Queue()
        self.open = self.overlaps = self.total = 0
        self._connections = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self.run(self._serve(port, headers or {}, options))
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, port, headers, options):
        options = {"ping_interval": None, **options}
        try:
            from websockets.asyncio.server import serve
        except ImportError:
            return await websockets.serve(self._handle, "127.0.0.1", port, extra_headers=headers, **options)

        def add_headers(_, __, response):
            response.headers.update(headers)
        return await serve(self._handle, "127.0.0.1", port, process_response=add_headers, **options)

    async def _handle(self, connection, *_):
        self.total += 1
        self.open += 1
        self._loop.call_later(HEARD, self._look, connection, set(self._connections))
        self._connections.add(connection)
        self.accepted.put(Accepted(self, connection))
        try:
            await connection.wait_closed()
        finally:
            self.open -= 1
            self._connections.discard(connection)

    def _look(self, connection, others):
        if connection in self._connections:
            self.overlaps += len(others & self._connections)

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE)

    def accept(self):
        return self.accepted.get(timeout=DEADLINE)

    def close(self):
        async def end():
            self._server.close()
            await self._server.wait_closed()
        if self._thread.is_alive():
            self.run(end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(DEADLINE)
            self._loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Accepted:
    def __init__(self, server, connection):
        self._server = server
        self._connection = connection
        request = getattr(connection, "request", None)
        self.headers = request.headers if request else connection.request_headers
        self.path = request.path if request else connection.path
        self.subprotocol = connection.subprotocol

    def send(self, message):
        self._server.run(self._connection.send(message))

    def recv(self):
        return self._server.run(asyncio.wait_for(self._connection.recv(), DEADLINE))

    def close(self, code=1000, reason=""):
        self._server.run(self._connection.close(code, reason))

    def wait_closed(self):
        self._server.run(asyncio.wait_for(self._connection.wait_closed(), DEADLINE))
        return self._connection.close_code, self._connection.close_reason


class RawServer:
    """A listener that does nothing by itself."""

    def __init__(self, port=0):
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(DEADLINE)
        self.port = self._listener.getsockname()[1]

    def accept(self):
        connection, _ = self._listener.accept()
        connection.settimeout(DEADLINE)
        return RawSocket(connection)

    def is_asked(self, seconds):
        """Whether somebody connects within that time; the connection is closed at once."""
        self._listener.settimeout(seconds)
        try:
            self._listener.accept()[0].close()
            return True
        except TimeoutError:
            return False
        finally:
            self._listener.settimeout(DEADLINE)

    def accept_ws(self, more=b""):
        """A connection with the handshake done."""
        raw = self.accept()
        raw.send(answer_to(raw.recv_until(b"\r\n\r\n"), more))
        return raw

    def close(self):
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def answer_to(request, more=b""):
    key = next(line.split(b":", 1)[1].strip() for line in request.split(b"\r\n")
               if line.lower().startswith(b"sec-websocket-key:"))
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n" + more + b"\r\n")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
