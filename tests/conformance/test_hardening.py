"""How the programs are built: what an attacker who found a hole would have to get past. proves D1"""
import re
import subprocess

import pytest

import harness

PROGRAMS = ["bellwired", "bellwire", "bellwire-exec"]
IS_PLAIN = not str(harness.BUILD).endswith(("address", "thread"))


def readelf(option, program, *more):
    done = subprocess.run(["readelf", "-W", option, *more, harness.BUILD / program], capture_output=True, text=True,
                          check=True)
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_lie_anywhere_and_nothing_that_is_written_is_executed(program):
    """PIE, full RELRO, no executable stack, no segment that is both writable and executable."""
    assert re.search(r"Type:\s+DYN", readelf("-h", program)), "not position-independent"
    segments = readelf("-l", program)
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK\s.*\sRW\s", segments)
    assert not re.search(r"LOAD\s.*\sRWE\s", segments)
    dynamic = readelf("-d", program)
    assert re.search(r"FLAGS_1\).*\bPIE\b", dynamic), "a library, no program that is position-independent"
    assert re.search(r"BIND_NOW|NOW", dynamic), "its symbols are bound late"


@pytest.mark.skipif(not IS_PLAIN, reason="a sanitizer checks in place of libc")
@pytest.mark.parametrize("program", PROGRAMS[:2])
def test_buffers_are_checked(program):
    """Stack protector and FORTIFY_SOURCE, by what they call."""
    symbols = readelf("--dyn-syms", program)
    assert "__stack_chk_fail" in symbols
    assert len(set(re.findall(r"__\w+_chk\b", symbols)) - {"__stack_chk_fail"}) > 0


@pytest.mark.skipif(not IS_PLAIN, reason="sanitizers are built without")
def test_indirect_jumps_and_returns_are_checked_where_the_processor_can():
    """-fcf-protection, by the mark of an object; Debian's start-up code lacks it, so that the program's is dropped."""
    if "X86-64" not in readelf("-h", "bellwired"):
        pytest.skip("-fcf-protection is x86's")
    notes = readelf("-n", "obj/daemon/main.o")
    assert "IBT" in notes and "SHSTK" in notes


@pytest.mark.skipif(not IS_PLAIN, reason="sanitizers have flags of their own")
@pytest.mark.parametrize("program", PROGRAMS)
def test_each_file_was_compiled_with_what_stops_smashed_stacks(program):
    """By what gcc notes of its command line beside each file, llhttp's sources too."""
    units = re.findall(r"DW_AT_producer.*: (GNU C.*)", readelf("--debug-dump=info", program, "--dwarf-depth=1"))
    if not units:
        pytest.skip("without debug information of gcc's nothing is noted")
    for unit in units:
        assert "-fstack-protector-strong" in unit and "-fstack-clash-protection" in unit, unit
