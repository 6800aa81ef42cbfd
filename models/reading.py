"""A portable model from its file and back: canonical JSON, checked in full before it is used.

The file is one JSON object with the fields of `portable.PortableModel` under their own names; a
term says its `kind`, "linear" or "table", an input the word of its type. Keys are sorted, there are
no blanks, and text is UTF-8, so that one model has one file and one hash: what is not written so is
refused.
"""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import pairwise
from math import copysign
from typing import Any, get_args
from unicodedata import is_normalized

from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.types import INT64_MAX, INT64_MIN, TEXT_KINDS, Kind, Type
from tidegate.dsl.words import NAME, RESERVED
from tidegate.models.portable import (
    FORMAT,
    INPUT_KINDS,
    SCHEMA,
    Axis,
    Family,
    Input,
    LinearTerm,
    Link,
    PortableModel,
    TableTerm,
    Term,
    Tree,
)
from tidegate.models.proofs import prove_sums
from tidegate.models.refusals import EXPORT, WAY_OUT, ModelRefused, Problems, refuse_content
from tidegate.models.strict_json import parse_strict, shown
from tidegate.models.tree_checks import check_trees

MAX_NAME = 100
MAX_INPUTS = 512
MAX_TERMS = 4_096
MAX_TREES = 4_000
MAX_CATEGORIES = 100_000
MAX_TEXT = 1_000
MAX_CUTS = 100_000
MAX_TABLE = 1_000_000
MAX_NODES = 1_000_000
"""Of all trees together; so are these: lanes of contributions are kept for every leaf."""

MAX_NODES_TIMES_INPUTS = 40_000_000
MAX_SCALE = 4 * 10**12
"""`unit * divisor` of a probability, so that columns divide in 64 bits."""

_ABSENT: Any = object()
_KINDS = {kind.value: kind for kind in Kind if kind in INPUT_KINDS}
_TREE_FAMILIES = frozenset({"random_forest", "gradient_boosting"})
_MODEL_KEYS = frozenset({"format", "schema", *(f.name for f in fields(PortableModel))})
_INPUT_KEYS = frozenset({"kind", *(f.name for f in fields(Input))} - {"type"})
_TREE_KEYS = frozenset(f.name for f in fields(Tree))
_LINEAR_KEYS = frozenset({"kind", *(f.name for f in fields(LinearTerm))})
_TABLE_KEYS = frozenset({"kind", *(f.name for f in fields(TableTerm))})
_AXIS_KEYS = frozenset(f.name for f in fields(Axis))


def read_model(content: bytes) -> PortableModel:
    """The model in `content`; `ModelRefused` with every mistake that can be found."""
    refuse_content(content)
    document = parse_strict(content)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelRefused([f"the file's `format` is not `{FORMAT}`: {WAY_OUT}"])
    problems = Problems()
    model = _Reader(problems).model(document)
    problems.refuse()
    _check_references(model, problems)
    problems.refuse()
    prove_sums(model, problems)
    problems.refuse()
    if _bytes_of(model) != content:
        raise ModelRefused([f"the file is not canonical JSON, as its hash needs: {WAY_OUT}"])
    return model


def write_model(model: PortableModel) -> bytes:
    """The canonical file of `model`; `ModelRefused` where `read_model` would refuse it."""
    try:
        content = _bytes_of(model)
    except (UnicodeEncodeError, ValueError) as error:
        raise ModelRefused([f"the model has no JSON: {error}"]) from None
    if read_model(content) != model:
        raise ModelRefused(
            ["the model would not be read as it is: build it of tuples, `str`, `int` and `float`"]
        )
    return content


def _bytes_of(model: PortableModel) -> bytes:
    document = {
        "format": FORMAT,
        "schema": SCHEMA,
        "name": model.name,
        "version": model.version,
        "family": model.family,
        "link": model.link,
        "unit": model.unit,
        "divisor": model.divisor,
        "base": model.base,
        "inputs": [_input_document(entry) for entry in model.inputs],
        "terms": [_term_document(term) for term in model.terms],
        "trees": [{name: getattr(tree, name) for name in _TREE_KEYS} for tree in model.trees],
    }
    text = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8")


def _input_document(entry: Input) -> dict[str, Any]:
    document = {name: getattr(entry, name) for name in _INPUT_KEYS - {"kind"}}
    return {**document, "kind": entry.type.kind.value}


def _term_document(term: Term) -> dict[str, Any]:
    if isinstance(term, LinearTerm):
        return {"kind": "linear", **{f.name: getattr(term, f.name) for f in fields(LinearTerm)}}
    axes = [{"input": axis.input, "cuts": axis.cuts} for axis in term.axes]
    return {"kind": "table", "axes": axes, "values": term.values}


