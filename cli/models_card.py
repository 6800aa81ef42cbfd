"""`tidegate models card`: the card of a model that was exported, and the files beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.backtest import MappingFile, history_refused
from tidegate.cli.files import keep
from tidegate.cli.inputs import AsJson, PolicyFolder, bad_input, load
from tidegate.cli.models_train import (
    TrainingFile,
    cheapest,
    figures,
    progress_shown,
    refuse_registered,
    training_refused,
)
from tidegate.cli.output import counted, say, say_json
from tidegate.models.manifest import MAX_FILE_BYTES, MODEL_FILE, REQUIRED

if TYPE_CHECKING:
    from tidegate.simulation.training import Trained

SCHEMA = "tidegate.card/1"


def card(
    policy: PolicyFolder,
    mapping: MappingFile,
    training: TrainingFile,
    *,
    model_json: Annotated[
        Path | None,
        typer.Option(
            "--model-json",
            metavar="FILE",
            show_default="the policy's",
            help="The exported model; the files are written beside it.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over a card that nobody registered yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure an exported model on a history, and write its card.

    The model was fitted elsewhere: when it learnt is its owner's word, as the training file has
    it; its figures come from the test window here.
    """
    from tidegate.simulation.carding import card_exported
    from tidegate.simulation.mapping import MappingError
    from tidegate.simulation.training_file import TrainingError, read_training

    loaded = load(policy, without_models=True)
    try:
        read = read_training(training, loaded.program)
        own = loaded.folder / read.model.path / str(read.model.version) / MODEL_FILE
        path = model_json or own
        content = _content(path)
        refuse_registered(path.resolve().parent, read)
        _refuse_to_overwrite(path.parent, replace=replace)
        with progress_shown() as progress:
            carded = card_exported(
                loaded,
                mapping,
                read,
                content,
                model_path=path,
                progress=progress or (lambda _what, _done, _total: None),
            )
    except MappingError as error:
        raise history_refused(error) from None
    except TrainingError as error:
        raise training_refused(error, "no card was written") from None
    files = {name: found for name, found in carded.files.items() if name != MODEL_FILE}
    for name, found in files.items():
        keep(path.with_name(name), found)
    if as_json:
        said = json.loads(files["card.json"])
        names = sorted(files)
        say_json({"schema": SCHEMA, "folder": str(path.parent), "files": names, "card": said})
    else:
        say("\n".join(_lines(carded, path)))


def _content(path: Path) -> bytes:
    if path.name != MODEL_FILE:
        raise bad_input(
            f"`{path}` is not called `{MODEL_FILE}`, as the model of a version is",
            "`tidegate models export … --out models/NAME/VERSION/model.json` writes one",
        )
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise bad_input(
            f"`{path}` cannot be read: {error.strerror}",
            f"`tidegate models export … --out {path}` writes it",
        ) from None


def _refuse_to_overwrite(folder: Path, *, replace: bool) -> None:
    held = [name for name in sorted({*REQUIRED} - {MODEL_FILE}) if (folder / name).exists()]
    if held and not replace:
        raise bad_input(f"`{folder}` holds `{held[0]}` already", "write over it with --replace")


def _lines(carded: Trained, path: Path) -> Iterator[str]:
    card = carded.card
    yield f"{card.model} {card.version}: {card.family.replace('_', ' ')}, exported"
    yield f"tested on {counted(card.test.rows, 'row')}, {card.test.positives:,} {card.label}"
    yield ""
    yield from figures(card)
    yield ""
    yield cheapest(card)
    yield ""
    yield from (f"note: {note}" for note in card.notes)
    yield ""
    yield from (str(path.with_name(name)) for name in sorted(carded.files) if name != MODEL_FILE)
    yield ""
    yield "next:"
    yield f"  look at {path.with_name('card.md')} and {path.with_name('reliability.svg')}"
    yield f"  tidegate models register {path.parent.parent} {card.version}"
