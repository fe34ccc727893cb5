"""Every bound of a server, passed by one: what bounds.json says must happen, be counted, and harm no other.

A row names the key, its value, the scenario that passes it (or just does not), and the answer: a status, a close code, null for
an end without a word. `refused` is what `bellwire limits` must count, 1 unless it is said. proves S10 S20 W14 W16 C7 D8
"""
import json
import pathlib
import socket
import zlib

import pytest

import harness
from peers import BINARY, CONTINUATION, TEXT

ROWS = json.loads(pathlib.Path(__file__).with_name("bounds.json").read_text())
CONFIG = """
workers: 1
servers: {main: {bind: "127.0.0.1:0", compression: true, KEY: VALUEMORE}}
tasks:
  page:
    triggers: [{http-request: "/{any...}"}]
    actions: [{http-response: done}]
  slow:
    triggers: [{http-request: /slow}]
    actions: [{wait: 10s}]
  echo:
    triggers: [{server-message: /echo}]
    actions: [{send-message: "${WsMessage}"}]
  flood:
    triggers: [{server-message: /flood}]
    actions: [{send-message: {text: "${('x'):rep(60000)}", to: {server: main, path: /reader}}}]
  many:
    triggers: [{server-message: /many}]
    actions:
      - repeat: {times: 500}
        do: [{send-message: "${('x'):rep(60000)}"}]
  reader:
    triggers: [{server-open: /reader}]
    actions: [{log: reader}]
  closed:
    triggers: [{server-close: "/{any...}"}]
    actions: [{log: "CLOSED ${WsPath} ${WsCloseCode}"}]
"""
GET = "GET / HTTP/1.1\r\nHost: localhost\r\n"


def name(row):
    return f"{row['key']}-{row['scenario']}-{row.get('size', row.get('count', ''))}-{row['answer']}"


def status_of(daemon, data):
    """The status of the answer, after which the connection must end; None where it ends without."""
    with daemon.raw() as raw:
        raw.send(data.encode() if isinstance(data, str) else data)
        try:
            status = raw.response().status
        except EOFError:
            return None
        assert status == 200 or raw.recv_all() == b""
        return status


def long_target(daemon, row):
    return status_of(daemon, GET.replace("/ ", "/" + "a" * row["size"] + " ", 1))


def long_header(daemon, row):
    return status_of(daemon, GET + "X: " + "a" * row["size"] + "\r\n\r\n")


def many_headers(daemon, row):
    return status_of(daemon, GET + "X: y\r\n" * (row["count"] - 1) + "\r\n")


def unfinished_head(daemon, row):
    return status_of(daemon, GET)


def post(daemon, headers, body):
    return status_of(daemon, b"POST / HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n" + body)


def body(daemon, row):
    return post(daemon, b"Content-Length: %d" % row["size"], b"b" * row["size"])


def chunked_body(daemon, row):
    return post(daemon, b"Transfer-Encoding: chunked", b"1\r\nb\r\n" * row["size"] + b"0\r\n\r\n")


def unfinished_body(daemon, row):
    return post(daemon, b"Content-Length: 10", b"five5")


def idle(daemon, row):
    with daemon.raw() as raw:
        raw.send(GET.encode() + b"\r\n")
        assert raw.response().status == 200
        assert raw.recv_all() == b""


def slow_run(daemon, row):
    return daemon.http("GET", "/slow").status


def echo_or_code(ws, size):
    frame = ws.recv_frame()
    if frame and frame.opcode in (TEXT, BINARY):
        data = zlib.decompressobj(-15).decompress(frame.payload + b"\0\0\xff\xff") if frame.rsv else frame.payload
        assert data == b"m" * size
        ws.close()
        return "echo"
    return int.from_bytes(frame.payload[:2], "big")


def message(daemon, row):
    ws = daemon.ws("/echo")
    ws.send("m" * row["size"])
    return echo_or_code(ws, row["size"])


def fragments(daemon, row):
    ws = daemon.ws("/echo")
    for at in range(row["size"]):
        ws.send_frame(CONTINUATION if at else TEXT, b"m", at + 1 == row["size"])
    return echo_or_code(ws, row["size"])


