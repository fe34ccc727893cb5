"""The reverse proxies of docs/admin.md: each configuration is run as it stands there, but for ports, name and certificate."""
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

import documentation
import tls_peers
from harness import DEADLINE, ROOT, Response, find_tool, wait_for
from peers import Peer

PAGE = documentation.sections(documentation.page("docs/admin.md"))["Behind a reverse proxy"]
NAME = "example.com"  # whom a certificate of the tests is for
CALLER = "127.0.0.5"
NOBODY = 65534
TASKS = """
tasks:
  who:
    triggers: [{http-request: /who}]
    actions: [{http-response: "${Peer} ${HttpHeader(host)} ${HttpBody}"}]
  open:
    triggers: [{server-open: /ws}]
    actions: [{send-message: "${Peer} ${WsHeader(host)}"}]
  echo:
    triggers: [{server-message: /ws}]
    actions: [{send-message: {binary: "${WsMessage}", is-binary: "${WsIsBinary}"}}]
"""
APACHE = """
ServerRoot {top}
ServerName localhost
PidFile {top}/pid
ErrorLog {top}/error
Mutex file:{top} default
DocumentRoot {top}
User nobody
Group nogroup
Listen 127.0.0.1:80
Listen 127.0.0.1:443
"""
MODULES = ("mpm_event", "authz_core", "proxy", "proxy_http", "socache_shmcb", "ssl")
NGINX = """
daemon off; master_process off; pid {top}/pid; error_log stderr;
events {{}}
http {{
access_log off;
client_body_temp_path {top}/a; proxy_temp_path {top}/b; fastcgi_temp_path {top}/c; uwsgi_temp_path {top}/d; scgi_temp_path {top}/e;
{page}
}}
"""
CADDY = """
{{
	admin off
	http_port 80
	https_port 443
	default_bind 127.0.0.1
	storage file_system {top}/storage
	servers {{
		protocols h1 h2
	}}
}}
{page}
"""


def find(program, top):
    """(program, folder that it was unpacked to or /): installed, or unpacked by scripts/test-tools and copied, since whom it
    runs as may not be let into our folders."""
    path = find_tool(program)
    if not path:
        pytest.skip(f"{program} is neither installed nor unpacked by scripts/test-tools")
    unpacked = ROOT / "build/tools" / program
    if unpacked not in path.parents:
        return path, pathlib.Path("/")
    shutil.copytree(unpacked, top / "program")
    return top / "program" / path.relative_to(unpacked), top / "program"


def configure_caddy(top, page, _):
    (top / "conf").write_text(CADDY.format(top=top, page=page))
    return ["run", "--adapter", "caddyfile", "--config", top / "conf"]


def configure_nginx(top, page, _):
    (top / "conf").write_text(NGINX.format(top=top, page=page))
    return ["-p", top, "-c", top / "conf"]


def configure_apache2(top, page, root):
    modules = "".join(f"LoadModule {name}_module {root}/usr/lib/apache2/modules/mod_{name}.so\n" for name in MODULES)
    (top / "conf").write_text(modules + APACHE.format(top=top) + page)
    return ["-X", "-f", top / "conf"]


LANGUAGES = {"caddy": "caddyfile", "nginx": "nginx", "apache2": "apache"}
CONFIGURE = {"caddy": configure_caddy, "nginx": configure_nginx, "apache2": configure_apache2}


