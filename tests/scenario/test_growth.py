"""What a peer sends costs as much as it is long: four times of it take about four times the instructions, never sixteen.

Each shape is the largest of its kind that a default bound lets through, or near it, so that nothing grows faster out of sight.
proves S10 W16 T3
"""
import json

import pytest

from callgrind import NEEDED, Counted
from harness import BUILD
from peers import BINARY, CONTINUATION, TEXT

pytestmark = [NEEDED, pytest.mark.skipif(str(BUILD).endswith(("address", "thread")), reason="no sanitizer runs under valgrind")]

MOST = 6.5  # times the instructions for four times the size: sorting is a little above four, a square is near sixteen
CONFIG = """
    servers: {main: {bind: "127.0.0.1:0", max-header-size: 256KiB, max-header-count: 1000, compression: true}}
    expression-time: 10s
    tasks:
      page:
        triggers: [{http-request: /page}]
        actions: [{http-response: done}]
      query:
        triggers: [{http-request: /query}]
        actions: [{http-response: "${HttpQueryParam(last)}"}]
      header:
        triggers: [{http-request: /header}]
        actions: [{http-response: "${HttpHeader(x-last)}"}]
      cookie:
        triggers: [{http-request: /cookie}]
        actions: [{http-response: "${HttpCookie(last)}"}]
      form:
        triggers: [{http-request: {path: /form, method: POST}}]
        actions: [{http-response: "${HttpPostParam(last)}"}]
      json:
        triggers: [{http-request: {path: /json, method: POST}}]
        actions: [{http-response: "${HttpJson(last)}"}]
      same:
        triggers: [{http-request: {path: /same, method: POST}}]
        actions: [{http-response: "${HttpJson('a') == HttpJson('b')}"}]
      parts:
        triggers: [{http-request: {path: /lines, method: POST}}]
        actions: [{http-response: "${#split(HttpBody, ',')}"}]
      html:
        triggers: [{http-request: {path: /html, method: POST}}]
        actions: [{http-response: {html: "${HttpBody}"}}]
      echo:
        triggers: [{server-message: /echo}]
        actions: [{send-message: "${WsMessage}"}]
"""


def ask(method, path, headers=(), body=b""):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def post(path, body, kind="text/plain"):
    return ask("POST", path, [f"Content-Type: {kind}"], body.encode())


def query(size):
    return ask("GET", "/query?" + "".join(f"k{n}=v&" for n in range(size)) + "last=last")


def encoded_query(size):
    return ask("GET", "/query?last=" + "%61" * size)


def headers(size):
    return ask("GET", "/header", [*(f"x-{n}: v" for n in range(size)), "x-last: last"])


def one_header(size):
    return ask("GET", "/header", ["x-last: " + "v" * size])


def cookies(size):
    return ask("GET", "/cookie", ["Cookie: " + "".join(f"k{n}=v; " for n in range(size)) + "last=last"])


def form(size):
    return post("/form", "".join(f"k{n}=v&" for n in range(size)) + "last=last", "application/x-www-form-urlencoded")


def multipart(size):
    part = '--cut\r\nContent-Disposition: form-data; name="{}"\r\n\r\nv\r\n'
    return post("/form", "".join(part.format(f"k{n}") for n in range(size)) + part.format("last") + "--cut--\r\n",
                "multipart/form-data; boundary=cut")


def almost_boundaries(size):
    return post("/form", '--cut\r\nContent-Disposition: form-data; name="last"\r\n\r\n' + "\r\n--cu" * size + "\r\n--cut--\r\n",
                "multipart/form-data; boundary=cut")


def json_members(size):
    return post("/json", json.dumps({**{f"k{n}": n for n in range(size)}, "last": "last"}), "application/json")


def json_of_one_name(size):
    return post("/json", "{" + '"k":1,' * size + '"last":1}', "application/json")


def json_items(size):
    return post("/json", json.dumps({"list": list(range(size)), "last": "last"}), "application/json")


def json_escapes(size):
    return post("/json", '{"last": "' + "\\u0041" * size + '"}', "application/json")


def json_other_order(size):
    pairs = [(f"k{n}", n) for n in range(size)]
    return post("/same", json.dumps({"a": dict(pairs), "b": dict(reversed(pairs))}), "application/json")


def split(size):
    return post("/lines", "a," * size)


def html(size):
    return post("/html", "<&>" * size)


def chunks(size):
    return ask("POST", "/page", ["Transfer-Encoding: chunked"]) + b"1\r\nx\r\n" * size + b"0\r\n\r\n"


def chunk_extensions(size):
    return ask("POST", "/page", ["Transfer-Encoding: chunked"]) + b"1;" + b"a=b;" * size + b"\r\nx\r\n0\r\n\r\n"


REQUESTS = [(query, 2000), (encoded_query, 10000), (headers, 200), (one_header, 30000), (cookies, 2000), (form, 4000),
            (multipart, 2000), (almost_boundaries, 10000), (json_members, 4000), (json_of_one_name, 4000), (json_items, 10000),
            (json_escapes, 10000), (json_other_order, 2000), (split, 10000), (html, 10000), (chunks, 4000), (chunk_extensions, 1000)]


def frame(opcode, payload, is_last=True):
    head = bytes([opcode | (0x80 if is_last else 0)])
    assert len(payload) < 126
    return head + bytes([0x80 | len(payload)]) + bytes(4) + payload


def fragments(size):
    return frame(TEXT, b"x", False) + frame(CONTINUATION, b"x", False) * size + frame(CONTINUATION, b"x"), size + 2


def empty_fragments(size):
    return frame(BINARY, b"x", False) + frame(CONTINUATION, b"", False) * size + frame(CONTINUATION, b"x"), 2


@pytest.fixture(scope="module")
def counted(start_module, tmp_path_factory):
    return Counted(start_module, tmp_path_factory.mktemp("growth"), CONFIG)


def cost(counted, once, size):
    """Of one event: what was sent before and comes later is not in it."""
    counted.instructions()
    once(size)
    return counted.instructions()


def grows(counted, once, size):
    once(size)  # what is made at the first time is there
    small, large = cost(counted, once, size), cost(counted, once, 4 * size)
    print(f"{small} and {large} instructions: {large / small:.2f} times")
    return large / small


@pytest.mark.parametrize("request_of, size", REQUESTS, ids=[shape.__name__ for shape, _ in REQUESTS])
def test_a_request(counted, request_of, size):
    """A request of many parts is answered at a cost in proportion, refused ones too."""
    def once(size):
        peer = counted.daemon.raw()
        peer.send(request_of(size))
        assert peer.response().status in (200, 400, 413, 414, 431)
        peer.close()
    assert grows(counted, once, size) < MOST


def test_pipelined_requests(counted):
    def once(size):
        peer = counted.daemon.raw()
        peer.send(ask("GET", "/page") * size)
        for _ in range(size):
            assert peer.response().body == b"done"
        peer.close()
    assert grows(counted, once, 100) < MOST


@pytest.mark.parametrize("frames_of, size", [(fragments, 4000), (empty_fragments, 4000)])
def test_a_message_in_many_fragments(counted, frames_of, size):
    peer = counted.daemon.ws("/echo")

    def once(size):
        frames, length = frames_of(size)
        peer.send_raw(frames)
        assert len(peer.recv()) == length
    assert grows(counted, once, size) < MOST


def test_many_messages_and_pings(counted):
    peer = counted.daemon.ws("/echo")

    def once(size):
        peer.send_raw(frame(TEXT, b"x") * size + frame(TEXT, b"last"))
        while peer.recv() != "last":
            pass
    assert grows(counted, once, 300) < MOST
