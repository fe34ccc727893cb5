"""`bellwire backup FILE` and `bellwired --restore FILE`."""
import os
import sqlite3
import subprocess

from harness import BUILD, wait_for


def restore(file, state):
    return subprocess.run([BUILD / "bellwired", "--restore", file, "--state", state], capture_output=True, text=True, check=False)


def stored(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return dict(db.execute("SELECT name, value FROM globals"))


def fill(daemon):
    daemon.manager("var", "set", "kept", "yes", check=0)
    daemon.manager("server", "add", "side", "bind=127.0.0.1:0", check=0)
    wait_for(lambda: "kept" in stored(daemon.state / "bellwire.db"), "the global is written behind")


def test_a_backup_of_a_running_daemon_is_restored_elsewhere_with_all_that_it_held(start, tmp_path):
    """proves D5"""
    daemon = start("tasks: {}\n")
    fill(daemon)
    file = tmp_path / "backup.db"
    daemon.manager("backup", file, check=0)
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    daemon.manager("var", "set", "kept", "later", check=0)
    daemon.stop()
    done = restore(file, daemon.state)
    assert done.returncode == 0, done.stderr
    daemon.restart()
    assert daemon.manager_json("var", "get", "kept")["value"] == "yes"
    assert {row["id"] for row in daemon.manager_json("server", "list")} == {"main", "side"}


def test_standard_output_is_a_file_too(start, tmp_path):
    daemon = start("tasks: {}\n")
    done = subprocess.run([BUILD / "bellwire", "--control", daemon.socket, "backup", "-"], capture_output=True, check=True)
    (tmp_path / "b").write_bytes(done.stdout)
    assert sqlite3.connect(tmp_path / "b").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(start, tmp_path):
    daemon = start("tasks: {}\n")
    done = daemon.manager("backup", tmp_path / "none" / "b")
    assert done.returncode == 1 and "none/b: No such file or directory" in done.stderr
    (tmp_path / "folder").mkdir()
    assert daemon.manager("backup", tmp_path / "folder").returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    daemon.stop()
    assert daemon.manager("backup", tmp_path / "b").returncode == 3
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_restore_is_refused_while_a_daemon_holds_the_state(start, tmp_path):
    daemon = start("tasks: {}\n")
    daemon.manager("backup", tmp_path / "b", check=0)
    done = restore(tmp_path / "b", daemon.state)
    assert done.returncode == 1 and "is held by another bellwired" in done.stderr


def test_what_is_no_backup_is_refused_and_the_registry_stays(start, tmp_path):
    daemon = start("tasks: {}\n")
    fill(daemon)
    daemon.manager("backup", tmp_path / "good", check=0)
    daemon.stop()
    before = stored(daemon.state / "bellwire.db")
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at " * 20)
    with sqlite3.connect(tmp_path / "other") as db:
        db.execute("CREATE TABLE t (x)")
    (tmp_path / "newer").write_bytes((tmp_path / "good").read_bytes())
    with sqlite3.connect(tmp_path / "newer") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    (tmp_path / "cut").write_bytes((tmp_path / "good").read_bytes()[:8192])
    for name, why in (("text", "file is not a database"), ("other", "is no registry of bellwired"),
                      ("newer", "written by a newer bellwired (schema 99"), ("cut", ""), ("missing", "cannot read")):
        done = restore(tmp_path / name, daemon.state)
        assert done.returncode == 1 and why in done.stderr and str(tmp_path / name) in done.stderr, (name, done.stderr)
        assert len(done.stderr.splitlines()) == 1
    assert stored(daemon.state / "bellwire.db") == before
    assert not (daemon.state / "bellwire.db.new").exists()
    daemon.restart()
    assert daemon.manager_json("var", "get", "kept")["value"] == "yes"
