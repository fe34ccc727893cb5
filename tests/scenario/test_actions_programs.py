"""run-program, run-task, stop-task, write-file, log and wait of the real daemon."""
import fcntl
import os
import pathlib
import subprocess

import pytest

import harness

GET = "tasks:\n  t:\n    triggers: [{http-request: /}]\n    actions:\n"
ANSWER = ("      - http-response: {json: {code: '${r.exit_code}', signal: '${r.signal}', out: '${r.stdout}', "
          "err: '${r.stderr}', cut: '${r.truncated}', failed: '${StepResult}', why: '${LastErrorDescription}'}}\n")


def program(start, arguments, script="", more=""):
    return start({"bellwire.yaml": GET + f"      - run-program: {arguments}\n{more}        save: r\n"
                                         "        on-error: continue\n" + ANSWER,
                  "s.sh": "#!/bin/sh\n" + script + "\n", "in.txt": "from a file"})


def run(start, arguments, script="", more="", path="/", prepare=lambda d: None):
    d = program(start, arguments, script, more)
    os.chmod(d.folder / "s.sh", 0o755)
    prepare(d)
    answer = d.http("GET", path)
    assert answer.status == 200, answer
    return answer.json()


def test_argv_without_a_shell(start):
    """Arguments arrive byte for byte. proves T7"""
    got = run(start, "{command: [./s.sh, '$(id)', '${HttpQueryParam(x)}', '']}", 'for a in "$@"; do echo "<$a>"; done',
              path="/?x=a%20%3B%20b")
    assert got["out"] == "<$(id)>\n<a ; b>\n<>\n" and got["code"] == 0 and got["failed"] == 0


def test_input_environment_and_directory(start):
    """stdin from text and file; exactly the promised environment. proves T7"""
    assert run(start, "{command: [cat], stdin: 'text ${HttpMethod}'}")["out"] == "text GET"
    assert run(start, "{command: [cat], stdin-file: in.txt}")["out"] == "from a file"
    assert run(start, "{command: [cat]}")["out"] == ""
    names = run(start, "{command: [env], env: {A: b}}")["out"].split("\n")[:-1]
    assert sorted(name.split("=")[0] for name in names) == sorted(
        ["A", "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ"] +
        ["BELLWIRE_" + name for name in ("TASK", "RUN", "TRIGGER", "SERVER", "CLIENT", "SESSION", "PEER")])
    assert "BELLWIRE_TASK=t" in names and "BELLWIRE_TRIGGER=http-request" in names
    assert run(start, "{command: [pwd], directory: /tmp}")["out"] == "/tmp\n"


def test_codes_and_signals(start):
    """Failures with their numbers; `success` lists what is none. proves T7"""
    got = run(start, "{command: [./s.sh]}", "echo o; echo e >&2; exit 3")
    assert (got["code"], got["out"], got["err"], got["failed"]) == (3, "o\n", "e\n", 1)
    got = run(start, "{command: [./s.sh], success: [0, 3]}", "exit 3")
    assert (got["code"], got["failed"]) == (3, 0)
    got = run(start, "{command: [./s.sh]}", "kill -KILL $$")
    assert (got["signal"], got["failed"]) == (9, 1)
    got = run(start, "{command: [no-such-program]}")
    assert got["failed"] == 1 and "not found" in got["why"]


def is_gone(pid):
    try:
        return "State:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def test_a_timeout_ends_the_group(start):
    """TERM first, KILL for who does not mind it, and what was printed is kept. proves T7"""
    d = program(start, "{command: [./s.sh]}", "sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; done' &\n"
                "trap 'echo term > told; exit' TERM\necho early; echo $$ > leader; while :; do sleep 0.05; done",
                more="        timeout: 700ms\n")
    os.chmod(d.folder / "s.sh", 0o755)
    got = d.http("GET", "/").json()
    assert got["failed"] == 1 and got["out"] == "early\n" and "700ms" in got["why"]
    harness.wait_for(lambda: (d.folder / "told").exists(), "the leader is told TERM")
    for name in ("leader", "child"):
        pid = int((d.folder / name).read_text())
        harness.wait_for(lambda pid=pid: is_gone(pid), f"{name} is gone")


