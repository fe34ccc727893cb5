"""The fixtures of the scenario tests, for tests that stand beside them."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenario"))
import harness  # noqa: E402


@pytest.fixture(scope="module")
def start_module():
    """Starts daemons that all tests of one file share."""
    starter = harness.Starter()
    yield starter
    starter.finish(has_failed=False)
