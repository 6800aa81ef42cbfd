"""One way to write a file: what it says and its comments stay, and it is settled at once."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tidegate.dsl import formatter, tree
from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.formatter import format_source
from tidegate.dsl.layout import WIDTH
from tidegate.dsl.parser import parse, read
from tidegate.dsl.printing import Unit, print_declaration
from tidegate.dsl.source import Source

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EVERYTHING = (HERE / "formatted" / "everything.tide").read_text()
EXAMPLES = sorted((ROOT / "examples").glob("*/*.tide"))
POLICIES = [*EXAMPLES, *sorted((HERE / "policies").glob("*.tide"))]
FORMS = (" # note {}\n", "\n# note {}\n", "\n      # note {}\n", " # note {}\n\n  # more {}\n")


def formatted(text: str) -> str:
    """The formatted `text`: it must be settled, and say what it said."""
    once = format_source(Source("p.tide", text))
    assert once.text is not None, once.diagnostics
    assert format_source(Source("p.tide", once.text)).text == once.text
    assert said(once.text) == said(text)
    return once.text


def said(text: str) -> tuple[tuple[tree.Declaration, ...], list[str]]:
    """The declarations and comments of `text`."""
    parsed = parse(Source("p.tide", text))
    assert not [d for d in parsed.diagnostics if d.severity is Severity.ERROR]
    return parsed.file.declarations, [comment.text for comment in parsed.file.comments]


def expression(text: str) -> str:
    """The formatted expression `text`."""
    return formatted(f"let x = {text}").removeprefix("let x = ").removesuffix("\n")


def declarations(text: str) -> list[str]:
    """The text of each declaration."""
    source = Source("p.tide", text)
    return [source.slice(declared.span) for declared in parse(source).file.declarations]


def gaps(text: str) -> list[int]:
    """The places after each word of the only declaration of `text`."""
    (pieces,) = read(Source("p.tide", text)).pieces
    return [piece.end for piece in pieces]


# --- whole files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_examples_are_in_the_style_of_the_house(path: Path) -> None:
    """`fmt --check examples` would fail on what we show to everybody."""
    assert formatted(path.read_text()) == path.read_text()


def test_every_construct_is_in_the_style_of_the_house() -> None:
    """A construct would come out in a way that nobody has looked at."""
    assert formatted(EVERYTHING) == EVERYTHING


def shaken(rng: Random, text: str) -> str:
    """`text` with other white space between its words; comments stay where they stand."""
    source = Source("p.tide", text)
    reading = read(source)
    spans = [(p.start, p.end) for pieces in reading.pieces for p in pieces]
    comments = {(c.span.start, c.span.end) for c in reading.parsed.file.comments}
    done, end = "", 0
    for span in sorted([*spans, *comments]):
        gap = text[end : span[0]]
        done += rng.choice((" ", "  ", "\t", "\n", "\n\n\n  ")) if gap and "\n" not in gap else gap
        done += text[slice(*span)]
        end = span[1]
    return done + text[end:]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_white_space_changes_nothing(path: Path) -> None:
    """How a file was typed would be seen in how it is formatted, or change what it says."""
    text = path.read_text()
    formatted(shaken(Random(path.stem), text))


def test_white_space_within_clauses_does_not_show() -> None:
    """Two files that say the same would look different."""
    for number in range(5):
        assert formatted(shaken(Random(number), EVERYTHING)) == EVERYTHING


def test_declarations_on_one_line_each() -> None:
    """Line breaks within a declaration would carry meaning."""
    text = "\n".join(" ".join(declared.split()) for declared in declarations(EVERYTHING))
    assert said(formatted(text))[0] == said(EVERYTHING)[0]


@pytest.mark.parametrize("text", ["", "\n", " \n\n\t\n", "\r\n"])
def test_an_empty_file_stays_empty(text: str) -> None:
    """A file without rules would get a line."""
    assert formatted(text) == ""


def test_a_file_of_comments_alone() -> None:
    """Its comments would be lost with the declarations that are not there."""
    assert formatted("\n\n  # one  \n# two\n\n\n\n# three") == "# one\n# two\n\n# three\n"


def test_line_endings_of_other_systems() -> None:
    """A file would have both kinds of line endings."""
    assert formatted(EVERYTHING.replace("\n", "\r\n")) == EVERYTHING


def test_errors_are_told_and_nothing_is_printed() -> None:
    """The half that was understood would replace the file."""
    result = format_source(Source("p.tide", "let x = 1\nlet y = == 2\n"))
    assert result.text is None
    assert [d.code for d in result.diagnostics] == ["TG103"]


def test_a_warning_does_not_stop_the_formatter() -> None:
    """A word with a foreign letter in a text would leave a file unformatted."""
    result = format_source(Source("p.tide", 'let  x = "p\u0430ypal"\n'))
    assert result.text == 'let x = "p\u0430ypal"\n'
    assert [d.code for d in result.diagnostics] == ["TG190"]


# --- declarations --------------------------------------------------------------------------------

RULE = """rule a version 2
  "Text"
  mandatory
  owner desk
  in some
  on pay
  shadow
  rollout 10% by card as wave1
  replaces version 1
  from 2026-01-01
  until 2026-06-01
  expires 2026-07-01
  when x
  then hold
  except when y
  if unknown then skip
