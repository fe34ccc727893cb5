"""The registry edited while the daemon runs: by the manager, over HTTP, by many at once, across restarts."""
import http.client
import json
import socket
import sqlite3
import subprocess

import pytest

from client_peers import WsServer
from harness import BUILD, wait_for

TASKS = """
servers: {main: {bind: "127.0.0.1:0", name: From the file}}
tasks:
  hello:
    triggers: [{http-request: {server: side, path: /}}]
    actions: [{http-response: "hello from ${ServerId}"}]
  big:
    triggers: [{http-request: {server: side, path: /big, method: POST}}]
    actions: [{http-response: "${HttpBody}"}]
  use:
    triggers: [{http-request: {server: main, path: "/{what}/{id}"}}]
    actions:
      - try:
          - choose:
              - {when: HttpPathParam("what") == "server", do: [{start-server: "${HttpPathParam(id)}"}]}
              - {when: HttpPathParam("what") == "client", do: [{connect-client: "${HttpPathParam(id)}"}]}
          - http-response: ok
        catch: [{http-response: "${LastErrorDescription}"}]
  follow:
    triggers: [{client-open: {client: feed}}]
    actions: [{log: feed is open}]
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


def ask(d, method, path, body=None):
    connection = UnixConnection(d.socket)
    connection.request(method, path, json.dumps(body) if body is not None else None,
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def rows(d, noun="server"):
    return {row["id"]: row for row in d.manager_json(noun, "list")}


def config_of(d, id, noun="server"):
    return d.manager_json(noun, "show", id)["config"]


def stored(d, table="servers"):
    with sqlite3.connect(f"file:{d.state}/bellwire.db?mode=ro", uri=True) as db:
        return {row[0] for row in db.execute(f"select id from {table}")}


def patient(d):
    """The log may be read a moment after the manager's answer: addresses are waited for."""
    address = d.address

    def wait_for_address(server=None, index=-1):
        if server:
            d.log.wait("listening", server=server)
        return address(server, index)
    d.address = wait_for_address
    return d


@pytest.fixture
def d(start):
    return patient(start(TASKS))


def test_an_added_server_listens_at_once_and_a_removed_one_is_gone(d):
    """proves D6 S4 S11"""
    task = lambda: next(t for t in d.manager_json("task", "list") if t["id"] == "hello")
    assert task()["state"] == "waiting"
    done = d.manager_json("server", "add", "side", "bind=127.0.0.1:0", "name=By hand")
    assert done["id"] == "side" and done["warning"] is None
    row = rows(d)["side"]
    assert row["origin"] == "manager" and row["state"] == "listening" and row["name"] == "By hand"
    assert d.http("GET", "/", server="side").text == "hello from side"
    assert task()["state"] == "idle"
    address = d.address("side")
    ws = socket.create_connection(address)
    done = d.manager_json("server", "remove", "side")
    assert done["warning"] == 'server "side" is still named by: "hello", "big"'
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    ws.close()
    assert "side" not in rows(d) and "side" not in stored(d)
    assert task()["state"] == "waiting"
    assert d.http("GET", "/server/side").text == 'Invalid WS Server ID "side"'
    d.manager("server", "add", "side", "bind=127.0.0.1:0", check=0)
    assert d.http("GET", "/server/side").text == "ok"
    d.log.wait("listening", server="side", count=2)
    assert d.http("GET", "/", server="side").text == "hello from side"


def test_a_disabled_server_never_listens_until_it_is_enabled(d):
    """proves D6 S4"""
    d.manager("server", "add", "side", "bind=127.0.0.1:0", "enabled=no", check=0)
    assert rows(d)["side"]["state"] == "stopped" and not rows(d)["side"]["enabled"]
    assert not d.log.find("listening", server="side")
    d.manager("server", "set", "side", "enabled=true", check=0)
    assert rows(d)["side"]["state"] == "listening"
    address = d.address("side")
    d.manager("server", "set", "side", "enabled=false", check=0)
    assert rows(d)["side"]["state"] == "stopped"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_keys_change_at_once_and_go_back_to_their_defaults(d):
    """proves D6 S4"""
    d.manager("server", "add", "side", "bind=127.0.0.1:0", "max-body=16B", check=0)
    assert d.http("POST", "/big", b"x" * 17, server="side").status == 413
    address = d.address("side")
    d.manager("server", "set", "side", "max-body=1KiB", "subprotocols=a, b", check=0)
    assert d.http("POST", "/big", b"x" * 17, server="side").status == 200
    assert config_of(d, "side")["subprotocols"] == ["a", "b"]
    limit = lambda: next(r for r in d.manager_json("limits") if r["of"] == "server:side" and r["key"] == "max-body")
    assert limit()["value"] == 1024 and limit()["set_at"] == "manager"
    d.manager("server", "set", "side", "max-body=", 'subprotocols=["y","z"]', "trusted-proxies=10.0.0.0/8,::1", check=0)
    assert limit()["value"] == 1024 * 1024 and limit()["set_at"] == "default"
    assert config_of(d, "side") == {"bind": ["127.0.0.1:0"], "subprotocols": ["y", "z"],
                                    "trusted-proxies": ["10.0.0.0/8", "::1"]}
    assert d.address("side") == address


