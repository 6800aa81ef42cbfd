"""`tidegate test`: the cases beside the rules, run through the real engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.inputs import AsJson, PolicyFolder, exit_code, load
from tidegate.cli.output import ExitCode, Stop, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.engine.cases import CaseResult
    from tidegate.rules.cases import LocatedCase


def run_cases(
    policy: PolicyFolder = Path(),
    only: Annotated[
        str, typer.Option("--only", metavar="TEXT", help="Run cases whose name holds TEXT.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Run the cases beside the rules.

    They stand in `cases/*.yaml`. The right outcome for the wrong reason fails.
    """
    from tidegate.engine import Engine
    from tidegate.engine.cases import run_case

    loaded = load(policy)
    cases = [case for case in _cases(policy) if only in case.case.name]
    if not cases:
        raise _no_cases(policy, only)
    engine = Engine(loaded)
    results = [run_case(engine, case) for case in cases]
    if as_json:
        say_json(_as_json(results))
    else:
        _say(results, policy)
    passed = all(result.passed for result in results)
    raise typer.Exit(ExitCode.FINE if passed else ExitCode.FAILED)


def _no_cases(folder: Path, only: str) -> Stop:
    if only:
        message, help_ = f"no case has `{only}` in its name", ""
    else:
        message = f"`{folder / 'cases'}` holds no cases"
        help_ = f"write the first one into {folder / 'cases' / 'first.yaml'}"
    return Stop(ExitCode.NOTHING_TESTED, "no_cases", message, help_=help_)


def _cases(folder: Path) -> tuple[LocatedCase, ...]:
    from tidegate.cli.diagnostics import as_json, as_text
    from tidegate.rules.cases import read_cases

    found = read_cases(folder)
    if not found.diagnostics:
        return found.cases
    raise Stop(
        exit_code(found.diagnostics),
        "cases_refused",
        f"the cases have {counted(len(found.diagnostics), 'error')}; none was run",
        problems=[as_json(d, {}) for d in found.diagnostics],
        text=as_text(found.diagnostics, {}, folder),
    )


def _say(results: Sequence[CaseResult], folder: Path) -> None:
    failed = [result for result in results if not result.passed]
    for result in failed:
        say(_failure(result, folder) + "\n")
    passed = counted(len(results) - len(failed), "case")
    say(f"{passed} passed" + (f", {len(failed):,} failed" if failed else ""))


def _failure(result: CaseResult, folder: Path) -> str:
    from tidegate.cli.diagnostics import from_here

    located = result.located
    place = f"{from_here(folder / located.file)}:{located.line}"
    lines = [f"fail: {located.case.name}", f"  --> {place}"]
    width = max(len(difference.what) for difference in result.differences)
    for difference in result.differences:
        lines.append(f"  {difference.what:{width}}  expected  {difference.expected}")
        lines.append(f"  {'':{width}}  found     {difference.found}")
        if difference.help:
            lines.append(f"  help: {difference.help}")
    for rule in _silent(result):
        lines += (f"  {line}" for line in _why(result, rule))
    return "\n".join(lines)


def _silent(result: CaseResult) -> list[str]:
    """The rules that had to fire and did not."""
    if result.decision is None:
        return []
    fired = result.decision.record.rules.fired
    names = {name for rule in fired for name in (rule, rule.partition("@")[0])}
    return [rule for rule in result.located.case.expect.fired or () if rule not in names]


def _why(result: CaseResult, rule: str) -> list[str]:
    from tidegate.engine import render_rule
    from tidegate.engine.explanation import UnknownRuleError

    assert result.decision is not None
    try:
        return render_rule(result.decision.explain_rule(rule)).split("\n")
    except UnknownRuleError as error:
        return [str(error)]


def _as_json(results: Sequence[CaseResult]) -> dict[str, Any]:
    passed = sum(result.passed for result in results)
    return {
        "schema": "tidegate.test/1",
        "passed": passed,
        "failed": len(results) - passed,
        "cases": [
            {
                "name": result.located.case.name,
                "file": result.located.file,
                "line": result.located.line,
                "passed": result.passed,
                "differences": [
                    {"what": d.what, "expected": d.expected, "found": d.found, "help": d.help}
                    for d in result.differences
                ],
            }
            for result in results
        ],
    }
