"""One event's score: what a model says, exactly, and where it says nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest

from tests.models_generated import FAMILIES, Row, columns_of, generated_model, generated_rows
from tidegate.dsl.types import COUNT, COUNTRY, DURATION, FLAG, MONEY, NUMBER, TEXT, Type, Value
from tidegate.models.column_walks import BLOCK
from tidegate.models.columns import ColumnScorer, code_texts
from tidegate.models.logistic import exact_logistic_score
from tidegate.models.portable import (
    Axis,
    Family,
    Input,
    LinearTerm,
    PortableModel,
    TableTerm,
    Term,
    Tree,
)
from tidegate.models.reading import write_model
from tidegate.models.scored import InputColumn
from tidegate.models.scoring import compile_scorer


def definition(model: PortableModel, row: Row) -> tuple[int, int, tuple[int, ...]] | None:
    """What `portable`'s docstrings say, as plainly as it can be written; None where it abstains."""
    codes: list[int | None] = []
    for index, (entry, value) in enumerate(zip(model.inputs, row, strict=True)):
        linear = any(isinstance(t, LinearTerm) and t.input == index for t in model.terms)
        if value is None:
            if not entry.takes_missing:
                return None
            codes.append(None)
        elif isinstance(value, str):
            if value not in entry.categories and not entry.takes_unknown:
                return None
            known = value in entry.categories
            codes.append(entry.categories.index(value) if known else len(entry.categories))
        else:
            if entry.low is not None and value < entry.low:
                return None
            if entry.high is not None and value > entry.high:
                return None
            if linear and abs(value) >= 2**53:
                return None
            codes.append(int(value))
    parts = (
        _by_paths(model, codes)
        if model.trees
        else tuple(_of_term(model, term, codes) for term in model.terms)
    )
    total = model.base + sum(parts)
    if model.link == "logit":
        return exact_logistic_score(total, model.unit), total, parts
    return round(Fraction(10**6 * total, model.unit * model.divisor)), total, parts


def _of_term(model: PortableModel, term: Term, codes: list[int | None]) -> int:
    if isinstance(term, LinearTerm):
        x = codes[term.input]
        return term.missing if x is None else round(term.weight * (float(x) - term.centre))
    place = 0
    for axis in term.axes:
        entry, code = model.inputs[axis.input], codes[axis.input]
        places = (len(entry.categories) if entry.is_text else len(axis.cuts)) + 1
        if code is None:
            own = places
        else:
            own = code if entry.is_text else sum(cut <= code for cut in axis.cuts)
        place = place * (places + 1) + own
    return term.values[place]


def _by_paths(model: PortableModel, codes: list[int | None]) -> tuple[int, ...]:
    parts = [0] * len(model.inputs)
    for tree in model.trees:
        node = 0
        while (split := tree.inputs[node]) >= 0:
            code, words = codes[split], tree.words[node]
            if code is None:
                goes = tree.missing_yes[node]
            else:
                goes = code <= tree.cuts[node] if words is None else code in words
            child = tree.yes[node] if goes else tree.no[node]
            parts[split] += tree.values[child] - tree.values[node]
            node = child
    return tuple(parts)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(40))
def test_scorer_and_columns_say_what_the_form_means(family: Family, seed: int) -> None:
    """One of the evaluators would give another integer than the form defines."""
    rng = Random(f"{family}{seed}")
    model = generated_model(rng, family)
    rows = generated_rows(rng, model, 60)
    scorer = compile_scorer(model)
    scored = [scorer.score(row) for row in rows]
    columns = ColumnScorer(model).score(columns_of(model, rows), contributions=True)
    assert columns.contributions is not None
    for index, (row, one) in enumerate(zip(rows, scored, strict=True)):
        wanted = definition(model, row)
        found = None if one.status == "abstained" else (one.score, one.total, one.contributions)
        assert found == wanted
        assert bool(scorer.reasons(row)) == (wanted is None)
        assert one.reason == (scorer.reasons(row) or ("",))[0]
        assert bool(columns.answered[index]) == (wanted is not None)
        in_columns = (
            int(columns.scores[index]),
            int(columns.totals[index]),
            tuple(columns.contributions[index].tolist()),
        )
        assert in_columns == (wanted or (0, 0, (0,) * len(model.contribution_names)))
    assert columns.abstained_by == Counter(one.reason for one in scored if one.reason)


