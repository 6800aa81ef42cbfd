"""`tidegate decide`: one event, decided and explained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.explain import Audience, AudienceOption, text_of
from tidegate.cli.files import keep
from tidegate.cli.inputs import AsJson, PolicyFolder, read_object
from tidegate.cli.output import ExitCode, Stop, counted, say, say_json
from tidegate.cli.serving import People, Serving, load_serving

if TYPE_CHECKING:
    from tidegate.engine import Decision, EventRefused

EventFile = Annotated[
    str,
    typer.Argument(
        metavar="EVENT",
        show_default=False,
        help="A JSON file with the event; `-` is standard input.",
    ),
]


def decide(
    policy: PolicyFolder,
    body: EventFile,
    *,
    event: Annotated[
        str,
        typer.Option(metavar="NAME", help="The event's type, where several are decided."),
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
        typer.Option(
            metavar="FILE",
            show_default=False,
            readable=False,
            help="Keep the decision's record there.",
        ),
    ] = None,
    audience: AudienceOption = Audience.ANALYST,
    serving: Serving = False,
    people: People = None,
    as_json: AsJson = False,
) -> None:
    """Decide one event and say why.

    Its features are given, and so are external scores; a score that is given for a model of the
    policy stands in the place of what it says. Nothing is kept but the record that is asked for.
    Without `--serving` the policy's models are those under work, and each score says so.
    """
    from tidegate.engine import Engine, EventRefused

    if [body, features, scores, lists].count("-") > 1:
        raise typer.BadParameter("standard input can be read once", param_hint="-")
    loaded = load_serving(policy, serving, people)
    try:
        decision = Engine(loaded, given_scores=bool(scores)).decide(
            read_object(body),
            event,
            features=_object(features),
            scores=_object(scores),
            lists=_object(lists),
        )
    except EventRefused as refused:
        raise _refused(
            refused, "" if features else "give features with `--features FILE`"
        ) from None
    if record is not None:
        keep(record, decision.record_bytes)
    if as_json:
        say_json(_as_json(decision, audience))
    else:
        _say(decision, record, audience)


def _object(path: str) -> dict[str, Any]:
    return read_object(path) if path else {}


def _refused(refused: EventRefused, without_features: str) -> Stop:
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
        help_=without_features if any(r.code == "missing_feature" for r in found) else "",
        problems=problems,
        text="\n".join(lines),
    )


def _say(decision: Decision, record: Path | None, audience: Audience) -> None:
    say(text_of(decision.explain(audience.value), decision.outcome.word))
    if audience is Audience.ANALYST:
        for line in _beside(decision):
            say(line)
    if record is not None:
        say(f"record {decision.record_hash[:16]} in {record}")


def _beside(decision: Decision) -> Iterator[str]:
    """What comes with a decision and is no part of why it fell."""
    outcome = decision.record.outcome
    if outcome.points:
        yield f"points: {outcome.points}"
    if outcome.tags:
        yield f"tags: {', '.join(outcome.tags)}"
    yield from (f"advice: {name} = {value}" for name, value in outcome.advice.items())


def _as_json(decision: Decision, audience: Audience) -> dict[str, Any]:
    """All that was decided; for the customer nothing but what the customer may hear."""
    from tidegate.engine.record import plain

    found = {"schema": "tidegate.decide/1", "word": decision.outcome.word}
    explanation = {"explanation": asdict(decision.explain(audience.value))}
    if audience is Audience.CUSTOMER:
        return found | explanation
    record = plain(decision.record)
    return {
        **found,
        "outcome": record["outcome"],
        "record_hash": decision.record_hash,
        "record": record,
        **explanation,
    }
