"""Host names, origins and proxies, as plain requests show them."""
import re
import socket
import urllib.request

import pytest

HELLO = """
    tasks:
      hello:
        triggers: [{http-request: {path: /hello}}]
        actions: [{http-response: "hi ${Peer}"}]
      early:
        triggers: [{http-request: {path: /early, prefetch: true}}]
        actions: [{http-response: early}]
      echo:
        triggers: [{server-message: /echo}]
        actions: [{send-message: "${Peer}: ${WsMessage}"}]
"""


def with_server(keys):
    return '    servers: {main: {bind: "127.0.0.1:0", %s}}' % keys + HELLO


def get(daemon, path="/hello", method="GET", **headers):
    return daemon.http(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_names_of_the_machine_are_hosts(start):
    """Its name, NAME.local, its FQDN, literals and localhost; no other. proves S18"""
    d = start(HELLO)
    name = socket.gethostname()
    short = name.split(".")[0]
    hosts = ["localhost", "LOCALHOST:1", "127.0.0.1", "10.1.2.3:8080", "[::1]", name, short, f"{short}.local"]
    canonical = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)[0][3] if can_resolve(name) else ""
    for host in hosts + ([canonical] if canonical else []):
        assert get(d, Host=host).status == 200, host
    for host in ("example.org", "localhost.example.org", f"{short}.example.org", f"x{short}", "127.0.0.1.example.org"):
        answer = get(d, Host=host)
        assert answer.status == 403 and f"servers.main.hosts: [{host}]" in answer.text, host


def can_resolve(name):
    try:
        socket.getaddrinfo(name, None)
        return True
    except socket.gaierror:
        return False


def test_http_1_0_needs_no_host(start):
    """An old client is served. proves S18"""
    raw = start(HELLO).raw()
    raw.send(b"GET /hello HTTP/1.0\r\n\r\n")
    assert b" 200 OK" in raw.recv_all()


def test_refusal_is_logged_once_a_minute_and_value(start):
    """The log names the line, and does not drown. proves S18"""
    d = start(HELLO)
    for _ in range(5):
        assert get(d, Host="one.example").status == 403
    assert get(d, Host="two.example").status == 403
    d.log.wait("servers.main.hosts: [two.example]", server="main")
    assert len(d.log.find("servers.main.hosts: [one.example]")) == 1


def test_hosts_and_origins_open_the_door(start):
    """Lists and `any`; a listed host allows its own pages behind a proxy that writes another Host. proves S18"""
    d = start(with_server("hosts: [example.org], origins: [https://app.example.org, null, 'file://']"))
    assert get(d, Host="example.org").status == 200
    assert get(d, Host="www.example.org").status == 403
    for origin in ("https://app.example.org", "null", "file://", "https://example.org"):
        assert get(d, Origin=origin, method="POST").status == 200, origin
        assert d.ws("/echo", headers=[("Origin", origin)]).status == 101, origin
    for origin in ("http://app.example.org", "https://app.example.org:8443", "https://example.com"):
        assert get(d, Origin=origin, method="POST").status == 403, origin
        assert d.ws("/echo", headers=[("Origin", origin)], check=False).status == 403, origin
    any_of_them = start(with_server("hosts: any, origins: any"))
    assert get(any_of_them, Host="whatever.example", Origin="https://app.example").status == 200
    assert get(any_of_them, Sec_Fetch_Site="cross-site").status == 200


def test_reload_opens_the_door(start):
    """What the refusal says is what helps. proves S18"""
    d = start(HELLO)
    assert "servers.main.hosts: [example.org]" in get(d, Host="example.org").text
    d.write(with_server("hosts: [example.org]"))
    assert d.reload()["ok"]
    assert get(d, Host="example.org").status == 200


def test_cors_headers_are_on_every_answer(start):
    """Also on errors, and never on those to others. proves S19"""
    d = start(with_server("origins: [https://app.example.org]"))
    for path, status in (("/hello", 200), ("/nowhere", 404)):
        answer = get(d, path, Origin="https://app.example.org")
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
        assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Origin" not in get(d).headers
    preflight = get(d, "/hello", "OPTIONS", Origin="https://app.example.org", Access_Control_Request_Method="DELETE",
                    Access_Control_Request_Headers="x-a")
    assert preflight.status == 204 and preflight.body == b""
    assert preflight.headers["Access-Control-Allow-Methods"] == "DELETE"
    assert preflight.headers["Access-Control-Allow-Headers"] == "x-a"
    assert get(d, "/hello", "OPTIONS", Origin="https://b.example", Access_Control_Request_Method="GET").status == 403


