"""`tidegate models train`: what it writes and says, and when it writes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Run, json_of
from tidegate.cli import models_train

TRAIN = ("models", "train", "shop", "shop/mapping.yaml", "shop/models/risk/training.yaml")


@pytest.fixture
def shop(run: Run, tmp_path: Path) -> Path:
    """The example with a model, as `init` writes it."""
    run("init", "shop", "--example", "scored")
    return tmp_path / "shop"


def test_the_same_command_twice_writes_the_same_bytes(run: Run, shop: Path) -> None:
    shipped = (shop / "models" / "risk" / "1" / "model.json").read_bytes()
    said = run(*TRAIN, "--out", "first").stdout
    run(*TRAIN, "--out", "second")
    first = {path.name: path.read_bytes() for path in Path("first").iterdir()}
    assert first == {path.name: path.read_bytes() for path in Path("second").iterdir()}
    assert first["model.json"] == shipped
    assert "risk 1: gradient boosting" in said
    assert "cheapest threshold" in said
    assert "first/card.md" in said
    assert "cp -r first shop/models/risk/1" in said
    assert "tidegate models register shop/models/risk 1" in said


def test_a_policy_without_its_model_can_be_trained(run: Run, shop: Path) -> None:
    folder = shop / "models" / "risk" / "1"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert "TG761" in run("check", "shop", code=1).output
    run("history", "check", "shop", "shop/mapping.yaml")
    run(*TRAIN)
    run("check", "shop")
    assert (folder / "model.json").is_file()


def test_the_result_as_json(run: Run, shop: Path) -> None:
    found = json_of(run(*TRAIN, "--replace", "--json"))
    assert found["schema"] == "tidegate.training/1"
    assert found["card"] == json.loads((shop / "models/risk/1/card.json").read_text())
    assert found["files"] == sorted(path.name for path in (shop / "models/risk/1").iterdir())


def test_a_version_is_not_written_over_unasked(run: Run, shop: Path) -> None:
    card = shop / "models" / "risk" / "1" / "card.json"
    card.write_text("mine")
    result = run(*TRAIN, code=3)
    assert "holds a version already" in result.stderr
    assert card.read_text() == "mine"
    run(*TRAIN, "--replace")
    assert card.read_text() != "mine"


@pytest.mark.parametrize("out", ["mine", "shop/models/risk"])
def test_a_folder_of_other_files_is_never_replaced(run: Run, shop: Path, out: str) -> None:
    """A slip in `--out` would take somebody's files, or the registry with its log, away."""
    folder = shop.parent / out
    folder.mkdir(exist_ok=True)
    kept = folder / "notes.txt"
    kept.write_text("mine")
    result = run(*TRAIN, "--out", str(folder), "--replace", code=3)
    assert "which no training wrote" in result.stderr
    assert kept.read_text() == "mine"


def test_a_folder_below_a_folder_is_never_replaced(run: Run, shop: Path) -> None:
    folder = shop.parent / "trained"
    (folder / "card.json").mkdir(parents=True)
    assert "holds `card.json`" in run(*TRAIN, "--out", str(folder), "--replace", code=3).stderr


def test_texts_of_a_card_are_no_markdown(run: Run, shop: Path) -> None:
    """A merchant's name, or the author, would write headings, figures and pictures into it."""
    payments = shop / "history" / "payments.csv"
    evil = '"m<img src=x onerror=alert(1)> | 1.0000 | **fine** [x](javascript:alert(1))"'
    payments.write_text(payments.read_text().replace(",m-000,", f",{evil},"))
    training = shop / "models" / "risk" / "training.yaml"
    text = training.read_text().replace(
        "  - {field: channel}", "  - {field: channel}\n  - {field: merchant}"
    )
    owner = '"me\\n\\n## How good it is\\n\\n| all | 0.9999 |\\n<script>alert(1)</script>"'
    training.write_text(text.replace("risk@shop.example", owner, 1))
    run(*TRAIN, "--replace")
    card = (shop / "models" / "risk" / "1" / "card.md").read_text()
    assert "<img" not in card
    assert "<script" not in card
    assert "[x](" not in card
    assert card.count("## How good it is\n") == 1
    rows = [line for line in card.splitlines() if "onerror" in line]
    assert rows
    assert all(line.replace("\\|", "").count("|") == rows[0].count("|") - 2 for line in rows)


def test_what_is_registered_never_changes(run: Run, shop: Path) -> None:
    (shop / "models" / "risk" / "log.jsonl").write_text("a log that nobody can read\n")
    before = (shop / "models" / "risk" / "1" / "card.json").read_bytes()
    result = run(*TRAIN, "--replace", code=3)
    assert "version 1 of `risk` is registered" in result.stderr
    assert "model risk version 2" in result.stderr
    assert (shop / "models" / "risk" / "1" / "card.json").read_bytes() == before


@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
def test_a_log_that_is_no_file_counts_as_a_log(run: Run, shop: Path, target: str) -> None:
    """A pipe or a device in its place would hang the command, or eat the memory."""
    log = shop / "models" / "risk" / "log.jsonl"
    if target == "pipe":
        os.mkfifo(log)
    else:
        log.symlink_to(target)
    result = run("models", "train", *TRAIN[2:], "--replace", code=3)
    assert "is registered, and what is registered never changes" in result.output


def test_what_is_wrong_with_a_training_is_said_at_once(run: Run, shop: Path) -> None:
    path = shop / "models" / "risk" / "training.yaml"
    path.write_text(
        path.read_text().replace("delay: 14d", "delay: 7d").replace("by: card", "by: x")
    )
    result = run(*TRAIN, "--replace", code=3)
    assert "split.delay: `fraud` is known only after 2w" in result.stderr
    assert "by: `payment` has no field `x`" in result.stderr
    assert "nothing was trained for 2 reasons" in result.stderr
    found = json_of(run(*TRAIN, "--replace", "--json", code=3))
    assert (found["kind"], len(found["problems"])) == ("training_refused", 2)


def test_what_is_wrong_with_a_history_is_said(run: Run, shop: Path) -> None:
    (shop / "history" / "payments.csv").unlink()
    assert "there is no file" in run(*TRAIN, "--replace", code=3).stderr


def test_a_failed_training_leaves_nothing(run: Run, shop: Path) -> None:
    path = shop / "models" / "risk" / "training.yaml"
    path.write_text(path.read_text().replace("max_iter: 60", "max_iter: 0"))
    run(*TRAIN, "--out", "new/risk", code=3)
    assert not Path("new").exists()


@pytest.mark.parametrize(
    "missing",
    [
        ("hist_gradient_boosting", "sklearn", "scikit-learn"),
        ("explainable_boosting", "interpret", "interpret-core"),
    ],
)
def test_without_the_extra_it_says_what_to_install(
    run: Run, shop: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, str, str]
) -> None:
    estimator, module, package = missing
    path = shop / "models" / "risk" / "training.yaml"
    path.write_text(path.read_text().replace("hist_gradient_boosting", estimator))
    monkeypatch.setattr(models_train, "find_spec", lambda name: None if name == module else name)
    result = run(*TRAIN, code=3)
    assert f"training needs the package `{package}`" in result.stderr
    assert "pip install 'tidegate[train]'" in result.stderr
