"""A new version of a model in a comparison: file, family and cards are told in each form."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.rules.repositories import commit, repository
from tidegate.models.cards import Metric, Window, read_card, write_card
from tidegate.models.reading import read_model, write_model
from tidegate.rules.revisions import read_folder, read_revision
from tidegate.simulation.comparison import Comparison
from tidegate.simulation.comparison_markdown import to_markdown
from tidegate.simulation.comparison_page import to_html
from tidegate.simulation.comparison_report import to_json, to_text
from tidegate.simulation.diff import compare

TRAINED = Window("2026-03-01T00:00:00Z", "2026-04-20T00:00:00Z")


def with_version(folder: Path, version: int, *, card: bool = True) -> None:
    """Put a version of the example's model into the policy: other trees, another card."""
    old, new = (folder / "models" / "risk" / str(one) for one in (1, version))
    new.mkdir(exist_ok=True)
    model = read_model((old / "model.json").read_bytes())
    content = write_model(replace(model, version=version, base=model.base + 10**8))
    (new / "model.json").write_bytes(content)
    found = read_card((old / "card.json").read_bytes())
    metrics = [
        replace(one, value=991_234, low=980_111, high=997_500) if is_auc(one) else one
        for one in found.metrics
    ]
    found = replace(
        found, version=version, model_hash=hashlib.sha256(content).hexdigest(),
        train_window=TRAINED, metrics=tuple(metrics),
    )  # fmt: skip
    if card:
        (new / "card.json").write_bytes(write_card(found))
    text = folder / "policy.tide"
    text.write_text(
        text.read_text().replace("model risk version 1", f"model risk version {version}")
    )


def is_auc(metric: Metric) -> bool:
    """Whether it is the area under the curve of the whole test."""
    return (metric.name, metric.part) == ("auc", "all")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The example with a model, committed."""
    repository(tmp_path)
    shutil.copytree(ROOT / "examples" / "scored", tmp_path / "shop")
    commit(tmp_path, "Rules and a model")
    return tmp_path / "shop"


def compared(shop: Path) -> Comparison:
    """The folder against what was committed."""
    return compare(read_revision(shop, "HEAD"), read_folder(shop)).comparison


def test_a_new_version_is_told_in_every_form(shop: Path) -> None:
    """A report that names a model and nothing of it has nobody look at what came."""
    with_version(shop, 2)
    found = compared(shop)
    hashes = [
        hashlib.sha256((shop / f"models/risk/{v}/model.json").read_bytes()).hexdigest()[:12]
        for v in (1, 2)
    ]
    text = " ".join(to_text(found).split())
    assert "model risk version 1 -> 2 policy.tide:" in text
    assert f"file: {hashes[0]} -> {hashes[1]}" in text
    assert "AUC: 0.980 (0.950 to 0.995) -> 0.991 (0.980 to 0.998)" in text
    assert "trained on: 2026-02-15T23:00:00Z to before 2026-04-05T22:00:00Z -> 2026-03-01" in text
    assert "average precision" not in text
    page, markdown = to_html(found, None, "x"), to_markdown(found, None)
    for told in (page, markdown):
        assert "version 1 &rarr; 2" in told
        assert hashes[1] in told
        assert "0.991 (0.980 to 0.998)" in told
    (one,) = json.loads(to_json(found))["words"]["differences"]
    assert (one["version_before"], one["version_after"]) == (1, 2)
    whats = ["version", "file", "trained on", "AUC"]
    assert [detail["what"] for detail in one["details"]] == whats


def test_another_file_under_the_same_version(shop: Path) -> None:
    """Nothing in the policy's text says that the model is another one."""
    file = shop / "models" / "risk" / "1" / "model.json"
    model = read_model(file.read_bytes())
    file.write_bytes(write_model(replace(model, base=model.base + 1)))
    (one,) = compared(shop).words.differences
    assert (one.kind, one.effect) == ("model", "authority")
    # The card speaks of another file than the one that lies beside it: it says nothing of this one.
    assert [detail.what for detail in one.details] == ["file", "card"]
    assert one.details[1].before.endswith("average precision 0.922 (0.840 to 0.963)")
    assert one.details[1].after == "no card that can be read"


def test_what_a_model_reads_and_may(shop: Path) -> None:
    """Inputs and permissions stand in words as well."""
    text = shop / "policy.tide"
    policy = text.read_text()
    policy = policy.replace("may review, step_up\n", "may review\n")
    text.write_text(
        policy.replace("if unavailable then review because no_score", "if unavailable then skip")
    )
    rules = shop / "rules.tide"
    rules.write_text(
        rules.read_text().replace(
            "then step_up strong because unlikely", "then review because unlikely"
        )
    )
    found = compared(shop)
    model = next(one for one in found.words.differences if one.kind == "model")
    whats = {detail.what for detail in model.details}
    assert {"may", "if unavailable"} <= whats
    assert "file" not in whats
