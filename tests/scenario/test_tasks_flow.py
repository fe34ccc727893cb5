"""Blocks, errors, retries, tasks that start tasks, locals and expressions, as a caller sees them."""
import json
import pathlib
import re

import pytest

import harness


def answer(start, actions, path="/", more="", **options):
    """What a task of these actions answers; `{{respond}}` is not needed: actions end with an http-response."""
    d = start(f"""
tasks:
  t:
    triggers: [{{http-request: "/{{rest...}}"}}]
    vars: {{seen: ""}}
    {more}
    actions:
{actions}
""")
    return d.http("GET", path, **options)


BLOCKS = {
    "if": ('''
      - if: HttpQueryParam("n") == "1"
        then: [{set: {seen: one}}]
        else: [{set: {seen: other}}]
    ''', {"/?n=1": "one", "/?n=2": "other"}),
    "choose": ('''
      - choose:
          - when: number(HttpQueryParam("n"), 0) > 10
            do: [{set: {seen: big}}]
          - when: HttpQueryParam("n") ~= ""
            do: [{set: {seen: some}}]
        default: [{set: {seen: none}}]
    ''', {"/?n=11": "big", "/?n=3": "some", "/": "none"}),
    "switch": ('''
      - switch: ${HttpQueryParam(n)}
        cases:
          a: [{set: {seen: A}}]
          "1": [{set: {seen: One}}]
        default: [{set: {seen: D}}]
    ''', {"/?n=a": "A", "/?n=1": "One", "/?n=z": "D"}),
    "repeat times": ('''
      - repeat: {times: "${number(HttpQueryParam('n'))}"}
        do: [{set: {seen: "${seen}x"}}]
    ''', {"/?n=3": "xxx", "/?n=0": ""}),
    "repeat while": ('''
      - repeat: {while: "#seen < 4"}
        do: [{set: {seen: "${seen}x"}}]
    ''', {"/": "xxxx"}),
    "repeat until": ('''
      - repeat: {until: "#seen >= 2"}
        do: [{set: {seen: "${seen}x"}}]
    ''', {"/": "xx"}),
    "for-each, break and continue": ('''
      - repeat: {for-each: "${split(HttpQueryParam('n'), ',')}", as: item}
        do:
          - if: item == "skip"
            then: [continue]
          - if: item == "end"
            then: [break]
          - set: {seen: "${seen}${item}"}
    ''', {"/?n=a,skip,b,end,c": "ab"}),
    "parallel": ('''
      - parallel:
          - [{wait: 30ms}, {set: {a: 1}}]
          - [{wait: 10ms}, {set: {b: 2}}]
      - set: {seen: "${a + b}"}
    ''', {"/": "3"}),
    "try, catch, finally": ('''
      - try: [{set: {seen: try}}, {fail: "${HttpQueryParam(n)}"}, {set: {seen: never}}]
        catch: [{set: {seen: "${seen} catch ${LastErrorDescription}"}}]
        finally: [{set: {seen: "${seen} finally"}}]
    ''', {"/?n=why": "try catch why finally"}),
    "nested at will": ('''
      - repeat: {times: 2}
        do:
          - try:
              - parallel:
                  - [{repeat: {times: 2}, do: [{set: {seen: "${seen}p"}}]}]
                  - [{if: "true", then: [{fail: x}]}]
            catch: [{set: {seen: "${seen}c${LastErrorStep}"}}]
    ''', {"/": None}),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(start, name):
    """Each block, with each of its ways. proves T4"""
    actions, cases = BLOCKS[name]
    body = "\n".join(line for line in actions.splitlines() if line.strip())
    d = start("tasks:\n  t:\n    triggers: [{http-request: \"/\"}]\n    vars: {seen: \"\"}\n    actions:\n" + body +
              "\n      - http-response: \"${seen}\"\n")
    for path, expected in cases.items():
        got = d.http("GET", path)
        assert got.status == 200
        if expected is None:
            assert got.text.count("c1/do/1/try/1/2/1/then/1") == 2 or re.fullmatch(r"(p*c\S+){2}", got.text)
        else:
            assert got.text == expected


def test_rounds_are_bounded(start):
    """A loop without end meets `max` and is a step error, by default after 10,000 rounds. proves T4"""
    got = answer(start, '''
      - repeat: {while: "true"}
        max: 50
        do: [{set: {seen: "${seen}x"}}]
        on-error: continue
      - http-response: "${#seen} ${LastErrorDescription}"
''')
    assert got.text.startswith("50 ") and "50" in got.text[3:]


def test_nesting_is_bounded_at_load(start):
    """33 blocks inside each other are a load error. proves T4"""
    text = "      - if: \"true\"\n        then:\n"
    body = "".join("".join("  " * 2 * depth + line + "\n" for line in text.splitlines()) for depth in range(33))
    body += "  " * 2 * 33 + "      - stop\n"
    done = start.check("tasks:\n  t:\n    actions:\n" + body)
    assert done.returncode == 78 and "32" in done.stdout


def test_on_error_of_steps_and_tasks(start):
    """fail, continue, retry with delays; of the task as the default of its steps; run-task with the LastError names. proves T5 M6"""
    d = start("""
        tasks:
          fails:
            triggers: [{http-request: /fails}]
            actions: [{fail: {message: "no luck", code: 7}}, {http-response: never}]
          goes-on:
            triggers: [{http-request: /goes-on}]
            actions:
              - fail: {message: "no luck", code: 7}
                on-error: continue
              - http-response: "${StepResult} ${IsError} ${LastErrorTask} ${LastErrorStep} ${LastErrorCode} ${LastErrorDescription}"
          default:
            triggers: [{http-request: /default}]
            on-error: continue
            actions: [{fail: x}, {http-response: "${StepResult}"}]
          tries:
            triggers: [{http-request: /tries}]
            vars: {n: 0}
            actions:
              - repeat: {times: 1}
                do:
                  - set: {n: "${n + 1}"}
                  - if: n < 3
                    then: [{fail: again}]
                on-error: {retry: {attempts: 5, delay: 10ms}}
              - http-response: "${n}"
          gives-up:
            triggers: [{http-request: /gives-up}]
            actions:
              - fail: again
                on-error: {retry: {attempts: 3, delay: 50ms}}
          handled:
            triggers: [{http-request: /handled}]
            on-error: {run-task: handler}
            actions: [{log: one}, {fail: {message: boom, code: 3}}]
          handler:
            actions:
              - log: "handler ${LastErrorTask} ${LastErrorStep} ${LastErrorCode} ${LastErrorDescription} ${IsError} ${StartCause}"
    """)
    failed = d.http("GET", "/fails")
    assert failed.status == 500 and failed.headers["x-bellwire-run"] in failed.text and "no luck" not in failed.text
    assert d.http("GET", "/goes-on").text == "1 true goes-on 1 7 no luck"
    assert d.http("GET", "/default").text == "1"
    assert d.http("GET", "/tries").text == "3"
    assert d.http("GET", "/gives-up").status == 500
    run = d.http("GET", "/handled").headers["x-bellwire-run"]
    entry = d.log.wait("handler handled 2 3 boom true")
    cause = json.loads(entry["message"][entry["message"].index("{"):])
    assert cause["cause"] == "task" and cause["parent"] == run
    assert d.log.wait("run failed", task="fails")["error"] == "no luck"


def test_timeouts(start):
    """`timeout` of a step and of a task. proves T5"""
    d = start("""
        tasks:
          step:
            triggers: [{http-request: /step}]
            actions:
              - wait: 60s
                timeout: 20ms
                on-error: continue
              - http-response: "${LastErrorDescription}"
          task:
            timeout: 20ms
            triggers: [{http-request: /task}]
            actions: [{wait: 60s}]
    """)
    assert d.http("GET", "/step").text == "no end within 20ms"
    assert d.http("GET", "/task").status == 500
    assert "no end within 20ms" in d.manager_json("run", "list", "--task", "task")[0]["error"]


def test_locals_are_the_runs_own(start):
    """Runs that overlap do not mix. proves T6"""
    d = start("""
        tasks:
          t:
            triggers: [{http-request: "/{n}"}]
            vars: {mine: "${HttpPathParam(n)}"}
            actions: [{wait: 30ms}, {set: {more: "${mine}!"}}, {wait: 10ms}, {http-response: "${mine} ${more}"}]
    """, workers=2)
    raws = [d.raw() for _ in range(20)]
    for number, raw in enumerate(raws):
        raw.send(f"GET /{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert [raw.response().body.decode() for raw in raws] == [f"{n} {n}!" for n in range(20)]


def test_run_task_and_stop_task(start):
    """`vars`, `wait`, `save`, results; `stop-task`; a task that starts itself ends in an error. proves T8 T12"""
    d = start("""
        tasks:
          double:
            vars: {n: 0}
            actions: [{stop: {result: "${n * 2}"}}]
          caller:
            triggers: [{http-request: /call}]
            actions:
              - run-task: {task: double, vars: {n: 21}, wait: true}
                save: done
              - http-response: "${done.status} ${done.result}"
          long:
            actions: [{wait: 60s}]
          stopper:
            triggers: [{http-request: /stop}]
            actions: [{run-task: long}, {run-task: long}, {stop-task: long}, {http-response: stopped}]
          itself:
            triggers: [{http-request: /itself}]
            actions: [{run-task: itself}]
          deep:
            triggers: [{http-request: /deep}]
            actions: [{run-task: {task: deep, wait: true}}]
    """)
    assert d.http("GET", "/call").text == "done 42"
    assert d.http("GET", "/stop").text == "stopped"
    harness.wait_for(lambda: d.manager_json("task", "show", "long")["active_runs"] == 0, "both have ended")
    d.http("GET", "/itself")
    d.log.wait("run failed", task="itself", where=lambda entry: "32 deep" in entry["error"])
    assert d.http("GET", "/deep").status == 500
    done = d.manager_json("task", "run", "double", "--json", "n=4", "--wait")
    assert done["result"] == 8


def test_peer_text_is_never_expanded(start):
    """A value that looks like a template comes back literally; `$${` is a literal. proves T2"""
    got = answer(start, '''
      - http-response: "$${x} ${HttpQueryParam(x)} ${10/2} ${9007199254740993}"
''', "/?x=${HttpHeader(authorization)}", headers={"Authorization": "hush"})
    assert got.text == "${x} ${HttpHeader(authorization)} 5 9007199254740993"


@pytest.mark.parametrize("expression, said", [
    ("HttpMehtod", 'did you mean "HttpMethod"?'), ("a && b", "and"), ("a != b", "~="), ("HttpQueryParam(n) == 1", 'HttpQueryParam("n")'),
    ("!IsError", "not"), ("HttpMethod == 1", "")])
def test_slips_in_expressions_are_told(start, expression, said):
    """Load errors that print the Lua form and the nearest name. proves T2 T17"""
    done = start.check("tasks:\n  t:\n    actions:\n      - log: x\n        when: '%s'\n" % expression)
    assert ("error" if said else "warning") in done.stdout and said in done.stdout
    assert "bellwire.yaml:6" in done.stdout or "bellwire.yaml:5" in done.stdout


def test_runaway_expressions_are_step_errors(start):
    """Time and memory of one expression are bounded, and the next run is fine. proves T3"""
    for expression in ("(function() while true do end end)()", "string.rep('x', 1 << 40)"):
        got = answer(start, f'''
      - set: {{a: "${{{expression}}}"}}
        on-error: continue
      - http-response: "${{StepResult}}"
''')
        assert got.text == "1"


def test_start_cause_tells_who(start):
    """manual, trigger, task. proves T12 T10"""
    d = start("""
        tasks:
          t:
            triggers: [{http-request: /t}]
            actions: [{log: "cause ${StartCause} [${HttpMethod}]"}]
          p:
            triggers: [{http-request: /p}]
            actions: [{run-task: {task: t, wait: true}}]
    """)
    def cause(act):
        mark = d.log.mark()
        act()
        text = d.log.wait("cause", since=mark)["message"][6:]
        return json.loads(text[:text.rindex("[")]), text[text.rindex("["):]
    by_hand, method = cause(lambda: d.manager("task", "run", "t", check=0))
    assert by_hand["cause"] == "manual" and by_hand["parent"] is None and method == "[]"
    by_request, method = cause(lambda: d.http("GET", "/t"))
    assert (by_request["cause"], by_request["trigger"], by_request["server"], method) == ("trigger", "http-request", "main", "[GET]")
    by_task, method = cause(lambda: d.http("GET", "/p"))
    assert by_task["cause"] == "task" and by_task["parent"] and method == "[]"


def test_an_answer_without_a_request_is_a_step_error(start):
    """`http-response` in a run by hand fails that step, and the daemon goes on. proves S13 M6 M7"""
    d = start("""
        tasks:
          t:
            vars: {what: x}
            actions:
              - http-response: "${what}"
                on-error: continue
              - log: "result ${StepResult}"
              - "${what}": 1
    """.replace('              - "${what}": 1\n', ""))
    d.manager("task", "run", "t", "--wait", check=0)
    d.log.wait("result 1")
    assert d.manager_json("status")["tasks"] == 1


def resident(daemon):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{daemon.pid}/status").read_text())[1]) * 1024


def cpu_ticks(daemon):
    fields = pathlib.Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_thousands_of_runs_wait_for_nothing(start):
    """5,000 runs that wait at once cost no CPU and less than 4 KiB each. proves M8"""
    d = start("""
        tasks:
          starter:
            triggers: [{http-request: /start}]
            actions:
              - repeat: {times: 5000}
                do: [{run-task: sleeper}]
              - http-response: ok
          warm:
            triggers: [{http-request: /warm}]
            actions: [{wait: 1ms}, {http-response: ok}]
          sleeper:
            actions: [{wait: 60s}]
    """, workers=1)
    d.http("GET", "/warm")
    before = resident(d)
    assert d.http("GET", "/start").text == "ok"
    assert d.manager_json("task", "show", "sleeper")["active_runs"] == 5000
    if "/" not in str(harness.BUILD.relative_to(harness.ROOT)):  # sanitizers take memory and time of their own
        assert (resident(d) - before) / 5000 < 4096
        ticks = cpu_ticks(d)
        import select
        select.select([], [], [], 0.5)  # the measured time, no waiting for anything
        assert cpu_ticks(d) - ticks <= 1
    assert d.http("GET", "/warm").text == "ok"
    assert d.manager_json("task", "stop", "sleeper")["cancelled"] == 5000
