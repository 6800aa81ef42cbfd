"""The shipped examples: they check clean, their cases pass, their histories are made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate import Engine
from tidegate.dsl.diagnostics import Severity
from tidegate.engine.cases import run_case
from tidegate.examples import history
from tidegate.rules import read
from tidegate.rules.cases import read_cases
from tidegate.simulation.backtest import run_backtest

EXAMPLES = Path(__file__).parents[1] / "examples"
WITH_CASES = ("first", "card", "library", "scored")


@pytest.mark.parametrize("name", [*WITH_CASES, "handbook"])
def test_an_example_has_no_errors_and_no_warnings(name: str) -> None:
    """A newcomer would copy a policy that complains."""
    loaded = read(EXAMPLES / name)

    assert loaded.policy is not None, loaded.rendered()
    assert [d for d in loaded.diagnostics if d.severity is not Severity.NOTE] == []


@pytest.mark.parametrize("name", WITH_CASES)
def test_the_cases_of_an_example_pass(name: str) -> None:
    """The example would show rules that do not do what its cases say."""
    loaded, cases = read(EXAMPLES / name), read_cases(EXAMPLES / name)
    assert loaded.policy is not None
    engine = Engine(loaded.policy, given_scores=True)

    results = [run_case(engine, case) for case in cases.cases]

    assert cases.diagnostics == ()
    assert len(results) >= 5
    assert [(r.located.case.name, r.differences) for r in results if not r.passed] == []


def test_the_histories_come_out_of_their_generator(tmp_path: Path) -> None:
    """A history could have been edited by hand, and nobody could make it again."""
    for name, write in history.HISTORIES:
        folder = tmp_path / name
        folder.mkdir()
        write(folder)
        made = sorted(p.relative_to(folder) for p in folder.rglob("*.csv"))
        assert made
        for path in made:
            assert (EXAMPLES / name / path).read_bytes() == (folder / path).read_bytes(), path


@pytest.mark.parametrize("name", WITH_CASES)
def test_an_example_runs_over_its_history(name: str) -> None:
    """The dry run that the README shows would have nothing to measure."""
    loaded = read(EXAMPLES / name)
    assert loaded.policy is not None

    result = run_backtest(loaded.policy, EXAMPLES / name / "mapping.yaml")

    assert result.events[0].measured.count > 3_000
