"""Clients: what connects, stays connected, comes back and stays away, on the real daemon."""
import time

import pytest

from client_peers import RawServer, WsServer, answer_to, free_port
from harness import wait_for

EVENTS = """
  connected:
    triggers: [client-connected]
    actions: [{log: "EVENT connected ${ClientId} ${Peer}"}]
  opened:
    triggers: [client-open]
    actions: [{log: "EVENT open ${ClientId} ${WsPath} ${WsQuery} ${WsHeader(x-peer)} ${WsSubprotocol}"}]
  closed:
    triggers: [client-close]
    actions: [{log: "EVENT close ${WsCloseCode} ${WsClosedBy} ${WsCloseReason}"}]
  failed:
    triggers: [client-error]
    actions: [{log: "EVENT error ${WsError}"}]
"""
ORDERS = """
  connect:
    triggers: [{http-request: /connect}]
    actions:
      - connect-client: {client: peer, wait: true}
      - http-response: connected
  connect-now:
    triggers: [{http-request: /connect-now}]
    actions:
      - connect-client: {client: peer, bearer: "${HttpQueryParam(bearer)}"}
      - http-response: asked
  disconnect:
    triggers: [{http-request: /disconnect}]
    actions:
      - disconnect-client: {client: peer, code: 4001, reason: enough}
      - http-response: gone
  send:
    triggers: [{http-request: "/send/{client}"}]
    actions:
      - send-message: {text: "${HttpBody}", to: {client: "${HttpPathParam(client)}"}}
        on-error: continue
      - http-response: "${StepResult} ${LastErrorDescription}"
"""


def config(client, more=""):
    return f"clients:\n  peer: {client}\ntasks:{EVENTS}{ORDERS}{more}"


def events(daemon):
    return [entry["message"][6:] for entry in daemon.log.find("EVENT ")]


def state(daemon):
    return daemon.manager_json("client", "list")[0]


def wait_state(daemon, wanted):
    return wait_for(lambda: (lambda now: now if now["state"] == wanted else None)(state(daemon)), f"state {wanted}")


def test_an_enabled_client_connects_at_start_with_all_that_is_configured(start):
    """proves C1 C4 C5 C11"""
    with WsServer(subprotocols=["v2"], headers={"X-Peer": "there"}) as server:
        d = start({
            "bellwire.yaml": config(f"""{{host: 127.0.0.1, port: {server.port}, path: "/live?q=1", bearer: "${{Secret(tok)}}",
                headers: {{X-Desk: "7", X-Key: "k-${{Secret(tok)}}"}}, origin: "https://app.example.org",
                cookies: {{sid: "${{Secret(tok)}}", lang: de}}, subprotocols: [v1, v2], compression: true}}""")
            + "secrets: {tok: {file: tok.txt}}\n", "tok.txt": "s3cr3t\n"})
        peer = server.accept()
        assert peer.path == "/live?q=1"
        assert peer.headers["Authorization"] == "Bearer s3cr3t"
        assert peer.headers["X-Desk"] == "7" and peer.headers["X-Key"] == "k-s3cr3t"
        assert peer.headers["Origin"] == "https://app.example.org"
        assert peer.headers["Cookie"] == "sid=s3cr3t; lang=de"
        assert peer.subprotocol == "v2"
        d.log.wait("EVENT open peer /live q=1 there v2")
        assert events(d) == ["connected peer 127.0.0.1", "open peer /live q=1 there v2"]
        assert "s3cr3t" not in d.log.text


@pytest.mark.parametrize("client, message", [
    ("{host: \"ws://x\"}", '"host" must be a name or an address without a scheme, got "ws://x"'),
    ("{url: \"http://x/\"}", '"url" must begin with ws:// or wss://'),
    ("{url: \"ws://x/a b\"}", '"url" must have a path'),
    ("{url: \"ws://x/\", bearer: \"${HttpBody}\"}", '"bearer" may hold ${Secret(name)}'),
    ("{url: \"ws://x/\", bearer: \"${Secret(nope)}\"}", 'secret "nope" is not declared'),
    ("{url: \"ws://x/\", headers: {Upgrade: x}}", 'header "Upgrade" is written by the handshake itself'),
    ("{url: \"ws://x/\", auto-reconnect: maybe}", '"auto-reconnect" must be'),
    ("{url: \"ws://x/\", auto-reconnect: {min: 5s, max: 1s}}", '"max" of "auto-reconnect" must be at least its "min"'),
    ("{name: nothing}", 'client "peer" must have "url" or "host"'),
])
def test_what_cannot_be_meant_is_refused_at_load(start, client, message):
    """proves C1"""
    done = start.check(f"clients:\n  peer: {client}\n")
    assert done.returncode == 78 and message in done.stdout, done.stdout


