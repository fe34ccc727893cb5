"""Requests that two parsers could read in two ways (RFC 9110, 9112), and what must stay possible beside them.

http.json: one case a line. `send` goes out in one piece and, on another connection, byte by byte; `answers` are the statuses that come
back; `runs` how many requests a task saw (one listens on every path). The connection is closed behind the last
answer, unless the case `stays`; nothing behind a refused request is ever answered. proves S10
"""
import json
import pathlib

import pytest

import report

CASES = json.loads(pathlib.Path(__file__).with_name("http.json").read_text())
ROUNDS = ("whole", "byte by byte")
SLOW = 2000  # bytes from where cases are cut into larger pieces
CONFIG = """
workers: 1
tasks:
  seen:
    triggers: [{http-request: {path: "/{any...}"}}]
    actions:
      - log: "SEEN ${HttpMethod} ${HttpPath}"
      - http-response: "body ${HttpBody}"
"""
verdicts = {}


def name(case):
    return f"{case['group']}: {case['about']}"


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(CONFIG)


def statuses(raw, count):
    """Of the answers on one connection."""
    found = []
    try:
        while len(found) < count:
            found.append(raw.response().status)
    except (EOFError, ConnectionResetError):
        pass
    return found


def runs_between(daemon, mark, count):
    """Log lines of the task; a request behind them tells that all are here."""
    daemon.http("GET", f"/last/{count}")
    daemon.log.wait(f"SEEN GET /last/{count}", since=mark)
    return [entry["message"] for entry in daemon.log.find("SEEN ", since=mark)][:-1]


@pytest.mark.parametrize("how", ROUNDS)
@pytest.mark.parametrize("case", CASES, ids=map(name, CASES))
def test_case(daemon, case, how):
    verdicts[name(case), how] = "FAILED"
    mark, data = daemon.log.mark(), case["send"].encode("latin-1")
    with daemon.raw() as raw:
        try:
            raw.send_split(data, len(data) if how == "whole" else 1 if len(data) < SLOW else 97)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused already
        assert statuses(raw, len(case["answers"])) == case["answers"]
        if case.get("stays"):
            raw.send(b"GET /again HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert raw.response().status == 200
        else:
            assert raw.recv_all() == b"", "something is said behind the refusal"
    runs = runs_between(daemon, mark, len(verdicts))
    assert len(runs) == case["runs"] + bool(case.get("stays")), runs
    assert not any("smuggled" in run for run in runs)
    verdicts[name(case), how] = "passes"


def test_no_case_stands_twice():
    assert len({name(case) for case in CASES}) == len(CASES)


def test_the_report_is_up_to_date():
    if len(verdicts) < len(CASES) * len(ROUNDS):
        pytest.skip("only some of the cases were run")
    lines = ["# HTTP conformance", "",
             "Written by `tests/conformance/report.py` from a run; `make test` fails where it is out of date. A refused request",
             "is answered with its status, the connection is closed, and no task sees it; `answered` ones must stay possible.",
             "Each case goes out in one piece and byte by byte.", ""]
    passed = sum(verdict == "passes" for verdict in verdicts.values())
    lines += [f"{len(CASES)} cases, {len(ROUNDS)} ways: {passed} of {len(verdicts)} pass."]
    for group in dict.fromkeys(case["group"] for case in CASES):
        lines += ["", f"## {group}", ""] + report.table(
            ["case", "expected", *ROUNDS],
            [(case["about"], "answered" if case.get("stays") else case["answers"][-1],
              *(verdicts[name(case), how] for how in ROUNDS)) for case in CASES if case["group"] == group])
    report.check("report-http.md", lines)
