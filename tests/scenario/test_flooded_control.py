"""What the daemon is told is done while peers fill the mailboxes of its workers."""
import os
import select
import threading

import harness
import peers

KEYED = """
    run-memory: 4GiB
    tasks:
      keyed:
        triggers: [{server-message: /keyed}]
        mode: {type: single, key: "${WsMessage}", max: 1000000}
        actions: [{set: {x: 1}}]
        vars: {x: 0}
"""
LATE = """
      late:
        triggers: [{http-request: /late}]
        actions:
          - run-program: [cat, FIFO]
          - set: {global.late: kept}
"""


class Flood:
    """Sessions that send messages without end, each of a key of its own; half of the keys live at the other worker."""

    def __init__(self, daemon, path, sessions=8):
        self._stop = threading.Event()
        self._peers = [daemon.ws(path) for _ in range(sessions)]
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self):
        for peer in self._peers:
            peer.socket.setblocking(False)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        for peer in self._peers:
            peer.socket.close()

    def _send(self):
        frames = b"".join(peers.encode_frame(peers.TEXT, b"%08d" % number) for number in range(18000))
        at = {peer.socket: 0 for peer in self._peers}
        while at and not self._stop.is_set():
            for sock in select.select([], list(at), [], 0.1)[1]:
                try:
                    at[sock] = (at[sock] + sock.send(frames[at[sock]:at[sock] + 131072])) % len(frames)
                except BlockingIOError:
                    pass
                except OSError:  # the daemon has closed it
                    del at[sock]


def wait_until_full(daemon):
    """An ask that a mailbox does not take refuses the run. Where the workers keep up, many runs have to do."""
    enough = 5000 if harness.BUILD.name in ("address", "thread") else 300000

    def is_full():
        runs = daemon.manager_json("stats")["runs"]
        return runs["refused"]["memory"] > 0 or runs["started"] >= enough

    harness.wait_for(is_full, "a full mailbox")


def test_a_reload_amid_a_flood_of_keyed_runs(start):
    """Every order gets through, and the daemon goes on serving. proves D2"""
    d = start(KEYED)
    with Flood(d, "/keyed"):
        wait_until_full(d)
        for generation in (2, 3):
            assert d.reload()["generation"] == generation
            assert d.reload_code == 0
    assert d.manager_json("stats")["runs"]["started"] > 0


def test_term_amid_a_flood_of_keyed_runs(start, tmp_path):
    """It drains: a run that ends late is waited for, and what it set last is stored. proves D3 T6"""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    d = start(KEYED + LATE.replace("FIFO", str(fifo)))
    raw = d.raw().send(b"GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def open_for_writing():
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            return None

    end = harness.wait_for(open_for_writing, "the program to run")
    with Flood(d, "/keyed"):
        wait_until_full(d)
        d.terminate()
        d.log.wait("ending")
        os.close(end)
        assert d.wait_exit(harness.DEADLINE * 3) == 0
    raw.close()
    assert d.log.find("ended")
    d.restart()
    assert d.manager_json("var", "get", "late")["value"] == "kept"
