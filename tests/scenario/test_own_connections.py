"""Clients of the daemon that are connected to its own servers: what answers itself by messages comes to an end."""
import pytest

from harness import wait_for
from tls_peers import files

TASKS = """
tasks:
  begin:
    triggers: [{http-request: {path: "/begin/{text}", server: main}}]
    actions:
      - send-message: {text: "${HttpPathParam(text)}", to: {client: me}}
      - http-response: sent
  echo:
    triggers: [{server-message: {path: /own, server: own, exact: loop}}]
    actions: [{send-message: {text: loop REPLY}}]
  back:
    triggers: [{client-message: {client: me, exact: loop}}]
    actions: [{send-message: {text: loop, to: {client: me}}}]
  asked:
    triggers: [{server-message: {path: /own, server: own, exact: ask}}]
    actions: [{send-message: {text: answer}}]
  answered:
    triggers: [{client-message: {client: me, exact: answer}}]
    actions: [{log: "EVENT answered"}]
  other:
    triggers: [{server-message: {path: /other, server: main}}]
    actions: [{send-message: "${WsMessage}"}]
"""
REPLIES = {"reply": "", "broadcast": ", to: {server: own, path: /own}"}
ENDS = {
    "plain": ("", "127.0.0.1:0", "ws://127.0.0.1", ""),
    "IPv6": ("", "[::1]:0", "ws://[::1]", ""),
    "TLS": (", tls: {certificate: server.pem, key: server.key}", "127.0.0.1:0", "wss://localhost", ", tls: {ca: ca.pem}"),
}


def begin(start, end, reply, workers):
    """The main server is the manager's way in, the client is connected to `own`."""
    tls, bind, url, trust = ENDS[end]
    text = (f'servers:\n  main: {{bind: "127.0.0.1:0"}}\n  own: {{bind: "{bind}"{tls}}}\n'
            + TASKS.replace(" REPLY", REPLIES[reply]))
    d = start(files(text, "server.pem", "server.key", "ca.pem"), workers=workers)
    d.write(text + f'clients:\n  me: {{url: "{url}:{d.port("own")}/own"{trust}}}\n')
    assert "me" in d.reload()["changes"]["clients"]["added"]
    wait_for(lambda: d.manager_json("client", "list")[0]["state"] == "open", "the client open")
    return d


def refused(daemon):
    return daemon.manager_json("stats")["runs"]["refused"]["depth"]


@pytest.mark.parametrize("end, reply, workers", [("plain", "reply", 1), ("plain", "broadcast", 3), ("IPv6", "reply", 3),
                                                 ("TLS", "reply", 3)])
def test_a_task_that_answers_itself_by_messages_comes_to_an_end(start, end, reply, workers):
    """Its connection, the daemon and others go on; a new cause begins at the surface again. proves T8"""
    d = begin(start, end, reply, workers)
    other = d.ws("/other", server="main")
    for number in range(1, 6):
        assert d.http("GET", "/begin/loop", server="main").text == "sent"
        wait_for(lambda count=number: refused(d) == count, f"the end of chain {number}")
        other.send("still here")
        assert other.recv() == "still here"
        assert d.http("GET", "/begin/ask", server="main").text == "sent"
        d.log.wait("EVENT answered", count=number)
    d.log.wait(where=lambda entry: "32 causes deep" in entry.get("message", ""))
    tasks = {task["id"]: task for task in d.manager_json("task", "list")}
    assert sum(tasks[name]["runs"] for name in ("echo", "back")) == 5 * 32
    assert refused(d) == 5


def test_chains_on_one_connection_are_told_apart(start):
    """Messages of others among those of a chain neither end it early nor keep it going. proves T8"""
    d = begin(start, "plain", "reply", 3)
    for _ in range(5):  # 15 messages on the way at most: each is known by its number
        for text in ("loop", "ask", "ask"):
            assert d.http("GET", f"/begin/{text}", server="main").text == "sent"
    wait_for(lambda: refused(d) >= 5, "the end of all chains")
    d.log.wait("EVENT answered", count=10)
    assert refused(d) == 5
