"""What the lints find, what they leave alone, and that their fixes keep the meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.rules.folders import write_policy
from tidegate.dsl.diagnostics import render
from tidegate.rules import load_policy, read
from tidegate.rules.fixes import CannotFixError, Fix, fixed
from tidegate.rules.lint import lint
from tidegate.rules.lints import LINTS, Finding

HEAD = """
reason far "From far away"
reason large "Large"
"""
WHOLE = """
reason far "From far away"
reason large "Large"
reason big "Large"
reason idle "Nobody says so"
param cut money = 50 EUR from 1 EUR to 90 EUR
param spare money = 50 EUR from 1 EUR to 90 EUR
let foreign = card_country != "FR"
let forgotten = card_country = "FR"
list near of country from "lists/near.csv"
list close of country from "lists/close.csv"
group watched
  owner payments

rule a version 1
  when amount > 300 EUR and foreign
  then review because large
rule b version 1
  when amount > 500 EUR and foreign and card_country in near
  then review because large
rule c version 1
  when card_country != "FR" and amount > 300 EUR
  then review because large
rule d version 1
  when amount > cut and amount < 20 EUR and amount > 100 EUR
  then decline because big
rule e version 1
  when amount > 100 EUR and card_country in ("DE", "IT", "ES", "IT")
  then decline because far
rule f version 1
  when amount < 100 EUR and card_country in ("DE", "IT", "ES")
  then review because far
rule g version 1
  when amount < 1 EUR and card_country in close
  then decline because far
