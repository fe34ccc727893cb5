"""Bellwire, its limits and its peers as the benchmarks start them: each pinned to one core, on a port of its own."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
PROGRAMS = BUILD / "bench"
NODE_MODULES = os.environ.get("BENCH_NODE_MODULES", str(ROOT / "node_modules"))
SERVER_CORE, LOAD_CORE, BOTH_CORES = "0", "1", "0,1"
START_S = 30


class Skipped(Exception):
    """What is missing to run a peer."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """One process, in a folder of its own, with what it needs to be stopped and measured."""

    def __init__(self, name):
        self.name = name
        self._folder = None
        self.port = free_port()
        self.process = None
        self.start_s = 0.0

    @property
    def folder(self):
        if not self._folder:
            self._folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
        return self._folder

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def launch(self, command, env=None, core=SERVER_CORE):
        self.log = open(self.folder / "log", "w+b")
        self.process = subprocess.Popen(["taskset", "-c", core, *map(str, command)], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=subprocess.STDOUT, cwd=self.folder,
                                        env={**os.environ, **(env or {})}, start_new_session=True)
        begin = time.monotonic()
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() - begin > START_S:
                text = self.output()
                self.stop()
                raise RuntimeError(f"{self.name} does not start: {text[-2000:]}")
            time.sleep(0.002)
        self.start_s = time.monotonic() - begin
        return self

    def is_ready(self):
        return is_listening(self.port)

    def output(self):
        return (self.folder / "log").read_text(errors="replace")

    def resident(self):
        """Bytes of memory that are resident."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def cpu_us(self):
        """Of its threads, and of the programs that it has waited for."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(self.cpu_ms().values()) * 1000, (int(fields[13]) + int(fields[14])) * 1e6 / os.sysconf("SC_CLK_TCK")

    def cpu_ms(self):
        """Of each thread since its start, user and system."""
        return {task.name: int((task / "schedstat").read_text().split()[0]) / 1e6
                for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir()}

    def busiest(self, work):
        """The thread, but for the first, that does the most while `work` runs."""
        before = self.cpu_ms()
        work()
        after = self.cpu_ms()
        return max((task for task in after if task != str(self.pid)), key=lambda task: after[task] - before.get(task, 0))

    def fill(self, text):
        return text.replace("PORT", str(self.port)).replace("FOLDER", str(self.folder))

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.log.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


class Bellwire(Server):
    def __init__(self, name="bellwire", config=None, files=None, env=None, workers=1):
        super().__init__(name)
        self.config = config or (HERE / "bellwire.yaml").read_text()
        self.files, self.env, self.workers = files or {}, env, workers

    @property
    def control(self):
        return self.folder / "control.sock"

    def is_ready(self):
        return '"message":"ready"' in self.output().replace('": "', '":"')

    def start(self, core=SERVER_CORE):
        etc = self.folder / "etc"
        (etc / "tasks").mkdir(parents=True)
        (etc / "bellwire.yaml").write_text(self.fill(self.config))
        for path, text in self.files.items():
            (etc / path).write_text(text)
        return self.launch([BUILD / "bellwired", "-c", etc, "--state", self.folder / "state", "--control", self.control,
                            "--workers", str(self.workers), "--log-format", "json"], self.env, core)


    def ask(self, method, path):
        """One call of the API on the control socket."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(30)
            peer.connect(str(self.control))
            peer.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            response = http.client.HTTPResponse(peer)
            response.begin()
            return json.loads(response.read())


class Limit(Server):
    def __init__(self, mode):
        super().__init__("limit")
        self.mode = mode

    def start(self):
        return self.launch([PROGRAMS / "limit", self.mode, self.port])


class Libwebsockets(Server):
    def __init__(self):
        super().__init__("libwebsockets")

    def start(self):
        if not (PROGRAMS / "lws_echo").exists():
            raise Skipped("libwebsockets-dev is not installed")
        return self.launch([PROGRAMS / "lws_echo", self.port])


def node_module(name):
    if not shutil.which("node") or not os.path.isdir(os.path.join(NODE_MODULES, name)):
        raise Skipped(f"npm's {name} is not in {NODE_MODULES}")


def program(name):
    for folder in [*os.environ["PATH"].split(":"), "/usr/sbin"]:
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    raise Skipped(f"{name} is not installed")


class Ws(Server):
    def __init__(self):
        super().__init__("ws")

    def start(self):
        node_module("ws")
        return self.launch(["node", HERE / "peers/ws_echo.js", self.port], {"NODE_PATH": NODE_MODULES})


class Websocketd(Server):
    def __init__(self):
        super().__init__("websocketd")

    def start(self):
        return self.launch([program("websocketd"), "--address=127.0.0.1", f"--port={self.port}", "--loglevel=error", "cat"])


class Nginx(Server):
    def __init__(self):
        super().__init__("nginx")

    def start(self):
        path = program("nginx")
        (self.folder / "nginx.conf").write_text(self.fill((HERE / "peers/nginx.conf").read_text()))
        return self.launch([path, "-e", self.folder / "nginx.log", "-c", self.folder / "nginx.conf"])


class Webhook(Server):
    def __init__(self):
        super().__init__("webhook")

    def start(self):
        return self.launch([program("webhook"), "-hooks", HERE / "peers/hooks.json", "-ip", "127.0.0.1", "-port",
                            self.port])


class NodeRed(Server):
    def __init__(self):
        super().__init__("node-red")

    def start(self):
        node_module("node-red")
        for name in ("flows.json", "settings.js"):
            shutil.copy(HERE / "peers" / name, self.folder / name)
        self.launch(["node", os.path.join(NODE_MODULES, "node-red", "red.js"), "--userDir", self.folder],
                    {"BENCH_PORT": str(self.port)})
        return self

    def is_ready(self):
        """Its listener is up before its flows are."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as peer:
                peer.sendall(b"GET /hello/a?day=b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return b" 200 " in peer.recv(200)
        except OSError:
            return False


def with_servers(base, more):
    """A configuration with more servers: every trigger then has to say which one it means."""
    base = base.replace("\ntasks:", more + "\ntasks:")
    return (base.replace("server-message: /echo", "server-message: {path: /echo, server: main}")
            .replace('http-request: "/hello/{name}"', 'http-request: {path: "/hello/{name}", server: main}')
            .replace("server-open: /member", "server-open: {path: /member, server: main}")
            .replace("server-message: /cast", "server-message: {path: /cast, server: main}")
            .replace("http-request: /true", "http-request: {path: /true, server: main}"))


def load(server, mode, arguments):
    """One run of the generator against a server; a wrong answer ends the benchmark."""
    command = ["taskset", "-c", LOAD_CORE, str(PROGRAMS / "load"), mode, server.address, "--pids", str(server.pid)]
    for name, value in arguments.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{server.name}, {mode} {arguments}: {done.stderr.strip() or done.returncode}")
    return json.loads(done.stdout)


def hold_sessions(server, count, path):
    """A process that holds open sessions until it reads a line."""
    command = ["taskset", "-c", LOAD_CORE, str(PROGRAMS / "load"), "idle", server.address, "--connections", str(count),
               "--path", path]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "open\n":
        process.kill()
        process.wait()
        raise RuntimeError("the sessions do not open")
    return process
