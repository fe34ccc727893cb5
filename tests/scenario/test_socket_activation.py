"""Sockets that systemd opened and passed: LISTEN_FDS and LISTEN_FDNAMES, by hand and by systemd-socket-activate."""
import http.client
import shutil
import socket
import subprocess
import threading
import time

import pytest

from harness import BUILD, wait_for

HELLO = """
servers: {main: {bind: "fd:main"}}
tasks:
  hello:
    triggers: [{http-request: /hello}]
    actions: [{http-response: hi}]
"""
# Becomes the daemon with its own process ID in LISTEN_PID, and the sockets as 3, 4, ...
LAUNCHER = """
import os, sys
names, fds = sys.argv[1], [int(fd) for fd in sys.argv[2].split(",") if fd]
spare = [os.dup(fd) for fd in fds]
high = [__import__("fcntl").fcntl(fd, 0, 100) for fd in spare]
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at)
os.environ.update(LISTEN_PID=os.environ.get("FAKE_PID") or str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(sys.argv[3], sys.argv[3:])
"""


def launcher(names, *sockets):
    for one in sockets:
        one.set_inheritable(True)
    return ["/usr/bin/python3", "-c", LAUNCHER, names, ",".join(str(one.fileno()) for one in sockets)]


@pytest.fixture
def main():
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        yield listening


@pytest.fixture
def passing(monkeypatch):
    """Popen of the harness closes descriptors; this keeps them."""
    import harness
    real = subprocess.Popen
    monkeypatch.setattr(harness.subprocess, "Popen", lambda *args, **options: real(*args, close_fds=False, **options))


def test_a_socket_is_taken_by_its_name(start, main, passing):
    with socket.create_server(("127.0.0.1", 0)) as other:
        daemon = start(HELLO, launcher=launcher("other:main", other, main))
        assert daemon.port() == main.getsockname()[1]
        assert daemon.http("GET", "/hello").text == "hi"
        row = daemon.manager_json("server", "list")[0]
        assert row["state"] == "listening" and row["bind"] == ["127.0.0.1:%d" % main.getsockname()[1]]


def test_sockets_of_one_name_are_all_taken(start, main, passing):
    with socket.create_server(("127.0.0.1", 0)) as other:
        daemon = start(HELLO, launcher=launcher("main:main", other, main))
        ports = {daemon.port(index=0), daemon.port(index=1)}
        assert ports == {main.getsockname()[1], other.getsockname()[1]}
        for index in (0, 1):
            with socket.create_connection(daemon.address(index=index), 20) as raw:
                raw.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert b"".join(iter(lambda: raw.recv(4096), b"")).endswith(b"hi")


def test_a_local_socket_goes_by_its_name(start, tmp_path, passing):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        daemon = start(HELLO, launcher=launcher("main", listening))
        assert daemon.log.wait("listening")["fields"]["address"] == "fd:main"
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(tmp_path / "s"))
            raw.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b"".join(iter(lambda: raw.recv(4096), b"")).endswith(b"hi")


def test_a_name_that_was_not_passed_is_one_line_that_tells_the_way_out(start, main, passing):
    daemon = start(HELLO, launcher=launcher("web", main))
    told = daemon.log.wait("cannot listen")
    assert told["fields"]["address"] == "fd:main"
    assert told["error"] == ('no socket named "main" was passed; there are web: FileDescriptorName= of the .socket unit '
                             'names it, and the unit must run')
    row = daemon.manager_json("server", "list")[0]
    assert row["state"] == "failed" and "fd:main: no socket named" in row["error"]


def test_a_socket_that_does_not_listen_is_refused(start, passing):
    with socket.socket() as silent:
        daemon = start(HELLO, launcher=launcher("main", silent))
        assert "no listening stream socket" in daemon.log.wait("cannot listen")["error"]


def test_sockets_of_another_process_are_left_alone(start, main, passing):
    daemon = start(HELLO, launcher=launcher("main", main), env={"FAKE_PID": "1"})
    assert "was passed" in daemon.log.wait("cannot listen")["error"]


def test_programs_inherit_neither_sockets_nor_their_names(start, main, passing):
    daemon = start(HELLO + """
  look:
    triggers: [{http-request: /look}]
    actions:
      - run-program: {command: [sh, -c, "ls -l /proc/self/fd; env"], pass-env: [LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES]}
        save: look
      - http-response: "${look.stdout}"
""", launcher=launcher("main", main))
    text = daemon.http("GET", "/look").text
    assert "PATH=" in text and "LISTEN_" not in text and "socket:" not in text


