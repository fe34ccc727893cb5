"""Runs inside a booted Debian as a unit, and writes to /result/out a line for each check. No module beside Python's own."""
import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

CHECKS = []
HELLO = "http://127.0.0.1:8080/hello/bob"
# PTRACE_SEIZE, PTRACE_INTERRUPT, and __WALL until the thread is gone
STOP_THREAD = """
import ctypes, os, sys
thread = int(sys.argv[1])
libc = ctypes.CDLL(None)
assert libc.ptrace(0x4206, thread, None, None) == 0 and libc.ptrace(0x4207, thread, None, None) == 0
os.waitpid(thread, 0x40000000)
print("stopped", flush=True)
try:
    while not os.WIFSIGNALED(os.waitpid(thread, 0x40000000)[1]):
        pass
except ChildProcessError:
    pass
"""


def check(function):
    CHECKS.append(function)
    return function


def run(*command, code=0):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert code is None or done.returncode == code, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def wait_for(condition, what, timeout=60):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.05)


def show(name, unit="bellwire.service"):
    return run("systemctl", "show", "-P", name, unit).strip()


def curl(url=HELLO):
    return run("curl", "-sS", "--max-time", "10", url, code=None)


def pid():
    return int(show("MainPID"))


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def start_anew():
    """Whether it can or not."""
    run("systemctl", "daemon-reload")
    run("systemctl", "reset-failed", "bellwire", code=None)
    run("systemctl", "restart", "bellwire", code=None)


@contextlib.contextmanager
def configured(*lines, replace=("", "")):
    """With one drop-in of these lines, and the main file changed; both as before at the end, and the service runs."""
    drop_in, main = "/etc/systemd/system/bellwire.service.d/checked.conf", "/etc/bellwire/bellwire.yaml"
    with open(main, encoding="utf-8") as file:
        before = file.read()
    write(main, before.replace(*replace))
    write(drop_in, "".join(line + "\n" for line in ("[Service]", *lines)))
    try:
        start_anew()
        yield
    finally:
        write(main, before)
        os.unlink(drop_in)
        start_anew()


def told(line):
    """One line of the status field, of `systemctl status` and of the journal, and the same in all three."""
    text = show("StatusText")
    assert line in text and "\n" not in text, text
    status = run("systemctl", "status", "--no-pager", "-l", "bellwire", code=None)
    assert line in status, status
    since = show("InvocationID")
    journal = run("journalctl", "--no-pager", "-o", "cat", f"_SYSTEMD_INVOCATION_ID={since}")
    reason = line.partition(": ")[2] if line[0].isdigit() or line.startswith("fd:") else line
    assert sum(reason in one for one in journal.splitlines()) == 1, (reason, journal)


@check
def the_package_installs_and_greets():
    run("apt-get", "install", "-y", "/result/older.deb")
    assert show("ActiveState") == "active", run("journalctl", "-u", "bellwire", "--no-pager")
    assert curl() == "Hello bob!\n"
    # The checks start it more often than an administrator does.
    write("/etc/systemd/system/bellwire.service.d/often.conf", "[Unit]\nStartLimitIntervalSec=0\n")
    run("systemctl", "daemon-reload")


@check
def it_is_enabled_sandboxed_and_its_own_user():
    assert show("UnitFileState") == "enabled"
    assert show("UnitFileState", "bellwire.socket") == "disabled"
    with open(f"/proc/{pid()}/status", encoding="utf-8") as file:
        status = dict(line.split(":", 1) for line in file)
    uid = run("id", "-u", "bellwire").strip()
    assert status["Uid"].split() == [uid] * 4
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    assert int(status["CapBnd"], 16) == 0
    rating = run("systemd-analyze", "security", "--no-pager", "bellwire.service").rsplit("bellwire.service:", 1)[1]
    assert float(rating.split()[0]) <= 2.0, rating


