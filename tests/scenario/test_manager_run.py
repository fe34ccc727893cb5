"""`bellwire task run`: by hand with variables, and by a request that goes the whole way."""
import json

import pytest

import harness

CONFIG = """
    servers: {main: {bind: "127.0.0.1:0"}, other: {bind: "127.0.0.1:0"}}
    tasks:
      add:
        vars: {who: nobody, n: 1, list: []}
        actions:
          - log: "${who} ${n}"
          - stop: {result: {who: "${who}", n: "${n}", http: "${HttpMethod}", cause: "${StartCause}"}}
      slow: {actions: [{wait: 30s}]}
      bad:
        actions:
          - fail: not today
      greet:
        triggers: [{http-request: {path: "/hello/{name}", method: [GET, POST], server: main}}]
        actions:
          - http-response: {text: "hi ${HttpPathParam(name)} ${HttpBody}${HttpQueryParam(q)}", headers: {X-Own: "1"}}
      root:
        triggers: [{http-request: {path: "/{rest...}", server: main}}]
        actions: [{http-response: root}]
      broken:
        triggers: [{http-request: {path: /broken, server: other}}]
        actions: [{fail: oh}]
      picky:
        triggers: [{http-request: {path: /picky, server: main}}]
        conditions: ['HttpQueryParam("ok") == "1"']
        actions: [{http-response: fine}]
      early:
        triggers: [{http-request: {path: /early, server: main}}]
        actions: [{http-response: first}, {wait: 30s}]
      silent:
        triggers: [{http-request: {path: /silent, server: main}}]
        actions: [{wait: 30s}]
      single:
        mode: single
        actions: [{wait: 30s}]
"""


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(CONFIG)


def test_runs_with_declared_variables(daemon):
    """Texts by --var, values by --json, the rest as declared; Http names are empty. proves T10 T12"""
    done = daemon.manager_json("task", "run", "add", "--var", "who=me", "--json", "n=[1,2]", "--wait")
    assert (done["task"], done["status"], done["error"]) == ("add", "done", None)
    result = done["result"]
    assert (result["who"], result["n"], result["http"]) == ("me", [1, 2], "")
    cause = json.loads(result["cause"])
    assert cause["cause"] == "manual" and cause["task"] == "add" and cause["run"] == done["run"]
    assert daemon.manager_json("task", "run", "add", "--wait")["result"]["who"] == "nobody"
    daemon.log.wait("me [1,2]", task="add", run=done["run"])


def test_refuses_names_that_the_task_does_not_declare(daemon):
    """proves T10"""
    done = daemon.manager("task", "run", "add", "--var", "whom=me", check=1)
    assert 'task "add" declares no "whom"' in done.stderr
    daemon.manager("task", "run", "add", "--json", "n={", check=2)
    daemon.manager("task", "run", "add", "--var", "n", check=2)
    assert 'unknown task "ad"; did you mean "add"?' in daemon.manager("task", "run", "ad", check=1).stderr


def test_starts_without_waiting(daemon):
    """Without --wait the answer is the run's ID, and the run goes on."""
    done = daemon.manager_json("task", "run", "slow")
    assert done["status"] == "started" and done["error"] is None
    assert [row["id"] for row in daemon.manager_json("run", "list", "--task", "slow")] == [done["run"]]
    daemon.manager("task", "stop", "slow", check=0)
    harness.wait_for(lambda: daemon.manager_json("run", "show", done["run"])["state"] == "cancelled", "it has ended")


def test_exit_codes_of_a_wait(daemon):
    """0 done, 1 failed, 124 when --timeout passes; a cancelled run has failed."""
    failed = daemon.manager("-o", "json", "task", "run", "bad", "--wait", check=1)
    body = json.loads(failed.stdout)
    assert (body["status"], body["error"]) == ("failed", "not today") and body["at"].endswith("bellwire.yaml:11")
    daemon.manager("task", "run", "bad", check=0)
    late = daemon.manager("-o", "json", "task", "run", "slow", "--wait", "--timeout", "50ms", check=124)
    assert json.loads(late.stdout)["status"] == "started"
    daemon.manager("task", "run", "slow", "--timeout", "5", check=2)
    daemon.manager("task", "stop", "slow", check=0)


def test_a_gate_refuses(daemon):
    """A task that refuses the run says which gate."""
    daemon.manager("task", "run", "single", check=0)
    assert "refuses the run: mode" in daemon.manager("task", "run", "single", check=1).stderr
    daemon.manager("task", "stop", "single", check=0)


def test_a_request_goes_the_whole_way(daemon):
    """Matching, conditions, statistics and the answer are those of a real request. proves T10"""
    before = daemon.manager_json("stats")["servers"]["main"]["http"]["requests"]
    done = daemon.manager_json("task", "run", "greet", "--request", "GET /hello/bob?q=1")
    assert done["response"]["status"] == 200 and done["response"]["body"] == "hi bob 1"
    assert done["response"]["headers"]["X-Own"] == "1"
    assert done["response"]["headers"]["X-Bellwire-Run"] == done["run"]
    assert (done["task"], done["status"]) == ("greet", "done")
    assert daemon.manager_json("stats")["servers"]["main"]["http"]["requests"] == before + 1
    posted = daemon.manager_json("task", "run", "greet", "--request", "POST /hello/eve", "--body", "x=1")
    assert posted["response"]["body"] == "hi eve x=1"
    shown = daemon.manager("task", "run", "greet", "--request", "GET /hello/bob", check=0).stdout
    assert shown.startswith("200\n") and shown.endswith("hi bob ")


def test_a_request_that_starts_another_task_is_refused(daemon):
    """The error names the task that would start. proves T10"""
    done = daemon.manager("task", "run", "greet", "--request", "GET /elsewhere", check=1)
    assert '"GET /elsewhere" starts task "root", not "greet"' in done.stderr
    assert 'has no trigger "http-request"' in daemon.manager("task", "run", "add", "--request", "GET /", check=1).stderr
    assert "starts no task" in daemon.manager("task", "run", "broken", "--request", "GET /", check=1).stderr
    for wrong in ("GET", "GET hello", "get /hello/x", "GET /a b", "GET /a\r\nX: y"):
        daemon.manager("task", "run", "greet", "--request", wrong, check=1)


def test_a_request_meets_conditions_and_failures(daemon):
    refused = daemon.manager_json("task", "run", "picky", "--request", "GET /picky")
    assert refused["response"]["status"] == 403
    assert daemon.manager_json("task", "run", "picky", "--request", "GET /picky?ok=1")["response"]["body"] == "fine"
    failed = daemon.manager_json("task", "run", "broken", "--request", "GET /broken")
    assert (failed["response"]["status"], failed["status"]) == (500, "failed")
    daemon.manager("task", "run", "broken", "--request", "GET /broken", "--wait", check=1)


def test_an_answer_may_come_before_the_end(daemon):
    """The run that goes on after its answer is `started`."""
    done = daemon.manager_json("task", "run", "early", "--request", "GET /early")
    assert (done["response"]["body"], done["status"], done["error"]) == ("first", "started", None)
    daemon.manager("run", "cancel", done["run"], check=0)


def test_a_request_that_is_not_answered_in_time_ends_with_124(daemon):
    config = daemon.manager("-o", "json", "task", "run", "silent", "--request", "GET /silent", "--timeout", "100ms", check=124)
    assert json.loads(config.stdout)["status"] == "started"
    daemon.manager("task", "stop", "silent", check=0)
