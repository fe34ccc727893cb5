"""The bounds of the main file and of tasks, passed by one: rows of bounds.json, as in test_bounds.py. proves T3 T7 T9 D3 W16"""
import json
import os
import threading
import time

import pytest

import harness
import test_bounds

ROWS = [row for row in test_bounds.ALL if row["of"] in ("main", "task")]
CONFIG = """
workers: 1
shutdown-timeout: 100ms
KEY: VALUE
servers: {main: {bind: "127.0.0.1:0"}}
tasks:
  after:
    triggers: [{http-request: /after}]
    actions: [{http-response: done}]
  program:
    triggers: [{http-request: "/program/{n}"}]
    actions: [{run-program: [cat, "${HttpPathParam(n)}"]}]
  output:
    triggers: [{http-request: "/output/{n}"}]
    actions:
      - run-program: {command: [head, -c, "${HttpPathParam(n)}", /dev/zero], max-output: 1000}
        save: r
      - http-response: "${r.truncated} ${#r.stdout}"
  local:
    triggers: [{http-request: "/local/{n}"}]
    actions: [{set: {a: "${('x'):rep(number(HttpPathParam('n')))}"}}]
  global:
    triggers: [{http-request: "/global/{n}"}]
    actions: [{set: {global.a: "${('x'):rep(number(HttpPathParam('n')))}"}}]
  holds:
    triggers: [{http-request: {path: /holds, respond: 200}}]
    actions: [{set: {a: "${('x'):rep(700000)}"}}, {log: holding}, {wait: 1h}]
  kept:
    triggers: [{http-request: {path: /kept, method: POST, respond: 200}}, {server-message: /kept}]
    actions: [{wait: 1h}]
  json:
    triggers: [{http-request: {path: /json, method: POST, respond: 200}}]
    actions: [{log: "${HttpJson(0)}"}, {wait: 1h}]
  many:
    mode: {max: 2}
    triggers: [{http-request: {path: /many, respond: 200}}]
    actions: [{log: holding}, {wait: 1h}]
  keys:
    mode: {type: single, key: "${HttpPathParam(k)}", max: 3}
    triggers: [{http-request: {path: "/keys/{k}", respond: 200}}]
    actions: [{wait: 1h}]
  queues:
    mode: {type: queued, key: "${HttpPathParam(k)}", max: 3}
    triggers: [{http-request: {path: "/queues/{k}", respond: 200}}]
    actions: [{wait: 1h}]
  lasts:
    at-most: {runs: 1, per: 1h, then: last, key: "${HttpPathParam(k)}"}
    mode: {type: queued, key: all, max: 3}
    triggers: [{http-request: {path: "/lasts/{k}", respond: 200}}]
    actions: []
  expression:
    triggers: [{http-request: /expression}]
    actions:
      - set: {a: "${EXPRESSION}"}
        on-error: continue
      - if: StepResult == 0
        then: [{http-response: "${a}"}]
        else: [{http-response: "${StepResult}"}]
  regex:
    triggers: [{server-message: {path: /regex, regex: "^(a|aa)+$"}}]
    actions: [{send-message: matched}]
  other:
    triggers: [{server-message: {path: /regex, starts-with: other}}]
    actions: [{send-message: no match}]
  long:
    triggers: [{http-request: {path: /long, respond: 200}}]
    actions:
      - try: [{log: begun}, {wait: 1h}]
        finally: [{log: ending}, {wait: 9s}]
"""


def in_threads(count, do):
    answers = [None] * count

    def run(number):
        answers[number] = do(number)
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads, answers


def programs(daemon, row):
    """All of them run in the end, those beyond the bound when a place is free."""
    pipes = [daemon.folder / f"pipe{number}" for number in range(row["count"])]
    for pipe in pipes:
        os.mkfifo(pipe)
    threads, answers = in_threads(len(pipes), lambda number: daemon.http("GET", f"/program/pipe{number}").status)
    harness.wait_for(lambda: daemon.manager_json("stats")["runs"]["active"] == len(pipes), "all runs have begun")
    if row.get("refused", 1):
        harness.wait_for(lambda: test_bounds.refused(daemon, row) == 1, "one waits")
    assert daemon.http("GET", "/after").status == 200
    writers = [threading.Thread(target=lambda p=pipe: open(p, "wb").close(), daemon=True) for pipe in pipes]
    for thread in writers + threads:
        if thread in writers:
            thread.start()
        else:
            thread.join(harness.DEADLINE)
    assert set(answers) == {204}
    return daemon.http("GET", "/after").status


def output(daemon, row):
    cut, size = daemon.http("GET", f"/output/{row['size']}").text.split()
    assert int(size) == min(row["size"], 1000)
    return "cut" if cut == "true" else "whole"


def largest(daemon, path, bound):
    """The largest value that is taken; one byte more is refused, and it is taken again after that."""
    taken, past = 0, 2 * bound
    while past - taken > 1:
        middle = (taken + past) // 2
        if daemon.http("GET", f"{path}/{middle}").status == 204:
            taken = middle
        else:
            past = middle
    before = daemon.manager_json("limits")
    assert daemon.http("GET", f"{path}/{past}").status == 500
    assert daemon.http("GET", f"{path}/{taken}").status == 204
    assert daemon.manager_json("limits") != before
    return taken


def exact(daemon, path, row):
    bound = test_bounds.limit_of(daemon, row)["value"]
    found = largest(daemon, path, bound)
    return "exact" if bound - 256 <= found <= bound else found