@check
def folders_have_their_owners_and_modes():
    for path, wanted in (("/etc/bellwire", "root:bellwire 750"), ("/var/lib/bellwire", "bellwire:bellwire 700"),
                         ("/run/bellwire", "bellwire:bellwire 750"),
                         ("/run/bellwire/control.sock", "bellwire:bellwire 660")):
        assert run("stat", "-c", "%U:%G %a", path).strip() == wanted, (path, run("stat", path))


@check
def the_status_tells_tasks_and_sessions():
    assert "2 tasks, 0 sessions, loaded at" in show("StatusText"), show("StatusText")


@check
def the_journal_has_levels():
    lines = [json.loads(line) for line in run("journalctl", "-u", "bellwire", "-o", "json", "--no-pager").splitlines()
             if line.startswith("{")]
    ready = next(line for line in lines if line["MESSAGE"].endswith(" info ready"))
    assert ready["PRIORITY"] == "6"


@check
def a_reload_takes_a_new_task():
    write("/etc/bellwire/tasks/more.yaml", "tasks:\n  more:\n    triggers: [{http-request: /more}]\n"
          "    actions: [{http-response: more}]\n")
    run("systemctl", "reload", "bellwire")
    assert curl("http://127.0.0.1:8080/more") == "more"
    assert "3 tasks" in show("StatusText")


@check
def a_wrong_file_is_a_failed_reload_that_is_named():
    write("/etc/bellwire/tasks/more.yaml", "tasks:\n  more:\n    actions: [{lgo: x}]\n")
    before = pid()
    told = run("systemctl", "reload", "bellwire", code=None)
    assert "failed" in told.lower(), told
    assert show("ActiveState") == "active" and pid() == before
    assert curl("http://127.0.0.1:8080/more") == "more"
    status = run("systemctl", "status", "--no-pager", "-l", "bellwire", code=None)
    assert "the last reload failed" in status and "more.yaml:3:" in status, status
    os.unlink("/etc/bellwire/tasks/more.yaml")
    run("systemctl", "reload", "bellwire")


@check
def a_wrong_file_at_a_start_is_78_and_is_not_tried_again():
    write("/etc/bellwire/tasks/more.yaml", "tasks:\n  more:\n    actions: [{lgo: x}]\n")
    run("systemctl", "restart", "bellwire", code=None)
    assert show("ExecMainStatus") == "78" and show("ActiveState") == "failed"
    status = run("systemctl", "status", "--no-pager", "-l", "bellwire", code=None)
    assert "more.yaml:3:" in status, status
    os.unlink("/etc/bellwire/tasks/more.yaml")
    run("systemctl", "reset-failed", "bellwire")
    run("systemctl", "start", "bellwire")


@check
def an_unwritable_state_directory_is_named_and_ends_with_1():
    with configured("Restart=no", "ExecStart=", "ExecStart=/usr/bin/bellwired --state /usr/state"):
        told("cannot make the state directory /usr/state: Read-only file system; make it one that uid ")
        assert "or give another --state" in show("StatusText")
        assert show("ExecMainStatus") == "1" and show("ActiveState") == "failed"
    assert show("ActiveState") == "active"


@check
def a_taken_port_and_a_socket_that_was_not_passed_are_named_and_end_with_1():
    with socket.create_server(("127.0.0.1", 8099)), configured("Restart=no", replace=("127.0.0.1:8080", "127.0.0.1:8099")):
        told("127.0.0.1:8099: the address is in use: `ss -ltnp` names who has it; end that, or give the server another address")
        assert show("ExecMainStatus") == "1" and show("ActiveState") == "failed"
    with configured("Restart=no", replace=("bind: 127.0.0.1:8080", 'bind: "fd:web"')):
        told("fd:web: no socket named ")
        assert "FileDescriptorName= of the .socket unit names it" in show("StatusText")
        assert show("ExecMainStatus") == "1" and show("ActiveState") == "failed"
    assert show("ActiveState") == "active"


