"""`tidegate replay`: recorded decisions, decided again from their records alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tidegate.cli.inputs import AsJson, PolicyOption, read_record
from tidegate.cli.output import ExitCode, Stop, complain, counted, say, say_json
from tidegate.cli.serving import People, Serving, load_serving

if TYPE_CHECKING:
    from tidegate.engine import Engine, ReplayResult
    from tidegate.engine.rescoring import Rescored

Measure = Literal["identical", "same_outcome"]


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
    *,
    serving: Serving = False,
    people: People = None,
    as_json: AsJson = False,
) -> None:
    """Decide again from records, and compare.

    A record is all that is read beside the policy: no list, no rate, no clock. Scores are those of
    the record; models that are files of the policy are asked once more, and compared as well.
    """
    from tidegate.engine import Engine

    engine = Engine(load_serving(policy, serving, people))
    found = [_replay(engine, path) for path in records]
    measure: Measure = "same_outcome" if outcome else "identical"
    if as_json:
        say_json({"schema": "tidegate.replay/1", "records": [_as_json(one) for one in found]})
    else:
        _say(found, measure)
    raise typer.Exit(_exit_code(found, measure))


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one record; `unusable` says why it could not be replayed."""

    path: str
    result: ReplayResult | None = None
    unusable: str = ""
    scores: tuple[Rescored, ...] = ()

    def is_same(self, measure: Measure) -> bool:
        """Whether the replay agrees with the record, and every model with what it said then."""
        if self.result is None or self.result.contradictions:
            return False
        differing = any("differs" in (one.result, one.validation) for one in self.scores)
        same = bool(getattr(self.result, measure))
        return same and not (differing and measure == "identical")

    @property
    def is_checked(self) -> bool:
        """Whether every model that answered could be asked again."""
        return all(one.result != "another_file" for one in self.scores)


def _replay(engine: Engine, path: str) -> Replayed:
    from tidegate.engine import RecordError
    from tidegate.engine.rescoring import rescore

    # One bad record must not hide what became of the others.
    try:
        record = read_record(path)
        result = engine.replay(record)
        return Replayed(path, result, scores=rescore(engine.program, engine.policy.models, record))
    except Stop as stop:
        return Replayed(path, unusable=stop.message)
    except RecordError as error:
        return Replayed(path, unusable=f"`{path}` cannot be replayed: {error}")


def _exit_code(found: Sequence[Replayed], measure: Measure) -> ExitCode:
    if any(one.unusable for one in found):
        return ExitCode.BAD_INPUT
    if not all(one.is_same(measure) for one in found):
        return ExitCode.FAILED
    if measure == "identical" and not all(one.is_checked for one in found):
        return ExitCode.NOT_CHECKED
    return ExitCode.FINE


def _say(found: Sequence[Replayed], measure: Measure) -> None:
    for one in found:
        if one.result is None:
            complain(f"error: {one.unusable}")
        else:
            say(_as_text(one, one.result))
            for line in map(_score_line, one.scores):
                say(line)
    same = sum(one.is_same(measure) for one in found)
    words = "identical" if measure == "identical" else "with the same outcome"
    open_ = sum(not one.is_checked for one in found) if measure == "identical" else 0
    unchecked = f", {open_:,} not checked against its models" if open_ else ""
    say(f"{counted(len(found), 'record')}, {same:,} {words}{unchecked}")


def _as_text(one: Replayed, result: ReplayResult) -> str:
    path = one.path
    if result.contradictions:
        lines = [f"fail: {path}: the record contradicts itself"]
        lines += [f"  {d.path}  {d.recorded}, where {d.replayed} follows"
                  for d in result.contradictions]  # fmt: skip
        return "\n".join([*lines, *_difference_lines(result)])
    if result.identical and not one.is_same("identical"):
        return f"fail: {path}: the models or their registry say something else"
    if result.identical and not one.is_checked:
        return f"note: {path}: identical, but not checked against its models"
    if result.identical:
        return f"pass: {path}: identical"
    verdict = "the same outcome, but not identical" if result.same_outcome else "another outcome"
    kind = "note" if result.same_outcome else "fail"
    return "\n".join([f"{kind}: {path}: {verdict}", *_difference_lines(result)])


def _difference_lines(result: ReplayResult) -> list[str]:
    return [f"  {d.path}  {d.recorded} -> {d.replayed}" for d in result.differences]


def _score_line(score: Rescored) -> str:
    return f"{_answer_line(score)}{_VALIDATION[score.validation]}"


_VALIDATION = {
    "none": "",
    "agrees": "; its authority as its validation says",
    "differs": "; its authority not as its validation says",
    "not_checked": "; its validation not checked",
}


def _answer_line(score: Rescored) -> str:
    name = f"{score.model}@{score.version}"
    match score.result:
        case "identical":
            return f"  {name}: asked again, identical"
        case "differs":
            return f"  {name}: asked again, another {', '.join(score.differing)}"
        case "another_file":
            return f"  {name}: not asked again, the policy has another file of it"
    return f"  {name}: not asked again, its score was given or it gave none"


def _as_json(one: Replayed) -> dict[str, Any]:
    result = one.result
    return {
        "record": one.path,
        "unusable": one.unusable,
        "identical": result is not None and result.identical,
        "same_outcome": result is not None and result.same_outcome,
        "differences": [
            {"path": d.path, "recorded": d.recorded, "replayed": d.replayed}
            for d in (result.differences if result else ())
        ],
        "contradictions": [
            {"path": d.path, "recorded": d.recorded, "follows": d.replayed}
            for d in (result.contradictions if result else ())
        ],
        "scores": [
            {
                "model": s.model,
                "version": s.version,
                "result": s.result,
                "differing": list(s.differing),
                "validation": s.validation,
            }
            for s in one.scores
        ],
    }