"""


def test_clauses_come_in_one_order() -> None:
    """Two rules that say the same would look different."""
    head, *clauses, when, then, exception, unknown = RULE.splitlines()
    name, version = head.split(" version ")
    for number in range(20):
        shuffled = [f"version {version}", *clauses]
        Random(number).shuffle(shuffled)
        assert formatted("\n".join([name, *shuffled, when, then, exception, unknown])) == RULE


def test_clauses_with_comments_move_only_where_comments_stay_in_order() -> None:
    """Comments that build on each other would swap their places."""
    apart = "rule a\n  shadow  # one\n  version 1\n  when x\n  then hold\n"
    assert formatted(apart) == "rule a version 1\n  shadow  # one\n  when x\n  then hold\n"
    crossed = "rule a\n  shadow  # one\n  version 1  # two\n  when x\n  then hold\n"
    assert formatted(crossed) == crossed


def test_rows_of_one_kind_stay_together_and_are_aligned() -> None:
    """A block of features would be torn apart, or stand ragged."""
    text = (
        "let a=1\nlet long_name = 2\n# about b\nlet b = 3\n"
        "\n\n\nlet next_block = 4\nparam c count = 5"
    )
    assert formatted(text) == (
        "let a         = 1\nlet long_name = 2\n# about b\nlet b         = 3\n\n"
        "let next_block = 4\n\nparam c count = 5\n"
    )


def test_declarations_of_many_lines_stand_apart() -> None:
    """Where a rule ends would be hard to see."""
    text = "rule a version 1 when x then hold\nrule b version 1 when x then hold"
    assert formatted(text) == (
        "rule a version 1\n  when x\n  then hold\n\nrule b version 1\n  when x\n  then hold\n"
    )


def test_fields_are_aligned_and_keep_their_groups() -> None:
    """The columns of an event, or the author's grouping of its fields, would be lost."""
    text = (
        'event e "T" id text key\n\n\n amount money max 5EUR min 0 EUR\n'
        ' kind one of (a, "b-c")? lenient'
    )
    assert formatted(text) == (
        'event e\n  "T"\n  id     text  key\n\n'
        '  amount money min 0 EUR max 5 EUR\n  kind   one of (a, "b-c")? lenient\n'
    )


def test_words_that_need_quotes_keep_them() -> None:
    """A word of an enumeration would be read as a clause."""
    assert formatted('event e id one of ("when", "step_up", "b-c", d)') == (
        'event e\n  id one of ("when", "step_up", "b-c", d)\n'
    )


# --- expressions ---------------------------------------------------------------------------------

