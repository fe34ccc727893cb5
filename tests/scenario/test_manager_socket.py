"""The control socket as it is: who may use it, what it refuses, and who cannot harm it."""
import grp
import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile

import pytest

import harness

TASKS = """
    expression-time: 10s
    tasks:
      hello: {triggers: [{http-request: /hello}], actions: [{http-response: hi}]}
      quiet: {actions: [{stop: {}}]}
      chatty: {actions: [{repeat: {times: 2000}, do: [{log: "${json.encode(TaskId)} xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}]}]}
      # Its result takes a while to write.
      brief: {actions: [{wait: 20ms}, {stop: {result: "${string.rep('0123456789', 20000)}"}}]}
"""


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(TASKS)


def connect(daemon, timeout=harness.DEADLINE):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(timeout)
    peer.connect(str(daemon.socket))
    return peer


def read_answer(peer):
    """(status, headers, body) of one answer with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = peer.recv(65536)
        assert more, data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    while len(body) < int(headers["content-length"]):
        body += peer.recv(65536)
    return int(lines[0].split()[1]), headers, body


def ask(daemon, text):
    with connect(daemon) as peer:
        peer.sendall(text if isinstance(text, bytes) else text.encode())
        return read_answer(peer)


def test_only_the_user_and_the_group_may_use_it(daemon):
    """Mode 0660 from the first moment, group `bellwire` where it exists. proves D9"""
    found = os.stat(daemon.socket)
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o660
    try:
        assert os.geteuid() != 0 or found.st_gid == grp.getgrnam("bellwire").gr_gid
    except KeyError:
        assert found.st_gid == os.getegid()


def test_what_is_pipelined_is_answered_in_order(start):
    """Each request waits for the end of the one before, edits and reloads too, also from who has nothing more to say.
    proves D6 D9"""
    daemon = start(TASKS)
    wanted, text = [], ""
    for line, body, status in [("POST /v1/tasks/hello/disable", "", 200), ("POST /v1/tasks/hello/enable", "", 200),
                               ("POST /v1/tasks/nothing/enable", "", 404), ("POST /v1/tasks/hello/disable", "", 200),
                               ("PUT /v1/servers/side", '{"bind": "127.0.0.1:0"}', 200), ("POST /v1/reload", "", 200),
                               ("PATCH /v1/servers/side", '{"name": "x"}', 200), ("POST /v1/reload", "", 200),
                               ("DELETE /v1/servers/side", "", 200), ("DELETE /v1/servers/side", "", 404)]:
        wanted.append(status)
        text += f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    with connect(daemon) as peer:
        peer.sendall(text.encode())
        peer.shutdown(socket.SHUT_WR)
        data = b""
        while more := peer.recv(65536):
            data += more
    assert [int(part.split(b" ", 1)[0]) for part in data.split(b"HTTP/1.1 ")[1:]] == wanted
    assert daemon.http("GET", "/hello").status == 404


def test_without_permission_the_group_is_named(start):
    """Exit code 1, not 3: the daemon does run. proves D9"""
    d = start(TASKS)
    options = {}
    if os.geteuid() == 0:
        options = {"user": 65534, "group": 65534, "extra_groups": []}
    else:
        os.chmod(d.socket, 0)
    folder = tempfile.mkdtemp(prefix="bellwire-nobody-")
    try:
        os.chmod(folder, 0o755)
        program = shutil.copy(harness.BUILD / "bellwire", folder)
        done = subprocess.run([program, "--control", str(d.socket), "status"], capture_output=True, text=True, cwd="/", **options)
    finally:
        shutil.rmtree(folder)
    assert done.returncode == 1, done
    assert "no permission" in done.stderr and "join the group" in done.stderr


def test_curl_speaks_it(daemon):
    def curl(*words):
        return subprocess.run(["curl", "-sS", "--unix-socket", str(daemon.socket), *words], capture_output=True, text=True).stdout
    assert json.loads(curl("http://x/v1/status"))["pid"] == daemon.pid
    assert json.loads(curl("-X", "POST", "http://x/v1/tasks/quiet/run", "-d", '{"wait": true}'))["status"] == "done"
    assert json.loads(curl("-X", "POST", "-H", "Transfer-Encoding: chunked", "http://x/v1/tasks/quiet/run", "-d", '{"wait": true}'))["status"] == "done"


@pytest.mark.parametrize("request_text, status, code", [
    ("GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not_found"),
    ("GET /v1/servers/nope HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not_found"),
    ("GET /v1/servers/a/b HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not_found"),
    ("GET /v1/servers/a%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
    ("DELETE /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed"),
    ("GET /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed"),
    ("POST /v1/tasks/hello/run HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{\"a\":", 400, "bad_request"),
    ("POST /v1/tasks/hello/run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]", 400, "bad_request"),
    ("POST /v1/tasks/hello/run HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"vars\":1}", 422, "unprocessable"),
    ("POST /v1/tasks/hello/run HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{\"timeout\":\"5\"}", 422, "unprocessable"),
    ("POST /v1/sessions/x/send HTTP/1.1\r\nHost: x\r\n\r\n", 422, "unprocessable"),
    ("GET /v1/log?level=loud HTTP/1.1\r\nHost: x\r\n\r\n", 422, "unprocessable"),
    ("nonsense\r\n\r\n", 400, "bad_request"),
    ("GET /v1/status HTTP/1.1\r\n\r\n", 400, "bad_request"),
    ("GET /v1/%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
    ("GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + "a" * 20000 + "\r\n\r\n", 431, "bad_request"),
    ("POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413, "bad_request"),
], ids=lambda value: value[:24].split("HTTP")[0].strip() if isinstance(value, str) else str(value))
def test_bad_requests_get_errors(daemon, request_text, status, code):
    """`{error: {code, message, at}}`, and the next request is served. proves D9"""
    got, headers, body = ask(daemon, request_text)
    assert got == status and headers["content-type"] == "application/json"
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "at"} and error["code"] == code and error["message"]
    assert ask(daemon, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200


def test_requests_may_come_in_pieces_and_in_rows(daemon):
    """Byte by byte, pipelined, and with an end of writing before the answer."""
    one = b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(daemon) as peer:
        for at in range(len(one)):
            peer.sendall(one[at:at + 1])
        assert read_answer(peer)[0] == 200
        peer.sendall(one * 3)
        data = b""
        while data.count(b'{"version"') < 3:
            more = peer.recv(65536)
            assert more
            data += more
    with connect(daemon) as peer:
        peer.sendall(one)
        peer.shutdown(socket.SHUT_WR)
        assert read_answer(peer)[0] == 200


def test_an_edit_behind_a_refused_reload_is_done(start):
    """Asked for while an edit is stored, the reload is refused after it; what came behind is not left waiting. proves D2 D6"""
    daemon = start(TASKS)
    daemon.write("tasks: {broken: {actions: [{nothing: 1}]}}\n")
    for number in range(10):
        asked = [(f"PUT /v1/servers/a{number}", '{"enabled": false}', 200), ("POST /v1/reload", "", 200),
                 (f"PUT /v1/servers/b{number}", '{"enabled": false}', 200), ("POST /v1/tasks/hello/enable", "", 200)]
        peers = [connect(daemon) for _ in asked]
        for peer, (line, body, _) in zip(peers, asked):
            peer.sendall(f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        answers = [read_answer(peer) for peer in peers]
        for peer in peers:
            peer.close()
        assert [answer[0] for answer in answers] == [status for _, _, status in asked]
        assert not json.loads(answers[1][2])["ok"]


def test_hung_managers_harm_nothing(daemon):
    """Whoever stays silent, sends half a request or does not read leaves all others served. proves D9"""
    silent = [connect(daemon) for _ in range(40)]
    half = [connect(daemon) for _ in range(60)]
    for peer in half:
        peer.sendall(b"GET /v1/status HTTP/1.1\r\nHos")
    deaf = connect(daemon)
    deaf.sendall(b"GET /v1/schema HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
    assert ask(daemon, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200
    daemon.manager("status", check=0)
    assert daemon.http("GET", "/hello").text == "hi"
    for peer in [*silent, *half, deaf]:
        peer.close()
    daemon.manager("status", check=0)


def test_who_waits_no_longer_is_told_nothing_of_the_end(daemon):
    """A run may end while its time-out is told: then the answer is `started`, without a result. proves T10"""
    peers = [connect(daemon) for _ in range(40)]
    for number, peer in enumerate(peers):
        body = json.dumps({"wait": True, "timeout": f"{1 if number % 4 == 0 else 15 + number % 16}ms"})
        peer.sendall(f"POST /v1/tasks/brief/run HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    for peer in peers:
        answer = json.loads(read_answer(peer)[2])
        peer.close()
        is_late = answer.get("timed_out", False)
        assert answer["status"] == ("started" if is_late else "done") and answer["error"] is None, answer
        assert ("result" in answer) != is_late
        assert answer["run"] or is_late  # it may not have begun in time
    harness.wait_for(lambda: {row["state"] for row in daemon.manager_json("run", "list", "--task", "brief")} == {"done"},
                     "all have ended")


def test_a_slow_follower_loses_lines_and_is_told(daemon):
    """Nothing waits for who does not read the log; the lines lost are counted. proves D9 T13"""
    slow = connect(daemon)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(b"GET /v1/log?follow=true&task=chatty HTTP/1.1\r\nHost: x\r\n\r\n")
    slow.recv(20, socket.MSG_PEEK)  # the head is here, so it follows
    for _ in range(4):
        assert daemon.manager_json("task", "run", "chatty", "--wait")["status"] == "done"
    data = b""
    slow.settimeout(0.5)
    try:
        while b"lines were lost" not in data:
            daemon.manager_json("task", "run", "chatty", "--wait") if len(data) > (1 << 20) else None
            more = slow.recv(1 << 20)
            assert more
            data = data[-4096:] + more if len(data) > (8 << 20) else data + more
    except TimeoutError:
        pass
    assert b"lines were lost: this reader is too slow" in data
    slow.close()
    daemon.manager("status", check=0)


def test_a_socket_left_over_is_replaced(start):
    """After kill -9 the next start takes the path again. proves D9"""
    d = start(TASKS)
    d.kill9()
    assert d.socket.exists()
    assert "not running" in d.manager("status", check=3).stderr
    d.restart()
    assert d.manager_json("status")["pid"] == d.pid
    d.stop()
    assert not d.socket.exists()


def test_two_daemons_never_share_a_state_directory(start):
    """The second one ends with 1, names it, and the first one keeps its socket. proves D9"""
    d = start(TASKS)
    second = subprocess.run([harness.BUILD / "bellwired", "-c", d.folder, "--state", d.state, "--control", d.socket],
                            capture_output=True, text=True, timeout=harness.DEADLINE)
    assert second.returncode == 1 and str(d.state) in second.stderr + second.stdout
    assert d.manager_json("status")["pid"] == d.pid


def test_a_file_that_is_no_socket_is_not_touched(start):
    """A path that something else stands on ends the start with 1. proves D9"""
    folder = start.folder(TASKS)
    path = folder / "precious"
    path.write_text("keep me")
    done = subprocess.run([harness.BUILD / "bellwired", "-c", folder, "--state", folder / "state", "--control", path],
                          capture_output=True, text=True, timeout=harness.DEADLINE)
    assert done.returncode == 1 and "precious" in done.stderr
    assert path.read_text() == "keep me"
