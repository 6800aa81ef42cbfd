"""Cases: files are read strictly, and the right outcome for the wrong reason fails."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.rules.folders import write_policy
from tidegate import Engine, load_policy
from tidegate.engine.cases import CaseResult, run_case
from tidegate.rules.cases import Cases, read_cases

EVENT = """
  event:
    payment:
      {id: p-1, at: 2026-01-03T12:00:00Z, amount: 150.00 EUR, card: tok_1, card_country: US}
"""
CASE = f"""
- name: a blocked card from far away
{EVENT.strip("/n")}
  expect:
    outcome: decline
    reasons: [blocked, far]
    fired: [blocked_card, far]
"""


def read(folder: Path, text: str | bytes, name: str = "cases/some.yaml") -> Cases:
    """Read one file of cases."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_cases(folder)


def results(folder: Path, text: str) -> list[CaseResult]:
    """Run one file of cases against the policy."""
    found = read(write_policy(folder), text)
    assert found.diagnostics == ()
    engine = Engine(load_policy(folder))
    return [run_case(engine, case) for case in found.cases]


def differences(folder: Path, text: str) -> dict[str, tuple[str, str]]:
    """What came out otherwise: expected and found."""
    (result,) = results(folder, text)
    return {d.what: (d.expected, d.found) for d in result.differences}


def test_a_case_passes(tmp_path: Path) -> None:
    """Otherwise nothing below means anything."""
    (result,) = results(tmp_path, CASE)
    assert result.passed
    assert result.decision is not None
    assert (result.located.file, result.located.line) == ("cases/some.yaml", 2)


@pytest.mark.parametrize(
    ("old", "new", "what", "found"),
    [
        ("decline", "review", "outcome", "decline"),
        ("[blocked, far]", "[far, blocked]", "reasons", "blocked, far"),
        ("[blocked, far]", "[blocked]", "reasons", "blocked, far"),
        ("[blocked_card, far]", "[blocked_card]", "fired", "blocked_card, far"),
        ("[blocked_card, far]", "[blocked_card@2, far]", "fired", "blocked_card, far"),
        ("[blocked_card, far]", "[far, blocked_card, network]", "fired", "blocked_card, far"),
        ("outcome: decline", "outcome: decline\n    review: none", "review", "after"),
        ("outcome: decline", "outcome: decline\n    unknown: []", "unknown", "network"),
        ("outcome: decline", "outcome: decline\n    points: 5", "points", "0"),
        ("outcome: decline", "outcome: decline\n    tags: [odd]", "tags", "none"),
        ("outcome: decline", "outcome: decline\n    step_up: strong", "step_up", "none"),
        ("outcome: decline", "outcome: decline\n    disposition: hold", "disposition", "decline"),
    ],
)
def test_each_thing_that_came_out_otherwise_fails(
    tmp_path: Path, old: str, new: str, what: str, found: str
) -> None:
    """A case that compares less than it says lets the wrong rule through."""
    assert old in CASE
    assert {w: f for w, (_, f) in differences(tmp_path, CASE.replace(old, new)).items()} == {
        what: found
    }


def test_rules_may_be_named_with_their_version(tmp_path: Path) -> None:
    """A case about one version must notice that another one fired."""
    assert differences(tmp_path, CASE.replace("blocked_card,", "blocked_card@1,")) == {}


def test_a_refusal_is_expected_by_its_code(tmp_path: Path) -> None:
    """What the door keeps out is part of what a policy promises."""
    case = CASE.replace("amount: 150.00 EUR", "amount: 20000.00 EUR")
    assert "above_maximum" not in case
    refused = case[: case.index("    outcome")] + "    refused: [above_maximum]\n"
    assert differences(tmp_path, refused) == {}
    assert "decision" in differences(tmp_path, case)
    assert "refused" in differences(tmp_path, refused.replace("above_maximum", "card_number"))
    assert "refused" in differences(tmp_path, refused.replace("20000", "150"))


ADVICE = """
rule advising version 1
  when amount > 100 EUR
  then advise bank = "us_bank", advise cap = 12.50 EUR, advise share = 0.5, advise often = true
"""


def test_advice_is_stated_as_it_is_written(tmp_path: Path) -> None:
    """An amount in minor units, or a scaled number, is nobody's way to state a case."""
    write_policy(tmp_path, {"advice.tide": ADVICE})
    case = CASE.replace("far]\n", "far, advising]\n").replace("reasons: [blocked, far, advising]",
                                                             "reasons: [blocked, far]")  # fmt: skip
    stated = "    advice: {bank: us_bank, cap: 12.50 EUR, share: 0.50, often: true}\n"
    assert differences(tmp_path, case + stated) == {}
    assert set(differences(tmp_path, case + stated.replace("12.50", "12.51"))) == {"advice"}
    assert set(differences(tmp_path, case + "    advice: {}\n")) == {"advice"}