@check
def a_port_below_1024_is_named_and_the_drop_in_opens_it():
    with configured("Restart=no", replace=("127.0.0.1:8080", "127.0.0.1:80")):
        told("127.0.0.1:80: Permission denied: a port below 1024 needs ports.conf of the examples")
    with open("/usr/share/doc/bellwire/examples/ports.conf", encoding="utf-8") as file:
        lines = file.read().splitlines()
    with configured(*lines, replace=("127.0.0.1:8080", "127.0.0.1:80")):
        assert curl("http://127.0.0.1:80/hello/bob") == "Hello bob!\n"


@check
def a_crash_is_followed_by_a_start():
    before = pid()
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: pid() not in (0, before) and show("ActiveState") == "active", "a new process")
    assert curl() == "Hello bob!\n"


@check
def a_process_that_does_not_turn_is_restarted_by_the_watchdog():
    write("/etc/systemd/system/bellwire.service.d/watchdog.conf", "[Service]\nWatchdogSec=2s\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "bellwire")
    time.sleep(5)
    before = pid()
    assert show("NRestarts") == "0"  # fed so far
    os.kill(before, signal.SIGSTOP)
    wait_for(lambda: pid() not in (0, before) and show("ActiveState") == "active", "a restart by the watchdog")
    assert "watchdog" in run("journalctl", "-u", "bellwire", "--no-pager").lower()
    # One worker alone, while the others go on. They are the last threads that are made.
    before = pid()
    thread = max(int(tid) for tid in os.listdir(f"/proc/{before}/task"))
    tracer = subprocess.Popen(["/usr/bin/python3", "-c", STOP_THREAD, str(thread)], stdout=subprocess.PIPE, text=True)
    assert tracer.stdout.readline() == "stopped\n"
    wait_for(lambda: pid() not in (0, before) and show("ActiveState") == "active", "a restart for one worker")
    tracer.wait(30)
    assert show("NRestarts") == "2", show("NRestarts")
    os.unlink("/etc/systemd/system/bellwire.service.d/watchdog.conf")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "bellwire")


@check
def a_credential_is_a_secret_and_a_missing_one_is_named():
    write("/root/github.key", "s3cret-of-the-credential\n")
    write("/etc/systemd/system/bellwire.service.d/secret.conf", "[Service]\nLoadCredential=github:/root/github.key\n")
    write("/etc/bellwire/tasks/secret.yaml", "secrets: {github: {credential: github}}\ntasks:\n  secret:\n"
          "    triggers: [{http-request: /secret}]\n"
          "    actions: [{http-response: '${hash.sha256(Secret(\"github\"))}'}]\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "bellwire")
    wanted = subprocess.run(["sha256sum"], input=b"s3cret-of-the-credential", capture_output=True, check=True).stdout
    assert curl("http://127.0.0.1:8080/secret") == wanted.decode().split()[0]
    os.unlink("/etc/systemd/system/bellwire.service.d/secret.conf")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "bellwire", code=None)
    assert show("ExecMainStatus") == "78" and "CREDENTIALS_DIRECTORY" in show("StatusText"), show("StatusText")
    os.unlink("/etc/bellwire/tasks/secret.yaml")
    run("systemctl", "reset-failed", "bellwire")
    run("systemctl", "start", "bellwire")


@check
def a_program_that_the_sandbox_stops_is_named_and_the_drop_in_opens_it():
    write("/etc/bellwire/tasks/touch.yaml", "tasks:\n  touch:\n    triggers: [{http-request: /touch}]\n"
          "    actions: [{run-program: [touch, /srv/bellwire-was-here]}, {http-response: touched}]\n")
    os.makedirs("/srv", exist_ok=True)
    run("chown", "bellwire", "/srv")
    run("systemctl", "reload", "bellwire")
    assert curl("http://127.0.0.1:8080/touch") != "touched"
    assert "the sandbox of the service may have stopped" in run("journalctl", "-u", "bellwire", "--no-pager")
    run("cp", "/usr/share/doc/bellwire/examples/programs.conf", "/etc/systemd/system/bellwire.service.d/")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "bellwire")
    assert curl("http://127.0.0.1:8080/touch") == "touched" and os.path.exists("/srv/bellwire-was-here")
    os.unlink("/etc/systemd/system/bellwire.service.d/programs.conf")
    os.unlink("/etc/bellwire/tasks/touch.yaml")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "bellwire")


