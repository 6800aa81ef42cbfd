"""`tidegate models card`: an exported model gets its card, is registered, or is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from tests.cli.conftest import Run, json_of
from tests.cli.model_samples import PASSPHRASE
from tests.models.registry_samples import REGISTRY
from tests.simulation.tables import SCORED, scored_policy, scored_training
from tidegate.cli.models_key import row_of
from tidegate.dsl.types import NUMBER
from tidegate.models.export import export_model
from tidegate.models.manifest import REQUIRED
from tidegate.models.reading import read_model, write_model
from tidegate.simulation.training_estimators import design
from tidegate.simulation.training_split import split_rows
from tidegate.simulation.training_table import gather
from tidegate.vault.key_file import make_key_file

CARD = ("models", "card", "shop", "shop/mapping.yaml", "own.yaml")
OWN = """\
model: risk
estimator: exported
label: fraud
split:
  train: {from: 2026-02-16, until: 2026-04-06}
  delay: 14d
  test: {from: 2026-04-20, until: 2026-05-23}
by: card
alerts_per_day: 5
replicates: 20
owner: risk@shop.example
intended_use: Ask for a confirmation of card payments that are unlike their card
limits: [Trained on made-up payments of one shop]
"""


@pytest.fixture
def version(run: Run, tmp_path: Path) -> Path:
    """The folder of a version that holds a model and nothing else, and a training file."""
    run("init", "shop", "--example", "scored")
    folder = tmp_path / "shop" / "models" / "risk" / "1"
    for path in folder.iterdir():
        if path.name != "model.json":
            path.unlink()
    (tmp_path / "own.yaml").write_text(OWN)
    return folder


def change(path: Path, old: str, new: str) -> None:
    """Change a text that a file holds once."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def register(run: Run, models: Path) -> str:
    """Register version 1 by somebody who may."""
    Path("passphrase").write_text(PASSPHRASE)
    signer = make_key_file(Path("ada.key.pem"), "ada", PASSPHRASE.encode())
    people = f"registry: {REGISTRY}\npeople:\n{row_of(signer, ['author'])}\n"
    (models / "people.yaml").write_text(people)
    return run(
        "models", "register", str(models / "risk"), "1", "--key", "ada.key.pem",
        "--passphrase-file", "passphrase", "--reason", "ours", "--at", "2026-11-25T09:00:00Z",
    ).output  # fmt: skip


def fitted_elsewhere() -> tuple[bytes, float]:
    """An estimator of somebody's own, columns in another order than the policy's, and its area."""
    policy, training = scored_policy(), scored_training(abstain_outside=())
    table = gather(policy, SCORED / "mapping.yaml", training)
    parts = split_rows(table, training, policy.program.zone)
    made = design(table, parts.train, training, "EUR")
    specs = made.specs[::-1]
    texts = [place for place, spec in enumerate(specs) if spec.is_text]
    estimator = HistGradientBoostingClassifier(
        max_iter=20, categorical_features=texts, early_stopping=False, random_state=3
    )
    estimator.fit(made.rows(parts.train)[:, ::-1], parts.train_labels[parts.train].astype(np.int64))
    model = export_model(estimator, specs, name="risk", version=1)
    said = estimator.predict_proba(made.rows(parts.test)[:, ::-1])[:, 1]
    return write_model(model), float(roc_auc_score(parts.test_labels[parts.test], said))


def test_an_exported_model_gets_its_card_and_is_registered(run: Run, version: Path) -> None:
    """A model of somebody's own could never serve, or its figures would be of other columns."""
    content, area = fitted_elsewhere()
    (version / "model.json").write_bytes(content)
    said = run(*CARD).stdout
    assert "risk 1: gradient boosting, exported" in said
    assert "tidegate models register shop/models/risk 1" in said
    assert sorted(path.name for path in version.iterdir()) == sorted(REQUIRED)
    assert (version / "model.json").read_bytes() == content
    card: Any = json.loads((version / "card.json").read_text())
    (auc,) = (m["value"] for m in card["metrics"] if (m["name"], m["part"]) == ("auc", "all"))
    assert auc == pytest.approx(area * 10**6, abs=200)
    assert card["export"]["rows"] == card["train"]["rows"] == 0
    assert card["test"]["rows"] > 0
    assert card["parameters"] == {"estimator": "exported"}
    assert card["notes"][0].endswith("declared by the owner; the training was not seen here")
    assert not any("cut-off: taken" in note for note in card["notes"])
    page = (version / "card.md").read_text()
    assert "| against the library's own probability | not compared |" in page
    assert "| not seen here |" in page
    assert "risk version 1 is registered" in register(run, version.parents[1])
    run("check", "shop")


