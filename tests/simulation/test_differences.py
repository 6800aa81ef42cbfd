"""What changed, in words: every kind of change, the gravest first, and never a value of a list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.simulation.edits import INPUTS, RULES, edited
from tests.simulation.histories import POLICY, sub, write_policy
from tidegate.dsl.checker import check
from tidegate.dsl.formatter import format_source
from tidegate.dsl.parser import parse
from tidegate.dsl.source import Source
from tidegate.engine.differences import EFFECTS, Difference
from tidegate.engine.policy_differences import Subject, policy_differences
from tidegate.rules.revisions import read_folder
from tidegate.simulation.comparison_report import IDENTICAL, SAME, to_text
from tidegate.simulation.diff import compare

EFFECTS_OF: dict[str, list[tuple[str, str]]] = {
    "threshold": [("burst", "strengthens")],
    "money threshold": [("burst", "strengthens")],
    "score threshold": [("risky", "weakens")],
    "score and field": [("risky", "strengthens")],
    "added": [("many", "strengthens")],
    "removed": [("marked", "weakens")],
    "fewer inputs": [("spread", "weakens")],
    "renamed": [("bursting", "changes")],
    "exception": [("odd", "changes")],  # it is in the shadow
    "exception of a score": [("judge", "authority"), ("burst", "weakens")],
    "live": [("odd", "strengthens")],
    "shadow": [("burst", "weakens")],
    "dated": [("burst", "weakens")],
    "rollout": [("part", "strengthens")],
    "unknown": [("unlike", "may_weaken")],  # a review less, a decline more
    "points reader": [("sum_up", "strengthens")],
    "points": [("marked", "strengthens")],
    "shadow points": [("dear", "weakens")],
    "action": [("risky", "may_weaken")],
    "default": [("payment", "strengthens")],
    "authority": [("judge", "authority"), ("risky", "may_weaken")],
    "use": [("judge", "authority")],
    "outage": [("judge", "authority")],
    "replaced": [("dear", "may_weaken")],
    "text": [("burst", "none")],
    "window": [("burst", "may_weaken"), ("tries", "changes")],
    "feature's condition": [("dear", "may_weaken"), ("spent", "changes")],
    "label": [("a_day", "may_weaken"), ("marked", "may_weaken"), ("fraud", "may_weaken")],
    "field": [("payment", "may_weaken")],
}
MORE = """
param cut money = 50 EUR from 10 EUR to 90 EUR "Above it"
param few count = 3 from 1 to 9

list friends of token managed

group calm
  except when card in watched

rule above_cut version 2
  owner risk
  in calm
  mandatory_or_not
  when amount > cut and items >= few
  then hold because strange, add 0_points
  if unknown then review because strange

rule trusting version 1
  when verified
  then add -20 points
  if unknown then skip

guarantee dear_is_looked_at on payment
  when amount > 5000 EUR
  always at least review or decline

grant client shop
  may decide, report_step_up
  on payment when amount <= 500 EUR
  sees outcome, reasons

grant role analyst
  may view_simulation
  never author_release