PARENTHESES = [
    ("((a))", "a"),
    ("(a and b) or c", "a and b or c"),
    ("(a or b) and c", "(a or b) and c"),
    ("(a or b) or c", "(a or b) or c"),
    ("(a and b) and c", "(a and b) and c"),
    ("not (a and b)", "not (a and b)"),
    ("not (a)", "not a"),
    ("(not a) and b", "not a and b"),
    ("not (not a)", "not not a"),
    ("not a = b", "not (a = b)"),
    ("not a is missing", "not (a is missing)"),
    ("(a = b) and (c < d)", "a = b and c < d"),
    ("(a = b) = true", "(a = b) = true"),
    ("(a + b) > (c * 2)", "a + b > c * 2"),
    ("a otherwise b > c", "(a otherwise b) > c"),
    ("(a otherwise b) otherwise c", "(a otherwise b) otherwise c"),
    ("a otherwise (b otherwise c)", "a otherwise b otherwise c"),
    ("(a otherwise 1) + b", "(a otherwise 1) + b"),
    ("a otherwise (b + 1)", "a otherwise b + 1"),
    ("(a + b) + c", "a + b + c"),
    ("a + (b + c)", "a + (b + c)"),
    ("a - (b - c)", "a - (b - c)"),
    ("(a * b) + c", "a * b + c"),
    ("a * (b + c)", "a * (b + c)"),
    ("(a / b) * c", "a / b * c"),
    ("a / (b * c)", "a / (b * c)"),
    ("-(a)", "-a"),
    ("-(a + b)", "-(a + b)"),
    ("- - a", "-(-a)"),
    ("- -5", "-(-5)"),
    ("-(5)", "-5"),
    ("(-a) * (-5)", "-a * -5"),
    ("a - -5", "a - -5"),
    ("abs((a + b))", "abs(a + b)"),
    ("min((a or b), 1)", "min(a or b, 1)"),
    ("(a) between (b + 1) and (c)", "a between b + 1 and c"),
    ("(a = b) is missing", "(a = b) is missing"),
    ("case when (a or b) then (1) else (2) end", "case when a or b then 1 else 2 end"),
    ("(case when a then 1 else 2 end) * 2", "case when a then 1 else 2 end * 2"),
    ("a in (5EUR, -2.50EUR)", "a in (5 EUR, -2.50 EUR)"),
    (r'a like "\"*\\"', r'a like "\"*\\"'),
    ("a=1", "a = 1"),
    ("a . original<5", "a.original < 5"),
]


@pytest.mark.parametrize(("given", "wanted"), PARENTHESES, ids=lambda text: text)
def test_only_parentheses_that_say_something_stay(given: str, wanted: str) -> None:
    """A reader would look for a meaning that is not there, or miss one."""
    assert expression(given) == wanted


def test_long_conditions_break_before_their_words() -> None:
    """Lines would run out of the screen."""
    flat = (
        "aaaaaaaaaaaaaaaaaa = 1 and (bbbbbbbbbbbbbbbbb = 2 or ccccccccccccccccc = 3) and dddddd = 4"
    )
    assert len(f"  when {flat}") <= WIDTH
    text = f"rule r version 1\n  when {flat} and e = 5\n  then hold\n"
    assert formatted(text) == (
        "rule r version 1\n"
        "  when aaaaaaaaaaaaaaaaaa = 1\n"
        "    and (bbbbbbbbbbbbbbbbb = 2 or ccccccccccccccccc = 3)\n"
        "    and dddddd = 4\n"
        "    and e = 5\n"
        "  then hold\n"
    )
    assert formatted(f"rule r version 1\n  when {flat}\n  then hold\n").count("\n") == 3


def test_a_long_condition_within_a_condition_breaks_deeper() -> None:
    """What belongs together would stand at one depth with what does not."""
    inner = " or ".join(f"name_of_a_flag_{number} = {number}" for number in range(5))
    assert expression(f"a and ({inner})") == (
        "a\n  and (name_of_a_flag_0 = 0\n"
        + "".join(f"    or name_of_a_flag_{n} = {n}\n" for n in range(1, 5)).rstrip("\n")
        + ")"
    )


def test_lines_are_as_wide_as_they_may_be() -> None:
    """A set of many items would take a line for each, or one line for all."""
    items = ", ".join(str(10_000 + number) for number in range(200))
    lines = formatted(f"rule r version 1 when a in ({items}) then hold").splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) < 20


def test_a_long_feature_breaks_before_its_condition() -> None:
    """The window of a feature would be hard to find."""
    condition = " and ".join(f"field_number_{number} = {number}" for number in range(6))
    text = formatted(f"feature f = count of e by k over 1h where {condition}")
    assert text.splitlines()[:2] == [
        "feature f = count of e by k over 1h",
        "  where field_number_0 = 0",
    ]


# --- comments ------------------------------------------------------------------------------------


