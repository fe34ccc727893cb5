"""What the README shows is run: every YAML block loads, its commands do what they say, its tables know every key."""
import re

import documentation
from documentation import ROOT

README = documentation.page("README.md")
# Commands of the tree, which run these tests or are run by tests/scripts and tests/system.
OF_THE_TREE = {"./scripts/run", "./scripts/test", "make", "make test", "make test SAN=address", "make lint",
               "make deb && apt install ./build/deb/bellwire_*.deb"}
# Said once for many rows, or what a plain value stands for.
IN_THE_TEXT = {"server", "client", "interval"}
MATCH_KEYS = {"contains", "starts-with", "exact", "regex", "json", "case-sensitive"}


def yaml_blocks():
    return [block.text for block in documentation.blocks(README) if block.language == "yaml"]


def test_every_yaml_block_of_the_readme_loads(start):
    """proves D4"""
    assert len(yaml_blocks()) >= 3
    for block in yaml_blocks():
        result = start.check(block)
        assert result.returncode == 0, f"{block}\n{result.stdout}"


def test_the_commands_of_the_readme_do_what_it_says():
    """proves S6 S7 T1 T10 D2 D6"""
    ports = {name: documentation.free_port() for name in ("127.0.0.1:8090", "127.0.0.1:9000")}
    text = README
    for old, port in ports.items():
        text = text.replace(old, f"127.0.0.1:{port}")
    with documentation.new_folder() as folder:
        reader = documentation.Reader(folder)
        try:
            (reader.top / "build").symlink_to(documentation.BUILD)
            (reader.top / "first").mkdir()
            reader.shell.expect("export BELLWIRE_CONTROL=$PWD/first/state/control.sock", "")
            for block in documentation.blocks(text):
                if block.language == "yaml" and documentation.file_of(block):
                    reader.write(block)
                elif block.language == "console" and not block.note:
                    reader.console(block)
            assert reader.daemon and (reader.top / "first/state/bellwire.db").exists()
        finally:
            reader.close()


def test_every_command_is_one_that_is_run():
    assert not re.search(r"^    \S", documentation.FENCE.sub("", README), flags=re.M), "indented code is not run"
    assert README.count("\n```") == 2 * len(documentation.blocks(README))
    others = {re.sub(" +#.*", "", command) for block in documentation.blocks(README) if block.note
              for command, _ in documentation.commands(block.text)}
    assert others == OF_THE_TREE
    for name in re.findall(r"\]\(([^)#]+)", README):
        assert (ROOT / name).exists(), name


def test_every_kind_and_key_of_the_tables_stands_in_the_readme(start):
    """In the row of its kind. Blocks stand in the text."""
    reference = start.reference()
    kinds = re.findall(r"^### `([a-z-]+)`\n(.*?)(?=^##|\Z)", reference, flags=re.M | re.S)
    assert len(kinds) > 40
    for kind, text in kinds:
        rows = [line for line in README.splitlines() if line.startswith("|") and f"`{kind}`" in line]
        keys = {key.split(".")[0] for key in re.findall(r"^\| `([a-z.-]+)` \|", text, flags=re.M)} - IN_THE_TEXT
        assert rows or re.search(rf"[`/]{kind}[`/]", README), kind
        if kind == "client-message":
            assert "match keys as above" in rows[0] and keys == MATCH_KEYS
            continue
        for key in keys if rows else ():
            assert any(re.search(rf"`{key}[`:]", row) for row in rows), f"{kind}: {key}"


def test_every_variable_and_helper_stands_in_the_readme(start):
    reference = start.reference()
    for title in ("Variables", "Helpers of expressions"):
        names = re.findall(r"^\| `([\w.]+)", reference.split(f"## {title}\n")[1].split("\n## ")[0], flags=re.M)
        assert len(names) >= 30
        for name in names:
            assert re.search(rf"[` \n]{re.escape(name)}[`( \n]", README), name
