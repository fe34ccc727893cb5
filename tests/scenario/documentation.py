"""Pages of the documentation as programs: their sections, fenced blocks, and the terminals that run what they show."""
import collections
import os
import pathlib
import random
import re
import select
import signal
import socket
import subprocess
import tempfile
import time

from harness import BUILD, DEADLINE, ROOT, assert_no_report, process_env, wait_for

Block = collections.namedtuple("Block", "language note text")
FENCE = re.compile(r"^```(\w+)(?: +(\w+))?\n(.*?)^```$", flags=re.M | re.S)
ESCAPES = re.compile(r"\x1b(?:[78]|\[\d*[A-Za-z])|\r")


def page(name):
    return (ROOT / name).read_text()


def blocks(text):
    return [Block(*(part or "" for part in match.groups())) for match in FENCE.finditer(text)]


def sections(text):
    """{title: text} of the `##` headings of a page, in its order."""
    parts = re.split(r"^## (.*)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def file_of(block):
    """The path that a comment in the first two lines of a block names, or None."""
    for line in block.text.splitlines()[:2]:
        match = re.fullmatch(r"(?:#|<!--) ([\w.-]+(?:/[\w.-]+)+)(?: -->)?", line)
        if match:
            return match[1]
    return None


def commands(text):
    """[(command, what it prints)] of a console block: a command follows `$ `, and goes on after a final backslash."""
    found = []
    for line in text.splitlines():
        if found and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line}", "")
        elif line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def fits(expected, actual):
    """`...` stands for anything in a line, a line of it alone for any number of lines; columns are as wide as they need."""
    expected, actual = (re.sub(" {2,}", "  ", text) for text in (expected, actual))
    pattern = "".join(r"(?:.*\n)*" if line == "..." else r".*?".join(map(re.escape, line.split("..."))) + " *\n"
                      for line in expected.splitlines())
    return re.fullmatch(pattern, actual) is not None


def collect(stream, until, what, seen=""):
    """Reads a pipe until until(text) gives a value; returns (value, text). There is time for `make install`."""
    end = time.monotonic() + DEADLINE * 3
    while True:
        value = until(seen)
        if value is not None:
            return value, seen
        ready = select.select([stream], [], [], max(0, end - time.monotonic()))[0]
        data = os.read(stream.fileno(), 65536) if ready else b""
        assert data, f"{'it ended' if ready else 'not in time'}: {what}; it said:\n{seen}"
        seen += ESCAPES.sub("", data.decode("utf-8", "replace"))


class Shell:
    """A bash that is told commands one after the other, as a reader types them."""

    def __init__(self, folder, env):
        self.process = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd=folder, env=env)

    def run(self, command):
        """(exit code, what was printed)"""
        self.process.stdin.write(f"{command}\nprintf '\\1%d\\1' $?\n".encode())
        self.process.stdin.flush()
        done, text = collect(self.process.stdout, lambda seen: re.search("\1(\\d+)\1", seen), command)
        text = text[:done.start()]
        return int(done[1]), text if text.endswith("\n") or not text else text + "\n"

    def expect(self, command, expected, is_later=False):
        """Runs a command, which must succeed and print what is expected; is_later: it does at last."""
        def attempt():
            code, text = self.run(command)
            fine = code == 0 and fits(expected, text)
            assert fine or is_later, f"$ {command}\nended with {code} and printed\n{text}where the page says\n{expected}"
            return fine
        wait_for(attempt, f"$ {command}\n{expected}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(DEADLINE)
        self.process.stdout.close()


class WebSocketTerminal:
    """The interactive client of python3-websockets: `>` lines and ^C are typed, the others must come, in order."""

    def __init__(self, command, folder, env):
        self.seen = ""
        self.process = subprocess.Popen(["bash", "-c", f"exec {command}"], stdin=subprocess.PIPE, cwd=folder,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)

    def follow(self, lines):
        for line in lines:
            if line == "^C":
                self.process.send_signal(signal.SIGINT)
            elif line.startswith("> "):
                self.process.stdin.write(f"{line[2:]}\n".encode())
                self.process.stdin.flush()
            else:
                self._expect(line)

    def _expect(self, line):
        match, seen = collect(self.process.stdout, lambda seen: re.search(r"^(?:> )*([^>\s].*)\n", seen, flags=re.M),
                              f"expected {line!r}", self.seen)
        self.seen = seen[match.end():]
        assert fits(line, match[1] + "\n"), f"{match[1]!r} came where the page says {line!r}"

    def close(self):
        self.process.stdin.close()
        self.process.wait(DEADLINE)
        self.process.stdout.close()


class Reader:
    """Somebody who does what a page says, in an empty folder of their own."""

    def __init__(self, folder):
        self.top = pathlib.Path(folder)
        (self.top / ".curlrc").write_text("silent\nshow-error\n")  # as on a terminal, where it shows no progress
        self.env = process_env(self.top, {"PATH": f"{BUILD}:/usr/bin:/bin:/usr/sbin:/sbin", "CURL_HOME": folder,
                                          "PYTHONUNBUFFERED": "1", "no_proxy": "*", "NO_PROXY": "*"})
        self.shell = Shell(folder, self.env)
        self.terminals = {}
        self.daemon = None
        self.files_in = self.top

    def console(self, block):
        lines = block.text.splitlines()
        if lines[0].startswith("$ python3 -m websockets "):
            assert block.note not in self.terminals
            self.terminals[block.note] = WebSocketTerminal(lines.pop(0)[2:].replace("python3", "/usr/bin/python3", 1),
                                                           self.files_in, self.env)
        if block.note in self.terminals:
            self.terminals[block.note].follow(lines)
            return
        for command, expected in commands(block.text):
            if re.match("(build/)?bellwired -c ", command):
                self.start(command)
            else:
                self.shell.expect(command, expected, block.note == "later")

    def start(self, command, until=" ready"):
        """The daemon in a terminal of its own, which shows its log."""
        self.daemon = subprocess.Popen(["bash", "-c", f"exec {command}"], stdin=subprocess.DEVNULL, cwd=self.files_in,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.env)
        collect(self.daemon.stdout, lambda seen: until in seen or None, command)
        self.log = (self.top / "log").open("wb")
        self.drain = subprocess.Popen(["cat"], stdin=self.daemon.stdout, stdout=self.log)

    def write(self, block):
        (self.files_in / file_of(block)).write_text(block.text)

    def end_terminals(self):
        for terminal in self.terminals.values():
            terminal.close()
        self.terminals.clear()

    def close(self):
        self.end_terminals()
        self.shell.close()
        if self.daemon:
            self.daemon.send_signal(signal.SIGTERM)
            code = self.daemon.wait(DEADLINE * 2)
            self.daemon.stdout.close()
            self.drain.wait(DEADLINE)
            self.log.close()
            assert code == 0, (self.top / "log").read_text()
        assert_no_report(self.top)


def free_port():
    """A port below those that the kernel gives to outgoing connections, of which other tests make many."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def new_folder():
    # Not pytest's folder: the path of a socket has room for 107 bytes.
    return tempfile.TemporaryDirectory(prefix="bellwire-")
