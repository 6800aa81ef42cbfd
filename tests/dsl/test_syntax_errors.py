"""What a person reads where a text is no policy: every code has its file of wrong texts.

`syntax/TG1xx.txt` holds chunks parted by `---`; what is said about each is kept in
`tests/golden/syntax`. Texts that no editor should hold (hidden characters, texts without end) are
made here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.dsl.builder import MAX_DEPTH
from tidegate.dsl.diagnostics import Diagnostic, Severity, has_errors, render
from tidegate.dsl.parser import Parsed, parse
from tidegate.dsl.scanner import MAX_DECLARATIONS, MAX_ERRORS, MAX_FILE_BYTES
from tidegate.dsl.source import Source

SYNTAX = Path(__file__).parent / "syntax"
FILES = sorted(SYNTAX.glob("*.txt"))
MIB = MAX_FILE_BYTES - 200


def read(text: str) -> tuple[Parsed, str]:
    """Parse `text`; its tree and everything that is said about it."""
    source = Source("policy.tide", text)
    parsed = parse(source)
    said = "\n".join(render(d, {source.path: source}) for d in parsed.diagnostics)
    return parsed, said


def codes(text: str) -> list[str]:
    """The codes of the diagnostics of `text`."""
    return [d.code for d in parse(Source("policy.tide", text)).diagnostics]


def chunks() -> list[tuple[str, str]]:
    """Every wrong text with the code that it is meant to have."""
    return [(f.stem, text) for f in FILES for text in f.read_text().split("\n---\n")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_said_about_each_wrong_text(path: Path, golden: Callable[[str, str], None]) -> None:
    """A sentence would change without anybody reading it."""
    said = [f"{text.strip()}\n\n{read(text)[1]}\n" for text in path.read_text().split("\n---\n")]
    golden(f"syntax/{path.stem}.txt", "\n---\n\n".join(said))


@pytest.mark.parametrize(("code", "text"), chunks())
def test_each_wrong_text_has_the_code_of_its_file(code: str, text: str) -> None:
    """A code would lose an example, or a mistake be taken for another one."""
    assert code in codes(text), read(text)[1]


def every_diagnostic() -> list[Diagnostic]:
    """What is said about all wrong texts."""
    return [d for _, text in chunks() for d in parse(Source("p.tide", text)).diagnostics]


def test_the_sentences_keep_the_house_grammar() -> None:
    """Messages would speak in several voices, or in the grammar's words instead of a person's."""
    for diagnostic in every_diagnostic():
        for sentence in (diagnostic.message, diagnostic.help):
            words = re.sub(r"`[^`]*`|\"[^\"]*\"", "", sentence)
            assert not words or words[0] in " ;" or not words[0].isupper(), sentence
            assert not sentence.endswith("."), sentence
            terminals = r"\b(?!EUR\b|NAME\b|UTF\b)[A-Z]{3,}\b|__|\$END|\b(None|Token|Tree)\b"
            assert not re.search(terminals, words), sentence


def test_one_error_does_not_hide_the_next() -> None:
    """A person would mend a file one error at a time."""
    text = "\n".join(["let a = ", "rule b when x == 1 then hold", "list c of token", "let d = 1"])
    parsed, _ = read(text)
    assert [d.code for d in parsed.diagnostics] == ["TG101", "TG103", "TG101"]
    assert [d.name.text for d in parsed.file.declarations] == ["d"]


HIDDEN = {
    "override": "\u202e", "zero width": "\u200b", "joiner": "\u200d", "soft hyphen": "\u00ad",
    "byte order mark inside": "\ufeff", "line separator": "\u2028", "bell": "\x07",
    "lone carriage return": "\rx", "filler": "\u3164", "variation": "\ufe0f", "tag": "\U000e0041",
    "surrogate": "\ud800", "next line": "\x85",
}  # fmt: skip


@pytest.mark.parametrize("char", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("place", ['let a = "@b"', "let a = 1 # @b", "let @a = 1", "@let a = 1"])
def test_hidden_characters_are_refused_wherever_they_stand(char: str, place: str) -> None:
    """A reviewer would approve one rule and the engine run another."""
    assert "TG107" in codes(place.replace("@", char))


def test_ordinary_characters_of_other_languages_are_welcome() -> None:
    """A reason could not be written in the language of the customer."""
    assert codes('reason r "Größe, naïve 日本語 Ελληνικά русский" # ça, ∑ ≤ «ok»\r\n') == []


def test_what_is_said_about_hidden_characters(golden: Callable[[str, str], None]) -> None:
    """The message would show the trick instead of naming it."""
    texts = ["\ufefflet a = 1", 'let a = "b\u202ec"', "let a\u00a0= 1", "let a = 1 # x\ry"]
    golden("syntax/TG107.txt", "\n\n".join(read(text)[1] for text in texts) + "\n")


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("p\u0430ypal", True), ("pay\u03bfut", True), ("\u0441\u043e\u0440\u0435", True),
        ("\u043f\u0440\u0438\u0432\u0435\u0442", False), ("paypal", False), ("caf\u00e9", False),
        ("\u65e5\u672cABC", False),
    ],
)  # fmt: skip
def test_a_word_in_two_alphabets_is_a_warning(text: str, warned: bool) -> None:
    """A list could hold a name that looks like another one."""
    parsed, _ = read(f'let a = "{text}"')
    assert [d.code for d in parsed.diagnostics] == ["TG190"] * warned
    assert not has_errors(parsed.diagnostics)
    assert len(parsed.file.declarations) == 1


def test_what_is_said_about_a_disguised_word(golden: Callable[[str, str], None]) -> None:
    """The warning would not say which letter it means."""
    texts = ['let a = "p\u0430ypal"', 'let a = "\u0441\u043e\u0440\u0435"']
    golden("syntax/TG190.txt", "\n\n".join(read(text)[1] for text in texts) + "\n")


OPENERS = {
    "parentheses": ("(", ")"), "not": ("not ", ""), "minus": ("- ", ""),
    "case": ("case when a then ", " else b end"), "call": ("abs(", ")"),
    "otherwise": ("a otherwise ", ""),
}  # fmt: skip


@pytest.mark.parametrize(("opens", "closes"), OPENERS.values(), ids=OPENERS)
@pytest.mark.parametrize(("levels", "said"), [(32, []), (33, ["TG106"])])
def test_thirty_two_levels_nest_and_no_more(
    opens: str, closes: str, levels: int, said: list[str]
) -> None:
    """The limit would depend on how a level is written."""
    assert codes(f"let x = {opens * levels}a{closes * levels}") == said


def test_levels_that_are_closed_do_not_count() -> None:
    """A long flat condition would be refused as a deep one."""
    terms = ["not (a = -b)", "(c otherwise d) > 1", "case when e then 1 else 2 end = 1"]
    assert codes(f"rule r when {' and '.join(terms * 50)} then hold") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule r when " + "a or " * 999 + "a then hold", []),
        ("rule r when " + "a or " * 1000 + "a then hold", ["TG106"]),
        ("rule r when " + "a and " * 1000 + "a then hold", ["TG106"]),
        ("rule r when " + "a between 1 and 2 or " * 999 + "a then hold", []),
        ("let x = " + "a + " * 63 + "a", []),
        ("let x = " + "a + " * 64 + "a", ["TG106"]),
        ("let x = " + "a * " * 64 + "a", ["TG106"]),
        ("let x = a in (" + "1, " * 999 + "1)", []),
    ],
)
def test_chains_have_their_own_limit(text: str, said: list[str]) -> None:
    """A chain without end would fill the memory, or the stack of what walks the tree."""
    assert codes(text) == said


def test_long_chains_within_each_other_are_refused() -> None:
    """The checker would recurse deeper than Python lets it."""
    text = "a"
    for _ in range(20):
        text = f"({text}){' + a' * 60}"
    assert codes(f"let x = {text}") == ["TG106"]
    assert MAX_DEPTH < 20 * 60


ENDLESS = {
    "": ["(", '"', "'", "!", "\\", ":", "rule ", "let a=b\n", "\u202e", "\u00a0", "let = 1\n", "."],
    "let x = ": ["(", "-", "case when ", "a otherwise ", "a+", "1.", "2026-", "9", "a:", "a."],
    "rule a when ": ["not ", "x and ", "x or ", "x = ", "x in (", ")", "end ", "a between "],
    "rule a when x then ": ["hold, ", 'tag "a", ', "add 1 points, ", "step_up "],
    "event e ": ["a text\n", "a one of (", "reason text\n"],
    "let x = a in (": ["1, ", '"a", ', ",", "-"],
}  # fmt: skip


@pytest.mark.parametrize(("head", "trick"), [(h, t) for h, ts in ENDLESS.items() for t in ts])
def test_texts_without_end_are_answered(head: str, trick: str) -> None:
    """A file could stop a service that checks it: by recursion, memory or its number of errors."""
    size = len(trick.encode("utf-8"))
    found = codes(head + trick * ((MIB - len(head)) // size))
    assert 0 < len(found) <= MAX_ERRORS + 1


def test_a_file_has_a_largest_size() -> None:
    """The limits of the language would hold for its parts but not for the whole."""
    assert codes("#" * MAX_FILE_BYTES) == []
    assert codes("#" * MAX_FILE_BYTES + "#") == ["TG108"]
    assert codes("let a = 1\n" * MAX_DECLARATIONS + "let a = 1") == ["TG108"]


def test_very_many_errors_end_with_a_word_about_it() -> None:
    """A person would read a thousand errors that come from one."""
    found = codes("let = 1\n" * 1000)
    assert (len(found), found[-1]) == (MAX_ERRORS + 1, "TG112")


def test_what_is_said_about_limits(golden: Callable[[str, str], None]) -> None:
    """The message would not say how to stay below the limit."""
    texts = ["let x = " + "(" * 33, "let x = " + "a + " * 64 + "a",
             "rule r when " + "a or\n" * 1000 + "a then hold"]  # fmt: skip
    golden("syntax/TG106.txt", "\n\n".join(read(text)[1] for text in texts) + "\n")
    said = [d for text in ("#" * (MAX_FILE_BYTES + 1), "let a = 1\n" * (MAX_DECLARATIONS + 1))
            for d in parse(Source("p.tide", text)).diagnostics]  # fmt: skip
    last = parse(Source("p.tide", "let = 1\n" * 1000)).diagnostics[-1]
    lines = [f"{d.code}: {d.message}; {d.help}" for d in [*said, last]]
    golden("syntax/TG108_TG112.txt", "\n".join(lines) + "\n")


def test_warnings_do_not_refuse() -> None:
    """A warning would keep a policy from being loaded."""
    found = parse(Source("p.tide", 'let a = "p\u0430ypal"')).diagnostics
    assert [d.severity for d in found] == [Severity.WARNING]