"""
OTHERS = {"lists/close.csv": "FR\nDE\n"}


def found(folder: Path, rules: str) -> tuple[Finding, ...]:
    """What the lints find in these rules."""
    policy = load_policy(write_policy(folder, {"rules/rules.tide": rules, **OTHERS}))
    return lint(policy, policy.diagnostics)


def told(folder: Path, rules: str, *lints: str) -> list[tuple[str, str]]:
    """The codes and names that some lints find."""
    codes = {LINTS[name].code for name in lints}
    return [(f.diagnostic.code, f.name) for f in found(folder, rules) if f.diagnostic.code in codes]


def rule(name: str, when: str, then: str = "review because far", more: str = "") -> str:
    """The text of a rule."""
    return f"rule {name} version 1\n{more}  when {when}\n  then {then}\n"


def test_every_lint_of_a_folder_speaks(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """A sentence would change without anybody reading it, or a lint would find nothing."""
    findings = found(tmp_path, WHOLE)
    sources = read(tmp_path).sources
    ordered = sorted((f.diagnostic for f in findings), key=lambda d: (d.code, d.span, d.message))
    golden("rules/lints.txt", "\n\n".join(render(d, sources) for d in ordered) + "\n")
    own = {x.code for x in LINTS.values() if "TG721" <= x.code < "TG740"}
    assert own <= {d.code for d in ordered}


IMPLIED = [
    ("review because far", "amount > 300 EUR", "review because far", "amount > 500 EUR"),
    ("review because far", "amount >= 300 EUR", "review because far", "amount > 300 EUR"),
    ("decline because far", "amount > 300 EUR", "hold because large", "amount = 400 EUR"),
    ("hold because far", 'card_country in ("FR", "DE")', "hold because far", 'card_country = "FR"'),
]
NOT_IMPLIED = [
    ("review because far", "amount > 300 EUR", "review because far", "amount > 200 EUR"),
    ("review because far", "amount > 300 EUR", "review because far", "amount >= 300 EUR"),
    ("review because far", "amount > 300 EUR", "review because large", "amount > 500 EUR"),
    ("hold because far", "amount > 300 EUR", "decline because far", "amount > 500 EUR"),
    ("review because far", "amount > 300 EUR", "hold because far", "amount > 500 EUR"),
    ("hold because far", "amount > 300 EUR", 'hold because far, tag "x"', "amount > 500 EUR"),
    ("hold because far", "amount > 300 EUR", "hold because far, add 5 points", "amount > 500 EUR"),
    ("hold because far", 'card_country != "FR"', "hold because far", 'card_country = "FR"'),
    ("hold because far", "amount != 300 EUR", "hold because far", "amount > 200 EUR"),
    (
        "hold because far",
        'card_country in ("FR", "DE")',
        "hold because far",
        'card_country in ("FR", "IT")',
    ),
]


@pytest.mark.parametrize(("then", "when", "weak_then", "weak_when"), IMPLIED)
def test_an_implied_rule_is_found(
    tmp_path: Path, then: str, when: str, weak_then: str, weak_when: str
) -> None:
    """A rule would be kept that never makes a difference."""
    text = HEAD + rule("first", when, then) + rule("second", weak_when, weak_then)
    assert told(tmp_path, text, "implied-rule") == [("TG732", "second")]


@pytest.mark.parametrize(("then", "when", "weak_then", "weak_when"), NOT_IMPLIED)
def test_a_rule_that_matters_is_not(
    tmp_path: Path, then: str, when: str, weak_then: str, weak_when: str
) -> None:
    """A person would drop a protection on our advice."""
    text = HEAD + rule("first", when, then) + rule("second", weak_when, weak_then)
    said = told(tmp_path, text, "implied-rule", "duplicate-rule")
    assert "second" not in {name for _, name in said}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rule("first", "amount > 300 EUR", more="  shadow\n"), rule("second", "amount > 500 EUR")),
        (
            rule("first", "amount > 300 EUR"),
            rule("second", "amount > 500 EUR", more="  mandatory\n"),
        ),
        (
            rule("first", "amount > 300 EUR") + '  except when card_country = "FR"\n',
            rule("second", "amount > 500 EUR"),
        ),
        (
            rule("first", "amount > 300 EUR"),
            rule("second", "amount > 500 EUR and ip_address in 192.0.2.0/24")
            + "  if unknown then hold because far\n",
        ),
        (
            rule("first", "amount > 300 EUR", more="  until 2026-12-01\n"),
            rule("second", "amount > 500 EUR"),
        ),
    ],
)
def test_what_may_switch_a_rule_off_makes_the_other_one_matter(
    tmp_path: Path, one: str, other: str
) -> None:
    """The rule that is left would not act where the dropped one did."""
    assert told(tmp_path, HEAD + one + other, "implied-rule") == []


@pytest.mark.parametrize(
    ("one", "other", "gap"),
    [
        ("amount > 100 EUR", "amount < 100 EUR", True),
        ("amount >= 100 EUR", "amount < 100 EUR", False),
        ("amount > 100 EUR", "amount <= 100 EUR", False),
        ("amount > 100 EUR", "amount < 99 EUR", False),
        ('amount > 100 EUR and card_country = "FR"', "amount < 100 EUR", False),
        (
            'amount > 100 EUR and card_country = "FR"',
            'card_country = "FR" and amount < 100 EUR',
            True,
        ),
    ],
)
def test_a_gap_is_one_value_and_nothing_else(
    tmp_path: Path, one: str, other: str, *, gap: bool
) -> None:
    """Exactly 100 EUR would pass both rules; or people would be told of gaps that are none."""
    text = HEAD + rule("first", one) + rule("second", other, "hold because large")
    assert bool(told(tmp_path, text, "threshold-gap")) == gap


def test_the_shipped_examples_are_tidy() -> None:
    """People would begin with warnings that they did not cause."""
    off = {lint.code for lint in LINTS.values() if lint.usual == "off"}
    for name in ("first", "card", "library", "handbook"):
        policy = load_policy(ROOT / "examples" / name)
        said = [f.diagnostic for f in lint(policy, policy.diagnostics)]
        assert [d.message for d in said if d.code not in off and d.code < "TG9"] == [], name


def test_fixes_keep_every_meaning(tmp_path: Path) -> None:
    """A fix would change what is decided."""
    findings = found(tmp_path, WHOLE)
    policy = load_policy(tmp_path)
    texts, made = fixed(
        policy.sources, policy.program, [f.fix for f in findings if f.fix is not None]
    )
    assert [fix.said for fix in made] == [
        "removed param `spare`, which nothing reads",
        "removed let `forgotten`, which nothing reads",
        "removed the second `IT` of a set",
    ]
    (tmp_path / "rules/rules.tide").write_text(texts["rules/rules.tide"], encoding="utf-8")
    after = load_policy(tmp_path).program
    assert [p.name for p in after.params] == ["cut"]
    assert replace(after, params=policy.program.params) == policy.program


def test_a_fix_that_would_change_a_meaning_is_refused(tmp_path: Path) -> None:
    """A mistake in a lint would be written into the policy."""
    policy = load_policy(write_policy(tmp_path))
    path = "rules/rules.tide"
    start = policy.sources[path].text.index("100 EUR")
    with pytest.raises(CannotFixError, match="nothing was written"):
        fixed(policy.sources, policy.program, [Fix(path, start, start + 3, "101", "a slip")])


def test_fixes_that_overlap_are_made_one_at_a_time(tmp_path: Path) -> None:
    """The second one would cut characters that the first one moved."""
    policy = load_policy(write_policy(tmp_path))
    path = "rules/rules.tide"
    both = [Fix(path, 0, 1, "\n", "one"), Fix(path, 0, 1, "\n\n", "two")]
    assert [fix.said for fix in fixed(policy.sources, policy.program, both)[1]] == ["one"]


def test_a_comment_is_not_orphaned(tmp_path: Path) -> None:
    """What a person wrote about a param would stand above another one."""
    text = HEAD + "# why\nparam spare money = 5 EUR from 1 EUR to 9 EUR\n"
    text += rule("first", "amount > 5 EUR")
    assert [f.fix for f in found(tmp_path, text) if f.name == "spare"] == [None]
