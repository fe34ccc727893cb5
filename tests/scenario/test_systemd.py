"""The package under a real systemd, in a container of a minimal Debian. What is checked stands in tests/system/inside.py.

BELLWIRE_TREES names a folder with a tree for each release (NAME/: systemd, dbus, curl, python3 and what the package depends
on) and the package that was built for it (NAME.deb). Without it, without root or systemd-nspawn, this is skipped and says so."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import ROOT

TREES = pathlib.Path(os.environ.get("BELLWIRE_TREES", "/nonexistent"))
UNIT = """[Unit]
After=multi-user.target
[Service]
Type=exec
ExecStart=/usr/bin/python3 /result/inside.py
StandardOutput=file:/result/log
StandardError=file:/result/log
"""


def make_older(package, folder):
    """The package as a version before it, with another text in both conffiles."""
    tree = folder / "older"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text("".join("Version: 0.0.1-1\n" if line.startswith("Version:") else line
                               for line in control.read_text().splitlines(keepends=True)))
    for conffile in (tree / "DEBIAN/conffiles").read_text().split():
        with open(f"{tree}{conffile}", "a", encoding="utf-8") as file:
            file.write("# of the version before\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, folder / "older.deb"], check=True, stdout=subprocess.DEVNULL)


def releases():
    return sorted(path.stem for path in TREES.glob("*.deb") if (TREES / path.stem / "usr").is_dir())


def why_not():
    if os.geteuid() != 0:
        return "needs root"
    if not shutil.which("systemd-nspawn"):
        return "systemd-nspawn is not installed"
    return None if releases() else "BELLWIRE_TREES names no folder with trees and packages"


@pytest.mark.skipif(bool(why_not()), reason=str(why_not()))
@pytest.mark.parametrize("release", releases() or ["none"])
def test_the_package_lives_as_a_service(release, tmp_path):
    (tmp_path / "probe.service").write_text(UNIT)
    shutil.copy(ROOT / "tests/system/inside.py", tmp_path)
    shutil.copy(TREES / f"{release}.deb", tmp_path / "bellwire.deb")
    make_older(tmp_path / "bellwire.deb", tmp_path)
    done = subprocess.run(
        ["systemd-nspawn", "-b", "-q", "--private-network", "--register=no", "--keep-unit", "--volatile=overlay",
         "-D", TREES / release, f"--bind={tmp_path}:/result",
         f"--bind-ro={tmp_path}/probe.service:/etc/systemd/system/probe.service", "systemd.wants=probe.service"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=390, check=False)
    out = tmp_path / "out"
    assert out.exists(), done.stdout + done.stderr
    results = [json.loads(line) for line in out.read_text().splitlines()]
    failed = [f"{name}: {why}" for name, result, why in results if result == "failed"]
    assert not failed, "\n".join(failed)
    assert results[-1][1] == "end" and len(results) > 10, results