""".replace("  mandatory_or_not\n", "").replace(", add 0_points", "")

ANALYST = "grant role analyst\n  may view_simulation\n  never author_release\n"
CHANGES: dict[str, tuple[tuple[str, str], ...]] = {
    "a param's value": (("cut money = 50 EUR", "cut money = 60 EUR"),),
    "a param's bounds": (("from 10 EUR to 90 EUR", "from 20 EUR to 90 EUR"),),
    "a param that is lowered": (("few count = 3", "few count = 2"),),
    "a let": (("let ratio = amount / usual", "let ratio = usual / amount"),),
    "an exception of a group": (("watched\n\nrule above", "friends\n\nrule above"),),
    "a group's exception is gone": (("group calm\n  except when card in watched", "group calm"),),
    "another group": (("  in calm\n", ""),),
    "a permission": (("may decide, report_step_up", "may decide, send_events"),),
    "a wider grant": (("when amount <= 500 EUR\n  sees", "when amount <= 900 EUR\n  sees"),),
    "a prohibition is gone": (("  never author_release\n", ""),),
    "a grant is gone": ((ANALYST, ""),),
    "a weaker guarantee": (("amount > 5000 EUR\n  always", "amount > 6000 EUR\n  always"),),
    "a stronger promise": (("always at least review or decline", "always at least decline"),),
    "more relaxation": (("add -20 points", "add -30 points"),),
    "relaxes more often": (("  when verified\n", "  when verified or items > 3\n"),),
    "relaxes no more": (("add -20 points", "add 20 points"),),
    "a step_up's failure": (("if failed then decline because strange", "if failed then review"),),
    "silence": (("silent      review", "silent      approve"),),
    "a reason's message": (('message "We check this."', 'message "One moment."'),),
    "a lenient field": (("  items       count?\n", "  items       count?  lenient\n"),),
    "everything at once": (
        ("may review, step_up", "may review"), ("tries >= 3", "tries >= 4"),
        ("risk >= 0.7\n  then step_up confirm", "risk >= 0.7\n  then review"),
        ("let ratio = amount / usual", "let ratio = usual / amount"),
        ("add 20 points", "add 30 points"),
        ('"Above it"', '"Above it, a hold"'),
    ),
}  # fmt: skip


@pytest.fixture
def found(tmp_path: Path) -> Callable[[str, str], tuple[tuple[Difference, ...], str]]:
    """What differs between two texts of the policy, and how it is printed."""

    def differences(old: str, new: str) -> tuple[tuple[Difference, ...], str]:
        folders = [tmp_path / "old", tmp_path / "new"]
        for folder, text in zip(folders, (old, new), strict=True):
            if not folder.exists():
                write_policy(folder)
            (folder / "policy.tide").write_text(text)
        sides = [read_folder(folder, folder.name) for folder in folders]
        for side in sides:
            assert side.loaded is not None
            assert side.loaded.policy is not None, side.loaded.rendered()
        comparison = compare(sides[0], sides[1]).comparison
        return comparison.words.differences, to_text(comparison)

    return differences


Found = Callable[[str, str], tuple[tuple[Difference, ...], str]]


@pytest.mark.parametrize("name", sorted(RULES | INPUTS))
def test_each_edit_is_judged(name: str, found: Found) -> None:
    """Somebody would approve a weaker protection, or be frightened by a stronger one."""
    differences, _ = found(POLICY, edited([name]))
    said = [(d.name, d.effect) for d in differences]
    assert said == EFFECTS_OF[name]


def test_everything_in_words(found: Found, golden: Callable[[str, str], None]) -> None:
    """Each change in the words of the language, as wide as a terminal."""
    text = POLICY + MORE
    shown = []
    for name, changes in CHANGES.items():
        changed = text
        for old, new in changes:
            changed = sub(changed, old, new)
        _, printed = found(text, changed)
        shown.append(below_heading(name, printed))
    for name in ("replaced", "authority", "removed", "added", "window"):
        _, printed = found(text, edited([name], text))
        shown.append(below_heading(name, printed))
    printed = "\n".join(shown)
    assert max(map(len, printed.splitlines())) <= 80
    golden("diff/words.txt", printed)


NEWER = "rule dear version 2\n  replaces version 1\n  rollout 40% by card as dear2\n"
TAGS = f"""{NEWER}  when spent > 90 EUR
  then tag "seen"

"""
LIGHT = """step_up light rank 0
  try app
  within 10m
  if failed then review because strange
  if abandoned then review because strange
  if unavailable then review because strange

"""
EASED = """rule eased version 1
  when amount > 5 EUR and note = "foe"
  then add 10 points
  if unknown then decline because strange

"""
SPARED = """rule spared version 1
  when amount > 5 EUR
  then decline because strange
  except when tries < 3

"""
KEPT = """guarantee kept on payment
  when tries >= 9
  always at least review or decline

"""
GUESS = """model guess version 1
  external
  score other_risk
  use payment when tries < 5
  may review
  if unavailable then review because strange

"""
CAUGHT = """let caught = frauds * 2

rule caught_twice version 1
  when caught >= 4
  then decline because strange

