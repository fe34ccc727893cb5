"""What a service manager sees of the daemon: the protocol of sd_notify(3), spoken to a socket of the test's own."""
import ctypes
import os
import re
import socket
import time

import pytest

from harness import wait_for

HELLO = """
tasks:
  hello:
    triggers: [{http-request: /hello}]
    actions: [{http-response: hi}]
"""
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


class Manager:
    """A socket that keeps what is said to it: `lines` are the fields of all datagrams, in order."""

    def __init__(self, name):
        self.lines = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name)
        self.socket.setblocking(False)

    def read(self):
        while True:
            try:
                self.lines += self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.lines

    def expect(self, pattern, since=0):
        """The index behind the first line after `since` that matches."""
        def find():
            lines = self.read()
            return next((at + 1 for at in range(since, len(lines)) if re.fullmatch(pattern, lines[at])), None)
        return wait_for(find, f"{pattern} from {since}; so far {self.lines}")


@pytest.fixture
def manager(tmp_path):
    service = Manager(str(tmp_path / "notify"))
    service.path = str(tmp_path / "notify")
    yield service
    service.socket.close()


def test_a_start_a_reload_a_bad_reload_and_the_end_are_told(start, manager):
    daemon = start(HELLO, env={"NOTIFY_SOCKET": manager.path})
    at = manager.expect("READY=1")
    at = manager.expect(r"STATUS=1 tasks, 0 sessions, loaded at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", at - 1)
    daemon.write(HELLO + "  more: {actions: [stop]}\n")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert daemon.reload()["ok"]
    at = manager.expect("RELOADING=1", at)
    told = int(manager.lines[manager.expect(r"MONOTONIC_USEC=\d+", at) - 1].partition("=")[2])
    assert before <= told <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    at = manager.expect("READY=1", at)
    at = manager.expect("STATUS=2 tasks, 0 sessions, loaded at .*", at)
    daemon.write(HELLO + "  more: {actionz: [stop]}\n")
    assert not daemon.reload()["ok"]
    at = manager.expect("RELOADING=1", at)
    at = manager.expect("READY=1", at)
    at = manager.expect(r"STATUS=2 tasks, 0 sessions, the last reload failed at \S+: \S+:\d+:\d+: .*actions.*", at)
    daemon.stop()
    manager.expect("STOPPING=1", at)
    manager.expect(r"EXTEND_TIMEOUT_USEC=50000000", at)
    assert "WATCHDOG=1" not in manager.lines


def test_the_status_counts_sessions(start, manager):
    daemon = start("tasks: {echo: {triggers: [{server-message: /}], actions: [{send-message: x}]}}\n",
                   env={"NOTIFY_SOCKET": manager.path})
    peer = daemon.ws("/")
    manager.expect("STATUS=1 tasks, 1 sessions, loaded at .*")
    peer.close()


def test_a_name_in_the_abstract_space_is_a_socket_too(start):
    service = Manager("\0bellwire-test-%d" % os.getpid())
    start(HELLO, env={"NOTIFY_SOCKET": "@bellwire-test-%d" % os.getpid()})
    service.expect("READY=1")
    service.socket.close()


def test_a_start_that_fails_says_why_as_its_status(start, manager):
    result = start.fails("tasks: {a: {actions: [{lgo: x}]}}\n", env={"NOTIFY_SOCKET": manager.path})
    assert result.returncode == 78
    manager.expect(r"STATUS=cannot start: \S+:\d+:\d+: .*lgo.*")
    assert "READY=1" not in manager.lines


def told_at_the_end(daemon, manager):
    """(exit code, status, log) of a daemon that cannot start; there is one status, and it is one line."""
    daemon.launch()
    code = daemon.wait_exit()
    statuses = [line for line in manager.read() if line.startswith("STATUS=")]
    assert len(statuses) == 1 and "READY=1" not in manager.lines, manager.lines
    return code, statuses[0], daemon.log.text


