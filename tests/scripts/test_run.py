"""scripts/run with the tools around it faked: what it starts, prints, and passes on."""
import pathlib
import shutil
import signal
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DAEMON = """#!/bin/bash
trap 'exit 7' INT
echo "started: $*"
while :; do read -r -t 5 <> <(:); done
"""


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/run", tmp_path / "scripts/run")
    command(tmp_path, "scripts/install-deps", "#!/bin/bash\necho installed\n")
    command(tmp_path, "bin/make", "#!/bin/bash\necho built\n")
    command(tmp_path, "build/bellwired", DAEMON)
    (tmp_path / "config/examples").mkdir(parents=True)
    bind(tmp_path, "bind: 127.0.0.1:8080")
    return tmp_path


def command(tree, name, text):
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text(text)
    (tree / name).chmod(0o755)


def bind(tree, line):
    (tree / "config/examples/bellwire.yaml").write_text(f"servers:\n  main:\n    {line}\n")


def start(tree, *args):
    return subprocess.Popen([str(tree / "scripts/run"), *args], stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, env={"PATH": f"{tree}/bin:/usr/bin:/bin"})


def read_until(process, start_of_line):
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(start_of_line):
            return lines
    raise AssertionError(f"ended without {start_of_line!r}: {lines}")


def test_installs_builds_tells_the_url_and_runs_the_examples(tree):
    """Ctrl-C reaches the daemon itself, and its exit code comes back. proves D1"""
    process = start(tree, "--workers", "1")
    lines = read_until(process, "started:")
    assert lines[:2] == ["installed", "built"]
    assert "Open http://127.0.0.1:8080/ in a browser." in lines
    assert lines[-1] == "started: -c config/examples --state ./var --workers 1"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 7
    process.stdout.close()


@pytest.mark.parametrize("line, urls", [
    ('bind: "127.0.0.1:9999"', ["http://127.0.0.1:9999/"]),
    ('bind: ["127.0.0.1:9000", "[::1]:9000"]', ["http://127.0.0.1:9000/"]),
    ("# bind: 10.0.0.1:1", ["http://127.0.0.1:8080/"]),
])
def test_tells_the_addresses_that_the_examples_bind(tree, line, urls):
    """proves D1"""
    bind(tree, line)
    command(tree, "build/bellwired", "#!/bin/bash\necho started:\n")
    process = start(tree)
    lines = read_until(process, "started:")
    assert [word for one in lines for word in one.split() if word.startswith("http")] == urls
    assert process.wait(20) == 0
    process.stdout.close()


def test_ends_where_a_build_fails(tree):
    command(tree, "bin/make", "#!/bin/bash\nexit 2\n")
    process = start(tree)
    assert "started" not in process.communicate(timeout=20)[0]
    assert process.returncode != 0
