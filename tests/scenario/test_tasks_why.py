"""What `why` tells of events, and the runs that ended."""
import base64
import ctypes
import json
import os
import pty
import re
import subprocess
import termios
import time

import harness

FILES = """
    tasks:
      big:
        triggers: [{http-request: {path: "/n/{n}", method: GET}}]
        conditions:
          - number(HttpPathParam("n")) > 10
          - 'global.open == true and HttpHeader("x-api-key") ~= "k"'
        actions: [{http-response: ok}]
      single:
        triggers: [{http-request: /single}]
        mode: single
        actions: [{wait: 60s}]
      queue:
        triggers: [{http-request: "/queue/{key}"}]
        mode: {type: queued, max-waiting: 0, key: "${HttpPathParam(key)}"}
        actions: [{wait: 60s}]
      rare:
        triggers: [{http-request: /rare}]
        at-most: {runs: 1, per: 1h}
        actions: [{http-response: ok}]
      off:
        enabled: false
        triggers: [{http-request: /off}]
        actions: []
      guarded:
        triggers: [{http-request: {path: /guarded, auth: {bearer: {file: tokens}}}}]
        actions: []
      hello:
        triggers: [{server-message: {path: /chat, starts-with: hello}}]
        actions: [{send-message: hi}]
      any:
        triggers: [{server-message: {path: /chat}}]
        actions: [{send-message: any}]
"""


def why(daemon, *task):
    """The newest event with its tasks by ID."""
    newest = daemon.manager_json("why", *task)[0]
    return newest["event"], {row["task"]: row for row in newest["tasks"]}


def test_why_tells_the_first_gate_and_what_it_saw(start):
    """Each gate: path, method, match key, auth, condition, at-most, mode, disabled. proves T16"""
    d = start({"bellwire.yaml": FILES, "tokens": "secret\n"}, workers=1)  # so that "the newest" is exact

    def reason(path, task, method="GET", **options):
        d.http(method, path, **options)
        event, tasks = why(d, task)
        assert (event["kind"], event["server"], event["path"], event["method"]) == ("http-request", "main", path, method)
        assert not tasks[task]["fired"] and tasks[task]["at"].split(":")[0].endswith("bellwire.yaml")
        return tasks[task]["reason"]

    assert reason("/n/7", "big") == 'condition: number(HttpPathParam("n")) > 10 does not hold; HttpPathParam("n") is "7"'
    told = reason("/n/77", "big", headers={"X-Api-Key": "hush"})
    assert told.startswith("condition: global.open == true") and 'global.open is ""' in told and "hush" not in told
    assert reason("/n/7", "big", method="POST") == "method: POST"
    assert reason("/nothing", "big") == "path: /nothing is not /n/{n}"
    assert reason("/off", "off") == "disabled"
    assert reason("/guarded", "guarded").startswith("auth")
    d.http("GET", "/rare")
    assert why(d)[1]["rare"] == {"task": "rare", "fired": True, "reason": None, "at": None}
    assert reason("/rare", "rare") == "at_most: 1 per 1h"
    for path, task, said in (("/single", "single", "mode: single, one is running"),
                             ("/queue/a", "queue", 'mode: queued, 0 waiting, key "a"')):
        raw = d.raw()
        raw.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        harness.wait_for(lambda task=task: d.manager_json("task", "show", task)["runs"], "the first one runs")
        assert reason(path, task) == said
        d.manager("task", "stop", task, check=0)


def crypt_of(password):
    crypt = ctypes.CDLL("libcrypt.so.1").crypt  # newer Pythons have no module for it
    crypt.restype = ctypes.c_char_p
    return crypt(password.encode(), b"$6$rounds=1000$saltsalt").decode()


