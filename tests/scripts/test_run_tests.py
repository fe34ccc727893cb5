"""scripts/run-tests and scripts/test count what passed, failed, was skipped, died and proves rows."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    """A tree with one row, scripts/run-tests, and neither tests nor a build."""
    for name in ("scripts/run-tests", "scripts/test"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, target)
    write(tmp_path, "tests/rows", "# rows\nS1 one\nS2 two\n")
    return tmp_path


def write(tree, name, text, mode=0o644):
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def add_unit(tree, name, program, source=""):
    write(tree, f"tests/unit/base/{name}.c", source)
    write(tree, f"build/unit/base/{name}", f"#!/bin/bash\n{program}\n", 0o755)


def run_tests(tree, *words):
    """(exit code, lines)"""
    done = subprocess.run([str(tree / "scripts/run-tests"), *words], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout.splitlines()


def test_counts_of_units_and_scenarios_are_added(tree):
    add_unit(tree, "test_a", "echo '1..3'; echo 'ok 1 - x'; echo 'ok 2 - y'; echo 'not ok 3 # SKIP z'")
    write(tree, "tests/scenario/test_b.py",
          "import pytest\ndef test_1(): pass\n@pytest.mark.skip\ndef test_2(): pass\n")
    code, lines = run_tests(tree)
    assert (code, lines[-1]) == (0, "3 passed, 0 failed, 2 skipped")


def test_failures_show_their_output(tree):
    add_unit(tree, "test_a", "echo 'ok 1 - x'; echo 'not ok 2 - y'; echo '# why'; exit 1")
    write(tree, "tests/scenario/test_b.py", "def test_1():\n    assert 'left' == 'right'\n")
    code, lines = run_tests(tree)
    assert (code, lines[-1]) == (1, "1 passed, 2 failed")
    assert "# why" in lines
    assert any("assert 'left' == 'right'" in line for line in lines)


def test_a_program_that_dies_and_a_file_that_does_not_load_are_failures(tree):
    add_unit(tree, "test_a", "echo 'ok 1 - x'; kill -SEGV $$")
    write(tree, "tests/scenario/test_b.py", "import nothing_of_that_name\n")
    code, lines = run_tests(tree)
    assert (code, lines[-1]) == (1, "1 passed, 2 failed")


def test_a_teardown_that_fails_is_a_failure(tree):
    write(tree, "tests/scenario/test_b.py", "import pytest\n@pytest.fixture\ndef f():\n    yield\n"
          "    assert False\ndef test_1(f): pass\n")
    code, lines = run_tests(tree)
    assert code == 1
    assert " 1 failed" in lines[-1]


def test_programs_without_a_source_are_not_run(tree):
    write(tree, "build/unit/base/test_old", "#!/bin/bash\necho 'not ok 1'\n", 0o755)
    assert run_tests(tree)[1][-1] == "0 passed, 0 failed"


def test_rows_are_proven_by_comments_and_docstrings(tree):
    add_unit(tree, "test_a", "echo 'ok 1'", "/* proves S2 */\n")
    assert "rows without a test: S1" in run_tests(tree)[1]
    write(tree, "tests/scenario/test_b.py", "def test_1():\n    '''Works. proves S1, S2'''\n")
    assert "rows without a test: none" in run_tests(tree)[1]


def test_a_claim_of_a_row_that_does_not_exist_is_a_failure(tree):
    add_unit(tree, "test_a", "echo 'ok 1'", "\n/* proves S1 S9 */\n")
    code, lines = run_tests(tree)
    assert (code, lines[-1]) == (1, "1 passed, 1 failed")
    assert any(line.startswith("tests/unit/base/test_a.c:2: proves S9") for line in lines)


def whole_test(tree, make, install_deps="exit 0"):
    """scripts/test with `make` and what fetches packages replaced; (exit code, last line)"""
    write(tree, "scripts/test-tools", "#!/bin/bash\n", 0o755)
    write(tree, "scripts/install-deps", f"#!/bin/bash\n{install_deps}\n", 0o755)
    write(tree, "bin/make", f"#!/bin/bash\n{make}\n", 0o755)
    done = subprocess.run([str(tree / "scripts/test")], capture_output=True, text=True, check=False,
                          env={"PATH": f"{tree}/bin:/usr/bin:/bin"})
    return done.returncode, done.stdout.splitlines()[-1]


def test_the_closing_line_adds_up_all_runs(tree):
    make = 'case "$*" in *test) echo "2 passed, 0 failed, 1 skipped";; esac'
    assert whole_test(tree, make) == (0, "6 passed, 0 failed, 3 skipped")


@pytest.mark.parametrize("make, last", [
    ('case "$*" in *"address test") echo "1 passed, 2 failed"; exit 1;; *test) echo "3 passed, 0 failed";; esac',
     "7 passed, 2 failed"),
    ('case "$*" in *lint) exit 1;; *test) echo "1 passed, 0 failed";; esac', "3 passed, 1 failed"),
    ('case "$*" in *thread*) exit 2;; *test) echo "1 passed, 0 failed";; esac', "2 passed, 1 failed"),
    ('case "$*" in *fuzzers) exit 2;; *test) echo "1 passed, 0 failed";; esac', "3 passed, 1 failed"),
    ('case "$*" in *j"$(nproc) all unit") exit 2;; *test) echo "1 passed, 0 failed";; esac', "0 passed, 1 failed"),
])
def test_any_failure_fails_the_whole(tree, make, last):
    """A test, the style, or a build that does not compile."""
    assert whole_test(tree, make) == (1, last)


def test_missing_packages_fail_the_whole(tree):
    assert whole_test(tree, "exit 0", "exit 1") == (1, "0 passed, 1 failed")
