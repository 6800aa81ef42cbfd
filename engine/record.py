"""The decision record: all that led to one decision, as a typed value and as canonical bytes.

Canonical bytes are JSON in UTF-8 with sorted keys and no white space, holding objects, arrays,
texts in NFC, integers, true, false and null: never a float. Input values are texts, each in the
one canonical form of its type. Two records are equal where their bytes are, on every platform.

The record is enough to replay the decision with the program of its policy: of a list it keeps the
hash and which of the tested values were members, of a conversion the pair and the rate.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints
from unicodedata import is_normalized

from tidegate.engine.rates import Conversion
from tidegate.engine.situation import Capped, ScoreStatus
from tidegate.models.scored import ModelStanding

SCHEMA = 2
"""Raised with every change of the record's form."""


class RecordError(ValueError):
    """A record holds what a record cannot hold, or bytes are no canonical record."""


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """Which policy decided: its name and the hash of its release."""

    name: str
    hash: str


@dataclass(frozen=True, slots=True)
class EventFacts:
    """Which event was decided; `at` is the only clock that rules see."""

    type: str
    key: str
    at: str


@dataclass(frozen=True, slots=True)
class ListFacts:
    """A list that was tested: None as its hash means that it could not be read.

    `members` are those of the tested values that were on it.
    """

    hash: str | None
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RatesFacts:
    """The rates used and what was converted by them; an empty hash where nothing was."""

    hash: str
    conversions: tuple[Conversion, ...]


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """What the rules said, by id (`name@version`), in the policy's order.

    fired, unknown and silenced are of the evaluation in which no model is clamped and hold live
    and shadow rules. Shadow rules never act; inactive ones are out of their dates; all other rules
    of the policy were live. `meanings` has the hash of each rule that fired or was unknown.
    """

    fired: tuple[str, ...]
    unknown: tuple[str, ...]
    silenced: tuple[str, ...]
    shadow: tuple[str, ...]
    inactive: tuple[str, ...]
    meanings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ScoreContribution:
    """What one input, or two together, moved a total by."""

    inputs: tuple[str, ...]
    amount: int


@dataclass(frozen=True, slots=True)
class ScoreFacts:
    """What a model of the policy said, and from what.

    `hash` is that of its file, `version` the one that served. `score` is in millionths; `base`,
    `total`, the amounts of `contributions` and `rest`, the sum of those that are not shown, are in
    1/`unit` of the link's scale, and base + contributions + rest = total. All of them are null, or
    empty, where there is no score; `reason` says why. `given`: the score was not worked out but
    stands in the place of what the model would say. `standing` is how the model stood: `serving`
    where the registry let it, else it was under work. `inputs` are canonical texts, null where an
    input was missing; none where the model was not asked.
    """

    version: int
    hash: str
    standing: ModelStanding
    status: ScoreStatus
    reason: str
    given: bool
    score: int | None
    link: Literal["logit", "probability"]
    unit: int
    divisor: int
    base: int
    total: int | None
    contributions: tuple[ScoreContribution, ...]
    rest: int
    inputs: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Determining:
    """What led to the rung on one ladder.

    `rules` are the live rules that ask for it, `models` those whose absence asks for it or adds to
    the points behind it, `adders` the rules whose points a winning points rule read, `alone` the
    rules of both kinds without any one of which this ladder would end elsewhere.
    """

    rules: tuple[str, ...]
    models: tuple[str, ...]
    adders: tuple[str, ...]
    alone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordedOutcome:
    """The outcome as it was answered; advice values are canonical texts."""

    word: str
    disposition: str
    authentication: str
    review: str
    step_up: str
    exemption: str
    reasons: tuple[str, ...]
    tags: tuple[str, ...]
    advice: Mapping[str, str]
    points: int


@dataclass(frozen=True, slots=True)
class Record:
    """One decision. `missing` says why for each input that is null.

    `scores` is the status of each model of the event, `models` the versions that the policy
    declares, `scored` what those of them said that are files of the policy, `lowered` those whose
    validation has ended and which may cause less. `masked` are those whose score was read nowhere,
    `shadow_word` what the word would have been had every shadow rule
    been live, and every shadow model.
    """

    schema: int
    engine: str
    language: int
    zone_data: str
    policy: PolicyFacts
    event: EventFacts
    inputs: Mapping[str, str | None]
    missing: Mapping[str, str]
    scores: Mapping[str, ScoreStatus]
    models: Mapping[str, int]
    scored: Mapping[str, ScoreFacts]
    lowered: tuple[str, ...]
    lists: Mapping[str, ListFacts]
    rates: RatesFacts
    rules: RuleFacts
    masked: tuple[str, ...]
    capped: tuple[Capped, ...]
    determining: Mapping[str, Determining]
    outcome: RecordedOutcome
    shadow_word: str

    def to_bytes(self) -> bytes:
        """The canonical bytes; `RecordError` where a value has none."""
        return canonical_bytes(self)