def inflated(daemon, row):
    ws = daemon.ws("/echo", headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = (packer.compress(b"m" * row["size"]) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    ws.send_frame(TEXT, data, rsv=4)
    return echo_or_code(ws, row["size"])


def closed_with(daemon, path):
    line = daemon.log.wait(f"CLOSED {path} ")["message"]
    return int(line.split()[-1])


def silent_session(daemon, row):
    ws = daemon.ws("/echo")
    code = closed_with(daemon, "/echo")
    ws.socket.close()
    return code


def sessions(daemon, row):
    peers = [daemon.ws("/echo", check=False) for _ in range(row["count"])]
    assert all(peer.status == 101 for peer in peers[:-1])
    peers[0].send("still")
    assert peers[0].recv() == "still"
    status = peers[-1].status
    for peer in peers:
        peer.socket.close()
    if status == 503:
        harness.wait_for(lambda: not daemon.manager_json("session", "list"), "places given back")
        daemon.ws("/echo").close()
    return status


def slow_reader(daemon, path):
    """A session that takes next to nothing."""
    ws = daemon.ws(path)
    ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return ws


def broadcast_to_a_slow_reader(daemon, row):
    reader, speaker, other = slow_reader(daemon, "/reader"), daemon.ws("/flood"), daemon.ws("/echo")
    for _ in range(2000):
        speaker.send("go")
        if daemon.log.find("CLOSED /reader"):
            break
        other.send("other")
        assert other.recv() == "other"
    code = closed_with(daemon, "/reader")
    reader.socket.close()
    return code


def replies_to_a_slow_reader(daemon, row):
    reader, other = slow_reader(daemon, "/many"), daemon.ws("/echo")
    reader.send("go")
    other.send("other")
    assert other.recv() == "other"
    code = closed_with(daemon, "/many")
    reader.socket.close()
    return code


@pytest.mark.parametrize("row", ROWS, ids=map(name, ROWS))
def test_bound(start, row):
    daemon = start(CONFIG.replace("KEY", row["key"]).replace("VALUE", row["value"]).replace("MORE", row.get("more", "")))
    assert globals()[row["scenario"]](daemon, row) == row["answer"]
    limit = next(limit for limit in daemon.manager_json("limits")
                 if limit["key"] == row["key"] and limit["of"] == "server:main")
    wanted = row.get("refused", 1)
    assert limit["refused"] >= 1 if wanted else limit["refused"] == 0, limit
    assert ":" in limit["set_at"]
    assert daemon.http("GET", "/after").status == 200


def test_every_bound_of_a_server_has_a_row(start):
    """But the handshake's, which is TLS's, and what refuses nothing: the interval of pings, the way of broadcasts."""
    daemon = start(CONFIG.replace("KEY: VALUEMORE", "enabled: true"))
    listed = {limit["key"] for limit in daemon.manager_json("limits") if limit["of"] == "server:main"}
    assert listed - {row["key"] for row in ROWS} == {"handshake-timeout", "ping-interval", "max-tls-sessions", "slow-consumer"}


def test_windows_that_are_kept_are_bounded(start):
    """Past a thousand, sessions agree to compression that keeps none. proves W14"""
    daemon = start(CONFIG.replace("compression: true, KEY: VALUEMORE", "compression: {context-takeover: true}"), workers=1)
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    peers = [daemon.ws("/echo", headers=offer) for _ in range(1000)]
    assert all("no_context_takeover" not in peer.headers["sec-websocket-extensions"] for peer in peers)
    late = daemon.ws("/echo", headers=offer)
    assert "server_no_context_takeover" in late.headers["sec-websocket-extensions"]
    peers.pop().close()
    harness.wait_for(lambda: daemon.manager_json("status")["sessions"] == 1000, "one has left")
    assert "no_context_takeover" not in daemon.ws("/echo", headers=offer).headers["sec-websocket-extensions"]
    for peer in [*peers, late]:
        peer.socket.close()


def test_out_of_descriptors_those_who_are_here_are_served(start):
    """It sheds, says so, and recovers. proves D8 S10"""
    daemon = start._new(CONFIG.replace("KEY: VALUEMORE", "enabled: true"), (), 1, {})
    start._daemons.append(daemon)
    daemon.args = ["prlimit", "--nofile=160:160", *daemon.args]
    daemon.start()
    first = daemon.ws("/echo")
    crowd = [socket.create_connection(daemon.address(), harness.DEADLINE) for _ in range(400)]
    first.send("still")
    assert first.recv() == "still"
    assert daemon.manager("status", check=0)
    for connection in crowd:
        connection.close()
    harness.wait_for(lambda: can_ask(daemon), "a new connection is served again")
    first.send("still")
    assert first.recv() == "still"
    first.close()


def can_ask(daemon):
    try:
        return daemon.http("GET", "/after", timeout=2).status == 200
    except OSError:
        return False


