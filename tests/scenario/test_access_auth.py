"""Credentials: bearer tokens, basic users, query parameters, signatures."""
import base64
import ctypes
import hashlib
import hmac
import subprocess
import threading
import time

import pytest

BODY = "Hello, World!"
GITHUB = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
CONFIG = """
    servers: {main: {bind: "127.0.0.1:0"}, guarded: {bind: "127.0.0.1:0", auth: {bearer: {file: tokens.txt}, basic: users.txt, query: {name: key, file: tokens.txt}}}}
    secrets: {github: {file: github.key}, slack: {file: slack.key}}
    tasks:
      open:
        triggers: [{http-request: {server: main, path: /open}}]
        actions: [{http-response: "user=${User}"}]
      bearer:
        triggers: [{http-request: {server: main, path: /bearer, auth: {bearer: {file: tokens.txt}}}}]
        actions: [{http-response: "user=${User}"}]
      basic:
        triggers: [{http-request: {server: main, path: /basic, auth: {basic: {file: users.txt}}}}]
        actions: [{http-response: "user=${User} ${HttpBody}"}]
      github:
        triggers:
          - http-request:
              {server: main, path: /github, max-body: 4MiB,
               auth: {hmac: {header: x-hub-signature-256, prefix: "sha256=", secret: github}}}
        actions: [{log: "pushed"}, {http-response: "user=${User}"}]
      slack:
        triggers:
          - http-request:
              server: main
              path: /slack
              auth:
                bearer: tokens.txt
                hmac:
                  header: x-slack-signature
                  prefix: v0=
                  secret: slack
                  signed: v0:${HttpHeader(x-slack-request-timestamp)}:${HttpBody}
                  timestamp: x-slack-request-timestamp
        actions: [{http-response: "user=${User}"}]
      late:
        triggers: [{http-request: {server: guarded, path: /late}}]
        actions: [{wait: 10ms}, {http-response: "user=${User}"}]
      chat:
        triggers: [{server-open: {server: guarded, path: /chat}}, {server-message: {server: guarded, path: /chat}}]
        actions: [{send-message: "user=${User}"}]
"""


def hash_of(password):
    """As mkpasswd writes it: SHA-512 with crypt(3)."""
    return subprocess.run(["openssl", "passwd", "-6", "-salt", "saltsalt", password], check=True, capture_output=True,
                          text=True).stdout.strip()


def files(**changes):
    digest = hashlib.sha256(b"hidden").hexdigest()
    return {"bellwire.yaml": CONFIG, "tokens.txt": f"one\ntwo Ada Lovelace\nsha256:{digest} hashed\n",
            "users.txt": f"ada:{hash_of('secret')}\n", "github.key": "It's a Secret to Everybody\n",
            "slack.key": "8f742231b10e8888abcd99yyyzzz85a5", **changes}


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(files())


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_bearer_tokens(daemon):
    """Labels become User; others get 401 with a challenge. proves S17"""
    for token, user in (("one", "token-1"), ("two", "Ada Lovelace"), ("hidden", "hashed")):
        assert daemon.http("GET", "/bearer", headers=bearer(token), server="main").text == f"user={user}"
    for headers in ({}, bearer("three"), bearer("on"), basic("one", ""), {"Authorization": "one"}):
        answer = daemon.http("GET", "/bearer", headers=headers, server="main")
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert daemon.http("GET", "/open", headers=bearer("one"), server="main").text == "user="


