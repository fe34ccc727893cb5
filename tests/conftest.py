"""Fixtures of the scenario tests: the real daemon, the real manager, and peers that know nothing of them.

    def test_greets(start):
        '''A name in the path comes back. proves S6 S7'''
        d = start('''
            tasks:
              hello:
                triggers: [{http-request: "/hello/{name}"}]
                actions: [{http-response: "hi ${HttpPathParam(name)}"}]
        ''')
        assert d.http("GET", "/hello/bob").text == "hi bob"

A test proves rows of requirements.md by naming them in its docstring (or a comment): `proves S6 S7`.
No test sleeps: it waits for a condition, with a deadline (harness.DEADLINE, generous, since sanitizers are slow).
BUILD in the environment says which build is tested (default `build`).

Fixtures
  start(files, *args, workers=2, env={}, launcher=[]) -> Daemon        `launcher` is a command that ends in executing the daemon
        Writes `files` into a folder of its own and starts bellwired there. `files` is the text of bellwire.yaml
        (dedented), or a dict of path to text or bytes ("bellwire.yaml", "tasks/a.yaml", "page.html"). Where
        bellwire.yaml declares no `servers:`, one server `main` on 127.0.0.1:0 is added. `args` go to the daemon.
        Returns once the daemon has logged `ready`. At the end of the test every daemon is stopped by TERM and must
        exit with 0; a sanitizer's report of any process fails the test, whatever it tested.
  start_module(...)                                the same for a daemon that all tests of a file share
  start.fails(files, *args) -> CompletedProcess    a start that is expected to end by itself (.returncode, .stdout holds both streams)
  start.unstarted(files, *args) -> Daemon          for .launch() and .wait_exit(): one that is not expected to serve
  start.check(files, *args) -> CompletedProcess    `bellwired --check -c FOLDER *args`
  start.folder(files) -> pathlib.Path              only writes the files

Daemon (harness.Daemon)
  .folder .state .socket .pid        configuration folder, state folder, control socket, process id
  .port(server=None, index=-1)       the port of a server (default: `main`, or the only one), by its `listening` log line;
  .address(server=None, index=-1)    (host, port); index counts this server's `listening` lines, the newest by default
  .url(path="/", server=None, scheme="http")
  .http(method, path, body=None, headers={}, server=None) -> Response(.status .headers .body .text .json())
  .raw(server=None) -> RawSocket     .send(b) .recv_until(b) .recv_exact(n) .recv_all() .response() .shut() .close()
  .ws(path="/", headers=(), subprotocols=(), server=None, check=True) -> RawWebSocket
        .send(str|bytes) .send_frame(opcode, payload, fin=True, rsv=0, mask=True) .send_raw(b)
        .recv() -> str|bytes (whole message; answers pings)  .recv_frame() -> Frame|None  .close(code=1000, reason="") -> (code, reason)
        .expect_close() -> (code, reason), b"" and None where the frame was empty or missing   .status .headers (of the handshake)
  .peer(path="/", headers={}, **options) -> Peer     the same through python3-websockets, an independent implementation
        .send(m) .recv() .close(code, reason) .wait_closed() .close_code .close_reason .subprotocol
  .manager(*args, input=None, check=None) -> CompletedProcess   `bellwire --control SOCKET ...`; check=0 asserts the exit code
  .manager_json(*args)               the same with `-o json`: exit code 0 is asserted, the parsed value is returned
  .write(files)                      changes files of the configuration (same rules as start)
  .reload()                          `bellwire reload -o json`, parsed, whatever its exit code (.reload_code)
  .hangup() .terminate() .signal(n)  send a signal and return at once
  .stop()                            TERM, wait, asserts exit code 0 and no sanitizer report
  .kill9()                           KILL, wait
  .restart()                         starts again on the same folders (after stop or kill9)
  .wait_exit() -> exit code
  .log                               Log: .entries (list of dicts), .text, and
        .wait(message=None, where=None, count=1, since=0, **members) -> dict
              waits for the entry number `count` after index `since` whose `message` contains the text, whose members equal those given
              (task="t", server="main", level="error") and for which where(entry) holds; fails with the whole log after the deadline
        .find(...) -> list, without waiting; .mark() -> index for `since`

harness.wait_for(condition, what) waits until condition() is truthy and returns its value.
"""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "scenario"))
import harness  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, "report_" + report.when, report)


def _has_failed(node):
    report = getattr(node, "report_call", None)
    return report is not None and report.failed


@pytest.fixture
def start(request):
    """Starts daemons for one test."""
    starter = harness.Starter()
    yield starter
    starter.finish(has_failed=_has_failed(request.node))


@pytest.fixture(scope="module")
def start_module():
    """Starts daemons that all tests of one file share."""
    starter = harness.Starter()
    yield starter
    starter.finish(has_failed=False)
