"""HTTP as peers see it, on the real daemon."""
import http.client
import json
import threading

import pytest

CONFIG = r"""
tasks:
  greet:
    triggers: [{http-request: {path: "/greet/{name}", method: GET}}]
    actions: [{http-response: "hello ${HttpPathParam(name)}"}]
  greet-admin:
    triggers: [{http-request: {path: /greet/admin, method: GET}}]
    actions: [{http-response: "the admin"}]
  any-greet:
    triggers: [{http-request: "/greet/{name}"}]
    actions: [{http-response: "any ${HttpMethod}"}]
  rest:
    triggers: [{http-request: "/rest/{r...}"}]
    actions: [{http-response: "[${HttpPathParam(r)}]"}]
  only-post:
    triggers: [{http-request: {path: /post, method: [POST, PUT]}}]
    actions: [{http-response: "posted"}]
  show:
    triggers: [{http-request: "/show/{p...}"}]
    actions:
      - http-response:
          json:
            method: ${HttpMethod}
            path: ${HttpPath}
            filename: ${HttpFilename}
            query: ${HttpQuery}
            a: ${HttpQueryParam(a)}
            none: ${HttpQueryParam(none)}
            header: ${HttpHeader(X-Test)}
            cookie: ${HttpCookie(sid)}
            field: ${HttpPostParam(field)}
            json: ${HttpJson(a.b.1)}
            file: ${HttpPostFile(up)}
            body: "${hex.encode(HttpBody)}"
            ws: ${WsMessage}
            peer: ${Peer}
  nothing:
    triggers: [{http-request: /nothing}]
    actions: [{log: nothing}]
  broken:
    triggers: [{http-request: /broken}]
    actions: [{fail: the secret inner detail}]
  twice:
    triggers: [{http-request: /twice}]
    actions:
      - http-response: first
      - http-response: second
  slow:
    triggers: [{http-request: {path: /slow, response-timeout: 200ms}}]
    actions:
      - wait: 1s
      - log: slow is over
  later:
    triggers: [{http-request: /later}]
    actions:
      - wait: 50ms
      - http-response: "later ${HttpQueryParam(n)}"
      - log: answered
  respond:
    triggers: [{http-request: {path: /respond, respond: 202}}]
    actions:
      - wait: 20ms
      - log: "responded ${HttpBody}"
  unmet:
    triggers: [{http-request: {path: /unmet, unmet: 409}}]
    conditions: ['HttpQueryParam("ok") == "1"', {when: 'HttpQueryParam("more") == "1"', unmet: 410}]
    actions: [{http-response: met}]
  small:
    triggers: [{http-request: {path: /small, max-body: 10B}}]
    actions: [{http-response: "${HttpBody}"}]
  ws-only:
    triggers: [{server-message: /ws-only}]
    actions: [{send-message: "${WsMessage}"}]
  by-hand:
    actions:
      - set: {seen: "[${HttpMethod}${HttpPath}${HttpQueryParam(a)}${HttpHeader(host)}${HttpBody}${HttpJson(a)}]"}
      - log: "seen ${seen}"
      - stop: {result: "${seen}"}
"""


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(CONFIG)


def test_the_most_specific_path_wins_then_the_method(daemon):
    """proves S6"""
    assert daemon.http("GET", "/greet/bob").text == "hello bob"
    assert daemon.http("GET", "/greet/admin").text == "the admin"
    assert daemon.http("PATCH", "/greet/bob").text == "any PATCH"
    assert daemon.http("POST", "/greet/admin").text == "any POST"
    assert daemon.http("GET", "/rest/").text == "[]"
    assert daemon.http("GET", "/rest/a/b%2Fc").text == "[a/b/c]"
    assert daemon.http("GET", "/rest").status == 404


def test_no_path_is_404_and_another_method_405_with_allow(daemon):
    """proves S6 W12"""
    assert daemon.http("GET", "/none").status == 404
    answer = daemon.http("GET", "/post")
    assert answer.status == 405
    assert sorted(answer.headers["allow"].replace(" ", "").split(",")) == ["POST", "PUT"]
    assert daemon.http("GET", "/ws-only").status == 426
    assert daemon.raw().send(b"BREW /greet/x HTTP/1.1\r\nHost: localhost\r\n\r\n").response().status == 501