class _Reader:
    """Fields of the right type and in their limits; a wrong one is noted and gets a stand-in."""

    def __init__(self, problems: Problems) -> None:
        self._wrong = problems.add

    def model(self, document: Any) -> PortableModel:
        found = self._object(document, "", _MODEL_KEYS)
        if type(found["schema"]) is not int or found["schema"] != SCHEMA:
            self._is_no(found["schema"], "schema", f"{SCHEMA}, which this version reads,")
        return PortableModel(
            name=self._name(found["name"], "name"),
            version=self._integer(found["version"], "version", 1),
            family=self._word(found["family"], "family", get_args(Family)),
            link=self._word(found["link"], "link", get_args(Link)),
            inputs=self._each(found["inputs"], "inputs", MAX_INPUTS, self._input),
            base=self._integer(found["base"], "base"),
            terms=self._each(found["terms"], "terms", MAX_TERMS, self._term),
            trees=self._each(found["trees"], "trees", MAX_TREES, self._tree),
            unit=self._integer(found["unit"], "unit", 1),
            divisor=self._integer(found["divisor"], "divisor", 1),
        )

    def _input(self, value: Any, path: str) -> Input:
        found = self._object(value, path, _INPUT_KEYS)
        kind = _KINDS[self._word(found["kind"], f"{path}.kind", tuple(_KINDS))]
        categories = self._each(
            found["categories"], f"{path}.categories", MAX_CATEGORIES, self._text
        )
        if len(set(categories)) < len(categories):
            self._wrong(f"{path}.categories", "names a text twice: keep one of them")
        low, high = (self._bound(found[end], f"{path}.{end}") for end in ("low", "high"))
        if low is not None and high is not None and low > high:
            self._wrong(f"{path}.low", f"is {low}, above `high`, {high}: exchange them")
        if kind in TEXT_KINDS and (low, high) != (None, None):
            self._wrong(f"{path}.low", "bounds a text: use null here and for `high`")
        if kind not in TEXT_KINDS and categories:
            self._wrong(f"{path}.categories", f"stands at a {kind.value}: leave it empty")
        return Input(
            name=self._name(found["name"], f"{path}.name"),
            type=Type(kind, categories if kind is Kind.WORD else ()),
            currency=self._currency(found["currency"], f"{path}.currency", kind),
            categories=categories,
            low=low,
            high=high,
            takes_missing=self._flag(found["takes_missing"], f"{path}.takes_missing"),
            takes_unknown=self._flag(found["takes_unknown"], f"{path}.takes_unknown"),
        )

    def _term(self, value: Any, path: str) -> Term:
        kind = value.get("kind") if isinstance(value, dict) else None
        if kind == "linear":
            found = self._object(value, path, _LINEAR_KEYS)
            return LinearTerm(
                input=self._integer(found["input"], f"{path}.input", 0),
                weight=self._float(found["weight"], f"{path}.weight"),
                centre=self._float(found["centre"], f"{path}.centre"),
                missing=self._integer(found["missing"], f"{path}.missing"),
            )
        if kind != "table":
            self._wrong(f"{path}.kind", f"is {shown(kind)}: a term is `linear` or a `table`")
            return TableTerm((), ())
        found = self._object(value, path, _TABLE_KEYS)
        axes: tuple[Axis, ...] = self._each(found["axes"], f"{path}.axes", 2, self._axis)
        if not axes:
            self._wrong(f"{path}.axes", "has no axis: a table has one or two")
        return TableTerm(axes, self._integers(found["values"], f"{path}.values", MAX_TABLE))

    def _axis(self, value: Any, path: str) -> Axis:
        found = self._object(value, path, _AXIS_KEYS)
        cuts = self._integers(found["cuts"], f"{path}.cuts", MAX_CUTS)
        if any(left >= right for left, right in pairwise(cuts)):
            self._wrong(f"{path}.cuts", "is not ascending: sort the cuts and keep each once")
        return Axis(self._integer(found["input"], f"{path}.input", 0), cuts)

    def _tree(self, value: Any, path: str) -> Tree:
        found = self._object(value, path, _TREE_KEYS)
        columns = {
            name: self._integers(found[name], f"{path}.{name}", MAX_NODES)
            for name in ("inputs", "cuts", "yes", "no", "values")
        }
        return Tree(
            missing_yes=self._column(found["missing_yes"], f"{path}.missing_yes", bool),
            words=self._words(found["words"], f"{path}.words"),
            **columns,
        )

    def _words(self, value: Any, path: str) -> tuple[tuple[int, ...] | None, ...]:
        column = self._list(value, path, MAX_NODES)
        if column.count(None) == len(column):
            return tuple(column)
        return tuple(
            None if codes is None else self._codes(codes, f"{path}[{index}]")
            for index, codes in enumerate(column)
        )

    def _codes(self, value: Any, path: str) -> tuple[int, ...]:
        codes = self._integers(value, path, MAX_CATEGORIES + 1)
        if any(left >= right for left, right in pairwise(codes)):
            self._wrong(path, "is not ascending: sort the codes and keep each once")
        return codes

    # --- values ---------------------------------------------------------------------------------

    def _object(self, value: Any, path: str, keys: frozenset[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._wrong(path or "$", f"is {shown(value)}: an object belongs here")
            return dict.fromkeys(keys, _ABSENT)
        for key in sorted(value.keys() - keys)[:MAX_NAME]:
            self._wrong(path or "$", f"has a key {shown(key)} that nobody knows: leave it out")
        for key in sorted(keys - value.keys()):
            self._wrong(f"{path}.{key}" if path else key, f"is not there: write it by {EXPORT}")
        return {key: value.get(key, _ABSENT) for key in keys}

    def _list(self, value: Any, path: str, most: int) -> list[Any]:
        if not isinstance(value, list):
            self._is_no(value, path, "a list")
            return []
        if len(value) > most:
            self._wrong(
                path, f"has {len(value)} entries, and {most} at most are read: make it less"
            )
            return []
        return value

    def _each(self, value: Any, path: str, most: int, read: Any) -> tuple[Any, ...]:
        entries = self._list(value, path, most)
        return tuple(read(entry, f"{path}[{index}]") for index, entry in enumerate(entries))

    def _column(self, value: Any, path: str, kind: type) -> tuple[Any, ...]:
        column = self._list(value, path, MAX_TABLE)
        if not set(map(type, column)) <= {kind}:
            word = "true or false" if kind is bool else "a whole number"
            index = next(i for i, entry in enumerate(column) if type(entry) is not kind)
            self._wrong(f"{path}[{index}]", f"is {shown(column[index])}: {word} belongs here")
            return ()
        return tuple(column)

    def _integers(self, value: Any, path: str, most: int) -> tuple[int, ...]:
        column = self._column(self._list(value, path, most), path, int)
        if column and not (min(column) >= INT64_MIN and max(column) <= INT64_MAX):
            index = next(i for i, n in enumerate(column) if not INT64_MIN <= n <= INT64_MAX)
            self._wrong(f"{path}[{index}]", "does not fit in 64 bits: scale the model")
            return ()
        return column

    def _integer(self, value: Any, path: str, low: int = INT64_MIN) -> int:
        if type(value) is not int:
            self._is_no(value, path, "a whole number")
        elif not low <= value <= INT64_MAX:
            least = f"at least {low}" if low > INT64_MIN else "64 bits"
            self._wrong(path, f"is {shown(value)}: it has {least} and at most 2**63 - 1")
        else:
            return value
        return max(low, 0)

    def _bound(self, value: Any, path: str) -> int | None:
        return None if value is None or value is _ABSENT else self._integer(value, path)

    def _float(self, value: Any, path: str) -> float:
        if type(value) is not float:
            self._is_no(value, path, "a number with a decimal point")
            return 0.0
        if value == 0.0 and copysign(1.0, value) < 0:
            self._wrong(path, "is -0.0, which is 0.0 in another file: write 0.0")
            return 0.0
        return value

    def _flag(self, value: Any, path: str) -> bool:
        if type(value) is not bool:
            self._is_no(value, path, "true or false")
            return False
        return value

    def _text(self, value: Any, path: str) -> str:
        if type(value) is not str:
            self._is_no(value, path, "a text")
            return ""
        if len(value) > MAX_TEXT:
            self._wrong(path, f"is longer than {MAX_TEXT} characters: leave the category out")
        elif not value.isascii():
            if any("\ud800" <= character <= "\udfff" for character in value):
                self._wrong(path, "holds half of a character: write whole ones")
                return ""
            if not is_normalized("NFC", value):
                self._wrong(
                    path, "is not in Unicode's form NFC, as the policy's texts are: fold it"
                )
        return value

    def _word(self, value: Any, path: str, words: tuple[str, ...]) -> Any:
        if value in words and type(value) is str:
            return value
        self._is_no(value, path, f"one of {', '.join(words)}")
        return words[0]

    def _name(self, value: Any, path: str) -> str:
        if type(value) is not str:
            self._is_no(value, path, "a name")
            return ""
        if len(value) > MAX_NAME or not NAME.fullmatch(value) or value in RESERVED:
            what = "a word of the language" if value in RESERVED else "no name of the language"
            self._wrong(path, f"is {shown(value)}, {what}: use the name that the policy has for it")
        return value

    def _currency(self, value: Any, path: str, kind: Kind) -> str:
        if kind is Kind.MONEY:
            if type(value) is str and value in MINOR_DIGITS:
                return value
            self._is_no(value, path, "a currency's code, such as EUR,")
        elif value != "" or type(value) is not str:
            self._is_no(value, path, "an empty text, as this is no money,")
        return ""

    def _is_no(self, value: Any, path: str, what: str) -> None:
        if value is not _ABSENT:
            self._wrong(path, f"is {shown(value)}: {what} belongs here")


def _check_references(model: PortableModel, problems: Problems) -> None:
    """Note what is wrong between the parts: names, indices, shapes, families."""
    names = [entry.name for entry in model.inputs]
    if len(set(names)) < len(names):
        problems.add("inputs", "name one input twice: give each its own name")
    if not names:
        problems.add("inputs", "is empty: a model without inputs has nothing to say")
    if bool(model.terms) == bool(model.trees):
        problems.add("terms", "and `trees` are both there or both empty: a model has one of them")
    elif (model.family in _TREE_FAMILIES) != bool(model.trees):
        part = "trees" if model.family in _TREE_FAMILIES else "terms"
        problems.add("family", f"is {model.family}, which has {part}: correct one of them")
    if model.divisor != 1 and (model.link == "logit" or model.divisor != len(model.trees)):
        problems.add("divisor", f"is {model.divisor}: it is 1, or the number of trees of a mean")
    if model.link == "probability" and model.unit * model.divisor > MAX_SCALE:
        problems.add("divisor", f"times `unit` is above {MAX_SCALE}: use a coarser unit")
    for index, term in enumerate(model.terms):
        _check_term(model, term, f"terms[{index}]", problems)
    _check_masses(model, problems)
    if not problems:
        check_trees(model, problems)


def _check_masses(model: PortableModel, problems: Problems) -> None:
    tables = [term for term in model.terms if isinstance(term, TableTerm)]
    if sum(len(table.values) for table in tables) > MAX_TABLE:
        problems.add("terms", f"hold more than {MAX_TABLE} values: use coarser tables")
    if sum(len(axis.cuts) for table in tables for axis in table.axes) > MAX_TABLE:
        problems.add("terms", f"hold more than {MAX_TABLE} cuts: use coarser tables")
    if sum(len(entry.categories) for entry in model.inputs) > MAX_TABLE:
        problems.add("inputs", f"hold more than {MAX_TABLE} categories: keep the frequent ones")
    nodes = sum(len(tree.values) for tree in model.trees)
    if nodes > MAX_NODES or nodes * len(model.inputs) > MAX_NODES_TIMES_INPUTS:
        most = min(MAX_NODES, MAX_NODES_TIMES_INPUTS // len(model.inputs))
        problems.add("trees", f"have {nodes} nodes, and {most} at most are read: train fewer trees")


def _check_term(model: PortableModel, term: Term, path: str, problems: Problems) -> None:
    if isinstance(term, LinearTerm):
        if (
            _known(model, term.input, f"{path}.input", problems)
            and model.inputs[term.input].is_text
        ):
            problems.add(f"{path}.input", "is a text, which has no line: use a table")
        return
    places = 1
    for number, axis in enumerate(term.axes):
        if not _known(model, axis.input, f"{path}.axes[{number}].input", problems):
            return
        entry = model.inputs[axis.input]
        if entry.is_text and axis.cuts:
            problems.add(f"{path}.axes[{number}].cuts", "cut a text: leave them empty")
        places *= (len(entry.categories) if entry.is_text else len(axis.cuts)) + 2
    if len(term.axes) == 2 and term.axes[0].input == term.axes[1].input:
        problems.add(f"{path}.axes", "read one input twice: use one axis")
    if len(term.values) != places:
        count = len(term.values)
        problems.add(f"{path}.values", f"has {count} entries for {places} places: fill each place")


def _known(model: PortableModel, index: int, path: str, problems: Problems) -> bool:
    if index < len(model.inputs):
        return True
    problems.add(path, f"is {index}, and there are {len(model.inputs)} inputs: count from 0")
    return False
