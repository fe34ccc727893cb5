"""send-message, close-session, join-room and leave-room of the real daemon, over several workers."""
import pytest

CHAT = """
    servers: {main: {bind: "127.0.0.1:0"}, side: {bind: "127.0.0.1:0"}}
    tasks:
      enter:
        triggers: [{server-open: {path: "/chat/{room}", server: main}}, {server-open: {path: "/chat/{room}", server: side}}]
        actions:
          - join-room: ${WsPathParam(room)}
          - join-room: everyone
          - send-message: "id ${SessionId}"
      say:
        triggers: [{server-message: {path: "/chat/{room}", starts-with: "say ", server: main}}]
        actions:
          - send-message: {to: {room: "${WsPathParam(room)}", except: "${SessionId}"}, text: "${WsMessage}"}
            save: r
          - send-message: "sent ${r.sent}"
      leave:
        triggers: [{server-message: {path: "/chat/{room}", exact: leave, server: main}}]
        actions: [{leave-room: "${WsPathParam(room)}"}, {send-message: left}]
      to:
        triggers: [{server-message: {path: "/chat/{room}", regex: '^to (?<id>[^ ]*) (?<text>.*)$', server: main}}]
        actions:
          - send-message: {to: {session: "${Match(id)}"}, text: "${Match(text)}"}
            on-error: continue
          - send-message: "then ${StepResult} ${LastErrorDescription}"
      move:
        triggers: [{server-message: {path: "/chat/{room}", regex: '^move (?<id>.*)$', server: main}}]
        actions:
          - join-room: {room: moved, session: "${Match(id)}"}
          - send-message: {to: {room: moved}, text: you are here}
            save: r
          - send-message: "moved ${r.sent}"
      close:
        triggers: [{server-message: {path: "/chat/{room}", regex: '^close (?<id>.*)$', server: main}}]
        actions: [{close-session: {session: "${Match(id)}", code: 4001, reason: gone}}, {send-message: closed}]
      all:
        triggers: [{http-request: {path: /all, server: main}}]
        actions:
          - send-message: {to: {server: "${HttpQueryParam(server)}"}, text: everybody}
            save: r
          - http-response: "${r.sent}"
      path:
        triggers: [{http-request: {path: /path, server: main}}]
        actions:
          - send-message: {to: {path: "/chat/${HttpQueryParam(room)}"}, text: path}
            save: r
          - http-response: "${r.sent}"
"""


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(CHAT, workers=4)


def enter(daemon, room, server="main"):
    ws = daemon.ws(f"/chat/{room}", server=server)
    return ws, ws.recv().split(" ")[1]


def test_rooms_choose_who_gets_a_message(daemon):
    """Members of a room on all workers, but not the one excepted. proves W9 W15"""
    peers = [enter(daemon, "tea")[0] for _ in range(12)]
    other = enter(daemon, "rum")[0]
    peers[0].send("say hello")
    for peer in peers[1:]:
        assert peer.recv() == "say hello"
    assert peers[0].recv() == "sent 11"
    assert peers[1].send("leave").recv() == "left"
    peers[0].send("say again")
    assert peers[0].recv() == "sent 10"
    assert other.send("say alone").recv() == "sent 0"  # nobody is a success, and it got nothing before
    peers[2].close()
    assert peers[1].send("to x y").recv().startswith("then 1")  # left the room: got no "again"
    for peer in peers[3:]:
        assert peer.recv() == "say again"
    for peer in peers[:2] + peers[3:] + [other]:
        peer.close()


def test_one_session_is_reached_by_its_id(daemon):
    """On whatever worker it lives; an unknown one is a step error. proves W9 M7"""
    one = enter(daemon, "a")[0]
    others = [enter(daemon, "b") for _ in range(8)]
    for number, (peer, session) in enumerate(others):
        one.send(f"to {session} psst {number}")
        assert peer.recv() == f"psst {number}"
        assert one.recv() == "then 0 "
    assert one.send("to nobody x").recv() == 'then 1 no session has the ID "nobody"'
    for peer, session in others[:4]:
        assert one.send(f"close {session}").recv() == "closed"
        assert peer.expect_close() == (4001, b"gone")
    for number, (peer, session) in enumerate(others[4:], 1):
        assert one.send(f"move {session}").recv() == f"moved {number}"
        assert peer.recv() == "you are here"
    one.close()
    for peer, _ in others[4:]:
        peer.close()


def test_a_broadcast_reaches_all_of_one_server_or_path(daemon):
    """And nobody of another server. proves W9"""
    mains = [enter(daemon, "p")[0] for _ in range(6)]
    side = enter(daemon, "p", server="side")[0]
    assert daemon.http("GET", "/all?server=main", server="main").text == "6"
    assert [peer.recv() for peer in mains] == ["everybody"] * 6
    assert daemon.http("GET", "/path?room=p", server="main").text == "6"
    assert [peer.recv() for peer in mains] == ["path"] * 6
    assert daemon.http("GET", "/path?room=q", server="main").text == "0"
    assert daemon.http("GET", "/all?server=side", server="main").text == "1"
    assert side.recv() == "everybody"
    assert daemon.http("GET", "/all?server=nope", server="main").status == 500
    daemon.log.wait(where=lambda entry: 'Invalid WS Server ID "nope"' in entry.get("error", ""))
    for peer in mains + [side]:
        peer.close()


