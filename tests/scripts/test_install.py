"""`make install` and `make uninstall`, and what systemd says of the units without running them."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("BUILD", "build")


def make(target, folder):
    return subprocess.run(["make", target, f"DESTDIR={folder}", "PREFIX=/usr", f"BUILD={BUILD}", "-o", "all"], cwd=ROOT,
                          capture_output=True, text=True, check=True)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    make("install", folder)
    return folder


def test_what_is_installed_runs_on_its_own_configuration(installed):
    done = subprocess.run([installed / "usr/bin/bellwired", "--check", "--strict", "-c", installed / "etc/bellwire"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    schema = subprocess.run([installed / "usr/bin/bellwired", "--schema"], capture_output=True, check=True).stdout
    assert (installed / "usr/share/bellwire/bellwire.schema.json").read_bytes() == schema


def test_every_yaml_names_the_installed_schema_in_its_first_line(installed):
    shipped = list(installed.rglob("*.yaml"))
    assert shipped
    for path in shipped:
        first = path.read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=/usr/share/bellwire/bellwire.schema.json", path


def test_a_configuration_that_is_there_is_kept(installed):
    path = installed / "etc/bellwire/bellwire.yaml"
    before = path.read_text()
    path.write_text("# mine\n")
    make("install", installed)
    assert path.read_text() == "# mine\n"
    path.write_text(before)


def test_uninstall_leaves_configuration_alone(tmp_path):
    make("install", tmp_path)
    make("uninstall", tmp_path)
    left = files(tmp_path)
    assert left and all(name.startswith("etc/bellwire/") for name in left), left


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_sandbox_is_rated_2_0_or_less(installed, tmp_path):
    shutil.copy(installed / "usr/lib/systemd/system/bellwire.service", tmp_path)
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", tmp_path / "bellwire.service"],
                          capture_output=True, text=True, check=False)
    rating = re.search(r"exposure level for bellwire.service: ([\d.]+)", done.stdout)
    assert rating and float(rating[1]) <= 2.0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("drop_in", [None, "programs.conf", "ports.conf"])
def test_systemd_knows_every_line_of_the_units(installed, tmp_path, drop_in):
    folder = tmp_path / "units"
    folder.mkdir()
    for name in ("bellwire.service", "bellwire.socket"):
        text = (installed / "usr/lib/systemd/system" / name).read_text()
        text = re.sub(r"^Documentation=.*\n", "", text, flags=re.M)  # the pages are not where man(1) looks
        (folder / name).write_text(text.replace("/usr/bin/", f"{installed}/usr/bin/"))
    if drop_in:
        (folder / "bellwire.service.d").mkdir()
        shutil.copy(installed / "usr/share/doc/bellwire/examples" / drop_in, folder / "bellwire.service.d")
    done = subprocess.run(["systemd-analyze", "verify", *sorted(folder.glob("bellwire.*[et]"))], capture_output=True,
                          text=True, check=False)
    told = [line for line in done.stderr.splitlines() if "bellwire" in line]
    assert not told, told
