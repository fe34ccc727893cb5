"""`make install` and `make uninstall`, and what systemd says of the units without running them."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("BUILD", "build")


def make(target, folder, prefix="/usr"):
    return subprocess.run(["make", target, f"DESTDIR={folder}", f"PREFIX={prefix}", f"BUILD={BUILD}", "-o", "all"], cwd=ROOT,
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
    shipped = [path for path in installed.rglob("*.yaml") if path.name != "alerts.yaml"]
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


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/opt/bellwire-1"])
def test_uninstall_leaves_the_configuration_and_nothing_else_of_ours(tmp_path, prefix):
    make("install", tmp_path, prefix)
    unit = (tmp_path / f"{prefix[1:]}/lib/systemd/system/bellwire.service").read_text()
    assert f"ExecStart={prefix}/bin/bellwired\n" in unit and "@" not in unit.replace("@system-service", "").replace(
        "@privileged", "")
    mine = tmp_path / "etc/bellwire/bellwire.yaml"
    assert mine.read_text().startswith(f"# yaml-language-server: $schema={prefix}/share/bellwire/")
    mine.write_text("# mine\n")
    make("install", tmp_path, prefix)
    make("uninstall", tmp_path, prefix)
    left = [path for path in files(tmp_path) if not path.startswith("etc/bellwire/")]
    assert not left and mine.read_text() == "# mine\n", left
    folders = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("bellwire*") if path.is_dir()]
    assert sorted(set(folders) - {prefix[1:]}) == ["etc/bellwire"], folders


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


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_the_man_pages_are_clean_and_know_every_key_and_command(installed):
    pages = sorted((installed / "usr/share/man").rglob("*.[158]"))
    assert [page.name for page in pages] == ["bellwire.1", "bellwire.yaml.5", "bellwired.8"]
    texts = {}
    for page in pages:
        done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True, check=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "300"})
        assert not done.stderr, done.stderr
        texts[page.name] = done.stdout
    reference = subprocess.run([installed / "usr/bin/bellwired", "--reference"], capture_output=True, text=True,
                               check=True).stdout
    for name in re.findall(r"^### `([a-z-]+)`$|^\| `([a-z.-]+)` \|", reference, flags=re.M):
        assert re.search(rf"^ +{re.escape(''.join(name))}\b", texts["bellwire.yaml.5"], flags=re.M), name
    usage = subprocess.run([installed / "usr/bin/bellwire", "--help"], capture_output=True, text=True, check=True).stdout
    for row in re.findall(r"^  ([a-z]+ +[a-z]+) ", usage, flags=re.M):
        assert row.split()[0] in texts["bellwire.1"]
    assert "session close ID [--code N] [--reason R]" in texts["bellwire.1"]


@pytest.fixture(scope="module")
def control(installed, tmp_path_factory):
    """The control socket of a daemon with a server and two tasks."""
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "bellwire.yaml").write_text('servers: {main: {bind: "127.0.0.1:0"}}\n'
                                          "tasks: {one: {actions: [stop]}, other: {actions: [stop]}}\n")
    daemon = subprocess.Popen([installed / "usr/bin/bellwired", "-c", folder, "--state", folder / "s"],
                              stderr=subprocess.PIPE, text=True)
    assert any(" ready" in line for line in iter(daemon.stderr.readline, ""))
    yield str(folder / "s/control.sock")
    daemon.terminate()
    daemon.communicate(timeout=20)


def complete(installed, *words):
    script = f"""source {installed}/usr/share/bash-completion/completions/bellwire
        PATH={installed}/usr/bin:$PATH COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _bellwire; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script, "bash", "bellwire", *words], capture_output=True, text=True, check=True)
    assert not done.stderr, done.stderr
    return done.stdout.split()


def test_bash_completes_nouns_verbs_options_and_ids(installed, control):
    source = f"source {installed}/usr/share/bash-completion/completions/bellwire; complete -p bellwire"
    done = subprocess.run(["bash", "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "complete -F _bellwire bellwire\n"
    assert complete(installed, "ser") == ["server"]
    assert set(complete(installed, "task", "")) >= {"list", "show", "run", "stop", "enable", "disable"}
    assert complete(installed, "session", "close", "x", "--re") == ["--reason"]
    assert complete(installed, "-o", "j") == ["json"]
    assert complete(installed, "--control", control, "task", "run", "o") == ["one", "other"]
    assert "main" in complete(installed, "--control", control, "server", "show", "")


class Zsh:
    """An interactive zsh on a terminal of its own. After `keys` and Tab, Ctrl-T writes down what stands on the line."""

    def __init__(self, installed, folder):
        self.lines = folder / "lines"
        self.lines.write_text("")
        (folder / ".zshrc").write_text(f"""
            fpath=({installed}/usr/share/zsh/site-functions $fpath)
            autoload -U compinit; compinit -u -D
            note() {{ print -r -- "$BUFFER" >>{self.lines}; BUFFER= }}
            zle -N note; bindkey '^T' note
            PS1='ready> '""")
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe("zsh", ["zsh", "-d", "-i"], {**os.environ, "ZDOTDIR": str(folder), "TERM": "dumb", "COLUMNS": "200",
                                                    "PATH": f"{installed}/usr/bin:{os.environ['PATH']}"})
        self.seen = b""
        self.wait(lambda: b"ready> " in self.seen)

    def wait(self, condition):
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, self.seen
            if select.select([self.terminal], [], [], 0.01)[0]:
                self.seen += os.read(self.terminal, 4096)

    def complete(self, keys):
        before = len(self.lines.read_text())
        os.write(self.terminal, keys.encode() + b"\t\x14")
        self.wait(lambda: self.lines.read_text()[before:].endswith("\n"))
        return self.lines.read_text()[before:-1]

    def close(self):
        os.write(self.terminal, b"exit\n")
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completes_nouns_verbs_options_and_ids(installed, control, tmp_path):
    zsh = Zsh(installed, tmp_path)
    try:
        assert zsh.complete("bellwire ser") == "bellwire server "
        assert zsh.complete("bellwire server sh") == "bellwire server show "
        assert zsh.complete("bellwire -o j") == "bellwire -o json "
        assert zsh.complete("bellwire -o json st") == "bellwire -o json stat"  # status, stats
        assert zsh.complete("bellwire session close x --re") == "bellwire session close x --reason "
        assert zsh.complete("bellwire log --lev") == "bellwire log --level "
        assert zsh.complete(f"bellwire --control {control} server show ").endswith(" server show main ")
        assert zsh.complete(f"bellwire --control {control} task run o").endswith(" task run o")
        assert zsh.complete(f"bellwire --control {control} task run ot").endswith(" task run other ")
        assert zsh.complete(f"bellwire --control {control} why on").endswith(" why one ")
    finally:
        zsh.close()


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing(installed):
    scripts = [ROOT / "scripts/man-pages", ROOT / "scripts/completions", ROOT / "scripts/deb/bellwire.postrm",
               installed / "usr/share/bash-completion/completions/bellwire"]
    subprocess.run(["shellcheck", "-S", "warning", "-s", "bash", *scripts], check=True)
