"""`tidegate replay`: recorded decisions, decided again from their records alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.inputs import AsJson, PolicyOption, bad_input, load, read_record
from tidegate.cli.output import ExitCode, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.engine import Engine, ReplayResult

Replayed = tuple[str, "ReplayResult"]


def replay(
    records: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORD...", show_default=False, help="Records of `decide --record`."
        ),
    ],
    policy: PolicyOption = Path(),
    outcome: Annotated[
        bool,
        typer.Option(
            "--outcome", help="Only the outcome has to be the same, as when a policy was changed."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Decide again from records, and compare.

    A record is all that is read beside the policy: no list, no rate, no clock.
    """
    from tidegate.engine import Engine

    engine = Engine(load(policy))
    results = [(path, _replay(engine, path)) for path in records]
    differing = [r for _, r in results if not (r.same_outcome if outcome else r.identical)]
    if as_json:
        say_json(_as_json(results))
    else:
        for path, result in results:
            say(_as_text(path, result))
        same = "with the same outcome" if outcome else "identical"
        say(f"{counted(len(results), 'record')}, {len(results) - len(differing):,} {same}")
    raise typer.Exit(ExitCode.FAILED if differing else ExitCode.FINE)


def _replay(engine: Engine, path: str) -> ReplayResult:
    from tidegate.engine import RecordError

    try:
        return engine.replay(read_record(path))
    except RecordError as error:
        raise bad_input(f"`{path}` cannot be replayed: {error}") from None


def _as_text(path: str, result: ReplayResult) -> str:
    if result.identical:
        return f"pass: {path}: identical"
    verdict = "the same outcome, but not identical" if result.same_outcome else "another outcome"
    lines = [f"{'note' if result.same_outcome else 'fail'}: {path}: {verdict}"]
    lines += [f"  {d.path}  {d.recorded} -> {d.replayed}" for d in result.differences]
    return "\n".join(lines)


def _as_json(results: Sequence[Replayed]) -> dict[str, Any]:
    return {
        "schema": "tidegate.replay/1",
        "records": [
            {
                "record": path,
                "identical": result.identical,
                "same_outcome": result.same_outcome,
                "differences": [
                    {"path": d.path, "recorded": d.recorded, "replayed": d.replayed}
                    for d in result.differences
                ],
            }
            for path, result in results
        ],
    }