def test_output_is_bounded(start):
    """Cut, and said so. proves T7"""
    got = run(start, "{command: [./s.sh], max-output: 1KiB}", "head -c 100000 /dev/zero | tr '\\0' x")
    assert got["out"] == "x" * 1024 and got["cut"] is True and got["code"] == 0


def test_limits_and_users(start):
    """Through the helper, which says what failed. proves T7"""
    got = run(start, "{command: [sh, -c, 'ulimit -n; ulimit -v; ulimit -t'], limits: {files: 20, memory: 256MiB, cpu: 5s}}")
    assert got["out"].split() == ["20", str(256 * 1024), "5"]
    got = run(start, "{command: [./none], limits: {files: 20}}")
    assert got["failed"] == 1 and "no such file" in got["why"]
    if os.geteuid() != 0:
        pytest.skip("another user needs root")
    got = run(start, "{command: [id, -un], user: nobody}", prepare=lambda d: [os.chmod(p, 0o755) for p in (d.folder, d.top)])
    assert got["out"] == "nobody\n", got
    got = run(start, "{command: [sh, -c, 'echo $HOME $USER; id -G'], user: nobody, group: daemon}")
    assert got["out"].split()[1] == "nobody", got
    got = run(start, "{command: [id], user: no-such-user}")
    assert got["failed"] == 1 and "no-such-user" in got["why"]


def test_programs_keep_the_limit_that_the_daemon_was_started_with(start):
    """The daemon raises its own number of descriptors, not theirs. proves T7"""
    d = start({"bellwire.yaml": GET + "      - run-program: [sh, -c, 'ulimit -Sn; ulimit -Hn']\n        save: r\n"
               "      - run-program: {command: [sh, -c, 'ulimit -Sn'], limits: {files: 400}}\n        save: more\n"
               "      - http-response: '${r.stdout}${more.stdout}'\n"}, launcher=["prlimit", "--nofile=200:600"])
    assert "Max open files            600" in pathlib.Path(f"/proc/{d.pid}/limits").read_text()
    assert d.http("GET", "/").text == "200\n600\n400\n"


def test_the_helper_sets_any_number_of_groups():
    """More than the kernel once allowed. proves T7"""
    if os.geteuid() != 0:
        pytest.skip("groups need root")
    groups = [str(4000000000 + number) for number in range(300)]
    done = subprocess.run(["sh", "-c", 'exec 3> /dev/null; exec "$@"', "sh", str(harness.BUILD / "bellwire-exec"),
                           "groups=" + ",".join(groups), "group=4000000000", "--", "/usr/bin/id", "id", "-G"],
                          capture_output=True, text=True)
    assert done.stdout.split() == groups, done