def test_bad_edits_are_refused_with_the_messages_of_the_files(d, start):
    """proves D6 T1"""
    d.manager("server", "add", "side", "bind=127.0.0.1:0", check=0)
    before = config_of(d, "side")
    for key, value, yaml in (("max-boddy", "1KiB", "max-boddy: 1KiB"), ("max-body", "x", "max-body: x"),
                             ("bind", "nonsense", "bind: nonsense"), ("enabled", "maybe", "enabled: maybe"),
                             ("origins", "nowhere", "origins: nowhere"),
                             ("auth.bearer.file", "/nonexistent", "auth: {bearer: {file: /nonexistent}}"),
                             ("ping-interval", "30", 'ping-interval: "30"')):
        done = d.manager("server", "set", "side", f"{key}={value}", check=1)
        said = start.check(f"servers: {{side: {{{yaml}}}}}\n").stdout
        message = said.split("error: ")[1].splitlines()[0]
        assert done.stderr.startswith(f"bellwire: {message}"), (done.stderr, said)
    assert config_of(d, "side") == before
    status, answer = ask(d, "PATCH", "/v1/servers/side", {"max-boddy": "1KiB"})
    assert status == 422 and "max-body" in answer["error"]["message"]
    for args, text in ((("add", "side", "bind=127.0.0.1:0"), "exists already"),
                       (("set", "sied", "max-body=1KiB"), 'unknown server "sied"'),
                       (("remove", "sied"), 'unknown server "sied"'),
                       (("add", "bad id", "bind=127.0.0.1:0"), "an ID is letters"),
                       (("set", "side", "bind.x=1"), "no mapping")):
        assert text in d.manager("server", *args, check=1).stderr


def test_a_certificate_that_cannot_be_used_is_a_refused_edit(d):
    """proves D6 S3"""
    done = d.manager("server", "add", "side", "bind=127.0.0.1:0", "tls.certificate=none.pem", "tls.key=none.pem", check=1)
    assert f"{d.folder}/none.pem" in done.stderr
    assert "side" not in rows(d)


def test_a_row_of_the_files_is_refused_with_its_place(d):
    """proves D6"""
    for args in (("set", "main", "max-body=1KiB"), ("remove", "main"), ("put", "main", "bind=127.0.0.1:0")):
        done = d.manager("server", *args, check=1)
        assert f"{d.folder}/bellwire.yaml:1" in done.stderr
    status, answer = ask(d, "DELETE", "/v1/servers/main")
    assert status == 409 and answer["error"]["code"] == "conflict", answer
    assert rows(d)["main"]["name"] == "From the file"


def test_rows_are_put_whole_over_http_and_fit_to_be_put_back(d):
    """proves D6"""
    status, _ = ask(d, "PUT", "/v1/servers/side", {"bind": ["127.0.0.1:0"], "max-body": "2KiB", "log-frames": True})
    assert status == 200 and rows(d)["side"]["state"] == "listening"
    shown = config_of(d, "side")
    assert shown == {"bind": ["127.0.0.1:0"], "max-body": "2KiB", "log-frames": True}
    address = d.address("side")
    status, _ = ask(d, "PUT", "/v1/servers/side", shown)
    assert status == 200 and config_of(d, "side") == shown and d.address("side") == address
    status, _ = ask(d, "PATCH", "/v1/servers/side", {"max-body": None})
    assert status == 200 and "max-body" not in config_of(d, "side")
    status, _ = ask(d, "POST", "/v1/servers/side/stop")
    assert status == 200 and rows(d)["side"]["state"] == "stopped"
    status, _ = ask(d, "DELETE", "/v1/servers/side")
    assert status == 200 and ask(d, "DELETE", "/v1/servers/side")[0] == 404


def test_edits_are_kept_across_restarts_and_kill_9(d):
    """proves D6 D5"""
    d.manager("server", "add", "side", "bind=127.0.0.1:0", "max-body=2KiB", check=0)
    d.manager("client", "add", "feed", "url=ws://127.0.0.1:1/", "enabled=false", check=0)
    d.kill9()
    d.restart()
    assert config_of(d, "side")["max-body"] == "2KiB" and rows(d)["side"]["state"] == "listening"
    assert d.http("GET", "/", server="side").text == "hello from side"
    assert rows(d, "client")["feed"]["state"] == "stopped"
    d.manager("server", "set", "side", "max-body=3KiB", check=0)
    d.manager("client", "remove", "feed", check=0)
    d.stop()
    d.restart()
    assert config_of(d, "side")["max-body"] == "3KiB"
    assert rows(d, "client") == {}
    d.reload()
    assert rows(d)["side"]["state"] == "listening"


