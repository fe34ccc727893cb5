"""The example configuration as a newcomer meets it: in a browser, with curl, over WebSocket."""
import pathlib
import re
import socket

import pytest

import browser

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "config" / "examples"


def example_files():
    files = {}
    for path in EXAMPLES.rglob("*"):
        if path.is_file():
            files[str(path.relative_to(EXAMPLES))] = path.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1]).encode()
    assert b"bind: 127.0.0.1:8080" in files["bellwire.yaml"]
    return {name: content.replace(b"127.0.0.1:8080", b"127.0.0.1:" + port) for name, content in files.items()}


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(example_files())


@pytest.fixture(scope="module")
def chromium():
    assert browser.PROGRAM, "chromium is not installed: scripts/install-deps --tests does that"
    with browser.Browser() as b:
        yield b


def test_index_links_to_every_page(daemon, chromium):
    """Every link of the first page opens a page that works. proves S6 S12"""
    page = chromium.page(daemon.url("/"))
    assert "Bellwire is running" in page.text()
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.href)")
    assert len(links) >= 4
    for link in links:
        page.open(link)
        assert page.evaluate("performance.getEntriesByType('navigation')[0].responseStatus") == 200


def test_greets_in_a_browser(daemon, chromium):
    """The path and the query come back, and markup in them stays text. proves S7 S16 S18"""
    page = chromium.page(daemon.url("/hello/Ada?greeting=Good+morning"))
    assert page.text() == "Good morning, Ada!"
    page.open(daemon.url("/hello/%3Cimg%20src=x%20onerror=document.title='hit'%3E"))
    assert page.text() == "Hello, <img src=x onerror=document.title='hit'>!"
    assert page.evaluate("document.images.length") == 0


def test_form_posts(daemon, chromium):
    """A form is filled in and sent; the second task answers. proves S7 S9"""
    page = chromium.page(daemon.url("/form"))
    page.evaluate("document.querySelector('[name=name]').value = 'Ada & Bob'")
    page.leave("document.querySelector('form').submit()")
    page.wait("document.body && document.body.innerText.includes('Thank you')")
    assert page.text() == "Thank you, Ada & Bob. Your colour is green."
    assert daemon.http("POST", "/form", body=b"colour=red",
                       headers={"Content-Type": "application/x-www-form-urlencoded"}).status == 422


def test_program_output_is_shown(daemon, chromium):
    """A program runs and its output is the page. proves T7"""
    page = chromium.page(daemon.url("/calendar?format=%25Y"))
    assert re.fullmatch(r"20\d\d", page.text().strip())
    assert daemon.http("GET", "/calendar?format=$(id)").text == "$(id)\n"


def test_chat_between_two_windows(daemon, chromium):
    """Two windows in one room hear each other, a third room does not. proves S1 W4 W9 W15 T14"""
    lines = "[...document.querySelectorAll('#lines li')].map(li => li.textContent)"
    ada = chromium.page(daemon.url("/chat?room=tea"))
    ada.wait(f"{lines}.includes('Welcome to tea')")
    bob = chromium.page(daemon.url("/chat?room=tea"))
    bob.wait(f"{lines}.includes('Welcome to tea')")
    other = chromium.page(daemon.url("/chat?room=coffee"))
    other.wait(f"{lines}.includes('Welcome to coffee')")
    ada.wait(f"{lines}.includes('Somebody came in')")
    say = "(t => {document.getElementById('line').value = t; document.getElementById('say').requestSubmit()})"
    ada.evaluate(f"{say}('/nick Ada')")
    ada.wait(f"{lines}.includes('You are now Ada')")
    ada.evaluate(f"{say}('hello <b>all</b>')")
    for page in (ada, bob):
        page.wait(f"{lines}.includes('Ada: hello <b>all</b>')")
    bob.evaluate("socket.close()")
    ada.wait(f"{lines}.includes('somebody left')")
    assert not [line for line in other.evaluate(lines) if "Ada" in line]


def test_broadcast_reaches_everybody(daemon):
    """A request tells all sessions, and how many there were. proves W9"""
    with daemon.ws("/chat/a") as one, daemon.ws("/chat/b") as two:
        assert one.recv() == "Welcome to a"
        assert two.recv() == "Welcome to b"
        answer = daemon.http("POST", "/broadcast", body=b"text=Tea+is+ready",
                             headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert re.fullmatch(r"told \d+\n", answer.text)
        assert int(answer.text.split()[1]) >= 2
        assert one.recv() == "Tea is ready"
        assert two.recv() == "Tea is ready"


def test_echo_loses_and_reorders_nothing(daemon):
    """10,000 messages come back, each once, in order. proves W1 W3"""
    with daemon.ws("/echo") as ws:
        sent = 0
        for received in range(10_000):
            while sent < min(received + 64, 10_000):
                ws.send(f"message {sent}" if sent % 2 else f"bytes {sent}\0".encode())
                sent += 1
            message = ws.recv()
            assert message == (f"message {received}" if received % 2 else f"bytes {received}\0".encode())


def test_a_client_follows_the_server_and_answers_it(daemon):
    """Both ends of one connection, in one configuration. proves C6 C11"""
    daemon.log.wait("following the feed", task="follow-up")
    mark = daemon.log.mark()
    answer = daemon.http("POST", "/ask", body=b"text=are+you+there%3F",
                         headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.text == "asked 1\n"
    assert daemon.log.wait("a follower answers", since=mark)["message"] == "a follower answers: you said are you there?"
