"""An id of a rule means one thing for ever, and `--fix` changes a number and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.small_policy import policy_of
from tests.rules.repositories import commit, repository
from tidegate.dsl.checker import check
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program, Rule
from tidegate.dsl.source import Source, Span
from tidegate.rules import version_fixes
from tidegate.rules.libraries import shipped
from tidegate.rules.past import past_meanings
from tidegate.rules.revisions import read_folder, read_revision
from tidegate.rules.version_fixes import CannotRaiseError, raised_texts, spelt
from tidegate.rules.versions import version_problems

HEAD = """
policy p language 1
  currency EUR
  timezone "UTC"

event pay decided by default approve
  silent  review
  id      text key
  at      time
  amount  money max 1000 EUR
  card    token
  items   count? max 100

param cut count = 5 from 1 to 9

list friends of token managed

group basics

reason odd "Odd" message "We check this."

"""
RULE = """rule large version 3
  "A text"
  owner risk
  in basics
  when amount > 5 EUR and items > cut
  then review because odd
  except when card in friends
  if unknown then skip
"""


def program(text: str) -> Program:
    """The program of this rule's text."""
    return policy_of(HEAD + text).program


def found(old: str, new: str) -> list[tuple[str, int]]:
    """Codes with the version that is needed."""
    problems = version_problems(program(old), program(new), {}, "main")
    return [(problem.diagnostic.code, problem.needed) for problem in problems]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("amount > 5 EUR", "amount > 6 EUR"),
        ("then review because odd", "then review"),
        ("  except when card in friends\n", ""),
        ("if unknown then skip", "if unknown then review because odd"),
        ("in basics\n", "in basics\n  on pay\n  mandatory\n"),
    ],
)
def test_a_change_of_meaning_raises_the_version(old: str, new: str) -> None:
    """A record would be explained by a rule that did not decide it."""
    text = (
        RULE.replace("  if unknown then skip", "  if unknown then review")
        if "mandatory" in new
        else RULE
    )
    text = text.replace("  except when card in friends\n", "") if "mandatory" in new else text
    changed = text.replace(old, new)
    assert changed != text
    assert found(text, changed) == [("TG451", 4)]
    assert found(text, changed.replace("version 3", "version 4")) == []
    assert found(text, changed.replace("version 3", "version 9")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"A text"', '"Another"'), ("owner risk", "owner fraud"), ("  in basics\n", ""),
        ("in basics\n", "in basics\n  shadow\n"),
        ("in basics\n", "in basics\n  until 2030-01-01\n"),
        ("amount > 5 EUR and items > cut", "amount > 5.00 EUR and items > cut  # why"),
        ("= 5 from", "= 6 from"),
    ],
)  # fmt: skip
def test_what_version_does_not_cover(old: str, new: str) -> None:
    """Every comment would cost a number, and numbers would mean nothing any more."""
    text = HEAD + RULE
    changed = text.replace(old, new)
    assert changed != text
    before, after = policy_of(text).program, policy_of(changed).program
    assert version_problems(before, after, {}, "main") == ()


def test_bounds_of_a_param_are_meaning() -> None:
    """A release could move a threshold to where no rule of that version ever stood."""
    before, after = (
        policy_of((HEAD + RULE).replace("to 9", to)).program for to in ("to 9", "to 8")
    )
    (problem,) = version_problems(before, after, {}, "main")
    assert problem.diagnostic.code == "TG451"


def test_versions_only_rise() -> None:
    """The higher number would be the older rule."""
    assert found(RULE, RULE.replace("version 3", "version 2")) == [("TG452", 4)]
    assert found(RULE, RULE.replace("version 3", "version 5")) == [("TG453", 0)]


