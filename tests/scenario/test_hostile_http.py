"""Peers that mean no good, over HTTP: what they send must cost its bound and no more."""
import pytest

CONFIG = r"""
tasks:
  note:
    triggers: [{http-request: {path: /note, method: POST}}]
    actions: [{log: "noted ${HttpBody}"}]
  page:
    triggers: [{http-request: /page}]
    actions: [{http-response: "${('x'):rep(10000)}"}]
  talk:
    triggers: [{server-message: /talk}]
    actions: [{send-message: "${WsMessage}"}]
  gone:
    triggers: [{server-close: "/{any...}"}]
    actions: [{log: gone}]
"""


@pytest.fixture(scope="module")
def daemon(start_module):
    return start_module(CONFIG)


def test_a_line_of_the_log_holds_all_that_a_peer_sent(daemon):
    """Nothing is hidden behind a NUL, no second line is forged. proves T13"""
    body = b"a\nb\r\n{\"level\":\"error\"}\x1b[31m\x00after\xe2\x80\xa8end"
    daemon.http("POST", "/note", body=body)
    entry = daemon.log.wait("noted", task="note")
    assert entry["message"] == "noted " + body.decode()
    assert entry["level"] == "info"


def test_only_paths_that_a_websocket_may_open_ask_for_an_upgrade(daemon):
    """A trigger for the end of sessions opens none. proves W12"""
    assert daemon.http("GET", "/talk").status == 426
    assert daemon.http("GET", "/nowhere").status == 404
    assert daemon.ws("/nowhere", check=False).status == 404


def test_a_pipeline_goes_on_after_answers_that_went_out_at_once(daemon):
    """Seven answers together are more than waits for a peer that does not read. proves S10"""
    request = b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with daemon.raw() as raw:
        for _ in range(20):
            raw.send(request * 7)
            for _ in range(7):
                assert len(raw.response().body) == 10000
