"""What a caller gives with an event: features, scores and managed lists, each read or refused.

Everything that is wrong is gathered, so that it comes in one refusal with what is wrong with the
event; none of it repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from decimal import Decimal

from tidegate.dsl.lists import ListContent
from tidegate.dsl.program import Input, Model, Program
from tidegate.dsl.types import NUMBER, Bounds, Kind, Value
from tidegate.engine.event import Refusal, unknown_name
from tidegate.engine.values import format_value
from tidegate.engine.wire import UnreadableError, read_amount, read_value
from tidegate.models.portable import SCORE_SCALE
from tidegate.rules.tables import content_of

UNAVAILABLE = "unavailable"
ABSTAINED = "abstained"
BAD_SCORE = "bad_score"
"""Why a score is missing that is no number within its bounds with at most 6 decimals."""

FeatureValue = tuple[Value | None, str | None]
"""A feature's value, or None and why it is missing: what windows answer."""

Score = str | int | float | Decimal | None
"""A score as a model gives it: a number, its text, `unavailable` (as None is) or `abstained`."""

HeardScore = int | str
"""A scaled score, or why there is none."""

GivenList = ListContent | Iterable[str] | None
"""A managed list as it is now: its texts, or None where it cannot be read."""

_NUMERAL = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf(?:inity)?)", re.ASCII | re.IGNORECASE
)


def check_mapping(what: str, given: object, example: str) -> None:
    """TypeError where `given` is no mapping by name."""
    if not isinstance(given, Mapping):
        kind = type(given).__name__
        raise TypeError(f"`{what}` is a mapping by name, such as {example}, and no {kind}")


def unknown_names(what: str, given: Iterable[str], known: Iterable[str]) -> list[Refusal]:
    """A refusal for each name that the policy does not have."""
    names = sorted(known)
    return [unknown_name(what, name, names) for name in sorted(set(given) - set(names))]


def read_features(
    program: Program, inputs: Mapping[str, Input], given: Mapping[str, object]
) -> tuple[dict[str, FeatureValue], list[Refusal]]:
    """Features as they come over the wire; those that the event does not read are left aside."""
    check_mapping("features", given, '{"tries_10m": 3}')
    read: dict[str, FeatureValue] = {}
    refusals = unknown_names("feature", given, (feature.name for feature in program.features))
    for name in (name for name in inputs if name in given):
        try:
            read[name] = _read_feature(program, inputs[name], given[name])
        except UnreadableError as bad:
            refusals.append(Refusal(bad.code, name, f"`{name}` {bad.what}", bad.help))
    return read, refusals


def _read_feature(program: Program, entry: Input, raw: object) -> FeatureValue:
    if raw is None:
        return None, None
    value = _feature_amount(program, raw) if entry.type.kind is Kind.MONEY \
        else read_value(raw, entry.type)  # fmt: skip
    bounds = entry.bounds
    if bounds is not None and isinstance(value, int) and not bounds.low <= value <= bounds.high:
        raise UnreadableError("out_of_range", "is out of its range", "no window can give it")
    return value, None


def _feature_amount(program: Program, raw: object) -> int:
    amount = read_amount(raw)
    if amount.currency != program.currency:
        raise UnreadableError(
            "no_rate", f"is not in {program.currency}", "features are in the policy's currency"
        )
    return amount.minor


def read_scores(
    known: Mapping[str, Model], given: Mapping[str, object], scored: Container[str] = ()
) -> tuple[dict[str, HeardScore], list[Refusal]]:
    """Scores by name; `known` are the models that they are of.

    One that is a number and no score is none; what is neither is refused, and so is a score of the
    models `scored`, which are asked here.
    """
    check_mapping("scores", given, '{"fraud_score": 0.91}')
    refusals = unknown_names("score", given, known)
    heard: dict[str, HeardScore] = {}
    for name, raw in ((name, raw) for name, raw in given.items() if name in known):
        if known[name].name in scored:
            refusals.append(_worked_out(name, known[name]))
            continue
        try:
            heard[name] = _read_score(raw, known[name].bounds)
        except UnreadableError as bad:
            refusals.append(Refusal(bad.code, name, f"`{name}` {bad.what}", bad.help))
    return heard, refusals


def _worked_out(name: str, model: Model) -> Refusal:
    return Refusal(
        "score_not_given",
        name,
        f"`{name}` is worked out here by model `{model.name}`",
        "leave it out: only the score of an `external` model comes with the event",
    )


def _read_score(raw: object, bounds: Bounds) -> HeardScore:
    if raw is None:
        return UNAVAILABLE
    if raw in (UNAVAILABLE, ABSTAINED):
        return str(raw)
    if not _is_numeral(raw):
        # A misspelt word taken for an outage would switch the model's rules off.
        raise UnreadableError(
            "wrong_type", "is no score", f'write {_within(bounds)}, "unavailable" or "abstained"'
        )
    try:
        score = read_value(raw, NUMBER)
    except UnreadableError:
        return BAD_SCORE
    fits = isinstance(score, int) and bounds.low <= score <= bounds.high
    return score if isinstance(score, int) and fits else BAD_SCORE


def _within(bounds: Bounds) -> str:
    """A number as an example of a score."""
    if (bounds.low, bounds.high) == (0, SCORE_SCALE):
        return "0.91"
    low, high = (format_value(end, NUMBER, "") for end in (bounds.low, bounds.high))
    return f"a number from {low} to {high}"


def _is_numeral(raw: object) -> bool:
    """Whether this is a number or the text of one, be it one that no score can be."""
    if isinstance(raw, str):
        return _NUMERAL.fullmatch(raw) is not None
    return isinstance(raw, int | float | Decimal) and not isinstance(raw, bool)


def read_lists(
    program: Program, given: Mapping[str, GivenList]
) -> tuple[dict[str, ListContent | None], list[Refusal]]:
    """Every managed list: as given, or None (it cannot be read) where it is not."""
    check_mapping("lists", given, '{"trusted": ["tok_1"]}')
    managed = {declared.name: declared for declared in program.lists if not declared.path}
    contents: dict[str, ListContent | None] = dict.fromkeys(managed)
    refusals = _unmanaged(program, given.keys() - managed.keys(), managed)
    for name in (name for name in managed if name in given):
        values = given[name]
        content = None if values is None else content_of(values, managed[name])
        if isinstance(content, str):
            refusals.append(Refusal("bad_list", name, f"list `{name}`: {content}"))
        else:
            contents[name] = content
    return contents, refusals


def _unmanaged(program: Program, names: Iterable[str], managed: Iterable[str]) -> list[Refusal]:
    files = {declared.name for declared in program.lists if declared.path}
    from_files = [
        Refusal("list_of_a_file", name, f"list `{name}` comes from a file of the policy",
                "change the file; only managed lists are given")
        for name in sorted(files & set(names))
    ]  # fmt: skip
    others = unknown_names("list", set(names) - files, managed)
    return [*from_files, *others]