"""
COUNTED = """param few count = 2 from 1 to 9 "As many"

rule counted version 1
  when items >= few
  then decline because strange
  if unknown then skip

"""
SHORTER = ("by card over 2h", "by card over 1h")
WEAKER: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "a newer version for more": ("dear", TAGS, (("rollout 40% by card", "rollout 90% by card"),)),
    "a newer version goes live": (
        "dear",
        TAGS.replace("version 2\n", "version 2\n  shadow\n"),
        (("rule dear version 2\n  shadow\n", "rule dear version 2\n"),),
    ),
    "a newer version only tags": (
        "dear",
        "",
        (("rule sum_up", TAGS + "rule sum_up"),),
    ),
    "an easier step_up with a point": (
        "risky",
        LIGHT,
        (
            (
                "then step_up confirm because strange\n\nrule odd",
                "then step_up light because strange, add 1 points\n\nrule odd",
            ),
        ),
    ),
    "nothing is unknown any more": (
        "eased",
        EASED,
        (
            (' and note = "foe"', ""),
            ("points\n  if unknown then decline because strange\n\nrule sum", "points\n\nrule sum"),
        ),
    ),
    "a feature that an exception reads": ("spared", SPARED, (SHORTER,)),
    "a feature that a guarantee reads": ("kept", KEPT, (SHORTER,)),
    "a feature that the use of a model reads": ("guess", GUESS, (SHORTER,)),
    "a feature that counts less, and fewer of it": (
        "burst",
        "",
        (SHORTER, ("tries >= 3", "tries >= 2")),
    ),
    "a feature that counts less, and an exception gone": (
        "spared",
        SPARED + "  except when amount < 9 EUR\n",
        (SHORTER, ("  except when amount < 9 EUR\n", "")),
    ),
    "a label below a feature below a let": (
        "caught_twice",
        CAUGHT,
        (('"fraudulent"\nlabel', '"dispute"\nlabel'),),
    ),
    "a label": ("fraud", "", (('"fraudulent"\nlabel', '"dispute"\nlabel'),)),
    "a field with a least value": (
        "payment",
        "",
        (("  items       count?", "  items       count? min 2"),),
    ),
    "a field that may not be missing": (
        "payment",
        "",
        (("gap         duration?", "gap         duration"),),
    ),
    "a field that may be missing": (
        "chargeback",
        "",
        (("(fraudulent, dispute)\n", "(fraudulent, dispute)?\n"),),
    ),
    "a field of another type": ("payment", "", (("gap         duration?", "gap         count?"),)),
    "a field that is gone": ("payment", "", (("  gap         duration?\n", ""),)),
    "a field that has to be there": (
        "payment",
        "",
        (("  gap         duration?\n", "  gap         duration?\n  more  count\n"),),
    ),
    "another timezone": ("policy", "", (('"Europe/Paris"', '"Asia/Tokyo"'),)),
    "a step_up that waits longer": ("confirm", "", (("within 10m", "within 60m"),)),
    "a step_up with other ways": ("confirm", "", (("try app", "try passkey"),)),
    "a param and a rule that reads it no more": (
        "counted",
        COUNTED,
        (("count = 2 from", "count = 6 from"), ("items >= few", "items >= 6")),
    ),
    "a step_up that is promised for a review": (
        "kept",
        KEPT,
        (("at least review or decline", "at least step_up"),),
    ),
    "a list that is managed": (
        "watched",
        "",
        (('list watched of token from "lists/watched.csv"', "list watched of token managed"),),
    ),
}
"""What may weaken the named rule: what stands besides before, and the edits."""


@pytest.mark.parametrize("name", sorted(WEAKER))
def test_what_may_be_weaker_is_never_called_stronger(name: str, found: Found) -> None:
    """A weaker protection would be merged as a stronger one."""
    part, more, changes = WEAKER[name]
    text = sub(POLICY, "rule sum_up", more + "rule sum_up")
    changed = text
    for old, new in changes:
        changed = sub(changed, old, new)
    differences, _ = found(text, changed)
    effects = {d.name: d.effect for d in differences}
    assert effects.get(part) in ("weakens", "may_weaken", "authority"), effects


def test_amounts_of_two_currencies_are_not_compared(found: Found) -> None:
    """A bound of 400 yen would be called stricter than one of 40 euro."""
    text = POLICY + KEPT.replace("kept", "dear_ones").replace("tries >= 9", "amount > 90 EUR")
    changed = sub(text, "amount < 40 EUR", "amount < 400 EUR").replace("EUR", "USD")
    differences, _ = found(text, sub(changed, "amount > 90 USD", "amount > 80 USD"))
    effects = {d.name: d.effect for d in differences}
    assert {effects[name] for name in ("policy", "burst", "dear_ones")} == {"may_weaken"}


def test_a_door_that_is_wider_is_no_weaker_rule(found: Found) -> None:
    """Each larger limit would have to be looked at as a hole."""
    changed = sub(POLICY, "max 10000 EUR", "max 20000 EUR")
    differences, _ = found(POLICY, changed)
    assert [(d.name, d.effect) for d in differences] == [("payment", "changes")]


def test_other_rates_are_a_change(tmp_path: Path) -> None:
    """An amount that is converted for nothing passes all bounds; the texts are the same."""
    for name, rate in (("old", "1.1"), ("new", "0.001")):
        write_policy(tmp_path / name)
        policy = tmp_path / name / "policy.tide"
        zone = '  timezone "Europe/Paris"\n'
        policy.write_text(sub(POLICY, zone, zone + '  rates "rates.csv"\n'))
        (tmp_path / name / "rates.csv").write_text(f"date,currency,rate\n2026-09-01,USD,{rate}\n")
    comparison = compare(read_folder(tmp_path / "old"), read_folder(tmp_path / "new")).comparison
    (differs,) = comparison.words.differences
    assert (differs.kind, differs.effect) == ("policy", "may_weaken")
    assert [detail.what for detail in differs.details] == ["rates"]
    assert SAME not in to_text(comparison)


def test_a_feature_of_another_day_is_shown(found: Found) -> None:
    """The days of New York and of Tokyo would have one definition, and no difference."""
    changed = sub(POLICY, 'day in "America/New_York"', 'day in "Asia/Tokyo"')
    differences, _ = found(POLICY, changed)
    assert [(d.name, d.effect) for d in differences] == [
        ("a_day", "may_weaken"), ("bad_day", "changes"),
    ]  # fmt: skip
    assert 'over calendar day in "Asia/Tokyo"' in differences[1].details[0].after


def test_all_of_a_new_authority_is_said(found: Found) -> None:
    """Who reads of a new grant has to know on what, and of a new model how far it goes."""
    grant = (
        "grant client shop\n  may decide\n  on payment when amount <= 500 EUR\n  sees outcome\n\n"
    )
    text = GUESS.replace("  may review\n", "  may review, step_up\n  until 2026-10-05\n")
    differences, _ = found(POLICY, sub(POLICY, "rule sum_up", text + grant + "rule sum_up"))
    said = {d.kind: {detail.what: detail.after for detail in d.details} for d in differences}
    assert said["grant"] == {
        "may": "decide", "on": "payment when amount <= 500.00 EUR", "sees": "outcome",
    }  # fmt: skip
    assert said["model"].keys() == {
        "may", "ceiling on disposition", "ceiling on authentication", "ceiling on review", "use",
        "until", "if unavailable",
    }  # fmt: skip
    assert said["model"]["use"] == "payment when tries < 5"
    assert said["model"]["if unavailable"] == "review because strange"


def below_heading(name: str, printed: str) -> str:
    """What stands below the names of the two revisions."""
    return "\n".join([f"=== {name} ===", *printed.splitlines()[4:], ""])


def test_the_gravest_comes_first(found: Found) -> None:
    """The change that matters would stand below forty that do not."""
    text = POLICY + MORE
    changed = text
    for old, new in CHANGES["everything at once"]:
        changed = sub(changed, old, new)
    differences, _ = found(text, changed)
    order = [EFFECTS.index(d.effect) for d in differences if d.kind not in ("let", "param")]
    assert order == sorted(order)
    assert differences[0].kind == "model"
    assert differences[-1].effect == "none"


def test_formatting_and_comments_change_no_meaning(found: Found) -> None:
    """A reviewer would look for a change that is none."""
    text = POLICY + MORE
    formatted = format_source(Source("policy.tide", text)).text
    assert formatted is not None
    assert formatted != text
    differences, printed = found(text, formatted.replace("rule burst", "# why\nrule burst"))
    assert differences == ()
    assert SAME in printed
    differences, printed = found(text, text)
    assert differences == ()
    assert IDENTICAL in printed


def test_a_policy_that_was_not_there_is_all_new(tmp_path: Path) -> None:
    """The first pull request would have nothing to compare with."""
    write_policy(tmp_path / "new")
    from tidegate.rules.revisions import NO_CASES, Revision

    absent = Revision("main", "0" * 40, None, NO_CASES)
    comparison = compare(absent, read_folder(tmp_path / "new", "new")).comparison
    assert comparison.before.absent
    assert {d.turn for d in comparison.words.differences} == {"added"}
    kinds = {d.kind for d in comparison.words.differences}
    assert {"rule", "model", "event", "feature", "list", "label", "let", "step_up"} <= kinds
    assert "everything is new" in to_text(comparison)


def test_contents_of_lists_are_counted_and_never_shown(tmp_path: Path) -> None:
    """A card that was blocked yesterday would stand in a pull request."""
    for name, values in (
        ("old", "card_aaa\ncard_bbb\n"),
        ("new", "card_bbb\ncard_ccc\ncard_ddd\n"),
    ):
        write_policy(tmp_path / name)
        (tmp_path / name / "lists" / "watched.csv").write_text(f"value\n{values}")
    comparison = compare(read_folder(tmp_path / "old"), read_folder(tmp_path / "new")).comparison
    (found,) = comparison.words.differences
    assert (found.kind, found.name, found.effect) == ("list", "watched", "may_weaken")
    ((before, after, note),) = [(d.before, d.after, d.note) for d in found.details]
    assert (before, after) == ("2 values", "3 values")
    assert note.startswith("2 added, 1 removed; read by ")
    assert "card_" not in to_text(comparison).replace("card_country", "")


def test_cases_are_named(tmp_path: Path) -> None:
    """A test that was taken out is a change, too."""
    case = (
        "- name: {}\n  event: {{payment: {{id: p}}}}\n"
        "  expect: {{outcome: {}, reasons: [], fired: []}}\n"
    )
    for name, cases in (
        ("old", [("kept", "approve"), ("other", "approve"), ("gone", "approve")]),
        ("new", [("kept", "approve"), ("other", "decline"), ("more", "approve")]),
    ):
        write_policy(tmp_path / name)
        (tmp_path / name / "cases").mkdir()
        text = "".join(case.format(*of) for of in cases)
        (tmp_path / name / "cases" / "all.yaml").write_text(text)
    words = compare(read_folder(tmp_path / "old"), read_folder(tmp_path / "new")).comparison.words
    assert [(d.kind, d.name, d.turn) for d in words.differences] == [
        ("case", "gone", "removed"), ("case", "more", "added"), ("case", "other", "changed"),
    ]  # fmt: skip
    assert not words.meaning_changed


def test_a_let_that_a_model_reads_is_a_change_of_the_model() -> None:
    """Somebody would look at the let, and not at the model that learnt from it."""
    text = (ROOT / "examples" / "scored" / "policy.tide").read_text()
    text += (ROOT / "examples" / "scored" / "rules.tide").read_text()
    turned = text.replace("= ip_country != card_country", "= ip_country = card_country")
    folders = {}
    for name, words in (("was", text), ("now", turned)):
        parsed = check([parse(Source("policy.tide", words)).file]).program
        assert parsed is not None
        folders[name] = parsed
    differing = policy_differences(Subject(folders["was"]), Subject(folders["now"]))
    (model,) = [d for d in differing if d.kind == "model"]
    assert (model.name, model.effect) == ("risk", "authority")
    (detail,) = model.details
    assert (detail.what, detail.note) == ("reads", "let `abroad` changed")
