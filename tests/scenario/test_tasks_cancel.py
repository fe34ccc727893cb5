"""A run is cancelled while one of its actions waits, for each action and each wait: everything is released."""
import os
import pathlib

import pytest

from client_peers import RawServer
from harness import wait_for

TASKS = """
    servers: {main: {bind: "127.0.0.1:0"}, chat: {bind: "127.0.0.1:0", max-backlog: 64KiB}}
    clients:
      silent: {url: "ws://127.0.0.1:PORT/", enabled: no, connect-timeout: 60s, handshake-timeout: 60s, auto-reconnect: off}
    tasks:
      wait:
        triggers: [{http-request: {server: main, path: /wait}}]
        actions: [{wait: 1h}]
      step-timeout:
        triggers: [{http-request: {server: main, path: /step-timeout}}]
        actions: [{wait: 1h, timeout: 1h}]
      program:
        triggers: [{http-request: {server: main, path: /program}}]
        actions: [{run-program: [sleep, "3600"]}]
      stubborn:
        triggers: [{http-request: {server: main, path: /stubborn}}]
        actions: [{run-program: [sh, -c, "sleep 3600 & trap '' TERM; while :; do sleep 0.05; done"]}]
      lines:
        triggers: [{http-request: {server: main, path: /lines}}]
        actions:
          - run-program: {command: [sh, -c, "echo one; sleep 3600"], lines: {as: line, do: [{wait: 1h}]}}
      child:
        actions: [{wait: 1h}]
      run-task:
        triggers: [{http-request: {server: main, path: /run-task}}]
        actions: [{run-task: {task: child, wait: true}}, {stop-task: child}]
      parallel:
        triggers: [{http-request: {server: main, path: /parallel}}]
        actions:
          - parallel:
              - [{wait: 1h}]
              - [{run-program: [sleep, "3600"]}]
              - [{repeat: {for-each: [1, 2]}, do: [{wait: 1h}]}]
      retry:
        triggers: [{http-request: {server: main, path: /retry}}]
        actions: [{fail: no, on-error: {retry: {attempts: 3, delay: 1h}}}]
      connect:
        triggers: [{http-request: {server: main, path: /connect}}]
        actions: [{connect-client: {client: silent, wait: true}}]
      starter:
        triggers: [{http-request: {server: main, path: "/stop/{task}"}}]
        actions: [{stop-task: "${HttpPathParam(task)}"}, {http-response: stopped}]
      bounded:
        timeout: 50ms
        triggers: [{http-request: {server: main, path: /bounded}}]
        actions: [{parallel: [[{wait: 1h}], [{run-program: [sleep, "3600"]}], [{run-task: {task: child, wait: true}}]]}]
      newest:
        mode: restart
        triggers: [{http-request: {server: main, path: "/newest/{n}"}}]
        actions:
          - if: HttpPathParam("n") == "1"
            then: [{parallel: [[{wait: 1h}], [{run-program: [sleep, "3600"]}]]}]
          - http-response: new
      opened:
        triggers: [{server-open: {server: chat, path: /sink}}]
        actions: [{log: opened}]
      reply:
        triggers: [{server-message: {server: chat, path: /sink}}]
        actions:
          - repeat: {times: 10000}
            do: [{send-message: {file: large}}]
"""


@pytest.fixture(scope="module")
def daemon(start_module):
    with RawServer() as silent:
        d = start_module({"bellwire.yaml": TASKS.replace("PORT", str(silent.port)), "large": b"x" * 60000}, workers=1)
        yield d


def children(pid):
    return [child for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def live(d, task):
    return [run["id"] for run in d.manager_json("run", "list", "--task", task) if run["state"] in ("running", "waiting")]


def cancel(d, task):
    run = wait_for(lambda: live(d, task), f"{task} waits")[0]
    d.manager("run", "cancel", run, check=0)
    wait_for(lambda: d.manager_json("run", "show", run)["state"] == "cancelled", f"{task} is cancelled")
    return run


def expect_released(d, before):
    """No run, no child, and no descriptor more than there was."""
    wait_for(lambda: not [r for r in d.manager_json("run", "list") if r["state"] in ("running", "waiting")], "no run is left")
    wait_for(lambda: not children(d.pid), "no child is left")
    wait_for(lambda: descriptors(d.pid) <= before, "no descriptor is left")


BY_REQUEST = ["wait", "step-timeout", "program", "stubborn", "lines", "run-task", "parallel", "retry", "connect"]


@pytest.mark.parametrize("task", BY_REQUEST)
def test_a_cancelled_run_releases_what_its_action_held(daemon, task):
    """Its caller gets 503 with the run's ID. proves T7 T8 S14"""
    before = descriptors(daemon.pid)
    for _ in range(1 if task == "stubborn" else 3):
        raw = daemon.raw("main").send(f"GET /{task} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        run = cancel(daemon, task)
        for child in live(daemon, "child"):  # what run-task started goes on by itself
            daemon.manager("run", "cancel", child, check=0)
        if task == "connect":  # nobody waits for it, and it is still wanted
            assert daemon.manager_json("client", "list")[0]["state"] in ("connecting", "handshake", "connected")
            daemon.manager("client", "stop", "silent", check=0)
        answer = raw.response()
        assert answer.status == 503 and answer.headers["x-bellwire-run"] == run
        raw.close()
    expect_released(daemon, before)


@pytest.mark.parametrize("task", ["wait", "program", "lines", "run-task", "parallel", "retry"])
@pytest.mark.parametrize("way", ["task stop", "stop-task"])
def test_all_runs_of_a_task_are_stopped(daemon, task, way):
    """By the manager and by another task: what each held is released. proves T8 T11"""
    before = descriptors(daemon.pid)
    raws = [daemon.raw("main").send(f"GET /{task} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()) for _ in range(2)]
    wait_for(lambda: len(live(daemon, task)) == 2, f"{task} waits twice")
    if way == "task stop":
        assert daemon.manager_json("task", "stop", task)["cancelled"] == 2
    else:
        assert daemon.http("GET", f"/stop/{task}", server="main").text == "stopped"
    assert [raw.response().status for raw in raws] == [503, 503]
    for raw in raws:
        raw.close()
    daemon.manager("task", "stop", "child", check=0)
    expect_released(daemon, before)


def test_timeouts_and_newer_runs_release_as_much(daemon):
    """The timeout of a task, and `restart`. proves T5 T9"""
    before = descriptors(daemon.pid)
    assert daemon.http("GET", "/bounded", server="main").status == 500
    daemon.manager("task", "stop", "child", check=0)
    raw = daemon.raw("main").send(b"GET /newest/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: live(daemon, "newest"), "the older one waits")
    assert daemon.http("GET", "/newest/2", server="main").text == "new"
    assert raw.response().status == 503
    raw.close()
    expect_released(daemon, before)
    assert daemon.manager_json("stats")["runs"]["memory"] == 0


def test_a_reply_that_waits_for_its_peer_is_cancelled(daemon):
    """The peer does not read; its session lives on, and what was sent arrives. proves W16"""
    before = descriptors(daemon.pid)
    peer = daemon.ws("/sink", server="chat")
    peer.send("go")
    cancel(daemon, "reply")
    peer.send_frame(9, b"there")
    frame = peer.recv_frame()
    while frame.opcode != 10:
        assert frame.payload == b"x" * 60000
        frame = peer.recv_frame()
    assert peer.close() == (1000, b"")
    expect_released(daemon, before)
