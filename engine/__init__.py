"""The engine: one event in, one recorded, explained and repeatable decision out.

Time, history, list contents and scores come in as arguments; the engine reads no clock, no disk
and no network. To embed it:

    from tidegate import Engine, load_policy

    engine = Engine(load_policy("policy"))
    decision = engine.decide({"id": "p-1", "at": "2026-11-23T10:00:00Z", "amount": "12.34 EUR"})
    decision.outcome.word           # approve, review, step_up or decline
    decision.record_bytes           # keep these first

The names are resolved when they are first asked for: a part of the engine costs that part alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.engine.decision import Decision, Engine, EventRefused
    from tidegate.engine.event import Admitted, Refusal
    from tidegate.engine.explanation import explain, explain_rule
    from tidegate.engine.explanation_text import render_explanation, render_rule
    from tidegate.engine.record import Record, RecordError, parse_record, record_hash
    from tidegate.engine.replay import ReplayResult
    from tidegate.engine.situation import Outcome

__all__ = [
    "Admitted",
    "Decision",
    "Engine",
    "EventRefused",
    "Outcome",
    "Record",
    "RecordError",
    "Refusal",
    "ReplayResult",
    "explain",
    "explain_rule",
    "parse_record",
    "record_hash",
    "render_explanation",
    "render_rule",
]

_HOMES = {
    "Admitted": "event",
    "Decision": "decision",
    "Engine": "decision",
    "EventRefused": "decision",
    "Outcome": "situation",
    "Record": "record",
    "RecordError": "record",
    "Refusal": "event",
    "ReplayResult": "replay",
    "explain": "explanation",
    "explain_rule": "explanation",
    "parse_record": "record",
    "record_hash": "record",
    "render_explanation": "explanation_text",
    "render_rule": "explanation_text",
}


def __getattr__(name: str) -> object:
    """Resolve a public name from the file that owns it, once."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, whether they have been resolved or not."""
    return sorted({*globals(), *__all__})