def one_task(start, *steps):
    actions = "".join(f"          - {step}\n" for step in steps)
    return start({"bellwire.yaml": "tasks:\n  t:\n    triggers: [{server-message: /}]\n    actions:\n" + actions,
                  "m.txt": "from a file", "empty.txt": "", "m.bin": bytes(range(256))})


@pytest.mark.parametrize("yes", ["true", "yes", "on", "1"])
@pytest.mark.parametrize("source", ["text: abcde", r"binary: '\x61\x62\x63\x64\x65'", "file: abc.txt"])
def test_is_binary_true_makes_binary_frames(start, source, yes):
    """Whatever the source. proves M2"""
    d = one_task(start, f"send-message: {{{source}, is-binary: {yes}}}")
    d.write({"abc.txt": b"abcde"})
    ws = d.ws("/")
    assert ws.send("x").recv() == b"abcde"
    ws.close()


@pytest.mark.parametrize("no", ["false", "no", "off", "0"])
@pytest.mark.parametrize("source", ["text: abcde", r"binary: '\x61\x62\x63\x64\x65'", "file: abc.txt"])
def test_is_binary_false_makes_text_frames(start, source, no):
    """Whatever the source. proves M2"""
    d = one_task(start, f"send-message: {{{source}, is-binary: {no}}}")
    d.write({"abc.txt": b"abcde"})
    ws = d.ws("/")
    assert ws.send("x").recv() == "abcde"
    ws.close()


def test_files_are_whole_messages(start):
    """Relative to the task's file, also empty; a missing one is a step error; variables in the name. proves M4 M7"""
    d = one_task(start, "send-message: {file: '${WsMessage}'}", "log: sent")
    ws = d.ws("/")
    assert ws.send("m.txt").recv() == b"from a file"
    assert ws.send("m.bin").recv() == bytes(range(256))
    assert ws.send("empty.txt").recv() == b""
    ws.send("none.txt")
    d.log.wait(where=lambda entry: "no such file" in entry.get("error", ""))
    ws.send("../state/bellwire.db")
    d.log.wait(where=lambda entry: "it leaves the folder" in entry.get("error", ""))
    assert ws.send("m.txt").recv() == b"from a file"
    ws.close()


def test_text_that_is_not_utf8_is_a_step_error(start):
    """The session stays open. proves M3"""
    d = one_task(start, r"send-message: {binary: '\xff\xfe', is-binary: false}", "log: not reached")
    ws = d.ws("/")
    ws.send("x")
    d.log.wait(where=lambda entry: "not UTF-8" in entry.get("error", ""))
    ws.send("y")
    d.log.wait(where=lambda entry: "not UTF-8" in entry.get("error", ""), count=2)
    assert ws.close()[0] == 1000


def test_end_sends_then_closes(start):
    """With 1000; without data it only closes. proves W10"""
    ws = one_task(start, "send-message: {text: bye, end: true}").ws("/")
    assert ws.send("x").recv() == "bye"
    assert ws.expect_close() == (1000, b"")
    ws = one_task(start, "send-message: {end: true}").ws("/")
    assert ws.send("x").expect_close() == (1000, b"")


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_close_session_sends_the_code(start, code):
    """Also from a variable. proves M5 M7"""
    ws = one_task(start, "close-session: {code: '${WsMessage}', reason: 'r ${WsMessage}'}").ws("/")
    assert ws.send(str(code)).expect_close() == (code, f"r {code}".encode())


@pytest.mark.parametrize("code", [999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_may_not_be_sent_are_errors(start, code):
    """At load, and as a step error from a variable. proves M5"""
    done = start.check(f"tasks:\n  t:\n    triggers: [{{server-message: /}}]\n    actions: [{{close-session: {code}}}]\n")
    assert done.returncode == 78 and "code" in done.stdout
    d = one_task(start, "close-session: '${WsMessage}'")
    ws = d.ws("/")
    ws.send(str(code))
    d.log.wait(where=lambda entry: "code" in entry.get("error", ""), task="t")
    ws.close()


@pytest.mark.parametrize("arguments", ["{}", "{text: a, json: 1}", "{binary: a, file: b}", r"{binary: '\q'}",
                                       "{text: a, to: {session: x, room: y}}"])
def test_wrong_messages_are_load_errors(start, arguments):
    """None or two sources, unknown escapes, contradicting targets. proves M1"""
    done = start.check("tasks:\n  t:\n    triggers: [{server-message: /}]\n    actions:\n"
                       f"      - send-message: {arguments}\n")
    assert done.returncode == 78
