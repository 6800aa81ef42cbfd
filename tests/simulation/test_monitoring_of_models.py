"""Watching a model that is scored here: its inputs, its contributions, what it was trained on."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.simulation.scored_histories import keep_model
from tests.simulation.watched_histories import POLICY, Draw, unchanged, watched
from tidegate.dsl.types import COUNTRY, FLAG, MONEY, TEXT, Kind, Type
from tidegate.models.cards import Window
from tidegate.models.portable import Axis, Input, PortableModel, TableTerm
from tidegate.models.reading import write_model
from tidegate.models.reference import Distribution, Reference, count_bins, write_reference
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.model_references import read_references
from tidegate.simulation.monitoring import Wanted, monitor
from tidegate.simulation.monitoring_page import to_html
from tidegate.simulation.monitoring_report import to_json, to_text
from tidegate.simulation.monitoring_result import ModelMonitoring

DEVICES = ("phone", "tablet", "desktop")
UNIT = 10**9
WINDOW = Window("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z")
CUTS = (2_000, 4_000, 10_000, 30_000)
MODEL = PortableModel(
    "inside", 1, "additive", "logit",
    (
        Input("amount", MONEY, "EUR", (), 0, 100_000),
        Input("new", FLAG),
        Input("device", Type(Kind.WORD, DEVICES), "", DEVICES),
    ),
    -3 * UNIT,
    (
        TableTerm((Axis(0, CUTS),), (-UNIT, -UNIT // 2, 0, UNIT // 2, 2 * UNIT, 0)),
        TableTerm((Axis(1, (1,)),), (-UNIT // 4, UNIT, 0)),
        TableTerm((Axis(2),), (-UNIT // 2, UNIT // 2, UNIT // 4, 0, 0)),
    ),
)  # fmt: skip
POLICY_INSIDE = POLICY.replace(
    """model vendor version 7 external
  score risk
""",
    """model inside version 1
  from "models/inside"
  reads new, device, amount
  score risk
