"""Training on the example's history: the same model every time, and every file says the truth."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from tests.simulation.tables import SCORED, TRAINING, scored_policy, scored_training, written
from tidegate.engine.column_batch import CodedColumn, IntegerColumn
from tidegate.models.card_page import card_markdown
from tidegate.models.cards import read_card
from tidegate.models.contributions import Contributions
from tidegate.models.plain_data import read_plain
from tidegate.models.portable import TableTerm
from tidegate.models.reading import read_model
from tidegate.models.reference import read_reference
from tidegate.models.scoring import compile_scorer
from tidegate.rules import load_policy
from tidegate.rules.models import none_serves
from tidegate.simulation.backtest import DryRun
from tidegate.simulation.mapping import MappingError
from tidegate.simulation.training import Trained, data_hash, features_hash, train
from tidegate.simulation.training_estimators import design, fit
from tidegate.simulation.training_file import TrainingError, read_training
from tidegate.simulation.training_plot import WIDTH
from tidegate.simulation.training_scores import check_export, compare, score_rows
from tidegate.simulation.training_split import split_rows
from tidegate.simulation.training_table import TrainingTable, gather

MAPPING = SCORED / "mapping.yaml"


@pytest.fixture(scope="module")
def trained() -> Trained:
    """The example's model, trained by the example's own files."""
    return train(scored_policy(), MAPPING, scored_training())


@pytest.fixture(scope="module")
def table() -> TrainingTable:
    """What it is trained on."""
    return gather(scored_policy(), MAPPING, scored_training())


# --- the files ---------------------------------------------------------------------------------


def test_the_shipped_model_comes_out_of_the_shipped_training(trained: Trained) -> None:
    """Byte for byte; only the card may name other versions of the libraries."""
    shipped = SCORED / "models" / "risk" / "1"
    assert sorted(trained.files) == sorted(path.name for path in shipped.iterdir())
    for name, content in trained.files.items():
        if not name.startswith("card."):
            assert (shipped / name).read_bytes() == content, name
    libraries = read_card((shipped / "card.json").read_bytes()).libraries
    assert replace(trained.card, libraries=libraries) == read_card(
        (shipped / "card.json").read_bytes()
    )


def test_the_card_is_whole_and_of_this_model(trained: Trained) -> None:
    card = read_card(trained.files["card.json"])
    assert card == trained.card
    assert card.missing_fields == ()
    assert card.model_hash == hashlib.sha256(trained.files["model.json"]).hexdigest()
    assert read_model(trained.files["model.json"]) == trained.model
    assert (card.export.beyond, card.export.rows) == (0, card.test.rows)
    text = trained.files["card.md"].decode()
    for said in (card.owner, card.data_hash, card.features_hash, card.model_hash, *card.limits):
        assert said in text


def test_no_card_is_named_anywhere(trained: Trained) -> None:
    for name, content in trained.files.items():
        assert b"tok_" not in content, name


def test_scores_are_those_of_one_event_at_a_time(trained: Trained, table: TrainingTable) -> None:
    """Monitoring and thresholds would speak of scores that no decision ever sees."""
    scorer = compile_scorer(trained.model)
    places = np.flatnonzero(trained.test)
    for place in Random(1).sample(range(len(places)), 200):
        row = places[place]
        values: list[Any] = []
        for read in table.reads:
            value = int(read.values[row])
            known = read.texts[value] if read.texts else value
            values.append(known if read.valid[row] else None)
        assert scorer.score(values).score == int(trained.scored.scores[place])


def test_contributions_add_up_to_all_of_the_scores(trained: Trained) -> None:
    found = json.loads(trained.files["contributions.json"])
    assert {tuple(term["inputs"]) for term in found["terms"]} == set(
        trained.model.contribution_names
    )
    assert sum(term["share"] for term in found["terms"]) == pytest.approx(10**6, abs=20)
    for term in found["terms"]:
        assert sum(part["rows"] for part in term["shape"]) == found["rows"]


def test_the_reference_counts_every_row(trained: Trained, table: TrainingTable) -> None:
    reference = read_reference(trained.files["reference.json"])
    inside = (table.at_us >= scored_training().split.test.start_us) & (
        table.at_us < scored_training().split.test.end_us
    )
    assert reference.rows == int(inside.sum())
    for distribution, read in zip(reference.inputs, table.reads, strict=True):
        assert distribution.rows == reference.rows
        assert distribution.missing == int((~read.valid[inside]).sum())
    assert sum(reference.score.counts) + reference.abstained == reference.rows
    assert reference.positives == int((table.reported_us[inside] <= table.end_us).sum())


def test_the_page_is_for_people(trained: Trained) -> None:
    """Reviewers would meet Python's words, another clock than theirs, figures without a scale."""
    text = trained.files["card.md"].decode()
    assert "None" not in text
    assert "False" not in text
    assert "| training | 2026-02-16 00:00 to before 2026-04-06 00:00 |" in text
    assert "by the clock in Europe/Paris" in text
    assert "It was chosen on the rows that its cost is measured on" in text
    assert "**Read scores as an order, not as shares.**" in text
    near = tuple(
        replace(m, value=1) if m.name == "calibration_error" else m for m in trained.card.metrics
    )
    contributions = read_plain(Contributions, trained.files["contributions.json"], "it")
    better = card_markdown(replace(trained.card, metrics=near), contributions, "UTC").decode()
    assert "Read scores as an order" not in better
    assert "| training | 2026-02-15 23:00 to before 2026-04-05 22:00 |" in better


