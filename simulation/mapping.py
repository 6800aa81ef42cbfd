"""How a history is mapped: which file holds which event, and what its columns mean.

    end: 2018-10-01
    sources:
      - event: card_payment
        file: payments.parquet
        zone: UTC
        fields:
          id: TRANSACTION_ID
          at: TX_DATETIME
          amount: {column: TX_AMOUNT_CENTS, unit: minor, currency: EUR}
          channel: {constant: ecom}
        labels:
          fraud: {column: TX_FRAUD, true_values: [1]}

Every scalar is read as text, so that `NO` stays Norway and `007` keeps its zeros. Nothing is
guessed: a unit, a currency or a zone that the data need and the file does not name is an error.
All errors come at once. `checked_mapping.py` holds a mapping against a policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tidegate.dsl.diagnostics import nearest

Word = Literal["approve", "review", "step_up", "decline"]
WORDS: tuple[Word, ...] = ("approve", "review", "step_up", "decline")
Format = Literal["parquet", "csv"]
Status = Literal["ok", "unavailable", "abstained", "failed"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnMapping(_Part):
    """Where a value comes from: a column, or one constant for every row.

    `missing` are texts that stand for no value and `values` renames texts, both before the value
    is read. `currency_column` names the currency of each row, `currency` that of all.
    """

    column: str = ""
    constant: str | None = None
    unit: str = ""
    currency: str = ""
    currency_column: str = ""
    zone: str = ""
    values: dict[str, str] = {}
    missing: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _take_a_bare_name(cls, data: Any) -> Any:
        return {"column": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _have_one_origin(self) -> ColumnMapping:
        if bool(self.column) == (self.constant is not None):
            raise ValueError("give either `column` or `constant`")
        return self


class StatusMapping(_Part):
    """How a model answered: `values` gives for each text of the column its status."""

    column: str
    values: dict[str, Status] = {
        "ok": "ok", "unavailable": "unavailable", "abstained": "abstained", "failed": "failed"
    }  # fmt: skip


class ScoreMapping(ColumnMapping):
    """A recorded score. Without `status`, a row that has no score counts as an outage."""

    status: StatusMapping | None = None


class LabelMapping(_Part):
    """A label as a column: true where it holds one of `true_values`, false where one of
    `false_values` or nothing.

    `reported` is the column with the time at which it became known as true.
    """

    column: str
    true_values: tuple[str, ...]
    false_values: tuple[str, ...] = ("0", "false", "no")
    reported: ColumnMapping | None = None

    @model_validator(mode="after")
    def _tell_true_from_false(self) -> LabelMapping:
        if both := set(self.true_values) & set(self.false_values):
            raise ValueError(f"`{min(both)}` is true and false; give `false_values`")
        return self


class OutcomeMapping(_Part):
    """The outcome taken at the time: `values` gives for each text of the column its word."""

    column: str
    values: dict[str, Word] = {word: word for word in WORDS}


class SourceMapping(_Part):
    """One file, or several by a pattern, of one type of event.

    `decimal` stands before the decimals of texts.

    `zone` and `currency` hold where a column names none. `money` is the field that is summed,
    `order` a column of whole numbers that settles which of two events of one time came first.
    """

    event: str
    file: str
    format: Format | None = None
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    zone: str = ""
    currency: str = ""
    money: str = ""
    fields: dict[str, ColumnMapping]
    labels: dict[str, LabelMapping] = {}
    received: ColumnMapping | None = None
    order: str = ""
    outcome: OutcomeMapping | None = None
    scores: dict[str, ScoreMapping] = {}
    features: dict[str, ColumnMapping] = {}


class HistoryMapping(_Part):
    """The whole file. The history is complete from `start` to `end`; `label` measures.

    `warm_up`, a duration such as 35d, stands instead of the reach of the policy's windows.
    """

    history: str = ""
    start: str = ""
    end: str = ""
    warm_up: str = ""
    label: str = ""
    sources: tuple[SourceMapping, ...]


# --- what is wrong with it ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: in `file` at `key`, with a way out in `help`."""

    file: str
    key: str
    message: str
    help: str = ""

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return f"{place}: {self.message}" + (f"\n  help: {self.help}" if self.help else "")


