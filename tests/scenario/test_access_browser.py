"""Pages of other origins in a real browser: what they may not do, and what the server's own may."""
import pytest

import browser
import harness

EVIL = "http://evil.example"
TASKS = """
    tasks:
      launch:
        triggers: [{http-request: {path: /launch}}]
        actions: [{log: "launched by ${HttpQueryParam(by)}"}, {http-response: {html: "<p>launched</p>"}}]
      page:
        triggers: [{http-request: {path: "/page/{name}", method: GET}}]
        actions: [{http-response: {html: "<title>${HttpPathParam(name)}</title><body>own page</body>"}}]
      early:
        triggers: [{http-request: {path: /early, prefetch: true}}]
        actions: [{log: "early ${HttpHeader(sec-purpose)}"}]
      chat:
        triggers: [{server-open: /chat}]
        actions: [{log: "chat opened"}, {send-message: welcome}]
"""
FOREIGN = """
    servers: {{main: {{bind: "127.0.0.1:0", hosts: [evil.example]}}}}
    tasks:
      page:
        triggers: [{{http-request: {{path: /}}}}]
        actions:
          - http-response:
              html: "<body><a href='{url}'>a link</a></body>"
"""


@pytest.fixture(scope="module")
def chromium():
    assert browser.PROGRAM, "chromium is not installed: scripts/install-deps --tests does that"
    with browser.Browser("--host-resolver-rules=MAP *.example 127.0.0.1") as b:
        yield b


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(TASKS)


@pytest.fixture(scope="module")
def foreign(start_module, daemon):
    """Another server, whose pages play those of a stranger."""
    return start_module(FOREIGN.format(url=daemon.url("/launch?by=link")))


def foreign_pages(foreign):
    """The same page at another port of the same host, and at another host."""
    return [foreign.url("/"), f"{EVIL}:{foreign.port()}/"]


def launches(daemon, by):
    return daemon.log.find(f"launched by {by}")


def launched(daemon, by, count):
    """Whether there were that many, once the log has come as far."""
    harness.wait_for(lambda: len(launches(daemon, by)) >= count, f"{count} launches by {by}")
    return len(launches(daemon, by)) == count


FETCH = "fetch({url!r}, {options}).then(r => r.status, e => 'failed')"
SOCKET = """new Promise(done => {{
    const socket = new WebSocket({url!r});
    socket.onmessage = event => done(event.data);
    socket.onerror = () => done('failed');
}})"""


def test_foreign_page_cannot_launch_a_task(daemon, foreign, chromium):
    """Not by fetch, image, script, form or frame. proves S18"""
    for number, url in enumerate(foreign_pages(foreign)):
        page = chromium.page(url)
        target = daemon.url(f"/launch?by=stranger{number}")
        for options in ("{}", "{mode: 'no-cors'}", "{method: 'POST'}", "{method: 'POST', mode: 'no-cors'}",
                        "{mode: 'no-cors', credentials: 'include', referrerPolicy: 'no-referrer'}"):
            assert page.evaluate(FETCH.format(url=target, options=options)) in ("failed", 0)
        for element, attribute in (("img", "src"), ("script", "src"), ("iframe", "src"), ("link", "href")):
            page.evaluate(f"""new Promise(done => {{
                const it = document.createElement('{element}');
                it.onload = it.onerror = done;
                if (it.tagName == 'LINK') it.rel = 'stylesheet';
                it.{attribute} = {target!r};
                document.body.append(it);
            }}).then(() => 1)""")
        page.leave(f"""(() => {{
            const form = document.createElement('form');
            form.method = 'POST';
            form.action = {target!r};
            document.body.append(form);
            form.submit();
        }})()""")
        page.wait("document.body?.innerText.includes('may not ask here')")
        assert f"servers.main.origins: [{url[:-1]}]" in page.text()
        assert not launches(daemon, f"stranger{number}")
        assert daemon.log.find(f'"{url[:-1]}"; to allow it: servers.main.origins: [{url[:-1]}]', server="main")


def test_foreign_page_cannot_open_a_websocket(daemon, foreign, chromium):
    """The handshake is refused. proves S18"""
    for url in foreign_pages(foreign):
        assert chromium.page(url).evaluate(SOCKET.format(url=daemon.url("/chat", scheme="ws"))) == "failed"
    assert not daemon.log.find("chat opened")


