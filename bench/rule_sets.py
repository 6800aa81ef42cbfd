"""Rule sets of any size, from a seed, as data: every engine that is measured gets the same rules.

A rule of the usual sort guards one segment (a country, a category, a channel, a brand, a list) and
sets one to three thresholds on the round numbers that people choose, so that rules share tests. An
adversarial set shares nothing: every threshold is its own, and one rule in five compares two inputs
by a factor of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.generate import COUNTRIES, FOLDER, MCCS

Op = Literal["=", "!=", "in", "in list", ">=", "<", "differs", "times"]
NULLABLE = frozenset({"ip_country", "email_domain", "typical"})
MONEY = frozenset({"amount", "spend_24h", "typical"})
SCORES = frozenset({"fraud_score", "bot_score"})
SCORE_SCALE = 10**6
FACTOR_SCALE = 100
LISTS = {"card": "blocked_cards", "email_domain": "throwaway"}


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison. `times`: the field is at least `value` hundredths of `other`."""

    field: str
    op: Op
    value: int | str | tuple[str, ...] = ""
    other: str = ""

    @property
    def nullable(self) -> tuple[str, ...]:
        """The inputs of it that may be missing."""
        return tuple(name for name in (self.field, self.other) if name in NULLABLE)


Action = Literal["review", "review before", "step_up", "decline"]
ACTIONS: tuple[Action, ...] = ("review", "review before", "step_up", "decline")


@dataclass(frozen=True, slots=True)
class Rule:
    """All of `tests`; where it is unknown it does nothing."""

    name: str
    tests: tuple[Test, ...]
    action: Action

    @property
    def can_be_unknown(self) -> bool:
        """Whether one of its inputs may be missing."""
        return any(test.nullable for test in self.tests)


def usual(count: int, seed: int = 7) -> tuple[Rule, ...]:
    """Rules as teams have them."""
    rng = random.Random(seed)
    return tuple(_rule(rng, number, _thresholds(rng)) for number in range(count))


def adversarial(count: int, seed: int = 7) -> tuple[Rule, ...]:
    """Rules that share no threshold."""
    rng = random.Random(seed)
    return tuple(
        _rule(rng, number, _own_thresholds(rng, number % 5 == 0)) for number in range(count)
    )


def _rule(rng: random.Random, number: int, thresholds: Sequence[Test]) -> Rule:
    (action,) = rng.choices(ACTIONS, (60, 10, 25, 5))
    return Rule(f"r{number:05}", (_guard(rng), *thresholds), action)


def _guard(rng: random.Random) -> Test:
    makers = (
        lambda: Test("card_country", "=", rng.choice(COUNTRIES)),
        lambda: Test("ip_country", "=", rng.choice(COUNTRIES)),
        lambda: Test("mcc", "=", rng.choice(MCCS)),
        lambda: Test("mcc", "in", tuple(sorted(rng.sample(MCCS, 3)))),
        lambda: Test("channel", "=", rng.choice(("ecom", "pos", "moto"))),
        lambda: Test("brand", "=", rng.choice(("visa", "mastercard", "amex", "cb"))),
        lambda: Test("ip_country", "differs", other="card_country"),
        lambda: Test("email_domain", "in list"),
        lambda: Test("card", "in list"),
    )
    return rng.choices(makers, (20, 12, 25, 15, 8, 8, 6, 4, 2))[0]()


_GRIDS: dict[str, tuple[int, ...]] = {
    "amount": (2_500, 5_000, 10_000, 20_000, 30_000, 50_000, 100_000, 150_000, 250_000, 500_000),
    "spend_24h": (10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000),
    "tries_10m": (2, 3, 4, 5, 6, 8),
    "tries_24h": (3, 5, 8, 10, 12, 15, 20),
    "places_7d": (2, 3, 4, 5),
    "fraud_score": tuple(range(200_000, 1_000_000, 50_000)),
    "bot_score": tuple(range(200_000, 1_000_000, 50_000)),
}
_BELOW: dict[str, tuple[int, ...]] = {
    "amount": (500, 1_000, 2_000, 5_000),
    "typical": (2_000, 5_000, 10_000, 20_000),
}


def _thresholds(rng: random.Random) -> tuple[Test, ...]:
    count = rng.choices((1, 2, 3), (20, 45, 35))[0]
    fields = rng.sample(sorted(_GRIDS), count)
    tests = [Test(field, ">=", rng.choice(_GRIDS[field])) for field in fields]
    if count > 1 and rng.random() < 0.2:
        field = rng.choice(sorted(set(_BELOW) - set(fields)))
        tests[-1] = Test(field, "<", rng.choice(_BELOW[field]))
    return tuple(tests)


