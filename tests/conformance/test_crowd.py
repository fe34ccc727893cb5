"""Many sessions: some that never read while all are broadcast to, and all of them during reloads.

CROWD_SESSIONS says how many (200), CROWD_CASTS how many messages are measured (10), CROWD_RELOADS how many reloads (5),
all within what the two processes may open. The figures are printed; only what no load of the machine changes is asserted.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess

import pytest

import harness

SESSIONS = int(os.environ.get("CROWD_SESSIONS", "200"))
CASTS = int(os.environ.get("CROWD_CASTS", "10"))
RELOADS = int(os.environ.get("CROWD_RELOADS", "5"))
ROUNDS = 3
SIZE = 1024  # of a message
SOURCE = pathlib.Path(__file__).with_name("crowd.c")
IS_SANITIZED = "/" in os.environ.get("BUILD", "")  # sanitizers keep what is freed, and find leaks themselves
BACKLOG = 64 * 1024
FILL = 50  # messages at a time, until no more is kept for the silent ones
FILLS = 60  # where a socket takes megabytes
LEEWAY = 16 << 20  # of the heap, and of sockets in use
CONFIG = """
servers: {main: {bind: "127.0.0.1:0", max-backlog: 64KiB, slow-consumer: SLOW, drain-timeout: 1h, ping-interval: off,
  max-sessions: 20000}}
tasks:
  cast:
    triggers: [{server-message: {path: /cast}}]
    actions: [{send-message: {text: "${WsMessage}", to: {path: /crowd}}}]
  echo:
    description: DESCRIPTION
    triggers: [{server-message: {path: /crowd}}]
    actions: [send-message: "${WsMessage}"]
"""


class Crowd:
    def __init__(self, program, address):
        self.process = subprocess.Popen([program, address[0], str(address[1])], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)

    def tell(self, order):
        self.process.stdin.write(order + "\n")

    def hear(self):
        line = self.process.stdout.readline()
        assert line, "the crowd has ended: see what it says"
        return json.loads(line)

    def order(self, order):
        self.tell(order)
        return self.hear()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait(harness.DEADLINE):
            raise AssertionError("the crowd has failed")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("crowd") / "crowd"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-std=c11", "-D_GNU_SOURCE", "-o", path, SOURCE], check=True)
    return str(path)


def config(slow="drop", description="0"):
    return CONFIG.replace("SLOW", slow).replace("DESCRIPTION", description)


def resident(daemon):
    text = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) << 10


def open_sessions(daemon):
    return daemon.manager_json("status")["sessions"]


def tell(what, figures):
    print(f"{what}: {figures['delivered']} messages, p50 {figures['p50_us'] / 1000:.1f} ms, "
          f"p99 {figures['p99_us'] / 1000:.1f} ms, longest {figures['max_us'] / 1000:.1f} ms")


def crowd_rows(daemon):
    """Bytes that wait for each session of the crowd, the fewest first."""
    return sorted(row["queued"] for row in daemon.manager_json("session", "list") if row["path"] == "/crowd")


def fill(daemon, crowd, silent, slow):
    """Until the silent ones are as far behind as they may be, or gone."""
    for _ in range(FILLS):
        crowd.order(f"cast {FILL} {SIZE}")
        queued = crowd_rows(daemon)
        assert queued[-1] <= BACKLOG
        if len(queued) == SESSIONS - silent if slow == "close" else queued[-silent] > BACKLOG - 2 * SIZE:
            return
    raise AssertionError(f"{FILL * FILLS} messages have filled no backlog: {queued[-silent:]}")


def in_turn(daemon, crowd, silent, slow):
    """(p99 without, p99 with the silent ones), by rounds; they stay after the last one."""
    without, along = [], []
    for number in range(ROUNDS):
        if number:
            crowd.order("reset")
        without.append(crowd.order(f"cast {CASTS} {SIZE}"))
        tell("without", without[-1])
        crowd.order(f"silent {silent}")
        fill(daemon, crowd, silent, slow)
        along.append(crowd.order(f"cast {CASTS} {SIZE}"))
        tell(f"with {silent} that never read", along[-1])
    return [round["p99_us"] for round in without], [round["p99_us"] for round in along]


@pytest.mark.parametrize("slow", ["drop", "close"])
def test_who_never_reads_costs_its_bound_and_delays_nobody(start, program, slow):
    """A tenth never reads; every message reaches all others. With `drop` the silent ones stay, their backlog full to the
    bound; with `close` they are gone. proves W16"""
    silent = SESSIONS // 10
    daemon = start(config(slow))
    crowd = Crowd(program, daemon.address())
    crowd.order(f"readers {SESSIONS - silent}")
    crowd.order(f"cast {CASTS} {SIZE}")
    before = resident(daemon)
    without, along = in_turn(daemon, crowd, silent, slow)
    growth = resident(daemon) - before
    change = statistics.median(b / a for a, b in zip(without, along)) - 1
    print(f"{slow}: {SESSIONS} sessions, {silent} never read: p99 changes by {change:+.0%}; resident "
          f"{growth / 2**20:+.1f} MiB, the sum of their bounds is {silent * BACKLOG / 2**20:.1f} MiB")
    assert len(crowd_rows(daemon)) == SESSIONS - (silent if slow == "close" else 0)
    assert IS_SANITIZED or growth < silent * BACKLOG + LEEWAY
    crowd.end()


def test_reloads_close_no_session_and_lose_no_message(start, program):
    """Each session has an answer to each of its messages, while one reload follows the other. proves D2 W16"""
    sessions = SESSIONS // 2
    rate = max(sessions, 1000)  # messages a second
    daemon = start(config())
    crowd = Crowd(program, daemon.address())
    crowd.order(f"readers {sessions}")
    crowd.order(f"echo {rate}")
    for number in range(RELOADS):
        daemon.write(config(description=f"quiet {number}"))  # as in the part that counts, but for the reload
        daemon.manager_json("version")
    crowd.tell("")
    quiet = crowd.hear()
    tell(f"{sessions} sessions without a reload", quiet)
    crowd.order(f"echo {rate}")
    for number in range(RELOADS):
        daemon.write(config(description=f"round {number}"))
        done = daemon.reload()
        assert done["ok"] and done["closed_sessions"] == 0 and done["changes"]["tasks"]["changed"] == ["echo"]
    crowd.tell("")
    figures = crowd.hear()
    tell(f"{sessions} sessions during {RELOADS} reloads", figures)
    assert open_sessions(daemon) == sessions
    assert daemon.manager_json("status")["generation"] == RELOADS + 1
    crowd.end()
