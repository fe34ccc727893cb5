"""Tasks that are enabled and disabled by the manager, and the states that are listed."""
import harness

FILES = """
    tasks:
      hello:
        triggers: [{http-request: "/hello"}, {server-message: "/ws"}]
        actions: [{http-response: hi}]
      chat:
        triggers: [{server-message: "/chat"}]
        actions: [{send-message: "${WsMessage}"}]
      off:
        enabled: false
        triggers: [{http-request: "/off"}]
        actions: [{http-response: off}]
"""


def row(daemon, task):
    return daemon.manager_json("task", "show", task)


def test_a_disabled_task_has_no_triggers(start):
    """Its paths are 404, its messages start nothing, open sessions stay; enabled again all is back. proves T11"""
    d = start(FILES, workers=3)
    ws = d.ws("/chat")
    ws.send("one")
    assert ws.recv() == "one"
    for task in ("hello", "chat"):
        assert d.manager_json("task", "disable", task) == {"task": task, "enabled": False}
    assert all(d.http("GET", "/hello").status == 404 for _ in range(6))
    assert d.ws("/chat", check=False).status == 404
    assert (row(d, "hello")["state"], row(d, "hello")["enabled_by"], row(d, "hello")["enabled"]) == ("disabled", "manager", False)
    ws.send("two")
    d.manager("task", "disable", "hello", check=0)  # again: nothing to do
    for task in ("hello", "chat"):
        d.manager("task", "enable", task, check=0)
    ws.send("three")
    assert ws.recv() == "three"
    assert d.http("GET", "/hello").text == "hi"
    assert (row(d, "hello")["state"], row(d, "hello")["enabled_by"]) == ("idle", "file")
    assert 'unknown task "helo"; did you mean "hello"?' in d.manager("task", "disable", "helo", check=1).stderr


def test_what_the_manager_said_outlives_restarts_and_reloads(start):
    """Kept in the registry, by kill -9 too, until the file's own `enabled` changes. proves T11"""
    d = start(FILES)
    d.manager("task", "disable", "hello", check=0)
    d.manager("task", "enable", "off", check=0)
    assert d.http("GET", "/off").text == "off"
    d.reload()
    assert d.http("GET", "/hello").status == 404
    d.kill9()
    d.restart()
    assert d.http("GET", "/hello").status == 404 and d.http("GET", "/off").text == "off"
    d.write(FILES.replace("enabled: false", "enabled: true"))
    d.reload()
    assert row(d, "off")["enabled_by"] == "file"
    d.write(FILES)
    d.reload()  # the say on "off" has ended, the one on "hello" has not
    assert d.http("GET", "/off").status == 404 and d.http("GET", "/hello").status == 404
    d.stop()
    d.restart()
    assert d.http("GET", "/off").status == 404 and d.http("GET", "/hello").status == 404
    d.manager("task", "enable", "hello", check=0)
    d.stop()
    d.restart()
    assert d.http("GET", "/hello").text == "hi"


def test_files_that_changed_meanwhile_are_not_read(start):
    """Switching a task is no reload: a broken file on disk does not matter. proves T11"""
    d = start(FILES)
    d.write("tasks: [")
    d.manager("task", "disable", "hello", check=0)
    assert d.http("GET", "/hello").status == 404
    assert not d.reload()["ok"]
    d.manager("task", "enable", "hello", check=0)
    assert d.http("GET", "/hello").text == "hi"


def test_task_states(start):
    """manual, idle, disabled, waiting, running, stopping. proves T11"""
    d = start("""
        tasks:
          by-hand:
            actions:
              - try: [{wait: 60s}]
                finally: [{log: stopping}, {wait: "${global.grace}"}]
          idle:
            triggers: [{http-request: "/"}]
            actions: []
          off:
            enabled: false
            actions: []
          early:
            triggers: [{server-open: {path: /, server: later}}]
            actions: []
    """)
    d.manager("var", "set", "grace", "5s", check=0)
    states = {name: row(d, name)["state"] for name in ("by-hand", "idle", "off", "early")}
    assert states == {"by-hand": "manual", "idle": "idle", "off": "disabled", "early": "waiting"}
    d.manager("task", "run", "by-hand", check=0)
    assert row(d, "by-hand")["state"] == "running"
    assert d.manager_json("task", "stop", "by-hand")["cancelled"] == 1
    d.log.wait("stopping")
    assert row(d, "by-hand")["state"] == "stopping"
    harness.wait_for(lambda: row(d, "by-hand")["state"] == "manual", "its finally chain has ended")


def test_enabling_while_edits_come(start):
    """Switches, reloads and edits of the registry wait for each other. proves T11 D6"""
    import threading
    d = start(FILES)
    commands = [("task", "disable", "hello"), ("server", "add", "extra", "bind=127.0.0.1:0"), ("reload",),
                ("task", "enable", "off"), ("server", "remove", "extra"), ("task", "enable", "hello")] * 3
    threads = [threading.Thread(target=d.manager, args=command) for command in commands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    d.manager("task", "enable", "hello", check=0)
    assert d.http("GET", "/hello").text == "hi" and d.http("GET", "/off").text == "off"
