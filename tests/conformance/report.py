#!/usr/bin/python3
"""Writes the reports of this folder anew, from a run of its tests against $BUILD (default `build`).

The tests hold the reports against what they see: a report that is out of date fails them.
"""
import os
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parent
WRITING = "CONFORMANCE_WRITE"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]


def check(name, lines):
    """Compares a report with the file, or writes it."""
    path, text = FOLDER / name, "\n".join(lines) + "\n"
    if os.environ.get(WRITING):
        path.write_text(text)
    assert path.exists() and path.read_text() == text, f"{path} is out of date: run tests/conformance/report.py"


def main():
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *sys.argv[1:],
                           *map(str, sorted(FOLDER.glob("test_*.py")))],
                          env={**os.environ, WRITING: "1", "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