def test_card_precision_has_its_ceiling_beside_it(trained: Trained) -> None:
    """A tenth would look bad where a day has no more frauds than that to be found."""
    found = {m.name: m for m in trained.card.metrics if m.part == "all"}
    reached, most = found["card_precision_at_5"], found["most_card_precision_at_5"]
    assert reached.value is not None
    assert most.value is not None
    assert reached.value < most.value < 10**6
    assert (reached.value, most.value) == (90_909, 109_091)  # 18 of 165 alerts could find one


def test_the_plot_says_what_its_marks_are(trained: Trained) -> None:
    """Nobody would know what a larger dot means, and rare fraud would lie on the axis."""
    svg = fromstring(trained.files["reliability.svg"])  # noqa: S314 - made here
    texts = " ".join(text.text or "" for text in svg.iter("{http://www.w3.org/2000/svg}text"))
    for said in ("dot:", "bar: 95 % interval", "dashed:", "square roots"):
        assert said in texts
    first = svg.find("{http://www.w3.org/2000/svg}circle")
    assert first is not None
    lowest = min(m.value or 0 for m in trained.card.metrics if m.name == "mean_score")
    width = WIDTH - 122
    assert float(first.attrib["cx"]) - 92 > 5 * width * lowest / 10**6


def test_the_plot_shows_every_bin(trained: Trained) -> None:
    svg = fromstring(trained.files["reliability.svg"])  # noqa: S314 - made here
    dots = svg.findall("{http://www.w3.org/2000/svg}circle")
    bins = [m for m in trained.card.metrics if m.name == "share_of_positives"]
    assert len(dots) == len(bins) >= 5
    assert sum(metric.sample.rows for metric in bins) == trained.card.test.rows


# --- the table ---------------------------------------------------------------------------------


def test_the_table_is_what_decisions_see(table: TrainingTable) -> None:
    """Fields, features and lets, as the dry run has them at each decision."""
    run = DryRun(scored_policy(), MAPPING, also={"payment": frozenset({"channel", "ip_country"})})
    training, seen = scored_training(), 0
    by_name = {read.name: read for read in table.reads}
    for batch in run.batches():
        at_us = batch.rows.at_us
        inside = np.flatnonzero(
            (at_us >= training.split.train.start_us) & (at_us < training.split.test.end_us)
        )
        for name in ("amount", "tries_7d", "channel"):
            column, read = batch.columns[name], by_name[name]
            part = slice(seen, seen + len(inside))
            if isinstance(column, CodedColumn):
                texts = [column.dictionary[code] for code in column.codes[inside]]
                assert [read.texts[code] for code in read.values[part]] == texts
            else:
                assert isinstance(column, IntegerColumn)
                assert read.values[part].tolist() == column.values[inside].tolist()
        seen += len(inside)
    assert seen == table.rows


def test_slices_of_the_history_change_nothing(table: TrainingTable) -> None:
    cut = gather(scored_policy(), MAPPING, scored_training(), chunk_rows=700)
    for mine, other in zip(cut.reads, table.reads, strict=True):
        assert mine.texts == other.texts
        assert mine.values.tolist() == other.values.tolist()
        assert mine.valid.tolist() == other.valid.tolist()
    assert cut.by.tolist() == table.by.tolist()
    assert cut.reported_us.tolist() == table.reported_us.tolist()


def test_the_history_is_read_no_further_than_the_test(table: TrainingTable) -> None:
    split = scored_training().split
    assert table.at_us[0] >= split.train.start_us
    assert table.at_us[-1] < split.test.end_us


# --- what cannot serve -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("from: 2026-02-16", "from: 2026-02-15", "split.train.from", "windows over `payment` are"),
        (
            "until: 2026-05-23",
            "until: 2026-06-07",
            "split.test.until",
            "is after the history's end",
        ),
        ("max_iter: 60", "max_itr: 60", "parameters.max_itr", "has no such parameter"),
        ("max_iter: 60", "n_jobs: 2", "parameters.n_jobs", "is set by the training itself"),
        ("max_iter: 60", "max_iter: -1", "parameters", "hist_gradient_boosting does not take"),
    ],
)
def test_trainings_that_cannot_be(
    tmp_path: Path, old: str, new: str, key: str, message: str
) -> None:
    text = TRAINING.read_text()
    assert text.count(old) == 1
    path = written(tmp_path / "training.yaml", text.replace(old, new))
    training = read_training(path, scored_policy().program)
    with pytest.raises(TrainingError) as raised:
        train(scored_policy(), MAPPING, training)
    (problem,) = raised.value.problems
    assert problem.key == key
    assert message in problem.message