def test_a_rollout_and_its_end() -> None:
    """Taking a rollout back would be refused, or pass as a new rule."""
    newer = RULE.replace("version 3", "version 4").replace("> 5 EUR", "> 9 EUR")
    rollout = newer.replace(
        "  in basics\n", "  in basics\n  rollout 10% by card as wave\n  replaces version 3\n"
    )
    assert found(RULE, f"{RULE}\n{rollout}") == []
    assert found(f"{RULE}\n{rollout}", RULE) == []
    assert found(f"{RULE}\n{rollout}", newer) == []
    assert found(f"{RULE}\n{rollout}", newer.replace("> 9 EUR", "> 8 EUR")) == [("TG451", 5)]
    both = f"{RULE.replace('> 5', '> 6')}\n{rollout}"
    assert found(f"{RULE}\n{rollout}", both) == [("TG451", 5)]
    loaded = policy_of(HEAD + both)
    with pytest.raises(CannotRaiseError, match="`large@4` replaces `large@3`"):
        raised_texts(
            {"policy.tide": Source("policy.tide", HEAD + both)}, loaded.program, {"large@3": 5}
        )


# --- in the text -------------------------------------------------------------------------------

SPELLINGS = (
    "rule large version 3 when amount > 5 EUR then review",
    "rule large # version 7\n   version   # here: version 8\n  3 when amount > 5 EUR then review",
    'rule large "version 9 of \\"version 8\\"" version 3\n  when amount > 5 EUR then review',
    (
        "rule other version 3 when amount > 5 EUR then review\n"
        "rule large version 3 when amount > 5 EUR then review # version 3"
    ),
)


@pytest.mark.parametrize("text", SPELLINGS)
def test_only_the_number_changes(text: str) -> None:
    """A fix would reformat what somebody wrote, or change another rule."""
    source = Source("policy.tide", HEAD + text)
    (changed,) = raised_texts({source.path: source}, program(text), {"large@3": 12}).values()
    rules = {rule.name: rule.version for rule in policy_of(changed).program.event("pay").rules}
    assert rules["large"] == 12
    assert rules.get("other", 3) == 3
    assert len(changed) == len(source.text) + 1
    assert changed.replace("12", "3", 1) == source.text


def test_line_endings_stay_as_they_are() -> None:
    """The diff of a raised number would be the whole file."""
    raw = b"\xef\xbb\xbfrule a version 1\r\n  when x\n  then y\r\n"
    old = raw.decode("utf-8-sig").replace("\r\n", "\n")
    assert spelt(raw, old, old.replace("version 1", "version 2")) == raw.replace(b"n 1", b"n 2")
    assert spelt(raw, old, old) == raw


def test_several_rules_of_one_file() -> None:
    """The second number would be written where the first one moved it."""
    text = "\n".join(RULE.replace("large", f"large_{n}").replace("3", "9") for n in range(3))
    source = Source("policy.tide", HEAD + text)
    needed = {f"large_{n}@9": 10 + n for n in range(3)}
    (changed,) = raised_texts({source.path: source}, program(text), needed).values()
    rules = policy_of(changed).program.event("pay").rules
    assert [rule.version for rule in rules] == [10, 11, 12]


TABLE = """decision size version 3 "version 3"
  columns items
  rows first
  row many > 9 then hold
  row some > cut then review because odd
  else tag "few"
  if unknown then skip

rule other version 3 when amount > 5 EUR then review
"""
USE = """apply tries as card_tries version 3 with who = card
rule other version 3 when amount > 5 EUR then review
template tries on payment
  takes who token
  takes most count = 3 from 1 to 9
feature seen = count of payment by who over 1d
rule tries when seen > most then review because odd
rule twice when seen > most + most then hold because odd
"""


def test_the_rows_of_a_table_have_one_version() -> None:
    """A fix would number them apart, and a row that stays be warned of for the others' sake."""
    many, some = TABLE.replace("> 9", "> 8"), TABLE.replace("> cut", "> 3")
    assert found(TABLE, TABLE) == []
    assert found(TABLE, many) == [("TG451", 4)] * 3
    assert found(TABLE, some) == [("TG451", 4)] * 2
    assert found(TABLE, some.replace("size version 3", "size version 4")) == []
    assert found(TABLE, TABLE.replace("size version 3", "size version 4")) == [("TG453", 0)] * 3
    more = TABLE.replace("  else", '  row least > 0 then tag "one"\n  else')
    assert found(TABLE, more) == [("TG451", 4)]
    assert found(TABLE, more.replace("size version 3", "size version 4")) == []


