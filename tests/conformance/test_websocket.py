"""RFC 6455 and RFC 7692, case by case, with the real daemon as server and as client.

The numbers are those of the sections 1 to 7, 9, 10, 12 and 13 of the test suite of the Autobahn project; the cases
and the code that plays them are our own (cases.py). CONFORMANCE_MESSAGES says how many messages go to and fro where the list
asks for 1,000. proves W1 W13 W14 C4 C6
"""
import os
import select
import socket

import pytest

import cases
import harness
import report
import wire

MESSAGES = int(os.environ.get("CONFORMANCE_MESSAGES", "3"))
ALL = cases.load()
BOUNDS = "max-message: 17MiB, max-backlog: 17MiB, compression: "
AGAIN = "handshake-timeout: 60s, auto-reconnect: {min: 1ms, max: 1ms}"
CONFIG = """
max-run-memory: 64MiB
servers:
  plain: {bind: "127.0.0.1:0", %(bounds)s true}
  keeping: {bind: "127.0.0.1:0", %(bounds)s {context-takeover: true}}
clients:
  none: {url: "ws://127.0.0.1:%(none)d/", %(bounds)s false, %(again)s}
  plain: {url: "ws://127.0.0.1:%(plain)d/", %(bounds)s true, %(again)s}
  keeping: {url: "ws://127.0.0.1:%(keeping)d/", %(bounds)s {context-takeover: true}, %(again)s}
tasks:
  echo:
    triggers:
      - {server-message: {server: plain}}
      - {server-message: {server: keeping}}
      - {client-message: none}
      - {client-message: plain}
      - {client-message: keeping}
    actions:
      - send-message: {binary: "${WsMessage}", is-binary: "${WsIsBinary}"}
"""
ROLES = ["server", "client"]
verdicts = {}


class Rig:
    """The daemon, and listeners for its clients."""

    def __init__(self, start):
        self.listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in ("none", "plain", "keeping")}
        ports = {name: listener.getsockname()[1] for name, listener in self.listeners.items()}
        self.daemon = start(CONFIG % {"bounds": BOUNDS, "again": AGAIN, **ports})

    def connect(self, role, name, case):
        if role == "server":
            address = self.daemon.address("plain" if name == "none" else name)
            end = wire.End(socket.create_connection(address, harness.DEADLINE), is_client=True)
            end.ask("127.0.0.1", "/", case.offers)
            return end
        end = wire.End(self.accept(name), is_client=False)
        end.answer(case.answer)
        return end

    def accept(self, name):
        """The connection of the client `name` that is alive; one that waited for too long is not."""
        self.listeners[name].settimeout(harness.DEADLINE)
        while True:
            connection, _ = self.listeners[name].accept()
            connection.settimeout(harness.DEADLINE)
            connection.recv(1, socket.MSG_PEEK)
            poll = select.poll()
            poll.register(connection, select.POLLRDHUP)
            if not poll.poll(0):
                return connection
            connection.close()

    def close(self):
        for listener in self.listeners.values():
            listener.close()


@pytest.fixture(scope="module")
def rig(start_module):
    rig = Rig(start_module)
    yield rig
    rig.close()


def ways(case):
    """Without compression; or with it, windows thrown away after each message, and kept."""
    return ["plain", "keeping"] if case.message else ["none"]


@pytest.mark.parametrize("case", ALL, ids=[case.id for case in ALL])
@pytest.mark.parametrize("role", ROLES)
def test_case(rig, role, case):
    verdicts[role, case.id] = "FAILED"
    for way in ways(case):
        end = rig.connect(role, way, case)
        try:
            end.play(case, MESSAGES)
        finally:
            end.socket.close()
    verdicts[role, case.id] = "passes"


@pytest.mark.parametrize("role, offers, answer", [
    ("server", ["permessage-deflate; server_max_window_bits=8"], None),
    ("server", ["permessage-deflate; server_max_window_bits=16"], None),
    ("server", ["permessage-deflate; server_max_window_bits=8", "permessage-deflate"], ""),
    ("client", None, "; client_max_window_bits=8"),
])
def test_a_window_of_8_bits(rig, role, offers, answer):
    """zlib cannot make it: our server declines such an offer, our client agrees and sends uncompressed."""
    case = cases.Case("8", "", [["text", "x" * 500]], [["text", "x" * 500]], "clean", 0, False, offers, answer, None)
    end = rig.connect(role, "plain", case)
    assert (end.deflate is not None) == (answer is not None)
    end.play(case, 1)
    end.socket.close()


def test_every_case_of_the_list_is_here():
    """The counts are those of the list."""
    counts = {}
    for case in ALL:
        counts[cases.section(case)] = counts.get(cases.section(case), 0) + 1
    assert counts == {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1,
                      "12": 90, "13": 126}


def test_the_report_is_up_to_date():
    if len(verdicts) < len(ALL) * len(ROLES):
        pytest.skip("only some of the cases were run")
    lines = ["# WebSocket conformance", "",
             "Written by `tests/conformance/report.py` from a run; `make test` fails where it is out of date. Every case is",
             "played with `bellwired` as the server and as the client; those of sections 12 and 13 each with windows that",
             "are kept from message to message and with windows that are not. The numbers are those of the Autobahn test",
             "suite's list; the cases and the code are our own.", ""]
    passed = sum(verdict == "passes" for verdict in verdicts.values())
    lines += [f"{len(ALL)} cases, {len(ROLES)} roles: {passed} of {len(verdicts)} pass."]
    for section, title in cases.SUITE.items():
        lines += ["", f"## {section}. {title}", ""] + report.table(
            ["case", "what is sent", *ROLES],
            [(case.id, case.about, *(verdicts[role, case.id] for role in ROLES))
             for case in ALL if cases.section(case) == section])
    report.check("report.md", lines)
