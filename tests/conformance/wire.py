"""The far end of a WebSocket connection that is tested, of either role: it plays a case and says what it saw."""
import base64
import hashlib
import os
import socket
import zlib

import cases
from peers import ACCEPT_SUFFIX, CLOSE, PING, PONG, decode_close, encode_frame, parse_head

PROBE = b"still there?"
TAIL = b"\x00\x00\xff\xff"


class Failure(AssertionError):
    pass


def expect(is_so, text):
    if not is_so:
        raise Failure(text)


def accept_value(key):
    return base64.b64encode(hashlib.sha1((key + ACCEPT_SUFFIX).encode()).digest()).decode()


class Deflate:
    """permessage-deflate as our side has agreed to it."""

    def __init__(self, parameters, is_client):
        ours, theirs = ("client", "server") if is_client else ("server", "client")
        self._keeps_out = f"{ours}_no_context_takeover" not in parameters
        self._keeps_in = f"{theirs}_no_context_takeover" not in parameters
        bits = int(parameters.get(f"{ours}_max_window_bits") or 15)
        self._is_stored = bits == 8  # zlib has no window of 8 bits: blocks without references will do
        self._bits = max(bits, 9)
        self._in_bits = max(int(parameters.get(f"{theirs}_max_window_bits") or 15), 9)
        self._out = self._in = None

    def compress(self, data):
        if self._out is None or not self._keeps_out:
            self._out = zlib.compressobj(0 if self._is_stored else 6, zlib.DEFLATED, -self._bits)
        return (self._out.compress(data) + self._out.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def inflate(self, data):
        if self._in is None or not self._keeps_in:
            self._in = zlib.decompressobj(-self._in_bits)
        return self._in.decompress(data + TAIL)


def parse_extension(value):
    """The parameters of the one extension that was agreed on."""
    name, *rest = [part.strip() for part in value.split(";")]
    expect(name == "permessage-deflate", f"extension {value!r}")
    return {key.strip(): number.strip('" ') for key, _, number in (part.partition("=") for part in rest)}


class End:
    """`is_client`: which part we play; the daemon plays the other one."""

    def __init__(self, connection, is_client):
        self.socket = connection
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_client = is_client
        self.deflate = None
        self._rest = bytearray()

    # ---- handshakes

    def ask(self, host, path, offers):
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        lines += [f"Sec-WebSocket-Extensions: {offer}" for offer in offers or ()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status, headers = parse_head(self.until(b"\r\n\r\n"))
        expect(status == 101, f"the handshake was refused with {status}")
        expect(offers or "sec-websocket-extensions" not in headers, "an extension that nobody asked for")
        expect(headers["sec-websocket-accept"] == accept_value(key), "a wrong Sec-WebSocket-Accept")
        self.agree(headers.get("sec-websocket-extensions"))

    def answer(self, addition):
        """`addition` None: no extension is agreed to; else what follows what the offer asks for."""
        _, headers = parse_head(b"GET 200 " + self.until(b"\r\n\r\n"))
        lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket",
                 f"Sec-WebSocket-Accept: {accept_value(headers['sec-websocket-key'])}"]
        extension = None
        if addition is not None:
            offer = headers.get("sec-websocket-extensions", "")
            expect("permessage-deflate" in offer, f"nothing was offered: {offer!r}")
            extension = "permessage-deflate" + addition
            if "server_no_context_takeover" in offer:
                extension += "; server_no_context_takeover"
            lines.append(f"Sec-WebSocket-Extensions: {extension}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.agree(extension)

    def agree(self, extension):
        self.deflate = Deflate(parse_extension(extension), self.is_client) if extension else None

    # ---- bytes and frames

    def more(self):
        data = self.socket.recv(1 << 18)
        self._rest += data
        return bool(data)

    def until(self, end):
        while end not in self._rest:
            expect(self.more(), f"the connection ended after {bytes(self._rest)!r}")
        return self.take(self._rest.index(end) + len(end))

    def take(self, size):
        while len(self._rest) < size:
            expect(self.more(), "the connection ended amid a frame")
        data = bytes(self._rest[:size])
        del self._rest[:size]
        return data

    def frame(self):
        """(opcode, payload, fin, rsv), or None where the connection ends."""
        try:
            if not self._rest and not self.more():
                return None
            first, second = self.take(2)
            size = second & 0x7f
            if size > 125:
                size = int.from_bytes(self.take(2 if size == 126 else 8), "big")
            expect(bool(second & 0x80) != self.is_client, "masked by the wrong side")
            key = self.take(4) if second & 0x80 else None
            data = self.take(size)
        except ConnectionResetError:
            return None
        if key:
            pad = (key * (size // 4 + 1))[:size]
            data = (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
        return first & 15, data, bool(first & 0x80), first >> 4 & 7

    def message(self):
        """(opcode, payload) of the next whole message or control frame; None at the end."""
        kind, parts, is_deflated = None, [], False
        while True:
            frame = self.frame()
            if frame is None:
                return None
            opcode, data, fin, rsv = frame
            if opcode >= CLOSE:
                expect(fin and not rsv and len(data) <= 125, f"a bad control frame: {frame}")
                return opcode, data
            expect((opcode == 0) == (kind is not None), "continuation where none belongs")
            expect(rsv == 0 or (rsv == 4 and opcode and self.deflate), f"reserved bits {rsv}")
            kind, is_deflated = (opcode, rsv == 4) if kind is None else (kind, is_deflated)
            parts.append(data)
            if fin:
                data = b"".join(parts)
                return kind, self.deflate.inflate(data) if is_deflated else data

    def send(self, opcode, data=b"", fin=True, rsv=0):
        self.socket.sendall(encode_frame(opcode, data, fin, rsv, self.is_client))

    # ---- cases

    def play(self, case, rounds):
        if case.message:
            expect(self.deflate is not None, "no compression was agreed to")
            self.echo_compressed(case.message, rounds)
        else:
            for _ in range(rounds if case.repeat else 1):
                self.exchange(case)
        self.end(case.end)

    def exchange(self, case):
        pending, wanted = [], cases.expected(case)
        for item in case.send:
            if item == cases.ENDED:
                break
            if item == cases.ALIVE:
                self.flush(pending, case.chop)
                pending = []
                self.probe(wanted)
            else:
                pending += cases.encode(item, self.is_client)
        self.flush(pending, case.chop)
        for opcode, data in wanted:
            self.expect_message(opcode, data)

    def flush(self, pieces, chop):
        try:
            for segment in cases.segments(pieces, chop):
                self.socket.sendall(segment)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has failed us already; what came back tells

    def probe(self, wanted):
        """A ping is answered; what comes before the pong is taken off what is wanted."""
        self.send(PING, PROBE)
        while True:
            got = self.message()
            if got == (PONG, PROBE):
                return
            expect(got is not None and wanted and got == wanted[0], f"{got} in place of a pong")
            del wanted[0]

    def expect_message(self, opcode, data):
        got = self.message()
        if got != (opcode, data):
            shown = got and (got[0], len(got[1]), got[1][:80])
            raise Failure(f"expected opcode {opcode} with {len(data)} bytes {data[:80]!r}, got {shown}")

    def echo_compressed(self, message, rounds):
        text, is_binary = cases.content(message.content)
        opcode = 2 if is_binary else 1
        for number in range(rounds):
            at = number * message.size % (len(text) - message.size)
            data = text[at:at + message.size]
            packed = self.deflate.compress(data)
            self.socket.sendall(b"".join(
                encode_frame(op, part, fin, rsv, self.is_client)
                for op, part, fin, rsv in cases.fragments(opcode, packed, message.frame, rsv=4)))
            self.expect_message(opcode, data)

    def end(self, how):
        if how == "clean":
            self.send(CLOSE, (1000).to_bytes(2, "big"))
            how = {"answer": 1000}
        got = self.message()
        expect(got is not None and got[0] == CLOSE, f"{got} in place of a close frame")
        code = decode_close(got[1])[0]
        wanted = (how["answer"] or 1005) if isinstance(how, dict) else how
        expect(code == wanted, f"close code {code}, expected {wanted}: {got[1][2:]!r}")
        if not isinstance(how, dict):
            self.flush([encode_frame(CLOSE, got[1][:2], True, 0, self.is_client)], 0)
        if not self.is_client:
            self.socket.shutdown(socket.SHUT_WR)  # a server ends first
        expect(self.message() is None, "the connection goes on behind the close")
