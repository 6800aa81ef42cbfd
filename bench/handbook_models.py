"""Chapter 3 of the Fraud Detection Handbook through the product: its table, and two models beside.

    python -m bench.handbook_models [--only NAME ...]

The features are declared in `bench/policies/handbook_models`, and each of its models is trained as
`tidegate models train` does it: the dry run's columns, the book's split and delay, scikit-learn or
interpret, the portable form. The figures are of the portable model's own scores, on every row of
the test, beside those that the book prints. Exit code 1 where a row, a published figure or a score
is not what it has to be.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tidegate.engine.decision import Policy
from tidegate.models.cards import Card
from tidegate.rules import load_policy
from tidegate.rules.models import none_serves
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.training import Trained, train_on
from tidegate.simulation.training_file import read_training
from tidegate.simulation.training_table import TrainingTable, gather

FOLDER = Path(__file__).parent / "policies" / "handbook_models"
MAPPING = FOLDER / "mapping.yaml"
NAMES = ("logistic", "forest", "boosting", "additive")
FIGURES = ("auc", "average_precision", "card_precision_at_100")
MILLION = 10**6
TOLERANCE = 5_000
"""Millionths: how far a figure may be from the published one."""

PUBLISHED = {
    "logistic": (871_000, 606_000, 291_000),
    "forest": (867_000, 658_000, 287_000),
}
"""AUC, average precision and card precision@100 of the book's chapter 3 (MODELS.md 1.3)."""

ROWS = {"train": (67_240, 598), "test": (58_264, 385)}
"""Rows and frauds of the book's split."""


@dataclass(frozen=True, slots=True)
class Line:
    """One model of the table, with what is wrong with it."""

    name: str
    trained: Trained
    seconds: float
    wrong: tuple[str, ...]


def lines(policy: Policy, names: tuple[str, ...]) -> list[Line]:
    """Train each of the models; the history is read once, for they all read the same."""
    table: TrainingTable | None = None
    found = []
    for name in names:
        training = read_training(FOLDER / "training" / f"{name}.yaml", policy.program)
        if table is None:
            begin = time.perf_counter()
            table = gather(policy, MAPPING, training)
            print(f"{table.rows:,} payments read in {time.perf_counter() - begin:.1f} s")
        begin = time.perf_counter()
        trained = train_on(table, policy, MAPPING, training)
        wrong = (*wrong_rows(trained.card), *wrong_figures(name, trained.card))
        found.append(Line(name, trained, time.perf_counter() - begin, wrong))
    return found


def figures(card: Card) -> tuple[int, ...]:
    """The three figures of the book, over the whole test, in millionths."""
    whole = {metric.name: metric.value for metric in card.metrics if metric.part == "all"}
    return tuple(whole[name] or 0 for name in FIGURES)


def wrong_rows(card: Card) -> list[str]:
    """Where the split is not the book's, or a score not the library's."""
    wrong = []
    for part, sample in (("train", card.train), ("test", card.test)):
        if (sample.rows, sample.positives) != ROWS[part]:
            wrong.append(f"{part}: {sample.rows:,} rows, {sample.positives:,} frauds")
    if card.export.rows != card.test.rows or card.export.beyond:
        wrong.append(f"{card.export.beyond:,} scores beyond the bound of {card.export.rows:,}")
    return wrong


def wrong_figures(name: str, card: Card) -> list[str]:
    """Which published figures are missed."""
    if name not in PUBLISHED:
        return []
    pairs = zip(FIGURES, figures(card), PUBLISHED[name], strict=True)
    return [
        f"{what}: {ours / MILLION:.4f}, published {theirs / MILLION:.3f}"
        for what, ours, theirs in pairs
        if abs(ours - theirs) > TOLERANCE
    ]


def print_line(line: Line) -> None:
    """One line of the table."""
    ours = " ".join(f"{value / MILLION:8.4f}" for value in figures(line.trained.card))
    published = PUBLISHED.get(line.name)
    theirs = (
        " ".join(f"{value / MILLION:6.3f}" for value in published)
        if published
        else "     -      -      -"
    )
    export = line.trained.card.export
    apart = (
        f"{float(export.largest_difference) * MILLION:.3f} of {float(export.bound) * MILLION:.3f}"
    )
    sizes = f"{len(line.trained.files['model.json']):,}"
    print(f"{line.name:10}{ours}  |{theirs}  | {export.beyond:6} {apart:>14} {sizes:>11}"
          f" {line.seconds:6.1f}")  # fmt: skip


def main() -> None:
    """Train, print, compare; exit with 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    options = parser.parse_args()
    policy = load_policy(FOLDER, serving=none_serves)
    try:
        found = lines(policy, tuple(options.only))
    except MappingError as error:
        sys.exit(f"the data set is not here: {error}")
    card = found[0].trained.card
    print(f"train {card.train.rows:,} rows, {card.train.positives} frauds; "
          f"test {card.test.rows:,} rows, {card.test.positives} frauds")  # fmt: skip
    print("               AUC       AP   CP@100  |     published        "
          "| beyond  apart (10^-6) model bytes      s")  # fmt: skip
    for line in found:
        print_line(line)
    wrong = [f"{line.name}: {what}" for line in found for what in line.wrong]
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
