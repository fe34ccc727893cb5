"""Every bound of a server, passed by one: what bounds.json says must happen, be counted, and harm no other.

A row names the key, its value, the scenario that passes it (or just does not), and the answer: a status, a close code, null for
an end without a word. `refused` is what `bellwire limits` must count, 1 unless it is said. proves S10 S20 W14 W16 C7 D8
"""
import json
import pathlib
import re
import select
import socket
import subprocess
import zlib

import pytest

import harness
import tls_peers
from peers import BINARY, CONTINUATION, PING, PONG, TEXT

ALL = json.loads(pathlib.Path(__file__).with_name("bounds.json").read_text())
ROWS = [row for row in ALL if row["of"] == "server"]
CONFIG = """
workers: 1
shutdown-timeout: 100ms
servers: {main: {bind: "127.0.0.1:0", compression: true, KEY: VALUEMORE}}
tasks:
  page:
    triggers: [{http-request: "/{any...}"}]
    actions: [{http-response: done}]
  slow:
    triggers: [{http-request: /slow}]
    actions: [{wait: 10s}]
  quick:
    triggers: [{http-request: /quick}]
    actions: [{wait: 20ms}, {http-response: done}]
  file:
    triggers: [{http-request: /file}]
    actions: [{http-response: {file: large.bin}}]
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


def head_of(daemon, row):
    """A head of exactly that size."""
    return status_of(daemon, GET + "X: " + "a" * (row["size"] - len(GET) - 7) + "\r\n\r\n")


def line_of(daemon, row):
    """A request line of exactly that size, with its end; the rest of the head passes the bound anyway."""
    return status_of(daemon, GET.replace("/ ", "/" + "a" * (row["size"] - 16) + " ", 1) + "\r\n")


def many_headers(daemon, row):
    return status_of(daemon, GET + "X: y\r\n" * (row["count"] - 1) + "\r\n")


def unfinished_head(daemon, row):
    return status_of(daemon, GET)


def in_two(daemon, first, second):
    with daemon.raw() as raw:
        raw.send(first.encode())
        daemon.http("GET", "/between")
        raw.send(second.encode())
        return raw.response().status


def head_in_two(daemon, row):
    return in_two(daemon, GET, "\r\n")


def drip(raw, bytes_):
    """One at a time, until the daemon says or does something."""
    for byte in bytes_:
        raw.send(bytes([byte]))
        if select.select([raw.socket], [], [], 0.005)[0]:
            return
    raise AssertionError("it took all of them")


def dripped(daemon, start, bytes_):
    with daemon.raw() as raw:
        raw.send(start.encode())
        drip(raw, bytes_)
        return raw.response().status


def dripped_head(daemon, row):
    return dripped(daemon, "", (GET + "X: " + "y" * 5000).encode())


def dripped_body(daemon, row):
    return dripped(daemon, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n", b"b" * 4999)


def dripped_chunks(daemon, row):
    return dripped(daemon, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nb\r\n" * 800)


def body_in_two(daemon, row):
    return in_two(daemon, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbo", "dy")


def asked_twice(daemon, row):
    with daemon.raw() as raw:
        raw.send(GET.encode() + b"\r\n")
        assert raw.response().status == 200
        daemon.http("GET", "/between")
        raw.send(GET.encode() + b"\r\n")
        return raw.response().status


def quick_run(daemon, row):
    return daemon.http("GET", "/quick").status


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


def answered_ping(daemon, row):
    ws = daemon.ws("/echo")
    for _ in range(3):
        frame = ws.recv_frame()
        assert frame.opcode == PING
        ws.send_frame(PONG, frame.payload)
    ws.send("still")
    while (frame := ws.recv_frame()).opcode == PING:
        ws.send_frame(PONG, frame.payload)
    ws.socket.close()
    return "served" if frame.payload == b"still" else frame


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


def broadcast_to_a_reader(daemon, row):
    reader, speaker = daemon.ws("/reader"), daemon.ws("/flood")
    for _ in range(20):
        speaker.send("go")
        assert len(reader.recv()) == 60000
    return "received"


def dropped_by_a_slow_reader(daemon, row):
    reader, speaker, other = slow_reader(daemon, "/reader"), daemon.ws("/flood"), daemon.ws("/echo")

    def has_dropped():
        for _ in range(20):
            speaker.send("go")
        other.send("other")
        assert other.recv() == "other"
        return daemon.manager_json("stats")["messages"]["broadcasts_dropped"]
    harness.wait_for(has_dropped, "a broadcast is dropped")
    states = [session["path"] for session in daemon.manager_json("session", "list")]
    reader.socket.close()
    return "open" if "/reader" in states else states


def ask_and_never_read(daemon):
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(daemon.address("main"))
    peer.sendall(b"GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return peer


def unread_answer(daemon, row):
    (daemon.folder / "large.bin").write_bytes(b"f" * (4 << 20))
    peer = ask_and_never_read(daemon)
    harness.wait_for(lambda: refused(daemon, row), "it is closed")
    peer.close()
    return "closed"


def replies_to_a_slow_reader(daemon, row):
    reader, other = slow_reader(daemon, "/many"), daemon.ws("/echo")
    reader.send("go")
    other.send("other")
    assert other.recv() == "other"
    code = closed_with(daemon, "/many")
    reader.socket.close()
    return code


# ---- with TLS


def connect_tls(daemon):
    return tls_peers.context().wrap_socket(socket.create_connection(daemon.address(), harness.DEADLINE), server_hostname="localhost")


def silent_handshake(daemon, row):
    with daemon.raw() as silent:
        assert silent.recv_all() == b""
    return "closed"


def dripped_handshake(daemon, row):
    with daemon.raw() as raw:
        drip(raw, b"\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03" + bytes(5000))  # of 8 KiB
        assert raw.recv_all() == b""
    return "closed"


def handshake(daemon, row):
    with connect_tls(daemon) as peer:
        peer.sendall((GET + "\r\n").encode())
        return int(peer.recv(12).split()[1])


def tls_sessions(daemon, row):
    peers = []
    for _ in range(row["count"]):
        peers.append(connect_tls(daemon))
        peers[-1].sendall((GET.replace("/ ", "/echo ") + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        status = int(peers[-1].recv(12).split()[1])
    for peer in peers:
        peer.close()
    if status == 503:
        harness.wait_for(lambda: tls_sessions(daemon, {"count": 1}) == 101, "places given back")
    return status


WITH_TLS = (silent_handshake, dripped_handshake, handshake, tls_sessions)


def get_after(daemon, is_tls):
    return handshake(daemon, None) if is_tls else daemon.http("GET", "/after").status


def limit_of(daemon, row):
    of = "server:main" if row["of"] == "server" else row["of"]
    return next(limit for limit in daemon.manager_json("limits") if (limit["key"], limit["of"]) == (row["key"], of))


def refused(daemon, row):
    return limit_of(daemon, row)["refused"]


def assert_counted(daemon, row):
    wanted, limit = row.get("refused", 1), limit_of(daemon, row)
    assert limit["refused"] >= 1 if wanted else limit["refused"] == wanted, limit


@pytest.mark.parametrize("row", ROWS, ids=map(name, ROWS))
def test_bound(start, row):
    scenario = globals()[row["scenario"]]
    is_tls = scenario in WITH_TLS
    more = row.get("more", "") + (", " + tls_peers.TLS if is_tls else "")
    config = CONFIG.replace("KEY", row["key"]).replace("VALUE", row["value"]).replace("MORE", more)
    daemon = start(tls_peers.files(config, "server.pem", "server.key") if is_tls else config, workers=1)
    assert scenario(daemon, row) == row["answer"]
    assert_counted(daemon, row)
    assert ":" in limit_of(daemon, row)["set_at"]
    assert get_after(daemon, is_tls) == 200


def keys_of_schema():
    """The keys of all field tables that speak of a size, a number or a time that may be passed."""
    schema = json.loads(subprocess.run([harness.BUILD / "bellwired", "--schema"], capture_output=True, check=True).stdout)
    bound = re.compile(r"max-|.*-(timeout|interval|memory|time)$|slow-consumer$")

    def keys(properties):
        return {key for key in properties if bound.match(key)}

    def entry(section):
        return schema["properties"][section]["additionalProperties"]["anyOf"][1]["properties"]
    return ({("main", key) for key in keys(schema["properties"])} | {("server", key) for key in keys(entry("servers"))} |
            {("client", key) for key in keys(entry("clients"))})


def test_every_bound_is_listed_and_has_a_row_that_passes_it_and_one_that_does_not(start):
    """Whoever adds a key adds its counter, its line of `limits` and its rows. proves S10 W16 C7 T3 D8"""
    daemon = start(CONFIG.replace("KEY: VALUEMORE", "enabled: true") + """
