"""Servers with TLS: https and wss with independent clients, who is let in, what breaks, and reloads."""
import pathlib
import select
import socket
import ssl

import pytest
from websockets.exceptions import WebSocketException

from harness import DEADLINE, wait_for
from tls_peers import ECHO, context, curl, echoes, files, folder, pem, s_client, server


def test_https_and_wss_are_served(start):
    """By name and by address; cookies are secure unless said otherwise. proves S3"""
    d = start(files(server() + ECHO, "server.pem", "server.key"))
    for host in ("localhost", "127.0.0.1"):
        answer = curl(d, "/hello", host=host)
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.startswith("HTTP/1.1 200") and answer.stdout.endswith("hi")
        assert "Secure" in answer.stdout
    with echoes(d) as peer:
        for size in (0, 1, 125, 126, 16383, 16384, 16385, 65536, 300000):
            peer.send("x" * size)
            assert peer.recv() == "x" * size
    assert d.manager_json("server", "list")[0]["tls"] is True


@pytest.mark.parametrize("name", ["self", "rsa", "p384", "chain"])
def test_any_usual_certificate_in_a_file_of_any_name_will_do(start, name):
    """proves S3"""
    d = start(files(server("tls: {certificate: cert.txt, key: private}") + ECHO,
                    cert__txt=f"{name}.pem", private=f"{name}.key"))
    echoes(d, context("self" if name == "self" else "ca")).close()