def test_places_are_waited_for_in_order(start):
    """Past max-programs a step waits, and its timeout with it. proves T7"""
    d = start({"bellwire.yaml": "max-programs: 1\n" + GET +
               "      - run-program: [./s.sh, '${HttpQuery}']\n        timeout: 900ms\n      - http-response: ok\n",
               "s.sh": "#!/bin/sh\necho $1 >> order; sleep 0.4\n"})
    os.chmod(d.folder / "s.sh", 0o755)
    peers = []
    for number in range(5):
        peer = d.raw()
        peer.send(f"GET /?{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        peers.append(peer)
        if number == 0:
            harness.wait_for(lambda: (d.folder / "order").exists(), "the first one runs")
    for peer in peers:
        assert peer.response().status == 200  # the last one waited for 1.6 s
    order = (d.folder / "order").read_text().split()
    assert order[0] == "0" and sorted(order) == list("01234")


def test_a_place_more_is_given_at_once(start):
    """Who waits under max-programs begins when a reload raises it, while the first one runs on. proves T7"""
    text = GET + "      - run-program: [./s.sh, '${HttpQuery}']\n      - http-response: ok\n"
    d = start({"bellwire.yaml": "max-programs: 1\n" + text,
               "s.sh": "#!/bin/sh\necho $1 >> order; while [ ! -e go ]; do sleep 0.02; done\n"})
    os.chmod(d.folder / "s.sh", 0o755)
    order = d.folder / "order"
    peers = [d.raw() for _ in range(4)]

    def waited():
        return next(row["refused"] for row in d.manager_json("limits") if row["key"] == "max-programs")

    for number, peer in enumerate(peers):
        peer.send(f"GET /?{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        if number == 0:
            harness.wait_for(lambda: order.exists() and order.read_text() == "0\n", "the first one runs")
        harness.wait_for(lambda: waited() == number, "the others wait")
    assert order.read_text() == "0\n"
    d.write({"bellwire.yaml": "max-programs: 3\n" + text})
    assert d.reload()["ok"]
    harness.wait_for(lambda: sorted(order.read_text().split()) == list("012"), "two more run")
    (d.folder / "go").touch()
    for peer in peers:
        assert peer.response().status == 200
    assert sorted(order.read_text().split()) == list("0123")


def test_no_zombie_and_no_descriptor_is_left(start):
    """After many programs. proves T7"""
    d = program(start, "{command: ['true']}")
    d.http("GET", "/")
    before = len(os.listdir(f"/proc/{d.pid}/fd"))
    for _ in range(200):
        d.http("GET", "/")
    assert len(os.listdir(f"/proc/{d.pid}/fd")) <= before + 4  # connections that are being closed
    children = pathlib.Path(f"/proc/{d.pid}/task/{d.pid}/children").read_text()
    assert children.strip() == ""


def test_output_without_save_goes_to_the_log(start):
    """Line by line. proves T7"""
    d = start(GET + "      - run-program: [sh, -c, 'echo one; echo two >&2']\n      - http-response: ok\n")
    d.http("GET", "/")
    assert d.log.wait("one", task="t")["level"] == "info"
    assert d.log.wait("two", task="t")["level"] == "warn"


def test_lines_run_chains_while_the_program_runs(start):
    """In order, the unfinished last one too. proves T15"""
    d = start({"bellwire.yaml": """
        tasks:
          t:
            triggers: [{http-request: /}]
            actions:
              - run-program:
                  command: [./s.sh]
                  lines: {as: line, do: [{write-file: {file: seen, text: "${line}", append: true}}, {log: "line ${line}"}]}
              - http-response: {file: seen}
        """, "s.sh": "#!/bin/sh\necho a; while [ ! -e seen ]; do sleep 0.02; done; printf 'b\\nc'\n"})
    os.chmod(d.folder / "s.sh", 0o755)
    assert d.http("GET", "/").text == "abc"
    d.log.wait("line c")
    assert [e["message"] for e in d.log.find("line ")] == ["line a", "line b", "line c"]


TASKS = """
    tasks:
      parent:
        triggers: [{http-request: /}]
        actions:
          - run-task: {task: child, vars: {a: "${HttpQueryParam(a)}"}, wait: true}
            save: r
          - http-response: "${r.status} ${r.error} ${r.result}"
      child:
        vars: {a: none}
        actions:
          - fail: not this
            when: a == "bad"
          - stop: "got ${a}"
      self:
        triggers: [{http-request: /self}]
        actions: [{run-task: self}]
      slow:
        triggers: [{http-request: /slow}]
        actions: [{log: slow began}, {wait: 1h}]
      stop:
        triggers: [{http-request: /stop}]
        actions: [{stop-task: slow}, {http-response: stopped}]
"""


def test_tasks_start_and_stop_tasks(start):
    """With vars, wait, save; on all workers; and no task can start itself for ever. proves T8"""
    d = start(TASKS, workers=4)
    assert d.http("GET", "/?a=1").text == "done  got 1"
    assert d.http("GET", "/?a=bad").text.startswith("failed not this")
    d.http("GET", "/self")
    d.log.wait(where=lambda entry: "32 deep" in entry.get("error", ""))
    peers = []
    for number in range(1, 9):
        peer = d.raw()
        peer.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        d.log.wait("slow began", count=number)
        peers.append(peer)
    assert d.http("GET", "/stop").text == "stopped"
    for peer in peers:
        assert peer.response().status == 503


def test_thousands_of_runs_can_wait(start):
    """And the daemon answers meanwhile. proves M8"""
    d = start("""
        tasks:
          slow:
            triggers: [{http-request: {path: /slow, respond: 202}}]
            actions: [{wait: 2s}, {log: over}]
          fast:
            triggers: [{http-request: /fast}]
            actions: [{http-response: fast}]
    """)
    peer = d.raw()
    for _ in range(20):
        peer.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        for _ in range(100):
            assert peer.response().status == 202
    assert d.http("GET", "/fast").text == "fast"
    d.log.wait("over", count=2000)


def test_log_lines_cannot_be_forged(start):
    """One line an event, with task and run. proves T13"""
    d = start(GET + "      - log: {text: 'said ${HttpQueryParam(x)}', level: warn, fields: {who: '${HttpQueryParam(x)}'}}\n")
    d.http("GET", "/?x=a%0a%7B%22message%22:%22forged%22%7D")
    entry = d.log.wait("said a\n", level="warn", task="t")
    assert entry["run"] and entry["fields"]["who"].startswith("a\n")
    assert not d.log.find(where=lambda e: e.get("message") == "forged")


def test_files_are_written_inside_their_root_alone(start):
    """Whole, or not at all. proves T15"""
    d = start({"bellwire.yaml": GET + "      - write-file: {file: '${HttpQueryParam(f)}', root: in, text: 'x${HttpQueryParam(t)}'}\n"
                                      "      - http-response: ok\n", "in/a": "old"})
    os.symlink("../out", d.folder / "in" / "link")
    assert d.http("GET", "/?f=a&t=new").text == "ok"
    assert (d.folder / "in" / "a").read_text() == "xnew"
    for name in ("..%2fout", "%2e%2e/out", "none/a", "", "../../out"):
        assert d.http("GET", f"/?f={name}").status == 500, name
    assert d.http("GET", "/?f=link").text == "ok"  # the link is replaced, not followed
    assert not (d.folder / "out").exists()
    assert sorted(p.name for p in (d.folder / "in").iterdir()) == ["a", "link"]


def test_a_file_that_another_program_locks_holds_up_nobody(start):
    """Appends wait for it, and end at their timeout; files are served meanwhile. proves T11"""
    d = start({"bellwire.yaml": """
        servers: {main: {bind: "127.0.0.1:0"}}
        tasks:
          add:
            triggers: [{http-request: "/add/{text}"}]
            actions: [{write-file: {file: lines, text: "${HttpPathParam(text)}", append: true}}, {http-response: done}]
          impatient:
            triggers: [{http-request: /impatient}]
            actions:
              - write-file: {file: lines, text: never, append: true}
                timeout: 50ms
                on-error: continue
              - http-response: "${LastErrorDescription}"
          page:
            triggers: [{http-request: /page}]
            actions: [{http-response: {file: page.txt}}]
        """, "page.txt": "a page", "lines": ""})
    with open(d.folder / "lines", "rb") as lines:
        fcntl.flock(lines, fcntl.LOCK_EX)
        adding = [d.raw() for _ in range(8)]  # more than the pool has threads
        for number, peer in enumerate(adding):
            peer.send(f"GET /add/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert d.http("GET", "/impatient").text == "no end within 50ms"
        assert d.http("GET", "/page").text == "a page"
    for peer in adding:
        assert peer.response().body == b"done"
    assert sorted((d.folder / "lines").read_text()) == list("01234567")
