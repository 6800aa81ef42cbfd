"""Training a model from a policy: read, split, fit, export, compare, measure, write down.

The result is one folder of a model version. The same policy, history and training file give the
same `model.json`, byte for byte, with the same versions of the libraries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tidegate.dsl.program import Program
from tidegate.engine.decision import Policy
from tidegate.engine.event import HashToken, keep_token
from tidegate.engine.values import format_duration, format_time
from tidegate.models.card_page import card_markdown
from tidegate.models.cards import (
    CARD_SCHEMA,
    Card,
    Export,
    Sample,
    Scalar,
    Window,
    write_card,
)
from tidegate.models.plain_data import write_plain
from tidegate.models.portable import PortableModel
from tidegate.models.reading import write_model
from tidegate.models.reference import write_reference
from tidegate.models.scored import ScoredColumns
from tidegate.rules.input_meanings import input_meanings
from tidegate.simulation.checked_mapping import load_mapping
from tidegate.simulation.mapping import Problem
from tidegate.simulation.needs import names_in
from tidegate.simulation.plain_program import fingerprint
from tidegate.simulation.rows import some_rows
from tidegate.simulation.score_measures import ScoredRows
from tidegate.simulation.thresholds import threshold_table
from tidegate.simulation.times import Flags, days_of
from tidegate.simulation.training_estimators import (
    Design,
    check_parameters,
    design,
    fit,
    versions_of,
)
from tidegate.simulation.training_file import Parameter, Span, Training, TrainingError
from tidegate.simulation.training_measures import all_metrics
from tidegate.simulation.training_plot import reliability_plot
from tidegate.simulation.training_reference import contributions_of, reference_of
from tidegate.simulation.training_scores import check_export, compare, score_rows
from tidegate.simulation.training_split import Parts, split_rows
from tidegate.simulation.training_table import TrainingTable, features_behind, gather

MODEL_FILE: Final = "model.json"
CARD_FILE: Final = "card.json"

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done and how much there is (0: not known)."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A model version: the model, its card, and the files of its folder by name.

    `scored` has the scores of the rows of `test`, over the whole table of the training.
    """

    model: PortableModel
    card: Card
    files: Mapping[str, bytes]
    scored: ScoredColumns
    test: Flags


def train(
    policy: Policy,
    mapping_path: Path,
    training: Training,
    *,
    progress: Progress | None = None,
    hash_token: HashToken = keep_token,
) -> Trained:
    """Train the model that `training` names, on the history of the mapping.

    MappingError says what is wrong with the history, TrainingError with the training.
    """
    tell = progress or _tell_nobody
    check_parameters(training)
    table = gather(
        policy,
        mapping_path,
        training,
        progress=lambda done, total: tell("reading the history", done, total),
        hash_token=hash_token,
    )
    return train_on(table, policy, mapping_path, training, progress=progress)


def train_on(
    table: TrainingTable,
    policy: Policy,
    mapping_path: Path,
    training: Training,
    *,
    progress: Progress | None = None,
) -> Trained:
    """The same for a table that was read before, by a model that reads the same."""
    tell = progress or _tell_nobody
    program = policy.program
    check_parameters(training)
    parts = split_rows(table, training, program.zone)
    made = design(table, parts.train, training, program.currency)
    tell(f"fitting {training.estimator}", 0, 0)
    estimator, said = _fitted(training, made, parts)
    tell("exporting", 0, 0)
    model, bound = _exported(estimator, made, training)
    scored = score_rows(model, table, parts.test)
    found = compare(estimator, made, parts.test, scored, bound)
    check_export(found, training)
    tell("measuring", 0, 0)
    return write_down(
        table=table,
        parts=parts,
        policy=policy,
        mapping_path=mapping_path,
        training=training,
        model=model,
        scored=scored,
        export=found,
        content=write_model(model),
        said=said,
    )


def write_down(
    *,
    table: TrainingTable,
    parts: Parts,
    policy: Policy,
    mapping_path: Path,
    training: Training,
    model: PortableModel,
    scored: ScoredColumns,
    export: Export,
    content: bytes,
    said: tuple[str, ...],
) -> Trained:
    """The files of a version whose model, `content`, gave the rows of the test these scores.

    The columns of `table` are in the order of the model's inputs. `said` are the first notes.
    """
    card = _card(
        table=table,
        parts=parts,
        policy=policy,
        mapping_path=mapping_path,
        training=training,
        model=model,
        scored=scored,
        export=export,
        content=content,
        said=said,
    )
    files = _files(
        table=table, parts=parts, program=policy.program, model=model, card=card, content=content
    )
    return Trained(model, card, files, scored, parts.test)


def _tell_nobody(_what: str, _done: int, _total: int) -> None:
    pass


def _fitted(training: Training, made: Design, parts: Parts) -> tuple[object, tuple[str, ...]]:
    try:
        return fit(training, made, parts.train, parts.train_labels)
    except (ValueError, TypeError) as error:
        said = str(error).partition("\n")[0]
        message = f"{training.estimator} does not take them: {said}"
        raise TrainingError([Problem(str(training.path), "parameters", message)]) from None


