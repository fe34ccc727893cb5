"""Programs by the thousand: no zombie, no descriptor, no growth. BELLWIRE_SOAK_PROGRAMS=100000 asks for more of them."""
import os
import pathlib
import re

from harness import wait_for

PROGRAMS = int(os.environ.get("BELLWIRE_SOAK_PROGRAMS", "2000"))
AT_ONCE = 20  # runs of one request
IS_SANITIZED = "/" in os.environ.get("BUILD", "")  # sanitizers keep what is freed, and find leaks themselves
GROWTH_KIB = 1024


def figures(pid):
    """Descriptors and resident KiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return len(os.listdir(f"/proc/{pid}/fd")), int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


def children(pid):
    return [child for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


def test_programs_by_the_thousand_leave_nothing_behind(start):
    """Some succeed, some fail, some are not there, some print. proves T7"""
    d = start(f"""
        tasks:
          many:
            triggers: [{{http-request: /many}}]
            actions:
              - repeat: {{times: {AT_ONCE // 4}}}
                do:
                  - run-program: ["true"]
                  - run-program: ["false"]
                    on-error: continue
                  - run-program: [no-such-program]
                    on-error: continue
                  - run-program: [echo, x]
                    save: r
              - http-response: "${{r.stdout}}"
    """)
    raw = d.raw()
    before = None
    for started in range(0, PROGRAMS, AT_ONCE):
        raw.send(b"GET /many HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw.response().body == b"x\n"
        if before is None and started >= PROGRAMS // 10:
            before = figures(d.pid)
    wait_for(lambda: not children(d.pid), "no child, not even a zombie")
    after = figures(d.pid)
    assert after[0] <= before[0]
    assert IS_SANITIZED or after[1] <= before[1] + GROWTH_KIB
