"""Globals: shared by all workers, atomic, bounded, kept across restarts and kills."""
import threading

import harness

COUNT = """
    tasks:
      count:
        triggers: [{http-request: /count}]
        actions:
          - set: {global.left: "${(global.left or 0) + 1}", global.pair.right: "${get(global, 'pair.right', 0) + 1}"}
          - http-response: ok
      show:
        triggers: [{http-request: /show}]
        actions: [{http-response: "${global.left} ${global.pair.right}"}]
      put:
        triggers: [{http-request: "/put/{name}/{value...}"}]
        actions:
          - set: {"global.sensors.${HttpPathParam(name)}": "${HttpPathParam(value)}"}
          - http-response: ok
      drop:
        triggers: [{http-request: "/drop/{name}"}]
        actions:
          - set: {"global.sensors.${HttpPathParam(name)}": null}
          - http-response: ok
      read:
        triggers: [{http-request: "/read/{name}"}]
        actions: [{http-response: "[${get(global, 'sensors.' .. HttpPathParam('name'), 'none')}]"}]
"""


def count_up(daemon, requests):
    raw = daemon.raw()
    for _ in range(requests):
        raw.send(b"GET /count HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw.response().status == 200
    raw.close()


def test_a_set_is_atomic_across_workers(start):
    """Counters of concurrent runs on several workers lose nothing, two names in one step stay together. proves T6"""
    d = start(COUNT, workers=3)
    threads = [threading.Thread(target=count_up, args=(d, 150)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert d.http("GET", "/show").text == "900 900"


def test_globals_survive_a_restart_and_a_kill(start):
    """After a stop all is there; after kill -9 what is older than a second, whole. proves T6 D5"""
    d = start(COUNT)
    count_up(d, 3)
    d.stop()
    d.restart()
    assert d.http("GET", "/show").text == "3 3"
    count_up(d, 2)
    written = 'select value from globals where name = "left"'
    harness.wait_for(lambda: "5" in sql(d, written), "the globals are written behind", timeout=2)
    d.kill9()
    d.restart()
    assert d.http("GET", "/show").text == "5 5"


def sql(daemon, query):
    import sqlite3
    with sqlite3.connect(f"file:{daemon.state}/bellwire.db?mode=ro", uri=True) as database:
        return str(database.execute(query).fetchall())


def test_dotted_names_are_set_and_removed(start):
    """Missing tables are made, a `${}` segment is one segment, null removes. proves T14"""
    d = start(COUNT)
    d.http("GET", "/put/kitchen/21.5")
    d.http("GET", "/put/attic/cold")
    assert d.http("GET", "/read/kitchen").text == "[21.5]"
    d.http("GET", "/drop/kitchen")
    assert d.http("GET", "/read/kitchen").text == "[none]"
    assert d.manager_json("var", "get", "sensors")["value"] == {"attic": "cold"}


def test_the_manager_lists_gets_sets_and_unsets(start):
    """`var` in all its verbs, texts and JSON. proves T6"""
    d = start("""
        tasks:
          read:
            triggers: [{http-request: /read}]
            actions: [{http-response: "${global.limit + 1} ${global.who.name} ${global.text}"}]
    """)
    assert d.manager_json("var", "list") == []
    assert d.manager_json("var", "set", "--json", "limit", "41")["value"] == 41
    assert d.manager_json("var", "set", "who.name", "bob")["value"] == "bob"
    assert d.manager_json("var", "set", "text", "41")["value"] == "41"
    assert d.http("GET", "/read").text == "42 bob 41"
    rows = d.manager_json("var", "list")
    assert [(row["name"], row["value"]) for row in rows] == [("limit", 41), ("text", "41"), ("who", {"name": "bob"})]
    assert all(row["updated"].endswith("Z") for row in rows)
    assert d.manager_json("var", "get", "who.name")["value"] == "bob"
    d.manager("var", "unset", "limit", check=0)
    assert 'there is no global "limit"' in d.manager("var", "get", "limit", check=1).stderr
    d.manager("var", "unset", "limit", check=1)
    assert "is no JSON" in d.manager("var", "set", "--json", "limit", "{", check=1).stderr
    assert "holds no mapping" in d.manager("var", "set", "text.deeper", "x", check=1).stderr
    d.stop()
    d.restart()
    assert [row["name"] for row in d.manager_json("var", "list")] == ["text", "who"]


def test_globals_are_bounded(start):
    """A value past `max-global`, or all past `max-globals`, is a step error that changes nothing. proves T6"""
    d = start("""
        max-globals: 4KiB
        max-global: 1KiB
        tasks:
          put:
            triggers: [{http-request: "/put/{name}"}]
            actions:
              - set: {"global.${HttpPathParam(name)}": "${HttpBody}"}
                on-error: continue
              - http-response: "${StepResult} ${LastErrorDescription}"
    """)
    assert d.http("POST", "/put/a", b"x" * 900).text == "0 "
    assert d.http("POST", "/put/a", b"x" * 1100).text == "1 the value is larger than max-global, or all than max-globals"
    assert len(d.manager_json("var", "get", "a")["value"]) == 900
    codes = [d.http("POST", f"/put/n{i}", b"x" * 900).text[0] for i in range(6)]
    assert codes == ["0", "0", "1", "1", "1", "1"]
    refused = {row["key"]: row["refused"] for row in d.manager_json("limits") if row["of"] == "main"}
    assert (refused["max-global"], refused["max-globals"]) == (1, 4)
    assert d.http("POST", "/put/b", b"\xff").text.startswith("1 a global holds what JSON can")