def record_hash(record: bytes) -> str:
    """SHA-256 (hex) of a record's bytes."""
    return hashlib.sha256(record).hexdigest()


def parse_record(content: bytes) -> Record:
    """The record that `content` is the canonical bytes of; `RecordError` for anything else."""
    try:
        data = json.loads(content.decode(), parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as cause:
        raise RecordError("a record is JSON without floats") from cause
    if isinstance(data, dict) and data.get("schema") != SCHEMA:
        raise RecordError(f"the record's schema is not {SCHEMA}")
    record = _decoded(Record, data, "record")
    if record.to_bytes() != content:
        raise RecordError("the record is not in canonical form")
    return record


def canonical_bytes(value: object) -> bytes:
    """Canonical JSON of dataclasses, dictionaries, tuples, texts, integers, flags and None."""
    text = _ENCODER.encode(_encoded(value))
    # Nothing composes with the quotes and commas between texts, so one look serves for all.
    if not (text.isascii() or is_normalized("NFC", text)):
        raise RecordError("a text is not in the normal form NFC")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise RecordError("a text holds half of a character") from None


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)


def plain(record: Record) -> Mapping[str, Any]:
    """The record as JSON has it: dictionaries, lists and leaves."""
    data = _encoded(record)
    assert isinstance(data, dict)
    return data


def _encoded(value: object) -> object:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, dict):
        if not all(type(key) is str for key in value):
            raise RecordError("a record's keys are texts")
        return {k: v if type(v) in _PLAIN else _encoded(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return [item if type(item) in _PLAIN else _encoded(item) for item in value]
    if is_dataclass(kind):
        return {name: _encoded(getattr(value, name)) for name in _names(kind)}
    raise RecordError(f"a record cannot hold a {kind.__name__}")


_PLAIN = frozenset({str, int, bool, NoneType})


@lru_cache(maxsize=64)
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _refuse(text: str) -> object:
    raise RecordError(f"`{text}` is not a whole number")


# --- from plain JSON ---------------------------------------------------------------------------

T = TypeVar("T")


@lru_cache(maxsize=64)
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _decoded(kind: type[T], data: object, path: str) -> T:
    """The value of type `kind` that plain JSON stands for, checked to the last leaf."""
    value: T = _decoded_any(kind, data, path)
    return value


def _decoded_any(kind: Any, data: object, path: str) -> Any:
    if kind in _PLAIN:
        return data if type(data) is kind else _bad(path)
    if is_dataclass(kind):
        return _decoded_fields(kind, data, path)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _decoded_items(arguments, data, path)
    if origin is Mapping:
        items = data.items() if isinstance(data, dict) else _bad(path)
        return {key: _decoded_any(arguments[1], item, f"{path}.{key}") for key, item in items}
    if origin is Literal:
        return data if data in arguments else _bad(path)
    assert origin is UnionType
    return None if data is None else _decoded_any(arguments[0], data, path)


def _decoded_fields(kind: Any, data: object, path: str) -> Any:
    hints = _hints(kind)
    if not isinstance(data, dict) or data.keys() != hints.keys():
        return _bad(path)
    values = {name: _decoded_any(of, data[name], f"{path}.{name}") for name, of in hints.items()}
    return kind(**values)


def _decoded_items(arguments: tuple[Any, ...], data: object, path: str) -> Any:
    if not isinstance(data, list):
        return _bad(path)
    if arguments[-1] is Ellipsis:
        return tuple(_decoded_any(arguments[0], item, f"{path}[]") for item in data)
    if len(arguments) != len(data):
        return _bad(path)
    pairs = zip(arguments, data, strict=True)
    return tuple(_decoded_any(of, item, f"{path}[]") for of, item in pairs)


def _bad(path: str) -> Any:
    raise RecordError(f"`{path}` is not what a record holds there")