class Proxy:
    """One program with the configuration of the page, as a process without rights."""

    def __init__(self, program, upstream):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="bellwire-proxy-"))
        self.process = None
        try:
            path, root = find(program, self.top)
            self.ports = {scheme: documentation.free_port() for scheme in ("http", "https")}
            arguments = CONFIGURE[program](self.top, self.page(program), root)
            self.adapt(upstream)
            self.launch([path, *arguments], root)
        except BaseException:
            self.close()
            raise

    def page(self, program):
        (text,) = [block.text for block in documentation.blocks(PAGE) if block.language == LANGUAGES[program]]
        for name, source in (("cert.pem", "wrong.pem"), ("key.pem", "wrong.key")):
            (self.top / name).write_bytes(tls_peers.pem(source))
            text = text.replace(f"/etc/ssl/bellwire/{name}", str(self.top / name))
        assert "/etc/" not in text
        return text

    def adapt(self, upstream):
        """Other ports and another name, in whatever the configuration is."""
        text = (self.top / "conf").read_text()
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{upstream}").replace("bellwire.example.org", NAME)
        for old, scheme in (("80", "http"), ("443", "https")):
            for before in ("listen ", "Listen 127.0.0.1:", "VirtualHost *:", "http_port ", "https_port "):
                for end in (";", " ssl;", "\n", ">"):
                    at = f"127.0.0.1:{self.ports[scheme]}" if before == "listen " else self.ports[scheme]
                    text = text.replace(f"{before}{old}{end}", f"{before}{at}{end}")
        (self.top / "conf").write_text(text)

    def launch(self, command, root):
        prefix = []
        if os.geteuid() == 0:
            for path in (self.top, *self.top.glob("*")):
                os.chown(path, NOBODY, NOBODY)
            prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
        libraries = ":".join(map(str, (root / "usr/lib").glob("*-linux-gnu"))) if root != pathlib.Path("/") else ""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.top), "LD_LIBRARY_PATH": libraries}
        self.log = (self.top / "log").open("wb")
        self.process = subprocess.Popen([*prefix, *map(str, command)], cwd=self.top, env=env, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=subprocess.STDOUT)
        for port in self.ports.values():
            wait_for(lambda: self.listens(port), f"port {port}")

    def listens(self, port):
        assert self.process.poll() is None, (self.top / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def close(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.log.close()
        shutil.rmtree(self.top)

    # ---- those who call

    def http(self, scheme, method="GET", body=None, **headers):
        raw = socket.create_connection(("127.0.0.1", self.ports[scheme]), DEADLINE, (CALLER, 0))
        if scheme == "https":
            raw = tls_peers.context().wrap_socket(raw, server_hostname=NAME)
        connection = http.client.HTTPConnection(NAME)
        connection.sock = raw
        try:
            connection.request(method, "/who", body, headers)
            return Response(connection.getresponse())
        finally:
            connection.close()

    def ws(self, scheme, origin=None):
        tls = {"ssl": tls_peers.context(), "server_hostname": NAME} if scheme == "https" else {}
        return Peer(f"{scheme.replace('http', 'ws')}://{NAME}/ws", {}, DEADLINE, {
            "host": "127.0.0.1", "port": self.ports[scheme], "local_addr": (CALLER, 0), "origin": origin, **tls})


@pytest.fixture(scope="module")
def daemon(start_module):
    (server,) = [block.text for block in documentation.blocks(PAGE) if block.language == "yaml"]
    return start_module(server.replace("127.0.0.1:8080", "127.0.0.1:0").replace("bellwire.example.org", NAME) + TASKS)


@pytest.fixture(scope="module", params=list(CONFIGURE))
def proxy(request, daemon):
    proxy = Proxy(request.param, daemon.port())
    yield proxy
    proxy.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_requests_come_through_with_the_callers_address_and_the_name(proxy, scheme):
    """proves W8 S18"""
    assert proxy.http(scheme).text == f"{CALLER} {NAME} "
    assert proxy.http(scheme, "POST", b"x" * 100_000).text == f"{CALLER} {NAME} " + "x" * 100_000
    assert proxy.http(scheme, **{"X-Forwarded-For": "203.0.113.9"}).text == f"{CALLER} {NAME} "
    page = {"Origin": f"{scheme}://{NAME}", "Sec-Fetch-Site": "same-origin"}
    assert proxy.http(scheme, "POST", b"", **page).text == f"{CALLER} {NAME} "
    foreign = proxy.http(scheme, "POST", b"", Origin="https://evil.example")
    assert foreign.status == 403 and "evil.example" in foreign.text


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_web_sockets_come_through_with_the_callers_address_and_the_name(proxy, scheme):
    """proves S1 W8 S18"""
    with proxy.ws(scheme, f"{scheme}://{NAME}") as ws:
        assert ws.recv() == f"{CALLER} {NAME}"
        for message in ("tea", b"\0\xff", "x" * 200_000):
            assert ws.send(message).recv() == message
        ws.close(4001, "enough")
        assert ws.close_code == 4001
    with pytest.raises(Exception, match="403"):
        proxy.ws(scheme, "https://evil.example")


def test_the_close_of_the_daemon_comes_through(proxy, daemon):
    ws = proxy.ws("https")
    assert ws.recv() == f"{CALLER} {NAME}"
    (session,) = [row["id"] for row in daemon.manager_json("session", "list") if row["peer"] == CALLER]
    daemon.manager("session", "close", session, "--code", "4002", "--reason", "tidying", check=0)
    assert ws.wait_closed() == (4002, "tidying")