class MappingError(ValueError):
    """A mapping, or a history that does not fit it; `problems` are all there are."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


# --- reading -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MappingText:
    """A mapping as it was read, with the path it was read from and the SHA-256 of its bytes."""

    path: Path
    hash: str
    content: HistoryMapping


def read_mapping(path: Path) -> MappingText:
    """The mapping in the file at `path`; MappingError names everything that is wrong with it."""
    try:
        data = path.read_bytes()
        tree = yaml.load(data.decode(), _Loader)  # noqa: S506 - it makes texts, lists, dictionaries
        content = HistoryMapping.model_validate(tree)
    except OSError as error:
        raise MappingError([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8: byte {error.start + 1}"
        raise MappingError([Problem(str(path), "", message, "save it as UTF-8")]) from None
    except yaml.YAMLError as error:
        raise MappingError([Problem(str(path), "", *_no_yaml(error))]) from None
    except RecursionError:
        raise MappingError([Problem(str(path), "", "is nested too deeply")]) from None
    except ValidationError as error:
        raise MappingError(_problems(str(path), error)) from None
    return MappingText(path, hashlib.sha256(data).hexdigest(), content)


class _RefusedError(yaml.MarkedYAMLError):
    """YAML that no mapping may hold; its problem is in our own words."""


class _Loader(yaml.BaseLoader):
    """Texts, lists and dictionaries; a key that comes twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _RefusedError(problem="a key is one text", problem_mark=key.start_mark)
            if key.value in seen:
                raise _RefusedError(
                    problem=f"`{key.value}` comes twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_YAML = (
    ("'\\t'", "a tab stands where no tab may", "indent with blanks"),
    ("or ']'", "a bracket is not closed", "close every `[` and `{`"),
    ("or '}'", "a bracket is not closed", "close every `[` and `{`"),
    ("<stream end>", "the file ends too early", "close every bracket and quote"),
    ("unexpected end of stream", "a quote is not closed", ""),
    ("mapping values", "a second `:` stands in a line", "quote a text that holds `: `"),
    ("alias", "`*` begins a text", "quote it"),
)
"""What PyYAML's own words tell, in ours."""


def _no_yaml(error: yaml.YAMLError) -> tuple[str, str]:
    """Where a file is no YAML, and the likely slip."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "holds a character that YAML does not take", "write it as plain text"
    mark, told = error.problem_mark, error.problem or ""
    slips = (slip for slip in _YAML if slip[0] in told)
    _, what, help_ = next(slips, ("", "is no YAML from here on", "compare the indentation"))
    what = told if isinstance(error, _RefusedError) else what
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}", help_


def _problems(file: str, error: ValidationError) -> list[Problem]:
    return [
        Problem(file, ".".join(map(str, found["loc"])), *_said(found["type"], found))
        for found in error.errors(include_url=False, include_input=False)
    ]


def _said(kind: str, found: Any) -> tuple[str, str]:
    """What pydantic found, in our own words."""
    if kind == "extra_forbidden":
        key = str(found["loc"][-1])
        return "is no key of a mapping here", nearest(key, _KEYS)
    if kind == "missing":
        return "is missing", ""
    if kind == "literal_error":
        return f"has to be {found['ctx']['expected']}".replace("'", "`"), ""
    if kind == "value_error":
        return str(found["ctx"]["error"]), ""
    return {
        "string_type": ("has to be a text", ""),
        "dict_type": ("has to be a block of keys", ""),
        "model_type": ("has to be a block of keys", ""),
        "tuple_type": ("has to be a list", "write it as [a, b]"),
    }.get(kind, ("cannot be read", ""))


_KEYS = frozenset(
    key
    for part in (HistoryMapping, SourceMapping, ScoreMapping, LabelMapping)
    for key in part.model_fields
)
