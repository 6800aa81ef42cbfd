"""The benchmark of HTTP decisions compares servers that decide the same."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from bench import http
from bench.http_servers import SIDES


def test_all_sides_decide_the_same_and_the_report_says_so(tmp_path: Path) -> None:
    """The figures would compare different things."""
    with ExitStack() as stack:
        ports = {side: stack.enter_context(http.served(side, tmp_path, None)) for side in SIDES}
        assert http.compare(ports, events=40) == 40
        found = http.measure(ports, rounds=1, seconds=0.3, connections=4)
        tail = http.tails(ports, rate=50.0, seconds=0.3, connections=4)
    assert all(result.failed == 0 for results in found.values() for result in results)
    lines = http.report(found, tail)
    assert any(line.startswith("ours / FastAPI + SQLModel") for line in lines)
