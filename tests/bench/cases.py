"""What is measured, against whom, and which figure is wanted."""
import json
import statistics
import subprocess
import time

import servers
from servers import (Bellwire, Libwebsockets, Limit, Nginx, NodeRed, Webhook, Websocketd, Ws)
from tls import Tls


class Wanted:
    """One other server of a case: what its run needs beside the case's own arguments, and the figure."""

    def __init__(self, other, at_least=None, raw=False, cpu_us=None, key="per_second", at_most=None, body=None):
        self.other, self.at_least, self.at_most, self.cpu_us, self.key = other, at_least, at_most, cpu_us, key
        self.extra = ({"raw": "yes"} if raw else {}) | ({"body": body} if body is not None else {})
        words = [f">= {at_least}" if at_least else "", f"<= {at_most}" if at_most else "",
                 f"<= {cpu_us} us CPU" if cpu_us else ""]
        self.text = ", ".join(word for word in words if word)

    def ratio(self, mine, theirs):
        return mine[self.key] / theirs[self.key] if theirs[self.key] else 0.0

    def is_reached(self, ratio, cpu_us):
        if not self.text:
            return None
        return ((self.at_least is None or ratio >= self.at_least) and (self.at_most is None or ratio <= self.at_most)
                and (self.cpu_us is None or cpu_us <= self.cpu_us))


class Case:
    def __init__(self, name, mode, arguments, wanted, bellwire=Bellwire):
        self.name, self.mode, self._arguments, self.wanted, self.bellwire = name, mode, arguments, wanted, bellwire

    def arguments(self, options, _server):
        return {"seconds": options.seconds, **self._arguments}


def echo(name, wanted, **arguments):
    return Case(name, "echo", {"path": "/echo", **arguments}, wanted)


def raw(mode, **figures):
    return Wanted(lambda: Limit(mode), raw=True, **figures)


GREETING = {"path": "/hello/%?day=fine", "body": "Hello %, have a fine day"}
FIXED = {"path": "/hello/12345678?day=fine", "body": "Hello 12345678, have a good day now"}


class Fixed(Wanted):
    """The limit of HTTP answers with constant bytes."""

    def __init__(self, **figures):
        super().__init__(lambda: Limit("http"), **figures)
        self.extra = FIXED


class Memory:
    """Resident bytes for each of 10,000 sessions that do nothing, and what stays when they have gone."""
    name = "10,000 idle sessions"
    sessions = 10000

    def run(self, report, options):
        server = Bellwire().start()
        try:
            before = server.resident()
            report.add("resident at start", "-", "-", "-", "-", "-", "-", "-", "-",
                       f"{before / 2**20:.2f} MiB, <= 8", "reached" if before <= 8 * 2**20 else "missed")
            process = servers.hold_sessions(server, self.sessions, "/echo")
            each = (server.resident() - before) / self.sessions
            process.communicate("\n", timeout=60)
            time.sleep(0.5)
            left = server.resident() - before
            head = len(f"GET /echo HTTP/1.1\r\nHost: {server.address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            report.add("resident for one idle session", "-", "-", "-", "-", "-", "-", "-", "-",
                       f"{each:.0f} B, of which {head} its head; <= {640 + head}",
                       "reached" if each <= 640 + head else "missed")
            report.add("left over after they closed", "-", "-", "-", "-", "-", "-", "-", "-",
                       f"{left / 2**20:.2f} MiB, <= 1", "reached" if left <= 2**20 else "missed")
        finally:
            server.stop()