""",
)


def modelled(
    folder: Path,
    spoil: object = unchanged,
    *,
    reference: Reference | None = None,
    rows: int = 8_000,
) -> ModelMonitoring:
    """What watching says of the model over such a history."""
    keep_model(folder / "policy", MODEL)
    place = folder / "policy" / "models" / "inside" / "1"
    if reference is not None:
        (place / "reference.json").write_bytes(write_reference(reference))
    policy, mapping = watched(folder, spoil, policy=POLICY_INSIDE, scores=False, rows=rows)  # type: ignore[arg-type]  # a Spoil
    references = read_references(policy)
    (found,) = monitor(policy, mapping, Wanted(), references=references).models
    return found


def alarms(found: ModelMonitoring) -> dict[str, list[str]]:
    """What alarms, by kind."""
    told: dict[str, list[str]] = {}
    for alarm in found.alarms:
        told.setdefault(alarm.kind, []).append(alarm.subject)
    return told


def honest(drawn: Draw) -> None:
    """Frauds as the model expects them."""
    total = _total(drawn) / UNIT
    drawn.columns["fraud"] = drawn.rng.random(drawn.rows) < 1 / (1 + np.exp(-total))


def _total(drawn: Draw) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    columns = drawn.columns
    cents = np.round(columns["amount"].astype(np.float64) * 100).astype(np.int64)
    terms = MODEL.terms
    assert all(isinstance(term, TableTerm) for term in terms)
    amount, new, device = (np.array(term.values) for term in terms if isinstance(term, TableTerm))
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        MODEL.base
        + amount[np.searchsorted(CUTS, cents, side="right")]
        + new[columns["new"].astype(np.int64)]
        + device[np.array([DEVICES.index(str(d)) for d in columns["device"]])]
    )
    return found


def test_a_model_that_does_what_it_did(tmp_path: Path) -> None:
    """Neither its inputs nor its shares nor its calibration move."""
    found = modelled(tmp_path, honest)
    assert not found.alarms
    assert found.hash == hashlib.sha256(write_model(MODEL)).hexdigest()
    assert [shift.name for shift in found.shifts] == ["risk", "new", "device", "amount"]
    assert sum(term.before for term in found.attribution) == pytest.approx(1_000_000, abs=3)
    assert found.calibration is not None
    assert found.answers.scored + found.answers.abstained == found.now.rows


def takes_over(drawn: Draw) -> None:
    """C42: where everybody is new, being new makes the scores."""
    honest(drawn)
    drawn.set("new", drawn.late, drawn.rng.random(drawn.rows) < 0.95)


def test_one_input_takes_over(tmp_path: Path) -> None:
    """C42: its share before and after stand in the report, and it alarms."""
    found = modelled(tmp_path, takes_over)
    told = alarms(found)
    assert "new" in told["attribution"]
    assert "new" in told["shift"]
    assert "device" not in told["shift"]
    term = next(term for term in found.attribution if term.inputs == ("new",))
    assert term.now - term.before > 100_000
    assert term.low > 0


def too_many(drawn: Draw) -> None:
    """Twice the frauds that it expects."""
    odds = 1 / (1 + np.exp(-_total(drawn) / UNIT))
    drawn.columns["fraud"] = drawn.rng.random(drawn.rows) < np.minimum(2 * odds, 1)


def test_a_model_that_is_off(tmp_path: Path) -> None:
    """A model of ours promises chances, so that twice as many frauds alarm."""
    found = modelled(tmp_path, too_many)
    assert alarms(found) == {"calibration": ["inside"]}
    assert found.calibration is not None
    assert found.calibration.fraud * 1000 > found.calibration.high


def larger(drawn: Draw) -> None:
    """Amounts beyond what it was trained on."""
    honest(drawn)
    drawn.set("amount", drawn.rng.random(drawn.rows) < 0.05, 1_500.0)


def test_a_model_that_abstains(tmp_path: Path) -> None:
    """C39: it was trained up to 1000.00 EUR and says nothing of 1500."""
    found = modelled(tmp_path, larger)
    assert "inside" in alarms(found)["silent"]
    assert found.answers.abstained == pytest.approx(found.now.rows * 0.05, rel=0.3)


def reference_of(drawn_as: tuple[int, ...] = (0, 1, 2)) -> Reference:
    """What it was trained on: as many of each device as `drawn_as` says, all else as here."""
    rng = np.random.default_rng(99)
    cents = np.round(np.exp(rng.normal(3.5, 1.0, 50_000)) * 100 + 100).astype(np.int64)
    shares = np.array([25_000, 10_000, 15_000])[list(drawn_as)]
    return Reference(
        schema="tidegate-reference/1", model="inside", version=1,
        model_hash=hashlib.sha256(write_model(MODEL)).hexdigest(), window=WINDOW, rows=50_000,
        labelled=50_000, positives=1_000, abstained=0, epsilon=100,
        inputs=(
            Distribution("amount", CUTS, (), count_bins(CUTS, cents), 0),
            Distribution("new", (1,), (), (40_000, 10_000), 0),
            Distribution("device", (), DEVICES, (*shares.tolist(), 0), 0),
        ),
        score=Distribution("risk", (20_000,), (), (1, 0), 0), contributions=(),
    )  # fmt: skip


def test_against_what_it_was_trained_on(tmp_path: Path) -> None:
    """A history that has not moved since last week may be far from the training all the same."""
    found = modelled(tmp_path / "same", reference=reference_of())
    told = {shift.name: shift for shift in found.shifts}
    assert told["device"].origin == "training"
    assert told["device"].rows_before == 50_000
    assert not told["device"].alarm
    assert not told["amount"].alarm
    other = modelled(tmp_path / "other", reference=reference_of((1, 0, 2)))
    assert "device" in alarms(other)["shift"]


def test_a_reference_of_another_file(tmp_path: Path) -> None:
    """A model trained again under its old version is held against what it never saw."""
    strange = replace(reference_of(), model_hash="0" * 64)
    with pytest.raises(MappingError, match=r"another file than `model\.json`"):
        modelled(tmp_path, reference=strange)


def test_a_reference_that_is_none(tmp_path: Path) -> None:
    """A broken file falls back to the history, and nobody hears of it."""
    keep_model(tmp_path / "policy", MODEL)
    (tmp_path / "policy" / "models" / "inside" / "1" / "reference.json").write_text("{")
    policy, _ = watched(tmp_path, policy=POLICY_INSIDE, scores=False, rows=500)
    with pytest.raises(MappingError, match=r"reference\.json"):
        read_references(policy)


ABSTAINING = PortableModel(
    "inside", 1, "additive", "logit",
    (
        Input("origin", COUNTRY, "", ("FR", "DE")),
        Input("amount", MONEY, "EUR", (), 500, 10_000),
        Input("id", TEXT, "", ("p1", "p2"), takes_unknown=True),
        Input("ticket", TEXT, "", ("fine",)),
    ),
    -3 * UNIT,
    (TableTerm((Axis(1, CUTS),), (-UNIT, -UNIT // 2, 0, UNIT // 2, 2 * UNIT, 0)),),
)  # fmt: skip


def test_why_a_model_abstains(tmp_path: Path) -> None:
    """A share of 9 % without a score, and nobody knows which input it is."""
    keep_model(tmp_path / "policy", ABSTAINING)
    text = POLICY_INSIDE.replace("reads new, device, amount", "reads origin, amount, id, ticket")
    text = text.replace("label fraud", "let ticket = lower(id)\n\nlabel fraud", 1)
    policy, mapping = watched(tmp_path, policy=text, scores=False, rows=3_000)
    found = monitor(policy, mapping, Wanted(draws=2))
    (model,) = found.models
    causes = {(one.input, one.value): one for one in model.abstentions}
    assert set(causes) == {("origin", "ES"), ("amount", ""), ("ticket", "")}
    assert sum(one.now for one in model.abstentions) == model.answers.abstained
    assert sum(one.before for one in model.abstentions) == model.answers_before.abstained
    below = [one.reason for one in model.abstentions if one.input == "amount"]
    assert sorted(below) == [
        "`amount` is above 100.00 EUR, the most it was trained on",
        "`amount` is below 5.00 EUR, the least it was trained on",
    ]
    assert causes["ticket", ""].reason == "`ticket` is none of the 1 texts that it was trained on"
    spanish = causes["origin", "ES"]
    assert spanish.now == pytest.approx(model.now.rows / 10, rel=0.2)
    text, page, kept = to_text(found), to_html(found), to_json(found)
    assert "`origin` is none of the 2 texts that it was trained on: `ES`" in text
    assert "<code>ES</code>" in page
    assert '"value": "ES"' in kept
    # A ticket is whatever somebody wrote: none is named as the cause.
    assert not any(re.search(r"p[0-9]", one.reason + one.value) for one in model.abstentions)
    (silent,) = [alarm.said for alarm in model.alarms if alarm.kind == "silent"]
    assert "most of all `ticket` is none of the 1 texts" in silent
