"""What storms leave behind: memory goes back, descriptors too."""
import os
import socket

import pytest

import harness

CONFIG = """
tasks:
  note:
    triggers: [{http-request: {path: /note, method: POST}}]
    actions: [{log: "${HttpBody}"}]
"""


def resident_kib(daemon):
    with open(f"/proc/{daemon.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.skipif(harness.BUILD.name in ("address", "thread"), reason="a sanitizer's heap gives nothing back")
def test_memory_of_a_storm_goes_back_in_a_lull(start):
    """Readers of the log that never read cost a bounded amount each, and nothing once they are gone. proves D9"""
    daemon = start(CONFIG)
    before = resident_kib(daemon)
    descriptors = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    readers = []
    for _ in range(100):
        reader = socket.socket(socket.AF_UNIX)
        reader.connect(str(daemon.socket))
        reader.sendall(b"GET /v1/log?follow=true HTTP/1.1\r\nHost: x\r\n\r\n")
        readers.append(reader)
    for _ in range(250):
        daemon.http("POST", "/note", body=b"x" * 20000)
    assert resident_kib(daemon) > before + 10000
    for reader in readers:
        reader.close()
    harness.wait_for(lambda: resident_kib(daemon) < before + 6000, "the memory goes back")
    harness.wait_for(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= descriptors + 2, "the descriptors go back")