def test_stop_and_start_keep_the_socket(start, main, passing):
    daemon = start(HELLO, launcher=launcher("main", main))
    daemon.manager("server", "stop", "main", check=0)
    with socket.create_connection(main.getsockname(), 20) as waiting:  # nobody is refused: it waits in the queue
        waiting.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        daemon.manager("server", "start", "main", check=0)
        assert b"".join(iter(lambda: waiting.recv(4096), b"")).endswith(b"hi")


def test_names_are_checked(start):
    for name in ("fd:", "fd:a:b", "fd:" + "x" * 57, "fd:a b"):
        result = start.check(f'servers: {{main: {{bind: "{name}"}}}}\n')
        assert result.returncode == 78 and "FileDescriptorName=" in result.stdout, name
    assert start.check(HELLO).returncode == 0


def restart_amid(ask, answered, daemon, times, answers):
    """While ask(number, stop) runs in a thread for each of `answered`; so many answers come before and after each time."""
    stop = threading.Event()
    threads = [threading.Thread(target=ask, args=(number, stop), daemon=True) for number in range(len(answered))]
    for thread in threads:
        thread.start()
    for _ in range(times):
        before = sum(answered)
        wait_for(lambda: sum(answered) > before + answers, "answers")
        daemon.stop()
        daemon.restart()
    before = sum(answered)
    wait_for(lambda: sum(answered) > before + answers, "answers of the last one")
    stop.set()
    for thread in threads:
        thread.join(20)


def test_a_restart_under_load_loses_no_request(start, main, passing):
    """64 connections at a time ask without a pause, while the daemon is stopped and started four times."""
    first = start(HELLO, launcher=launcher("main", main), workers=2)
    lost, answered = [], [0] * 64

    def ask(number, stop):
        while not stop.is_set():
            try:
                with socket.create_connection(main.getsockname(), 20) as raw:
                    raw.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answer = b"".join(iter(lambda: raw.recv(4096), b""))
                if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"hi"):
                    lost.append(answer)
                answered[number] += 1
            except OSError as error:
                lost.append(error)

    restart_amid(ask, answered, first, times=4, answers=300)
    assert not lost, (len(lost), sum(answered), lost[:5])


def test_a_restart_under_load_loses_no_request_of_connections_that_stay(start, main, passing):
    """Who asks again within half a second is answered, by the old daemon (`Connection: close`) or by the new one."""
    daemon = start(HELLO, launcher=launcher("main", main), workers=2)
    lost, answered, told = [], [0] * 8, [0] * 8

    def ask(number, stop):
        connection, asked, sent = None, 0, 0
        while not stop.is_set():
            before, asked = asked, time.monotonic()
            try:
                connection = connection or http.client.HTTPConnection(*main.getsockname(), timeout=20)
                connection.request("GET", "/hello")
                sent = time.monotonic()
                answer = connection.getresponse()
                if (answer.status, answer.read()) != (200, b"hi"):
                    lost.append(answer.status)
                answered[number] += 1
                told[number] += answer.headers["Connection"] == "close"  # then it is opened anew by itself
            except (OSError, http.client.HTTPException) as error:
                connection = None
                if sent - before < 0.5:
                    lost.append(error)
        if connection:
            connection.close()

    restart_amid(ask, answered, daemon, times=3, answers=100)
    assert not lost and sum(told) > 0, (len(lost), sum(answered), told, lost[:5])


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd-socket-activate is not installed")
def test_systemd_socket_activate_starts_it_at_the_first_connection(start):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = start.folder(HELLO)
    process = subprocess.Popen(["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=main",
                                BUILD / "bellwired", "-c", folder, "--state", folder / "state"],
                               stderr=subprocess.PIPE, text=True)
    try:
        def ask():
            try:
                with socket.create_connection(("127.0.0.1", port), 20) as raw:
                    raw.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return b"".join(iter(lambda: raw.recv(4096), b""))
            except ConnectionRefusedError:
                return None
        assert wait_for(ask, "an answer").endswith(b"hi")
    finally:
        process.terminate()
        text = process.communicate(timeout=20)[1]
    assert process.returncode == 0, text