def largest_local(daemon, row):
    return exact(daemon, "/local", row)


def largest_global(daemon, row):
    return exact(daemon, "/global", row)


def hold(daemon, path, count):
    """Runs that wait for an hour, begun one after the other; the status of the last one."""
    for number in range(count):
        status = daemon.http("GET", path).status
        if status == 200:
            daemon.log.wait("holding", count=number + 1)
    return status


def waiting_runs(daemon, row):
    status = hold(daemon, "/holds", row["count"])
    daemon.manager("task", "stop", "holds", check=0)
    harness.wait_for(lambda: daemon.manager_json("stats")["runs"]["active"] == 0, "their memory is given back")
    return status


def let_go(daemon, task="kept"):
    daemon.manager("task", "stop", task, check=0)
    harness.wait_for(lambda: daemon.manager_json("stats")["runs"]["memory"] == 0, "what the runs kept is given back")


def waiting_bodies(daemon, row):
    """Each run has been answered, and keeps its request."""
    for _ in range(row["count"]):
        status = daemon.http("POST", "/kept", body=b"x" * 600_000).status
    let_go(daemon)
    return status


def waiting_json(daemon, row):
    """What was decoded is kept too, and larger than its text."""
    for _ in range(row["count"]):
        status = daemon.http("POST", "/json", body=b"[" + b"[]," * 250_000 + b"0]").status
    let_go(daemon, "json")
    return status


def waiting_messages(daemon, row):
    """How many of them are kept."""
    peer = daemon.ws("/kept")
    for _ in range(row["count"]):
        peer.send("x" * 600_000)

    def runs():
        return daemon.manager_json("stats")["runs"]
    harness.wait_for(lambda: runs()["waiting"] + runs()["refused"]["memory"] == row["count"], "all have come")
    waiting = runs()["waiting"]
    let_go(daemon)
    peer.close()
    return waiting


def waiting_at_once(daemon, row):
    status = hold(daemon, "/many", row["count"])
    daemon.manager("task", "stop", "many", check=0)
    harness.wait_for(lambda: daemon.http("GET", "/many").status == 200, "there is a place again")
    return status


def wait_by_key(daemon, task, keys):
    """Runs that wait, of the keys that a peer names; the status of the last one. They end, and there is a place again."""
    for key in keys:
        status = daemon.http("GET", f"/{task}/{key}").status
    daemon.manager("task", "stop", task, check=0)
    harness.wait_for(lambda: daemon.manager_json("stats")["runs"]["waiting"] == 0, "none of them waits")
    assert daemon.http("GET", f"/{task}/again").status == 200
    return status


def waiting_keys(daemon, row):
    return wait_by_key(daemon, "keys", range(row["count"]))


def waiting_in_queues(daemon, row):
    return wait_by_key(daemon, "queues", "0010"[:row["count"]])


def waiting_as_last(daemon, row):
    """The first of each key begins at once."""
    return wait_by_key(daemon, "lasts", "0011223"[:2 * row["count"]])


def expression(daemon, row):
    return daemon.http("GET", "/expression").text


def slow_regex(daemon, row):
    """The message is no match, others are; the log tells of it once a second, `limits` counts all."""
    begun, peer = time.monotonic(), daemon.ws("/regex")
    for _ in range(20):
        peer.send("a" * 5000 + "b")
    peer.send("other")
    answer = peer.recv()
    daemon.log.wait("takes too long on a message")
    told = len(daemon.log.find("takes too long on a message"))
    assert 1 <= told <= 1 + time.monotonic() - begun
    assert test_bounds.refused(daemon, row) == 20
    peer.close()
    return answer


def long_run(daemon, row):
    assert daemon.http("GET", "/long").status == 200
    daemon.log.wait("begun")
    daemon.terminate()
    daemon.log.wait("ending")
    harness.wait_for(lambda: test_bounds.refused(daemon, row) == 1, "it is counted while the run cleans up")
    return "cancelled" if daemon.log.find("it did not end within shutdown-timeout") else "going on"


@pytest.mark.parametrize("row", ROWS, ids=map(test_bounds.name, ROWS))
def test_bound(start, row):
    config = CONFIG.replace("EXPRESSION", json.dumps(row.get("text", "1"))[1:-1])
    set_here = row["of"] == "main" and row["key"] != "max-output"
    if row["key"] == "shutdown-timeout":
        config = config.replace("shutdown-timeout: 100ms\n", "")
    config = config.replace("KEY: VALUE\n", f"{row['key']}: {row['value']}\n" if set_here else "")
    row = {**row, "of": row["of"].replace("task", "task:" + row.get("task", "many"))}
    daemon = start(config, workers=1)
    assert globals()[row["scenario"]](daemon, row) == row["answer"]
    test_bounds.assert_counted(daemon, row)
    assert not set_here or ":" in test_bounds.limit_of(daemon, row)["set_at"]
    if row["scenario"] == "long_run":
        daemon.terminate()
        assert daemon.wait_exit() == 0
    else:
        assert daemon.http("GET", "/after").status == 200


def test_a_step_lists_the_bound_that_it_sets(start):
    """proves T7"""
    daemon = start(CONFIG.replace("KEY: VALUE\n", "").replace("EXPRESSION", "1"), workers=1)
    rows = [row for row in daemon.manager_json("limits") if row["key"] == "max-output"]
    assert [(row["of"], row["value"]) for row in rows] == [("main", 1 << 20), ("task:output", 1000)]
    assert ":" in rows[1]["set_at"]
