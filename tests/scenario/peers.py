"""Peers of the scenario tests: raw sockets, a WebSocket client that can break every rule, and python3-websockets."""
import asyncio
import base64
import collections
import hashlib
import os
import socket
import struct
import threading

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Frame = collections.namedtuple("Frame", "opcode payload fin rsv")
RawResponse = collections.namedtuple("RawResponse", "status headers body")


def parse_head(head):
    """Status and headers (lower case; repeated ones joined by `, `) of a response head in bytes."""
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        if line:
            name, _, value = line.partition(":")
            name = name.lower()
            headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    return int(lines[0].split(" ")[1]), headers


class RawSocket:
    """A TCP connection; every read fails after the deadline (socket.timeout)."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def send_split(self, data, size=1):
        """Sends in pieces of `size` bytes, each a segment of its own."""
        for at in range(0, len(data), size):
            self.socket.sendall(data[at:at + size])
        return self

    def _more(self):
        data = self.socket.recv(65536)
        self._rest += data
        return len(data) > 0

    def recv_until(self, end):
        """Bytes up to and with `end`; EOFError where the peer closes before."""
        while end not in self._rest:
            if not self._more():
                raise EOFError(f"closed after {self._rest!r}")
        size = self._rest.index(end) + len(end)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def recv_exact(self, size):
        while len(self._rest) < size:
            if not self._more():
                raise EOFError(f"closed after {self._rest!r}")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def recv_all(self):
        """Everything until the peer closes; a reset counts as an end."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        data, self._rest = self._rest, b""
        return data

    def response(self, has_body=True):
        """The next HTTP response, its body delimited as RFC 9112 says."""
        status, headers = parse_head(self.recv_until(b"\r\n\r\n"))
        if not has_body or status in (204, 304) or 100 <= status < 200:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        elif "content-length" in headers:
            body = self.recv_exact(int(headers["content-length"]))
        else:
            body = self.recv_all()
        return RawResponse(status, headers, body)

    def _chunks(self):
        body = b""
        while True:
            size = int(self.recv_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self.recv_until(b"\r\n") != b"\r\n":
                    pass
                return body
            body += self.recv_exact(size)
            assert self.recv_exact(2) == b"\r\n"

    def shut(self):
        """No more bytes from here; the other direction stays."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


def encode_frame(opcode, payload=b"", fin=True, rsv=0, mask=True, key=None):
    """A frame as RFC 6455 section 5.2 lays it out; `mask` as a client does."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4) if key is None else key
    pad = (key * (len(payload) // 4 + 1))[:len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + key + masked.to_bytes(len(payload), "big")


class RawWebSocket(RawSocket):
    """A WebSocket client over a plain socket. With check=False a refused handshake is left in .status .headers .body."""

    def __init__(self, address, path="/", headers=(), subprotocols=(), check=True, timeout=20):
        super().__init__(socket.create_connection(address, timeout))
        key = base64.b64encode(os.urandom(16)).decode()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{address[1]}", "Connection: Upgrade", "Upgrade: websocket",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        if subprotocols:
            lines.append("Sec-WebSocket-Protocol: " + ", ".join(subprotocols))
        pairs = headers.items() if isinstance(headers, dict) else headers
        lines += [f"{name}: {value}" for name, value in pairs]
        self.send_raw(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.body = b""
        self.status, self.headers = parse_head(self.recv_until(b"\r\n\r\n"))
        if self.status != 101:
            self.body = self.recv_exact(int(self.headers.get("content-length", 0)))
            assert not check, f"the handshake was refused with {self.status}: {self.body!r}"
            return
        digest = hashlib.sha1((key + ACCEPT_SUFFIX).encode()).digest()
        assert self.headers["sec-websocket-accept"] == base64.b64encode(digest).decode()
        self.subprotocol = self.headers.get("sec-websocket-protocol")

    def send_raw(self, data):
        self.socket.sendall(data)

    def send_frame(self, opcode, payload=b"", fin=True, rsv=0, mask=True):
        self.send_raw(encode_frame(opcode, payload, fin, rsv, mask))

    def send(self, message):
        is_text = isinstance(message, str)
        self.send_frame(TEXT if is_text else BINARY, message.encode() if is_text else bytes(message))
        return self

    def recv_frame(self):
        """The next frame, or None where the peer has closed the connection."""
        try:
            first, second = self.recv_exact(2)
        except (EOFError, ConnectionResetError):
            return None
        size = second & 0x7f
        assert not second & 0x80, "a server must not mask"
        if size == 126:
            size = struct.unpack("!H", self.recv_exact(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self.recv_exact(8))[0]
        return Frame(first & 0x0f, self.recv_exact(size), bool(first & 0x80), first >> 4 & 7)

    def recv(self):
        """The next whole message: str or bytes. Pings are answered, pongs skipped; ConnectionError on a close frame or an end."""
        parts, kind = [], None
        while True:
            frame = self.recv_frame()
            if frame is None:
                raise ConnectionError("the connection ended without a close frame")
            if frame.opcode == CLOSE:
                raise ConnectionError(f"closed with {decode_close(frame.payload)}")
            if frame.opcode == PING:
                self.send_frame(PONG, frame.payload)
            if frame.opcode >= CLOSE:
                continue
            kind = frame.opcode if frame.opcode != CONTINUATION else kind
            parts.append(frame.payload)
            if frame.fin:
                whole = b"".join(parts)
                return whole.decode() if kind == TEXT else whole

    def expect_close(self):
        """Reads up to the close frame, answers it, and waits for the end. (code, reason); code None: no frame came."""
        while True:
            frame = self.recv_frame()
            if frame is None:
                return None, b""
            if frame.opcode == CLOSE:
                break
        try:
            self.send_frame(CLOSE, frame.payload[:2])
        except OSError:
            pass  # the peer may be gone already
        self.recv_all()
        self.socket.close()
        return decode_close(frame.payload)

    def close(self, code=1000, reason=""):
        """The closing handshake, begun here; the peer's (code, reason)."""
        if self.socket.fileno() < 0:
            return None, b""
        try:
            self.send_frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())
        except OSError:
            pass  # the peer may be gone already
        return self.expect_close()


def decode_close(payload):
    return (struct.unpack("!H", payload[:2])[0], payload[2:]) if len(payload) >= 2 else (1005, b"")


class Peer:
    """A client by python3-websockets, of 10.4 (Debian 12) and 15 (Debian 13), run by a loop on a thread of its own."""

    def __init__(self, url, headers, timeout, options):
        self._timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._peer = self._run(self._connect(url, headers, options))
        except BaseException:
            self._end()
            raise

    @staticmethod
    async def _connect(url, headers, options):
        import websockets
        try:
            from websockets.asyncio.client import connect
            return await connect(url, additional_headers=headers, proxy=None, **options)
        except ImportError:
            return await websockets.connect(url, extra_headers=headers, **options)

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(self._timeout)

    def _end(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(self._timeout)
        if not self._loop.is_running():
            self._loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, message):
        self._run(self._peer.send(message))
        return self

    def recv(self):
        return self._run(self._peer.recv())

    def ping(self):
        async def ping_and_wait():
            await (await self._peer.ping())
        self._run(ping_and_wait())

    def wait_closed(self):
        """Waits until the connection has ended; (code, reason) as this side saw it."""
        self._run(self._peer.wait_closed())
        return self.close_code, self.close_reason

    def close(self, code=1000, reason=""):
        if not self._loop.is_closed():
            self._run(self._peer.close(code, reason))
            self._end()

    @property
    def close_code(self):
        return self._peer.close_code

    @property
    def close_reason(self):
        return self._peer.close_reason

    @property
    def subprotocol(self):
        return self._peer.subprotocol
