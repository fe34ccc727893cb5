"""Certificates of tests/certificates, made once for a run of the tests, and clients that know them."""
import functools
import pathlib
import shutil
import ssl
import subprocess
import tempfile

import atexit

from harness import DEADLINE, ROOT

ECHO = """
tasks:
  hello:
    triggers: [{http-request: /hello}]
    actions: [{http-response: {text: "hi", cookies: {sid: x}}}]
  echo:
    triggers: [{server-message: /echo}]
    actions: [{send-message: "${WsMessage}"}]
"""
TLS = "tls: {certificate: server.pem, key: server.key}"


@functools.lru_cache(None)
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="bellwire-tls-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    subprocess.run([ROOT / "tests" / "certificates", path], check=True, timeout=DEADLINE * 3)
    return path


def pem(name):
    return (folder() / name).read_bytes()


def files(yaml, *names, **renamed):
    """What start() takes: the configuration, and files of tests/certificates, some under another name."""
    content = {"bellwire.yaml": yaml}
    content.update({name: pem(name) for name in names})
    content.update({name.replace("__", "."): pem(source) for name, source in renamed.items()})
    return content


def server(tls=TLS, more=""):
    return f'servers: {{main: {{bind: "127.0.0.1:0", {tls}{more}}}}}\n'


def context(authority="ca", certificate=None):
    made = ssl.create_default_context(cafile=folder() / f"{authority}.pem")
    if certificate:
        made.load_cert_chain(folder() / f"{certificate}.pem", folder() / f"{certificate}.key")
    return made


def curl(daemon, path, *options, scheme="https", host="localhost", name=None):
    """The CompletedProcess of curl, which prints the head too."""
    return subprocess.run(
        ["curl", "-sS", "-i", "--max-time", str(DEADLINE), "--cacert", folder() / "ca.pem", *options,
         f"{scheme}://{host}:{daemon.port(name)}{path}"], capture_output=True, text=True, check=False)


def s_client(daemon, *options, sent="", name=None):
    """What openssl s_client prints."""
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.port(name)}", "-CAfile", folder() / "ca.pem",
         *options], input=sent, capture_output=True, text=True, check=False, timeout=DEADLINE).stdout


def echoes(daemon, made=None, message="ping", scheme="wss", name=None):
    """Opens wss, sends and gets it back; the open peer is returned."""
    from peers import Peer
    peer = Peer(f"{scheme}://localhost:{daemon.port(name)}/echo", {}, DEADLINE, {"ssl": made or context()})
    peer.send(message)
    assert peer.recv() == message
    return peer
