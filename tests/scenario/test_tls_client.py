"""Clients with TLS: whom they trust, what they show, and what is said where they do not."""
import ssl
import subprocess

import pytest

from client_peers import WsServer, free_port
from harness import DEADLINE, wait_for
from tls_peers import ECHO, files, folder, server

TASKS = """
tasks:
  opened:
    triggers: [client-open]
    actions: [{log: "EVENT open ${ClientId}"}]
  heard:
    triggers: [client-message]
    actions: [{log: "EVENT heard ${WsMessage}"}]
  closed:
    triggers: [client-close]
    actions: [{log: "EVENT close ${WsCloseCode} ${WsClosedBy}"}]
  failed:
    triggers: [client-error]
    actions: [{log: "EVENT error ${WsError}"}]
  send:
    triggers: [{http-request: "/send/{client}"}]
    actions:
      - send-message: {text: "${HttpBody}", to: {client: "${HttpPathParam(client)}"}}
      - http-response: sent
"""


def context(name="server", authority=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder() / f"{name}.pem", folder() / f"{name}.key")
    if authority:
        made.load_verify_locations(folder() / f"{authority}.pem")
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def config(port, tls="tls: {ca: ca.pem}", host="localhost", more=""):
    return (f'clients:\n  peer: {{url: "wss://{host}:{port}/echo", auto-reconnect: {{min: 50ms, max: 100ms}}, '
            f"{tls}{more}}}\n{TASKS}")


class CuttingServer(WsServer):
    def cut(self, accepted):
        """Closes the socket without a word."""
        self._loop.call_soon_threadsafe(accepted._connection.transport.abort)


def state(daemon):
    return daemon.manager_json("client", "list")[0]


