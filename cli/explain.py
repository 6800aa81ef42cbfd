"""`tidegate explain`: a recorded decision, or a diagnostic code."""

from __future__ import annotations

import re
from dataclasses import asdict
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.inputs import AsJson, PolicyOption, bad_input, load, read_record
from tidegate.cli.output import say, say_json

if TYPE_CHECKING:
    from tidegate.engine import Record
    from tidegate.engine.explanation import Explanation
    from tidegate.rules import Policy

CODE = re.compile(r"TG\d{3}", re.IGNORECASE)


class Audience(StrEnum):
    """For whom a decision is explained."""

    ANALYST = "analyst"
    CUSTOMER = "customer"


AudienceOption = Annotated[
    Audience, typer.Option(help="The customer hears no rule and no threshold.")
]
NO_MESSAGE = "nothing: the policy has no message for this"
APPROVED = "nothing: the payment was approved"


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="CODE|RECORD",
            show_default=False,
            help="A code such as TG301, or a record of `decide --record`.",
        ),
    ],
    policy: PolicyOption = Path(),
    audience: AudienceOption = Audience.ANALYST,
    rule: Annotated[str, typer.Option(metavar="NAME", help="Why this rule fired or did not.")] = "",
    as_json: AsJson = False,
) -> None:
    """Explain a diagnostic code or a decision."""
    if CODE.fullmatch(what):
        _explain_code(what.upper(), as_json)
    else:
        _explain_record(read_record(what), load(policy), audience, rule, as_json)


def text_of(explanation: Explanation, word: str) -> str:
    """An explanation for people; a customer who may hear nothing is no empty line."""
    return str(explanation) or (APPROVED if word == "approve" else NO_MESSAGE)


def codes() -> dict[str, str]:
    """Every diagnostic code with its page."""
    return {
        page.name.removesuffix(".md"): page.read_text(encoding="utf-8")
        for page in (files("tidegate.cli") / "pages").iterdir()
        if CODE.fullmatch(page.name.removesuffix(".md"))
    }


def _explain_code(code: str, as_json: bool) -> None:
    page = codes().get(code)
    if page is None:
        raise bad_input(f"there is no code `{code}`")
    if as_json:
        say_json({"schema": "tidegate.page/1", "code": code, "page": page})
    else:
        say(page.rstrip("\n"))


def _explain_record(
    record: Record, policy: Policy, audience: Audience, rule: str, as_json: bool
) -> None:
    from tidegate.engine import explain as explained
    from tidegate.engine import explain_rule as explained_rule
    from tidegate.engine.explanation import UnknownRuleError

    if record.policy.hash != policy.hash:
        raise bad_input(
            f"the record is of policy {record.policy.hash[:16]}, this is {policy.hash[:16]}",
            "explain it with the policy as it was then; `tidegate replay` compares the two",
        )
    program = policy.program
    try:
        found: Any
        if rule:
            found = explained_rule(program, record, rule)
            text = str(found)
        else:
            found = explained(program, record, audience.value)
            text = text_of(found, record.outcome.word)
    except UnknownRuleError as error:
        unknown, _, near = str(error).partition("; ")
        raise bad_input(unknown, near) from None
    if as_json:
        say_json({"schema": "tidegate.explain/1", "explanation": asdict(found)})
    else:
        say(text)