def test_the_port_0_is_the_protocols_own(start):
    """proves C1"""
    d = start("clients:\n  a: {host: example.org, protocol: wss, port: 0, enabled: false}\n"
              "  b: {url: 'ws://[::1]/x?token=abc', enabled: false}\n")
    urls = {c["id"]: c["url"] for c in d.manager_json("client", "list")}
    assert urls == {"a": "wss://example.org/", "b": "ws://[::1]/x?token=***"}


def test_show_alone_prints_what_was_written_and_never_the_value_of_a_name(start):
    """A list masks; `show` is fit to be put back, so a name stays a name and all else is whole. proves C1 D6"""
    d = start({"bellwire.yaml": """
        clients:
          peer: {url: "ws://127.0.0.1:1/x?token=abc", enabled: false, headers: {X-Key: "${Secret(tok)}"}, cookies: {sid: "${Secret(tok)}"}}
        secrets: {tok: {file: tok.txt}}
        """, "tok.txt": "s3cr3t\n"})
    d.manager("client", "add", "hand", "url=ws://127.0.0.1:1/y?token=def", "bearer=${Secret(tok)}", "headers.X-Key=k3y", "enabled=false")
    listed = d.manager("-o", "json", "client", "list").stdout + d.manager("client", "list").stdout
    assert listed.count("token=***") == 4 and not any(word in listed for word in ("abc", "def", "k3y", "s3cr3t"))
    config = d.manager_json("client", "show", "peer")["config"]
    assert config["url"].endswith("?token=abc") and config["headers"] == {"X-Key": "${Secret(tok)}"}
    shown = d.manager_json("client", "show", "hand")
    assert shown["url"].endswith("?token=***") and shown["config"] == {
        "url": "ws://127.0.0.1:1/y?token=def", "bearer": "${Secret(tok)}", "headers": {"X-Key": "k3y"}, "enabled": "false"}
    assert not any("s3cr3t" in d.manager("client", "show", id).stdout for id in ("peer", "hand"))


def test_connecting_twice_makes_one_socket_and_wait_waits(start):
    """proves C2 C9"""
    with WsServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', enabled: false}}"))
        assert state(d)["state"] == "stopped" and server.total == 0
        assert d.http("GET", "/connect").text == "connected"
        assert state(d)["state"] == "open"
        for _ in range(5):
            assert d.http("GET", "/connect").text == "connected"
        wait_for(lambda: server.total > 0, "the peer's count")
        assert server.total == 1


def test_a_waiting_connect_fails_with_the_cause(start):
    """proves C2 C5"""
    d = start(config(f"{{url: 'ws://127.0.0.1:{free_port()}/', enabled: false, auto-reconnect: false}}"))
    assert d.http("GET", "/connect").status == 500
    error = d.log.wait(where=lambda e: e.get("task") == "connect" and "did not connect" in str(e))
    assert "refused: 127.0.0.1" in str(error)
    d.log.wait("EVENT error refused: 127.0.0.1")
    assert len(events(d)) == 1
    now = state(d)
    assert now["state"] == "stopped" and now["error"].startswith("refused: ")


def test_a_bearer_of_the_action_is_sent(start):
    """proves C2"""
    with WsServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', enabled: false, bearer: old}}"))
        assert d.http("GET", "/connect-now?bearer=fresh").text == "asked"
        assert server.accept().headers["Authorization"] == "Bearer fresh"


def test_a_disconnect_closes_and_stays_away_until_the_next_connect(start):
    """proves C3"""
    with WsServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', auto-reconnect: {{min: 1ms, max: 1ms}}}}"))
        peer = server.accept()
        wait_state(d, "open")
        assert d.http("GET", "/disconnect").text == "gone"
        assert peer.wait_closed() == (4001, "enough")
        d.log.wait("EVENT close 4001 local")
        wait_state(d, "stopped")
        for _ in range(20):
            assert state(d)["state"] == "stopped"
        assert server.total == 1
        assert d.http("GET", "/connect").text == "connected"
        wait_for(lambda: server.total > 1, "the peer's count")
        assert server.total == 2