@pytest.mark.parametrize(
    ("text", "id_", "raised"),
    [
        (TABLE, "size_some@3", {"size_many", "size_some", "size_else"}),
        (USE, "card_tries_twice@3", {"card_tries", "card_tries_twice"}),
    ],
)
def test_a_version_of_several_rules_is_raised_for_all(
    text: str, id_: str, raised: set[str]
) -> None:
    """The number of the next declaration would be raised, or the fix refused."""
    source = Source("policy.tide", HEAD + text)
    (changed,) = raised_texts({source.path: source}, program(text), {id_: 12}).values()
    rules = {rule.name: rule.version for rule in policy_of(changed).program.event("pay").rules}
    assert rules == {**dict.fromkeys(raised, 12), "other": 3}
    assert changed.replace("12", "3", 1) == source.text


def test_a_use_of_a_shipped_library_is_raised() -> None:
    """The changed text would not compile without its library, and the fix be refused."""
    text = "library velocity version 1\napply velocity.tries as fast version 3 with who = card\n"
    source = Source("policy.tide", HEAD + text)
    libraries = {name: library.files for name, library in shipped().items()}
    checked = check([parse(source).file], shipped=libraries)
    assert checked.program is not None
    (changed,) = raised_texts({source.path: source}, checked.program, {"fast@3": 4}).values()
    assert changed == source.text.replace("version 3", "version 4")


def test_a_text_that_would_mean_something_else_is_not_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slip in the search for the number would change a threshold."""
    ordinary = version_fixes._raised

    def slips(text: str, place: Span, rule: Rule, version: int) -> str:
        return ordinary(text, place, rule, version).replace("> 5 EUR", "> 50 EUR")

    monkeypatch.setattr(version_fixes, "_raised", slips)
    source = Source("policy.tide", HEAD + RULE)
    with pytest.raises(CannotRaiseError, match="would not mean the same"):
        raised_texts({source.path: source}, program(RULE), {"large@3": 4})


# --- the past ----------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository in which rule `large` was versions 3 and 4, and is gone."""
    root = repository(tmp_path / "repo")
    write(root, RULE)
    commit(root)
    write(root, RULE.replace("version 3", "version 4").replace("> 5 EUR", "> 6 EUR"))
    commit(root)
    write(root, RULE.replace("large", "kept"))
    commit(root)
    return root


def write(folder: Path, text: str) -> None:
    """The policy of one file."""
    (folder / "policy.tide").write_text(HEAD + text)


@pytest.mark.parametrize(
    ("version", "above", "needed"),
    [("3", "5", 0), ("4", "6", 0), ("3", "6", 5), ("4", "5", 5), ("1", "5", 0), ("5", "5", 0)],
)
def test_an_id_that_was_removed(shop: Path, version: str, above: str, needed: int) -> None:
    """Old records would be explained by a rule that came later."""
    kept = RULE.replace("large", "kept")
    again = RULE.replace("version 3", f"version {version}").replace("> 5", f"> {above}")
    write(shop, f"{kept}\n{again}")
    before, new = read_revision(shop, "HEAD"), read_folder(shop)
    assert before.loaded
    assert before.loaded.policy
    assert new.loaded
    assert new.loaded.policy
    after = new.loaded.policy.program
    past = past_meanings(shop, before, after)
    problems = version_problems(before.loaded.policy.program, after, past, "HEAD")
    assert [(p.diagnostic.code, p.needed) for p in problems] == ([("TG454", 5)] if needed else [])


def test_a_folder_has_no_past(shop: Path) -> None:
    """Git would be asked about a commit without a name."""
    write(shop, f"{RULE}")
    new = read_folder(shop)
    assert new.loaded
    assert new.loaded.policy
    assert past_meanings(shop, read_folder(shop), new.loaded.policy.program) == {}
