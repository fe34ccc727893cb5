"""scripts/install-deps against a faked Debian: what it asks for, and what it says where it cannot."""
import os
import pathlib
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "install-deps"

# dpkg-query -W -f=... PACKAGE: installed, unless the package is listed in the file `missing`.
DPKG_QUERY = """#!/bin/bash
grep -qx "${!#}" "$FAKE/missing" && exit 1
printf installed
"""
RECORD = """#!/bin/bash
echo "$(basename "$0") $*" >>"$FAKE/calls"
%s
"""


class Machine:
    """Commands that answer as `user` on a machine where `missing` packages are not installed."""

    def __init__(self, folder, missing, user=0, sudo="exit 1"):
        self.folder = folder
        (folder / "missing").write_text("".join(f"{name}\n" for name in missing))
        (folder / "calls").write_text("")
        self.command("dpkg-query", DPKG_QUERY)
        self.command("id", f"#!/bin/bash\necho {user}\n")
        self.command("apt-get", RECORD % "")
        self.command("node", "#!/bin/bash\n")
        self.command("npm", "#!/bin/bash\n")
        if sudo:
            self.command("sudo", RECORD % sudo)

    def command(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *args):
        for name in ("grep", "bash", "env", "basename", "cat"):
            link = self.folder / name
            if not link.exists():
                link.symlink_to(f"/usr/bin/{name}")
        return subprocess.run([str(SCRIPT), *args], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False,
                              env={**os.environ, "PATH": str(self.folder), "FAKE": str(self.folder)})

    @property
    def calls(self):
        return (self.folder / "calls").read_text().splitlines()


@pytest.mark.parametrize("args", [[], ["--tests"]])
def test_does_nothing_where_nothing_is_missing(tmp_path, args):
    """A second run does not even call apt. proves D1"""
    machine = Machine(tmp_path, [])
    assert machine.run(*args).returncode == 0
    assert machine.calls == []


def test_installs_what_is_missing_alone(tmp_path):
    """proves D1"""
    machine = Machine(tmp_path, ["make", "libyaml-dev", "chromium"])
    assert machine.run().returncode == 0
    assert machine.calls == ["apt-get -q update",
                             "apt-get -q -y --no-install-recommends install make libyaml-dev"]


def test_tests_need_more(tmp_path):
    """proves D1"""
    machine = Machine(tmp_path, ["chromium", "libcmocka-dev"])
    assert machine.run("--tests").returncode == 0
    assert machine.calls[-1].endswith("install chromium libcmocka-dev")


def test_nodejs_is_wanted_only_where_there_is_none(tmp_path):
    """proves D1"""
    machine = Machine(tmp_path, ["nodejs", "npm"])
    assert machine.run("--tests").returncode == 0
    assert machine.calls == []
    (tmp_path / "npm").unlink()
    assert machine.run("--tests").returncode == 0
    assert machine.calls[-1].endswith("install nodejs npm")


def test_a_user_installs_with_sudo(tmp_path):
    """proves D1"""
    machine = Machine(tmp_path, ["gcc"], user=1000, sudo='[ "$*" = "-n true" ] || "$@"')
    assert machine.run().returncode == 0
    assert machine.calls[-1] == "apt-get -q -y --no-install-recommends install gcc"


@pytest.mark.parametrize("sudo", [None, "exit 1"])
def test_says_plainly_what_is_missing(tmp_path, sudo):
    """No sudo, or one that refuses: the packages are named. proves D1"""
    machine = Machine(tmp_path, ["gcc", "libuv1-dev"], user=1000, sudo=sudo)
    done = machine.run()
    assert done.returncode == 1
    assert "apt-get install gcc libuv1-dev" in done.stderr
    assert not [call for call in machine.calls if call.startswith("apt-get")]


def test_a_failing_apt_is_told(tmp_path):
    """proves D1"""
    machine = Machine(tmp_path, ["gcc"])
    machine.command("apt-get", "#!/bin/bash\nexit 100\n")
    done = machine.run()
    assert done.returncode == 1
    assert "apt-get update failed" in done.stderr


def test_other_systems_are_told_what_they_need(tmp_path):
    machine = Machine(tmp_path, [])
    (tmp_path / "dpkg-query").unlink()
    done = machine.run()
    assert done.returncode == 1
    assert "libuv1-dev" in done.stderr


def test_unknown_arguments_are_refused(tmp_path):
    assert Machine(tmp_path, []).run("--all").returncode == 2
