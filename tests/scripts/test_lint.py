"""Each rule of scripts/lint finds the file that breaks it, and a clean tree has no breach."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLEAN = "/* Fine. */\nstatic const int numbers[] = {\n    1,\n};\nint first(void) { return numbers[0]; }\n"


@pytest.fixture
def tree(tmp_path):
    """A small tree with a folder `daemon/http` that is clean, its object, and the real rules."""
    headers = [str(path.relative_to(ROOT)) for path in (ROOT / "daemon/base").glob("*.h")]
    for name in ("scripts/lint", "scripts/layers", ".clang-format", *headers):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    write(tmp_path, "config/config.h", "struct config;\n")
    write(tmp_path, "daemon/base/private.h", "struct hidden;\n")
    write(tmp_path, "daemon/http/good.c", CLEAN)
    compile_file(tmp_path, "daemon/http/good.c")
    return tmp_path


def write(tree, name, text):
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def compile_file(tree, name):
    target = tree / "build/obj" / (name[:-2] + ".o")
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-c", "-fPIE", str(tree / name), "-o", str(target)], check=True)


def lint(tree):
    """Exit code and breaches as (place, rule, text)."""
    done = subprocess.run([str(tree / "scripts/lint")], capture_output=True, text=True, check=False)
    found = re.findall(r"^(\S+:\d+): (\w+): (.*)$", done.stdout, re.M)
    assert done.returncode == (1 if found else 0), done.stdout + done.stderr
    return found


def test_a_clean_tree_has_no_breach(tree):
    assert lint(tree) == []


@pytest.mark.parametrize("include, why", [
    ("config/config.h", "daemon/http may not include config"),
    ("base/private.h", "daemon/base/private.h is private to daemon/base"),
    ("good.h", '"good.h" must name a folder'),
    ("http/none.h", '"http/none.h" must name a folder and a header that exists'),
])
def test_layers_are_held(tree, include, why):
    write(tree, "daemon/http/bad.c", f'/* Bad. */\n#include "{include}"\n')
    [(place, rule, text)] = lint(tree)
    assert (place, rule) == ("daemon/http/bad.c:2", "layers")
    assert text.startswith(why)


def test_cycles_of_layers_are_found(tree):
    layers = (tree / "scripts/layers").read_text().replace("daemon/base:", "daemon/base: daemon/http")
    write(tree, "scripts/layers", layers)
    assert any(rule == "layers" and "a cycle: " in text for _, rule, text in lint(tree))


@pytest.mark.parametrize("declaration", [
    "static int counter;",
    "static int counter = 1;",
    "int counter;",
    "_Thread_local int counter;",
    'static const char *counter[] = {"a"};',
])
def test_mutable_globals_are_found(tree, declaration):
    write(tree, "daemon/http/bad.c",
          f"{declaration}\nvoid *where(void);\nvoid *where(void) {{ return &counter; }}\n")
    compile_file(tree, "daemon/http/bad.c")
    assert [(place, rule) for place, rule, _ in lint(tree)] == [("daemon/http/bad.c:1", "globals")]


def test_constant_tables_of_pointers_are_no_globals(tree):
    write(tree, "daemon/http/bad.c", 'static const char *const names[] = {"a", "b"};\n'
          "const char *name(int i);\nconst char *name(int i) { return names[i]; }\n")
    compile_file(tree, "daemon/http/bad.c")
    assert lint(tree) == []


def test_long_files_functions_and_lines_are_found(tree):
    body = "    first();\n" * 59
    write(tree, "daemon/http/bad.c", "int first(void);\nvoid longest(void);\n"
          f"void longest(void) {{\n{body}}}\n")
    [(place, rule, text)] = lint(tree)
    assert (place, rule, text) == ("daemon/http/bad.c:3", "sizes",
                                   "longest has 61 lines, more than 60")
    write(tree, "daemon/http/bad.c", "int a(void);\n" * 599 + "int b(void) { return a(); }\n" * 2)
    assert ("daemon/http/bad.c:601", "sizes", "601 lines, more than 600") in lint(tree)
    write(tree, "daemon/http/bad.c", "/* " + "x" * 100 + " */\n")
    assert [text for _, rule, text in lint(tree) if rule == "sizes"] == ["106 columns, more than 100"]


def test_many_parameters_are_found_and_function_types_count_once(tree):
    write(tree, "daemon/http/bad.c",
          "int five(int a, int b, int c, int d, int (*e)(int, int)) { return e(a, b + c + d); }\n"
          "int six(int a, int b, int c, int d, int e, int f) { return a + b + c + d + e + f; }\n")
    assert [(place, text) for place, _, text in lint(tree)] == [
        ("daemon/http/bad.c:2", "six has 6 parameters, more than 5")]


def test_deep_nesting_is_found_and_braces_in_text_are_not_counted(tree):
    def nested(depth):
        lines = ["void deep(int n) {"]
        lines += ["    " * (i + 1) + "while (n) {" for i in range(depth)]
        lines += ["    " * (depth + 1) + 'n += "{{{{" /* {{{ */[0];']
        lines += ["    " * (i + 1) + "}" for i in reversed(range(depth))]
        return "\n".join(lines + ["}"]) + "\n"
    write(tree, "daemon/http/bad.c", nested(3))
    assert lint(tree) == []
    write(tree, "daemon/http/bad.c", nested(4))
    assert [(place, text) for place, _, text in lint(tree)] == [
        ("daemon/http/bad.c:5", "deep nests 4 deep, more than 3")]


def test_unsorted_lists_are_found(tree):
    write(tree, "actions/list.h", "ACTION(log)\nACTION(wait)\nACTION(stop)\n")
    assert lint(tree) == [("actions/list.h:3", "lists", "stop must stand before wait")]


def test_unformatted_code_is_found(tree):
    if shutil.which("clang-format-14") is None:
        pytest.skip("the tree is formatted with clang-format 14")
    write(tree, "daemon/http/bad.c", "int  f(void);\n")
    assert lint(tree) == [("daemon/http/bad.c:1", "format", "run clang-format -i")]


def test_what_pyflakes_and_shellcheck_find_is_found(tree):
    write(tree, "tests/bad.py", "import os\n")
    write(tree, "scripts/bad", "#!/bin/bash\ncd $1/x\n")
    found = lint(tree)
    assert {(place, rule) for place, rule, _ in found} == {("tests/bad.py:1", "scripts"), ("scripts/bad:2", "scripts")}
    assert any("'os' imported but unused" in text for _, _, text in found)
    assert any("SC2164" in text for _, _, text in found)
