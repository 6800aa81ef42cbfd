"""`tidegate models export`: a fitted estimator in a skops file, as a portable model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.files import keep
from tidegate.cli.inputs import AsJson, bad_input
from tidegate.cli.output import ExitCode, Stop, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.models.export import ExportRefused, InputSpec
    from tidegate.models.export.row_checks import RowCheck
    from tidegate.models.portable import PortableModel


def export(
    estimator: Annotated[
        Path,
        typer.Argument(
            metavar="ESTIMATOR", show_default=False, readable=False, help="A skops file."
        ),
    ],
    *,
    inputs: Annotated[
        Path,
        typer.Option(
            "--inputs",
            metavar="FILE",
            show_default=False,
            readable=False,
            help="YAML: the columns of X.",
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="What the policy calls the model.")],
    version: Annotated[int, typer.Option("--version", help="The model's version, from 1.")],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", show_default=False, help="Where model.json goes."),
    ],
    rows: Annotated[
        Path | None,
        typer.Option(
            "--rows",
            metavar="FILE",
            show_default=False,
            readable=False,
            help="CSV of policy values: compare each row with `predict_proba`.",
        ),
    ] = None,
    positive: Annotated[
        str,
        typer.Option("--positive", metavar="CLASS", help="The class whose probability it gives."),
    ] = "1",
    as_json: AsJson = False,
) -> None:
    """Make a portable model of a fitted estimator.

    Refuses what cannot be represented exactly. Needs the extra `train`; serving does not.
    """
    from tidegate.models.export import ExportRefused

    _check_extra()
    try:
        _export(
            estimator,
            inputs,
            name=name,
            version=version,
            out=out,
            rows=rows,
            positive=positive,
            as_json=as_json,
        )
    except ExportRefused as refused:
        raise _refused(refused) from None


def _export(
    estimator: Path,
    inputs: Path,
    *,
    name: str,
    version: int,
    out: Path,
    rows: Path | None,
    positive: str,
    as_json: bool,
) -> None:
    from tidegate.models.export import export_model, quantisation_bound
    from tidegate.models.export.skops_files import read_skops
    from tidegate.models.reading import write_model

    fitted = read_skops(estimator)
    specs = _specs(inputs)
    wanted = _class_named(fitted, positive)
    model = export_model(fitted, specs, name=name, version=version, positive=wanted)
    check = _check(fitted, model, specs, rows, wanted) if rows else None
    if check is not None and check.beyond:
        raise _differs(check)
    content = write_model(model)
    _make_folder(out)
    keep(out, content)
    bound = quantisation_bound(model)
    if as_json:
        say_json(_as_json(model, content, bound, check, out))
    else:
        say(_as_text(model, content, bound, check, out))


def _make_folder(out: Path) -> None:
    """The folder of a version that is written for the first time."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise bad_input(f"`{out.parent}` cannot be made: {error.strerror}") from None


def _check_extra() -> None:
    from importlib.util import find_spec

    absent = [name for name in ("sklearn", "interpret", "skops") if find_spec(name) is None]
    if absent:
        raise bad_input(
            f"{', '.join(absent)}: not installed here",
            "the export runs offline, where models are fitted: `pip install tidegate[train]`",
        )


def _specs(path: Path) -> tuple[InputSpec, ...]:
    from tidegate.dsl.diagnostics import Diagnostic
    from tidegate.models.export.input_files import specs_of
    from tidegate.rules.strict_yaml import read_yaml

    found = read_yaml(path, str(path), "TG183")
    if isinstance(found, Diagnostic):
        where = f"`{path}`, line {found.line}" if found.line else f"`{path}`"
        raise bad_input(f"{where}: {found.message}", found.help)
    return specs_of(found[1])


def _class_named(fitted: Any, positive: str) -> object:
    """The class that is written so; the text itself where there is none, which is refused then."""
    for value in getattr(fitted, "classes_", ()):
        written = {str(value), str(int(value))} if isinstance(value, float | bool) else {str(value)}
        if positive in written or (positive == "1" and str(value) == "True"):
            return value
    return positive


def _check(
    fitted: Any, model: PortableModel, specs: tuple[InputSpec, ...], path: Path, positive: object
) -> RowCheck:
    from tidegate.models.export.row_checks import check_rows, read_rows

    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = read_rows(stream, specs)
    except UnicodeDecodeError:
        raise bad_input(f"`{path}` is not UTF-8") from None
    return check_rows(fitted, model, specs, rows, positive=positive)


def _differs(check: RowCheck) -> Stop:
    assert check.first is not None
    shown = f"{check.first.score} is not {10**6 * check.first.probability:.3f} in row"
    return Stop(
        ExitCode.FAILED,
        "scores_differ",
        f"{counted(check.beyond, 'row')} of {check.compared:,} differ by more than "
        f"{check.bound:.4f} millionths; nothing was written ({shown} {check.first.row:,})",
        help_="look at `scale` and `categories` of the inputs, and at the unit of the rows",
    )


def _refused(refused: ExportRefused) -> Stop:
    reasons = refused.reasons
    text = "\n".join(f"error: {r.message}\n  help: {r.help}" for r in reasons[:-1])
    return Stop(
        ExitCode.BAD_INPUT,
        "export_refused",
        reasons[-1].message,
        help_=reasons[-1].help,
        problems=[{"message": reason.message, "help": reason.help} for reason in reasons],
        text=text,
    )


def _as_text(
    model: PortableModel, content: bytes, bound: float, check: RowCheck | None, out: Path
) -> str:
    parts = counted(len(model.trees), "tree") if model.trees else counted(len(model.terms), "term")
    family, inputs = model.family.replace("_", " "), counted(len(model.inputs), "input")
    lines = [
        f"{model.name} version {model.version}: {family}, {inputs}, {parts}",
        f"scores are within {bound:.4f} millionths of the library's probabilities",
    ]
    if check is not None:
        lines.append(
            f"{counted(check.compared, 'row')} compared, the largest difference is "
            f"{check.largest:.4f}; {counted(check.abstained, 'row')} on which it abstains"
        )
    lines.append(f"{out}: {counted(len(content), 'byte')}")
    return "\n".join(lines)


def _as_json(
    model: PortableModel, content: bytes, bound: float, check: RowCheck | None, out: Path
) -> dict[str, Any]:
    from hashlib import sha256

    return {
        "schema": "tidegate.models.export/1",
        "file": str(out),
        "sha256": sha256(content).hexdigest(),
        "name": model.name,
        "version": model.version,
        "family": model.family,
        "inputs": [entry.name for entry in model.inputs],
        "bound_millionths": bound,
        "rows": None
        if check is None
        else {
            "compared": check.compared,
            "abstained": check.abstained,
            "largest_millionths": check.largest,
        },
    }
