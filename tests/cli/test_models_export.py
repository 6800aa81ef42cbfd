"""`tidegate models export`: what it writes, and when it writes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from tests.cli.conftest import Run, json_of
from tests.models.export.datasets import Payments, payments
from tidegate.models.reading import read_model

INPUTS = """\
inputs:
  - name: amount
    type: money
    currency: EUR
    scale: 100
  - name: payments
    type: count
    missing: true
  - name: note
    type: text
    categories: {1: gift, 2: rent, 4: loan}
"""
NAMES = ("amount", "payments", "note")


@pytest.fixture
def fitted(tmp_path: Path) -> Payments:
    """A forest in a file, its inputs and the rows that it was fitted on."""
    found = payments(1, NAMES, missing=0.05, count=120)
    forest = RandomForestClassifier(5, random_state=0).fit(found.x, found.y == 1)
    skops.io.dump(forest, tmp_path / "e.skops")
    (tmp_path / "inputs.yaml").write_text(INPUTS)
    write_rows(tmp_path / "rows.csv", found.rows)
    return found


def write_rows(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Write policy values as a CSV."""
    lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
    path.write_text("\n".join([",".join(NAMES), *lines]) + "\n")


def export(run: Run, *more: str, code: int = 0) -> Any:
    """Run the command on what the fixture made."""
    arguments = ("e.skops", "--inputs", "inputs.yaml", "--name", "m", "--version", "2")
    return run("models", "export", *arguments, "--out", "m.json", *more, code=code)


def test_it_writes_a_model_and_says_how_close_it_is(
    run: Run, fitted: Payments, tmp_path: Path
) -> None:
    """Rows with a missing amount are ones on which it abstains."""
    printed = export(run, "--rows", "rows.csv").stdout.splitlines()
    abstained = sum(row[0] is None or row[2] is None for row in fitted.rows)
    assert abstained > 0
    assert printed[0] == "m version 2: random forest, 3 inputs, 5 trees"
    assert printed[1].startswith("scores are within 0.5005 millionths of")
    assert printed[2].startswith(f"{120 - abstained} rows compared, the largest difference is 0.")
    assert printed[2].endswith(f"; {abstained} rows on which it abstains")
    model = read_model((tmp_path / "m.json").read_bytes())
    assert (model.name, model.version, model.divisor) == ("m", 2, 5)
    assert model.inputs[2].categories == ("gift", "rent", "loan")


def test_json(run: Run, fitted: Payments) -> None:
    """The same for scripts."""
    assert fitted.rows
    found = json_of(export(run, "--json"))
    assert found["schema"] == "tidegate.models.export/1"
    assert (found["family"], found["rows"]) == ("random_forest", None)
    assert json.dumps(found)


def test_a_difference_beyond_the_bound_writes_nothing(
    run: Run, fitted: Payments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library is the judge: an export that was wrong would be caught here."""
    assert fitted.rows
    original = RandomForestClassifier.predict_proba
    monkeypatch.setattr(
        RandomForestClassifier, "predict_proba", lambda self, x: original(self, x) * 0.99
    )
    output = export(run, "--rows", "rows.csv", code=1).output
    assert "differ by more than 0.5005 millionths; nothing was written" in output
    assert not (tmp_path / "m.json").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("type: count", "type: token"), "input 2 is of the type `token`"),
        (("scale: 100", "scale: hundred"), "input 1 has a wrong `scale`"),
        (("scale: 100", "scales: 100"), "input 1 has `scales`, which is nothing"),
        (("currency: EUR", "low: 1"), "input `amount` is money without a currency"),
        (("  - name: payments\n    type: count\n    missing: true\n", ""), "2 inputs are given"),
        (("missing: true", "missing: [true"), "the file is no YAML"),
        (("inputs:", "columns:"), "the inputs are no list"),
        (("name: amount", "name: known"), "a word of the language"),
        (("4: loan", "4: rent"), "comes twice"),
    ],
)
def test_inputs_are_checked(
    change: tuple[str, str], says: str, run: Run, fitted: Payments, tmp_path: Path
) -> None:
    """Each mistake is told with a way out."""
    assert fitted.rows
    assert change[0] in INPUTS
    (tmp_path / "inputs.yaml").write_text(INPUTS.replace(*change))
    output = export(run, code=3).output
    assert says in output
    assert "help: " in output
    assert not (tmp_path / "m.json").exists()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("amount,payments\n1,2\n", "the rows have no column `note`"),
        ("amount,payments,note\n1.5,2,rent\n", "line 2 has in `amount` what is no money"),
        ("amount,payments,note\n1,x,rent\n", "line 2 has in `payments` what is no count"),
    ],
)
def test_rows_are_checked(rows: str, says: str, run: Run, fitted: Payments, tmp_path: Path) -> None:
    """A value of a customer never stands in a message."""
    assert fitted.rows
    (tmp_path / "rows.csv").write_text(rows)
    assert says in export(run, "--rows", "rows.csv", code=3).output


def test_another_class(run: Run, fitted: Payments) -> None:
    """Only classes that there are can be asked for."""
    assert fitted.rows
    export(run, "--positive", "False")
    output = export(run, "--positive", "fraud", code=3).output
    assert "the classes are `False` and `True`, and neither is `fraud`" in output


def test_it_makes_the_folder_of_a_version(run: Run, fitted: Payments, tmp_path: Path) -> None:
    """A first version has no folder yet, and training makes one too."""
    del fitted
    run(
        "models", "export", "e.skops", "--inputs", "inputs.yaml", "--name", "m", "--version", "2",
        "--out", "models/m/2/model.json",
    )  # fmt: skip
    assert (tmp_path / "models" / "m" / "2" / "model.json").is_file()


def test_another_boosting_is_refused_by_its_name(
    run: Run, fitted: Payments, tmp_path: Path
) -> None:
    """Its trees are whole, and calling them broken sends people after a damaged file."""
    x = np.nan_to_num(fitted.x.astype(np.float64))
    boosting = GradientBoostingClassifier(n_estimators=3).fit(x, fitted.y == 1)
    skops.io.dump(boosting, tmp_path / "e.skops")
    result = export(run, code=3)
    assert "GradientBoostingClassifier has no portable form" in result.stderr
    assert "fit a HistGradientBoostingClassifier" in result.stderr
    assert "broken" not in result.stderr
