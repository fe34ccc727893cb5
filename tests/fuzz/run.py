#!/usr/bin/python3
"""Runs the fuzz targets of $BUILD/fuzz for some seconds each, as many at once as there are cores, from the kept inputs.

    tests/fuzz/run.py SECONDS [TARGET ...]

A crash becomes a file in tests/fuzz/corpus/TARGET, to be kept with its repair. What a run finds beyond that is
kept in $BUILD/fuzz/found, not in the tree. Prints what was run; ends with 1 after a crash, leak or hang.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/fuzz"
BUILD = ROOT / os.environ.get("BUILD", "build/fuzz")
MORE_SEEDS = {"config": ["config/examples", "config/examples/tasks", "tests/config/bad", "tests/config/check"]}
LIMITS = ["-timeout=30", "-rss_limit_mb=1024", "-max_len=8192", "-print_final_stats=1", "-reload=0"]


def fuzz(target, seconds):
    """(has passed, executions, CPU seconds)"""
    kept = HERE / "corpus" / target
    found = BUILD / "fuzz/found" / target
    kept.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    words = HERE / f"{target}.dict"
    command = [str(BUILD / "fuzz" / target), f"-max_total_time={seconds}", f"-artifact_prefix={kept}/", *LIMITS,
               *([f"-dict={words}"] if words.exists() else []), str(found), str(kept),
               *(str(ROOT / folder) for folder in MORE_SEEDS.get(target, ()))]
    process = subprocess.Popen(command, cwd=BUILD, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1", "UBSAN_OPTIONS": "print_stacktrace=1"})
    with process.stdout:
        text = process.stdout.read().decode("utf-8", "replace")
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    runs = re.search(r"stat::number_of_executed_units:\s+(\d+)", text)
    if process.returncode:
        print(text[-8000:])
    return process.returncode == 0, int(runs[1]) if runs else 0, used.ru_utime + used.ru_stime


def main():
    seconds, names = int(sys.argv[1]), sys.argv[2:]
    targets = sorted(path.stem[5:] for path in HERE.glob("fuzz_*.c"))
    total, failed = 0.0, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for target, has_passed, runs, cpu in pool.map(lambda name: (name, *fuzz(name, seconds)), names or targets):
            total += cpu
            failed += [] if has_passed else [target]
            print(f"{'ok' if has_passed else 'FAILED':6} fuzz {target}: {runs} inputs, {cpu:.1f} s of CPU", flush=True)
    print(f"fuzzed for {total:.0f} s of CPU" + (f"; failed: {' '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
