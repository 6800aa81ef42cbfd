"""What a model's score was made of, in words: its base and contributions, which sum to its total.

A record holds whole numbers, and their sum is exact. People read a few decimals of each; these are
rounded together, so that what is shown adds up as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tidegate.dsl.program import Program
from tidegate.dsl.types import NUMBER
from tidegate.engine.record import Record, ScoreFacts
from tidegate.engine.scoring import OUTSIDE_USE
from tidegate.engine.situation import ScoreStatus
from tidegate.engine.values import format_value
from tidegate.models.scored import ModelStanding

_UNDER_WORK = {
    "approved": "approved, and nobody asked whether it serves",
    "unapproved": "nobody approved it",
    "changed": "it is not what was registered",
    "log_broken": "its log is not right",
}

Scale = Literal["log-odds", "probability"]

_DIGITS = {"logit": 3, "probability": 4}
"""How many decimals of a contribution are shown."""


@dataclass(frozen=True, slots=True)
class ContributionExplanation:
    """What one input, or two together, moved the score by: `shown` on the scale, `amount` exactly.

    `values` are what the inputs were, None where one was missing.
    """

    inputs: tuple[str, ...]
    values: tuple[str | None, ...]
    amount: int
    shown: str


@dataclass(frozen=True, slots=True)
class ScoreExplanation:
    """One model's score. What is shown of `base`, the contributions and `rest` sums to `total`.

    Where there is no score, or it was `given`, there are no contributions, and `reason` says why.
    `lowered`: its validation has ended, and it may cause a review and advise, nothing more.
    `standing` is how the model stood: `serving`, or under work.
    """

    model: str
    version: int
    score_name: str
    status: ScoreStatus
    reason: str
    score: str
    given: bool
    shadow: bool
    lowered: bool
    scale: Scale
    base: str = ""
    contributions: tuple[ContributionExplanation, ...] = ()
    rest: str = ""
    total: str = ""
    standing: ModelStanding = "serving"


def explain_scores(program: Program, record: Record) -> tuple[ScoreExplanation, ...]:
    """The scores of the models that are files of the policy, those outside their use left out."""
    return tuple(
        _explained(program, name, facts, name in record.lowered)
        for name, facts in sorted(record.scored.items())
        if facts.reason != OUTSIDE_USE
    )


def _explained(program: Program, name: str, facts: ScoreFacts, lowered: bool) -> ScoreExplanation:
    model = program.model(name)
    shown = _shown(facts)
    return ScoreExplanation(
        model=name,
        version=facts.version,
        score_name=model.score,
        status=facts.status,
        reason=facts.reason,
        score="" if facts.score is None else format_value(facts.score, NUMBER, ""),
        given=facts.given,
        shadow=model.shadow,
        lowered=lowered,
        scale="log-odds" if facts.link == "logit" else "probability",
        base=shown[0] if shown else "",
        contributions=tuple(
            ContributionExplanation(
                part.inputs, tuple(facts.inputs.get(i) for i in part.inputs), part.amount, text
            )
            for part, text in zip(facts.contributions, shown[1:-2], strict=False)
        ),
        rest=shown[-2] if shown and facts.rest else "",
        total=shown[-1] if shown else "",
        standing=facts.standing,
    )


def _shown(facts: ScoreFacts) -> list[str]:
    """The texts of base, contributions, rest and total; none where there is no total."""
    if facts.total is None:
        return []
    digits = _DIGITS[facts.link]
    whole = facts.unit * (1 if facts.link == "logit" else facts.divisor)
    parts = [facts.base, *(part.amount for part in facts.contributions), facts.rest]
    rounded = rounded_together(parts, whole, 10**digits)
    base, *others = (_decimal(part, digits) for part in (*rounded, sum(rounded)))
    return [base, *(f"+{text}" if text[0] != "-" else text for text in others[:-1]), others[-1]]


def rounded_together(parts: Sequence[int], whole: int, steps: int) -> list[int]:
    """Each part in `steps` of `whole`, rounded down or up, so that they sum to their rounded sum.

    Those that lose most by rounding down are rounded up. A part that is nothing stays nothing.
    """
    found = [divmod(part * steps, whole) for part in parts]
    wanted, rest = divmod(sum(parts) * steps, whole)
    wanted += 2 * rest > whole or (2 * rest == whole and wanted % 2)
    missing = wanted - sum(down for down, _ in found)
    up = sorted(range(len(parts)), key=lambda i: -found[i][1])[:missing]
    return [down + (i in up) for i, (down, _) in enumerate(found)]


def _decimal(steps: int, digits: int) -> str:
    whole, parts = divmod(abs(steps), 10**digits)
    return f"{'-' if steps < 0 else ''}{whole}.{parts:0{digits}}"


def score_lines(score: ScoreExplanation) -> Iterator[str]:
    """The score as a terminal shows it."""
    watched = ", in the shadow" if score.shadow else ""
    name = f"{score.score_name} of {score.model}@{score.version}{watched}"
    if score.given:
        told = score.score or f"none ({score.reason.replace('_', ' ')})"
        yield f"score {name}: {told}, given in the place of what the model says"
    elif not score.total:
        why = score.reason.replace("_", " ") if score.reason.isidentifier() else score.reason
        yield f"score {name}: {score.status}" + (f": {why}" if why != score.status else "")
    else:
        yield f"score {name}: {score.score}"
        yield from (f"  {line}" for line in _sum_lines(score))
    if score.standing != "serving":
        yield f"{score.model}@{score.version} under work: {_UNDER_WORK[score.standing]}"
    if score.lowered:
        yield f"  the validation of {score.model} has ended: it may cause a review and advise"


def part_text(part: ContributionExplanation) -> str:
    """A contribution with its inputs and what they were."""
    values = ", ".join("missing" if value is None else value for value in part.values)
    return f"{part.shown} {' and '.join(part.inputs)} ({values})"


def _sum_lines(score: ScoreExplanation) -> Iterator[str]:
    yield f"base {score.base}"
    for part in score.contributions:
        yield part_text(part)
    if score.rest:
        yield f"{score.rest} all other inputs"
    # Probabilities need no words.
    told = (
        " (0 is a score of 0.5, each +0.693 doubles the odds)" if score.scale == "log-odds" else ""
    )
    yield f"= {score.total} {score.scale}{told}"