def test_messages_fire_once_each_and_match_keys_narrow(start):
    """proves C6"""
    more = """
  all:
    triggers: [client-message: peer]
    actions: [{log: "GOT ${WsMessage} ${WsIsBinary} ${SessionId}"}]
  hi:
    triggers: [{client-message: {client: peer, starts-with: hi, case-sensitive: false}}]
    actions: [{send-message: "hello ${WsMessage}"}]
  seven:
    triggers: [{client-message: {json: {n: 7}}}]
    actions:
      - set: {session.count: "${WsJson(n)}"}
      - send-message: {json: {n: "${session.count}"}}
"""
    with RawServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/'}}", more))
        raw = server.accept_ws()
        raw.send(b"\x81\x01a\x81\x02HI\x01\x01b\x89\x00\x80\x01c\x82\x01d")
        d.log.wait("GOT d true")
        raw.send_split(b'\x81\x07{"n":7}')
        d.log.wait('GOT {"n":7} false')
        got = [e["message"].split()[1] for e in d.log.find("GOT ")]
        assert got == ["a", "HI", "bc", "d", '{"n":7}']
        frames = [read_frame(raw) for _ in range(3)]
        assert sorted(frames) == [(1, b"hello HI"), (1, b'{"n":7}'), (10, b"")]
        raw.close()


def read_frame(raw):
    """A masked frame of a client, unmasked."""
    first, second = raw.recv_exact(2)
    assert second & 0x80, "a client's frames are masked"
    size = second & 0x7f
    if size == 126:
        size = int.from_bytes(raw.recv_exact(2), "big")
    mask = raw.recv_exact(4)
    return first & 15, bytes(b ^ mask[i % 4] for i, b in enumerate(raw.recv_exact(size)))


def test_a_peer_that_answers_no_ping_is_dropped(start):
    """proves C7"""
    with RawServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', ping-interval: 50ms, pong-timeout: 50ms,"
                         " auto-reconnect: false}"))
        raw = server.accept_ws()
        assert read_frame(raw) == (9, b"")
        raw.send(b"\x8a\x00")
        assert read_frame(raw) == (9, b"")
        d.log.wait("EVENT close 1006 lost")
        assert [e.split(":")[0] for e in events(d)[2:]] == ["error timeout", "close 1006 lost "]
        raw.close()


def test_off_never_pings(start):
    """proves C7"""
    with RawServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', ping-interval: off, pong-timeout: 1ms}}"))
        raw = server.accept_ws()
        wait_state(d, "open")
        assert d.http("POST", "/send/peer", b"first").text == "0 "
        assert read_frame(raw) == (1, b"first")
        raw.close()


def test_a_peer_that_comes_back_is_found_again(start):
    """proves C8 C5"""
    port = free_port()
    d = start(config(f"{{url: 'ws://127.0.0.1:{port}/', auto-reconnect: {{min: 20ms, max: 100ms}}}}"))
    d.log.wait("EVENT error refused", count=3)
    now = state(d)
    assert now["state"] in ("waiting", "connecting") and now["error"].startswith("refused")
    with WsServer(port) as server:
        server.accept()
        wait_state(d, "open")
    d.log.wait("EVENT close 1001 peer")
    with WsServer(port) as server:
        server.accept()
        now = wait_state(d, "open")
        assert now["reconnects"] == 1 and now["error"] is None


def test_off_does_not_come_back(start):
    """proves C8"""
    with RawServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', auto-reconnect: off}}"))
        server.accept_ws().close()
        d.log.wait("EVENT close 1006 lost")
        wait_state(d, "stopped")
        assert not server.is_asked(0.5)


