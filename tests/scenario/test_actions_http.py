"""http-response of the real daemon."""
import os

import pytest

TASKS = """
    tasks:
      text:
        triggers: [{http-request: "/text/{name}"}]
        actions: [{http-response: "hi ${HttpPathParam(name)}"}]
      json:
        triggers: [{http-request: /json}]
        actions: [{http-response: {json: {q: "${HttpQueryParam(q)}", n: 1, l: [true, null]}, status: 201}}]
      html:
        triggers: [{http-request: /html}]
        actions: [{http-response: {html: '<p title="${HttpQueryParam(q)}">${HttpQueryParam(q)}</p>'}}]
      go:
        triggers: [{http-request: /go}]
        actions: [{http-response: {redirect: "${HttpQueryParam(to)}", status: 303}}]
      cookie:
        triggers: [{http-request: /cookie}]
        actions:
          - http-response:
              text: ok
              headers: {X-Echo: "${HttpQueryParam(q)}"}
              cookies: {sid: "${HttpQueryParam(q)}", old: {value: "", max-age: 0s, path: /}}
      site:
        triggers: [{http-request: "/site/{rest...}"}]
        actions: [{http-response: {file: "${HttpPathParam(rest)}", root: site}}]
      one:
        triggers: [{http-request: /one}]
        actions: [{http-response: {file: site/a.css}}]
      missing:
        triggers: [{http-request: /missing}]
        actions: [{http-response: {file: site/none}}]
      twice:
        triggers: [{http-request: /twice}]
        actions:
          - http-response: first
          - http-response: second
            on-error: continue
          - log: "twice ${StepResult}"
      message:
        triggers: [{server-message: /}]
        actions:
          - http-response: nobody asked
            on-error: continue
          - send-message: "${StepResult} ${LastErrorDescription}"
      slow:
        triggers: [{http-request: {path: /slow, response-timeout: 100ms}}]
        actions:
          - wait: 400ms
          - http-response: too late
            on-error: continue
          - log: "slow ${StepResult}"
      broken:
        triggers: [{http-request: /broken}]
        actions: [{fail: inner detail}]
"""


@pytest.fixture(scope="module")
def daemon(start_module):
    folder = {"bellwire.yaml": TASKS, "site/index.html": "<p>${x}</p>", "site/a.css": "a{}",
              "site/big.bin": bytes(range(256)) * 1200, "outside.txt": "outside"}
    d = start_module(folder)
    os.symlink("../outside.txt", d.folder / "site" / "link.txt")
    return d


def test_sources_have_status_type_and_length(daemon):
    """Text, JSON, HTML. proves S12"""
    text = daemon.http("GET", "/text/bob")
    assert (text.status, text.text, text.headers["content-type"]) == (200, "hi bob", "text/plain; charset=utf-8")
    assert text.headers["content-length"] == "6"
    answer = daemon.http("GET", "/json?q=a%22b")
    assert answer.status == 201 and answer.headers["content-type"] == "application/json"
    assert answer.json() == {"q": 'a"b', "n": 1, "l": [True, None]}
    head = daemon.http("HEAD", "/text/bob")
    assert head.body == b"" and head.headers["content-length"] == "6"


def test_html_escapes(daemon):
    """What is interpolated is escaped. proves S16"""
    page = daemon.http("GET", "/html?q=%3Cb%20x=%22%27%26%3E").text
    assert page == '<p title="&lt;b x=&quot;&#39;&amp;&gt;">&lt;b x=&quot;&#39;&amp;&gt;</p>'


@pytest.mark.parametrize("path", ["/cookie?q=a%0d%0aX-Evil:%201", "/cookie?q=a%0aX-Evil:%201",
                                  "/go?to=/a%0d%0aX-Evil:%201"])
def test_line_breaks_are_step_errors(daemon, path):
    """CR or LF from a variable never reaches a header line. proves S16"""
    answer = daemon.http("GET", path)
    assert answer.status == 500 and "x-evil" not in answer.headers


