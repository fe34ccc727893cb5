"""Rows of the manager whose files have gone: what serves goes on, what does not is left out and can be mended."""
import json

import pytest

FILES = 'servers: {main: {bind: "127.0.0.1:0"}}\n'


@pytest.fixture
def d(start, tmp_path):
    d = start(FILES)
    d.tokens = tmp_path / "tokens"
    d.tokens.write_text("secret\n")
    auth = json.dumps({"bearer": {"file": str(d.tokens)}})
    assert d.manager("server", "add", "kept", "bind=127.0.0.1:0", f"auth={auth}").returncode == 0
    assert d.manager("server", "add", "other", "bind=127.0.0.1:0").returncode == 0
    return d


def states(d):
    return {row["id"]: row["state"] for row in d.manager_json("server", "list")}


def test_an_edit_of_one_server_leaves_the_others_as_they_are(d):
    d.tokens.unlink()
    for name in ("first", "second"):
        assert d.manager("server", "set", "other", f"name={name}").returncode == 0
    assert states(d) == {"main": "listening", "kept": "listening", "other": "listening"}
    assert d.http("GET", "/", server="kept").status in (401, 404)
    assert d.manager("server", "set", "kept", "name=third").returncode == 1, "it could not be read"


def test_a_key_below_a_text_is_named(d):
    assert d.manager("server", "set", "other", "name=plain").returncode == 0
    done = d.manager("server", "set", "other", "name.first=x")
    assert done.returncode == 1
    assert '"name.first"' in done.stderr


def test_a_reload_is_refused_while_a_server_that_serves_cannot_be_read(d):
    d.tokens.unlink()
    done = d.manager("reload")
    assert done.returncode == 78 and str(d.tokens) in done.stderr
    assert states(d)["kept"] == "listening"


@pytest.mark.parametrize("way", ["mend", "set", "remove"])
def test_a_start_leaves_it_out_and_says_how_to_mend_it(d, way):
    d.stop()
    d.tokens.unlink()
    d.restart()
    assert 'server "kept" of the manager is left out' in d.log.text
    assert "bellwire server remove kept" in d.log.text
    assert states(d) == {"main": "listening", "other": "listening"}
    if way == "mend":
        d.tokens.write_text("secret\n")
        assert d.manager("reload").returncode == 0
    elif way == "set":
        assert d.manager("reload").returncode == 0
        assert d.manager("server", "set", "kept", "auth=").returncode == 0
    else:
        assert d.manager("server", "remove", "kept").returncode == 0
        assert d.manager("server", "remove", "kept").returncode == 1
    assert states(d).get("kept") == (None if way == "remove" else "listening")
