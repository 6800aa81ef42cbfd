"""What every test may use: the folder `shared`, and golden files.

A test that takes the fixture `shared` (or carries the marker) needs `../shared`. Where that is
absent the test is left out and the summary says so; with TIDEGATE_SHARED=required it fails.
"""

import difflib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tidegate.models import clock

# No test asserts a time: the machine that runs it may be busy.
settings.register_profile("tidegate", deadline=None)
settings.load_profile("tidegate")

_START_US = 1_795_597_200_000_000


@pytest.fixture(scope="session", autouse=True)
def _at_one_moment() -> Iterator[None]:
    """Have the registry's clock stand at 2026-11-25T09:00:00Z, on every machine and every day."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now_us", lambda: _START_US)
        yield


ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
GOLDEN = ROOT / "tests" / "golden"

SHARED_ABSENT = "needs ../shared, which is absent"
SHARED_REQUIRED = os.environ.get("TIDEGATE_SHARED") == "required"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that renews golden files."""
    parser.addoption(
        "--write-golden",
        action="store_true",
        help="write the golden files anew instead of comparing with them",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever takes the fixture, so that `-m shared` selects it and none is forgotten."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave a marked test out where its folder is absent, or fail it where that is demanded."""
    if item.get_closest_marker("shared") is None or SHARED.is_dir():
        return
    if SHARED_REQUIRED:
        pytest.fail(f"{SHARED_ABSENT}, and TIDEGATE_SHARED=required", pytrace=False)
    pytest.skip(SHARED_ABSENT)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were left out, so that a green run does not claim more than it did."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    left_out = sum(SHARED_ABSENT in str(report.longrepr) for report in skipped)
    if left_out:
        terminalreporter.write_line(
            f"{left_out} left out: {SHARED_ABSENT} (TIDEGATE_SHARED=required makes them fail)"
        )


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder `../shared`."""
    return SHARED


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file of that name in `tests/golden`; `--write-golden` renews it."""
    renew: bool = request.config.getoption("--write-golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if renew:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        if difference := golden_difference(path, text):
            pytest.fail(difference, pytrace=False)

    return compare


@pytest.fixture
def seal(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Let the system refuse to open a path, as it does after `chmod 0` to anybody but root."""
    sealed: set[str] = set()
    allowed = os.access

    def is_sealed(path: Any) -> bool:
        return os.path.abspath(path) in sealed  # noqa: PTH100 - links stay

    def guarded(opens: Callable[..., Any]) -> Callable[..., Any]:
        def opened(path: Any, *arguments: Any, **named: Any) -> Any:
            if is_sealed(path):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return opens(path, *arguments, **named)

        return opened

    monkeypatch.setattr(os, "scandir", guarded(os.scandir))
    monkeypatch.setattr(os, "listdir", guarded(os.listdir))
    monkeypatch.setattr(
        os, "access", lambda path, mode: not is_sealed(path) and allowed(path, mode)
    )
    monkeypatch.setattr(Path, "open", guarded(Path.open))
    return lambda path: sealed.add(str(path))


def golden_difference(path: Path, text: str) -> str:
    """Say how a text differs from its golden file; the empty string where it does not."""
    if not path.is_file():
        return f"no golden file {path.name}: run with --write-golden and review it"
    kept = path.read_text(encoding="utf-8")
    if kept == text:
        return ""
    lines = difflib.unified_diff(
        kept.splitlines(), text.splitlines(), f"golden/{path.name}", "now", lineterm=""
    )
    return "\n".join([*lines, "run with --write-golden to accept the difference"])