def test_own_page_and_typed_url_work(daemon, chromium):
    """Typed, fetched, posted, opened as a WebSocket, by every name of the machine. proves S18"""
    port = daemon.port()
    for host in ("127.0.0.1", "localhost"):
        page = chromium.page(f"http://{host}:{port}/launch?by=typed-{host}")
        assert page.text() == "launched" and launched(daemon, f"typed-{host}", 1)
        page.open(f"http://{host}:{port}/page/one")
        assert page.text() == "own page"
        assert page.evaluate(FETCH.format(url=f"/launch?by=own-{host}", options="{}")) == 200
        assert page.evaluate(FETCH.format(url=f"/launch?by=own-{host}", options="{method: 'POST'}")) == 200
        no_referrer = "{method: 'POST', referrerPolicy: 'no-referrer'}"
        assert page.evaluate(FETCH.format(url=f"/launch?by=own-{host}", options=no_referrer)) == 200
        assert launched(daemon, f"own-{host}", 3)
        assert page.evaluate(SOCKET.format(url=f"ws://{host}:{port}/chat")) == "welcome"


def test_rebound_name_is_refused(daemon, chromium):
    """A stranger's name that resolves to this machine names no page of ours. proves S18"""
    page = chromium.page(f"http://rebound.example:{daemon.port()}/launch?by=rebound")
    assert 'the host "rebound.example"' in page.text()
    assert "servers.main.hosts: [rebound.example]" in page.text()
    assert page.evaluate(FETCH.format(url="/launch?by=rebound", options="{}")) == 403
    assert page.evaluate(SOCKET.format(url=f"ws://rebound.example:{daemon.port()}/chat")) == "failed"
    assert not launches(daemon, "rebound")


def test_link_from_another_site_is_offered_again(daemon, foreign, chromium):
    """A link that is followed launches nothing; the page in between does, once it is clicked. proves S19"""
    for number, url in enumerate(foreign_pages(foreign)):
        page = chromium.page(url)
        page.leave("document.querySelector('a').click()")
        page.wait("document.title == 'A link from another site' && document.readyState == 'complete'")
        assert page.evaluate("performance.getEntriesByType('navigation')[0].responseStatus") == 403
        assert len(launches(daemon, "link")) == number
        page.leave("document.querySelector('a').click()")
        page.wait("document.body?.innerText == 'launched'")
        assert launched(daemon, "link", number + 1)


def test_offered_page_shows_in_no_frame(daemon, foreign, chromium):
    """Else a stranger's page could have it clicked unseen. proves S19"""
    page = chromium.page(foreign_pages(foreign)[1])
    page.evaluate(f"""new Promise(done => {{
        const frame = document.createElement('iframe');
        frame.onload = done;
        frame.src = {daemon.url('/launch?by=frame')!r};
        document.body.append(frame);
    }}).then(() => 1)""")
    assert not launches(daemon, "frame")
    answer = daemon.http("GET", "/launch?by=frame", headers={
        "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
    assert answer.status == 403 and "<a href" in answer.text
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_prefetch_launches_nothing(daemon, chromium):
    """A link that the browser fetches ahead of its user, unless the task wants it. proves S19"""
    page = chromium.page(daemon.url("/page/prefetch"))
    for path in ("/launch?by=prefetch", "/early"):
        page.evaluate("""new Promise(done => {
            const link = document.createElement('link');
            link.rel = 'prefetch';
            link.onload = link.onerror = done;
            link.href = %r;
            document.head.append(link);
        }).then(() => 1)""" % path)
    daemon.log.wait("early prefetch")
    assert not launches(daemon, "prefetch")


def test_listed_origin_may_ask(start, foreign, chromium):
    """A listed page reads answers, sends preflights with credentials, opens sessions, links. proves S18 S19"""
    port = foreign.port()
    d = start('    servers: {main: {bind: "127.0.0.1:0", origins: ["%s:%d"]}}' % (EVIL, port) + TASKS)
    page = chromium.page(f"{EVIL}:{port}/")
    for options in ("{}", "{method: 'PUT', headers: {'X-A': '1'}}", "{method: 'POST', credentials: 'include'}"):
        assert page.evaluate(FETCH.format(url=d.url("/launch?by=listed"), options=options)) == 200
    assert page.evaluate(f"fetch({d.url('/nowhere')!r}).then(r => r.status)") == 404
    assert page.evaluate(SOCKET.format(url=d.url("/chat", scheme="ws"))) == "welcome"
    page.leave(f"location.href = {d.url('/launch?by=listed-link')!r}; 1")
    page.wait("document.body?.innerText == 'launched'")
    other = chromium.page(f"http://127.0.0.1:{port}/")
    assert other.evaluate(FETCH.format(url=d.url("/launch?by=unlisted"), options="{}")) == "failed"
    assert not launches(d, "unlisted")
