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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    item.has_failed = getattr(item, "has_failed", False) or outcome.get_result().failed


@pytest.fixture
def start(request):
    """Starts daemons for one test."""
    starter = harness.Starter()
    yield starter
    starter.finish(has_failed=getattr(request.node, "has_failed", False))
