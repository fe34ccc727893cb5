"""The JSON Schema of `bellwire schema` against the loader: what `check` accepts, the schema accepts."""
import json
import re
import subprocess

import pytest

import harness

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name in ("integer", "number"):
        return isinstance(value, int if name == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def same(a, b):
    return type(a) is type(b) and a == b


def accepts(schema, value, root):
    """The keywords of JSON Schema 2020-12 that the schema uses; any other one is an error of the test."""
    if schema is True or schema is False:
        return schema
    names = set(schema) - {"$schema", "$defs", "title", "description", "default"}
    known = {"$ref", "type", "enum", "anyOf", "allOf", "pattern", "minimum", "maximum", "properties", "required",
             "additionalProperties", "maxProperties", "items"}
    assert names <= known, names - known
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].split("/")[1:]:
            target = target[part]
        if not accepts(target, value, root):
            return False
    wanted = schema.get("type", [])
    if wanted and not any(is_type(value, name) for name in ([wanted] if isinstance(wanted, str) else wanted)):
        return False
    if "enum" in schema and not any(same(value, one) for one in schema["enum"]):
        return False
    if "anyOf" in schema and not any(accepts(one, value, root) for one in schema["anyOf"]):
        return False
    if not all(accepts(one, value, root) for one in schema.get("allOf", [])):
        return False
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    if is_type(value, "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return False
    if isinstance(value, list):
        return all(accepts(schema.get("items", True), one, root) for one in value)
    return not isinstance(value, dict) or accepts_members(schema, value, root)


def accepts_members(schema, value, root):
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    return (all(name in value for name in schema.get("required", [])) and
            len(value) <= schema.get("maxProperties", len(value)) and
            all(accepts(properties.get(name, others), member, root) for name, member in value.items()))


@pytest.fixture(scope="module")
def schema():
    return json.loads(subprocess.run([harness.BUILD / "bellwire", "schema"], capture_output=True, text=True, check=True).stdout)


def check(start, config):
    """The configuration goes to the loader as JSON, which YAML reads as it is."""
    return start.check({"bellwire.yaml": json.dumps(config).encode()})


def task(*actions, **more):
    return {"servers": {"main": None}, "tasks": {"t": {**more, "actions": list(actions)}}}


GOOD = [
    {},
    {"servers": {"main": None}, "tasks": {}},
    {"workers": 2, "log": {"level": "debug", "format": "json"}, "include": "none-*.yaml", "max-programs": "5",
     "run-memory": 1048576, "shutdown-timeout": "1m"},
    {"servers": {"a": {"bind": "127.0.0.1:1", "enabled": "no", "name": 7, "ping-interval": "off", "max-body": "1MiB",
                       "max-sessions": "10", "slow-consumer": "drop", "subprotocols": ["a", "b"]},
                 "b": {"bind": ["127.0.0.1:2", "[::1]:2"], "enabled": 0, "max-message": 4096}}},
    {"clients": {"c": {"url": "ws://x/y", "enabled": False}, "d": {"host": "x", "port": 80, "protocol": "ws"}}},
    task("stop"),
    task({"stop": {}}, {"stop": None}, {"stop": {"result": [1, {"a": None}]}}),
    task({"log": "text", "name": "first", "when": True, "on-error": "continue"}, {"log": {"text": 1, "level": "warn"}}),
    task({"wait": "5s"}, {"wait": {"for": "250ms"}}, {"wait": "${n}"}, vars={"n": "1s"}),
    task([{"log": "a"}, [{"log": "b"}]], {"log": "c"}),
    task({"set": {"a": 1, "session.b": "${a}"}}),
    task({"if": "a == 1", "then": [{"log": "x"}], "else": ["stop"]}, vars={"a": 1}),
    task({"choose": [{"when": "true", "do": [{"log": "x"}]}], "default": []}),
    task({"switch": "${a}", "cases": {"1": ["stop"], "x": []}, "default": []}, vars={"a": 1}),
    task({"repeat": {"times": 3}, "do": ["break"]}, {"repeat": {"for-each": [1, 2], "as": "i"}, "max": 5, "do": ["continue"]}),
    task({"run-program": ["/bin/echo", "a"], "timeout": "5s", "save": "out"}, {"run-program": {"command": "/bin/true"}}),
    task({"http-response": "done"}, {"http-response": {"json": {"a": ["${HttpPath}"]}, "status": 201, "headers": {"X": "1"}}},
         triggers=[{"http-request": "/a"}, {"http-request": {"path": "/b/{c}", "method": ["GET", "POST"]}}]),
    task({"send-message": "hi"}, {"send-message": {"text": "x", "to": {"room": "r"}, "end": True}}, {"join-room": "r"},
         "close-session", triggers=[{"server-message": {"path": "/x", "json": {"a.b": 7}}}, {"server-open": "/x"}]),
    task({"log": "x"}, triggers=["startup"], mode="single", enabled="yes", description="d", timeout="5m"),
    task({"run-task": {"task": "t", "vars": {"a": 1}}}, {"run-task": {"task": "t", "vars": "${a}"}}, {"stop": [1]}, vars={"a": 1}),
    task({"log": "x", "on-error": {"retry": 2}}, {"log": "y", "on-error": {"retry": {"attempts": 2, "delay": "5ms"}}},
         conditions=["true", {"when": True, "unmet": 409}], mode={"type": "queued", "key": "${RunId}"},
         **{"at-most": {"runs": 1, "per": "1m", "then": "last"}, "on-error": "continue"}),
    task("stop", conditions="true", **{"on-error": {"run-task": "t"}}),
    {"servers": {"a": {"bind": "127.0.0.1:1", "compression": {"context-takeover": "yes"}}},
     "clients": {"c": {"url": "ws://x", "compression": "on", "auto-reconnect": {"min": "1s", "max": "2s"}},
                 "d": {"url": "ws://x", "auto-reconnect": "no"}}},
]
BAD = [
    {"nope": 1},
    {"workers": {}},
    {"servers": {"a": {"bnd": "x"}}},
    {"servers": {"a": {"max-sessions": "many"}}},
    {"servers": {"a": {"header-timeout": 5}}},
    {"tasks": {"t": {}}},
    task({"logg": "x"}),
    task({"log": "x", "wait": "1s"}),
    task("log"),
    task({"if": "true"}, {"then": []}),
    task({"log": {"level": "warn"}}),
    task({"log": "x"}, triggers=["http-requst"]),
    task({"log": "x"}, nme="x"),
    task({"log": "x"}, vars=[1]),
    task({"log": "x"}, mode="sngle"),
    task({"log": "x"}, mode={"type": "queued", "max-waitng": 5}),
    task({"log": "x"}, **{"at-most": {"runs": 1}}),
    task({"log": "x"}, **{"on-error": "contnue"}),
    task({"log": "x", "on-error": {"retry": {"attempts": 0}}}),
    task({"log": "x", "when": 1}),
    task({"log": "x", "save": "a name"}),
    task({"stop": {"reslt": 1}}),
    task({"repeat": {"tims": 3}, "do": []}),
    {"servers": {"a": {"compression": {"context-takover": True}, "max-body": -1}}},
    {"clients": {"a": {"url": "ws://x", "auto-reconnect": {"mx": "1s"}}}},
    {"clients": {"a": {"url": "ws://x", "auto-reconnect": "5s"}}},
]


@pytest.mark.parametrize("config", GOOD, ids=range(len(GOOD)))
def test_what_check_accepts_the_schema_accepts(start, schema, config):
    """proves D4"""
    done = check(start, config)
    assert done.returncode == 0, done.stdout
    assert accepts(schema, config, schema)


@pytest.mark.parametrize("config", BAD, ids=range(len(BAD)))
def test_plain_mistakes_are_refused_by_both(start, schema, config):
    assert check(start, config).returncode == 78
    assert not accepts(schema, config, schema)
