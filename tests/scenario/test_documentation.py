"""What the README shows is run: every YAML block loads, and the first task answers as it says."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def yaml_blocks():
    return re.findall(r"^```yaml\n(.*?)^```", README, flags=re.M | re.S)


def test_every_yaml_block_of_the_readme_loads(start):
    """proves D4"""
    assert yaml_blocks()
    for block in yaml_blocks():
        result = start.check(block)
        assert result.returncode == 0, f"{block}\n{result.stdout}"


def test_the_first_task_answers_as_the_readme_says(start):
    """proves S6 S7 T1"""
    first = next(block for block in yaml_blocks() if "127.0.0.1:8090" in block)
    daemon = start(first.replace("127.0.0.1:8090", "127.0.0.1:0"))
    assert daemon.http("GET", "/greet/ada").text == "hello ada\n"
    assert daemon.http("GET", "/greet/ada?loud=yes").text == "HELLO ADA!\n"


def test_every_kind_of_the_tables_stands_in_the_readme(start):
    """A trigger, action or variable that the daemon knows is in the README, and the other way round."""
    reference = start.reference()
    for section, marker in (("Triggers", "## Triggers"), ("Actions", "## Actions")):
        names = re.findall(r"^### `([a-z-]+)`", reference.split(marker)[1].split("\n## ")[0], flags=re.M)
        assert names, section
        for name in names:
            assert f"`{name}`" in README, f"{section}: {name}"
