"""`tidegate explain`: a recorded decision, or a diagnostic code."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tidegate.cli.inputs import AsJson, PolicyOption, bad_input, read_record
from tidegate.cli.output import ExitCode, Stop, say, say_json
from tidegate.cli.serving import People, Serving, load_serving

if TYPE_CHECKING:
    from tidegate.engine import Record
    from tidegate.engine.explanation import Explanation
    from tidegate.rules import Policy

CODE = re.compile(r"TG\d{3}", re.IGNORECASE)


class Audience(StrEnum):
    """For whom a decision is explained."""

    ANALYST = "analyst"
    CUSTOMER = "customer"


class Word(StrEnum):
    """What a decision may say."""

    APPROVE = "approve"
    REVIEW = "review"
    STEP_UP = "step_up"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a counterfactual is asked for."""

    to: Literal["approve", "review", "step_up", "decline"]
    keep: tuple[str, ...]
    missing: bool


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
    *,
    policy: PolicyOption = Path(),
    audience: AudienceOption = Audience.ANALYST,
    rule: Annotated[str, typer.Option(metavar="NAME", help="Why this rule fired or did not.")] = "",
    counterfactual: Annotated[
        bool,
        typer.Option(
            "--counterfactual", help="The smallest changes that would have led elsewhere."
        ),
    ] = False,
    to: Annotated[Word, typer.Option(help="Where they lead.")] = Word.APPROVE,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", show_default=False, help="An input or list to hold."),
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Let present inputs be missing, too.")
    ] = False,
    serving: Serving = False,
    people: People = None,
    as_json: AsJson = False,
) -> None:
    """Explain a diagnostic code or a decision."""
    if CODE.fullmatch(what):
        _explain_code(what.upper(), as_json)
    elif counterfactual:
        _check_audience(audience)
        asked = Asked(to.value, tuple(keep or ()), missing)
        _explain_otherwise(read_record(what), load_serving(policy, serving, people), asked, as_json)
    else:
        _explain_record(
            read_record(what), load_serving(policy, serving, people), audience, rule, as_json
        )


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

    _check_policy(record, policy)
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


def _check_policy(record: Record, policy: Policy) -> None:
    if record.policy.hash != policy.hash:
        raise bad_input(
            f"the record is of policy {record.policy.hash[:16]}, this is {policy.hash[:16]}",
            "explain it with the policy as it was then; `tidegate replay` compares the two",
        )


def _check_audience(audience: Audience) -> None:
    if audience is Audience.CUSTOMER:
        raise Stop(
            ExitCode.USAGE,
            "not_for_customers",
            "what would have been approved is not told to customers: it teaches fraud",
            help_="leave out `--counterfactual` for what a customer may hear",
        )


def _explain_otherwise(record: Record, policy: Policy, asked: Asked, as_json: bool) -> None:
    from tidegate.engine.counterfactual import UnknownNameError, counterfactuals

    _check_policy(record, policy)
    try:
        found = counterfactuals(
            policy.program,
            record,
            audience="analyst",
            to=asked.to,
            keep=asked.keep,
            missing=asked.missing,
            tables=policy.tables,
        )
    except UnknownNameError as error:
        unknown, _, near = str(error).partition("; ")
        raise bad_input(unknown, near) from None
    if as_json:
        say_json({"schema": "tidegate.counterfactual/1", **asdict(found)})
    else:
        say(str(found))
