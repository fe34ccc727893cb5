"""docs/admin.md: every configuration in it loads, every metric that it names is served, its rules are good for promtool."""
import pathlib
import re
import shutil
import subprocess

import pytest

from test_metrics import FILES, address, get

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/admin.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.M | re.S)


def test_every_configuration_loads(start, tmp_path):
    (tmp_path / "github").write_text("key\n")
    assert len(blocks("yaml")) >= 4
    for block in blocks("yaml"):
        result = start.check(block, "--strict", env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
        assert result.returncode == 0, f"{block}\n{result.stdout}"


def test_every_metric_that_is_named_is_served(start):
    daemon = start(FILES + "clients: {down: {enabled: false, url: 'ws://127.0.0.1:1/'}}\n")
    daemon.http("GET", "/hello")
    text = get(address(daemon)).text
    names = set(re.findall(r"\bbellwire_[a-z_]+", PAGE))
    assert len(names) > 10
    for name in names:
        assert re.search(rf"^{name}(_bucket)?[{{ ]", text, flags=re.M), name


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_accepts_the_rules(tmp_path):
    (rules,) = blocks("prometheus")
    (tmp_path / "rules.yml").write_text(rules)
    subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yml"], check=True)


def test_files_that_are_named_exist():
    for name in ("ports.conf", "programs.conf", "bellwire.socket", "bellwire.service"):
        assert name in PAGE and (ROOT / "scripts" / name).exists()
