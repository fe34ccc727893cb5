"""scripts/analyze: what each of its tools finds, what it passes over, and when it asks them again."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ("gcc", "clang-tidy", "cppcheck")
WRONG = r"""#include <stdlib.h>
#include "base/some.h"

int freed_twice(void *p);
int freed_twice(void *p) {
    free(p);
    free(p);
    return 0;
}

int divided(int n);
int divided(int n) {
    return n == 0 ? 1 / n : 1;
}

int past_the_end(void);
int past_the_end(void) {
    char text[SOME] = {0};
    return text[SOME];
}
"""
JUDGED = shutil.which("clang-tidy") and "version 14." in subprocess.check_output(["clang-tidy", "--version"], text=True)
by_the_judged = pytest.mark.skipif(not JUDGED, reason="findings count only where the tools are Debian 12's")
# Counts how often it is asked for more than its version; finds something once there is a file `finds`.
FAKE = """#!/bin/bash
[ "$1" = --version ] && { echo "tool version ${VERSION-1.0}"; exit; }
echo "$(basename "$0")" >>"$CALLS"
[ ! -e "$CALLS.finds" ] || echo "daemon/base/bad.c:1:1: warning: so it looks [some-kind]"
[ ! -e "$CALLS.fails" ]
"""


@pytest.fixture
def tree(tmp_path):
    for name in ("scripts/analyze", "scripts/analyze.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    write(tmp_path, "scripts/analyze.known", "# nothing\n")
    write(tmp_path, "daemon/base/some.h", "#define SOME 4\n")
    write(tmp_path, "daemon/base/bad.c", WRONG)
    return tmp_path


def write(tree, name, text):
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def analyze(tree, **env):
    """(exit code, {(function, kind)}, all it said)"""
    done = subprocess.run([str(tree / "scripts/analyze")], capture_output=True, text=True, check=False,
                          env={**os.environ, "FLAGS": "-std=c11 -Idaemon", "BUILD": "build", **env})
    rows = re.findall(r"^daemon/base/bad\.c:\d+: ([\w.-]+): .*\(daemon/base/bad\.c:(\w*)\)$", done.stdout, re.M)
    return done.returncode, {(where, kind) for kind, where in rows}, done.stdout + done.stderr


@pytest.fixture
def fakes(tree):
    """The environment in which the tools are ones that count their calls."""
    for name in TOOLS:
        write(tree, f"fakes/{name}", FAKE)
        (tree / "fakes" / name).chmod(0o755)
    return {"PATH": f"{tree / 'fakes'}:{os.environ['PATH']}", "CALLS": str(tree / "calls")}


def calls(tree):
    path = tree / "calls"
    found = path.read_text().split() if path.exists() else []
    path.write_text("")
    return sorted(found)


@by_the_judged
def test_each_tool_finds_what_it_is_for(tree):
    code, found, said = analyze(tree)
    assert code == 1
    assert {("freed_twice", "double-free"), ("freed_twice", "clang-analyzer-unix.Malloc"),
            ("divided", "clang-analyzer-core.DivideZero"), ("past_the_end", "arrayIndexOutOfBounds")} <= found, said


@by_the_judged
def test_a_known_finding_is_passed_over_there_alone_and_with_a_reason_alone(tree):
    _, found, _ = analyze(tree)
    rows = [f"daemon/base/bad.c:{where} {kind} so it is\n" for where, kind in sorted(found)]
    write(tree, "scripts/analyze.known", "".join(rows))
    assert analyze(tree)[:2] == (0, set())
    write(tree, "scripts/analyze.known", "".join(rows).replace("past_the_end", "freed_twice"))
    assert {where for where, _ in analyze(tree)[1]} == {"past_the_end"}
    write(tree, "scripts/analyze.known", "".join(rows).replace(" so it is", ""))
    assert analyze(tree)[1] == found


def test_a_file_is_looked_at_again_when_it_or_a_header_of_it_changes(tree, fakes):
    for change in (None, ("daemon/base/bad.c", WRONG + "\n"), ("daemon/base/some.h", "#define SOME 5\n")):
        if change:
            write(tree, *change)
        assert analyze(tree, **fakes)[0] == 0
        assert calls(tree) == sorted(TOOLS)
        assert analyze(tree, **fakes)[0] == 0
        assert calls(tree) == []
    analyze(tree, **fakes, FLAGS="-DOTHER -Idaemon")
    assert calls(tree) == sorted(TOOLS)


def test_a_tool_that_fails_is_a_finding_and_is_asked_again(tree, fakes):
    write(tree, "calls.fails", "")
    for _ in range(2):
        assert analyze(tree, **fakes)[:2] == (1, {("", "failed")})
        assert calls(tree) == sorted(TOOLS)


def test_a_missing_tool_is_named(tree, fakes):
    (tree / "fakes/cppcheck").unlink()
    (tree / "fakes/python3").symlink_to("/usr/bin/python3")
    code, _, said = analyze(tree, **{**fakes, "PATH": str(tree / "fakes")})
    assert code == 1
    assert "cppcheck" in said and "scripts/install-deps --tests" in said
    assert calls(tree) == []


@pytest.mark.parametrize("version, code", [("14.0.6", 1), ("19.1.7", 0)])
def test_a_version_that_the_known_findings_are_not_of_breaks_nothing(tree, fakes, version, code):
    write(tree, "calls.finds", "")
    for name in ("gcc", "cppcheck"):
        (tree / "fakes" / name).write_text("#!/bin/bash\n")
    found = analyze(tree, **fakes, VERSION=version)
    assert found[0] == code
    assert "daemon/base/bad.c:1: some-kind: so it looks" in found[2]
    assert ("note: " in found[2]) == (code == 0)