def test_redirects_headers_and_cookies(daemon):
    """Location, own headers, Set-Cookie with safe defaults. proves S12"""
    answer = daemon.http("GET", "/go?to=/there")
    assert answer.status == 303 and answer.headers["location"] == "/there"
    answer = daemon.http("GET", "/cookie?q=v1")
    assert answer.headers["x-echo"] == "v1"
    cookies = answer.headers.get_all("set-cookie")
    assert cookies[0].startswith("sid=v1;") and "HttpOnly" in cookies[0] and "SameSite=Lax" in cookies[0]
    assert "Max-Age=0" in cookies[1] and "Path=/" in cookies[1]


def test_files_have_type_date_conditions_and_ranges(daemon):
    """Files: unexpanded, typed by extension, dated, in parts. proves S12"""
    page = daemon.http("GET", "/site/")
    assert page.text == "<p>${x}</p>" and page.headers["content-type"] == "text/html; charset=utf-8"
    assert daemon.http("GET", "/one").headers["content-type"] == "text/css; charset=utf-8"
    date = page.headers["last-modified"]
    fresh = daemon.http("GET", "/site/", headers={"If-Modified-Since": date})
    assert fresh.status == 304 and fresh.body == b""
    big = daemon.http("GET", "/site/big.bin")
    assert big.body == bytes(range(256)) * 1200 and big.headers["content-length"] == "307200"
    part = daemon.http("GET", "/site/big.bin", headers={"Range": "bytes=256000-256009"})
    assert part.status == 206 and part.body == bytes(range(10))
    assert part.headers["content-range"] == "bytes 256000-256009/307200"
    past = daemon.http("GET", "/site/a.css", headers={"Range": "bytes=100-"})
    assert past.status == 416 and past.headers["content-range"] == "bytes */3"


@pytest.mark.parametrize("path", ["/site/none", "/site/link.txt", "/site/..%2foutside.txt", "/site/%2e%2e%2foutside.txt",
                                  "/site/a.css%00", "/site/a.css/"])
def test_nothing_outside_a_root(daemon, path):
    """What is missing under a root, or outside it, is 404 (a NUL 400). proves S12"""
    assert daemon.http("GET", path).status in (400, 404)


def test_a_missing_file_without_a_root_is_a_step_error(daemon):
    """It never hangs. proves S12"""
    assert daemon.http("GET", "/missing").status == 500


def test_only_the_first_answer_counts(daemon):
    """A second one is a step error. proves S14"""
    assert daemon.http("GET", "/twice").text == "first"
    daemon.log.wait("twice 1")


def test_no_answer_without_a_request(daemon):
    """A step error, and the daemon goes on. proves S13"""
    ws = daemon.ws("/")
    assert ws.send("x").recv().startswith("1 no HTTP request")
    ws.close()
    assert daemon.http("GET", "/text/a").status == 200


def test_every_answer_carries_the_run(daemon):
    """Also 404, 500 and 504; a failure shows no inner detail. proves S14"""
    for path, status in (("/text/a", 200), ("/site/none", 404), ("/broken", 500), ("/slow", 504)):
        answer = daemon.http("GET", path)
        assert answer.status == status
        assert answer.headers["x-bellwire-run"], path
        assert b"inner detail" not in answer.body
    daemon.log.wait("slow 1")


def test_a_peer_that_goes_is_no_error(start):
    """The answer is dropped, the run goes on. proves S15"""
    d = start("""
        tasks:
          t:
            triggers: [{http-request: /}]
            actions: [{log: began}, {wait: 300ms}, {http-response: hi}, {log: went on}]
    """)
    peer = d.raw()
    peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    d.log.wait("began")
    peer.reset()
    d.log.wait("went on")
    assert d.http("GET", "/").text == "hi"


@pytest.mark.parametrize("html, where", [
    ('<a href="${HttpPath}">', "href"), ("<p onclick='f(${HttpPath})'>", "onclick"), ("<p title=${HttpPath}>", "title"),
    ("<script>f(${HttpPath})</script>", "script"), ("<style>${HttpPath}</style>", "style"), ("<${HttpPath}>", "tag")])
def test_html_refuses_unsafe_places(start, html, where):
    """A load error names the place. proves S16"""
    done = start.check({"bellwire.yaml": "tasks:\n  t:\n    triggers: [{http-request: /}]\n    actions:\n"
                                         "      - http-response:\n          html: |-\n            " + html + "\n"})
    assert done.returncode == 78 and "where escaping does not protect" in done.stdout and where in done.stdout
