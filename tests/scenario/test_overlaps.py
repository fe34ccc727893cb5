"""Reloads, edits, switches and orders that meet each other and the end."""
import signal
import subprocess
import threading

import pytest

FILES = """
servers:
  main: {bind: "127.0.0.1:0"}
  side: {bind: "127.0.0.1:0"}
tasks:
  hello:
    triggers: [{http-request: {server: main, path: /}}]
    actions: [{http-response: hi}]
  steer:
    triggers: [{http-request: {server: main, path: "/{what}"}}]
    actions:
      - if: HttpPathParam("what") == "start"
        then: [{start-server: side}]
        else: [{stop-server: side}]
      - http-response: ok
"""


def ask(d, method, path, body=""):
    return subprocess.Popen(["curl", "-s", "-m", "20", "-w", "%{http_code}", "--unix-socket", str(d.socket), "-X", method,
                             "-d", body, "http://localhost" + path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def storm(d, rounds):
    asked = []
    for i in range(rounds):
        d.hangup()
        asked += [ask(d, "PUT", f"/v1/servers/more{i}", '{"bind": "127.0.0.1:0"}'), ask(d, "POST", "/v1/reload"),
                  ask(d, "POST", "/v1/servers/side/stop"), ask(d, "POST", "/v1/servers/side/start"),
                  ask(d, "POST", "/v1/tasks/hello/disable"), ask(d, "POST", "/v1/tasks/hello/enable")]
    return asked


def test_what_meets_is_done_one_after_the_other(start):
    d = start(FILES)
    answers = [process.communicate()[0].decode() for process in storm(d, 5)]
    assert all(answer.endswith("200") for answer in answers), answers
    states = {row["id"]: row["state"] for row in d.manager_json("server", "list")}
    assert [states[f"more{i}"] for i in range(5)] == ["listening"] * 5


@pytest.mark.parametrize("answered", range(0, 16, 3))
def test_the_end_comes_amid_a_storm(start, answered):
    """Whatever was asked is done, or refused with 503, or its connection ends; no address opens again."""
    d = start(FILES)
    asked = storm(d, 4)
    for process in asked[:answered]:
        process.wait()
    d.terminate()
    d.log.wait("waiting for what runs")
    d.hangup()
    d.signal(signal.SIGINT)
    answers = [process.communicate()[0].decode() for process in asked]
    assert d.wait_exit() == 0
    assert all(answer[-3:] in ("200", "503", "000") for answer in answers), answers
    ending = d.log.entries.index(d.log.find("waiting for what runs")[0])
    assert not [entry for entry in d.log.entries[ending:] if entry["message"] == "listening"]


def test_orders_to_one_server_wait_for_each_other(start):
    """proves S5"""
    d = start(FILES)
    answers = []

    def order(what):
        for _ in range(25):
            answers.append(d.http("GET", f"/{what}").text)

    threads = [threading.Thread(target=order, args=(what,)) for what in ("start", "stop") * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["ok"] * 300
    assert d.http("GET", "/start").text == "ok"
    assert next(row for row in d.manager_json("server", "list") if row["id"] == "side")["state"] == "listening"