def test_why_tells_what_credentials_were_shown(start):
    """Also those that are refused later: a password by the pool, a signature by the body; never the secret. proves T16"""
    d = start({"bellwire.yaml": """
        secrets: {hook: {file: secret}}
        tasks:
          token:
            triggers: [{http-request: {path: /token, auth: {bearer: {file: tokens}, query: {name: t, file: tokens}}}}]
            actions: []
          password:
            triggers: [{http-request: {path: /password, auth: {basic: {file: users}}}}]
            actions: []
          hook:
            triggers: [{http-request: {path: /hook, auth: {hmac: {header: x-sign, prefix: "v=", secret: hook, timestamp: x-time}}}}]
            actions: []
          chat:
            triggers: [{server-upgrade: {path: /chat, auth: {bearer: {file: tokens}}}}, {server-message: /chat}]
            actions: []
        """, "tokens": "hush-token label\n", "secret": "hush-key", "users": "bob:" + crypt_of("hush-password") + "\n"}, workers=1)

    def reason(path, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        assert d.http("POST", path, body="hush-body", headers=headers).status == 401
        told = d.manager("-o", "json", "why", check=0).stdout
        assert "hush" not in told
        (task,) = json.loads(told)[0]["tasks"]
        assert not task["fired"] and task["at"].split(":")[0].endswith("bellwire.yaml")
        return task["reason"]

    def basic(text):
        return "Basic " + base64.b64encode(text.encode()).decode()

    ways = '; accepted is a bearer token or the query parameter "t"'
    assert reason("/token") == "auth: no credentials" + ways
    assert reason("/token", authorization="Bearer hush") == "auth: a bearer token that is not listed" + ways
    assert reason("/token", authorization=basic("a:hush")) == "auth: an Authorization header of another kind" + ways
    assert reason("/token?t=hush") == "auth: a token that is not listed in the query" + ways
    assert reason("/password", authorization=basic("bob:hush")) == 'auth: a wrong password of user "bob"; accepted is a basic user'
    assert reason("/password", authorization=basic("hush:x")) == "auth: a user that is not listed; accepted is a basic user"
    now = str(int(time.time()))
    assert reason("/hook") == "auth: header x-sign is missing"
    assert reason("/hook", x_sign="hush") == 'auth: header x-sign does not begin with "v="'
    assert reason("/hook", x_sign="v=hush") == "auth: header x-time is missing"
    assert reason("/hook", x_sign="v=hush", x_time="1000").startswith("auth: the time in header x-time is ")
    assert reason("/hook", x_sign="v=hush", x_time=now) == "auth: header x-sign holds no signature of this kind"
    assert reason("/hook", x_sign="v=" + "0" * 64, x_time=now) == "auth: the signature in header x-sign is not that of the request"
    assert d.ws("/chat", headers=[("Authorization", "Bearer hush")], check=False).status == 401
    event, tasks = why(d)
    assert event["kind"] == "server-upgrade" and tasks["chat"]["reason"].startswith("auth: a bearer token that is not listed")


def test_why_reads_well_on_a_narrow_terminal(start):
    """An event, its tasks, the gate of each, what it saw, and where it is declared. proves T16"""
    d = start({"bellwire.yaml": FILES, "tokens": "secret\n"}, workers=1)
    d.http("GET", "/n/7")
    event, task, *values, at = d.manager("why", "big", check=0).stdout.splitlines()
    assert re.fullmatch(r"\d+s ago: http-request on main, GET /n/7", event)
    assert task == "  big did not run: condition"
    assert " ".join(value.strip() for value in values) == 'number(HttpPathParam("n")) > 10 does not hold; HttpPathParam("n") is "7"'
    assert at.startswith("    ") and re.search(r"bellwire\.yaml:\d+$", at)
    narrow, inside = pty.openpty()
    termios.tcsetwinsize(inside, (24, 40))
    subprocess.run([str(harness.BUILD / "bellwire"), "--control", str(d.socket), "why", "big"], stdout=inside, check=True)
    os.close(inside)
    lines = os.read(narrow, 65536).decode().splitlines()
    os.close(narrow)
    assert max(map(len, lines[2:-1])) <= 40 and len(lines) >= 5
    d.http("GET", "/rare")
    assert "  rare ran\n" in d.manager("why", "rare", check=0).stdout


def test_why_tells_of_each_task_of_a_message(start):
    """All tasks that a message came to, in order, with the beginning of the message. proves T16"""
    d = start({"bellwire.yaml": FILES, "tokens": "secret\n"}, workers=1)
    ws = d.ws("/chat")
    ws.send("good morning")
    assert ws.recv() == "any"
    event, tasks = why(d)
    assert (event["kind"], event["path"], event["message"]) == ("server-message", "/chat", "good morning")
    assert tasks["hello"]["reason"] == "match: starts-with" and tasks["any"]["fired"]
    assert d.ws("/nowhere", check=False).status == 404
    event, tasks = why(d)
    assert event["kind"] == "server-upgrade" and tasks["any"]["reason"] == "path: /nowhere is not /chat"
    assert 'unknown task "helo"' in d.manager("why", "helo", check=1).stderr
    assert "server-upgrade" in d.manager("why", check=0).stdout


def test_why_remembers_a_bounded_number_of_events(start):
    """The newest first, on all workers together. proves T16"""
    d = start({"bellwire.yaml": FILES, "tokens": "secret\n"}, workers=2)
    raw = d.raw()
    for number in range(600):
        raw.send(f"GET /n/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        raw.response()
    events = d.manager_json("why")
    assert len(events) == 256 and events[0]["event"]["path"] == "/n/599"
    times = [event["at"] for event in events]
    assert times == sorted(times, reverse=True)


def test_runs_that_ended_are_listed(start):
    """The last 1,000 of all workers, the newest first; failed ones with their place. proves T16"""
    d = start("""
        tasks:
          t:
            triggers: [{http-request: "/{n}"}]
            actions:
              - if: HttpPathParam("n") == "bad"
                then:
                  - log: before
                  - fail: it broke
          long:
            actions: [{wait: 60s}]
    """, workers=2)
    raw = d.raw()
    for number in range(1100):
        raw.send(f"GET /{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        raw.response()
    failed_run = d.http("GET", "/bad").headers["x-bellwire-run"]
    live = d.manager_json("task", "run", "long")["run"]
    runs = d.manager_json("run", "list")
    assert runs[0]["id"] == live and runs[0]["state"] == "waiting" and runs[0]["ended"] is None
    assert len(runs) == 1001 and failed_run in {run["id"] for run in runs}
    assert sorted({run["state"] for run in runs[1:]}) == ["done", "failed"]
    failed = d.manager_json("run", "list", "--failed")
    assert [run["id"] for run in failed] == [failed_run]
    assert (failed[0]["error"], failed[0]["step"], failed[0]["trigger"]) == ("it broke", "1/then/2", "http-request")
    assert failed[0]["at"].endswith("bellwire.yaml:9") and failed[0]["ended"] >= failed[0]["started"]
    assert d.manager_json("run", "show", failed_run) == failed[0]
    assert [run["id"] for run in d.manager_json("run", "list", "--task", "long")] == [live]
    d.manager("run", "cancel", live, check=0)
    assert d.manager_json("run", "show", live)["state"] == "cancelled"
    d.manager("run", "cancel", live, check=1)
    assert json.loads(d.manager("-o", "json", "run", "list", "--task", "none", check=0).stdout) == []


def test_a_note_of_an_older_generation_outlives_it(start):
    """A waiting event of the configuration before is refused after a reload; `why` tells where, also when that one is gone.
    proves T17"""
    files = """
        tasks:
          held:
            triggers: [{http-request: "/held/{n}"}]
            mode: {type: queued, max-waiting: 1, overflow: drop-oldest, on-refused: instead}
            actions: [{log: "holding ${HttpPathParam(n)}"}, {wait: 1h}, {http-response: done}]
          instead:
            conditions: ["%s == 2"]
            actions: [{http-response: refused}]
    """
    daemon = start(files % 1, workers=1)
    holding, waiting, last = daemon.raw(), daemon.raw(), daemon.raw()
    holding.send(b"GET /held/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    daemon.log.wait("holding 1")
    waiting.send(b"GET /held/2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    harness.wait_for(lambda: daemon.manager_json("stats")["runs"]["waiting"] == 2, "one waits in its step, one for its turn")
    daemon.write(files % 3)
    assert daemon.reload()["ok"]
    last.send(b"GET /held/3 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    waiting.recv_until(b"\r\n\r\n")
    assert daemon.manager("why", "instead", check=0).stdout
    holding.close()
    daemon.manager("task", "stop", "held", check=0)
    harness.wait_for(lambda: daemon.manager_json("stats")["runs"]["active"] == 0, "the older generation is gone")
    assert daemon.manager("why", "instead", check=0).stdout
    for peer in (waiting, last):
        peer.close()
