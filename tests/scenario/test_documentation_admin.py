"""docs/admin.md with alerts.yaml and grafana-dashboard.json: configurations load, commands run, sums are right, metrics are served."""
import json
import re
import subprocess

import pytest

import documentation
from documentation import blocks
from harness import BUILD, ROOT, find_tool, wait_for
from test_metrics import FILES, address, get, parse

PAGE = documentation.page("docs/admin.md")
ALERTS = documentation.page("docs/alerts.yaml")
DASHBOARD = documentation.page("docs/grafana-dashboard.json")
EXPRESSIONS = [target["expr"] for panel in json.loads(DASHBOARD)["panels"] for target in panel["targets"]]
PROMTOOL = pytest.mark.skipif(not find_tool("promtool"), reason="promtool is neither installed nor unpacked by scripts/test-tools")
METRICS = "127.0.0.1:9464"
# Commands that need a booted system, and what stands for each in tests/system/inside.py, which runs there.
SYSTEM = {
    "make deb": '"/result/bellwire.deb"',  # is what it made
    "apt install ./build/deb/bellwire_*.deb": 'run("apt-get", "install", "-y"',
    "curl http://127.0.0.1:8080/hello/bob": 'curl() == "Hello bob!\\n"',
    "systemctl reload bellwire": 'run("systemctl", "reload", "bellwire")',
    "systemctl status bellwire": 'run("systemctl", "status", "--no-pager", "-l", "bellwire"',
    # Its middle is tried below without a system, too.
    "systemctl stop bellwire && bellwired --restore /root/bellwire.db --state /var/lib/bellwire && systemctl start bellwire":
        'run("systemctl", "start", "bellwire")',
}
UNITS = {"KB": 1000, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def of_language(language, note=None):
    return [block for block in blocks(PAGE) if block.language == language and note in (None, block.note)]


# ---- configurations and commands


def test_every_configuration_loads(start, tmp_path):
    (tmp_path / "github").write_text("key\n")
    assert len(of_language("yaml")) >= 6
    for block in of_language("yaml"):
        result = start.check(block.text, "--strict", env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
        assert result.returncode == 0, f"{block}\n{result.stdout}"


@pytest.fixture
def reader():
    """Somebody with the default configuration and metrics, in a folder that stands for /."""
    with documentation.new_folder() as folder:
        reader = documentation.Reader(folder)
        reader.port, reader.metrics = documentation.free_port(), documentation.free_port()
        (reader.top / "build").mkdir()  # where `make install` puts what it makes, as others may do at this moment
        for name in ("bellwired", "bellwire", "bellwire-exec"):
            (reader.top / "build" / name).symlink_to(BUILD / name)
        default = (ROOT / "config/default/bellwire.yaml").read_text()
        for name in ("etc/bellwire/tasks", "root", "state"):
            (reader.top / name).mkdir(parents=True)
        (reader.top / "etc/bellwire/tasks/hello.yaml").write_text((ROOT / "config/default/tasks/hello.yaml").read_text())
        (reader.top / "etc/bellwire/bellwire.yaml").write_text(f'{default}\nmetrics: {{bind: "{METRICS}"}}\n')
        try:
            yield reader
        finally:
            reader.close()


def moved(reader, text):
    """With the reader's folder and ports in place of the system's."""
    for name in ("/etc/bellwire", "/root"):
        text = text.replace(name, f"{reader.top}{name}")
    text = text.replace(" DESTDIR=", f" DESTDIR={reader.top}/installed BUILD={reader.top}/build -o all -C {ROOT}")
    return text.replace(METRICS, f"127.0.0.1:{reader.metrics}").replace("127.0.0.1:8080", f"127.0.0.1:{reader.port}")


def test_commands_do_what_they_say(reader):
    """proves D2 D4"""
    config = reader.top / "etc/bellwire/bellwire.yaml"
    config.write_text(moved(reader, config.read_text()))
    reader.start("bellwired -c etc/bellwire --state state".replace("etc/", f"{reader.top}/etc/"))
    reader.shell.expect("export BELLWIRE_CONTROL=$PWD/state/control.sock", "")
    ran = 0
    for block in of_language("console"):
        if not block.note:
            reader.console(block._replace(text=moved(reader, block.text)))
            ran += 1
    assert ran >= 5
    assert (reader.top / "installed/usr/local/bin/bellwired").exists()
    (backup,) = (reader.top / "root").glob("bellwire-*.db")
    reader.shell.expect(f"bellwired --restore {backup} --state other", "...\n")


@pytest.mark.skipif(not find_tool("systemd-socket-activate"), reason="systemd-socket-activate is not installed")
def test_a_socket_without_a_unit(reader):
    config = reader.top / "etc/bellwire/bellwire.yaml"
    config.write_text(config.read_text().replace("bind: 127.0.0.1:8080", 'bind: "fd:main"').partition("\nmetrics:")[0])
    (block,) = of_language("console", "activated")
    ((command, _),) = documentation.commands(moved(reader, block.text))
    reader.start(f"{command} -c {reader.top}/etc/bellwire --state state", "Listening on")
    reader.shell.expect(f"curl http://127.0.0.1:{reader.port}/hello/bob", "Hello bob!\n")


def test_what_needs_a_system_is_run_in_one():
    inside = (ROOT / "tests/system/inside.py").read_text()
    shown = {re.sub(" +#.*", "", command) for block in of_language("console", "system")
             for command, _ in documentation.commands(block.text)}
    assert shown == set(SYSTEM)
    for command, proof in SYSTEM.items():
        assert proof in inside, command


def test_every_block_is_one_that_is_tried():
    tried = {"yaml", "console", "prometheus", "caddyfile", "nginx", "apache"}
    assert {block.language for block in blocks(PAGE)} == tried
    assert {block.note for block in of_language("console")} == {"", "system", "activated"}
    assert PAGE.count("\n```") == 2 * len(blocks(PAGE))
    assert not re.search(r"^    \S", documentation.FENCE.sub("", PAGE), flags=re.M), "indented code is not run"


def test_files_that_are_named_exist():
    for name in ("ports.conf", "programs.conf", "bellwire.socket", "bellwire.service"):
        assert name in PAGE and (ROOT / "scripts" / name).exists()
    for name in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (ROOT / "docs" / name).exists(), name


# ---- sums


def size(text):
    """Of `16 MiB` or `2` or `KEY`s of limits."""
    number, _, unit = text.partition(" ")
    return float(number) * UNITS.get(unit, 1)


def rows_of_sizing():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]*×?[^|]*) \| ([\d.]+ \w+) \| ([\d.]+ \w+) \|$", PAGE, flags=re.M)
    assert len(rows) == 7
    return rows


