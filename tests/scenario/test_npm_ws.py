"""Against the `ws` package of npm, as client and as server."""
import json
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

from harness import DEADLINE, wait_for

PEER = pathlib.Path(__file__).with_name("ws_peer.js")
VERSION = "8.18.0"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / f"bellwire-tests-ws-{VERSION}"


def install(folder):
    """Into a folder of its own that is then renamed, for tests that run at once."""
    made = folder.with_name(f"{folder.name}.{os.getpid()}")
    made.mkdir(parents=True)
    done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(made),
                           f"ws@{VERSION}"], capture_output=True, text=True, timeout=120, cwd=made, check=False)
    if done.returncode == 0:
        try:
            made.rename(folder)
        except OSError:
            pass  # another one was faster
    shutil.rmtree(made, ignore_errors=True)
    return done.stderr or done.stdout


@pytest.fixture(scope="module")
def modules():
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are missing: scripts/install-deps --tests installs them")
    said = ""
    if not (CACHE / "node_modules" / "ws").exists():
        said = install(CACHE)
    if not (CACHE / "node_modules" / "ws").exists():
        pytest.skip(f"npm cannot install ws {VERSION}: {said.strip()[-300:]}")
    return CACHE / "node_modules"


class NodePeer:
    def __init__(self, modules, *args):
        self.events = []
        self._process = subprocess.Popen(["node", str(PEER), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         env={**os.environ, "NODE_PATH": str(modules)})
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            self.events.append(json.loads(line))

    def order(self, **order):
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def wait(self, event, count=1):
        def find():
            found = [e for e in self.events if e["event"] == event]
            return found[count - 1] if len(found) >= count else None
        return wait_for(find, f"{event} {count} of ws, which told {self.events[-5:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(DEADLINE)
        self._thread.join(DEADLINE)
        self._process.stdout.close()


@pytest.mark.parametrize("compression", [False, True])
def test_ws_as_a_client(start, modules, compression):
    """Text, binary, a large message, a ping, a subprotocol, and its close. proves W1 W3 W5 W12 W14"""
    d = start(f"""
        servers: {{main: {{bind: "127.0.0.1:0", compression: {str(compression).lower()}, subprotocols: [chat.v1]}}}}
        tasks:
          echo:
            triggers: [{{server-message: /chat}}]
            actions: [{{send-message: {{binary: "${{WsMessage}}", is-binary: "${{WsIsBinary}}"}}}}]
          gone:
            triggers: [{{server-close: /chat}}]
            actions: [{{log: "gone ${{WsCloseCode}} ${{WsCloseReason}} ${{WsClosedBy}}"}}]
    """)
    options = {"compression": compression, "protocols": ["other", "chat.v1"]}
    with NodePeer(modules, "client", d.url("/chat", scheme="ws"), json.dumps(options)) as peer:
        opened = peer.wait("open")
        assert opened["protocol"] == "chat.v1" and ("permessage-deflate" in opened["extensions"]) == compression
        peer.order(send="h\u00e9llo")
        assert peer.wait("message") == {"event": "message", "isBinary": False, "size": 6, "start": "h\u00c3\u00a9llo"}
        peer.order(binary="00ff0001")
        assert peer.wait("message", 2) == {"event": "message", "isBinary": True, "size": 4, "start": "\x00\u00ff\x00\x01"}
        peer.order(send="large ", times=100000)
        assert peer.wait("message", 3)["size"] == 600000
        peer.order(ping="there?")
        assert peer.wait("pong")["data"] == "there?"
        peer.order(close=4321, reason="enough")
        assert peer.wait("close")["code"] == 4321
        d.log.wait("gone 4321 enough peer")


def test_ws_is_told_of_a_close_of_the_server(start, modules):
    """proves M5 W5"""
    d = start("""
        tasks:
          end:
            triggers: [{server-open: /chat}]
            actions: [{close-session: {code: 4002, reason: no entry}}]
    """)
    with NodePeer(modules, "client", d.url("/chat", scheme="ws")) as peer:
        assert peer.wait("close") == {"event": "close", "code": 4002, "reason": "no entry"}


@pytest.mark.parametrize("compression", [False, True])
def test_ws_as_a_server(start, modules, compression):
    """It echoes what a client of the daemon sends, closes, and is found again. proves C4 C5 C6 C8"""
    with NodePeer(modules, "server", "", json.dumps({"compression": compression})) as peer:
        port = peer.wait("listening")["port"]
        d = start(f"""
            clients:
              there: {{url: "ws://127.0.0.1:{port}/feed?x=1", compression: {str(compression).lower()}, auto-reconnect: {{min: 10ms, max: 50ms}}}}
            tasks:
              heard:
                triggers: [client-message: there]
                actions: [{{log: "heard ${{WsIsBinary}} ${{WsMessage}}"}}]
              gone:
                triggers: [client-close: there]
                actions: [{{log: "gone ${{WsCloseCode}} ${{WsCloseReason}} ${{WsClosedBy}}"}}]
              say:
                triggers: [http-request: /say]
                actions: [{{send-message: {{to: {{client: there}}, text: "${{HttpBody}}"}}}}, {{http-response: ok}}]
        """)
        opened = peer.wait("open")
        assert opened["path"] == "/feed?x=1" and ("permessage-deflate" in opened["extensions"]) == compression
        wait_for(lambda: d.manager_json("client", "list")[0]["state"] == "open", "the client is open")
        assert d.http("POST", "/say", "hello " * 50000).text == "ok"
        assert peer.wait("message")["size"] == 300000
        d.log.wait("heard false hello hello")
        peer.order(ping="there?")
        assert peer.wait("pong")["data"] == "there?"
        peer.order(close=4000, reason="later")
        d.log.wait("gone 4000 later peer")
        peer.wait("open", 2)