def test_a_state_directory_that_cannot_be_used_is_named_with_the_way_out(start, manager, tmp_path):
    (tmp_path / "file").write_text("")
    daemon = start.unstarted(HELLO, "--state", tmp_path / "file/state", env={"NOTIFY_SOCKET": manager.path})
    code, status, log = told_at_the_end(daemon, manager)
    line = f"cannot make the state directory {tmp_path}/file/state: Not a directory; make it one that uid"
    assert code == 1 and status.startswith("STATUS=cannot start: " + line) and line in log
    assert "or give another --state" in status and len(log.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who is not")
def test_a_state_directory_of_somebody_else_is_named(start, manager, tmp_path):
    os.chmod(manager.path, 0o777)
    daemon = start.unstarted(HELLO, env={"NOTIFY_SOCKET": manager.path})
    for path in (tmp_path.parent.parent, tmp_path.parent, tmp_path, daemon.top):
        os.chmod(path, 0o755)
    daemon.state.mkdir(mode=0o755)
    daemon.args[:0] = ["setpriv", "--reuid", "65534", "--clear-groups"]
    code, status, _ = told_at_the_end(daemon, manager)
    assert code == 1 and f"cannot use the state directory {daemon.state}: Permission denied" in status
    assert "make it one that uid 65534 can write" in status


def test_a_taken_port_of_the_only_server_is_a_failed_start_of_the_service(start, manager):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        daemon = start.unstarted(f'servers: {{main: {{bind: "{address}"}}}}\n' + HELLO, env={"NOTIFY_SOCKET": manager.path})
        code, status, log = told_at_the_end(daemon, manager)
    line = f"{address}: the address is in use: `ss -ltnp` names who has it; end that, or give the server another address"
    assert code == 1 and status == "STATUS=cannot start: server main cannot listen: " + line
    assert daemon.log.find("cannot listen", level="error")[0]["error"] in line
    assert "no server can listen" in log and not daemon.log.find(where=lambda entry: entry["message"] == "ready")


def test_a_taken_port_beside_one_that_is_free_is_named_while_the_rest_serves(start, manager):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = start(f'servers: {{main: {{bind: "127.0.0.1:0"}}, side: {{bind: "127.0.0.1:{port}"}}}}\n'
                       + HELLO.replace("http-request: /hello", "http-request: {path: /hello, server: main}"),
                       env={"NOTIFY_SOCKET": manager.path})
        at = manager.expect("READY=1")
        manager.expect(f"STATUS=1 tasks, .*; server side: 127.0.0.1:{port}: the address is in use: .* another address", at)
        assert daemon.http("GET", "/hello").text == "hi"


def test_a_socket_that_was_not_passed_is_a_failed_start_of_the_service(start, manager):
    daemon = start.unstarted('servers: {main: {bind: "fd:web"}}\n' + HELLO, env={"NOTIFY_SOCKET": manager.path})
    code, status, _ = told_at_the_end(daemon, manager)
    assert code == 1 and status == ('STATUS=cannot start: server main cannot listen: fd:web: no socket named "web" was '
                                    'passed: FileDescriptorName= of the .socket unit names it, and the unit must run')


def test_a_broken_credential_is_named_with_the_way_out(start, manager, tmp_path):
    files = HELLO + "secrets: {github: {credential: gh}}\n"
    for folder, what in ((None, "CREDENTIALS_DIRECTORY is not set in the environment"),
                         (tmp_path / "none", f"cannot read {tmp_path}/none/gh: No such file or directory")):
        env = {"NOTIFY_SOCKET": manager.path} | ({"CREDENTIALS_DIRECTORY": str(folder)} if folder else {})
        manager.read()
        manager.lines.clear()
        daemon = start.unstarted(files, env=env)
        code, status, log = told_at_the_end(daemon, manager)
        assert code == 78 and f'secret "github": {what}' in log
        assert re.fullmatch(r"STATUS=cannot start: \S+bellwire.yaml:\d+:\d+: secret \"github\": .* "
                            r"\(LoadCredential=gh:FILE under \[Service\] of the unit passes it: .*\)", status), status


def test_a_wrong_file_at_a_reload_is_named_with_its_hint(start, manager):
    daemon = start(HELLO, env={"NOTIFY_SOCKET": manager.path})
    at = manager.expect("STATUS=.*", manager.expect("READY=1") - 1)
    daemon.write(HELLO.replace("http-response", "http-respons"))
    done = daemon.manager("reload")
    assert done.returncode == 78 and "bellwire.yaml:" in done.stderr + done.stdout
    manager.expect(r'STATUS=.*, the last reload failed at \S+: \S+bellwire.yaml:\d+:\d+: .*"http-respons" '
                   r'\(did you mean "http-response"\?\)', at)
    daemon.log.wait("bellwire.yaml:", level="error")
    assert daemon.http("GET", "/hello").text == "hi"


def test_children_do_not_see_the_socket(start, manager):
    daemon = start("""
        tasks:
          env:
            triggers: [{http-request: /env}]
            actions:
              - run-program: {command: [env], pass-env: [NOTIFY_SOCKET, WATCHDOG_USEC]}
                save: env
              - http-response: "${env.stdout}"
    """, env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "1000000"})
    body = daemon.http("GET", "/env").text
    assert "PATH=" in body and "NOTIFY_SOCKET" not in body and "WATCHDOG" not in body