def at_most(daemon, formula):
    """What a formula of the table gives with the bounds that the daemon lists."""
    values = {row["key"]: row["value"] for row in daemon.manager_json("limits") if row["of"] in ("main", "server:main")}
    values["workers"] = daemon.manager_json("status")["workers"]
    product = 1
    for factor in formula.split(" × "):
        product *= values[factor[1:-1]] if factor.startswith("`") else size(factor)
    return product


def is_rounded(shown, value):
    return abs(size(shown) - value) <= 0.05 * UNITS[shown.split()[1]]


def test_the_sums_agree_with_the_limits(start):
    (example,) = [block.text for block in of_language("yaml") if "max-sessions" in block.text]
    default, small = start("tasks: {}\n"), start(example.replace("127.0.0.1:8080", "127.0.0.1:0"))
    total = 0
    for name, formula, usual, fitted in rows_of_sizing():
        assert is_rounded(usual, at_most(default, formula)), (name, at_most(default, formula) / (1 << 20))
        assert is_rounded(fitted, at_most(small, formula)), (name, at_most(small, formula) / (1 << 20))
        total += at_most(small, formula)
    assert is_rounded(re.search(r"^holds ([\d.]+ \w+) at most", PAGE, flags=re.M)[1], total), total / (1 << 20)
    others = {row["key"]: row["value"] for row in default.manager_json("limits")}
    assert f"`max-run-memory` ({others['max-run-memory'] >> 20} MiB)" in PAGE
    assert f"`max-header-size` ({others['max-header-size'] >> 10} KiB)" in PAGE
    assert re.search(r"^LimitNOFILE=(\d+)", documentation.page("scripts/bellwire.service"), flags=re.M)[1] in PAGE


# ---- metrics


@pytest.fixture(scope="module")
def samples(start_module):
    """What a daemon with a server and a client serves, after a request and a session."""
    daemon = start_module(FILES + "clients: {down: {enabled: false, url: 'ws://127.0.0.1:1/'}}\n")
    daemon.http("GET", "/hello")
    daemon.ws("/ws").close()
    return wait_for(lambda: has_closes(parse(get(address(daemon)).text)[0]), "the close is counted")


def has_closes(samples):
    return samples if any(name == "bellwire_server_closes_total" for name, _ in samples) else None


def test_every_metric_that_is_named_is_served(samples):
    served = {name for name, _ in samples}
    for text, least in ((PAGE, 1), (ALERTS, 9), (DASHBOARD, 18)):
        names = set(re.findall(r"\bbellwire_[a-z_]+", text)) - {"bellwire_http_request_duration_seconds"}
        assert len(names) >= least and names <= served, names - served


def test_every_label_that_is_named_is_one_of_its_metric(samples):
    """Those of Prometheus itself aside."""
    checked = 0
    for expression in EXPRESSIONS + re.findall(r"expr: (?:>-\n)?((?:.*\n(?: {10,}.*\n)*))", ALERTS):
        labels = {label for one in re.findall(r"by \(([^)]*)\)", expression) for label in one.split(", ")}
        labels |= set(re.findall(r"([a-z]+)[!=]~?=?\"", expression))
        known = {label for name, pairs in samples for label, _ in pairs if name in expression}
        assert labels <= known | {"instance", "job"}, (expression, labels - known)
        checked += len(labels)
    assert checked > 40


@PROMTOOL
def test_promtool_accepts_rules_and_expressions(tmp_path):
    """Each expression of the dashboard as a rule that records."""
    subprocess.run([find_tool("promtool"), "check", "rules", ROOT / "docs/alerts.yaml"], check=True)
    rules = [{"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
             for number, expression in enumerate(EXPRESSIONS)]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    subprocess.run([find_tool("promtool"), "check", "rules", tmp_path / "rules.json"], check=True)


@PROMTOOL
def test_promtool_accepts_the_configuration_of_prometheus(tmp_path):
    (block,) = of_language("prometheus")
    (tmp_path / "bellwire.yaml").write_text(ALERTS)
    (tmp_path / "prometheus.yaml").write_text(block.text.replace("/etc/prometheus", str(tmp_path)))
    subprocess.run([find_tool("promtool"), "check", "config", tmp_path / "prometheus.yaml"], check=True)
