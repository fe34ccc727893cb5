"""What docs/flow.md shows is loaded, and asked as it says."""
import pathlib
import re

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "flow.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.M | re.S)


def test_the_examples_of_the_page_on_flow_do_what_it_says(start):
    """proves T4 T5 T6 T8 T9 T15 S20"""
    asked = 0
    assert len(BLOCKS) >= 6
    for block in BLOCKS:
        daemon = start(block)
        for method, path, text in re.findall(r"^# (GET) (\S+) answers: (.*)$", block, flags=re.M):
            assert daemon.http(method, path).text == text, block
            asked += 1
        for method, path, status in re.findall(r"^# (GET) (\S+) is (\d+)$", block, flags=re.M):
            assert daemon.http(method, path).status == int(status), block
            asked += 1
    assert asked == PAGE.count("\n# GET ") >= 10


def test_a_failing_task_of_the_page_is_handled(start):
    """proves T5"""
    daemon = start(next(block for block in BLOCKS if "fragile:" in block))
    assert daemon.http("GET", "/fragile").status == 500
    daemon.log.wait("fragile failed at step 1: broken")
