"""The JSON Schema, read by python3-jsonschema as an editor does, against every YAML that is shipped or shown, and the wrong ones.

YAML is read as version 1.2 says, as the daemon and editors read it: `yes` is a text."""
import json
import re
import subprocess

import jsonschema
import pytest
import yaml

import documentation
from harness import BUILD, ROOT

MODELINE = "# yaml-language-server: $schema=/usr/share/bellwire/bellwire.schema.json\n"
SHIPPED = sorted([*ROOT.glob("config/default/**/*.yaml"), *ROOT.glob("config/examples/**/*.yaml")])
# yaml-laughs is a million lists by aliases, which only the loader refuses to unfold.
WRONG = sorted(path for folder in ("bad", "check") for path in (ROOT / "tests/config" / folder).glob("*.yaml")
               if path.stem != "yaml-laughs")
# What no schema can see: other files, comments, directives, the insides of expressions and pages, and what two places say together.
BEYOND = {"file-include-folder", "file-include-key", "file-include-missing", "yaml-directive", "comment", "html-places", "lua-slips",
          "same-path", "two-servers"}
# Below these, names are the user's own.
FREE = {"vars", "json", "set", "headers", "cookies", "cases", "env", "fields", "tasks", "servers", "clients", "secrets", "html"}


class Yaml(yaml.SafeLoader):
    yaml_implicit_resolvers = {}


for kind, pattern, first in (
        ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"), ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]), ("merge", "<<", "<"),
        ("int", "[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+.0123456789")):
    Yaml.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"^(?:{pattern})$"), list(first))
Yaml.add_constructor("tag:yaml.org,2002:int",
                     lambda _, node: int(node.value, {"0o": 8, "0x": 16}.get(node.value[:2], 10)))


@pytest.fixture(scope="module")
def schema():
    text = subprocess.run([BUILD / "bellwire", "schema"], capture_output=True, check=True).stdout
    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    return jsonschema.Draft202012Validator(json.loads(text))


def check(path):
    """Whether the loader accepts a file or folder."""
    done = subprocess.run([BUILD / "bellwired", "--check", "-c", path], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 78), done
    return done.returncode == 0


def shown():
    """[(where, YAML)] of all pages."""
    return [(f"{name} {number}", block.text)
            for name in ("README.md", "docs/admin.md", "docs/flow.md", "docs/tasks.md")
            for number, block in enumerate(documentation.blocks(documentation.page(name))) if block.language == "yaml"]


def test_every_shipped_file_begins_with_the_modeline_and_is_accepted(schema):
    assert len(SHIPPED) >= 9 and all(check(ROOT / folder) for folder in ("config/default", "config/examples"))
    for path in SHIPPED:
        text = path.read_text()
        assert text.startswith(MODELINE), path
        schema.validate(yaml.load(text, Yaml))


def test_every_configuration_that_a_page_shows_is_accepted(schema):
    """That the loader accepts them too is for the tests of each page."""
    assert len(shown()) >= 30
    for where, text in shown():
        errors = [error.message for error in schema.iter_errors(yaml.load(text, Yaml))]
        assert not errors, (where, errors)


def test_wrong_files_are_refused_but_for_what_no_schema_can_see(schema):
    """proves T1 D4"""
    accepted, read = set(), 0
    for path in WRONG:
        try:
            value = yaml.load(path.read_bytes(), Yaml)
        except (yaml.YAMLError, UnicodeDecodeError):
            assert not check(path), f"{path} is no YAML for others"
            continue
        read += 1
        if schema.is_valid(value):
            accepted.add(path.stem)
        else:
            assert not check(path), f"the loader accepts {path}, and the schema does not"
    assert accepted == BEYOND and read > 2 * len(BEYOND)


def places(value, way=()):
    """Ways to all keys that a schema knows by name."""
    if isinstance(value, list):
        for at, one in enumerate(value):
            yield from places(one, (*way, at))
    elif isinstance(value, dict):
        for key, one in value.items():
            if not way or way[-1] not in FREE:
                yield (*way, key)
            if not (way and way[-1] in FREE - {"tasks", "servers", "clients", "secrets", "cases"}):
                yield from places(one, (*way, key))


def misspell(value, way):
    """A copy of the value with the last key of the way misspelt."""
    if isinstance(value, list):
        return [misspell(one, way[1:]) if at == way[0] else one for at, one in enumerate(value)]
    return {(f"{key}x" if key == way[0] and len(way) == 1 else key):
            (misspell(one, way[1:]) if key == way[0] and len(way) > 1 else one) for key, one in value.items()}


@pytest.mark.skipif(BUILD.name in ("address", "thread"), reason="the schema is that of the plain build, and many loads are slow here")
def test_every_misspelt_key_of_what_is_shown_is_refused_by_both(schema, tmp_path):
    """One place for each key below each other one."""
    seen = set()
    for where, text in shown():
        value = {"servers": {"main": {"bind": "127.0.0.1:0"}}, **yaml.load(text, Yaml)}
        for way in places(value):
            names = tuple(part for part in way if not isinstance(part, int))[-2:]
            if names not in seen:
                seen.add(names)
                wrong = misspell(value, way)
                assert not schema.is_valid(wrong), (where, way)
                (tmp_path / "wrong.yaml").write_text(json.dumps(wrong))
                assert not check(tmp_path / "wrong.yaml"), (where, way)
    assert len(seen) > 150