def test_managed_lists_are_given(tmp_path: Path) -> None:
    """A list that is not given cannot be read, which is another thing than an empty one."""
    silenced = CASE.replace("  expect:", "  lists: {trusted: [tok_1]}\n  expect:")
    expected = silenced.replace("[blocked, far]", "[blocked]").replace(", far]", "]")
    assert differences(tmp_path, expected) == {}
    assert (
        differences(tmp_path, CASE.replace("  expect:", "  lists: {trusted: []}\n  expect:")) == {}
    )
    assert "decision" in differences(tmp_path, silenced.replace("trusted:", "trustd:"))
    card = silenced.replace("tok_1]}", "'4111111111111111']}")
    _, found = differences(tmp_path, card)["decision"]
    assert (
        found
        == "refused: list `trusted`: value 1: this looks like a card number; lists hold tokens"
    )


@pytest.mark.parametrize("name", ["cases/a.yaml", "cases/a.yml"])
def test_every_file_is_read(tmp_path: Path, name: str) -> None:
    """A file with the other ending must not be a file that never runs."""
    assert len(read(tmp_path, CASE, name).cases) == 1


def test_texts_stay_texts(tmp_path: Path) -> None:
    """Norway is no flag, a time is no date object and a score keeps its decimals."""
    text = CASE.replace("tok_1, card_country: US}", "no, card_country: NO, mcc: 0742}")
    text = text.replace("  expect:", "  scores: {a: 0.10, b: abstained}\n  expect:")
    (located,) = read(tmp_path, text).cases
    body = located.case.event["payment"]
    assert (body["card"], body["card_country"], body["mcc"]) == ("no", "NO", "0742")
    assert body["at"] == "2026-01-03T12:00:00Z"
    assert located.case.scores == {"a": Decimal("0.10"), "b": "abstained"}


BAD: list[Any] = [
    ("    reasons:", "    reason:", 10, "did you mean `reasons`?"),
    ("    reasons: [blocked, far]\n", "", 8, "`reasons`"),
    ("    fired: [blocked_card, far]\n", "", 8, "`fired`"),
    ("    outcome: decline\n", "", 8, "`outcome`"),
    ("outcome: decline", "outcome: declined", 9, "has to be 'approve'"),
    ("    outcome: decline", "    outcome: decline\n    outcome: hold", 10, "comes twice"),
    ("- name: a blocked card from far away", "- lists: {}", 2, "`name`"),
    ("[blocked, far]", "[blocked, far", 0, ""),
    ("[blocked, far]", "blocked", 10, "has to be a list"),
    ("[blocked, far]", "[blocked, &a far, *a]", 10, "not taken"),
    ("tok_1", "!!python/object:os.system x", 0, "not taken"),
    ("tok_1", "!!int at", 0, "not taken"),
    ("    payment:", "    ? [payment]\n    :", 5, "one word"),
    ("tok_1", "9" * 5000, 0, ""),
    ("    payment:", "    other: {}\n    payment:", 2, "one event"),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), BAD)
def test_a_bad_case_is_named_by_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    """A case that is quietly left out is a rule that is quietly untested."""
    assert old in CASE
    problem = read(tmp_path, CASE.replace(old, new)).diagnostics[0]
    assert problem.code == "TG801"
    assert problem.span.path == "cases/some.yaml"
    assert problem.line == line or (not line and problem.line > 0)
    assert said in f"{problem.message} {problem.help}"


def test_what_a_library_says_of_a_value_is_not_repeated(tmp_path: Path) -> None:
    """`Input should be an instance of Decimal` is no sentence for an analyst."""
    stated = CASE.replace("outcome: decline", "outcome: decline\n    advice: {a: [1]}")
    said = [d.message for d in read(tmp_path, stated).diagnostics]
    assert said
    assert [message for message in said if "nput should" in message or "nstance" in message] == []


@pytest.mark.parametrize("text", ["", "cases: []", "5", "- " * 5000 + "x"])
def test_a_file_that_holds_no_list_of_cases_is_refused(tmp_path: Path, text: str) -> None:
    """An empty file looks like a tested rule."""
    assert [d.code for d in read(tmp_path, text).diagnostics] == ["TG801"]


def test_names_are_unique(tmp_path: Path) -> None:
    """`--only` and a failure's name have to mean one case."""
    (problem,) = read(tmp_path, CASE + CASE).diagnostics
    assert "cases/some.yaml:2" in problem.message