clients: {peer: {url: "ws://127.0.0.1:1/", enabled: false}}
""")
    rows = {(limit["of"].split(":")[0], limit["key"]): limit for limit in daemon.manager_json("limits")}
    assert keys_of_schema() <= set(rows), "a bound that `limits` does not list"
    intervals = {("server", "ping-interval"), ("client", "ping-interval")}
    assert {key for key, limit in rows.items() if limit["refused"] is None} == intervals, "one that is not counted"
    passed = {(row["of"], row["key"]) for row in ALL if row.get("refused", 1)}
    assert set(rows) - intervals == passed, "one that no test passes"
    within = {(row["of"], row["key"]) for row in ALL if not row.get("refused", 1)}
    searched = {(row["of"], row["key"]) for row in ALL if row["answer"] == "exact"}
    assert set(rows) - searched - {("main", "shutdown-timeout"), ("server", "drain-timeout"), ("server", "slow-consumer"),
                                   ("client", "drain-timeout")} <= within, "one whose last allowed value is not tried"


def test_those_who_do_not_read_their_files_delay_nobody(start):
    """There are more of them than may read files at once. proves S10 S12 W16"""
    daemon = start(CONFIG.replace("KEY: VALUEMORE", "drain-timeout: 10m"), workers=1)
    (daemon.folder / "large.bin").write_bytes(b"f" * (4 << 20))
    peers = [ask_and_never_read(daemon) for _ in range(300)]
    assert len(daemon.http("GET", "/file").body) == 4 << 20
    assert daemon.manager_json("stats")["connections"]["open"] >= len(peers)
    for peer in peers:
        peer.close()


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
    """It sheds, says so once, keeps some for the manager, and recovers. proves D8 D9 S10"""
    daemon = start(CONFIG.replace("KEY: VALUEMORE", "enabled: true"), workers=1, launcher=["prlimit", "--nofile=160:160"])
    first = daemon.ws("/echo")
    crowd = [socket.create_connection(daemon.address(), harness.DEADLINE) for _ in range(400)]
    daemon.log.wait("out of file descriptors")
    for _ in range(3):
        first.send("still")
        assert first.recv() == "still"
        assert daemon.manager("status", check=0)
    assert len(daemon.log.find("out of file descriptors")) == 1
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


