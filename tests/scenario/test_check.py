"""What `bellwired --check` says of a wrong configuration, byte for byte: tests/config/check/NAME.yaml beside NAME.expect.

A case may need more files: everything in the folder NAME/ is put beside bellwire.yaml."""
import pathlib

import pytest

CASES = sorted((pathlib.Path(__file__).resolve().parents[1] / "config" / "check").glob("*.yaml"))


def files_of(case):
    files = {"bellwire.yaml": case.read_bytes()}
    folder = case.with_suffix("")
    if folder.is_dir():
        files.update({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    return files


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_says_what_is_wrong_and_where(start, case):
    """proves T1 D4 T17"""
    expected = case.with_suffix(".expect").read_text()
    result = start.check(files_of(case))
    said = result.stdout.replace(str(result.folder), "DIR")
    assert said == expected
    assert result.returncode == (78 if "error:" in expected else 0)
