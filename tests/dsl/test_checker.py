"""The program that the checker makes: order never matters, a version covers meaning."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tidegate.dsl.checker import Checked, check
from tidegate.dsl.literals import duration_us
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program, Rule
from tidegate.dsl.source import Source
from tidegate.dsl.zones import DAY_US

EXAMPLES = Path(__file__).parents[2] / "examples"
PREAMBLE = (Path(__file__).parent / "checks" / "_preamble.txt").read_text()


def checked(*texts: str, today_us: int | None = None) -> Checked:
    """Check texts as the files of one policy."""
    files = [parse(Source(f"{i}.tide", text)) for i, text in enumerate(texts)]
    assert [d for f in files for d in f.diagnostics] == []
    return check([f.file for f in files], today_us=today_us)


def program(*texts: str) -> Program:
    """The program of texts that are right."""
    result = checked(*texts)
    assert result.program is not None, [d.message for d in result.diagnostics]
    return result.program


def rule(text: str, more: str = "") -> Rule:
    """The rule called `example` of a policy with the preamble."""
    event = program(PREAMBLE + more, text).event("pay")
    return next(r for r in event.rules if r.name == "example")


@pytest.mark.parametrize("name", ["first", "card", "handbook"])
def test_the_order_of_files_and_declarations_never_matters(name: str) -> None:
    """Two people with the same rules in other files would get other decisions."""
    texts = [p.read_text() for p in sorted((EXAMPLES / name).glob("*.tide"))]
    declarations: list[str] = []
    for text in texts:
        parsed = parse(Source("a.tide", text)).file
        declarations += [text[d.span.start : d.span.end] for d in parsed.declarations]
    whole = program(*texts)

    for seed in range(5):
        shuffled = random.Random(seed).sample(declarations, len(declarations))
        cut = len(shuffled) // 2
        assert program("\n".join(shuffled[:cut]), "\n".join(shuffled[cut:])) == whole


SAME_MEANING = (
    'rule example version 1 "a text" owner somebody when tries_10m > limit then review because odd',
    "rule example version 7 when tries_10m > limit then review because odd",
    "rule example version 1 # a comment\n  when   tries_10m > limit\n then review because odd",
    "rule example version 1 shadow when tries_10m > limit then review because odd",
    "rule example version 1 from 2026-01-01 when tries_10m > limit then review because odd",
    "let named = tries_10m > limit\nrule example version 1 when named then review because odd",
)
OTHER_MEANING = (
    "rule example version 1 when tries_10m >= limit then review because odd",
    "rule example version 1 when tries_10m > 5 then review because odd",
    "rule example version 1 when tries_10m > limit then review before because odd",
    "rule example version 1 when tries_10m > limit then review because down",
    "rule example version 1 mandatory when tries_10m > limit then review because odd",
    "rule example version 1 when tries_10m > limit then review because odd except when wide = 3",
    'rule example version 1 when tries_10m > limit then review because odd, tag "x"',
)


def test_a_version_covers_the_meaning_and_nothing_else() -> None:
    """A comment would ask for a new version, or a changed threshold would not."""
    meanings = {rule(text).meaning for text in SAME_MEANING}

    assert len(meanings) == 1
    for text in OTHER_MEANING:
        assert rule(text).meaning not in meanings, text


@pytest.mark.parametrize("action", ['tag "x"', "add 5 points", "advise route = 1"])
def test_a_version_covers_the_reason_of_every_action(action: str) -> None:
    """A reason of what is no rung could change behind an unchanged version."""
    text = f"rule example version 1 when tries_10m > limit then {action}"

    assert len({rule(text + why).meaning for why in ("", " because odd", " because down")}) == 3


def test_a_version_covers_features_and_the_bounds_of_params_but_not_their_values() -> None:
    """A window could shrink, or a bound move, behind an unchanged version."""
    text = "rule example version 1 when tries_10m > limit then review because odd"
    known = rule(text).meaning

    def with_preamble(old: str, new: str) -> str:
        assert PREAMBLE.count(old) == 1
        found = program(PREAMBLE.replace(old, new), text).event("pay").rules
        return found[0].meaning

    assert with_preamble("limit count = 5 from", "limit count = 6 from") == known
    assert with_preamble("limit count = 5 from 1 to 10", "limit count = 5 from 1 to 11") != known
    assert with_preamble("by card over 10m", "by card over 11m") != known


def test_a_version_covers_the_label_that_a_feature_counts() -> None:
    """What counts as fraud could change behind an unchanged version."""

    def meaning(label: str) -> str:
        feature = "feature bad = count of pay by card over 28d delayed 9d where lost"
        more = f"label lost of pay known after {label}\n{feature}\n"
        return rule("rule example version 1 when bad > 3 then review because odd", more).meaning

    known = meaning("7d from refund matching id where payer != card")
    assert meaning("7d from refund matching id where payer != card") == known
    assert meaning("7d from refund matching id where payer = card") != known
    assert meaning("8d from refund matching id where payer != card") != known
    assert meaning("7d from refund matching id") != known
    assert meaning("7d") != known


@pytest.mark.parametrize("text", [
    "rule example version 1 when amount > 5 EUR then add limit points",
    "rule example version 1 when points >= limit then review because odd",
    "rule example version 1 when points > limit then review because odd",
    "rule example version 1 when amount > 5 EUR then advise cap = limit",
])  # fmt: skip
def test_a_version_covers_a_param_wherever_it_stands_and_never_its_value(text: str) -> None:
    """A release that changes a value within its bounds would need new versions of rules."""

    def meaning(param: str, text: str = text) -> str:
        return rule(text.replace("limit", "cut"), f"param cut count = {param}").meaning

    known = meaning("5 from 1 to 10")
    assert meaning("6 from 1 to 10") == known
    assert meaning("5 from 1 to 11") != known
    assert meaning("5 from 1 to 10", text.replace("limit", "5")) != known


def test_a_rule_asks_for_a_look_30_days_before_it_expires_and_fails_from_that_day_on() -> None:
    """A protection could grow stale unseen, or fail a day early."""
    text = "rule example version 1 expires 2026-06-30 when amount > 5 EUR then review"
    expires = rule(text).expires_us
    assert expires is not None

    def codes(today_us: int) -> list[tuple[str, str]]:
        found = checked(PREAMBLE, text, today_us=today_us).diagnostics
        return [(d.code, d.severity.value) for d in found if d.code == "TG407"]

    assert codes(expires - 30 * DAY_US - 1) == []
    assert codes(expires - 30 * DAY_US) == [("TG407", "warning")]
    assert codes(expires - 1) == [("TG407", "warning")]
    assert codes(expires) == [("TG407", "error")]
    assert checked(PREAMBLE, text).program is not None


def test_a_date_is_the_start_of_the_day_in_the_policy_zone() -> None:
    """A rule would begin an hour late, by the server's clock."""
    found = rule("rule example version 1 from 2026-07-01 when amount > 5 EUR then review")

    assert found.from_us == 1_782_856_800 * 10**6  # 2026-06-30T22:00:00Z, midnight in Paris