def test_a_history_without_the_label_is_refused(tmp_path: Path) -> None:
    shutil.copytree(SCORED, tmp_path / "scored")
    mapping = tmp_path / "scored" / "mapping.yaml"
    head, _, _ = mapping.read_text().partition("    labels:")
    mapping.write_text(head)
    with pytest.raises(TrainingError, match="the history tells no `fraud`"):
        train(scored_policy(), mapping, scored_training())
    mapping.write_text(head.replace("card: card", "crd: card"))
    with pytest.raises(MappingError):
        train(scored_policy(), mapping, scored_training())


def test_a_fit_that_did_not_converge_is_noted() -> None:
    reads = ("amount", "tries_7d", "merchant_risk")
    model = scored_policy().program.model("risk")
    pairs = [pair for pair in zip(model.read_names, model.reads, strict=True) if pair[0] in reads]
    names, expressions = zip(*pairs, strict=True)
    model = replace(model, read_names=names, reads=expressions)
    training = scored_training(
        model=model, estimator="logistic_regression", parameters={"max_iter": 2}
    )
    found = train(scored_policy(), MAPPING, training)
    assert "the fit stopped before it converged: raise `max_iter`" in found.card.notes
    assert found.model.family == "logistic_regression"


def test_a_portable_model_that_is_not_the_librarys_is_refused(table: TrainingTable) -> None:
    """The bound would only be a number in a card."""
    training = scored_training(estimator="explainable_boosting", parameters={"interactions": 0})
    from tidegate.models.export import export_model, quantisation_bound

    parts = split_rows(table, training, "Europe/Paris")
    made = design(table, parts.train, training, "EUR")
    estimator, _ = fit(training, made, parts.train, parts.train_labels)
    model = export_model(estimator, made.specs, name="risk", version=1)
    bound = quantisation_bound(model)
    found = compare(estimator, made, parts.test, score_rows(model, table, parts.test), bound)
    assert (found.beyond, found.rows) == (0, int(parts.test.sum()))
    check_export(found, training)
    term = model.terms[0]
    assert isinstance(term, TableTerm)
    moved = replace(term, values=tuple(value + 10**6 for value in term.values))
    wrong = replace(model, terms=(moved, *model.terms[1:]))
    found = compare(estimator, made, parts.test, score_rows(wrong, table, parts.test), bound)
    assert found.beyond > 0
    with pytest.raises(TrainingError, match="differs from the library's own"):
        check_export(found, training)


# --- hashes ------------------------------------------------------------------------------------


def test_the_hash_of_the_data_is_of_its_bytes(tmp_path: Path) -> None:
    program = scored_policy().program
    shutil.copytree(SCORED, tmp_path / "elsewhere")
    mapping = tmp_path / "elsewhere" / "mapping.yaml"
    assert data_hash(mapping, program) == data_hash(MAPPING, program)
    file = tmp_path / "elsewhere" / "history" / "payments.csv"
    file.write_bytes(file.read_bytes().replace(b"p000001", b"p00000x"))
    assert data_hash(mapping, program) != data_hash(MAPPING, program)


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("policy.tide", "by card over 7d", "by card over 8d", True),
        ("policy.tide", "= hour(at)", "= hour(at) + 1", True),
        ("policy.tide", "28d delayed 14d where fraud", "21d delayed 14d where fraud", True),
        ("policy.tide", 'timezone "Europe/Paris"', 'timezone "UTC"', True),
        ("policy.tide", "may review, step_up", "may review", False),
        ("rules.tide", "amount > 1000 EUR", "amount > 900 EUR", False),
    ],
)  # fmt: skip
def test_the_hash_of_the_features_is_of_their_meaning(
    tmp_path: Path, file: str, old: str, new: str, changes: bool
) -> None:
    shutil.copytree(SCORED, tmp_path / "other")
    path = tmp_path / "other" / file
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    rules = tmp_path / "other" / "rules.tide"
    if new == "may review":  # else the rule asks for more than the model may
        rules.write_text(rules.read_text().replace("then step_up strong because unlikely", "then review because unlikely"))  # fmt: skip  # noqa: E501
    policy = load_policy(tmp_path / "other", serving=none_serves)
    training = read_training(TRAINING, policy.program)
    before = features_hash(scored_policy(), scored_training())
    assert (features_hash(policy, training) != before) is changes