def test_a_version_that_is_registered_gets_no_other_card(run: Run, version: Path) -> None:
    """What was reviewed would not be what lies there."""
    run(*CARD)
    register(run, version.parents[1])
    before = (version / "card.json").read_bytes()
    result = run(*CARD, "--replace", code=3)
    assert "version 1 of `risk` is registered" in result.stderr
    assert (version / "card.json").read_bytes() == before


def test_a_card_is_not_written_over_unasked(run: Run, version: Path) -> None:
    (version / "card.json").write_text("mine")
    assert "holds `card.json` already" in run(*CARD, code=3).stderr
    assert (version / "card.json").read_text() == "mine"
    found = json_of(run(*CARD, "--replace", "--json"))
    assert found["schema"] == "tidegate.card/1"
    assert found["files"] == sorted(set(REQUIRED) - {"model.json"})
    assert found["card"] == json.loads((version / "card.json").read_text())


def test_a_model_that_lies_elsewhere_gets_its_files_beside_it(run: Run, version: Path) -> None:
    folder = Path("new/risk/1")
    folder.mkdir(parents=True)
    (version / "model.json").rename(folder / "model.json")
    assert "`tidegate models export" in run(*CARD, code=3).stderr
    run(*CARD, "--model-json", "new/risk/1/model.json")
    assert sorted(path.name for path in folder.iterdir()) == sorted(REQUIRED)
    assert not list(version.iterdir())
    other = (folder / "model.json").rename(folder / "m.json")
    assert "is not called `model.json`" in run(*CARD, "--model-json", str(other), code=3).stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("reads amount, ratio,", "reads amount,", "inputs.ratio: is nothing that the policy gives"),
        ("model risk version 1", "model risk version 2", "the policy declares `risk` version 2"),
    ],
)
def test_a_model_that_does_not_fit_the_policy_is_refused(
    run: Run, version: Path, old: str, new: str, said: str
) -> None:
    """Its figures would be of what it never learnt."""
    change(version.parents[2] / "policy.tide", old, new)
    model = str(version / "model.json")
    result = run(*CARD, "--model-json", model, code=3)
    assert said in result.stderr
    assert "no card was written for" in result.stderr
    assert [path.name for path in version.iterdir()] == ["model.json"]


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        (
            "tries_1h",
            {"name": "tries_9h"},
            "it has no input `tries_1h`, which the policy gives",
        ),
        ("amount", {"currency": "USD"}, "inputs.amount: is in USD, and the policy in EUR"),
        (
            "tries_1h",
            {"type": NUMBER},
            "inputs.tries_1h: is a number, and a count in the policy",
        ),
    ],
)
def test_a_model_with_other_inputs_is_refused(
    run: Run, version: Path, name: str, changes: dict[str, Any], said: str
) -> None:
    path = version / "model.json"
    model = read_model(path.read_bytes())
    inputs = tuple(
        replace(entry, **changes) if entry.name == name else entry for entry in model.inputs
    )
    path.write_bytes(write_model(replace(model, inputs=inputs)))
    assert said in run(*CARD, code=3).stderr


def test_no_model_is_no_model(run: Run, version: Path) -> None:
    (version / "model.json").write_text("{}")
    assert "no card was written" in run(*CARD, code=3).stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "test: {from: 2026-04-20, until: 2026-05-23}",
            'test: {from: "2026-04-20T01:00:00Z", until: "2026-04-20T01:00:01Z"}',
            "split.test: holds 0 rows",
        ),
        ("until: 2026-05-23}", "until: 2027-05-23}", "split.test.until: is after the history's"),
        ("exported", "exported\nparameters: {max_iter: 3}", "parameters: is of a training"),
        ("exported", "exported\nabstain_outside: [amount]", "abstain_outside: is of a training"),
        ("exported", "random_forest", "is trained by `tidegate models train`"),
    ],
)
def test_a_training_file_that_cannot_serve_is_refused(
    run: Run, version: Path, old: str, new: str, said: str
) -> None:
    change(Path("own.yaml"), old, new)
    assert said in run(*CARD, code=3).stderr
    assert [path.name for path in version.iterdir()] == ["model.json"]


def test_an_exported_model_is_not_trained(run: Run, version: Path) -> None:
    train = ("models", "train", *CARD[2:])
    result = run(*train, "--out", "new/risk/1", code=3)
    assert "an exported model is not trained here" in result.stderr
    assert "`tidegate models card` writes its card" in result.stderr
    assert not (version / "card.json").exists()


def test_a_model_that_never_answers_is_refused(run: Run, version: Path) -> None:
    """A card without a figure would be written, or the command would break."""
    path = version / "model.json"
    model = read_model(path.read_bytes())
    inputs = tuple(
        replace(entry, low=1, high=1) if entry.name == "amount" else entry for entry in model.inputs
    )
    path.write_bytes(write_model(replace(model, inputs=inputs)))
    assert "abstains on every row of the test" in run(*CARD, code=3).stderr
