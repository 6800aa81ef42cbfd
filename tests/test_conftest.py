"""The tests' own machinery: golden files that differ fail, tests that are left out are counted."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, golden_difference

PROBE = """
def test_reads_shared(shared):
    assert shared.is_dir()

def test_golden(golden):
    golden("probe.txt", "now\\n")
"""


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    """Give a small tree with our conftest, no `../shared` and two tests of its own."""
    tree = tmp_path / "tree"
    (tree / "tests").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tree)
    shutil.copy(ROOT / "tests" / "conftest.py", tree / "tests")
    (tree / "tests" / "test_probe.py").write_text(PROBE)
    return tree


def run(tree: Path, *arguments: str, shared: str = "") -> tuple[int, str]:
    """Run the probe's tests in a process of their own: exit code and output."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=tree,
        env=environment | {"TIDEGATE_SHARED": shared},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr


def test_left_out_tests_are_counted(probe: Path) -> None:
    """Without the sentence a green run would claim tests that never ran."""
    code, output = run(probe, "-k", "shared", "-n", "1")
    assert code == 0, output
    assert "1 left out: needs ../shared" in output


def test_required_tests_fail_where_shared_is_absent(probe: Path) -> None:
    """Otherwise the gate would pass on a machine that lacks the foreign vectors."""
    code, output = run(probe, "-k", "shared", shared="required")
    assert code == 1, output
    assert "TIDEGATE_SHARED=required" in output


def test_shared_tests_run_where_the_folder_is(probe: Path) -> None:
    """Otherwise they would be left out everywhere, and nobody would notice."""
    (probe.parent / "shared").mkdir()
    code, output = run(probe, "-m", "shared", shared="required")
    assert code == 0, output
    assert "1 passed" in output


def test_a_golden_file_is_demanded_then_written_then_compared(probe: Path) -> None:
    """A golden file that writes itself would accept any output."""
    code, output = run(probe, "-k", "golden")
    assert code == 1, output
    assert "no golden file probe.txt" in output
    assert run(probe, "-k", "golden", "--write-golden")[0] == 0
    assert (probe / "tests" / "golden" / "probe.txt").read_text() == "now\n"
    assert run(probe, "-k", "golden")[0] == 0


def test_a_golden_difference_is_shown_as_a_diff(tmp_path: Path) -> None:
    """A bare "differs" would send the reader to look for the line by hand."""
    kept = tmp_path / "kept.txt"
    kept.write_text("one\ntwo\n")
    difference = golden_difference(kept, "one\nthree\n")
    assert "-two" in difference
    assert "+three" in difference
    assert golden_difference(kept, "one\ntwo\n") == ""