@pytest.mark.parametrize("name", ["server", "rsa", "p384", "chain"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_wss_connects_where_the_certificate_is_for_the_name_or_address(start, name, host):
    """Against python3-websockets. proves C1 C12"""
    with WsServer(ssl=context(name)) as there:
        d = start(files(config(there.port, host=host), "ca.pem"))
        peer = there.accept()
        d.log.wait("EVENT open peer")
        peer.send("hello" * 10000)
        d.log.wait("EVENT heard hellohello")
        assert d.http("POST", "/send/peer", "x" * 100000).text == "sent"
        assert peer.recv() == "x" * 100000
        assert d.log.find("EVENT error") == []


REFUSED = {
    "the system's store": ("server", "name: x", "localhost", "it comes from an unknown authority"),
    "self-signed": ("self", "tls: {ca: ca.pem}", "localhost", "it is self-signed"),
    "expired": ("expired", "tls: {ca: ca.pem}", "localhost", "it has expired"),
    "another name": ("wrong", "tls: {ca: ca.pem}", "localhost", "it is not for localhost"),
    "another address": ("wrong", "tls: {ca: ca.pem}", "127.0.0.1", "it is not for 127.0.0.1"),
    "another name wanted": ("server", "tls: {ca: ca.pem, server-name: example.org}", "localhost",
                            "it is not for example.org"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_certificates_are_refused_and_the_reason_is_told(start, case):
    """In client-error, in the list and in the log. proves C12"""
    name, tls, host, reason = REFUSED[case]
    text = f"certificate: the certificate is refused: {reason}"
    with WsServer(ssl=context(name)) as there:
        d = start(files(config(there.port, tls, host), "ca.pem"))
        d.log.wait(f"EVENT error {text}")
        d.log.wait(text, client="peer", level="warn")
        assert wait_for(lambda: state(d)["error"], "an error") == text
        d.log.wait("EVENT error", count=3)  # it comes back, and is refused again
        assert there.total == 0 and d.log.find("EVENT open") == []


def test_the_name_in_the_certificate_can_be_another_than_the_hosts(start):
    """proves C12"""
    with WsServer(ssl=context("wrong")) as there:
        d = start(files(config(there.port, "tls: {ca: ca.pem, server-name: example.com}"), "ca.pem"))
        there.accept()
        d.log.wait("EVENT open peer")


def test_verification_can_be_switched_off_with_a_warning(start):
    """proves C12"""
    with WsServer(ssl=context("expired")) as there:
        yaml = config(there.port, "tls: {verify: false}")
        done = start.check(files(yaml))
        assert done.returncode == 0 and "warning" in done.stdout and '"verify" is false' in done.stdout, done.stdout
        d = start(files(yaml))
        there.accept()
        d.log.wait("EVENT open peer")


def test_a_client_certificate_is_shown_where_one_is_asked_for(start):
    """proves C12"""
    with WsServer(ssl=context("server", "ca")) as there:
        d = start(files(config(there.port, "tls: {ca: ca.pem, certificate: client.pem, key: client.key}"),
                        "ca.pem", "client.pem", "client.key"))
        there.accept()
        d.log.wait("EVENT open peer")


def test_without_the_client_certificate_that_is_asked_for_nothing_opens(start):
    """proves C12"""
    with WsServer(ssl=context("server", "ca")) as there:
        d = start(files(config(there.port), "ca.pem"))
        d.log.wait("EVENT error")
        assert d.log.find("EVENT open") == [] and there.total == 0


def test_a_server_without_tls_is_told_apart(start):
    """proves C12"""
    with WsServer() as there:
        d = start(files(config(there.port), "ca.pem"))
        d.log.wait("EVENT error tls: ")
        assert there.total == 0


def test_a_client_resumes_its_session_with_openssl(start):
    """Its page is no WebSocket answer, so the client comes back; openssl counts hits when it ends. proves C12"""
    port = free_port()
    with subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-www", "-tls1_2", "-naccept", "3",
                           "-cert", folder() / "server.pem", "-key", folder() / "server.key"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            start(files(config(port), "ca.pem"))
            statistics = process.communicate(timeout=DEADLINE)[0]
        finally:
            process.kill()
    assert "3 server accepts that finished" in statistics and "2 session cache hits" in statistics, statistics


@pytest.mark.parametrize("tls, reason", [
    ("tls: {ca: none.pem}", '"ca" cannot be used: '),
    ("tls: {ca: server.key}", "server.key: holds no certificate in PEM"),
    ("tls: {certificate: client.pem}", '"certificate" needs "key" beside it'),
    ("tls: {key: server.key}", '"key" needs "certificate" beside it'),
    ("tls: {certificate: client.pem, key: server.key}", "server.key: is not the key of the certificate in "),
])
def test_files_that_cannot_be_used_are_errors_at_their_place(start, tls, reason):
    """proves C12"""
    done = start.check(files(config(1, tls), "client.pem", "server.key"))
    assert done.returncode == 78 and "bellwire.yaml:3:" in done.stdout and reason in done.stdout, done.stdout


def test_a_peer_that_cuts_the_connection_is_lost_and_the_client_comes_back(start):
    """proves C12"""
    with CuttingServer(ssl=context()) as there:
        d = start(files(config(there.port), "ca.pem"))
        there.cut(there.accept())
        d.log.wait("EVENT close 1006 lost")
        there.accept()
        d.log.wait("EVENT open peer", count=2)


def test_two_of_our_own_follow_each_other_over_tls(start):
    """proves C12 S3"""
    there = start(files(server("tls: {certificate: server.pem, key: server.key, client-ca: ca.pem}") + ECHO,
                        "server.pem", "server.key", "ca.pem"))
    here = start(files(config(there.port(), "tls: {ca: ca.pem, certificate: client.pem, key: client.key}"),
                       "ca.pem", "client.pem", "client.key"))
    here.log.wait("EVENT open peer")
    for size in (1, 16384, 100000):
        text = f"{size}-".ljust(size, "y")
        assert here.http("POST", "/send/peer", text).text == "sent"
        here.log.wait(where=lambda entry, start=text[:60]: entry.get("message", "").startswith(f"EVENT heard {start}"))
