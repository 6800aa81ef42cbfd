"""The tree says what the text says: precedence, spans, clauses in any order, and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.dsl import tree
from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import has_errors
from tidegate.dsl.parser import parse, read
from tidegate.dsl.source import NOWHERE, Source

POLICIES = [Path(__file__).parent / "policies" / f"{name}.tide" for name in ("tickets", "terse")]


def declarations(text: str) -> tuple[tree.Declaration, ...]:
    """The declarations of `text`, which has no errors."""
    parsed = parse(Source("p.tide", text))
    assert parsed.diagnostics == ()
    return parsed.file.declarations


def expression(text: str) -> tree.Expr:
    """The expression `text`."""
    (declared,) = declarations(f"let x = {text}")
    assert isinstance(declared, tree.LetDeclaration)
    assert declared.value is not None
    return declared.value


SAME = [
    ("a or b and c", "a or (b and c)"),
    ("not a and b", "(not a) and b"),
    ("not a = b", "not (a = b)"),
    ("a otherwise b > c", "(a otherwise b) > c"),
    ("a otherwise b otherwise c", "a otherwise (b otherwise c)"),
    ("a otherwise b + c", "a otherwise (b + c)"),
    ("a + b * c - d", "(a + (b * c)) - d"),
    ("-a * b", "(-a) * b"),
    ("a - -b", "a - (-b)"),
    ("a between b + 1 and c and d", "(a between (b + 1) and c) and d"),
    ("a not in (1, -2) or b", "(a not in (1, -2)) or b"),
    ("a is missing and b is present", "(a is missing) and (b is present)"),
    ("5EUR", "5 EUR"),
    ("((a))", "a"),
    ("max(a, b) / c", "(max(a, b)) / (c)"),
    ("case when a then b else c end + 1", "(case when (a) then (b) else (c) end) + 1"),
]  # fmt: skip
OTHER = [
    ("a - (b - c)", "a - b - c"),
    ("a / (b * c)", "a / b * c"),
    ("(a or b) and c", "a or b and c"),
    ("not (a and b)", "not a and b"),
    ("-(a + b)", "-a + b"),
    ("(a otherwise b) otherwise c", "a otherwise b otherwise c"),
    ("a not between 1 and 2", "a between 1 and 2"),
    ("a is missing", "a is present"),
    ('"5"', "5"),
]


@pytest.mark.parametrize(("bare", "grouped"), SAME)
def test_precedence_is_as_the_reference_says(bare: str, grouped: str) -> None:
    """A rule would mean something else than its author reads."""
    assert expression(bare) == expression(grouped)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_parentheses_that_matter_matter(one: str, other: str) -> None:
    """Two different conditions would have one tree."""
    assert expression(one) != expression(other)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_the_policies_of_these_tests_are_right(path: Path) -> None:
    """Every test that starts from them would test mistakes."""
    parsed = parse(Source(path.name, path.read_text()))
    assert parsed.diagnostics == ()
    assert not has_errors(check([parsed.file]).diagnostics)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_words_and_comments_cover_the_text(path: Path) -> None:
    """A word would be read by nobody: what remains of a file without its words is white space."""
    source = Source(path.name, path.read_text())
    reading = read(source)
    rest = list(source.text)
    spans = [(p.start, p.end) for pieces in reading.pieces for p in pieces]
    spans += [(c.span.start, c.span.end) for c in reading.parsed.file.comments]
    for start, end in spans:
        assert "".join(rest[start:end]) == source.text[start:end]
        rest[start:end] = " " * (end - start)
    assert "".join(rest).strip() == ""


def nodes(value: object) -> list[tree.Node]:
    """Every node below `value`."""
    if isinstance(value, tuple):
        return [n for item in value for n in nodes(item)]
    if not isinstance(value, tree.Node):
        return []
    parts = [getattr(value, name) for name in value.__dataclass_fields__]
    return [value, *(n for part in parts for n in nodes(part))]


def test_every_node_has_its_place() -> None:
    """An error would be underlined at the wrong place."""
    for path in POLICIES:
        source = Source(path.name, path.read_text())
        for declared in parse(source).file.declarations:
            for node in nodes(declared):
                assert node.span != NOWHERE
                assert declared.span.start <= node.span.start <= node.span.end <= declared.span.end
                text = source.slice(node.span)
                assert text == text.strip()
                if isinstance(node, tree.Name):
                    assert text == node.text


def test_clauses_may_stand_in_any_order() -> None:
    """The order of describing clauses would change what a policy says."""
    one = 'policy p language 1 currency EUR timezone "UTC" "text"'
    other = 'policy p "text" timezone "UTC" currency EUR language 1'
    assert declarations(one) == declarations(other)


def test_an_event_keeps_its_fields_in_their_order() -> None:
    """A recorded event would be read back under other names."""
    (event,) = declarations('event e id text key at time silent_ flag\n kind one of (on, "b-c")?')
    assert isinstance(event, tree.EventDeclaration)
    assert [f.name.text for f in event.fields] == ["id", "at", "silent_", "kind"]
    assert event.fields[-1].type == tree.TypeName(NOWHERE, "one of", ("on", "b-c"), optional=True)


@pytest.mark.parametrize(
    "text",
    ["rule a when x then step_up b rule c when y then hold", "let a = b let c = d",
     "grant role r may review, step_up\nstep_up s rank 1",
     "guarantee g when x always at least review or step_up\nstep_up s try m"],
)  # fmt: skip
def test_declarations_need_no_line_of_their_own(text: str) -> None:
    """A word that opens a declaration would be taken for a part of the one before it, or not."""
    assert len(declarations(text)) == 2


def test_a_carriage_return_before_a_line_feed_changes_nothing() -> None:
    """A file from another system would be another policy."""
    for path in POLICIES:
        text = path.read_text()
        assert declarations(text.replace("\n", "\r\n")) == declarations(text)


def test_escapes_are_resolved_once() -> None:
    """A backslash before a quote would end a text too early."""
    value = expression(r'"a\"b\\c\\\"d"')
    assert isinstance(value, tree.Literal)
    assert value.spelling == r'a"b\c\"d'


def test_comments_know_whether_they_trail() -> None:
    """The formatter would move a remark to another line."""
    comments = parse(Source("p.tide", "# a\nlet x = 1 # b \n  # c\n")).file.comments
    assert [(c.text, c.trailing) for c in comments] == [
        ("# a", False),
        ("# b", True),
        ("# c", False),
    ]


def test_the_grammar_is_free_of_conflicts() -> None:
    """A choice would be made by the order of the grammar's lines; strict mode refuses that."""
    from tests.dsl.grammar_conflicts import conflicts

    assert conflicts() == []
