#!/usr/bin/python3
"""Measures Bellwire against limits and peers, in turn, and prints a table. See README.md.

    run.py [--rounds 3] [--seconds 1] [--only WORD]... [--output FILE]

Ends with 1 when any answer was wrong. What a figure says is no cause to fail: it depends on the machine.
"""
import argparse
import datetime
import pathlib
import platform
import statistics
import subprocess
import sys

import cases
import servers

COLUMNS = ("case", "against", "bellwire /s", "other /s", "ratio", "CPU us", "other's CPU us", "CPU ratio", "p50 us",
           "p99 us", "wanted", "")
QUIET_LOAD = 1.0  # above it rates tell of the others on these cores, and figures are judged by CPU time


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


class Report:
    def __init__(self):
        self.is_quiet = busy() < QUIET_LOAD
        self.rows = []
        self.notes = []

    def add(self, *cells):
        cells = [cell if isinstance(cell, str) else number(cell) for cell in cells]
        self.rows.append(cells)
        print("  " + " | ".join(cells), flush=True)

    def note(self, text):
        self.notes.append(text)
        print("  note: " + text, flush=True)

    def text(self):
        lines = ["| " + " | ".join(row) + " |" for row in [COLUMNS, ["---"] * len(COLUMNS), *self.rows]]
        return "\n".join(lines + [""] + [f"- {note}" for note in self.notes]) + "\n"


def busy():
    return float(pathlib.Path("/proc/loadavg").read_text().split()[0])


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    git = subprocess.run(["git", "-C", str(servers.ROOT), "log", "-1", "--format=%h"], capture_output=True, text=True)
    return (f"{model}, Linux {platform.release()}, {datetime.date.today()}, commit {git.stdout.strip() or 'unknown'}, "
            f"load average {busy()} at the start")


def median(results, key):
    return statistics.median(result[key] for result in results)


def compare(report, case, options):
    """Runs one case against each of the others in turn, Bellwire before each of them."""
    print(case.name, flush=True)
    started = []
    try:
        own = case.bellwire().start()
        started.append(own)
        for wanted in case.wanted:
            try:
                other = wanted.other()
                started.append(other)
                other.start()
            except servers.Skipped as reason:
                report.note(f"{case.name}: {other.name} is left out, {reason}")
                continue
            pairs = []
            for _ in range(options.rounds):
                pairs.append((servers.load(own, case.mode, case.arguments(options, own)),
                              servers.load(other, case.mode, {**case.arguments(options, other), **wanted.extra})))
            ratio = statistics.median(wanted.ratio(mine, theirs) for mine, theirs in pairs)
            cpu_ratio = statistics.median(theirs["cpu_us"] / mine["cpu_us"] for mine, theirs in pairs)
            mine, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            is_by_cpu = not report.is_quiet and wanted.key == "per_second"
            report.add(case.name, other.name, median(mine, "per_second"), median(theirs, "per_second"), ratio,
                       median(mine, "cpu_us"), median(theirs, "cpu_us"), cpu_ratio, median(mine, "p50_us"),
                       median(mine, "p99_us"), wanted.text,
                       verdict(wanted.is_reached(cpu_ratio if is_by_cpu else ratio, median(mine, "cpu_us")), is_by_cpu))
            other.stop()
    finally:
        for server in started:
            server.stop()


def verdict(is_reached, is_by_cpu):
    if is_reached is None:
        return ""
    return ("reached" if is_reached else "missed") + (" by CPU" if is_by_cpu else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--output")
    options = parser.parse_args()
    report = Report()
    head = machine()
    print(head, flush=True)
    has_failed = False
    for case in cases.ALL:
        if options.only and not any(word in case.name for word in options.only):
            continue
        try:
            if isinstance(case, cases.Case):
                compare(report, case, options)
            else:
                print(case.name, flush=True)
                case.run(report, options)
        except RuntimeError as error:
            has_failed = True
            report.note(f"{case.name}: {error}")
    text = f"{head}; {options.rounds} rounds of {options.seconds} s\n\n{report.text()}"
    print("\n" + text)
    if options.output:
        pathlib.Path(options.output).write_text(text)
    return 1 if has_failed else 0


if __name__ == "__main__":
    sys.exit(main())
