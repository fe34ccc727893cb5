"""What one event costs on its whole way through a task, without noise: calls of the heap, and instructions.

On the direct path (bare variables) an echoed message, a greeting with a path and a query parameter, and a message to a room
reach the heap not once in steady state, and take no lock. Instructions are those of the daemon itself, one event in flight, and have a bound that
a change of a few functions does not pass, but a forgotten copy, clock or look-up does.
"""
import os
import pathlib
import re
import struct
import subprocess

import pytest

import harness
from callgrind import NEEDED, Counted

SOURCE = pathlib.Path(__file__).with_name("counted_calls.c")
IS_PLAIN = not str(harness.BUILD).endswith(("address", "thread"))
pytestmark = pytest.mark.skipif(not IS_PLAIN, reason="a sanitizer has a heap and instructions of its own")

WARM_UP, EVENTS, ROUNDS = 1200, 300, 5  # the first 1,000 runs fill the list of the latest ones
MOST_INSTRUCTIONS = {"echo": 4200, "greeting": 8200}
CONFIG = """
    workers: 1
    tasks:
      echo:
        triggers: [{server-message: /echo}]
        actions:
          - send-message: {binary: "${WsMessage}", is-binary: "${WsIsBinary}"}
      greeting:
        triggers: [{http-request: "/hello/{name}"}]
        actions:
          - http-response: "Hello ${HttpPathParam(name)}, have a ${HttpQueryParam(day)} day"
      enter:
        triggers: [{server-open: /room}]
        actions: [{join-room: all}]
      cast:
        triggers: [{server-message: /room}]
        actions:
          - send-message: {text: "${WsMessage}", to: {room: all}}
"""


def echo_on(daemon):
    peer = daemon.ws("/echo")

    def once(number):
        peer.send(f"message {number:08}")
        assert peer.recv() == f"message {number:08}"
    return once


def greeting_on(daemon):
    peer = daemon.raw()

    def once(number):
        peer.send(f"GET /hello/n{number:08}?day=fine HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n".encode())
        head = peer.recv_until(b"\r\n\r\n").decode()
        assert head.startswith("HTTP/1.1 200 ")
        size = int(re.search(r"content-length: (\d+)", head, re.I)[1])
        assert peer.recv_exact(size) == f"Hello n{number:08}, have a fine day".encode()
    return once


def cast_on(daemon):
    peer, other = daemon.ws("/room"), daemon.ws("/room")

    def once(number):
        peer.send(f"message {number:08}")
        assert peer.recv() == other.recv() == f"message {number:08}"
    return once


def calls(tmp_path):
    """(environment for the daemon, function that reads the counts: of the heap, of locks, of bytes that were moved)"""
    shim, counter = tmp_path / "calls.so", tmp_path / "count"
    counter.write_bytes(bytes(24))
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", shim, SOURCE, "-ldl"], check=True)
    return ({"LD_PRELOAD": str(shim), "COUNTED_CALLS": str(counter)},
            lambda: struct.unpack("=QQQ", counter.read_bytes()))


@pytest.mark.parametrize("event_on, allowed", [(echo_on, 0), (greeting_on, 0), (cast_on, 1)])
def test_the_direct_path_does_not_reach_the_heap(start, tmp_path, event_on, allowed):
    """An echo and a greeting get no memory from the heap once they have run; a message to a room its one frame.

    Other threads may get some in a round, now and then; not in each of several."""
    env, count = calls(tmp_path)
    daemon = start(CONFIG, workers=1, env=env)
    at_start = count()[0]
    once = event_on(daemon)
    for number in range(WARM_UP):
        once(number)
    assert count()[0] > at_start, "a new connection needs memory: does the count work?"
    rounds = []
    for _ in range(ROUNDS):
        before = count()[0]
        for number in range(EVENTS):
            once(number)
        rounds.append(count()[0] - before)
    assert min(rounds) <= allowed * EVENTS, f"calls of the heap by {EVENTS} events, in {ROUNDS} rounds: {rounds}"


@pytest.mark.parametrize("event_on", [echo_on, greeting_on, cast_on])
def test_an_event_takes_no_lock(start, tmp_path, event_on):
    """Two workers share no lock on the way of an event, also where it goes from one of them to the other.

    Other threads may take one in a round, now and then; not in each of several."""
    env, count = calls(tmp_path)
    daemon = start(CONFIG, workers=2, env=env)
    assert count()[1] > 0, "the start takes locks: does the count work?"
    several = [event_on(daemon) for _ in range(1 if event_on is cast_on else 4)]  # on either worker
    rounds = []
    for _ in range(ROUNDS):
        before = count()[1]
        for number in range(EVENTS):
            several[number % len(several)](number)
        rounds.append(count()[1] - before)
    assert min(rounds) == 0, f"locks taken by {EVENTS} events, in {ROUNDS} rounds: {rounds}"


def test_lines_of_a_program_stay_where_they_were_read(start, tmp_path):
    """What a program writes is moved once a read, if at all, and not once more for each of its lines. proves T15"""
    env, count = calls(tmp_path)
    daemon = start({"bellwire.yaml": """
        tasks:
          lines:
            triggers: [{http-request: /lines}]
            vars: {n: 0, last: none}
            actions:
              - run-program: {command: [cat, lines], lines: {as: line, do: [{set: {n: "${n + 1}", last: "${line}"}}]}}
              - http-response: "${n} ${last}"
        """, "lines": "a\n" * 32767 + "b\n"}, workers=1, env=env)
    assert count()[2] > 0, "the start moves some: does the count work?"
    before = count()[2]
    assert daemon.http("GET", "/lines").text == "32768 b"
    assert count()[2] - before <= 4 * 65536


@NEEDED
@pytest.mark.parametrize("name, event_on, workers", [("echo", echo_on, 1), ("greeting", greeting_on, 1), ("echo", echo_on, 2)])
def test_an_event_takes_few_instructions(start, tmp_path, name, event_on, workers):
    """The instructions of one event, from the socket to the answer, stay below a bound; the same one with two workers."""
    counted = Counted(start, tmp_path, CONFIG, workers)
    once = event_on(counted.daemon)

    def events(times):
        for number in range(times):
            once(number)
        return counted.instructions()
    events(EVENTS)
    each = (events(3 * EVENTS) - events(EVENTS)) / (2 * EVENTS)
    print(f"{name}: {each:.0f} instructions")
    assert each <= MOST_INSTRUCTIONS[name], f"{each:.0f} instructions for each {name}"