def _exported(estimator: object, made: Design, training: Training) -> tuple[PortableModel, float]:
    """The portable model and the bound of its distance from the library's, in millionths."""
    from tidegate.models.export import ExportRefused, export_model, quantisation_bound

    try:
        model = export_model(
            estimator, made.specs, name=training.model.name, version=training.model.version
        )
    except ExportRefused as refused:
        raise TrainingError(
            Problem(str(training.path), "estimator", reason.message, reason.help)
            for reason in refused.reasons
        ) from None
    return model, quantisation_bound(model)


# --- the card ----------------------------------------------------------------------------------


def _card(
    *,
    table: TrainingTable,
    parts: Parts,
    policy: Policy,
    mapping_path: Path,
    training: Training,
    model: PortableModel,
    scored: ScoredColumns,
    export: Export,
    content: bytes,
    said: tuple[str, ...],
) -> Card:
    program, split = policy.program, training.split
    places = np.flatnonzero(parts.test)[scored.answered]
    measured = ScoredRows(
        scored.scores[scored.answered],
        parts.test_labels[places],
        table.by[places],
        days_of(table.at_us[places], program.zone),
    )
    segments = [some_rows(column, places) for column in table.segments]
    abstained = int((~scored.answered).sum())
    notes = [*said, *parts.notes, *table.notes]
    if abstained:
        notes.insert(0, f"{abstained:,} rows of the test got no score: in no figure of it")
    return Card(
        schema=CARD_SCHEMA,
        model=model.name,
        version=model.version,
        family=model.family,
        policy=program.name,
        event=training.event.name,
        label=training.label.name,
        owner=training.owner,
        intended_use=training.intended_use,
        limits=training.limits,
        out_of_scope=training.out_of_scope,
        train_window=_window(split.train),
        test_window=_window(split.test),
        label_cutoff=format_time(split.cutoff_us),
        label_delay=format_duration(training.label.after_us),
        data_hash=data_hash(mapping_path, program),
        features_hash=features_hash(policy, training),
        inputs=input_meanings(program, training.model),
        model_hash=hashlib.sha256(content).hexdigest(),
        train=_sample(parts.train & training.is_seen, parts.train_labels),
        test=_sample(parts.test, parts.test_labels),
        split=_split(training),
        parameters=_parameters(training),
        libraries=versions_of(training),
        currency=program.currency,
        minor_digits=program.minor_digits,
        costs=training.costs,
        metrics=tuple(all_metrics(measured, segments, training, program)),
        thresholds=threshold_table(measured, table.money[places], training.costs),
        export=export,
        notes=tuple(notes),
    )


def _window(span: Span) -> Window:
    return Window(format_time(span.start_us), format_time(span.end_us))


def _sample(rows: Flags, labels: Flags) -> Sample:
    return Sample(int(rows.sum()), int((rows & labels).sum()))


def _split(training: Training) -> dict[str, Scalar]:
    split = training.split
    return {
        "alerts_per_day": training.alerts_per_day,
        "by": training.by,
        "delay": format_duration(split.delay_us),
        "replicates": training.replicates,
        "seed": training.seed,
        "without_known": split.without_known or None,
    }


def _parameters(training: Training) -> dict[str, Scalar]:
    if not training.is_seen:
        return {"estimator": training.estimator}
    given = {name: _scalar(value) for name, value in training.parameters.items()}
    return {"estimator": training.estimator, **given, "random_state": training.random_state}


def _scalar(value: Parameter) -> Scalar:
    return value if isinstance(value, str | int | bool | None) else str(value)


def data_hash(mapping_path: Path, program: Program) -> str:
    """SHA-256 of the mapping and of every file of the history, whatever folder they lie in."""
    mapping = load_mapping(mapping_path, program)
    whole = hashlib.sha256(mapping.hash.encode())
    for source in mapping.sources:
        for path in source.files:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"\n{source.event.name} {path.name} {digest}".encode())
    return whole.hexdigest()


def features_hash(policy: Policy, training: Training) -> str:
    """SHA-256 of what the model's inputs mean: lets, features, labels and lists behind them."""
    program, model = policy.program, training.model
    features = features_behind(program, model)
    labels = {name for feature in features for name in feature.labels} | {training.label.name}
    behind = names_in((*model.reads, model.use_when))
    meaning = (
        model.read_names,
        model.reads,
        model.use_when,
        features,
        tuple(label for label in program.labels if label.name in labels),
        tuple(field for field in training.event.fields if field.name in behind),
        program.currency,
        program.zone,
    )
    return fingerprint(meaning, policy.lists)


# --- the folder --------------------------------------------------------------------------------


def _files(
    *,
    table: TrainingTable,
    parts: Parts,
    program: Program,
    model: PortableModel,
    card: Card,
    content: bytes,
) -> dict[str, bytes]:
    rows = parts.reference
    reads = tuple(read.at(rows) for read in table.reads)
    scored = score_rows(model, table, rows, contributions=True)
    contributions = contributions_of(model, reads, scored, card.test_window, program.currency)
    reference = reference_of(
        model,
        reads,
        scored,
        model_hash=card.model_hash,
        window=card.test_window,
        known=parts.known[rows],
        positive=parts.test_labels[rows],
    )
    return {
        MODEL_FILE: content,
        CARD_FILE: write_card(card),
        "card.md": card_markdown(card, contributions, program.zone),
        "contributions.json": write_plain(contributions),
        "reference.json": write_reference(reference),
        "reliability.svg": reliability_plot(card),
    }
