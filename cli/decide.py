"""`tidegate decide`: one event, decided and explained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.inputs import AsJson, PolicyFolder, bad_input, load, managed_lists, read_object
from tidegate.cli.output import ExitCode, Stop, counted, say, say_json

if TYPE_CHECKING:
    from tidegate.engine import Decision, EventRefused

EventFile = Annotated[
    str,
    typer.Argument(
        metavar="EVENT", show_default=False, help="A JSON file with the event; `-` reads it in."
    ),
]


def decide(
    policy: PolicyFolder,
    event: EventFile,
    type_: Annotated[
        str,
        typer.Option("--type", metavar="NAME", help="The event's type, where several are decided."),
    ] = "",
    features: Annotated[
        str,
        typer.Option(metavar="FILE", help='JSON: {"tries_10m": 3, "spend_24h": "35.50 EUR"}.'),
    ] = "",
    scores: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help='JSON: {"fraud_score": 0.91}; or "unavailable", or "abstained".',
        ),
    ] = "",
    lists: Annotated[
        str,
        typer.Option(metavar="FILE", help='JSON, managed lists: {"trusted": ["tok_1"]}.'),
    ] = "",
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="Keep the decision's record there."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide one event and say why.

    Its features and scores are given; nothing is kept but the record that is asked for.
    """
    from tidegate.engine import Engine, EventRefused

    if [event, features, scores, lists].count("-") > 1:
        raise typer.BadParameter("standard input can be read once", param_hint="-")
    loaded = load(policy)
    body = read_object(event)
    given = {name: str(score) for name, score in _object(scores).items()}
    try:
        decision = Engine(loaded).decide(
            body,
            type_,
            features=_object(features),
            scores=given,
            lists=managed_lists(loaded, _object(lists)),
        )
    except EventRefused as refused:
        raise _refused(refused) from None
    if record is not None:
        _write(record, decision.record_bytes)
    if as_json:
        say_json(_as_json(decision))
    else:
        _say(decision, record)


def _object(path: str) -> dict[str, Any]:
    return read_object(path) if path else {}


def _refused(refused: EventRefused) -> Stop:
    found = refused.refusals
    lines = [
        f"error[{r.code}]: {r.message}" + (f"\n  help: {r.help}" if r.help else "") for r in found
    ]
    problems = [
        {"code": r.code, "path": r.path, "message": r.message, "help": r.help} for r in found
    ]
    return Stop(
        ExitCode.BAD_INPUT,
        "event_refused",
        f"the event was refused for {counted(len(found), 'reason')}; nothing was decided",
        problems=problems,
        text="\n".join(lines),
    )


def _write(path: Path, content: bytes) -> None:
    from tidegate.cli.files import replace_file

    try:
        replace_file(path, content)
    except OSError as error:
        raise bad_input(f"the record cannot be kept in `{path}`: {error.strerror}") from None


def _say(decision: Decision, record: Path | None) -> None:
    from tidegate.engine import render_explanation

    say(render_explanation(decision.explain()))
    if record is not None:
        say(f"record {decision.record_hash[:16]} in {record}")


def _as_json(decision: Decision) -> dict[str, Any]:
    from tidegate.engine.record import plain

    record = plain(decision.record)
    return {
        "schema": "tidegate.decide/1",
        "outcome": record["outcome"],
        "record_hash": decision.record_hash,
        "record": record,
    }
