"""What tasks may cost and tell: CPU of an expression, secrets, answers of runs that end otherwise, files of forms."""
import json
import pathlib
import signal
import threading

import pytest

import harness

BOUND_S = 0.1  # CPU of one expression, at most
TURNS = 10
TICK_S = 0.01  # what /proc counts in
SECRET = "hunter2-of-the-vault"


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


RUNAWAY = {
    "a loop": "(function() while true do end end)()",
    "one library call": "string.rep('ab', 7000000):upper():lower():reverse():upper():lower():reverse()",
    "one large copy": "string.rep('x', 1 << 40)",
    "many copies": "(function() local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end end)()",
    "a regex": "regex.match(string.rep('a', 5000) .. 'b', '^(a|aa)+$')",
}


@pytest.mark.parametrize("case", RUNAWAY)
def test_a_runaway_expression_costs_its_bound(start, case):
    """Over ten of them, less than 100 ms of CPU each; the other worker answers. proves T3"""
    d = start(f"""
        tasks:
          runaway:
            triggers: [{{http-request: /runaway}}]
            actions:
              - set: {{a: "${{{RUNAWAY[case]}}}"}}
                on-error: continue
              - http-response: "${{StepResult}} ${{LastErrorDescription}}"
          fine:
            triggers: [{{http-request: /fine}}]
            actions: [{{http-response: fine}}]
    """)
    assert d.http("GET", "/runaway").text.startswith("1 ")
    before = cpu_s(d.pid)
    for _ in range(TURNS):
        assert d.http("GET", "/runaway").status == 200
    assert cpu_s(d.pid) - before <= TURNS * BOUND_S
    assert d.http("GET", "/fine").text == "fine"


def states_of(pid):
    """Of all threads."""
    return {(task / "stat").read_text().rsplit(")", 1)[1].split()[0] for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}


def test_others_wait_for_one_runaway_expression_at_a_time(start):
    """Counted, not timed: of twenty that wait in one session, one goes before another session's message. proves T3"""
    d = start(f"""
        tasks:
          runaway:
            triggers: [{{server-message: /runaway}}]
            actions:
              - set: {{a: "${{{RUNAWAY["a loop"]}}}"}}
                on-error: continue
              - log: ran away
          fine:
            triggers: [{{server-message: /fine}}]
            actions: [{{log: was fine}}]
    """, workers=1)
    hog, other = d.ws("/runaway"), d.ws("/fine")
    hog.send("warm up")
    d.log.wait("ran away")
    d.signal(signal.SIGSTOP)  # so that all of it is there when the worker looks, in one turn of its loop
    harness.wait_for(lambda: states_of(d.pid) == {"T"}, "the daemon stands still")
    since = d.log.mark()
    for _ in range(20):
        hog.send("go")
    other.send("go")
    d.signal(signal.SIGCONT)
    d.log.wait("ran away", count=20, since=since)
    told = [entry["message"] for entry in d.log.entries[since:] if entry["message"] in ("ran away", "was fine")]
    assert told.index("was fine") <= 1, told


def test_secrets_are_masked_wherever_they_could_be_read(start):
    """In the log, listings, failing places, and answers of failed runs; the task itself may use them. proves T17 C13"""
    d = start({"bellwire.yaml": """
        log: {level: debug}
        secrets: {vault: {file: vault.key}}
        servers: {main: {bind: "127.0.0.1:0", log-frames: yes, log-level: debug}}
        clients:
          there: {url: "ws://127.0.0.1:1/", enabled: no, bearer: "${Secret(vault)}", headers: {X-Api-Key: "${Secret(vault)}"}}
        tasks:
          use:
            triggers: [{http-request: /use}]
            actions: [{http-response: "${#Secret('vault')}"}]
          fails:
            triggers: [{http-request: /fails}]
            actions: [{log: "it is ${Secret(vault)}"}, {fail: "no: ${Secret(vault)}"}]
          program:
            triggers: [{http-request: /program}]
            actions: [{run-program: [cat, "/none/${Secret(vault)}"]}]
    """, "vault.key": SECRET})
    assert d.http("GET", "/use", headers={"Authorization": f"Bearer {SECRET}"}).text == str(len(SECRET))
    assert d.http("GET", f"/use?token={SECRET}").status == 200
    answers = [d.http("GET", path, headers={"Accept": accept}) for path in ("/fails", "/program") for accept in ("*/*", "text/html")]
    assert [answer.status for answer in answers] == [500] * 4
    d.log.wait("run failed", count=4)
    told = [answer.text + str(answer.headers) for answer in answers]
    for command in (("client", "list"), ("client", "show", "there"), ("server", "show", "main"), ("task", "list"), ("task", "show", "fails"),
                    ("run", "list"), ("why",), ("limits",), ("status",)):
        told += [d.manager(*command, check=0).stdout, json.dumps(d.manager_json(*command))]
    told += [d.manager("-o", "json", "run", "show", run["id"], check=0).stdout for run in d.manager_json("run", "list")]
    for text in told:
        assert SECRET not in text
    assert SECRET not in d.log.text
    assert "it is ***" in d.log.text