def test_generated_models_meet_everything() -> None:
    """A form that is never generated would never be compared."""
    seen: Counter[str] = Counter()
    for seed in range(150):
        rng = Random(seed)
        model = generated_model(rng)
        rows = generated_rows(rng, model, 30)
        scorer = compile_scorer(model)
        answers = [(row, scorer.score(row)) for row in rows]
        seen["abstained"] += sum(one.status == "abstained" for _, one in answers)
        seen["answered with a gap"] += sum(
            one.status == "ok" and None in row for row, one in answers
        )
        seen["split on a text"] += sum(c is not None for t in model.trees for c in t.words)
        seen["line"] += sum(isinstance(term, LinearTerm) for term in model.terms)
        seen["interaction"] += sum(
            isinstance(term, TableTerm) and len(term.axes) == 2 for term in model.terms
        )
        seen["unknown text"] += sum("none of the" in one.reason for _, one in answers)
        seen["beyond binary64"] += sum(str(2**53 - 1) in one.reason for _, one in answers)
    assert min(seen.values()) > 20, seen


def test_blocks_meet_without_a_seam() -> None:
    """Rows at the edge of a block would be scored by another row's codes."""
    rng = Random(5)
    model = generated_model(rng, "gradient_boosting")
    rows = generated_rows(rng, model, 50)
    many = (rows * (2 * BLOCK // 50 + 3))[: 2 * BLOCK + 7]
    short = ColumnScorer(model).score(columns_of(model, rows))
    long = ColumnScorer(model).score(columns_of(model, many))
    wanted = np.resize(short.scores, len(many))
    assert long.scores.tolist() == wanted.tolist()
    assert long.contributions is None


def test_no_rows_have_no_scores() -> None:
    """An empty history would fail."""
    for family in FAMILIES:
        model = generated_model(Random(2), family)
        columns = [InputColumn(np.zeros(0, dtype=np.int64)) for _ in model.inputs]
        found = ColumnScorer(model).score(columns, contributions=True)
        assert found.scores.size == found.totals.size == found.answered.size == 0


def test_wrong_columns_are_refused() -> None:
    """A column too few would be read as another input."""
    model = replace(_model(COUNT), inputs=(*_model(COUNT).inputs, Input("y", COUNT)))
    column = InputColumn(np.zeros(3, dtype=np.int64))
    with pytest.raises(ValueError, match="2 columns are needed, one for each input"):
        ColumnScorer(model).score([column])
    with pytest.raises(ValueError, match="unequal length"):
        ColumnScorer(model).score([column, InputColumn(np.zeros(2, dtype=np.int64))])


def _model(type_: Type, **parts: object) -> PortableModel:
    entry = Input("x", type_, "EUR" if type_ is MONEY else "")
    entry = replace(entry, **parts)  # type: ignore[arg-type]
    size = len(entry.categories) + 2
    return PortableModel(
        "m", 1, "additive", "logit", (entry,), 0, (TableTerm((Axis(0),), (0,) * size),)
    )


@pytest.mark.parametrize(
    ("type_", "parts", "value", "reason"),
    [
        (MONEY, {"high": 500_000}, 500_001, "`x` is above 5000.00 EUR, the most it was trained on"),
        (MONEY, {"low": -5}, -6, "`x` is below -0.05 EUR, the least it was trained on"),
        (MONEY, {"currency": "JPY", "high": 7}, 8, "`x` is above 7 JPY, the most"),
        (NUMBER, {"high": 250_000}, 10**6, "`x` is above 0.25, the most it was trained on"),
        (NUMBER, {"low": 3 * 10**6}, 0, "`x` is below 3, the least it was trained on"),
        (COUNT, {"high": 12}, 13, "`x` is above 12, the most it was trained on"),
        (DURATION, {"high": 90 * 10**6}, 10**9, "`x` is above 90s, the most it was trained on"),
        (DURATION, {"low": 0}, -1, "`x` is below 0s, the least it was trained on"),
        (FLAG, {"high": 0}, True, "`x` is above false, the most it was trained on"),
        (COUNT, {}, None, "`x` is missing, and the model needs it"),
        (TEXT, {"categories": ("a", "b")}, "c", "`x` is none of the 2 texts that it"),
        (COUNTRY, {"categories": ("FR",)}, None, "`x` is missing, and the model needs it"),
    ],
)  # fmt: skip
def test_a_model_says_why_it_abstains(
    type_: Type, parts: dict[str, object], value: Value | None, reason: str
) -> None:
    """The reason would be none, wrong, or hold the event's own value."""
    model = _model(type_, **parts)
    write_model(model)
    scorer = compile_scorer(model)
    scored = scorer.score((value,))
    assert scored[:4] == ("abstained", None, None, ())
    assert scored.reason.startswith(reason)
    assert scorer.reasons((value,)) == (scored.reason,)
    takes = replace(model.inputs[0], takes_missing=True, takes_unknown=True, low=None, high=None)
    assert compile_scorer(replace(model, inputs=(takes,))).score((value,)).status == "ok"


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**63 - 1])
def test_a_line_abstains_where_binary64_is_not_exact(value: int) -> None:
    """A value would be rounded before it is weighed, here otherwise than in columns."""
    entry = Input("x", COUNT)
    model = PortableModel(
        "m", 1, "logistic_regression", "logit", (entry,), 0, (LinearTerm(0, 1.0, 0.0),)
    )
    write_model(model)
    assert compile_scorer(model).score((value,)).status == "abstained"
    inside = value - 1 if value > 0 else value + 1
    if abs(inside) < 2**53:
        assert compile_scorer(model).score((inside,)).contributions == (inside,)