def test_variables_follow_the_decoding_rules(daemon):
    """proves S7"""
    answer = daemon.http("POST", "/show/a%20b/c.txt?a=1+2%zz&a=3&b", body=b'{"a": {"b": [1, 2.5]}}',
                         headers={"x-test": "yes", "Cookie": "sid=a%20b; x=1", "Content-Type": "application/json"})
    shown = json.loads(answer.body)
    assert shown["method"] == "POST"
    assert shown["path"] == "/show/a b/c.txt"
    assert shown["filename"] == "c.txt"
    assert shown["query"] == "a=1+2%zz&a=3&b"
    assert shown["a"] == "1 2%zz"
    assert shown["none"] == ""
    assert shown["header"] == "yes"
    assert shown["cookie"] == "a%20b"
    assert shown["json"] == 2.5
    assert shown["ws"] == ""
    assert shown["peer"].startswith("127.0.0.1")


def test_bodies_arrive_byte_for_byte(daemon):
    """proves S9"""
    body = bytes(range(256)) * 5
    assert json.loads(daemon.http("POST", "/show/x", body=body).body)["body"] == body.hex()
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 100]), body[i:i + 100]) for i in range(0, len(body), 100))
    head = b"POST /show/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = daemon.raw().send_split(head + chunked + b"0\r\n\r\n", 37).response()
    assert json.loads(answer.body)["body"] == body.hex()
    raw = daemon.raw().send(b"POST /show/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert raw.recv_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    assert json.loads(raw.send(b"abc").response().body)["body"] == b"abc".hex()


def test_forms_are_read(daemon):
    """proves S7 S9"""
    shown = json.loads(daemon.http("POST", "/show/x", body=b"field=a+b%21&field=2",
                                   headers={"Content-Type": "application/x-www-form-urlencoded"}).body)
    assert shown["field"] == "a b!"
    parts = (b'--X\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
             b'--X\r\nContent-Disposition: form-data; name="up"; filename="../a.bin"\r\nContent-Type: image/x\r\n\r\n'
             b'bytes\r\n--X--\r\n')
    shown = json.loads(daemon.http("POST", "/show/x", body=parts,
                                   headers={"Content-Type": "multipart/form-data; boundary=X"}).body)
    assert shown["field"] == "value"
    assert shown["file"] == {"name": "a.bin", "type": "image/x", "size": 5, "content": "bytes"}


def test_http_variables_are_empty_elsewhere(daemon):
    """proves S8 T10"""
    result = daemon.manager_json("task", "run", "by-hand", "--wait")
    assert result["status"] == "done"
    assert daemon.log.wait("seen [", task="by-hand")["message"] == "seen []"


@pytest.mark.parametrize("request_bytes, status", [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
    (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    (b"POST /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\n", 413),
    (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
])
def test_bad_requests_are_answered_and_closed(daemon, request_bytes, status):
    """proves S10 S20"""
    raw = daemon.raw().send(request_bytes)
    assert raw.response().status == status
    assert raw.recv_all() == b""
    assert daemon.http("GET", "/greet/bob").text == "hello bob"


def test_keep_alive_and_pipelining_answer_in_order(daemon):
    """proves S10"""
    raw = daemon.raw()
    raw.send(b"".join(b"GET /later?n=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % n if n % 7 == 0 else
                      b"GET /greet/n%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % n for n in range(50)))
    for n in range(50):
        assert raw.response().body == (b"later %d" % n if n % 7 == 0 else b"hello n%d" % n)


def test_old_http_and_answers_without_a_body(daemon):
    """proves S10"""
    raw = daemon.raw().send(b"GET /greet/old HTTP/1.0\r\n\r\n")
    assert raw.response().body == b"hello old"
    assert raw.recv_all() == b""
    answer = daemon.http("HEAD", "/greet/bob")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "9")
    raw = daemon.raw().send(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\nGET /greet/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert raw.recv_until(b"\r\n\r\n").startswith(b"HTTP/1.1 204 ")
    assert raw.recv_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_run_without_an_answer(daemon):
    """204 to a program, a small page to a browser. proves S14"""
    answer = daemon.http("GET", "/nothing")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["x-bellwire-run"]
    page = daemon.http("GET", "/nothing", headers={"Accept": "text/html,*/*"})
    assert page.status == 200
    assert "nothing" in page.text and page.headers["x-bellwire-run"] in page.text


def test_a_failed_run_tells_no_inner_detail(daemon):
    """proves S14"""
    for accept in ("*/*", "text/html"):
        answer = daemon.http("GET", "/broken", headers={"Accept": accept})
        assert answer.status == 500
        assert answer.headers["x-bellwire-run"] in answer.text
        assert "secret inner" not in answer.text
    entry = daemon.log.wait("run failed", task="broken", level="warn")
    assert "secret inner detail" in json.dumps(entry)
    assert entry["at"].split(":")[0].endswith("bellwire.yaml")


def test_the_second_answer_is_a_step_error(daemon):
    """proves S14"""
    mark = daemon.log.mark()
    assert daemon.http("GET", "/twice").text == "first"
    daemon.log.wait("run failed", task="twice", level="warn", since=mark)


def test_past_response_timeout_the_peer_gets_504_and_the_run_goes_on(daemon):
    """proves S14 S20"""
    mark = daemon.log.mark()
    assert daemon.http("GET", "/slow").status == 504
    daemon.log.wait("slow is over", task="slow", since=mark)


def test_the_peer_gone_before_the_answer(daemon):
    """The run goes on, the answer is dropped. proves S15"""
    mark = daemon.log.mark()
    raw = daemon.raw().send(b"GET /later?n=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    raw.close()
    daemon.log.wait("answered", task="later", since=mark)


def test_respond_answers_at_once_and_unmet_says_why(daemon):
    """proves S20"""
    mark = daemon.log.mark()
    answer = daemon.http("POST", "/respond", body=b"payload")
    assert answer.status == 202 and answer.headers["x-bellwire-run"]
    daemon.log.wait("responded payload", since=mark)
    assert daemon.http("GET", "/unmet").status == 409
    assert daemon.http("GET", "/unmet?ok=1").status == 410
    assert daemon.http("GET", "/unmet?ok=1&more=1").text == "met"


def test_many_connections_at_once(daemon):
    """proves S10"""
    failures = []

    def ask(number):
        try:
            for n in range(30):
                text = daemon.http("GET", f"/greet/c{number}-{n}").text
                if text != f"hello c{number}-{n}":
                    failures.append(text)
        except OSError as error:
            failures.append(error)
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_timeouts_of_heads_bodies_and_idle_connections(start):
    """proves S10"""
    daemon = start("""
        servers: {main: {bind: "127.0.0.1:0", header-timeout: 200ms, body-timeout: 200ms, idle-timeout: 200ms}}
        tasks:
          t:
            triggers: [{http-request: /t}]
            actions: [{http-response: "${HttpBody}"}]
    """)
    raw = daemon.raw().send(b"GET /t HT")
    assert raw.response().status == 408
    assert raw.recv_all() == b""
    raw = daemon.raw().send(b"POST /t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")
    assert raw.response().status == 408
    raw = daemon.raw().send(b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n")
    raw.response()
    assert raw.recv_all() == b""


def test_several_addresses_and_one_that_is_taken(start):
    """IPv4 and IPv6; one that cannot be bound is told of and the rest serve. proves S2"""
    taken = start("tasks: {t: {triggers: [{http-request: /}], actions: [{http-response: first}]}}")
    port = taken.port()
    daemon = start(f"""
        servers: {{main: {{bind: ["127.0.0.1:0", "[::1]:0", "127.0.0.1:{port}"]}}}}
        tasks: {{t: {{triggers: [{{http-request: /}}], actions: [{{http-response: second}}]}}}}
    """)
    assert len(daemon.log.find("listening", server="main")) == 2
    error = daemon.log.wait("cannot listen", server="main", level="error")
    assert error["fields"]["address"] == f"127.0.0.1:{port}"
    for index in (0, 1):
        host, number = daemon.address(index=index)
        connection = http.client.HTTPConnection(host, number, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"second"
        connection.close()
    row = daemon.manager_json("server", "list")[0]
    assert row["state"] == "listening" and f"127.0.0.1:{port}" in row["error"]
    assert taken.http("GET", "/").text == "first"


def test_a_disabled_server_never_listens(start):
    """proves S4"""
    daemon = start("""
        servers: {main: {bind: "127.0.0.1:0"}, off: {bind: "127.0.0.1:0", enabled: no}}
        tasks: {t: {triggers: [{http-request: {path: /, server: main}}], actions: [{http-response: on}]}}
    """)
    assert daemon.http("GET", "/", server="main").text == "on"
    assert not daemon.log.find("listening", server="off")
    rows = {row["id"]: row for row in daemon.manager_json("server", "list")}
    assert rows["off"]["state"] == "stopped" and not rows["off"]["enabled"]