def test_comments_stay_where_they_are() -> None:
    """A remark would be read beside something else."""
    text = """# file

# about a
let a = 1  # one

# about the rule
rule r version 1  # head
  # before the condition
  when a > 1  # small
    # the second half
    and b = 2  # two
  then decline because x,  # first
    tag "y"  # second
  # if unknown then skip

# between

let b = 2
# end
"""
    assert formatted(text) == text


def test_a_comment_in_the_middle_moves_to_its_line() -> None:
    """A comment in an odd place would be lost or refused."""
    assert formatted("rule # a\n r version # b\n 1 when # c\n x then # d\n hold") == (
        "# a\nrule r version 1  # b\n  when x  # c\n  then hold  # d\n"
    )


def keeps_place(text: str, place: int, form: str) -> None:
    """A comment after `place` of the declaration `text` stays at the word before or after it."""
    given = text[:place] + form + text[place:]
    result = format_source(Source("p.tide", given))
    assert result.text is not None, (given, result.diagnostics)
    assert said(result.text) == said(given)
    lines = result.text.splitlines()
    near = nearest_words(text, place)
    for number, line in enumerate(lines):
        if "#" in line:
            code = line.partition("#")[0].strip()
            after = next((s for s in lines[number:] if s.strip() and s.lstrip()[0] != "#"), "")
            before = next((s for s in lines[number::-1] if s.strip() and s.lstrip()[0] != "#"), "")
            around = code or f"{before} {after}"
            assert any(word in around for word in near), (given, result.text)


def nearest_words(text: str, place: int) -> list[str]:
    """The word before and the word after `place`."""
    (pieces,) = read(Source("p.tide", text)).pieces
    index = [piece.end for piece in pieces].index(place)
    return [text[piece.start : piece.end] for piece in pieces[index : index + 2]]


@pytest.mark.parametrize(
    "text", declarations(EVERYTHING), ids=lambda text: text.split("\n")[0][:30]
)
def test_a_comment_in_any_gap_is_kept(text: str) -> None:
    """A comment would be lost, move to another clause, or make the formatter refuse the file."""
    for number, place in enumerate(gaps(text)):
        keeps_place(text, place, FORMS[number % len(FORMS)].format(number, number))


@pytest.mark.parametrize("form", FORMS, ids=["trailing", "line", "indented", "two"])
def test_comments_in_all_gaps_at_once_are_kept(form: str) -> None:
    """Comments that meet on one line would become one, or swap their places."""
    for text in declarations(EVERYTHING):
        parts, end = [], 0
        for number, place in enumerate(gaps(text)):
            parts += [text[end:place], form.format(number, number)]
            end = place
        formatted("".join(parts))


# --- the safeguard -------------------------------------------------------------------------------


def test_a_printer_that_changes_the_meaning_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in the formatter would silently change a policy."""

    def wrong(declaration: tree.Declaration) -> list[Unit]:
        units = print_declaration(declaration)
        return [Unit(u.key, u.cells, "then hold", u.joins) if u.key == "then" else u for u in units]

    monkeypatch.setattr(formatter, "print_declaration", wrong)
    refused("rule r version 1 when x then decline")
    assert format_source(Source("p.tide", "let  a = 1")).text == "let a = 1\n"


def test_a_printer_that_drops_a_comment_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning to the next reader would vanish."""
    monkeypatch.setattr(formatter, "_leads", lambda *_, **__: [])
    refused("# careful\nlet a = 1")


def test_a_printer_that_moves_a_comment_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A remark about one rule would lead the next one."""
    monkeypatch.setattr(formatter, "INDENT", 0)
    refused("rule r version 1\n  when a\n  then hold\n  # tail\n\nlet b = 1\n")


def test_a_printer_that_leaves_a_clause_out_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with a clause the formatter does not know would lose it."""
    monkeypatch.setattr(formatter, "print_declaration", lambda d: print_declaration(d)[:-1])
    refused("rule r version 1 when x then decline")


def refused(text: str) -> None:
    """The formatter answers with TG191 and no text."""
    result = format_source(Source("p.tide", text))
    assert result.text is None
    (problem,) = result.diagnostics
    assert isinstance(problem, Diagnostic)
    assert (problem.code, problem.severity) == ("TG191", Severity.ERROR)
    assert problem.message == "the formatter would change what this file says; it is left as it was"
