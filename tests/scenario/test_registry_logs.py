"""What one server tells the log, switched on and off while its sessions stay; bounds of one address."""
import pytest

from harness import wait_for

TASKS = """
servers:
  main: {bind: "127.0.0.1:%(port)s"%(more)s}
tasks:
  echo:
    triggers: [{server-message: {}}]
    actions: [{send-message: {text: "${WsMessage}", to: {session: "${SessionId}"}}}]
  all:
    triggers: [{http-request: "/all/{text}"}]
    actions: [{send-message: {to: {server: main}, text: "${HttpPathParam(text)}"}}]
"""


def config(more="", port=0):
    return TASKS % {"more": more, "port": port}


def exchange(ws, text):
    ws.send(text)
    assert ws.recv() == text


def test_frames_and_details_of_one_server_are_switched_by_a_reload(start):
    """proves C13"""
    d = start(config())
    headers = [("Authorization", "Bearer h1dden"), ("Cookie", "sid=h1dden"), ("X-Api-Key", "h1dden")]
    ws = d.ws("/chat?room=a&token=h1dden", headers)
    exchange(ws, "silent")
    assert not d.log.find("silent") and not d.log.find(level="debug")
    port = d.port()

    d.write(config(", log-level: debug, log-frames: true", port))
    d.reload()
    mark = d.log.mark()
    exchange(ws, "loud\n\x1b")
    session = d.log.wait("received text, 6 bytes: loud", since=mark, server="main")["session"]
    d.log.wait("sent text, 6 bytes: loud", since=mark, session=session)
    assert d.http("GET", "/all/every?secret=h1dden&x=1").status == 204
    assert ws.recv() == "every"
    d.log.wait("sent text, 5 bytes: every", since=mark, session=session)
    d.log.wait("GET /all/every?secret=***&x=1 of 127.0.0.1", since=mark, level="debug")
    d.log.wait("answered 204", since=mark)
    ws.send(b"\x00\x01")
    ws.recv()
    d.log.wait("received binary, 2 bytes", where=lambda e: e["message"].endswith("bytes"), since=mark)
    ws.send("x" * 199 + "\u00e9" + "y" * 100)
    ws.recv()
    assert d.log.wait("received text, 301 bytes", since=mark)["message"].endswith(": " + "x" * 199 + "...")
    ws.send_frame(9, b"p")
    d.log.wait("received ping, 1 bytes", since=mark)
    d.log.wait("sent pong, 1 bytes", since=mark)

    other = d.ws("/chat?room=b&token=h1dden", headers)
    for line in ("a connection of 127.0.0.1", "a session of 127.0.0.1 is open", "GET /chat?room=b&token=***",
                 "received GET /chat?room=b&token=*** HTTP/1.1", "received Authorization: ***",
                 "received Cookie: ***", "received X-Api-Key: ***"):
        d.log.wait(line, since=mark)
    other.close(1000, "bye")
    d.log.wait("received close 1000: bye", since=mark)
    d.log.wait("sent close 1000", since=mark)
    d.log.wait("the session was closed by the peer with 1000", since=mark)
    d.log.wait("a connection has ended", since=mark)

    d.write(config("", port))
    d.reload()
    mark = d.log.mark()
    exchange(ws, "silent")
    assert not d.log.find("silent") and not d.log.find(level="debug", since=mark)
    assert "h1dden" not in d.log.text and "\x1b" not in d.log.text
    ws.close()


def test_the_manager_switches_frames_without_a_reconnect(start):
    """proves C13 D6"""
    d = start("""
        servers: {main: {bind: "127.0.0.1:0"}}
        tasks:
          echo:
            triggers: [{server-message: {server: side}}]
            actions: [{send-message: "${WsMessage}"}]
    """)
    d.manager("server", "add", "side", "bind=127.0.0.1:0", check=0)
    d.log.wait("listening", server="side")
    ws = d.ws("/", server="side")
    d.manager("server", "set", "side", "log-frames=true", "log-level=debug", check=0)
    mark = d.log.mark()
    exchange(ws, "one")
    d.log.wait("sent text, 3 bytes: one", since=mark, server="side")
    d.manager("server", "set", "side", "log-frames=", "log-level=", check=0)
    exchange(ws, "two")
    assert not d.log.find("two")
    ws.close()


def test_a_level_of_its_own_is_checked(start):
    """proves C13 T1"""
    result = start.check("servers: {main: {log-level: loud}}\n")
    assert result.returncode == 78 and '"log-level" must be' in result.stdout


@pytest.mark.parametrize("workers", [1, 3])
def test_sessions_of_one_address_are_bounded_over_all_workers(start, workers):
    """proves D6 W16"""
    d = start("""
        servers:
          main: {bind: "127.0.0.1:0", trusted-proxies: [127.0.0.1], max-sessions-per-address: 3}
        tasks: {open: {triggers: [{server-open: {}}], actions: [{log: hello}]}}
    """, workers=workers)
    mine = [d.ws("/") for _ in range(3)]
    assert d.ws("/", check=False).status == 503
    others = [d.ws("/", [("X-Forwarded-For", "10.0.0.7")]) for _ in range(3)]
    assert d.ws("/", [("X-Forwarded-For", "10.0.0.7")], check=False).status == 503
    assert d.ws("/", [("X-Forwarded-For", "10.0.0.8")]).status == 101
    mine.pop().close()
    wait_for(lambda: d.ws("/", check=False).status == 101, "a free place")
    row = next(r for r in d.manager_json("limits") if r["key"] == "max-sessions-per-address")
    assert row["value"] == 3 and row["refused"] >= 2
    for ws in mine + others:
        ws.close()
    wait_for(lambda: [s for s in d.manager_json("session", "list") if s["peer"] == "10.0.0.7"] == [], "they are gone")
    assert [d.ws("/", [("X-Forwarded-For", "10.0.0.7")]).status for _ in range(3)] == [101] * 3