def test_the_watchdog_of_another_process_is_not_fed(start, manager):
    start(HELLO, env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"})
    manager.expect("READY=1")
    manager.expect(r"STATUS=.*", manager.expect("READY=1"))
    assert "WATCHDOG=1" not in manager.read()


class Stopped:
    """One thread of the daemon, stopped by ptrace(2) while the others go on."""

    def __init__(self, tid):
        self.tid = tid
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def call(self, request):
        return self.libc.ptrace(request, self.tid, None, None)

    def __enter__(self):
        if self.call(PTRACE_SEIZE) < 0:
            pytest.skip("ptrace is not allowed here: " + os.strerror(ctypes.get_errno()))
        assert self.call(PTRACE_INTERRUPT) == 0
        assert os.waitpid(self.tid, 0x40000000)[0] == self.tid  # __WALL
        return self

    def __exit__(self, *_):
        self.call(PTRACE_DETACH)


def test_the_watchdog_is_fed_by_workers_that_turn_and_starves_when_one_does_not(start, manager):
    daemon = start(HELLO, env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "40000"}, workers=3)
    at = manager.expect("WATCHDOG=1")
    at = manager.expect("WATCHDOG=1", at)
    at = manager.expect("WATCHDOG=1", at)
    # The worker that answers is one that turns; any thread of a worker will do. Workers are the threads that wait in
    # an epoll of their own and are not the first one.
    names = sorted(int(tid) for tid in os.listdir(f"/proc/{daemon.pid}/task"))
    starved = 0
    for tid in names:
        if tid == daemon.pid:
            continue
        with Stopped(tid):
            manager.read()
            # The status of a second goes on only as long as the control thread does, which nobody has stopped.
            end = time.monotonic() + 0.5
            begin = len(manager.lines)
            wait_for(lambda: time.monotonic() > end, "half a second")
            fed = manager.read()[begin:].count("WATCHDOG=1")
        if fed <= 1:
            starved += 1
            at = manager.expect("WATCHDOG=1", len(manager.lines))
    assert starved == 3, starved


def test_the_log_names_the_sandbox_where_a_program_was_stopped_by_it(start):
    daemon = start("""
        tasks:
          write:
            actions: [{run-program: [sh, -c, 'echo "sh: /etc/x: Read-only file system" >&2; exit 2']}]
          fail:
            actions: [{run-program: ["false"]}]
    """, launcher=["setpriv", "--no-new-privs"])
    for task in ("fail", "write"):
        assert daemon.manager("task", "run", task, "--wait").returncode == 1
    told = daemon.log.wait("the sandbox of the service may have stopped")
    assert told["task"] == "write" and '"sh" (Read-only file system)' in told["message"]
    assert len(daemon.log.find("the sandbox")) == 1


def test_without_a_sandbox_nothing_is_blamed_on_one(start):
    daemon = start("tasks: {x: {actions: [{run-program: [sh, -c, 'echo Permission denied >&2; exit 2']}]}}\n")
    assert daemon.manager("task", "run", "x", "--wait").returncode == 1
    assert not daemon.log.find("the sandbox")