_SPANS = {
    "amount": (5_000, 900_000),
    "spend_24h": (50_000, 3_000_000),
    "fraud_score": (200_000, 999_999),
    "bot_score": (200_000, 999_999),
}


def _own_thresholds(rng: random.Random, compares: bool) -> tuple[Test, ...]:
    fields = rng.sample(sorted(_SPANS), rng.choice((1, 2)))
    tests = tuple(Test(field, ">=", rng.randint(*_SPANS[field])) for field in fields)
    if compares:
        return (*tests, Test("amount", "times", rng.randint(150, 9_999), "typical"))
    return tests


def distinct_tests(rules: Sequence[Rule]) -> int:
    """How many different tests the rules are made of."""
    return len({test for rule in rules for test in rule.tests})


# --- as a policy -------------------------------------------------------------------------------

_ACTION_TEXTS: dict[Action, str] = {
    "review": "review",
    "review before": "review before",
    "step_up": "step_up strong",
    "decline": "decline",
}
_REASONS = (
    "burst", "amount_high", "country_gap", "score_high", "unusual", "email", "young", "goods",
)  # fmt: skip


def as_policy(rules: Sequence[Rule]) -> str:
    """The rules in our own language, on the event and the features of the policy `fifty`."""
    text = (FOLDER / "fifty.tide").read_text(encoding="utf-8")
    head = text[: text.index("# --- lists and hard limits")]
    return head + as_rules(rules)


def as_rules(rules: Sequence[Rule]) -> str:
    """The rules alone, as a file beside that policy."""
    return "\n".join(map(_as_rule, rules))


def _as_rule(rule: Rule) -> str:
    reason = _REASONS[int(rule.name[1:]) % len(_REASONS)]
    lines = [
        f"rule {rule.name} version 1",
        f"  when {' and '.join(map(_as_condition, rule.tests))}",
        f"  then {_ACTION_TEXTS[rule.action]} because {reason}",
    ]
    if rule.can_be_unknown:
        lines.append("  if unknown then skip")
    return "\n".join(lines) + "\n"


def _as_condition(test: Test) -> str:
    match test.op:
        case "in":
            assert isinstance(test.value, tuple)
            return f"{test.field} in ({', '.join(map(_quoted, test.value))})"
        case "in list":
            return f"{test.field} in {LISTS[test.field]}"
        case "differs":
            return f"{test.field} != {test.other}"
        case "times":
            return f"{test.field} * {FACTOR_SCALE} >= {test.other} * {test.value}"
    return f"{test.field} {test.op} {_as_literal(test)}"


def _as_literal(test: Test) -> str:
    if isinstance(test.value, str):
        return _quoted(test.value)
    assert isinstance(test.value, int)
    if test.field in MONEY:
        return f"{_decimal(test.value, 100)} EUR"
    return _decimal(test.value, SCORE_SCALE) if test.field in SCORES else str(test.value)


def _decimal(value: int, scale: int) -> str:
    digits = len(str(scale)) - 1
    return f"{value // scale}.{value % scale:0{digits}}"


def _quoted(text: str) -> str:
    return f'"{text}"'


# --- as a chain of `if`s -----------------------------------------------------------------------


def as_chain(rules: Sequence[Rule], fields: Sequence[str]) -> str:
    """The rules as one Python function, as a careful engineer writes them: see `handwritten`.

    Local variables, one `if` a rule, stopping at its first false test; the three ladders alone.
    """
    lines = [
        "def decide(event):",
        f"    {', '.join(fields)} = event",
        "    disposition, authentication, review = 0, 1, -1",
    ]
    for rule in rules:
        lines.append(f"    if {' and '.join(_as_python(rule.tests))}:")
        lines.append(f"        {_STATEMENTS[rule.action]}")
    lines += [
        "    if review == 1 and disposition == 0:",
        "        disposition = 1",
        "    return disposition, authentication, review",
    ]
    return "\n".join(lines) + "\n"


_STATEMENTS: dict[Action, str] = {
    "review": "if review == -1: review = 0",
    "review before": "review = 1",
    "step_up": "authentication = 3",
    "decline": "disposition = 2",
}


def _as_python(tests: Sequence[Test]) -> Iterator[str]:
    for test in tests:
        yield from (f"{name} is not None" for name in test.nullable)
        match test.op:
            case "in list":
                yield f"{test.field} in {LISTS[test.field]}"
            case "differs":
                yield f"{test.field} != {test.other}"
            case "times":
                yield f"{test.field} * {FACTOR_SCALE} >= {test.other} * {test.value}"
            case "=":
                yield f"{test.field} == {test.value!r}"
            case _:
                yield f"{test.field} {test.op} {test.value!r}"