def test_basic_users(daemon):
    """Right, wrong, unknown; a body that comes with it is not lost. proves S17"""
    for _ in range(2):
        answer = daemon.http("POST", "/basic", body="x" * 100000, headers=basic("ada", "secret"), server="main")
        assert answer.text == "user=ada " + "x" * 100000
        for user, password in (("ada", "Secret"), ("ada", ""), ("bob", "secret"), ("", "secret")):
            answer = daemon.http("POST", "/basic", body="x", headers=basic(user, password), server="main")
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_pipeline_behind_a_password_waits_its_turn(daemon):
    """What follows a request whose password is being checked is answered after it. proves S17"""
    raw = daemon.raw("main")
    credentials = basic("ada", "wrong")["Authorization"].encode()
    raw.send(b"GET /basic HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + credentials + b"\r\n\r\n"
             b"GET /open HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answers = raw.recv_all()
    assert answers.index(b" 401 ") < answers.index(b"user=")


def test_peer_that_leaves_during_a_check_harms_nothing(daemon):
    """proves S17"""
    for i in range(20):
        raw = daemon.raw("main")
        credentials = basic("ada", f"wrong{i}")["Authorization"].encode()
        raw.send(b"GET /basic HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + credentials + b"\r\n\r\n")
        raw.close()
    assert daemon.http("GET", "/open", server="main").status == 200


def slow_users(rounds):
    crypt = ctypes.CDLL("libcrypt.so.1").crypt  # newer Pythons have no module for it
    crypt.restype = ctypes.c_char_p
    slow = crypt(b"secret", f"$6$rounds={rounds}$saltsalt".encode()).decode()
    return {"users.txt": f"ada:{slow}\n"}


def test_no_check_blocks_a_loop(start):
    """While slow passwords are checked, others are served. proves S17"""
    d = start(files(**slow_users(600000)), workers=1)
    answers = []
    asker = threading.Thread(target=lambda: answers.append(
        d.http("GET", "/basic", headers=basic("ada", "secret"), server="main").text))
    asker.start()
    served = 0
    while not answers:
        assert d.http("GET", "/open", server="main").status == 200
        served += 1
    asker.join()
    assert answers == ["user=ada "] and served > 5


def test_flood_of_passwords_is_bounded(start):
    """Those that find no place get 503 at once, the others their answer. proves S17"""
    d = start(files(**slow_users(20000)), workers=1)
    peers = [d.raw("main") for _ in range(200)]
    for i, peer in enumerate(peers):
        credentials = basic("ada", f"wrong{i}")["Authorization"].encode()
        peer.send(b"GET /basic HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + credentials + b"\r\n\r\n")
    statuses = [peer.response().status for peer in peers]
    assert set(statuses) == {401, 503} and statuses.count(401) >= 64
    assert d.http("GET", "/basic", headers=basic("ada", "secret"), server="main").text == "user=ada "


def test_body_that_outlasts_a_reload_is_asked_again(start):
    """Credentials are those of the configuration that the task will run under. proves S17"""
    d = start(files())
    held = []
    for path, headers in (("/basic", basic("ada", "secret")), ("/bearer", bearer("one")), ("/bearer", bearer("two"))):
        raw = d.raw("main")
        raw.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n"
                 f"Authorization: {headers['Authorization']}\r\n\r\n".encode())
        raw.recv_until(b"100 Continue\r\n\r\n")
        held.append(raw.send(b"bo"))
    d.write(files(**{"tokens.txt": "one renamed\n"}))
    assert d.reload()["ok"]
    answers = [raw.send(b"dy").response() for raw in held]
    assert [answer.status for answer in answers] == [200, 200, 401]
    assert answers[0].body == b"user=ada body" and answers[1].body == b"user=renamed"


def test_server_wide_auth_in_any_way(daemon):
    """Every way suffices; the user is known after a wait and in every run of a session. proves S17"""
    for headers, query, user in ((bearer("two"), "", "Ada Lovelace"), (basic("ada", "secret"), "", "ada"),
                                 ({}, "?key=one", "token-1"), (bearer("bad"), "?key=one", "token-1")):
        answer = daemon.http("GET", f"/late{query}", headers=headers, server="guarded")
        assert answer.text == f"user={user}"
        ws = daemon.ws(f"/chat{query}", headers=list(headers.items()), server="guarded")
        assert ws.recv() == f"user={user}"
        ws.send("x")
        assert ws.recv() == f"user={user}"
        ws.close()
    for headers in ({}, bearer("bad"), basic("ada", "bad")):
        answer = daemon.http("GET", "/late?key=bad", headers=headers, server="guarded")
        assert answer.status == 401 and len(answer.headers.get_all("WWW-Authenticate")) == 3
        assert daemon.ws("/chat", headers=list(headers.items()), server="guarded", check=False).status == 401
    assert daemon.http("GET", "/nowhere", server="guarded").status == 404


def test_session_that_waited_for_its_password_gets_early_messages(start):
    """Frames sent before the 101 came are not lost. proves S17"""
    d = start(files())
    raw = d.raw("guarded")
    credentials = basic("ada", "secret")["Authorization"].encode()
    raw.send(b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             b"Authorization: " + credentials + b"\r\n\r\n" + b"\x81\x81\0\0\0\0x")
    raw.recv_until(b"\r\n\r\n")
    assert raw.recv_exact(20) == b"\x81\x08user=ada\x81\x08user=ada"
    raw.close()


def test_github_example(daemon):
    """The documented example fits, and nothing near it. proves S17"""
    before = daemon.log.mark()
    assert daemon.http("POST", "/github", BODY, {"X-Hub-Signature-256": GITHUB}, server="main").text == "user=github"
    daemon.log.wait("pushed", since=before)
    mark = daemon.log.mark()
    for body, headers in ((BODY + "!", {"X-Hub-Signature-256": GITHUB}), (BODY, {}),
                          (BODY, {"X-Hub-Signature-256": GITHUB[:-1] + "8"}), (BODY, {"X-Hub-Signature-256": GITHUB[7:]})):
        answer = daemon.http("POST", "/github", body, headers, server="main")
        assert answer.status == 401 and "WWW-Authenticate" in answer.headers
    assert not daemon.log.find("pushed", since=mark)


def test_signature_of_a_long_body(daemon):
    """A long body is hashed elsewhere, with the same result. proves S17"""
    for size in (65536, 65537, 3000000):
        body = b"x" * size
        good = "sha256=" + hmac.new(b"It's a Secret to Everybody", body, hashlib.sha256).hexdigest()
        assert daemon.http("POST", "/github", body, {"X-Hub-Signature-256": good}, server="main").text == "user=github"
        assert daemon.http("POST", "/github", body[:-1] + b"y", {"X-Hub-Signature-256": good}, server="main").status == 401


def slack_headers(at, body, key=b"8f742231b10e8888abcd99yyyzzz85a5"):
    signature = hmac.new(key, f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": f"v0={signature}"}


def test_slack_scheme(daemon):
    """Time and body are signed; an old signature, though right, is refused; a token suffices too. proves S17"""
    now, body = int(time.time()), "token=x&text=94070"
    assert daemon.http("POST", "/slack", body, slack_headers(now, body), server="main").text == "user=slack"
    assert daemon.http("POST", "/slack", body, slack_headers(now - 290, body), server="main").text == "user=slack"
    for at in (now - 310, now + 310, 1531420618):
        assert daemon.http("POST", "/slack", body, slack_headers(at, body), server="main").status == 401
    assert daemon.http("POST", "/slack", body + "0", slack_headers(now, body), server="main").status == 401
    moved = {**slack_headers(now - 1000, body), "X-Slack-Request-Timestamp": str(now)}
    assert daemon.http("POST", "/slack", body, moved, server="main").status == 401
    assert daemon.http("POST", "/slack", body, bearer("one"), server="main").text == "user=token-1"


SLACK_BODY = ("token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
              "&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2F"
              "hooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
              "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c")
SLACK_AT = "1531420618"
SLACK = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


def test_slack_example(start):
    """The documented request of 2018 fits where so old a one is tolerated, and nothing near it. proves S17"""
    d = start(files(**{"bellwire.yaml": CONFIG.replace("                  timestamp: x-slack",
                                                       "                  tolerance: 876000h\n                  timestamp: x-slack")}))
    headers = {"X-Slack-Request-Timestamp": SLACK_AT, "X-Slack-Signature": SLACK}
    assert d.http("POST", "/slack", SLACK_BODY, headers, server="main").text == "user=slack"
    for body, changed in ((SLACK_BODY[:-1] + "d", {}), (SLACK_BODY, {"X-Slack-Request-Timestamp": "1531420619"}),
                          (SLACK_BODY, {"X-Slack-Signature": SLACK[:-1] + "4"})):
        assert d.http("POST", "/slack", body, {**headers, **changed}, server="main").status == 401


def test_reload_reads_the_files_again(start):
    """New tokens count, old ones do not; a file that cannot be read leaves all as it was. proves S17"""
    d = start(files())
    assert d.http("GET", "/bearer", headers=bearer("one"), server="main").status == 200
    assert d.http("GET", "/basic", headers=basic("ada", "secret"), server="main").status == 200
    d.write(files(**{"tokens.txt": "new\n", "users.txt": f"ada:{hash_of('other')}\n"}))
    assert d.reload()["ok"]
    assert d.http("GET", "/bearer", headers=bearer("one"), server="main").status == 401
    assert d.http("GET", "/bearer", headers=bearer("new"), server="main").status == 200
    assert d.http("GET", "/basic", headers=basic("ada", "secret"), server="main").status == 401
    assert d.http("GET", "/basic", headers=basic("ada", "other"), server="main").status == 200
    assert d.http("GET", "/late", headers=bearer("new"), server="guarded").status == 200
    (d.folder / "tokens.txt").unlink()
    assert not d.reload()["ok"]
    assert d.http("GET", "/bearer", headers=bearer("new"), server="main").status == 200


@pytest.mark.parametrize("auth, message", [
    ("{bearer: {file: nowhere.txt}}", "nowhere.txt: No such file or directory"),
    ("{basic: {file: tokens.txt}}", "tokens.txt:1: a user is written name:hash"),
    ("{}", '"auth" must name a way in'),
    ("{hmac: {header: x, secret: githup}}", 'unknown secret "githup"'),
    ("{hmac: {header: x, secret: github, signed: '${HttpBody:upper()}'}}", '"signed" may hold plain look-ups'),
    ("{hmac: {secret: github}}", 'needs the key "header"'),
    ("{hmac: {header: x, secret: github, algorithm: md5}}", '"algorithm"'),
])
def test_wrong_auth_is_an_error_that_names_it(start, auth, message):
    """proves S17"""
    trigger = "{server: main, path: /bearer, auth: {bearer: {file: tokens.txt}}}"
    assert trigger in CONFIG
    config = CONFIG.replace(trigger, "{server: main, path: /bearer, auth: %s}" % auth)
    done = start.check(files(**{"bellwire.yaml": config}))
    assert done.returncode == 78 and message in done.stdout, done.stdout


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_secret_guards_nothing(start, content):
    """A file that was cut short leaves the guard as it was: with an empty key anybody could sign. proves S17"""
    before = files()
    name = next(name for name in before if name.startswith("github"))
    done = start.check({**before, name: content})
    assert done.returncode == 78 and 'secret "github" is empty, so anyone could sign' in done.stdout, done.stdout
    d = start(before)
    d.write({name: content})
    assert not d.reload()["ok"]


def test_manager_needs_no_credentials(daemon):
    """Who may talk to the daemon's own socket may change its files anyway. proves S17"""
    ran = daemon.manager_json("task", "run", "bearer", "--request", "GET /bearer")
    assert ran["response"]["status"] == 200 and ran["response"]["body"] == "user="
