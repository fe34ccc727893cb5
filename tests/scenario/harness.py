"""The daemon and its manager as the scenario tests drive them. What tests use is listed in ../conftest.py."""
import glob
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import textwrap
import threading
import time

from peers import Peer, RawSocket, RawWebSocket

DEADLINE = 20
ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
DEFAULT_SERVERS = 'servers: {main: {bind: "127.0.0.1:0"}}\n'


def wait_for(condition, what, timeout=DEADLINE):
    """Waits until condition() is truthy; returns its value."""
    end = time.monotonic() + timeout
    never = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        never.wait(0.01)


def find_tool(name):
    """A program that is installed, or that scripts/test-tools has unpacked; None where it is neither."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    unpacked = (ROOT / "build/tools" / name / "usr").glob(f"*bin/{name}")
    return pathlib.Path(path) if path else next(unpacked, None)


def write_files(folder, files):
    if isinstance(files, str):
        files = {"bellwire.yaml": files}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
            continue
        text = textwrap.dedent(content).lstrip("\n")
        if name == "bellwire.yaml" and not any(l.startswith("servers:") for l in text.splitlines()):
            text = DEFAULT_SERVERS + text
        path.write_text(text)


class Log:
    """The lines that a daemon writes, parsed while they come."""

    def __init__(self, stream):
        self.entries = []
        self.text = ""
        self.has_ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream):
        for line in iter(stream.readline, b""):
            text = line.decode("utf-8", "replace")
            try:
                entry = json.loads(text)
            except ValueError:
                entry = None
            with self._changed:
                self.text += text
                if isinstance(entry, dict):
                    self.entries.append(entry)
                self._changed.notify_all()
        stream.close()
        with self._changed:
            self.has_ended = True
            self._changed.notify_all()

    def join(self):
        self._thread.join(DEADLINE)

    def mark(self):
        with self._changed:
            return len(self.entries)

    def find(self, message=None, where=None, since=0, **members):
        with self._changed:
            entries = self.entries[since:]
        return [
            entry for entry in entries
            if (message is None or message in entry.get("message", ""))
            and all(entry.get(name) == value for name, value in members.items())
            and (where is None or where(entry))
        ]

    def wait(self, message=None, where=None, count=1, since=0, timeout=DEADLINE, **members):
        end = time.monotonic() + timeout
        while True:
            with self._changed:
                seen, has_ended = len(self.entries), self.has_ended
            found = self.find(message, where, since, **members)
            if len(found) >= count:
                return found[count - 1]
            left = end - time.monotonic()
            assert left > 0 and not has_ended, (
                f"no log line {count} with {message!r} {members} after {since}; the log:\n{self.text}")
            with self._changed:
                self._changed.wait_for(lambda: len(self.entries) > seen or self.has_ended, left)


class Response:
    def __init__(self, response):
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:200]!r}>"


class Daemon:
    def __init__(self, top, args, workers, env):
        self.top = top
        self.folder = top / "etc"
        self.state = top / "state"
        self.socket = top / "c.sock"
        self.args = [str(BUILD / "bellwired"), "-c", str(self.folder), "--state", str(self.state),
                     "--control", str(self.socket), "--workers", str(workers), "--log-format", "json", *args]
        self.env = process_env(top, env)
        self.process = None
        self.log = None
        self.reload_code = None

    # ---- its life

    def launch(self, stderr=subprocess.STDOUT):
        self.process = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=stderr, env=self.env, cwd=self.top)
        self.log = Log(self.process.stdout)

    def start(self):
        self.launch()
        self.log.wait(where=lambda entry: entry.get("message") == "ready")
        return self

    restart = start

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def hangup(self):
        self.signal(signal.SIGHUP)

    def terminate(self):
        self.signal(signal.SIGTERM)

    def wait_exit(self, timeout=DEADLINE):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the daemon did not end within {timeout} s; its log:\n{self.log.text}") from None
        self.log.join()
        return code

    def stop(self, timeout=DEADLINE * 2):
        self.terminate()
        code = self.wait_exit(timeout)
        assert_no_report(self.top)
        assert code == 0, f"the daemon ended with {code}; its log:\n{self.log.text}"

    def kill9(self):
        self.process.kill()
        return self.wait_exit()

    # ---- its configuration

    def write(self, files):
        write_files(self.folder, files)

    def reload(self):
        done = self.manager("-o", "json", "reload")
        self.reload_code = done.returncode
        assert done.stdout, f"reload said nothing: {done.stderr}"
        return json.loads(done.stdout)

    # ---- its manager

    def manager(self, *args, input=None, check=None, timeout=DEADLINE):
        done = subprocess.run([str(BUILD / "bellwire"), "--control", str(self.socket), *map(str, args)],
                              input=input, capture_output=True, text=True, env=self.env, timeout=timeout, cwd=self.top)
        if check is not None:
            assert done.returncode == check, f"bellwire {args} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def manager_json(self, *args, **options):
        return json.loads(self.manager("-o", "json", *args, check=0, **options).stdout)

    # ---- its servers

    def address(self, server=None, index=-1):
        if server is not None:  # after a reload its line may still be on its way
            self.log.wait(where=lambda entry: entry.get("message") == "listening", server=server)
        entries = self.log.find(where=lambda entry: entry.get("message") == "listening")
        if server is None:
            names = {entry["server"] for entry in entries}
            server = "main" if "main" in names or len(names) != 1 else names.pop()
        of_server = [entry for entry in entries if entry.get("server") == server]
        assert of_server, f"server {server} does not listen; the log:\n{self.log.text}"
        host, _, port = of_server[index]["fields"]["address"].rpartition(":")
        return host.strip("[]"), int(port)

    def port(self, server=None, index=-1):
        return self.address(server, index)[1]

    def url(self, path="/", server=None, scheme="http"):
        host, port = self.address(server)
        host = f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}:{port}{path}"

    def http(self, method, path, body=None, headers=None, server=None, timeout=DEADLINE):
        connection = http.client.HTTPConnection(*self.address(server), timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Response(connection.getresponse())
        finally:
            connection.close()

    def raw(self, server=None, timeout=DEADLINE):
        return RawSocket(socket.create_connection(self.address(server), timeout))

    def ws(self, path="/", headers=(), subprotocols=(), server=None, check=True, timeout=DEADLINE):
        return RawWebSocket(self.address(server), path, headers, subprotocols, check, timeout)

    def peer(self, path="/", headers=None, server=None, **options):
        return Peer(self.url(path, server, "ws"), headers or {}, DEADLINE, options)


def process_env(top, extra):
    """The environment of daemon and manager: sanitizers write reports to files that assert_no_report() finds."""
    common = f"log_path={top}/sanitizer"
    suppressions = ROOT / "tests" / "tsan.supp"
    tsan = f"{common}:second_deadlock_stack=1" + (f":suppressions={suppressions}" if suppressions.exists() else "")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("BELLWIRE_", "STATE_DIRECTORY"))}
    env.update(ASAN_OPTIONS=f"{common}:detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=0",
               UBSAN_OPTIONS=f"{common}:print_stacktrace=1", TSAN_OPTIONS=tsan)
    env.update(extra)
    return env


def assert_no_report(top):
    reports = [pathlib.Path(name).read_text(errors="replace") for name in sorted(glob.glob(f"{top}/sanitizer.*"))]
    assert not reports, "a sanitizer reports:\n" + "\n".join(reports)


class Starter:
    """What the fixtures give: starts daemons, and ends them all when the test is over."""

    def __init__(self):
        self._daemons = []
        self._folders = []

    def _new(self, files, args, workers, env):
        # Not pytest's folder: the path of a socket has room for 107 bytes.
        top = pathlib.Path(tempfile.mkdtemp(prefix="bellwire-"))
        self._folders.append(top)
        daemon = Daemon(top, [str(arg) for arg in args], workers, env or {})
        daemon.folder.mkdir()
        write_files(daemon.folder, files)
        return daemon

    def __call__(self, files, *args, workers=2, env=None, launcher=()):
        daemon = self._new(files, args, workers, env)
        daemon.args[:0] = launcher
        self._daemons.append(daemon)
        return daemon.start()

    def unstarted(self, files, *args, workers=2, env=None):
        """A daemon for .launch() and .wait_exit(): one that is not expected to serve."""
        daemon = self._new(files, args, workers, env)
        self._daemons.append(daemon)
        return daemon

    def folder(self, files):
        return self._new(files, (), 1, None).folder

    def _run(self, daemon, args):
        return subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env=daemon.env, timeout=DEADLINE, cwd=daemon.top)

    def fails(self, files, *args, workers=2, env=None):
        daemon = self._new(files, args, workers, env)
        return self._run(daemon, daemon.args)

    def check(self, files, *args, env=None):
        """`bellwired --check`; the result's .folder is where the files were."""
        daemon = self._new(files, args, 1, env)
        result = self._run(daemon, [daemon.args[0], "--check", "-c", str(daemon.folder), *map(str, args)])
        result.folder = daemon.folder
        return result

    def reference(self):
        """What `bellwired --reference` prints."""
        daemon = self._new("", (), 1, None)
        return self._run(daemon, [daemon.args[0], "--reference"]).stdout

    def finish(self, has_failed):
        problems = []
        for daemon in self._daemons:
            if daemon.is_running():
                try:
                    daemon.stop()
                except AssertionError as error:
                    problems.append(str(error))
            if has_failed and daemon.log:
                print(f"---- the log of {daemon.top}\n{daemon.log.text}")
        for top in self._folders:
            try:
                assert_no_report(top)
            except AssertionError as error:
                problems.append(str(error))
            shutil.rmtree(top, ignore_errors=True)
        assert not problems, "\n".join(dict.fromkeys(problems))
