"""What breaks under the daemon: its database locked, read-only, full, damaged, gone; the clock set; itself killed at any moment.

KILL_ROUNDS says how often it is killed (20). proves D5 D6 D8
"""
import http.client
import json
import os
import pathlib
import random
import shutil
import socket
import sqlite3
import subprocess
import threading

import pytest

import harness

ROUNDS = int(os.environ.get("KILL_ROUNDS", "20"))
CONFIG = """
workers: 1
tasks:
  page:
    triggers: [{http-request: /page}]
    actions: [{http-response: "${global.n}"}]
  keep:
    triggers: [{http-request: "/keep/{n}"}]
    actions:
      - set: {global.n: "${HttpPathParam(n)}"}
      - http-response: kept
"""


class Control(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("control", timeout=harness.DEADLINE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None):
        """(status, what it says)"""
        self.request(method, path, body=None if body is None else json.dumps(body))
        answer = self.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def add(daemon, name):
    control = Control(daemon.socket)
    try:
        return control.ask("PUT", f"/v1/servers/{name}", {"bind": "127.0.0.1:0", "enabled": False})
    finally:
        control.close()


def names(daemon):
    return {server["id"] for server in daemon.manager_json("server", "list")}


def degraded(daemon):
    return daemon.manager_json("status")["degraded"]


def assert_whole(database):
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def assert_serves_degraded(daemon):
    """Requests, globals and the manager's look go on; an edit is refused and leaves nothing behind."""
    status, said = add(daemon, "refused")
    assert status == 503 and said["error"]["message"], (status, said)
    assert daemon.http("GET", "/keep/7").text == "kept"
    assert daemon.http("GET", "/page").text == "7"
    assert names(daemon) == {"main"}
    harness.wait_for(lambda: degraded(daemon), "the daemon says that it is degraded")


def assert_recovers(daemon):
    harness.wait_for(lambda: add(daemon, "later")[0] < 300, "an edit is taken again")
    harness.wait_for(lambda: not degraded(daemon), "the daemon says that it is well")
    daemon.stop()
    daemon.restart()
    assert names(daemon) == {"main", "later"}
    assert daemon.http("GET", "/page").text == "7"


def test_a_locked_database_delays_nobody_but_edits(start):
    daemon = start(CONFIG)
    holder = sqlite3.connect(daemon.state / "bellwire.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert_serves_degraded(daemon)
    holder.execute("ROLLBACK")
    holder.close()
    assert_recovers(daemon)


@pytest.fixture
def disk():
    """A file system of its own, of one MiB."""
    folder = pathlib.Path("/tmp") / f"bellwire-disk-{os.getpid()}"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False)
    if done.returncode:
        folder.rmdir()
        pytest.skip("a file system cannot be mounted here: " + done.stderr.decode().strip())
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


def start_on(start, disk):
    daemon = start._new(CONFIG, (), 1, {})
    start._daemons.append(daemon)
    daemon.state = disk / "state"
    daemon.args[daemon.args.index("--state") + 1] = str(daemon.state)
    return daemon.start()


def test_a_full_disk_refuses_edits_and_nothing_else(start, disk):
    daemon = start_on(start, disk)
    with open(disk / "filler", "wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass
    number = 0
    while add(daemon, f"fits{number}")[0] < 300:  # what the log of the database had allocated already
        number += 1
        assert number < 2000
    assert daemon.http("GET", "/keep/7").text == "kept"
    assert daemon.http("GET", "/page").text == "7"
    harness.wait_for(lambda: degraded(daemon), "the daemon says that it is degraded")
    before = names(daemon)
    (disk / "filler").unlink()
    harness.wait_for(lambda: add(daemon, "later")[0] < 300, "an edit is taken again")
    harness.wait_for(lambda: not degraded(daemon), "the daemon says that it is well")
    daemon.stop()
    assert_whole(daemon.state / "bellwire.db")
    daemon.restart()
    assert names(daemon) == before | {"later"}


@pytest.mark.parametrize("damage", [b"this is no database at all", b"", None])
def test_a_damaged_database_stops_the_start_and_is_left_alone(start, damage):
    daemon = start(CONFIG)
    for number in range(30):
        assert add(daemon, f"s{number}")[0] < 300
    daemon.stop()
    database = daemon.state / "bellwire.db"
    whole = database.read_bytes()
    if damage is None:
        damage = whole[:4096] + bytes(4096) + whole[8192:]
    if damage == b"":  # an empty file is a new database to SQLite, and to us
        database.write_bytes(damage)
        daemon.restart()
        assert names(daemon) == {"main"}
        return
    database.write_bytes(damage)
    daemon.launch()
    assert daemon.wait_exit() == 1
    assert "bellwire.db" in daemon.log.text
    assert database.read_bytes() == damage


def test_a_database_that_is_removed_refuses_edits_and_nothing_else(start):
    """Who deletes it under a running daemon loses what it held; no edit is acknowledged that would be lost."""
    daemon = start(CONFIG)
    for file in daemon.state.glob("bellwire.db*"):
        file.unlink()
    assert_serves_degraded(daemon)
    daemon.log.wait("removed or replaced")
    daemon.stop()
    daemon.restart()
    assert names(daemon) == {"main"}
    assert not degraded(daemon)


class Asker(threading.Thread):
    """Asks until the daemon is gone; `refused` is an answer that should not have come."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.control, self.refused, self.answers = Control(daemon.socket), None, 0

    def ask(self, *request):
        status, said = self.control.ask(*request)
        self.answers += 1
        if status >= 300 or said.get("ok") is False:
            self.refused = status, said
            raise ConnectionError


class Editor(Asker):
    """Adds and removes servers. `wanted` is what was acknowledged; `doubtful` what was not."""

    def __init__(self, daemon, prefix, wanted):
        super().__init__(daemon)
        self.prefix = prefix
        self.wanted, self.doubtful = set(wanted), None

    def run(self):
        number = 0
        try:
            while True:
                number += 1
                name = f"{self.prefix}-{number}"
                victim = random.choice(sorted(self.wanted)) if self.wanted and number % 3 == 0 else None
                self.doubtful = victim or name
                method, body = ("DELETE", None) if victim else ("PUT", {"bind": "127.0.0.1:0", "enabled": False})
                self.ask(method, f"/v1/servers/{self.doubtful}", body)
                (self.wanted.discard if victim else self.wanted.add)(self.doubtful)
                self.doubtful = None
        except (OSError, http.client.HTTPException):
            self.control.close()


class Reloader(Asker):
    """Reloads files that declare a client in each second round."""

    def __init__(self, daemon):
        super().__init__(daemon)
        self.file = daemon.folder / "tasks" / "more.yaml"
        self.file.parent.mkdir(exist_ok=True)

    def run(self):
        try:
            while True:
                aside = self.file.with_suffix(".new")
                filed = '{filed: {url: "ws://127.0.0.1:1/", enabled: false}}' if self.answers % 2 == 0 else "{}"
                aside.write_text(f"clients: {filed}\n")
                aside.rename(self.file)
                self.ask("POST", "/v1/reload")
        except (OSError, http.client.HTTPException):
            self.control.close()


def test_a_daemon_that_is_killed_loses_no_acknowledged_edit(start):
    """At any moment, while two edit and a third reloads."""
    daemon, known, edits, reloads = start(CONFIG), [set(), set()], 0, 0
    for round_ in range(ROUNDS):
        editors = [Editor(daemon, f"r{round_}e{which}", known[which]) for which in range(2)]
        askers = [*editors, Reloader(daemon)]
        for asker in askers:
            asker.start()
        if round_ % 2:  # else at the very beginning, where machines are slow
            harness.wait_for(lambda: all(asker.answers for asker in askers), "each has had an answer")
        threading.Event().wait(random.uniform(0.005, 0.15))
        daemon.kill9()
        for asker in askers:
            asker.join(harness.DEADLINE)
            assert asker.refused is None
        edits, reloads = edits + sum(editor.answers for editor in editors), reloads + askers[-1].answers
        copy = pathlib.Path(str(daemon.state) + "-copy")
        shutil.copytree(daemon.state, copy, ignore=shutil.ignore_patterns("*.sock"))
        assert_whole(copy / "bellwire.db")
        shutil.rmtree(copy)
        daemon.restart()
        there = names(daemon) - {"main"}
        doubtful = {editor.doubtful for editor in editors} - {None}
        wanted = set().union(*(editor.wanted for editor in editors))
        assert wanted - doubtful <= there, "an acknowledged edit is lost"
        assert there - doubtful <= wanted, "a removed server is back"
        known = [{name for name in there if f"e{which}-" in name} for which in range(2)]
    print(f"killed {ROUNDS} times amid {edits} edits and {reloads} reloads, {len(there)} servers left")


# ---- the clock

CLOCK = """
workers: 1
tasks:
  now:
    triggers: [{http-request: /now}]
    actions: [{http-response: "${time.now()}"}]
  rare:
    at-most: {runs: 1, per: 1h}
    triggers: [{http-request: /rare}]
    actions: [{http-response: done}]
  soon:
    triggers: [{http-request: /soon}]
    actions: [{wait: 100ms}, {http-response: done}]
  beat:
    triggers: [{every: 50ms}]
    actions: [{log: beat}]
  waits:
    triggers: [{http-request: {path: /waits, respond: 200}}]
    actions: [{log: waiting}, {wait: 1s}, {log: waited}]
  keep:
    triggers: [{http-request: "/keep/{n}"}]
    actions: [{set: {global.n: "${HttpPathParam(n)}"}}]
"""
DAY = 24 * 3600


@pytest.fixture
def steps(tmp_path):
    """What makes a clock that can be set: a library to preload, and the function that sets it."""
    library, offset = tmp_path / "clock_step.so", tmp_path / "offset"
    source = pathlib.Path(__file__).with_name("clock_step.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    offset.write_text("0")

    def step(seconds):
        (tmp_path / "next").write_text(str(seconds))
        (tmp_path / "next").rename(offset)
    return {"LD_PRELOAD": str(library), "CLOCK_STEP": str(offset)}, step


def assert_beats(daemon):
    mark = daemon.log.mark()
    daemon.log.wait("beat", count=3, since=mark)


@pytest.mark.skipif(str(harness.BUILD).endswith(("address", "thread")), reason="a sanitizer must be the first library")
@pytest.mark.parametrize("seconds", [-400 * DAY, 400 * DAY])
def test_a_clock_that_is_set_moves_what_is_shown_and_nothing_else(start, steps, seconds):
    """Waits, beats, rates, time-outs and what is kept do not notice. proves T6 T9 T15 M8"""
    env, step = steps
    daemon = start(CLOCK, env=env, workers=1)
    before = float(daemon.http("GET", "/now").text)
    assert_beats(daemon)
    assert daemon.http("GET", "/rare").status == 200
    assert daemon.http("GET", "/waits").status == 200
    daemon.log.wait("waiting")
    with daemon.raw() as raw:
        raw.send(b"GET /now HTTP/1.1\r\nHost: localhost\r\n")
        step(seconds)
        raw.send(b"\r\n")
        answer = raw.response()
    assert answer.status == 200 and abs(float(answer.body) - before - seconds) < 600
    assert daemon.http("GET", "/soon").text == "done"
    assert daemon.http("GET", "/rare").status == 429
    assert_beats(daemon)
    daemon.log.wait("waited")
    assert daemon.http("GET", "/keep/7").status == 204
    harness.wait_for(lambda: kept(daemon) == "7", "what is set now is written")
    assert add(daemon, "later")[0] < 300
    daemon.stop()
    step(0)
    daemon.restart()
    assert daemon.manager_json("var", "get", "n")["value"] == "7"
    assert daemon.http("GET", "/rare").status == 200


def kept(daemon):
    connection = sqlite3.connect(f"file:{daemon.state / 'bellwire.db'}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT value FROM globals WHERE name = 'n'").fetchone()
        return row and json.loads(row[0])
    finally:
        connection.close()


# ---- a database that may not be written


@pytest.fixture
def freeze():
    """Makes files immutable, also for who has them open; undone at the end."""
    frozen = []

    def freeze_(*files):
        done = subprocess.run(["chattr", "+i", *files], capture_output=True, text=True, check=False)
        frozen.extend(files)
        if done.returncode:
            pytest.skip("files cannot be made immutable here: " + done.stderr.strip())

    def thaw():
        while frozen:
            subprocess.run(["chattr", "-i", frozen.pop()], capture_output=True, check=False)
    yield freeze_, thaw
    thaw()


def test_a_read_only_database_refuses_edits_and_nothing_else(start, freeze):
    """The index of its log (-shm) is memory that SQLite shares with readers; it stays writable. proves D8"""
    daemon = start(CONFIG)
    freeze[0](daemon.state / "bellwire.db", daemon.state / "bellwire.db-wal")
    assert_serves_degraded(daemon)
    freeze[1]()
    assert_recovers(daemon)


# ---- a loop that is kept busy


BUSY = """
workers: 2
expression-time: 50ms
tasks:
  page:
    triggers: [{http-request: /page}]
    actions: [{http-response: here}]
  busy:
    triggers: [{server-message: /busy}]
    actions:
      - set: {a: "${(function() while true do end end)()}"}
        on-error: continue
      - send-message: "${LastErrorDescription}"
"""


def test_an_expression_that_runs_on_keeps_a_worker_for_its_bound_and_no_longer(start):
    """Many at once: each ends as a step error, and in between others of the same worker are served. proves T3"""
    daemon = start(BUSY, workers=2)
    peers = [daemon.ws("/busy") for _ in range(2)]
    for peer in peers:
        for _ in range(3):
            peer.send("go")
    for _ in range(4):
        assert daemon.http("GET", "/page").text == "here"
    for peer in peers:
        for _ in range(3):
            assert "expression-time" in peer.recv()
        peer.close()
    limit = next(row for row in daemon.manager_json("limits") if row["key"] == "expression-time")
    assert limit["refused"] == 6
