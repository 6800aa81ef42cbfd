"""`tidegate models train`: a model version from a policy, a history and a training file."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.backtest import MappingFile, history_refused
from tidegate.cli.inputs import AsJson, PolicyFolder, bad_input, load
from tidegate.cli.output import ExitCode, Stop, console_of, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.models.cards import Card
    from tidegate.rules import Policy
    from tidegate.simulation.training import Progress, Trained
    from tidegate.simulation.training_file import Training, TrainingError

TrainingFile = Annotated[
    Path,
    typer.Argument(metavar="TRAINING", show_default=False, help="The YAML file of the training."),
]
SCHEMA = "tidegate.training/1"
_NEEDED = {"sklearn": "scikit-learn", "threadpoolctl": "threadpoolctl"}
_NEEDED_BY = {"explainable_boosting": {"interpret": "interpret-core"}}


def train(
    policy: PolicyFolder,
    mapping: MappingFile,
    training: TrainingFile,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default="the model's in the policy",
            help="Write the version's files there.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over a version that nobody registered yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a model of a policy on a history.

    Writes one folder: the portable model, its card, what its scores are made of, a reliability plot
    and what monitoring compares with. Nothing serves before it is registered and approved.
    """
    from tidegate.simulation.mapping import MappingError
    from tidegate.simulation.training import train as run
    from tidegate.simulation.training_file import TrainingError, read_training

    _need(_NEEDED)
    loaded = load(policy, without_models=True)
    try:
        read = read_training(training, loaded.program)
        _need(_NEEDED_BY.get(read.estimator, {}))
        folder = out or loaded.folder / read.model.path / str(read.model.version)
        _refuse_to_overwrite(folder, read, replace=replace)
        with progress_shown() as progress:
            trained = run(loaded, mapping, read, progress=progress)
    except MappingError as error:
        raise history_refused(error) from None
    except TrainingError as error:
        raise training_refused(error, "nothing was trained") from None
    _write(folder, trained.files)
    if as_json:
        card = json.loads(trained.files["card.json"])
        files = sorted(trained.files)
        say_json({"schema": SCHEMA, "folder": str(folder), "files": files, "card": card})
    else:
        say("\n".join(_lines(trained, folder, loaded, read)))


def _need(modules: Mapping[str, str]) -> None:
    """A stop where a library of the extra is not installed."""
    for module, package in modules.items():
        if find_spec(module) is None:
            raise bad_input(
                f"training needs the package `{package}`", "pip install 'tidegate[train]'"
            )


def training_refused(error: TrainingError, ending: str) -> Stop:
    """A stop that says all that is wrong; `ending` says what was not done."""
    found = error.problems
    return Stop(
        ExitCode.BAD_INPUT,
        "training_refused",
        f"{ending} for {counted(len(found), 'reason')}",
        problems=[
            {"file": p.file, "key": p.key, "message": p.message, "help": p.help} for p in found
        ],
        text="\n".join(f"error: {problem}" for problem in found),
    )


# --- the folder --------------------------------------------------------------------------------


def _refuse_to_overwrite(folder: Path, training: Training, *, replace: bool) -> None:
    refuse_registered(folder, training)
    from tidegate.models.manifest import REQUIRED

    if not folder.exists():
        return
    held = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    foreign = [path for path in held if path.name not in REQUIRED or not path.is_file()]
    if foreign:
        raise bad_input(
            f"`{folder}` holds `{foreign[0].name}`, which no training wrote, and would lose it",
            "give a folder of the version's own, such as `models/NAME/VERSION`",
        )
    if held and not replace:
        raise bad_input(
            f"`{folder}` holds a version already",
            "raise the version in the policy, or write over it with --replace",
        )


def refuse_registered(folder: Path, training: Training) -> None:
    """A stop where the log beside this folder of a version names the version."""
    name, version = training.model.name, training.model.version
    if _is_registered(folder.parent, name, version):
        raise bad_input(
            f"version {version} of `{name}` is registered, and what is registered never changes",
            f"raise its version in the policy: `model {name} version {version + 1}`",
        )


def _is_registered(folder: Path, name: str, version: int) -> bool:
    """Whether a log beside the versions names this one; one that cannot be read counts as such."""
    from tidegate.models.ordinary_files import read_ordinary
    from tidegate.models.registry_log import LOG_FILE, MAX_LOG_BYTES, read_log

    try:
        content = read_ordinary(folder / LOG_FILE, MAX_LOG_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    lines = read_log(content, name)
    return not isinstance(lines, tuple) or any(line.entry.version == version for line in lines)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """The whole folder or none of it; files of an earlier training go."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            for name, content in files.items():
                (draft / name).write_bytes(content)
            draft.chmod(0o755)
            if folder.exists():
                shutil.rmtree(folder)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        raise bad_input(f"`{folder}` cannot be written: {error.strerror}") from None


# --- what is said ------------------------------------------------------------------------------


def _lines(trained: Trained, folder: Path, policy: Policy, training: Training) -> Iterator[str]:
    card = trained.card
    yield f"{card.model} {card.version}: {card.family.replace('_', ' ')}"
    yield (
        f"trained on {counted(card.train.rows, 'row')}, {card.train.positives:,} {card.label};"
        f" tested on {counted(card.test.rows, 'row')}, {card.test.positives:,} {card.label}"
    )
    yield ""
    yield from figures(card)
    yield ""
    yield cheapest(card)
    yield (
        f"equal to the library's own probability in {counted(card.export.rows, 'row')}:"
        f" at most {card.export.largest_difference} apart"
    )
    yield ""
    yield from (f"note: {note}" for note in card.notes)
    yield ""
    yield from (str(folder / name) for name in sorted(trained.files))
    yield ""
    yield "next:"
    yield f"  look at {folder / 'card.md'} and {folder / 'reliability.svg'}"
    own = policy.folder / training.model.path
    if folder.resolve() != (own / str(card.version)).resolve():
        yield f"  copy it to the policy: cp -r {folder} {own / str(card.version)}"
    yield f"  tidegate check {policy.folder}"
    yield f"  tidegate models register {own} {card.version}"


def figures(card: Card) -> Iterator[str]:
    """The figures of the whole test, a line each."""
    for metric in card.metrics:
        if metric.part != "all" or metric.value is None:
            continue
        shown = f"{metric.name.replace('_', ' '):30}{metric.value / 10**6:.4f}"
        if metric.low is not None and metric.high is not None:
            shown += f"  ({metric.low / 10**6:.4f} to {metric.high / 10**6:.4f})"
        yield shown


def cheapest(card: Card) -> str:
    """What the cheapest threshold would have done."""
    from tidegate.engine.values import format_money

    row = min(card.thresholds, key=lambda found: found.cost_minor)
    return (
        f"cheapest threshold {row.threshold / 10**6:.6f}: {counted(row.flagged, 'row')} flagged,"
        f" {row.caught:,} of {card.test.positives:,} {card.label} caught,"
        f" cost {format_money(row.cost_minor, card.currency)}"
    )


@contextmanager
def progress_shown() -> Iterator[Progress | None]:
    """What is being done, on standard error while it is a terminal, else nothing at all."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console_of(sys.stderr), transient=True) as bars:
        tasks = {"": bars.add_task("looking at the files", total=None)}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for task in tasks.values():
                    bars.update(task, visible=False)
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield tell
