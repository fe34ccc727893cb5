"""The log as a terminal, a journal and a collector of JSON see it; what is secret is in none of them."""
import json
import os
import pty
import re
import socket

import pytest

SECRET = "s3cret-of-the-log-1234"
FILES = {"bellwire.yaml": """
        secrets: {key: {file: key}}
        servers: {main: {bind: "127.0.0.1:0", log-level: debug, log-frames: true}}
        tasks:
          say:
            triggers: [{http-request: /say}]
            actions:
              - log: {text: "key ${Secret(\\"key\\")} of ${HttpHeader(\\"Authorization\\")}", fields: {token: "${Secret(\\"key\\")}"}}
              - log: {text: "on two\\nlines", level: warn}
              - http-response: said
        """, "key": SECRET + "\n"}
LINE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warn|error) .+"


def ask(daemon, lines):
    port = next(re.search(r"127\.0\.0\.1:(\d+)", line)[1] for line in lines if "listening" in line)
    with socket.create_connection(("127.0.0.1", int(port)), 20) as raw:
        raw.sendall(f"GET /say?access_token={SECRET} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n"
                    "Connection: close\r\n\r\n".encode())
        assert b"".join(iter(lambda: raw.recv(4096), b"")).endswith(b"said")


@pytest.mark.parametrize("kind", ["terminal", "journal", "json", "journal and json", "pipe"])
def test_each_reader_gets_its_form_and_no_secret(start, kind):
    """proves T13"""
    mine, theirs = pty.openpty() if kind == "terminal" else os.pipe()
    env = {}
    if "journal" in kind:
        stat = os.fstat(theirs)
        env["JOURNAL_STREAM"] = f"{stat.st_dev}:{stat.st_ino}"
    daemon = start.unstarted(FILES, env=env)
    at = daemon.args.index("--log-format")
    del daemon.args[at:at + 2]
    if "json" in kind:
        daemon.write({"bellwire.yaml": "log: {format: json}\n" + (daemon.folder / "bellwire.yaml").read_text()})
    daemon.launch(stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        def until(what):
            nonlocal text
            while what not in text:
                more = os.read(mine, 65536)
                assert more, text
                text += more
        until(b"ready")
        ask(daemon, text.decode().splitlines())
        until(b"lines")
        daemon.terminate()
        until(b"ended")
        assert daemon.wait_exit() == 0
    finally:
        os.close(mine)
    lines = text.decode().replace("\r\n", "\n").splitlines()
    assert SECRET not in text.decode()
    for line in lines:
        prefix = re.match(r"<[3467]>", line)
        assert bool(prefix) == ("journal" in kind), line
        rest = line[3:] if prefix else line
        if "json" in kind and rest.startswith("{"):
            assert {"time", "level", "message"} <= set(json.loads(rest)), line
        else:
            assert re.fullmatch(LINE, rest), line
        if prefix:
            level = json.loads(rest)["level"] if rest.startswith("{") else rest.split()[1]
            assert prefix[0] == {"debug": "<7>", "info": "<6>", "warn": "<4>", "error": "<3>"}[level], line
    said = [line for line in lines if "on two" in line]
    assert len(said) == 1 and "on two\\nlines" in said[0], said
