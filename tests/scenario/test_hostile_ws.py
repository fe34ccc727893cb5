"""Peers that mean no good, over WebSocket."""
import os

import pytest

CONFIG = r"""
tasks:
  pattern:
    triggers: [{server-message: {path: /pattern, regex: '^(a+)+$'}}]
    actions: [{send-message: matched}]
  loose:
    triggers: [{server-message: {path: /pattern, regex: '.*.*[yz]'}}]
    actions: [{send-message: never}]
  start:
    triggers: [{server-message: /queue}]
    actions:
      - run-task: {task: slow, vars: {to: "${SessionId}", text: "${WsMessage}"}}
  slow:
    vars: {to: "", text: ""}
    mode: queued
    actions:
      - wait: 20ms
      - send-message: {to: {session: "${to}"}, text: "${text}"}
  tell:
    triggers: [{server-message: /tell}]
    actions:
      - repeat: {times: 20}
        do:
          - send-message: {to: {server: main}, text: "${('x'):rep(1000)}"}
            save: sent
"""


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(CONFIG)


def cpu_s(daemon):
    with open(f"/proc/{daemon.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_message_made_for_a_pattern_costs_the_bound_of_an_expression(daemon):
    """Ten of 64 KiB, two patterns each: seconds of one worker each, were it not bounded. proves T3 W2"""
    with daemon.ws("/pattern") as ws:
        begin = cpu_s(daemon)
        for _ in range(10):
            ws.send("a" * 65000 + "b")
        ws.send("aa")
        assert ws.recv() == "matched"
        assert cpu_s(daemon) - begin < 20 * 0.1
    daemon.log.wait("takes too long", task="pattern")


def test_runs_that_wait_for_their_turn_outlive_who_started_them(daemon):
    """Their starters end at once, and are not told of the turn. proves T8 T9"""
    with daemon.ws("/queue") as ws:
        for i in range(20):
            ws.send(str(i))
        assert [ws.recv() for _ in range(20)] == [str(i) for i in range(20)]
    assert daemon.is_running()


def test_runs_by_hand_that_wait_for_their_turn_are_told_once(daemon):
    """proves T9 T10"""
    for _ in range(10):
        assert daemon.manager("task", "run", "slow", "--var", "to=nobody").returncode == 0
    assert daemon.manager("task", "run", "slow", "--var", "to=nobody", "--wait").returncode == 1
    assert daemon.manager_json("status")["sessions"] == 0


def test_a_second_term_ends_at_once_amid_sends_between_workers(start):
    """What waits for another worker's answer is not told, and not used, any more. proves D3"""
    for _ in range(3):
        daemon = start(CONFIG, workers=3)
        peers = [daemon.ws("/tell") for _ in range(12)]
        for _ in range(20):
            for ws in peers:
                ws.send("go")
        daemon.terminate()
        daemon.log.wait("ending")
        daemon.terminate()
        assert daemon.wait_exit() == 0
        for ws in peers:
            ws.socket.close()