def test_all_reasons_can_be_asked_for() -> None:
    """A person would learn of one cause at a time."""
    inputs = (Input("x", COUNT, high=1), Input("y", TEXT, categories=("a",)))
    model = replace(_model(COUNT), inputs=inputs)
    assert len(compile_scorer(model).reasons((2, "b"))) == 2
    assert compile_scorer(model).reasons((1, "a")) == ()


def test_lanes_hold_the_largest_sums() -> None:
    """A lane would borrow from its neighbour, or the total spill into the contributions."""
    large = 2**61
    inputs = (Input("x", COUNT), Input("y", COUNT))
    tree = Tree((0, -1, 1, -1, -1), (0, 0, 0, 0, 0), (1, 0, 3, 0, 0), (2, 0, 4, 0, 0), (False,) * 5,
                (None,) * 5, (0, -large, large, 0, large - 1))  # fmt: skip
    model = PortableModel("m", 1, "gradient_boosting", "logit", inputs, -3, (), (tree,))
    score = compile_scorer(model).score
    assert score((0, 0))[2:4] == (-large - 3, (-large, 0))
    assert score((1, 0))[2:4] == (-3, (large, -large))
    assert score((1, 1))[2:4] == (large - 4, (large, -1))


def test_texts_are_coded_by_their_place() -> None:
    """A text would be scored as another one."""
    entry = Input("x", TEXT, categories=("b", "a"))
    column = code_texts(entry, ["a", "b", "c", None])
    assert column.codes.tolist() == [1, 0, 2, 0]
    assert column.valid is not None
    assert column.valid.tolist() == [True, True, True, False]
    assert code_texts(entry, ["a"]).valid is None
