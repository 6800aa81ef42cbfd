"""A small model whose versions are registered, and four people with keys of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.models.card_samples import CARD, REFERENCE
from tidegate.dsl.checker import check
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source
from tidegate.dsl.types import COUNT
from tidegate.models.card_page import card_markdown
from tidegate.models.cards import write_card
from tidegate.models.contributions import (
    CONTRIBUTIONS_SCHEMA,
    Contributions,
    Importance,
    ShapeBin,
    write_contributions,
)
from tidegate.models.people import People, Person, Role
from tidegate.models.portable import UNIT, Input, LinearTerm, PortableModel
from tidegate.models.problems import Problem
from tidegate.models.reading import write_model
from tidegate.models.reference import write_reference
from tidegate.models.registry import Registry, Request, act
from tidegate.models.registry_log import Action
from tidegate.rules.input_meanings import input_meanings
from tidegate.vault.key_file import FileSigner

NAME = "boosting"

READS = """
policy shop language 1 currency EUR timezone "Europe/Paris"
event payment decided by default approve
  silent review
  id     text key
  at     time
  tries  count max 1000
reason no_score "No score"
model boosting version 1
  from "models/boosting"
  reads tries
  score risk
  use payment
  may review
  if unavailable then review because no_score
rule risky_payment version 1
  when risk >= 0.9
  then review because no_score
"""
"""A policy whose model reads what this one does."""


@cache
def _meanings() -> dict[str, str]:
    program = check([parse(Source("policy.tide", READS)).file]).program
    assert program is not None
    return input_meanings(program, program.models[0])


def at_us(text: str) -> int:
    """Give a moment in UTC microseconds."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


START_US = at_us("2026-11-25T09:00:00Z")
UNTIL = "2027-06-30"


def signer(name: str, seed: str = "") -> FileSigner:
    """Give somebody's key: the same at each call."""
    digest = hashlib.sha256((seed or name).encode()).digest()
    return FileSigner(name, Ed25519PrivateKey.from_private_bytes(digest))


def person(name: str, *roles: Role, until_us: int | None = None, seed: str = "") -> Person:
    """Give a row of the people's file."""
    return Person(name, signer(name, seed).public_key, frozenset(roles), until_us)


ADA, BEN, OLA, ALL = signer("ada"), signer("ben"), signer("ola"), signer("all")
ROWS = (
    person("ada", "author"),
    person("ben", "approver"),
    person("ola", "operator"),
    person("all", "author", "approver", "operator"),
)
REGISTRY = "5a" * 16


def people_of(rows: Iterable[Person]) -> People:
    """Give these people of the one registry that tests have."""
    return People(rows, REGISTRY)


PEOPLE = people_of(ROWS)


def model(version: int) -> PortableModel:
    """Give a model of one input."""
    return PortableModel(
        name=NAME,
        version=version,
        family="logistic_regression",
        link="logit",
        inputs=(Input("tries", COUNT, low=0, high=100),),
        base=-3_000_000_000,
        terms=(LinearTerm(0, 400_000_000.0, 1.0),),
    )


def contributions_of(version: int) -> Contributions:
    """Give what the scores of the model are made of."""
    term = Importance(("tries",), 400_000_000, 1_000_000, (ShapeBin("0 to 3", 500, 400_000_000),))
    return Contributions(
        CONTRIBUTIONS_SCHEMA, NAME, version, "logit", UNIT, REFERENCE.window, 500, (term,)
    )


def write_version(folder: Path, version: int) -> Path:
    """Write a version as training leaves it."""
    place = folder / str(version)
    place.mkdir(parents=True)
    content = write_model(model(version))
    digest = hashlib.sha256(content).hexdigest()
    card = replace(
        CARD,
        model=NAME,
        version=version,
        family="logistic_regression",
        model_hash=digest,
        inputs=_meanings(),
    )
    reference = replace(REFERENCE, model=NAME, version=version, model_hash=digest)
    contributions = contributions_of(version)
    (place / "model.json").write_bytes(content)
    (place / "card.json").write_bytes(write_card(card))
    (place / "card.md").write_bytes(card_markdown(card, contributions, "Europe/Paris"))
    (place / "contributions.json").write_bytes(write_contributions(contributions))
    (place / "reference.json").write_bytes(write_reference(reference))
    (place / "reliability.svg").write_text("<svg/>\n")
    return place


def ask(
    folder: Path,
    who: FileSigner,
    action: Action,
    version: int | None = None,
    *,
    minutes: int = 0,
    until: str = "",
    people: People = PEOPLE,
) -> Registry | Problem:
    """Ask for one thing; an approval lasts as usual."""
    until = until or (UNTIL if action == "approve" else "")
    now_us = START_US + minutes * 60_000_000
    request = Request(action, f"{action} for a test", now_us, version, "", until)
    return act(folder, people, who, request, now_us=now_us)


def done(folder: Path, who: FileSigner, action: Action, version: int | None = None) -> Registry:
    """Do one thing that has to be allowed."""
    registry = ask(folder, who, action, version)
    assert isinstance(registry, Registry), registry
    return registry


def active_folder(parent: Path, *versions: int) -> Path:
    """Give a folder in which these versions were registered, approved and activated in turn."""
    folder = parent / NAME
    for version in versions:
        write_version(folder, version)
        done(folder, ADA, "register", version)
        done(folder, BEN, "approve", version)
        done(folder, OLA, "activate", version)
    return folder


def kind(found: Registry | Problem) -> str:
    """Give the kind of a problem; `fine` where there is none."""
    return found.kind if isinstance(found, Problem) else "fine"
