"""The card of a model that was fitted elsewhere and exported: measured here on the test window.

Where and when it learnt is its owner's word; its figures are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.program import Model
from tidegate.dsl.types import Kind
from tidegate.engine.decision import Policy
from tidegate.models.cards import Export
from tidegate.models.portable import PortableModel
from tidegate.models.reading import read_model
from tidegate.models.refusals import ModelRefused
from tidegate.simulation.mapping import Problem
from tidegate.simulation.training import Progress, Trained, write_down
from tidegate.simulation.training_file import Training, TrainingError
from tidegate.simulation.training_scores import score_rows
from tidegate.simulation.training_split import split_rows
from tidegate.simulation.training_table import gather

DECLARED: Final = (
    "training window and label cut-off: declared by the owner; the training was not seen here"
)


def card_exported(
    policy: Policy,
    mapping_path: Path,
    training: Training,
    content: bytes,
    *,
    model_path: Path,
    progress: Progress,
) -> Trained:
    """The version whose `model.json` is `content`, with all of its files.

    MappingError says what is wrong with the history, TrainingError with the training or the model.
    """
    if training.is_seen:
        message = f"{training.estimator} is trained by `tidegate models train`"
        help_ = "write `exported` for a model that was fitted elsewhere"
        raise TrainingError([Problem(str(training.path), "estimator", message, help_)])
    model = _read(content, model_path)
    problems = [
        Problem(str(model_path), key, message, help_)
        for key, message, help_ in _misfits(model, training.model, policy.program.currency)
    ]
    if problems:
        raise TrainingError(problems)
    table = gather(
        policy,
        mapping_path,
        training,
        progress=lambda done, total: progress("reading the history", done, total),
    )
    reads = {read.name: read for read in table.reads}
    table = replace(table, reads=tuple(reads[entry.name] for entry in model.inputs))
    parts = split_rows(table, training, policy.program.zone)
    progress("measuring", 0, 0)
    scored = score_rows(model, table, parts.test)
    if not scored.answered.any():
        message = "the model abstains on every row of the test"
        help_ = "look at `low`, `high` and `categories` of its inputs"
        raise TrainingError([Problem(str(model_path), "inputs", message, help_)])
    return write_down(
        table=table,
        parts=parts,
        policy=policy,
        mapping_path=mapping_path,
        training=training,
        model=model,
        scored=scored,
        export=Export(bound="", largest_difference="", rows=0, beyond=0),
        content=content,
        said=(DECLARED,),
    )


def _read(content: bytes, path: Path) -> PortableModel:
    try:
        return read_model(content)
    except ModelRefused as refused:
        raise TrainingError(Problem(str(path), "", said) for said in refused.problems) from None


def _misfits(
    model: PortableModel, declared: Model, currency: str
) -> Iterator[tuple[str, str, str]]:
    """Key, message and help for all that the model has otherwise than the policy declares it."""
    if (model.name, model.version) != (declared.name, declared.version):
        message = (
            f"it is `{model.name}` version {model.version}, and the policy declares"
            f" `{declared.name}` version {declared.version}"
        )
        yield "name", message, "export it by the name and version that the policy declares"
    read = dict(zip(declared.read_names, declared.reads, strict=True))
    wanted = {entry.name: entry for entry in model.inputs}
    for name in read.keys() - wanted.keys():
        yield "inputs", f"it has no input `{name}`, which the policy gives", nearest(name, wanted)
    for name, entry in wanted.items():
        if name not in read:
            help_ = nearest(name, read) or f"write `reads {', '.join(wanted)}` in the policy"
            yield f"inputs.{name}", "is nothing that the policy gives", help_
            continue
        type_ = read[name].type
        if type_.kind is not entry.type.kind:
            message = f"is a {entry.type}, and a {type_} in the policy"
            yield f"inputs.{name}", message, f"export it as {type_}"
        elif type_.kind is Kind.MONEY and entry.currency != currency:
            message = f"is in {entry.currency}, and the policy in {currency}"
            yield f"inputs.{name}", message, "a model is trained on the currency that it reads"
