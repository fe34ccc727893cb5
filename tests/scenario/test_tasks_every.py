"""Beats and the start of the daemon."""
import harness


def beats(daemon, name="beat"):
    return [entry for entry in daemon.log.entries if entry["message"] == name]


def test_every_beats_on_one_worker(start):
    """A beat comes once an interval, whatever the number of workers, with the cause of a trigger. proves T15 T12"""
    d = start("""
        tasks:
          beat:
            triggers: [{every: 50ms}]
            actions: [{log: beat}, {log: "${StartCause}"}]
    """, workers=4)
    d.log.wait("beat", count=6)  # two lines a run
    row = d.manager_json("task", "show", "beat")
    assert row["triggers"] == ["every 50ms"] and row["state"] == "idle" and row["runs"] >= 3
    harness.wait_for(lambda: d.log.find('"trigger":"every"'), "the cause is told")


def test_a_beat_never_overlaps_itself(start):
    """While a run goes on its beats are skipped and counted. proves T15"""
    d = start("""
        tasks:
          slow:
            triggers: [{every: 20ms}]
            actions:
              - set: {global.inside: "${(global.inside or 0) + 1}"}
              - log: "inside ${global.inside}"
              - wait: 150ms
              - set: {global.inside: "${global.inside - 1}"}
    """, workers=3)
    d.log.wait("inside 1", count=3)
    assert not d.log.find("inside 2")
    refused = d.manager_json("task", "show", "slow")["refused"]
    assert refused["overlap"] >= 4
    d.manager("task", "stop", "slow", check=0)


def test_beats_follow_a_reload(start):
    """A reload that keeps the interval keeps the beat, another interval begins anew, a task that is gone falls silent. proves T15 D2"""
    files = """
        tasks:
          kept:
            triggers: [{every: 700ms}]
            actions: [{log: kept}]
          gone:
            triggers: [{every: 50ms}]
            actions: [{wait: 10ms}, {log: gone}]
    """
    d = start(files, workers=3)
    for _ in range(12):  # each reload would begin the interval anew
        d.log.wait("gone", since=d.log.mark())
        assert d.reload()["ok"]
        if d.log.find("kept"):
            break
    d.log.wait("kept")
    d.write("""
        tasks:
          kept:
            triggers: [{every: 30ms}]
            actions: [{log: "kept ${TaskId}"}]
    """)
    assert d.reload()["ok"]
    d.log.wait("kept kept", count=3)
    mark = d.log.mark()
    d.log.wait("kept kept", count=5, since=mark)
    assert not d.log.find("gone", since=mark)


def test_startup_fires_once(start):
    """Once when the daemon is ready, never on a reload; its cause is told. proves T12"""
    d = start("""
        tasks:
          first:
            triggers: [startup]
            actions: [{log: "started ${StartCause}"}]
    """, workers=3)
    entry = d.log.wait("started")
    assert '"cause":"startup"' in entry["message"]
    d.reload()
    assert d.manager_json("task", "show", "first")["runs"] == 1


def test_a_beat_holds_up_no_shut_down(start):
    """No beat comes once the daemon ends. proves D3 T15"""
    d = start("""
        tasks:
          beat:
            triggers: [{every: 1ms}]
            actions: [{log: beat}]
    """, workers=2)
    d.log.wait("beat", count=3)
    d.stop()


def test_every_wants_a_duration(start):
    """proves T17 T1"""
    done = start.check("tasks: {t: {triggers: [{every: 5}], actions: []}}")
    assert done.returncode == 78 and '"interval" must have a unit, as in 30s' in done.stdout


def test_a_beat_that_goes_to_another_task_while_one_runs(start):
    """What waits for the beat loses its place to another event, and the task in place of it waits in turn. proves T15 T10"""
    d = start("""
        tasks:
          t:
            triggers: [{every: 20ms}, {http-request: /t}]
            mode: {type: queued, max-waiting: 1, overflow: drop-oldest, on-refused: instead}
            actions: [{wait: 100ms}]
          instead:
            actions: [{wait: 10ms}, {log: "in place of [${HttpPath}]"}]
    """, workers=1)
    peers = []

    def ask_until_beats_lost_their_place():
        peer = d.raw()
        peer.send(b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n")
        peers.append(peer)
        return len(d.log.find("in place of []")) >= 5
    harness.wait_for(ask_until_beats_lost_their_place, "five beats were dropped for requests")
    d.manager("task", "disable", "t", check=0)
    d.manager("task", "stop", "t", check=0)
    for peer in peers:
        peer.close()