def test_answers_of_runs_that_end_otherwise(start):
    """A task's timeout is 500, a cancelled run 503, each with its ID and no inner detail. proves S14 T5"""
    d = start("""
        tasks:
          late:
            triggers: [{http-request: /late}]
            timeout: 200ms
            actions: [{wait: 1h, name: inner-detail}]
          cancelled:
            triggers: [{http-request: /cancelled}]
            actions: [{log: waits}, {wait: 1h, name: inner-detail}]
          child:
            triggers: [{http-request: /child}]
            actions: [{run-task: {task: breaks, wait: true}}, {fail: "inner-detail ${LastErrorDescription}"}]
          breaks:
            actions: [{fail: inner-detail}]
          finally:
            triggers: [{http-request: /finally}]
            actions:
              - try: [{fail: inner-detail}]
                catch: [{fail: inner-detail of the catch}]
                finally: [{log: cleaned}]
          side:
            triggers: [{http-request: /side}]
            actions: [{parallel: [[{wait: 1h}], [{fail: inner-detail}]]}]
    """)
    for path in ("/late", "/child", "/finally", "/side"):
        for accept in ("*/*", "text/html"):
            answer = d.http("GET", path, headers={"Accept": accept})
            assert answer.status == 500, path
            assert answer.headers["x-bellwire-run"] in answer.text and "inner-detail" not in answer.text
    for accept in ("*/*", "text/html"):
        mark, answers = d.log.mark(), []
        asker = threading.Thread(target=lambda: answers.append(d.http("GET", "/cancelled", headers={"Accept": accept})))
        asker.start()
        run = d.log.wait("waits", since=mark)["run"]
        d.manager("run", "cancel", run, check=0)
        asker.join()
        assert answers[0].status == 503 and answers[0].headers["x-bellwire-run"] == run
        assert run in answers[0].text and "inner-detail" not in answers[0].text


def test_files_of_forms(start):
    """Name, type, size and every byte; absent ones are empty. proves S7"""
    d = start("""
        tasks:
          upload:
            triggers: [{http-request: {path: /upload, method: POST}}]
            actions:
              - write-file: {file: got, binary: "${HttpPostFile(doc).content}"}
              - http-response: "${HttpPostFile(doc).name}|${HttpPostFile(doc).type}|${HttpPostFile(doc).size}|${HttpPostParam(title)}|${HttpPostFile(none).name}"
    """)
    content = bytes(range(256)) * 300 + b"\r\n--not-the-end\r\n"
    body = (b'--edge\r\nContent-Disposition: form-data; name="title"\r\n\r\nA title\r\n--edge\r\n'
            b'Content-Disposition: form-data; name="doc"; filename="a b.bin"\r\nContent-Type: application/x-test\r\n\r\n' +
            content + b"\r\n--edge--\r\n")
    answer = d.http("POST", "/upload", body, {"Content-Type": "multipart/form-data; boundary=edge"})
    assert answer.text == f"a b.bin|application/x-test|{len(content)}|A title|"
    assert (d.folder / "got").read_bytes() == content
