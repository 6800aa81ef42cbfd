"""Random histories of the small policy with a model that is scored from what it reads.

Its inputs are fields, features and a let; they are missing, unknown or outside what the model was
trained on often enough. Every form of model is made.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

from tests.simulation.histories import POLICY, SmallHistory, small_history, sub
from tidegate.dsl.types import COUNT, COUNTRY, DURATION, FLAG, MONEY, NUMBER, TEXT, Kind, Type
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
from tidegate.rules.loading import load_policy

FAMILIES: tuple[Family, ...] = (
    "logistic_regression",
    "additive",
    "random_forest",
    "gradient_boosting",
)
UNIT = 10**9
MODEL = """model knows version {version}
  from "models/knows"
  reads channel, amount, items, weight, gap, verified, origin, note, tries, usual, ratio
  score known_risk
  use payment when amount <= 9000 EUR and channel != "pos" or tries >= 2
  may review, step_up, decline, relax
  until 2026-09-29
  if unavailable then review because strange

rule knowing version 1
  when known_risk >= 0.6
  then decline because strange

rule suspected version 1
  when known_risk > 0.3 and risk < 0.9
  then step_up confirm because strange

rule trusted version 1
  when ratio > 3
  then review before because strange
  except when not (known_risk >= 0.2)
  if unknown then skip

rule burst version 1
"""
WORDS = ("ecom", "pos")
CUTS: dict[str, tuple[int, ...]] = {
    "amount": (600, 3_500, 12_500, 90_500, 600_500),
    "items": (1, 2, 4),
    "weight": (500_000, 1_250_000, 1_500_000),
    "gap": (600_000_000, 3_600_000_000),
    "verified": (1,),
    "tries": (1, 2, 3),
    "usual": (3_200, 12_500, 60_000),
    "ratio": (500_000, 1_000_000, 2_500_000),
}


def inputs_of(rng: Random) -> tuple[Input, ...]:
    """What the model reads, in an order of its own, with its categories and bounds."""

    def takes() -> bool:
        return rng.random() < 0.9

    texts = {"origin": COUNTRY, "note": TEXT}
    made = [
        Input("channel", Type(Kind.WORD, WORDS), "", WORDS),
        *(
            Input(
                name, type_, "EUR" if type_ is MONEY else "", (), None, high,
                takes_missing=takes(),
            )
            for name, type_, high in (
                ("amount", MONEY, rng.choice((None, 650_000))), ("items", COUNT, None),
                ("weight", NUMBER, 1_900_000 if takes() else None), ("gap", DURATION, None),
                ("verified", FLAG, None), ("tries", COUNT, rng.choice((None, 4))),
                ("usual", MONEY, None), ("ratio", NUMBER, None),
            )
        ),
        *(
            Input(name, type_, "", ("FR", "DE") if type_ is COUNTRY else ("friend",),
                  takes_missing=takes(), takes_unknown=takes())
            for name, type_ in texts.items()
        ),
    ]  # fmt: skip
    rng.shuffle(made)
    return tuple(made)


def model_over(rng: Random, family: Family, version: int = 1) -> PortableModel:
    """A model of this form over what the policy reads."""
    inputs = inputs_of(rng)
    if family == "logistic_regression":
        inputs = tuple(_bounded(entry) for entry in inputs)
    if family in {"random_forest", "gradient_boosting"}:
        forest = family == "random_forest"
        trees = tuple(_tree(rng, inputs, forest) for _ in range(5))
        base = sum(tree.values[0] for tree in trees)
        return PortableModel(
            "knows", version, family, "probability" if forest else "logit", inputs, base, (), trees,
            UNIT, 5 if forest else 1,
        )  # fmt: skip
    terms = tuple(_term(rng, inputs, index, family) for index in range(len(inputs)))
    return PortableModel(
        "knows", version, family, "logit", inputs, rng.randint(-UNIT, UNIT), terms, (), UNIT, 1
    )


def _bounded(entry: Input) -> Input:
    """A weight times a number without end would leave 64 bits, and is refused."""
    if entry.is_text:
        return entry
    return replace(entry, low=0, high=entry.high or 3 * CUTS[entry.name][-1])


def _places(entry: Input) -> int:
    return (len(entry.categories) if entry.is_text else len(CUTS[entry.name])) + 2


def _axis(inputs: tuple[Input, ...], index: int) -> Axis:
    return Axis(index, () if inputs[index].is_text else CUTS[inputs[index].name])


def _term(rng: Random, inputs: tuple[Input, ...], index: int, family: Family) -> Term:
    entry = inputs[index]
    if family == "logistic_regression" and not entry.is_text:
        middle = CUTS[entry.name][-1]
        return LinearTerm(index, rng.gauss(0, UNIT) / middle, middle / 2, rng.randint(-UNIT, UNIT))
    chosen = [index]
    if family == "additive" and rng.random() < 0.4:
        chosen.append((index + 1) % len(inputs))
    size = 1
    for one in chosen:
        size *= _places(inputs[one])
    values = tuple(rng.randint(-UNIT, UNIT) for _ in range(size))
    return TableTerm(tuple(_axis(inputs, one) for one in chosen), values)


def _tree(rng: Random, inputs: tuple[Input, ...], forest: bool) -> Tree:
    splits, cuts, yes, no, values = (list[int]() for _ in range(5))
    missing: list[bool] = []
    words: list[tuple[int, ...] | None] = []

    def plant(depth: int) -> int:
        node = len(splits)
        for column in (splits, cuts, yes, no):
            column.append(0)
        values.append(rng.randint(0 if forest else -UNIT, UNIT))
        missing.append(False)
        words.append(None)
        splits[node] = -1
        if depth:
            splits[node] = rng.randrange(len(inputs))
            entry = inputs[splits[node]]
            missing[node] = rng.random() < 0.5
            if entry.is_text:
                known = range(len(entry.categories) + 1)
                words[node] = tuple(code for code in known if rng.random() < 0.5)
            else:
                cuts[node] = rng.choice(CUTS[entry.name])
            yes[node], no[node] = plant(depth - 1), plant(depth - 1)
        return node

    plant(4)
    return Tree(
        tuple(splits), tuple(cuts), tuple(yes), tuple(no), tuple(missing), tuple(words),
        tuple(values),
    )  # fmt: skip


def keep_model(folder: Path, model: PortableModel) -> None:
    """Put the model where the policy in `folder` looks for it."""
    place = folder / "models" / model.name / str(model.version)
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.json").write_bytes(write_model(model))


def scored_history(rng: Random, folder: Path, family: Family, rows: int = 160) -> SmallHistory:
    """The small policy with the model, and a random history of it."""
    history = small_history(rng, folder, rows=rows, received=True, parquet=False)
    place = folder / "policy"
    keep_model(place, model_over(rng, family))
    text = sub(POLICY, "rule burst version 1\n", MODEL.format(version=1))
    (place / "policy.tide").write_text(text)
    history.policy = load_policy(place)
    return history
