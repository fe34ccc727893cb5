"""/metrics, /healthz and /readyz: both formats are read by a parser of the test's own, and by promtool where it is."""
import http.client
import importlib.util
import re
import signal
import socket
import sqlite3
import subprocess

import pytest

from harness import Response, find_tool, wait_for

FILES = """
metrics: {bind: "127.0.0.1:0"}
tasks:
  hello:
    triggers: [{http-request: /hello}]
    actions: [{http-response: hi}]
  broken:
    triggers: [{http-request: /broken}]
    conditions: [{when: 'HttpQuery ~= "no"', unmet: 403}]
    actions: [{fail: "with a \\"quote\\""}]
  echo:
    triggers: [{server-message: /ws}]
    actions: [{send-message: "${WsMessage}"}]
"""
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\d+(?:\.\d+)?)')


def address(daemon):
    host, _, port = daemon.log.wait("metrics are served")["fields"]["address"].rpartition(":")
    return host, int(port)


def get(where, path="/metrics", method="GET", **headers):
    connection = http.client.HTTPConnection(*where, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        return Response(connection.getresponse())
    finally:
        connection.close()


def parse(text):
    """{(name, frozenset of labels): value}; the shape of every line is checked, and that families stand together."""
    samples, types, family, ended = {}, {}, None, set()
    for line in text.splitlines():
        if line == "# EOF":
            continue
        if line.startswith("# HELP "):
            ended.add(family)
            family = line.split()[2]
            assert family not in ended and len(line.split(None, 3)) == 4, line
            continue
        if line.startswith("# TYPE "):
            assert line.split()[2] == family
            types[family] = line.split()[3]
            continue
        match = SAMPLE.fullmatch(line)
        assert match and match[1].startswith(family.removesuffix("_total")), line
        key = (match[1], frozenset(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match[2] or "")))
        assert key not in samples, line
        samples[key] = float(match[3])
    assert all(name.startswith("bellwire_") for name in types)
    return samples, types


def value(where, name, **labels):
    return parse(get(where).text)[0].get((name, frozenset(labels.items())))