def test_speculation_is_put_off_unless_wanted(start):
    """503 and no-store; `prefetch: true` lets it through. proves S19"""
    d = start(HELLO)
    answer = get(d, Sec_Purpose="prefetch;prerender")
    assert answer.status == 503 and answer.headers["Cache-Control"] == "no-store"
    assert get(d, "/early", Sec_Purpose="prefetch").text == "early"


def test_forwarded_addresses(start):
    """Believed from trusted proxies only, requests and sessions alike. proves W8"""
    d = start(with_server("trusted-proxies: [127.0.0.1, 10.0.0.0/8]"))
    for forwarded, peer in (("203.0.113.7", "203.0.113.7"),
                            ("203.0.113.7, 10.0.0.2", "203.0.113.7, 10.0.0.2"),
                            ("6.6.6.6, 203.0.113.7, 10.0.0.2", "203.0.113.7, 10.0.0.2"),
                            ("rubbish", "127.0.0.1")):
        assert get(d, X_Forwarded_For=forwarded).text == f"hi {peer}"
        ws = d.ws("/echo", headers=[("X-Forwarded-For", forwarded)])
        ws.send("a")
        assert ws.recv() == f"{peer}: a"
    assert get(d).text == "hi 127.0.0.1"
    plain = start(HELLO)
    assert get(plain, X_Forwarded_For="203.0.113.7").text == "hi 127.0.0.1"
    ws = plain.ws("/echo", headers=[("X-Forwarded-For", "203.0.113.7")])
    ws.send("a")
    assert ws.recv() == "127.0.0.1: a"


@pytest.mark.parametrize("keys, message", [
    ("origins: [app.example.org]", '"origins" must hold origins, got "app.example.org"'),
    ("hosts: ['http://a']", '"hosts" must hold host names, got "http://a"'),
    ("hosts: ['*.example.org']", '"hosts" must hold host names, got "*.example.org"'),
    ("hosts: [any, b]", ""),
    ("trusted-proxies: [proxy]", '"trusted-proxies" must hold addresses or networks, got "proxy"'),
    ("trusted-proxies: 10.0.0.0/40", '"trusted-proxies" must hold addresses or networks, got "10.0.0.0/40"'),
])
def test_wrong_lists_are_errors_at_their_place(start, keys, message):
    """proves S18"""
    done = start.check(with_server(keys))
    assert done.returncode == (78 if message else 0)
    assert message in done.stdout and (not message or "bellwire.yaml:1:" in done.stdout)


def test_refusals_are_counted_by_their_reason(start):
    """In stats and metrics, with as many labels as there are reasons. proves S18 S19 D7"""
    d = start({"bellwire.yaml": '    metrics: {bind: "127.0.0.1:0"}\n' + with_server("auth: {bearer: {file: tokens}}"), "tokens": "secret\n"})
    known = {"Authorization": "Bearer secret"}
    cases = {"host": ({"Host": "example.org"}, 403), "origin": ({"Origin": "https://example.org"}, 403),
             "site": ({"Sec-Fetch-Site": "cross-site"}, 403), "prefetch": ({"Sec-Purpose": "prefetch", **known}, 503),
             "credentials": ({}, 401)}
    for number, (headers, status) in enumerate(cases.values()):
        for _ in range(number + 1):
            assert d.http("GET", "/hello", headers=headers).status == status
    assert d.http("GET", "/hello", headers=known).status == 200
    wanted = {"signature": 0, "busy": 0, **{reason: number + 1 for number, reason in enumerate(cases)}}
    stats = d.manager_json("stats")
    assert stats["http"]["denied"] == wanted and stats["servers"]["main"]["http"]["denied"] == wanted
    address = d.log.wait("metrics are served")["fields"]["address"]
    with urllib.request.urlopen(f"http://{address}/metrics") as page:
        text = page.read().decode()
    told = dict(re.findall(r'bellwire_http_denied_total{server="main",reason="(\w+)"} (\d+)', text))
    assert {reason: int(count) for reason, count in told.items()} == wanted
