"""Registries of every schema that there was, from tests/registry/schema-N.sql, opened by this daemon."""
import re
import sqlite3
import subprocess

import pytest

from harness import BUILD, ROOT

SCHEMAS = {int(re.search(r"\d+", path.stem)[0]): path.read_text() for path in (ROOT / "tests/registry").glob("schema-*.sql")}
FILES = """
servers: {main: {bind: "127.0.0.1:0"}}
tasks:
  hello:
    triggers: [{http-request: /hello}]
    actions: [{http-response: hi}]
  count:
    triggers: [{http-request: /count}]
    actions: [{http-response: "${global.count + 1}"}]
"""


def fill(path, script):
    with sqlite3.connect(path) as db:
        db.executescript(script)
    db.close()


def shape(path):
    """Version, application and tables."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        found = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")]
        found += sorted(row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"))
    db.close()
    return found


def everything_is_there(daemon):
    rows = {row["id"]: row for row in daemon.manager_json("server", "list")}
    assert set(rows) == {"main", "side"} and rows["side"]["origin"] == "manager" and rows["side"]["state"] == "listening"
    assert daemon.manager_json("server", "show", "side")["config"]["max-body"] == "4MiB"
    client = daemon.manager_json("client", "list")[0]
    assert (client["id"], client["enabled"], client["origin"]) == ("feed", False, "manager")
    assert daemon.manager_json("var", "get", "name")["value"] == "Ada"
    assert daemon.http("GET", "/count").text == "43"
    task = next(task for task in daemon.manager_json("task", "list") if task["id"] == "hello")
    assert (task["enabled"], task["enabled_by"]) == (False, "manager")
    assert daemon.http("GET", "/hello").status == 404


def launch_with(start, script):
    daemon = start.unstarted(FILES)
    daemon.state.mkdir()
    fill(daemon.state / "bellwire.db", script)
    return daemon


@pytest.mark.parametrize("version", sorted(SCHEMAS))
def test_a_registry_of_each_schema_is_brought_forward_with_all_that_it_holds(start, version):
    """proves D5"""
    daemon = launch_with(start, SCHEMAS[version]).start()
    everything_is_there(daemon)
    daemon.stop()
    assert shape(daemon.state / "bellwire.db")[0] == max(SCHEMAS)
    daemon.restart()
    everything_is_there(daemon)


@pytest.mark.parametrize("version", sorted(SCHEMAS))
def test_a_backup_of_each_schema_is_restored(start, tmp_path, version):
    """proves D5"""
    fill(tmp_path / "backup.db", SCHEMAS[version])
    daemon = start.unstarted(FILES)
    subprocess.run([BUILD / "bellwired", "--restore", tmp_path / "backup.db", "--state", daemon.state], check=True,
                   stdout=subprocess.DEVNULL)
    everything_is_there(daemon.start())


def test_the_newest_of_these_is_the_schema_of_a_new_registry(start, tmp_path):
    """A schema that changes without a number, a migration and a file here would be no registry of the daemon before."""
    daemon = start(FILES)
    daemon.stop()
    assert sorted(SCHEMAS) == list(range(1, max(SCHEMAS) + 1))
    fill(tmp_path / "newest.db", SCHEMAS[max(SCHEMAS)])
    assert shape(daemon.state / "bellwire.db") == shape(tmp_path / "newest.db")


def test_a_file_of_a_start_that_did_not_get_far_is_begun_anew(start):
    daemon = launch_with(start, "")
    assert (daemon.state / "bellwire.db").stat().st_size == 0
    daemon.start()
    assert daemon.manager("var", "set", "x", "1").returncode == 0


@pytest.mark.parametrize("script, why", [
    (SCHEMAS[max(SCHEMAS)] + "PRAGMA user_version=99;", "written by a newer bellwired (schema 99, this one knows up to "),
    ("CREATE TABLE mine (x); INSERT INTO mine VALUES (7);", "is no registry of bellwired, and was left untouched; move it away")])
def test_a_registry_of_a_newer_daemon_or_another_program_is_refused_untouched(start, script, why):
    """proves D8"""
    daemon = launch_with(start, script)
    path = daemon.state / "bellwire.db"
    before = path.read_bytes()
    daemon.launch()
    assert daemon.wait_exit() == 1
    lines = daemon.log.text.splitlines()
    assert len(lines) == 1 and str(path) in lines[0] and why in lines[0] and "give another --state" in lines[0], lines
    assert path.read_bytes() == before