def test_both_formats_are_well_formed_and_say_the_same(start):
    daemon = start(FILES)
    where = address(daemon)
    daemon.http("GET", "/hello")
    plain = get(where, Accept="text/plain")
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    opened = get(where, Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert opened.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert opened.text.endswith("# EOF\n") and "# EOF" not in plain.text
    plain_samples, plain_types = parse(plain.text)
    samples, types = parse(opened.text)
    assert set(samples) == set(plain_samples)
    counters = {name for name, kind in types.items() if kind == "counter"}
    assert counters and all(name + "_total" in plain_types for name in counters)
    assert not any(name.endswith("_total") for name in types)


@pytest.mark.skipif(not find_tool("promtool"), reason="promtool is neither installed nor unpacked by scripts/test-tools")
def test_promtool_finds_nothing_to_object_to(start):
    daemon = start(FILES)
    done = subprocess.run([find_tool("promtool"), "check", "metrics"], input=get(address(daemon)).body, capture_output=True,
                          check=False)
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.skipif(not importlib.util.find_spec("prometheus_client"), reason="python3-prometheus-client is not installed")
def test_prometheus_own_parser_reads_openmetrics(start):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
    page = get(address(start(FILES)), Accept="application/openmetrics-text;version=1.0.0").text
    assert {"bellwire_runs", "bellwire_http_requests"} <= {family.name for family in text_string_to_metric_families(page)}


def test_requests_runs_and_refusals_are_counted_right(start):
    """proves D7"""
    daemon = start(FILES)
    where = address(daemon)
    for _ in range(3):
        assert daemon.http("GET", "/hello").status == 200
    assert daemon.http("GET", "/broken").status == 500
    assert daemon.http("GET", "/broken?no").status == 403
    assert daemon.http("GET", "/none").status == 404
    samples = parse(get(where).text)[0]

    def sample(name, **labels):
        return samples[name, frozenset(labels.items())]
    assert sample("bellwire_http_requests_total", server="main") == 6
    assert sample("bellwire_http_answers_total", server="main", code="2xx") == 3
    assert sample("bellwire_http_answers_total", server="main", code="4xx") == 2
    assert sample("bellwire_http_answers_total", server="main", code="5xx") == 1
    assert sample("bellwire_http_request_duration_seconds_count", server="main") >= 4
    assert sample("bellwire_http_request_duration_seconds_bucket", server="main", le="+Inf") == \
        sample("bellwire_http_request_duration_seconds_count", server="main")
    assert sample("bellwire_runs_total", task="hello", status="done") == 3
    assert sample("bellwire_runs_total", task="broken", status="failed") == 1
    assert sample("bellwire_run_duration_seconds_count", task="broken", status="failed") == 1
    assert sample("bellwire_triggers_total", task="broken", result="admitted") == 1
    assert sample("bellwire_triggers_total", task="broken", result="conditions") == 1
    assert not any("/hello" in label or "127.0.0.1" in label for _, labels in samples for _, label in labels)


def test_sessions_messages_and_closes_are_counted_by_side(start):
    daemon = start(FILES)
    where = address(daemon)
    first, second = daemon.ws("/ws"), daemon.ws("/ws")
    first.send("one")
    assert first.recv() == "one"
    assert value(where, "bellwire_server_sessions", server="main") == 2
    assert value(where, "bellwire_server_messages_total", server="main", direction="in") == 1
    assert value(where, "bellwire_server_messages_total", server="main", direction="out") == 1
    first.close(4123, "bye")
    second.send_frame(3, b"")  # a reserved opcode: 1002 by us
    assert second.expect_close()[0] == 1002
    wait_for(lambda: value(where, "bellwire_server_sessions", server="main") == 0, "no sessions")
    assert value(where, "bellwire_server_closes_total", server="main", code="4xxx", side="peer") == 1
    assert value(where, "bellwire_server_closes_total", server="main", code="1002", side="local") == 1


def test_a_client_is_up_and_reconnects(start):
    daemon = start(FILES)
    files = FILES + f'clients: {{up: {{url: "{daemon.url("/ws", scheme="ws")}", auto-reconnect: {{min: 10ms, max: 20ms}}}}}}\n'
    asker = start(files)
    where = address(asker)
    wait_for(lambda: value(where, "bellwire_client_up", client="up") == 1, "up")
    session = daemon.manager_json("session", "list")[0]["id"]
    daemon.manager("session", "close", session, check=0)
    wait_for(lambda: value(where, "bellwire_client_reconnects_total", client="up") == 1, "reconnected")
    assert value(where, "bellwire_client_closes_total", client="up", code="1000", side="peer") == 1


def test_who_waits_is_counted_by_queue(start):
    daemon = start("""
        metrics: {bind: "127.0.0.1:0"}
        max-programs: 1
        tasks:
          queued: {mode: queued, actions: [{wait: 60s}]}
          program: {actions: [{run-program: [sleep, "60"]}]}
    """)
    where = address(daemon)
    for task in ("queued", "queued", "queued", "program", "program"):
        daemon.manager("task", "run", task, check=0)
    wait_for(lambda: value(where, "bellwire_programs_waiting") == 1, "one of two programs waits")
    wait_for(lambda: value(where, "bellwire_runs_waiting", task="queued") == 2, "two of three runs wait")
    assert value(where, "bellwire_runs_active", task="queued") == 3
    assert value(where, "bellwire_runs_waiting", task="program") == 0
    daemon.manager("task", "stop", "queued", check=0)
    daemon.manager("task", "stop", "program", check=0)
    wait_for(lambda: value(where, "bellwire_runs_active", task="queued") == 0, "all are cancelled")
    wait_for(lambda: value(where, "bellwire_programs_waiting") == 0, "and wait for nothing")
    assert value(where, "bellwire_runs_waiting", task="queued") == 0


def test_refusals_are_counted_by_their_bound(start):
    daemon = start("""
        metrics: {bind: "127.0.0.1:0"}
        max-global: 1KiB
        servers: {main: {bind: "127.0.0.1:0", max-body: 1KiB}}
        tasks:
          large: {triggers: [{http-request: /}], actions: [{set: {global.x: "${HttpBody .. HttpBody}"}}]}
    """)
    where = address(daemon)
    assert daemon.http("POST", "/", body=b"x" * 1000).status == 500
    assert daemon.http("POST", "/", body=b"x" * 2000).status == 413
    assert value(where, "bellwire_refusals_total", bound="max-global") == 1
    assert value(where, "bellwire_refusals_total", bound="max-globals") == 0
    assert value(where, "bellwire_server_refusals_total", server="main", bound="max-body") == 1


def test_everything_that_an_administrator_asks_for_has_a_name(start):
    daemon = start(FILES + 'clients: {up: {url: "ws://127.0.0.1:9/", enabled: no}}\n')
    where = address(daemon)
    daemon.http("GET", "/hello")
    names = {name for name, _ in parse(get(where).text)[0]}
    wanted = """build_info config_reloads_total http_requests_total http_request_duration_seconds_bucket server_sessions
        server_messages_total server_bytes_total client_messages_total client_bytes_total client_up
        client_reconnects_total triggers_total runs_total run_duration_seconds_bucket runs_waiting programs_waiting
        server_refusals_total client_refusals_total refusals_total worker_loop_lag_seconds database_degraded
        database_size_bytes process_resident_memory_bytes process_cpu_seconds_total ready""".split()
    assert not {f"bellwire_{name}" for name in wanted} - names
    types = parse(get(where).text)[1]
    assert {"bellwire_server_closes_total", "bellwire_client_closes_total"} <= set(types)  # samples come with the first close


def test_labels_hold_nothing_that_a_peer_sent(start):
    daemon = start(FILES)
    where = address(daemon)
    for path in ("/hello?secret-query", "/none-of-these", "/broken?no"):
        daemon.http("GET", path, headers={"X-Custom": "header-of-a-peer"})
    daemon.http("BREW", "/hello")
    with daemon.ws("/ws") as peer:
        peer.send("text-of-a-message")
        assert peer.recv() == "text-of-a-message"
        session = daemon.manager_json("session", "list")[0]["id"]
        samples = parse(get(where).text)[0]
    values = {label for _, labels in samples for _, label in labels}
    for foreign in ("secret", "none-of", "of-a-peer", "BREW", "text-of", "127.0.0.1", session):
        assert not [label for label in values if foreign in label], foreign
    before = len(samples)
    for number in range(50):
        daemon.http("GET", f"/path-{number}")
    assert len(parse(get(where).text)[0]) <= before + 1  # 4xx or a duration may come for the first time


def test_a_registry_that_cannot_be_written_is_not_ready(start):
    """proves D8"""
    daemon = start(FILES)
    where = address(daemon)
    assert get(where, "/readyz").status == 200
    with sqlite3.connect(daemon.state / "bellwire.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        daemon.manager("var", "set", "x", "1")
        wait_for(lambda: get(where, "/readyz").status == 503, "not ready")
        assert get(where, "/readyz").text == "degraded: the registry cannot be written\n"
        assert get(where, "/healthz").status == 200 and daemon.http("GET", "/hello").status == 200
        assert value(where, "bellwire_database_degraded") == 1 and value(where, "bellwire_ready") == 0
        other.execute("ROLLBACK")
    wait_for(lambda: get(where, "/readyz").status == 200, "ready again")


def test_reloads_are_counted_and_the_last_one_judged(start):
    daemon = start(FILES.replace("127.0.0.1:0", "127.0.0.1:0"))
    where = address(daemon)
    assert value(where, "bellwire_config_last_reload_successful") == 1
    daemon.write(FILES.replace("http-response: hi", "http-respond: hi"))
    assert not daemon.reload()["ok"]
    assert value(where, "bellwire_config_reloads_total", result="failed") == 1
    assert value(where, "bellwire_config_last_reload_successful") == 0
    daemon.write(FILES)
    assert daemon.reload()["ok"]
    assert value(where, "bellwire_config_reloads_total", result="ok") == 1


def test_a_reload_opens_and_closes_the_address(start):
    daemon = start("tasks: {}\n")
    daemon.write('metrics: {bind: ["127.0.0.1:0", "[::1]:0"]}\ntasks: {}\n')
    assert daemon.reload()["ok"]
    where = address(daemon)
    assert get(where, "/healthz").text == "ok\n"
    daemon.write("tasks: {}\n")
    assert daemon.reload()["ok"]
    with pytest.raises(ConnectionRefusedError):
        get(where)


def test_a_taken_address_is_one_line_and_the_daemon_serves(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = start(FILES.replace("metrics: {bind: \"127.0.0.1:0\"}", f'metrics: {{bind: "127.0.0.1:{port}"}}'))
        told = daemon.log.wait("cannot serve metrics")
        assert told["error"].startswith("the address is in use: ") and told["fields"]["address"] == f"127.0.0.1:{port}"
        assert daemon.http("GET", "/hello").status == 200


def test_wrong_addresses_are_refused(start):
    result = start.check('metrics: {bind: "9464"}\n')
    assert result.returncode == 78 and '"bind" must be an address and a port' in result.stdout
    assert start.check("metrics: {}\n").returncode == 78


def test_ready_until_it_drains_and_while_the_registry_can_be_written(start):
    daemon = start(FILES + "  slow: {actions: [{wait: 60s}]}\n")
    where = address(daemon)
    ready = get(where, "/readyz")
    assert (ready.status, ready.text) == (200, "ready\n")
    daemon.manager("task", "run", "slow", check=0)
    daemon.terminate()
    daemon.log.wait("ending")
    answer = get(where, "/readyz")
    assert (answer.status, answer.text) == (503, "draining\n")
    assert get(where, "/healthz").status == 200
    assert value(where, "bellwire_ready") == 0
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0


def test_other_paths_methods_and_what_is_no_http(start):
    daemon = start(FILES)
    where = address(daemon)
    assert get(where, "/").status == 404
    post = get(where, "/metrics", "POST")
    assert post.status == 405 and post.headers["Allow"] == "GET, HEAD"
    head = get(where, "/metrics", "HEAD")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 1000
    with socket.create_connection(where, 20) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 400 ")
    with socket.create_connection(where, 20) as raw:  # pipelined, in order, on one connection
        raw.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: raw.recv(65536), b""))
        assert text.count(b"HTTP/1.1 200 OK") == 2 and text.endswith(b"ready\n")