class Programs:
    """A program per request, against the spawn loop, webhook, and itself with 200 MiB resident or 10,000 sessions."""
    name = "a program per request, 64 callers"
    sessions = 10000

    def run(self, report, options):
        ballast = {"LD_PRELOAD": str(servers.PROGRAMS / "ballast.so"), "BALLAST_MIB": "200"}
        own, heavy = Bellwire(), Bellwire("bellwire with 200 MiB", env=ballast)
        crowded, webhook = Bellwire("bellwire with 10,000 sessions"), Webhook()
        crowd = None
        try:
            for server in (own, heavy, crowded):
                server.start()
            crowd = servers.hold_sessions(crowded, self.sessions, "/echo")
            others = {"spawn loop": lambda: self.spawn(options), heavy.name: lambda: self.load(heavy, options),
                      crowded.name: lambda: self.load(crowded, options)}
            try:
                webhook.start()
                others[webhook.name] = lambda: self.load(webhook, options, path="/hooks/true")
            except servers.Skipped as reason:
                report.note(f"{self.name}: webhook is left out, {reason}")
            for name, run in others.items():
                self.compare(report, name, [(self.load(own, options), run()) for _ in range(options.rounds)])
        finally:
            if crowd:
                crowd.communicate("\n", timeout=60)
            for server in (own, heavy, crowded, webhook):
                server.stop()

    def compare(self, report, name, pairs):
        def middle(key, side):
            return statistics.median(pair[side][key] for pair in pairs)

        ratio = statistics.median(mine["per_second"] / theirs["per_second"] for mine, theirs in pairs)
        cpu_ratio = statistics.median(theirs["cpu_us"] / mine["cpu_us"] for mine, theirs in pairs)
        judged = ratio if report.is_quiet else cpu_ratio
        wanted, is_reached = {"spawn loop": (">= 0.85, p99 < 100 ms", judged >= 0.85 and middle("p99_us", 0) < 100000),
                              "webhook": (">= 1.0", judged >= 1.0)}.get(name, ("the same", 0.9 <= judged <= 1.15))
        report.add(self.name, name, middle("per_second", 0), middle("per_second", 1), ratio, middle("cpu_us", 0),
                   middle("cpu_us", 1), cpu_ratio, middle("p50_us", 0), middle("p99_us", 0), wanted,
                   ("reached" if is_reached else "missed") + ("" if report.is_quiet else " by CPU"))

    @staticmethod
    def load(server, options, path="/true"):
        """With the CPU time of the programs, in the proportion that they have to the server's own."""
        before = server.cpu_us()
        result = servers.load(server, "http", {"seconds": options.seconds, "connections": 64, "path": path, "body": ""})
        own, programs = (after - now for after, now in zip(server.cpu_us(), before))
        return {**result, "cpu_us": result["cpu_us"] * (1 + programs / own)}

    @staticmethod
    def spawn(options):
        done = subprocess.run(["taskset", "-c", servers.SERVER_CORE, str(servers.PROGRAMS / "spawn"), str(options.seconds),
                               "/bin/true"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)


def many_tasks(count):
    """`count` tasks beside those of the benchmarks, each with a path and a message of its own."""
    lines = ["tasks:"]
    for i in range(count):
        lines += [f"  t{i}:", "    triggers:", f"      - http-request: {{path: \"/t{i}/{{name}}\", method: GET}}",
                  f"      - server-message: {{path: /m{i}}}", "    actions:",
                  f"      - log: {{level: debug, text: \"${{Trigger}} {i}\"}}"]
    return {"tasks/many.yaml": "\n".join(lines) + "\n"} if count else {}


class Scale:
    """CPU per event as tasks, sessions and servers become more."""
    name = "cost by number"

    def run(self, report, options):
        plain = {"connections": 100, "size": 20, "depth": 16, "path": "/echo"}
        base = (servers.HERE / "bellwire.yaml").read_text()
        more = "".join(f"  s{i}: {{bind: \"127.0.0.1:0\"}}\n" for i in range(100))
        variants = [("100 tasks", Bellwire(files=many_tasks(100)), plain, 1.10),
                    ("10,000 tasks", Bellwire(files=many_tasks(10000)), plain, 1.10),
                    ("15,000 sessions, 100 of them active", Bellwire(), {**plain, "connections": 15000, "active": 100}, 1.25),
                    ("101 servers", Bellwire(config=servers.with_servers(base, more)), plain, 1.10)]
        own = Bellwire().start()
        try:
            for name, other, arguments, most in variants:
                try:
                    other.start()
                    pairs = [(servers.load(own, "echo", {"seconds": options.seconds, **plain}),
                              servers.load(other, "echo", {"seconds": options.seconds, **arguments}))
                             for _ in range(options.rounds)]
                    ratio = statistics.median(theirs["cpu_us"] / mine["cpu_us"] for mine, theirs in pairs)
                    report.add("CPU of an echo, 16 in flight", name, "-", "-", "-",
                               statistics.median(mine["cpu_us"] for mine, _ in pairs),
                               statistics.median(theirs["cpu_us"] for _, theirs in pairs), ratio, "-", "-", f"<= {most}",
                               "reached" if ratio <= most else "missed")
                    if other.files and "10,000" in name:
                        self.begin_and_reload(report, options)
                finally:
                    other.stop()
        finally:
            own.stop()

    @staticmethod
    def begin_and_reload(report, options):
        """By CPU time, which others on the cores do not stretch; all that a worker computes for a reload bounds its turns."""
        server = Bellwire(files=many_tasks(10000))
        try:
            server.start()
            took = sum(server.cpu_ms().values()) / 1000
            report.add("start with 10,000 tasks", "-", "-", "-", "-", "-", "-", "-", "-",
                       f"{took:.2f} s of CPU, {server.start_s:.2f} s; <= 1", "reached" if took <= 1 else "missed")
            worker = server.busiest(lambda: servers.load(server, "echo", {"path": "/echo", "connections": 4, "seconds": 0.2}))
            rounds = []
            for _ in range(options.rounds):
                before = server.cpu_ms()[worker]
                answer = server.ask("POST", "/v1/reload")
                if not answer["ok"]:
                    raise RuntimeError(f"the reload failed: {answer}")
                time.sleep(0.3)  # what comes after the answer counts too
                rounds.append(server.cpu_ms()[worker] - before)
            blocked = statistics.median(rounds)
            report.add("a worker's CPU for a reload of 10,000 tasks", "-", "-", "-", "-", "-", "-", "-", "-",
                       f"{blocked:.1f} ms, <= 5", "reached" if blocked <= 5 else "missed")
        finally:
            server.stop()


class Workers:
    """What two workers do on two cores, by their CPU: twice what one does, unless an event costs more with two."""
    name = "two workers"

    def run(self, report, options):
        for name, mode, arguments in (
                ("echo, 16 in flight", "echo", {"connections": 100, "size": 20, "depth": 16, "path": "/echo"}),
                ("greeting, 16 pipelined", "http", {**GREETING, "connections": 64, "depth": 16})):
            one, two = Bellwire(), Bellwire("two workers", workers=2)
            try:
                one.start(core=servers.BOTH_CORES)
                two.start(core=servers.BOTH_CORES)
                pairs = [tuple(servers.load(server, mode, {"seconds": options.seconds, **arguments}) for server in (one, two))
                         for _ in range(options.rounds)]
                ratio = statistics.median(2 * single["cpu_us"] / double["cpu_us"] for single, double in pairs)
                report.add(f"two workers: {name}", "one worker", "-", "-", "-",
                           statistics.median(double["cpu_us"] for _, double in pairs),
                           statistics.median(single["cpu_us"] for single, _ in pairs), ratio, "-", "-",
                           "2 x one's CPU / two's >= 1.7", "reached" if ratio >= 1.7 else "missed")
            finally:
                one.stop()
                two.stop()


class Engine:
    """Match, bind, template, hand over: no socket and no loop."""
    name = "the task engine alone"

    def run(self, report, options):
        for others in (0, 100, 10000):
            done = subprocess.run(["taskset", "-c", servers.SERVER_CORE, str(servers.PROGRAMS / "engine"), str(others),
                                   str(options.seconds)], capture_output=True, text=True, check=True)
            result = json.loads(done.stdout)
            is_reached = result["ns"] <= 300 and result["heap_calls"] == 0
            report.add("the task engine alone", f"{others:,} other tasks", "-", "-", "-", result["ns"] / 1000, "-", "-", "-", "-",
                       f"<= 0.3 us, no call of the heap: {result['heap_calls']}", "reached" if is_reached else "missed")


ALL = [
    echo("echo, 100 sessions, 20 B", [raw("echo", at_least=0.90), Wanted(Libwebsockets, at_least=1.0), Wanted(Ws),
                                      Wanted(Websocketd)], connections=100, size=20),
    echo("echo, 100 sessions, 1 KiB", [raw("echo", at_least=0.90), Wanted(Libwebsockets, at_least=1.0)],
         connections=100, size=1024),
    echo("echo, 100 sessions, 20 B, 16 in flight", [raw("echo", at_least=0.45), Wanted(Libwebsockets, at_least=6),
                                                    Wanted(Ws, at_least=10)], connections=100, size=20, depth=16),
    echo("echo, 100 sessions, 20 B, 128 in flight", [raw("echo", cpu_us=0.40)], connections=100, size=20, depth=128),
    echo("echo, 20 sessions, 64 KiB binary", [raw("echo", at_least=0.85), Wanted(Libwebsockets, at_least=1.0)],
         connections=20, size=65536, binary="yes"),
    echo("ping-pong, p50", [raw("echo", at_most=1.05, key="p50_us")], connections=1, size=20),
    Case("broadcast to 1,000", "cast", {"path": "/cast", "member-path": "/member", "connections": 1000, "size": 20},
         [raw("cast", at_least=0.95)]),
    Case("broadcast to 10,000", "cast", {"path": "/cast", "member-path": "/member", "connections": 10000, "size": 20},
         [raw("cast", at_least=0.95)]),
    Case("broadcast to 1,000, 16 in flight", "cast",
         {"path": "/cast", "member-path": "/member", "connections": 1000, "size": 20, "depth": 16},
         [raw("cast", at_least=0.65)]),
    Case("handshakes", "handshakes", {"path": "/echo", "connections": 32}, [Wanted(Libwebsockets, at_least=2.0, cpu_us=46)]),
    Tls(),
    Memory(),
    Case("greeting, 64 connections", "http", {**GREETING, "connections": 64},
         [Wanted(Nginx, at_least=1.0), Wanted(NodeRed, at_least=22), Fixed()]),
    Case("greeting, 64 connections, 16 pipelined", "http", {**GREETING, "connections": 64, "depth": 16},
         [Wanted(Nginx, at_least=4.0), Fixed()]),
    Programs(),
    Scale(),
    Workers(),
    Engine(),
]
