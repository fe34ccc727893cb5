"""Modes and at-most are exact, whichever workers the events come to."""
import threading

import harness

# Every run notes how many are inside at once.
PAUSE = "        - wait: 20ms\n"
INSIDE = """
        - set: {global.now: "${(global.now or 0) + 1}", global.peak: "${math.max(global.peak or 0, (global.now or 0) + 1)}"}
""" + PAUSE + """        - set: {global.now: "${global.now - 1}", global.runs: "${(global.runs or 0) + 1}"}
        - http-response: ok
"""

# A run goes on once the global `open` is true.
GATE = """        - repeat: {until: global.open}
          max: 1000000
          do: [{wait: 5ms}]
"""


def task(settings, actions=INSIDE):
    return f"""
tasks:
  t:
    triggers: [{{http-request: "/t/{{key}}"}}]
    {settings}
    actions:
{actions}
"""


def ask(daemon, count, path="/t/x"):
    """`count` requests on connections of their own; answers are not awaited."""
    raws = [daemon.raw() for _ in range(count)]
    for number, raw in enumerate(raws):
        raw.send(f"GET {path.format(number)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return raws


def at_once(daemon, count, path="/t/x"):
    """`count` requests on connections of their own, all of them sent before an answer is awaited."""
    raws = ask(daemon, count, path)
    answers = [raw.response() for raw in raws]
    for raw in raws:
        raw.close()
    return answers


def set_gate(daemon, is_open):
    daemon.manager("var", "set", "--json", "open", str(is_open).lower(), check=0)


def var(daemon, name):
    return daemon.manager_json("var", "get", name)["value"]


def test_queued_runs_one_at_a_time_on_all_workers(start):
    """Thirty events on four workers: one inside at any time, all of them run. proves T9"""
    d = start(task("mode: queued"), workers=4)
    assert [answer.status for answer in at_once(d, 30)] == [200] * 30
    assert (var(d, "peak"), var(d, "runs")) == (1, 30)


def test_queues_are_kept_per_key(start):
    """Two keys, two inside; a key may hold anything. proves T9"""
    d = start(task('mode: {type: queued, key: "${HttpPathParam(key)}"}'), workers=4)
    done = []
    threads = [threading.Thread(target=lambda path=path: done.extend(at_once(d, 10, path))) for path in ("/t/a", "/t/b%2Fc")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in done] == [200] * 20
    assert var(d, "peak") <= 2 and var(d, "runs") == 20


def test_parallel_with_a_bound_refuses_what_is_more(start):
    """`max` holds over all workers, with a key and without; 429 says when to try again. proves T9"""
    for settings in ("mode: {max: 3}", 'mode: {max: 3, key: "${HttpPathParam(key)}"}'):
        d = start(task(settings, INSIDE.replace(PAUSE, GATE)), workers=4)
        raws = ask(d, 12)
        harness.wait_for(lambda: d.manager_json("stats")["runs"]["refused"]["max"] == 9, "nine are refused")
        set_gate(d, True)
        answers = [raw.response() for raw in raws]
        refused = [answer for answer in answers if answer.status == 429]
        assert len(answers) - len(refused) == 3 and var(d, "peak") == 3
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)


def test_single_runs_once_at_a_time(start):
    """One at a time, with a key and without; the others get 429, and the place is free again. proves T9"""
    for settings in ("mode: single", 'mode: {type: single, key: "${HttpPathParam(key)}"}'):
        d = start(task(settings, INSIDE.replace(PAUSE, GATE)), workers=4)
        for turn in (1, 2):
            raws = ask(d, 6)
            harness.wait_for(lambda: d.manager_json("stats")["runs"]["refused"]["mode"] == 5 * turn, "five are refused")
            set_gate(d, True)
            assert sorted(raw.response().status for raw in raws) == [200] + [429] * 5
            set_gate(d, False)