@pytest.mark.parametrize("answer, cause", [
    (b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "handshake: the peer answered 302 Found"),
    (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "handshake: the peer answered 401 Unauthorized"),
    (b"\x00\xff garbage \r\n\r\n", "handshake: "),
    (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n", "handshake: "),
    (b"", "handshake: the peer closed the connection"),
])
def test_a_misbehaving_peer_gives_one_error_and_the_back_off(start, answer, cause):
    """With full jitter the next try comes at any time up to `min`: within this test once in a million. proves C4 C5 C8"""
    with RawServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', auto-reconnect: {{min: 24h, max: 24h}}}}"))
        raw = server.accept()
        raw.recv_until(b"\r\n\r\n")
        if answer:
            raw.send(answer)
        else:
            raw.close()
        d.log.wait("EVENT error " + cause)
        now = wait_state(d, "waiting")
        assert now["next_attempt"] is not None and now["error"].startswith(cause)
        assert len(events(d)) == 2
        raw.close()


def test_a_peer_that_stays_silent_times_out(start):
    """proves C5"""
    with RawServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', handshake-timeout: 50ms, auto-reconnect: false}}"))
        raw = server.accept()
        d.log.wait("EVENT error timeout: ")
        assert raw.recv_all().startswith(b"GET / HTTP/1.1\r\n")
        assert [e.split(":")[0] for e in events(d)] == ["connected peer 127.0.0.1", "error timeout"]
        raw.close()


def test_a_masked_frame_of_a_server_is_a_protocol_fault(start):
    """proves C5"""
    with RawServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', auto-reconnect: false}}"))
        raw = server.accept_ws()
        raw.send(b"\x81\x82mask\x05\x08")
        d.log.wait("EVENT close 1002 local")
        assert [e.split(":")[0] for e in events(d)[2:3]] == ["error protocol"]
        assert len(events(d)) == 4
        raw.close()


def test_a_name_that_is_not_found(start):
    """proves C5"""
    d = start(config("{url: 'ws://no-such-host.invalid/', auto-reconnect: false}"))
    d.log.wait("EVENT error name: no-such-host.invalid")


def test_sending_to_what_is_not_open_is_a_step_error_and_nothing_follows(start):
    """proves C10 S11"""
    with WsServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', enabled: false}}"))
        assert d.http("POST", "/send/peer", b"early").text == '1 client "peer" is not open'
        d.log.wait("a message was not sent: the client is not open")
        assert d.http("POST", "/send/nobody", b"x").text == '1 Invalid WS Client ID "nobody"'
        assert d.http("GET", "/connect").text == "connected"
        assert d.http("POST", "/send/peer", b"later").text == "0 "
        assert server.accept().recv() == "later"


def test_any_worker_sends_through_any_client(start):
    """proves C10"""
    with WsServer() as server:
        clients = "".join(f"  c{i}: {{url: 'ws://127.0.0.1:{server.port}/c{i}'}}\n" for i in range(12))
        d = start(f"clients:\n{clients}tasks:{ORDERS.replace('peer', 'c0')}", workers=3)
        peers = {peer.path: peer for peer in (server.accept() for _ in range(12))}
        wait_for(lambda: all(c["state"] == "open" for c in d.manager_json("client", "list")), "all open")
        for i in range(12):
            assert d.http("POST", f"/send/c{i}", f"for {i}".encode()).text == "0 "
        for i in range(12):
            assert peers[f"/c{i}"].recv() == f"for {i}"


def test_a_reload_connects_anew_where_it_must_and_only_there(start):
    """proves C11 C13 D2"""
    with WsServer() as server:
        client = f"url: 'ws://127.0.0.1:{server.port}/one'"
        d = start(config(f"{{{client}, bearer: b3ar3r}}"))
        peer = server.accept()
        wait_state(d, "open")
        mark = d.log.mark()
        d.write(config(f"{{{client}, bearer: b3ar3r, log-frames: true, log-level: debug, ping-interval: 5s}}"))
        assert d.reload()["changes"]["clients"]["changed"] == ["peer"]
        peer.send("shown")
        d.log.wait("received text, 5 bytes: shown", since=mark)
        assert server.total == 1
        d.write(config(f"{{{client.replace('one', 'two')}, bearer: b3ar3r, log-frames: true}}"))
        d.reload()
        assert peer.wait_closed()[0] == 1001
        assert server.accept().path == "/two"
        wait_state(d, "open")
        assert server.overlaps == 0
        d.log.wait("sent Authorization: ***")
        assert "b3ar3r" not in d.log.text
        d.write("tasks: {}\n")
        d.reload()
        wait_for(lambda: server.open == 0, "the client gone")
        assert d.manager_json("client", "list") == []


def test_the_manager_shows_states_times_and_last_messages(start):
    """proves C14"""
    with WsServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', name: Prices}}"))
        peer = server.accept()
        before = wait_state(d, "open")
        assert before["last_sent"] is None and before["last_received"] is None and before["name"] == "Prices"
        peer.send("from there")
        d.http("POST", "/send/peer", b"from here")
        peer.recv()
        now = wait_for(lambda: state(d) if state(d)["last_received"] else None, "the message")
        assert now["last_received"]["text"] == "from there" and now["last_sent"]["text"] == "from here"
        assert now["since"] == before["since"] <= now["last_sent"]["at"]
        session = d.manager_json("session", "list")[0]
        assert session["client"] == "peer" and session["server"] is None and session["peer"] == "127.0.0.1"
        d.manager("session", "send", session["id"], "by hand", check=0)
        assert peer.recv() == "by hand"
        shown = d.manager_json("client", "show", "peer")
        assert shown["config"]["name"] == "Prices" and shown["state"] == "open"


def test_sending_at_client_connected_is_a_warning(start):
    """proves C5"""
    done = start.check("""
        clients: {peer: {url: "ws://127.0.0.1:1/"}}
        tasks:
          early:
            triggers: [client-connected]
            actions: [{if: "true", then: [{send-message: hi}]}]
          elsewhere:
            triggers: [client-connected]
            actions: [{send-message: {text: hi, to: {server: main}}}]
    """)
    assert done.returncode == 0
    assert done.stdout.count("too early") == 1 and 'task "early" sends a message' in done.stdout


def test_bounds_are_listed(start):
    """proves C7"""
    d = start("clients: {peer: {url: 'ws://127.0.0.1:1/', enabled: false, connect-timeout: 2s}}\n")
    limits = {row["key"]: row for row in d.manager_json("limits") if row["of"] == "client:peer"}
    assert limits["connect-timeout"]["value"] == "2s" and ":" in limits["connect-timeout"]["set_at"]
    assert limits["max-message"]["value"] == 1048576 and limits["max-message"]["refused"] == 0


def test_statistics_count_to_the_byte(start):
    """proves D7"""
    with RawServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/', ping-interval: off}}"))
        raw = server.accept()
        request = raw.recv_until(b"\r\n\r\n")
        answer = answer_to(request)
        raw.send(answer + b"\x81\x05hello")
        wait_state(d, "open")
        d.http("POST", "/send/peer", b"12345678")
        assert read_frame(raw) == (1, b"12345678")
        stats = wait_for(lambda: (lambda s: s if s["messages"]["received"] else None)(
            d.manager_json("stats")["clients"]["peer"]), "counted")
        assert stats["bytes"]["sent"] == len(request) + 2 + 4 + 8
        assert stats["bytes"]["received"] == len(answer) + 2 + 5
        assert stats["messages"]["sent"] == 1 and stats["messages"]["received"] == 1
        assert stats["connections"]["total"] == 1 and stats["connections"]["open"] == 1
        raw.close()


def test_a_term_says_1001(start):
    """proves D3"""
    with WsServer() as server:
        d = start(config(f"{{url: 'ws://127.0.0.1:{server.port}/'}}"))
        peer = server.accept()
        wait_state(d, "open")
        d.stop()
        assert peer.wait_closed()[0] == 1001


def test_reconnects_and_reloads_and_actions_at_once_make_one_socket(start):
    """proves C9"""
    with WsServer() as server:
        url = f"url: 'ws://127.0.0.1:{server.port}/PATH', auto-reconnect: {{min: 1ms, max: 5ms}}"
        d = start(config("{" + url.replace("PATH", "0") + "}"), workers=3)
        end = time.monotonic() + 3
        turn = 0
        while time.monotonic() < end:
            turn += 1
            d.http("GET", "/connect-now?bearer=x")
            if turn % 3 == 0:
                d.http("GET", "/disconnect")
            if turn % 5 == 0:
                d.write(config("{" + url.replace("PATH", str(turn)) + "}"))
                d.reload()
            while not server.accepted.empty():
                peer = server.accepted.get()
                if turn % 2:
                    peer.close(1012)
        assert d.http("GET", "/connect").text == "connected"
        assert server.overlaps == 0 and server.total > 3
        assert wait_for(lambda: server.open == 1, "one open")