def test_a_file_that_declares_the_same_id_shadows_the_row(d):
    """proves D6"""
    d.manager("server", "add", "side", "bind=127.0.0.1:0", "name=By hand", check=0)
    d.write(TASKS.replace("servers: {", 'servers: {side: {bind: "127.0.0.1:0", name: Shadow}, '))
    result = d.reload()
    assert any("shadowed" in w["message"] for w in result["warnings"])
    assert rows(d)["side"]["origin"] == "file" and rows(d)["side"]["name"] == "Shadow"
    assert d.manager("server", "set", "side", "name=x", check=1).stderr
    d.stop()
    d.restart()
    assert rows(d)["side"]["name"] == "Shadow"
    d.write(TASKS)
    d.reload()
    assert rows(d)["side"]["origin"] == "manager" and rows(d)["side"]["name"] == "By hand"
    assert d.http("GET", "/", server="side").text == "hello from side"


def test_a_saved_client_connects_and_a_changed_url_is_followed(d):
    """proves D6 C11 S11"""
    assert d.http("GET", "/client/feed").text == 'Invalid WS Client ID "feed"'
    with WsServer() as one, WsServer() as two:
        d.manager("client", "add", "feed", f"url=ws://127.0.0.1:{one.port}/a", "headers.X-Desk=7",
                  "auto-reconnect.min=10ms", "auto-reconnect.max=20ms", check=0)
        peer = one.accept()
        assert peer.path == "/a"
        d.log.wait("feed is open")
        d.manager("client", "set", "feed", "log-frames=true", "name=Feed", check=0)
        peer.send("shown")
        d.log.wait("received text, 5 bytes: shown", client="feed")
        assert one.total == 1
        d.manager("client", "set", "feed", f"url=ws://127.0.0.1:{two.port}/b", check=0)
        assert two.accept().path == "/b"
        d.manager("client", "stop", "feed", check=0)
        wait_for(lambda: rows(d, "client")["feed"]["state"] == "stopped", "stopped")
        d.manager("client", "start", "feed", check=0)
        two.accept()
        done = d.manager_json("client", "remove", "feed")
        assert done["warning"] == 'client "feed" is still named by: "follow"'
        wait_for(lambda: two.open == 0, "its socket closed")
        assert d.http("GET", "/client/feed").text == 'Invalid WS Client ID "feed"'


def test_many_managers_at_once_do_not_corrupt(d):
    """proves D6 D9"""
    command = [str(BUILD / "bellwire"), "--control", str(d.socket)]
    run = lambda *args: subprocess.Popen([*command, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=d.env)
    d.manager("server", "add", "side", "bind=127.0.0.1:0", check=0)
    jobs = [run("server", "add", f"s{i}", "bind=127.0.0.1:0") for i in range(8)]
    jobs += [run("server", "set", "side", f"name=n{i}", f"max-body={i + 1}KiB") for i in range(6)]
    jobs += [run("client", "add", f"c{i}", "url=ws://127.0.0.1:1/", "enabled=false") for i in range(4)]
    jobs += [run("reload"), run("server", "stop", "side")]
    assert len(jobs) == 20
    for job in jobs:
        _, error = job.communicate(timeout=60)
        assert job.returncode == 0, error
    servers = rows(d)
    assert {f"s{i}" for i in range(8)} <= set(servers)
    assert all(servers[f"s{i}"]["state"] == "listening" for i in range(8))
    config = config_of(d, "side")
    assert config["max-body"] == f"{int(config['name'][1:]) + 1}KiB"
    assert set(rows(d, "client")) == {f"c{i}" for i in range(4)}
    jobs = [run("server", "remove", f"s{i % 4}") for i in range(12)]
    codes = [job.wait(60) for job in jobs]
    for job in jobs:
        job.communicate()
    assert codes.count(0) == 4 and codes.count(1) == 8
    with sqlite3.connect(f"file:{d.state}/bellwire.db?mode=ro", uri=True) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    assert stored(d) == {"main", "side", "s4", "s5", "s6", "s7"}
    d.kill9()
    d.restart()
    assert set(rows(d)) == {"main", "side", "s4", "s5", "s6", "s7"}


def test_sessions_of_other_servers_live_through_edits(d):
    """proves D6 S5"""
    d.write(TASKS + "  talk: {triggers: [{server-message: {server: other}}], actions: [{send-message: \"${WsMessage}\"}]}\n")
    d.reload()
    d.manager("server", "add", "other", "bind=127.0.0.1:0", check=0)
    ws = d.ws("/", server="other")
    for i in range(10):
        d.manager("server", "put", "side", "bind=127.0.0.1:0", f"name=n{i}", check=0)
        d.manager("server", "remove", "side", check=0)
    ws.send("still here")
    assert ws.recv() == "still here"
    d.manager("server", "remove", "other", check=0)
    assert ws.expect_close()[0] == 1001
