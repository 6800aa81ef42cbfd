"""One event's score with exact contributions, beside the library's own probability of one row.

    python -m bench.models [--rounds N] [--events N] [--only NAME ...] [--json FILE]

Models are fitted on payments made here (integers, fifteen inputs), exported, written and read. In,
ours: the tuple of an event's values; out: the score, the total and all contributions. Theirs:
`predict_proba` of one C-contiguous float64 row, `n_jobs=1`, `assume_finite=True`, without
contributions. Both sides are first compared on every event. Then rounds take turns, pinned to one
core, each on other events; each ratio is taken inside one round, in the time of the process.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.dsl.types import COUNT
from tidegate.models.columns import ColumnScorer
from tidegate.models.export.exporting import export_model
from tidegate.models.export.specs import InputSpec
from tidegate.models.portable import PortableModel
from tidegate.models.reading import read_model, write_model
from tidegate.models.scored import InputColumn
from tidegate.models.scoring import compile_scorer

INPUTS = 15
TRAINING_ROWS = 40_000
LARGEST = 2**20
SEED = 20_261_125
AIMS: Mapping[str, float] = {
    "logistic regression": 30.0,
    "additive (EBM)": 30.0,
    "random forest": 20.0,
    "boosting": 10.0,
}
TIMES_THEIRS = 20
"""The library is slower and takes fewer events of a round, one in so many."""

Floats = npt.NDArray[np.float64]
Fit = Callable[[Floats, npt.NDArray[np.int64]], Any]


@dataclass(frozen=True, slots=True)
class Result:
    """One model: microseconds for one event on both sides, and how much faster ours is."""

    name: str
    nodes_or_terms: int
    file_bytes: int
    ours_us: float
    theirs_us: float
    ratio: float
    ratio_low: float
    ratio_high: float
    largest_difference: float
    aim: float


def payments(rows: int, seed: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Made-up inputs, whole numbers with a long tail, and which of the payments are fraud."""
    rng = np.random.default_rng(seed)
    x = np.floor(np.exp(rng.normal(7.0, 1.5, (rows, INPUTS)))).clip(0, LARGEST)
    logit = (np.log1p(x[:, :5]).sum(axis=1) - 35) / 2 + 2 * np.sin(x[:, 6] / 200) - 3
    fraud = rng.random(rows) < 1 / (1 + np.exp(-(logit + rng.normal(0.0, 1.0, rows))))
    return np.ascontiguousarray(x), fraud.astype(np.int64)


def _logistic(x: Floats, y: npt.NDArray[np.int64]) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)


def _additive(x: Floats, y: npt.NDArray[np.int64]) -> Any:
    from interpret.glassbox import ExplainableBoostingClassifier

    return ExplainableBoostingClassifier(interactions=0, outer_bags=2, n_jobs=1).fit(x, y)


def _forest(x: Floats, y: npt.NDArray[np.int64]) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    # So many rows a leaf give about the 62,096 nodes of the forest in the Handbook's table.
    forest = RandomForestClassifier(
        100, max_depth=20, min_samples_leaf=len(y) // 700 or 1, random_state=0, n_jobs=1
    )
    return forest.fit(x, y)


def _boosting(x: Floats, y: npt.NDArray[np.int64]) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=100, max_leaf_nodes=15, min_samples_leaf=40,
        early_stopping=False, random_state=0,
    ).fit(x, y)  # fmt: skip


FITS: Mapping[str, Fit] = {
    "logistic regression": _logistic,
    "additive (EBM)": _additive,
    "random forest": _forest,
    "boosting": _boosting,
}


def portable(estimator: Any) -> PortableModel:
    """The model as it would be served: exported, written, and read again."""
    specs = [InputSpec(f"input_{i}", COUNT, low=0, high=LARGEST) for i in range(INPUTS)]
    return read_model(write_model(export_model(estimator, specs, name="fraud", version=1)))


def largest_difference(estimator: Any, model: PortableModel, x: Floats) -> float:
    """Between both sides' probabilities, over all rows; ours are rounded to millionths."""
    whole = x.astype(np.int64)
    ours = ColumnScorer(model).score([InputColumn(whole[:, i].copy()) for i in range(INPUTS)])
    if not ours.answered.all():
        raise SystemExit("the model abstains on rows like those that it was trained on")
    return float(np.abs(estimator.predict_proba(x)[:, 1] - ours.scores / 1e6).max())


def compare(name: str, estimator: Any, model: PortableModel, x: Floats, rounds: int) -> Result:
    """Measure one model over rows of whole numbers, in the order of its inputs."""
    score, theirs = compile_scorer(model).score, estimator.predict_proba
    events = [tuple(map(int, row)) for row in x]
    size = len(events) // rounds
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(rounds):
        part = events[number * size : (number + 1) * size]
        rows = [x[i : i + 1] for i in range(number * size, (number + 1) * size, TIMES_THEIRS)]
        sides: list[tuple[str, Callable[[Any], Any], Sequence[Any]]] = [
            ("ours", score, part), ("theirs", theirs, rows)
        ]  # fmt: skip
        for side, call, given in sides if number % 2 else reversed(sides):
            began = time.process_time()
            for one in given:
                call(one)
            seconds[side].append((time.process_time() - began) / len(given))
    pairs = zip(seconds["theirs"], seconds["ours"], strict=True)
    low, middle, high = statistics.quantiles([theirs / ours for theirs, ours in pairs], n=4)
    return Result(
        name=name,
        nodes_or_terms=sum(len(tree.values) for tree in model.trees) or len(model.terms),
        file_bytes=len(write_model(model)),
        ours_us=statistics.median(seconds["ours"]) * 1e6,
        theirs_us=statistics.median(seconds["theirs"]) * 1e6,
        ratio=middle,
        ratio_low=low,
        ratio_high=high,
        largest_difference=largest_difference(estimator, model, x),
        aim=AIMS.get(name, 1.0),
    )


def report(results: Sequence[Result]) -> str:
    """The table that people read."""
    head = f"{'':21}{'size':>8}{'ours µs':>9}{'theirs µs':>11}{'ratio':>7}   quartiles"
    return "\n".join(
        [
            f"{head}{'aim':>15}{'difference':>12}",
            *(
                f"{one.name:21}{one.nodes_or_terms:8}{one.ours_us:9.2f}{one.theirs_us:11.1f}"
                f"{one.ratio:7.1f}   {one.ratio_low:.1f} to {one.ratio_high:.1f}".ljust(72)
                + f"≥ {one.aim:g}{one.largest_difference:12.1e}"
                for one in results
            ),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, export, compare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=51)
    parser.add_argument("--rows", type=int, default=TRAINING_ROWS)
    parser.add_argument("--only", nargs="*", choices=tuple(FITS), default=tuple(FITS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    import sklearn

    sklearn.set_config(assume_finite=True)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    x, y = payments(options.rows, SEED)
    fresh, _ = payments(options.events, SEED + 1)
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in options.only:
            estimator = FITS[name](x, y)
            model = portable(estimator)
            gc.collect()
            gc.freeze()
            results.append(compare(name, estimator, model, fresh, options.rounds))
    print(report(results))
    if options.json:
        lines = {"lines": [asdict(one) for one in results]}
        options.json.write_text(json.dumps(lines, indent=2) + "\n")
    wrong = [one.name for one in results if one.largest_difference > 1e-6]
    if wrong:
        raise SystemExit(f"the two sides disagree: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
