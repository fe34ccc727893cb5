"""How many instructions the daemon takes, by callgrind: the same on any machine, whatever else runs there."""
import pathlib
import re
import shutil
import subprocess

import pytest

import harness

NEEDED = pytest.mark.skipif(not shutil.which("callgrind_control"), reason="valgrind is not installed")


class Counted:
    """A daemon under callgrind."""

    def __init__(self, start, folder, config, workers=1):
        self.out, self.dumps = folder / "callgrind", 0
        self.daemon = start(config, workers=workers,
                            launcher=["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.out}"])

    def instructions(self):
        """Of the time since they were asked for last."""
        self.dumps += 1
        subprocess.run(["callgrind_control", "--dump", str(self.daemon.pid)], capture_output=True, check=True)
        dump = pathlib.Path(f"{self.out}.{self.dumps}")
        harness.wait_for(lambda: dump.exists() and "totals:" in dump.read_text(), "the dump of callgrind")
        return int(re.search(r"totals: (\d+)", dump.read_text())[1])