def test_old_protocols_are_refused_and_alpn_is_agreed(start):
    """proves S3"""
    d = start(files(server() + ECHO, "server.pem", "server.key"))
    assert "ALPN protocol: http/1.1" in s_client(d, "-alpn", "h2,http/1.1")
    assert "Verify return code: 0 (ok)" in s_client(d)
    old = s_client(d, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in old


def test_sessions_are_resumed(start):
    """proves S3"""
    d = start(files(server() + ECHO, "server.pem", "server.key"))
    assert s_client(d, "-reconnect", "-tls1_2").count("Reused,") == 5


def test_plain_http_is_answered_plainly_and_counted(start):
    """proves S3"""
    d = start(files(server() + ECHO, "server.pem", "server.key"))
    answer = curl(d, "/hello", scheme="http")
    assert answer.stdout.startswith("HTTP/1.1 400") and "https://" in answer.stdout, answer
    with d.raw() as raw:
        raw.send(b"\x16\x03\x01\x00\x04\x63\x00\x00\x00")
        raw.recv_all()
    wait_for(lambda: d.manager_json("stats")["servers"]["main"]["connections"]["failed"] == 2, "counted")
    assert "200" in curl(d, "/hello").stdout


def test_a_silent_peer_is_closed_and_counted(start):
    """proves S3"""
    d = start(files(server(more=", handshake-timeout: 200ms") + ECHO, "server.pem", "server.key"))
    with d.raw() as silent, d.raw() as halting:
        halting.send(b"\x16\x03\x01")
        assert silent.recv_all() == b"" and halting.recv_all() == b""
    row = [r for r in d.manager_json("limits") if r["key"] == "handshake-timeout"][0]
    assert row["refused"] == 2, row


def test_clients_must_show_a_certificate_where_one_is_asked_for(start):
    """proves S3"""
    d = start(files(server("tls: {certificate: server.pem, key: server.key, client-ca: ca.pem}") + ECHO,
                    "server.pem", "server.key", "ca.pem"))
    own = ["--cert", str(folder() / "client.pem"), "--key", str(folder() / "client.key")]
    other = ["--cert", str(folder() / "stranger.pem"), "--key", str(folder() / "stranger.key")]
    assert curl(d, "/hello", *own).stdout.endswith("hi")
    assert curl(d, "/hello").returncode != 0
    assert curl(d, "/hello", *other).returncode != 0
    echoes(d, context(certificate="client")).close()
    with pytest.raises((OSError, EOFError, WebSocketException)):
        echoes(d)


BAD = {
    "certificate-missing": ({"server.pem": None}, '"certificate" cannot be used', "server.pem: No such file"),
    "key-missing": ({"server.key": None}, '"key" cannot be used', "server.key: No such file"),
    "key-of-another": ({"server.key": "self.key"}, '"key" cannot be used',
                       "server.key: is not the key of the certificate in "),
    "key-locked": ({"server.key": "locked.key"}, '"key" cannot be used', "passphrase"),
    "swapped": ({"server.key": "server.pem", "server.pem": "server.key"}, '"certificate" cannot be used',
                "server.pem: holds no certificate in PEM"),
    "client-ca": ({"ca.pem": "server.key"}, '"client-ca" cannot be used', "ca.pem: holds no certificate in PEM"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_cannot_be_used_is_an_error_at_its_place(start, case):
    """proves S3"""
    replaced, key, reason = BAD[case]
    content = files(server("tls: {certificate: server.pem, key: server.key, client-ca: ca.pem}") + ECHO,
                    "server.pem", "server.key", "ca.pem")
    for name, source in replaced.items():
        if source:
            content[name] = pem(source)
        else:
            del content[name]
    for done in (start.check(content), start.fails(content)):
        assert done.returncode == 78
        assert "bellwire.yaml:1:" in done.stdout and key in done.stdout and reason in done.stdout, done.stdout


def test_a_certificate_needs_a_key(start):
    """proves S3"""
    done = start.check(files(server("tls: {certificate: server.pem}") + ECHO, "server.pem"))
    assert done.returncode == 78 and '"tls" needs "certificate" and "key"' in done.stdout, done.stdout


def test_an_edit_with_a_bad_key_is_refused(start):
    """proves S3"""
    d = start(files('servers: {main: {bind: "127.0.0.1:0"}}\n', "server.pem", "server.key", "self.key"))
    place = d.folder
    done = d.manager("server", "add", "side", "bind=127.0.0.1:0", f"tls.certificate={place}/server.pem",
                     f"tls.key={place}/self.key")
    assert done.returncode != 0 and "self.key: is not the key of" in done.stdout + done.stderr, done
    d.manager("server", "add", "side", "bind=127.0.0.1:0", f"tls.certificate={place}/server.pem",
              f"tls.key={place}/server.key", check=0)
    rows = {row["id"]: row for row in d.manager_json("server", "list")}
    assert rows["side"]["tls"] is True and rows["side"]["state"] == "listening"
    assert "404" in curl(d, "/", name="side").stdout
    done = d.manager("server", "set", "side", f"tls.key={place}/self.key")
    assert done.returncode != 0 and "self.key" in done.stdout + done.stderr, done
    assert "404" in curl(d, "/", name="side").stdout


def peer_subject(d, authority="ca"):
    with socket.create_connection(("127.0.0.1", d.port()), timeout=DEADLINE) as plain:
        with context(authority).wrap_socket(plain, server_hostname="localhost") as secure:
            return dict(part[0] for part in secure.getpeercert()["issuer"])["commonName"]


def test_a_reload_reads_certificates_again_and_sessions_stay(start):
    """proves S3"""
    d = start(files(server() + ECHO, "server.pem", "server.key"))
    with echoes(d) as peer:
        assert peer_subject(d) == "Test Authority"
        d.write({"server.pem": pem("self.pem"), "server.key": pem("self.key")})
        assert d.reload()["ok"] and d.reload_code == 0
        assert peer_subject(d, "self") == "localhost"
        assert len(d.manager_json("session", "list")) == 1
        peer.send("still here")
        assert peer.recv() == "still here"
        (pathlib.Path(d.folder) / "server.key").unlink()
        assert not d.reload()["ok"]
        assert d.reload_code == 78
        assert peer_subject(d, "self") == "localhost"
        peer.send("and here")
        assert peer.recv() == "and here"


def test_tickets_outlive_a_reload(start):
    """proves S3"""
    d = start(files(server() + ECHO, "server.pem", "server.key"))
    made = context()
    made.maximum_version = ssl.TLSVersion.TLSv1_2

    def visit(session):
        with socket.create_connection(("127.0.0.1", d.port()), timeout=DEADLINE) as plain:
            with made.wrap_socket(plain, server_hostname="localhost", session=session) as secure:
                return secure.session, secure.session_reused
    session, _ = visit(None)
    assert d.reload()["ok"]
    assert visit(session)[1]


def test_sessions_with_tls_are_bounded(start):
    """proves S3"""
    d = start(files(server(more=", max-tls-sessions: 2") + ECHO, "server.pem", "server.key"))
    with echoes(d), echoes(d):
        answer = curl(d, "/echo", "-H", "Upgrade: websocket", "-H", "Connection: Upgrade", "-H",
                      "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        assert answer.stdout.startswith("HTTP/1.1 503"), answer
    row = [r for r in d.manager_json("limits") if r["key"] == "max-tls-sessions"][0]
    assert row["refused"] == 1, row


def test_a_drain_ends_handshakes_that_never_end(start):
    """The daemon stops although a peer is in the middle of its handshake; others get 1001. proves S3"""
    d = start(files(server() + ECHO, "server.pem", "server.key"))
    with d.raw() as silent, echoes(d) as peer:
        silent.send(b"\x16\x03\x01")
        d.terminate()
        assert peer.wait_closed()[0] == 1001
        assert d.wait_exit() == 0


def test_answers_that_the_socket_does_not_take_wait_in_order(start):
    """A peer sends 20,000 messages, reads nothing until it can send no more, and then gets all answers. proves S3 W10"""
    count, padding = 20000, "x" * 1000
    d = start(files(server(more=", ping-interval: off") + ECHO.replace("${WsMessage}", "${WsMessage}" + padding),
                    "server.pem", "server.key"), workers=1)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    plain.connect(d.address())
    peer = context().wrap_socket(plain, server_hostname="localhost")
    peer.sendall(b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(1)
    peer.setblocking(False)
    out = b"".join(b"\x81\x88\0\0\0\0%08d" % number for number in range(count))
    wanted = b"".join(b"\x81\x7e\x03\xf0%08d" % number + padding.encode() for number in range(count))
    got, has_stalled = bytearray(), False
    while len(got) < len(wanted):
        can_read, can_write = select.select([peer] if has_stalled else [], [peer] if out else [], [],
                                            DEADLINE if has_stalled else 0.3)[:2]
        assert can_read or can_write or not has_stalled, f"{len(got)} bytes of answers came, {len(out)} were not taken"
        try:
            if can_write:
                out = out[peer.send(out[:16384]):]
            has_stalled = has_stalled or not can_write
            while can_read or peer.pending():
                data = peer.recv(65536)
                assert data, "the connection ended"
                got += data
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
    assert got == wanted
    peer.close()
