"""An echo over TLS against a plain one, and full handshakes with a P-256 certificate, by the server's CPU time.

The client is Python's, whose own cost must not show: the server is stopped while each session is sent its message, so that it
finds all of them at once, as under load, however long the sending took.
"""
import os
import re
import signal
import socket
import ssl
import statistics
import subprocess

import servers
from servers import HERE, LOAD_CORE, Bellwire

SESSIONS, BATCHES, HANDSHAKES, SIZE = 200, 10, 100, 20
REQUEST = ("GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
SAFE_NAME = "bellwire with TLS"
PLACE = '"127.0.0.1:PORT"'
SAFE = PLACE + ", tls: {certificate: FOLDER/cert.pem, key: FOLDER/key.pem}"


def receive(peer, size):
    got = b""
    while len(got) < size:
        piece = peer.recv(size - len(got))
        if not piece:
            raise RuntimeError("a session has ended")
        got += piece
    return got


def with_certificate(server):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-keyout", server.folder / "key.pem", "-out", server.folder / "cert.pem",
                    "-subj", "/CN=localhost"], check=True, capture_output=True)
    return server


def start_safe():
    config = (HERE / "bellwire.yaml").read_text().replace(PLACE, SAFE)
    return with_certificate(Bellwire(SAFE_NAME, config=config)).start()


def connect(server):
    peer = socket.create_connection(("127.0.0.1", server.port), 30)
    if SAFE_NAME != server.name:
        return peer
    context = ssl.create_default_context(cafile=server.folder / "cert.pem")  # a new one: no session to resume
    return context.wrap_socket(peer, server_hostname="localhost")


def open_session(server):
    peer = connect(server)
    peer.sendall(REQUEST.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += receive(peer, 1)
    if b" 101 " not in head:
        raise RuntimeError(f"no session: {head}")
    return peer


def echo_all(server, peers, number):
    """CPU microseconds of each of these echoes; every answer is checked."""
    payload = f"{number:0{SIZE}}".encode()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        for peer in peers:
            peer.sendall(bytes([0x82, 0x80 | SIZE, 0, 0, 0, 0]) + payload)
        before = server.cpu_us()[0]
    finally:
        os.kill(server.pid, signal.SIGCONT)
    for peer in peers:
        if receive(peer, 2 + SIZE) != bytes([0x82, SIZE]) + payload:
            raise RuntimeError("a wrong answer over TLS")
    return (server.cpu_us()[0] - before) / len(peers)


def shake_hands(server):
    """CPU microseconds of each full handshake, with its connection."""
    before = server.cpu_us()[0]
    for _ in range(HANDSHAKES):
        connect(server).close()
    return (server.cpu_us()[0] - before) / HANDSHAKES


def p99(server, options):
    return servers.load(server, "echo", {"path": "/echo", "connections": 20, "size": SIZE, "seconds": options.seconds})["p99_us"]


def p99_amid_handshakes(server, port, options):
    """Full handshakes, one after the other, by a client that leaves the core to the load; and how many there were a second."""
    seconds = int(options.seconds) + 2
    flood = subprocess.Popen(["taskset", "-c", LOAD_CORE, "nice", "-n", "19", "openssl", "s_time", "-new", "-connect",
                              f"127.0.0.1:{port}", "-time", str(seconds)], stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.DEVNULL)
    try:
        return p99(server, options)
    finally:
        count = re.search(r"(\d+) connections in \d+ real seconds", flood.communicate()[0])
        if not count or int(count[1]) < 10:
            raise RuntimeError("hardly a handshake was made")


class Tls:
    name = "TLS"

    def run(self, report, options):
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {int(LOAD_CORE)})
        started = []
        try:
            started += [start_safe(), Bellwire().start()]
            self.compare(report, options, *started)
        finally:
            os.sched_setaffinity(0, allowed)
            for server in started:
                server.stop()

    def compare(self, report, options, safe, plain):
        sessions = {server: [open_session(server) for _ in range(SESSIONS)] for server in (safe, plain)}
        pairs = [(echo_all(safe, sessions[safe], i), echo_all(plain, sessions[plain], i))
                 for i in range(options.rounds * BATCHES)]
        each, other = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(theirs / mine for mine, theirs in pairs)
        report.add(f"echo over TLS, {SESSIONS} sessions, {SIZE} B", "plain", "-", "-", "-", each, other, ratio, "-", "-", ">= 0.75",
                   ("reached" if ratio >= 0.75 else "missed") + " by CPU")
        cost = statistics.median(shake_hands(safe) for _ in range(options.rounds))
        rate = 1e6 / cost
        report.add("full TLS handshakes, P-256", "-", rate, "-", "-", cost, "-", "-", "-", "-", ">= 380 for one core",
                   ("reached" if rate >= 380 else "missed") + " by CPU")
        self.amid_handshakes(report, options)

    @staticmethod
    def amid_handshakes(report, options):
        """Those of established sessions, which the pool's handshakes must not hold up."""
        port = servers.free_port()
        more = f'  safe: {{bind: "127.0.0.1:{port}", tls: {{certificate: FOLDER/cert.pem, key: FOLDER/key.pem}}}}\n'
        server = with_certificate(Bellwire(config=servers.with_servers((HERE / "bellwire.yaml").read_text(), more))).start()
        try:
            pairs = [(p99(server, options), p99_amid_handshakes(server, port, options)) for _ in range(options.rounds)]
        finally:
            server.stop()
        ratio = statistics.median(amid / alone for alone, amid in pairs)
        report.add("p99 of an echo, 20 sessions, amid full handshakes", "without them", "-", "-", ratio, "-", "-", "-", "-",
                   statistics.median(amid for _, amid in pairs), "<= 2", "reached" if ratio <= 2 else "missed")