def test_an_expression_carries_the_models_it_depends_on_through_lets() -> None:
    """A score could pass its authority on under another name."""
    found = rule(
        "let twice = weak_score * 2\nlet both = twice > 1 or mild_score > 0.5\n"
        'rule example version 1 when both and amount > 5 EUR then tag "x"'
    )

    assert found.when.models == {"weak", "lenient_one"}


@pytest.mark.parametrize("body", ["min({}, 5)", "case when {} > 1 then 1 else 2 end", "{}"])
@pytest.mark.parametrize("length", [300, 1_000])
def test_a_chain_of_lets_is_measured_before_anything_recurses(body: str, length: int) -> None:
    """A long chain would end in a traceback, or in an error for each of its lets."""
    chain = [f"let l{i} = {body.format(f'l{i - 1}')}" for i in range(1, length + 1)]
    text = f"rule example version 1 when l{length} > 3 then review because odd"
    result = checked(PREAMBLE, "\n".join(["let l0 = wide", *chain, text]))
    errors = [d for d in result.diagnostics if d.severity.value == "error"]

    assert [d.code for d in errors] == ["TG312"]
    assert "levels once the lets it reads are written out" in errors[0].message


def test_a_chain_of_features_is_not_followed() -> None:
    """Features that read features through lets would end in a traceback."""
    links = [
        f"let l{i} = f{i} > 1\nfeature f{i - 1} = count of pay by card over 1h where l{i}"
        for i in range(1, 300)
    ]
    result = checked(PREAMBLE, "\n".join([*links, "feature f299 = count of pay by card over 1h"]))

    errors = [d for d in result.diagnostics if d.severity.value == "error"]
    assert [d.code for d in errors] == ["TG605"] * 299


def test_a_let_that_reads_another_twice_is_measured_as_it_is_worked_out() -> None:
    """What doubles would be counted once, and the check of what it grows to never end."""
    chain = [
        f"let l{i} = case when l{i - 1} between 1 and 5 then 1 else 2 end" for i in range(1, 14)
    ]
    result = checked(PREAMBLE, "\n".join(["let l0 = wide", *chain]))

    found = [d.message for d in result.diagnostics if d.code == "TG312"]
    assert [message.split(" once")[0] for message in found] == [
        "let `l11` grows to more than 10,000 parts"
    ]


def test_every_error_of_a_policy_comes_in_one_run() -> None:
    """An analyst would repair one error to see the next."""
    text = "\n".join(
        f"rule r{i} version 1 when amont > 5 EUR then review because odd" for i in range(40)
    )

    found = checked(PREAMBLE, text).diagnostics

    assert sum(d.code == "TG204" for d in found) == 40


@pytest.mark.parametrize(
    ("text", "us"),
    [("7us", 7), ("3ms", 3_000), ("2s", 2 * 10**6), ("10m", 600 * 10**6), ("1w", 7 * DAY_US)],
)
def test_durations_are_exact(text: str, us: int) -> None:
    """A window would be a thousand times too long."""
    assert duration_us(text) == us
