"""Clients over many connections: nothing is left behind, and all of them come back.

CLIENT_CYCLES says how often one reconnects (1000), CLIENT_RESTARTS how often the server of many starts again (10).
"""
import os
import re

from client_peers import RawServer
from harness import wait_for

CYCLES = int(os.environ.get("CLIENT_CYCLES", "1000"))
CLIENTS = 200
RESTARTS = int(os.environ.get("CLIENT_RESTARTS", "10"))
BACK_OFF = 2  # seconds, the longest delay of a client


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])


def test_reconnects_by_the_thousand_leave_descriptors_and_memory_where_they_were(start):
    """proves C8"""
    with RawServer() as server:
        d = start(f"""
            clients:
              peer: {{url: "ws://127.0.0.1:{server.port}/", auto-reconnect: {{min: 1ms, max: 1ms}}}}
            tasks:
              got:
                triggers: [client-message: peer]
                actions: [{{send-message: "${{WsMessage}}"}}]
              closed:
                triggers: [client-close]
                actions: [{{set: {{session.last: "${{WsCloseCode}}"}}}}]
        """)
        before = None
        for cycle in range(CYCLES):
            raw = server.accept_ws(b"")
            if cycle % 3 == 0:
                raw.send(b"\x81\x02hi")
                raw.recv_exact(8)
            raw.close()
            if cycle == CYCLES // 10:
                before = descriptors(d.pid), resident_kib(d.pid)
        raw = server.accept_ws()
        raw.send(b"\x81\x02hi")
        raw.recv_exact(8)
        after = descriptors(d.pid), resident_kib(d.pid)
        assert after[0] <= before[0] + 1
        assert after[1] <= before[1] + (20480 if "/" in os.environ.get("BUILD", "") else 1024)  # sanitizers keep what is freed
        raw.close()


def test_two_hundred_clients_survive_restarts_of_their_server(start):
    """Each is open again within twice its back-off. proves C8 C9"""
    server = start("""
        servers: {main: {bind: "127.0.0.1:0"}}
        tasks:
          hello:
            triggers: [{server-open: "/{n}"}]
            actions: [{send-message: "hello ${WsPathParam(n)}"}]
    """)
    port = server.port()
    server.write(f"""
        servers: {{main: {{bind: "127.0.0.1:{port}"}}}}
        tasks:
          hello:
            triggers: [{{server-open: "/{{n}}"}}]
            actions: [{{send-message: "hello ${{WsPathParam(n)}}"}}]
    """)
    clients = "".join(f"  c{i}: {{url: 'ws://127.0.0.1:{port}/{i}', auto-reconnect: {{min: 50ms, max: {BACK_OFF}s}}}}\n"
                      for i in range(CLIENTS))
    d = start(f"clients:\n{clients}tasks: {{}}\n")

    def all_open():
        return all(c["state"] == "open" for c in d.manager_json("client", "list"))

    wait_for(all_open, "all open")
    for restart in range(RESTARTS):
        if restart % 2:
            server.kill9()
        else:
            server.stop()
        wait_for(lambda: not any(c["state"] == "open" for c in d.manager_json("client", "list")), "all lost")
        server.restart()
        wait_for(all_open, f"all open again after restart {restart}", timeout=2 * BACK_OFF)
        sessions = server.manager_json("server", "list")[0]["sessions"]
        assert sessions == CLIENTS