@check
def a_restart_under_load_loses_no_request_with_the_socket():
    with open("/etc/bellwire/bellwire.yaml", encoding="utf-8") as file:
        before = file.read()
    write("/etc/bellwire/bellwire.yaml", before.replace("bind: 127.0.0.1:8080", 'bind: "fd:main"'))
    run("systemctl", "stop", "bellwire")
    run("systemctl", "start", "bellwire.socket")
    assert curl() == "Hello bob!\n"
    lost, answered, stop = [], [0] * 64, threading.Event()

    def ask_again(number):  # on a connection that stays until it is told to end
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
        while not stop.is_set():
            try:
                connection.request("GET", "/hello/bob")
                answer = connection.getresponse().read()
                if answer != b"Hello bob!\n":
                    lost.append(answer)
                answered[number] += 1
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                lost.append(repr(error))

    def ask(number):
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", 8080), 30) as raw:
                    raw.sendall(b"GET /hello/bob HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answer = b"".join(iter(lambda: raw.recv(4096), b""))
                if not answer.endswith(b"Hello bob!\n"):
                    lost.append(answer)
                answered[number] += 1
            except OSError as error:
                lost.append(repr(error))
    threads = [threading.Thread(target=(ask, ask_again)[number % 2], args=(number,), daemon=True) for number in range(64)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        at = sum(answered)
        wait_for(lambda: sum(answered) > at + 200, "answers")
        run("systemctl", "restart", "bellwire")
    at = sum(answered)
    wait_for(lambda: sum(answered) > at + 200, "answers of the last one")
    stop.set()
    for thread in threads:
        thread.join(30)
    write("/etc/bellwire/bellwire.yaml", before)
    assert not lost, (len(lost), sum(answered), lost[:3])
    run("systemctl", "stop", "bellwire.socket", "bellwire.service")
    run("systemctl", "start", "bellwire.service")


@check
def an_upgrade_keeps_what_was_edited_and_brings_the_rest():
    """From the version before, which the first check has installed."""
    with open("/etc/bellwire/bellwire.yaml", encoding="utf-8") as file:
        mine = file.read() + "# mine\n"
    assert "of the version before" in mine
    write("/etc/bellwire/bellwire.yaml", mine)
    write("/etc/bellwire/tasks/mine.yaml", "tasks: {mine: {actions: [stop]}}\n")
    run("systemctl", "reload", "bellwire")
    run("bellwire", "var", "set", "kept", "yes")
    run("bellwire", "task", "disable", "mine")
    before = pid()
    told_by_apt = run("apt-get", "install", "-y", "-o", "Dpkg::Options::=--force-confold", "/result/bellwire.deb")
    wait_for(lambda: show("ActiveState") == "active" and pid() not in (0, before), "a restart")
    assert run("dpkg-query", "-W", "-f", "${Version}", "bellwire") != "0.0.1-1", told_by_apt
    with open("/etc/bellwire/bellwire.yaml", encoding="utf-8") as file:
        assert file.read() == mine
    for name in os.listdir("/etc/bellwire/tasks"):
        with open(f"/etc/bellwire/tasks/{name}", encoding="utf-8") as file:
            assert "of the version before" not in file.read(), name
    assert "yes" in run("bellwire", "var", "get", "kept") and curl() == "Hello bob!\n"
    assert '"enabled_by":"manager"' in run("bellwire", "-o", "json", "task", "show", "mine").replace(" ", "")


@check
def an_upgrade_leaves_it_disabled_and_the_socket_enabled():
    run("systemctl", "disable", "bellwire.service")
    run("systemctl", "enable", "bellwire.socket")
    run("dpkg", "-i", "/result/bellwire.deb")
    assert show("UnitFileState") == "disabled" and show("UnitFileState", "bellwire.socket") == "enabled"
    run("systemctl", "enable", "bellwire.service")
    run("systemctl", "disable", "bellwire.socket")
    run("systemctl", "start", "bellwire.service")


def stored(name):
    database = sqlite3.connect("file:/var/lib/bellwire/bellwire.db?mode=ro", uri=True)
    try:
        return str(database.execute("SELECT value FROM globals WHERE name = ?", (name,)).fetchone())
    finally:
        database.close()


@check
def a_backup_is_restored_word_for_word_as_the_documentation_says():
    run("bellwire", "var", "set", "kept", "as it was")
    wait_for(lambda: "as it was" in stored("kept"), "it is written, half a second behind")
    run("bellwire", "backup", "/root/bellwire.db")
    run("bellwire", "var", "set", "kept", "spoiled")
    run("sh", "-c", "systemctl stop bellwire && bellwired --restore /root/bellwire.db --state /var/lib/bellwire && "
        "systemctl start bellwire")
    assert "as it was" in run("bellwire", "var", "get", "kept")
    run("bellwire", "var", "set", "kept", "written again")
    owner = run("stat", "-c", "%U:%G %a", "/var/lib/bellwire/bellwire.db").strip()
    assert owner == "bellwire:bellwire 600", owner


@check
def a_removal_keeps_state_and_an_installation_finds_it_again():
    with open("/etc/bellwire/bellwire.yaml", encoding="utf-8") as file:
        mine = file.read()
    run("dpkg", "-r", "bellwire")
    assert os.path.exists("/var/lib/bellwire/bellwire.db") and os.path.exists("/etc/bellwire/tasks/mine.yaml")
    assert not os.path.exists("/usr/bin/bellwired")
    assert run("systemctl", "is-active", "bellwire", code=None).strip() != "active"
    run("apt-get", "install", "-y", "/result/bellwire.deb")
    with open("/etc/bellwire/bellwire.yaml", encoding="utf-8") as file:
        assert file.read() == mine
    assert show("ActiveState") == "active" and show("UnitFileState") == "enabled"
    assert "written again" in run("bellwire", "var", "get", "kept") and curl() == "Hello bob!\n"


@check
def a_purge_leaves_what_is_not_ours_and_nothing_else():
    run("dpkg", "-P", "bellwire")
    assert os.listdir("/etc/bellwire") == ["tasks"] and os.listdir("/etc/bellwire/tasks") == ["mine.yaml"]
    os.unlink("/etc/bellwire/tasks/mine.yaml")
    run("apt-get", "install", "-y", "/result/bellwire.deb")
    run("dpkg", "-P", "bellwire")
    drop_ins = "/etc/systemd/system/bellwire.service.d"  # the checks' own
    left = [line for line in run("find", "/etc", "/usr", "/lib", "/var", "/run", "-xdev", "-iname", "*bellwire*").splitlines()
            if line != drop_ins and not line.startswith(("/var/log/", "/var/lib/systemd/", "/var/cache/", "/run/systemd/"))]
    assert not left, left


def main():
    with open("/result/out", "w", encoding="utf-8", buffering=1) as out:
        for function in CHECKS:
            try:
                function()
                out.write(json.dumps([function.__name__, "ok", ""]) + "\n")
            except Exception as error:  # the next check may still tell something
                out.write(json.dumps([function.__name__, "failed", f"{type(error).__name__}: {error}"]) + "\n")
                if function is CHECKS[0]:
                    break  # there is nothing to check
        out.write(json.dumps(["", "end", ""]) + "\n")
    subprocess.run(["systemctl", "--no-block", "exit", "0"], check=False)


if __name__ == "__main__":
    sys.exit(main())