def test_a_full_queue_rejects_or_drops_the_oldest(start):
    """`max-waiting` bounds the queue; `overflow` says who goes. proves T9"""
    d = start(task("mode: {type: queued, max-waiting: 2}", GATE + "        - http-response: ok"), workers=3)
    raws = ask(d, 6)
    harness.wait_for(lambda: d.manager_json("stats")["runs"]["refused"]["mode"] == 3, "three are refused")
    set_gate(d, True)
    assert sorted(raw.response().status for raw in raws) == [200] * 3 + [429] * 3
    d = start(task("mode: {type: queued, max-waiting: 2, overflow: drop-oldest}",
                   GATE + '        - http-response: "${HttpPathParam(key)}"'), workers=3)
    raws = []
    for number in range(5):
        raws.append(d.raw())
        raws[-1].send(f"GET /t/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wanted = min(number + 1, 3)
        harness.wait_for(lambda: d.manager_json("task", "show", "t")["runs"] == number + 1, "it has arrived")
        assert d.manager_json("task", "show", "t")["active_runs"] == wanted
    set_gate(d, True)
    answers = [raw.response() for raw in raws]
    assert [answer.status for answer in answers] == [200, 429, 429, 200, 200]
    assert [answer.body for answer in answers if answer.status == 200] == [b"0", b"3", b"4"]


def test_restart_cancels_the_older_run(start):
    """The newer begins when the older, cancelled, has run its finally chain. proves T9"""
    d = start("""
        tasks:
          t:
            triggers: [{http-request: "/t/{key}"}]
            mode: restart
            actions:
              - try: [{log: "begin ${HttpPathParam(key)}"}, {wait: "${HttpQueryParam(for)}"}, {http-response: done}]
                finally: [{wait: 50ms}, {log: "end ${HttpPathParam(key)}"}]
    """, workers=3)
    raws = [d.raw() for _ in range(4)]
    for number, raw in enumerate(raws):
        duration = "60s" if number < 3 else "1ms"
        raw.send(f"GET /t/{number}?for={duration} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        d.log.wait(f"begin {number}")
    assert [raw.response().status for raw in raws] == [503, 503, 503, 200]
    told = [entry["message"] for entry in d.log.entries if entry["message"].split()[0] in ("begin", "end")]
    d.log.wait("end 3")
    assert told[:7] == ["begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2", "begin 3"]


def test_at_most_drops_what_comes_too_early(start):
    """`runs` of all workers together begin within `per`; the others get 429 with the time that is left. proves T9"""
    d = start(task("at-most: {runs: 3, per: 60s}", "      - http-response: ok"), workers=4)
    answers = at_once(d, 10)
    assert sorted(answer.status for answer in answers) == [200] * 3 + [429] * 7
    assert all(50 <= int(answer.headers["retry-after"]) <= 60 for answer in answers if answer.status == 429)
    assert d.manager_json("stats")["runs"]["refused"]["at_most"] == 7
    d = start(task('at-most: {runs: 1, per: 60s, key: "${HttpPathParam(key)}"}', "      - http-response: ok"), workers=4)
    assert sorted(answer.status for answer in at_once(d, 8, "/t/{0}")) == [200] * 8
    assert sorted(answer.status for answer in at_once(d, 8, "/t/{0}")) == [429] * 8


def test_at_most_may_run_the_last_one_later(start):
    """`then: last`: of those that came too early the newest runs when the time is up, the others get 429. proves T9"""
    d = start(task("at-most: {runs: 1, per: 3s, then: last}", '      - http-response: "${HttpPathParam(key)}"'), workers=3)
    assert d.http("GET", "/t/first").text == "first"
    raws = []
    for number in range(3):
        raws.append(d.raw())
        raws[-1].send(f"GET /t/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        harness.wait_for(lambda: d.manager_json("task", "show", "t")["runs"] == number + 2, "it has arrived")
        if number:
            assert raws[number - 1].response().status == 429
    answer = raws[2].response()
    assert (answer.status, answer.body) == (200, b"2")


def test_respond_answers_before_the_run_waits(start):
    """`respond` answers behind the gates and before any waiting; who is refused still gets 429. proves T9 S20"""
    d = start("""
        tasks:
          t:
            triggers: [{http-request: {path: /t, respond: 202}}]
            mode: {type: queued, max-waiting: 1}
            actions: [{wait: 60s}]
    """, workers=3)
    answers = at_once(d, 5, "/t")
    assert sorted(answer.status for answer in answers) == [202, 202, 429, 429, 429]
    assert d.manager_json("task", "stop", "t")["cancelled"] == 2


def test_a_refused_event_may_run_another_task(start):
    """`on-refused` runs in the place of the refused one and may answer. proves T9"""
    d = start("""
        tasks:
          t:
            triggers: [{http-request: /t}]
            mode: {type: queued, max-waiting: 0, on-refused: busy}
            actions: [{repeat: {until: global.open}, max: 1000000, do: [{wait: 5ms}]}, {http-response: done}]
          busy:
            actions: [{http-response: {status: 503, text: "busy ${HttpPath}"}}]
    """, workers=3)
    raws = ask(d, 5, "/t")
    harness.wait_for(lambda: d.manager_json("task", "show", "busy")["runs"] == 4, "four are refused")
    set_gate(d, True)
    assert sorted(raw.response().body for raw in raws) == [b"busy /t"] * 4 + [b"done"]


def test_a_dropped_event_may_run_another_task(start):
    """Also what has waited already, on any worker; what runs in its place may wait, fail, answer. proves T9"""
    d = start("""
        tasks:
          t:
            triggers: [{http-request: "/t/{key}"}]
            mode: {type: queued, max-waiting: 1, overflow: drop-oldest, on-refused: late}
            actions: [{wait: 60s}]
          late:
            actions:
              - {wait: 5ms, when: "HttpPathParam('key') ~= '1'"}
              - {fail: late, when: "HttpPathParam('key') == '3'"}
              - http-response: {status: 503, text: "late ${HttpPathParam(key)} ${RunId}"}
    """, workers=3)
    raws = []
    for number in range(6):
        raws.append(d.raw())
        raws[-1].send(f"GET /t/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        harness.wait_for(lambda: d.manager_json("task", "show", "t")["runs"] == number + 1, "it has arrived")
    for number in (1, 2, 4):
        answer = raws[number].response()
        assert (answer.status, answer.body) == (503, f"late {number} {answer.headers['x-bellwire-run']}".encode())
    assert raws[3].response().status == 500
    assert d.manager_json("task", "stop", "t")["cancelled"] == 2
    assert [raws[number].response().status for number in (0, 5)] == [503, 503]
    runs = d.manager_json("stats")["runs"]
    assert (runs["refused"]["mode"], runs["active"], runs["memory"]) == (4, 0, 0)


def test_messages_of_a_session_stay_in_order(start):
    """A queue per session keeps the order of one speaker, a common queue that of each speaker. proves T9"""
    for key in ('key: "${SessionId}"', 'key: "all"'):
        d = start(f"""
            tasks:
              t:
                triggers: [{{server-message: /}}]
                mode: {{type: queued, {key}}}
                actions: [{{wait: 1ms}}, {{send-message: "${{WsMessage}}"}}]
        """, workers=3)
        peers = [d.ws("/") for _ in range(4)]
        for number in range(15):
            for peer in peers:
                peer.send(str(number))
        for peer in peers:
            assert [peer.recv() for _ in range(15)] == [str(number) for number in range(15)]


def test_queued_events_keep_their_program(start):
    """What waits runs as it was declared when it came; the state of a mode outlives the reload. proves T9 D2"""
    files = """
        tasks:
          t:
            triggers: [{http-request: /t}]
            mode: queued
            actions: [{repeat: {until: global.open}, max: 1000000, do: [{wait: 5ms}]}, {http-response: "NAME"}]
    """
    d = start(files.replace("NAME", "old"), workers=2)
    raws = [d.raw() for _ in range(3)]
    for raw in raws[:2]:
        raw.send(b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n")
    harness.wait_for(lambda: d.manager_json("task", "show", "t")["active_runs"] == 2, "both have come")
    d.write(files.replace("NAME", "new"))
    assert d.reload()["ok"]
    raws[2].send(b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n")
    set_gate(d, True)
    assert [raw.response().body for raw in raws] == [b"old", b"old", b"new"]


def test_run_task_waits_for_the_gates_of_the_other(start):
    """A refused `run-task` is a step error, whichever worker refuses; a task that waits for its own slot is one too. proves T8 T9"""
    d = start("""
        tasks:
          t:
            mode: {type: queued, max-waiting: 0}
            actions: [{wait: 60s}]
          begin:
            triggers: [{http-request: /begin}]
            actions:
              - run-task: t
                on-error: continue
              - http-response: "${StepResult}"
          own:
            triggers: [{http-request: /own}]
            mode: queued
            actions:
              - run-task: {task: own, wait: true}
                on-error: continue
              - http-response: "${LastErrorDescription}"
    """, workers=3)
    codes = sorted(answer.body for answer in at_once(d, 6, "/begin"))
    assert codes == [b"0"] + [b"1"] * 5
    assert "refused by its mode" in d.http("GET", "/own").text
    assert d.manager("task", "run", "t", check=1).stderr
    d.manager("task", "stop", "t", check=0)


def test_queues_are_worked_off_at_the_end(start):
    """TERM: what waits for its turn at another worker still gets it, and the daemon ends. proves D3 T9"""
    d = start(task("mode: queued", INSIDE.replace("20ms", "100ms")), workers=4)
    raws = [d.raw() for _ in range(8)]
    for raw in raws:
        raw.send(b"GET /t/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    harness.wait_for(lambda: d.manager_json("task", "show", "t")["runs"] == 8, "all have come")
    d.terminate()
    assert [raw.response().status for raw in raws] == [200] * 8
    assert d.wait_exit() == 0
