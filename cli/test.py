"""`tidegate test`: the cases beside the rules, run through the real engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from tidegate.cli.inputs import AsJson, PolicyFolder, exit_code, load
from tidegate.cli.output import ExitCode, Stop, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.engine import Engine
    from tidegate.engine.cases import CaseResult
    from tidegate.engine.coverage import Coverage
    from tidegate.engine.mutation import Mutation
    from tidegate.rules import Policy
    from tidegate.rules.cases import LocatedCase


def run_cases(
    policy: PolicyFolder = Path(),
    *,
    only: Annotated[
        str, typer.Option("--only", metavar="TEXT", help="Run cases whose name holds TEXT.")
    ] = "",
    show_coverage: Annotated[
        bool,
        typer.Option("--coverage", help="Say which conditions and rules no case shows."),
    ] = False,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Say which small mistakes in a rule no case notices.")
    ] = False,
    fail_under: Annotated[
        int | None,
        typer.Option(
            metavar="PERCENT",
            min=0,
            max=100,
            show_default=False,
            help="Fail where `--coverage` or `--mutate` comes to less.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the cases beside the rules.

    They stand in `cases/*.yaml`. The right outcome for the wrong reason fails.
    """
    _check_usage(show_coverage, mutate, fail_under)
    from tidegate.engine import Engine
    from tidegate.engine.cases import run_case

    loaded = load(policy)
    cases = [case for case in _cases(policy) if only in case.case.name]
    if not cases:
        raise _no_cases(policy, only)
    engine = Engine(loaded, given_scores=True)
    results = [run_case(engine, case) for case in cases]
    passed = all(result.passed for result in results)
    if (show_coverage or mutate) and not passed:
        raise _not_measured(results, policy)
    if show_coverage or mutate:
        measure = _measure_mutation if mutate else _measure_coverage
        enough = measure(engine, cases, policy, fail_under, as_json)
        raise typer.Exit(ExitCode.FINE if enough else ExitCode.FAILED)
    if as_json:
        say_json(_as_json(results))
    else:
        _say(results, policy)
    raise typer.Exit(ExitCode.FINE if passed else ExitCode.FAILED)


def _check_usage(show_coverage: bool, mutate: bool, fail_under: int | None) -> None:
    if show_coverage and mutate:
        raise typer.BadParameter("`--coverage` and `--mutate` are two questions: ask one at a time")
    if fail_under is not None and not (show_coverage or mutate):
        raise typer.BadParameter("`--fail-under` goes with `--coverage` or with `--mutate`")


def _not_measured(results: Sequence[CaseResult], folder: Path) -> Stop:
    failed = [result for result in results if not result.passed]
    return Stop(
        ExitCode.FAILED,
        "cases_failed",
        f"{counted(len(failed), 'case')} failed; nothing was measured",
        help_="cases that pass say what the rules are to do; put them right first",
        text="\n\n".join(_failure(result, folder) for result in failed),
    )


def _measure_coverage(
    engine: Engine,
    cases: Sequence[LocatedCase],
    folder: Path,
    fail_under: int | None,
    as_json: bool,
) -> bool:
    from tidegate.cli.coverage import coverage_json, coverage_text
    from tidegate.engine.cases import situation_of_case
    from tidegate.engine.coverage import coverage

    policy = cast("Policy", engine.policy)
    placed = ((case.case.name, situation_of_case(engine, case)) for case in cases)
    named = [(name, situation) for name, situation in placed if situation is not None]
    found = coverage(policy.program, named, policy.tables)
    if as_json:
        say_json(coverage_json(found, len(cases), policy, fail_under))
    else:
        say(coverage_text(found, len(cases), policy, folder))
    return _is_enough(found, fail_under, as_json)


def _measure_mutation(
    engine: Engine,
    cases: Sequence[LocatedCase],
    folder: Path,
    fail_under: int | None,
    as_json: bool,
) -> bool:
    from tidegate.cli.coverage import mutation_json, mutation_text
    from tidegate.engine.mutation import mutation

    policy = cast("Policy", engine.policy)
    found = mutation(policy, cases)
    if as_json:
        say_json(mutation_json(found, len(cases), policy, fail_under))
    else:
        say(mutation_text(found, len(cases), policy, folder))
    return _is_enough(found, fail_under, as_json)


def _is_enough(found: Coverage | Mutation, fail_under: int | None, as_json: bool) -> bool:
    if fail_under is None or not found.is_under(fail_under):
        return True
    if not as_json:
        say(f"\nfail: {found.percent}% is below {fail_under}%")
    return False


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
