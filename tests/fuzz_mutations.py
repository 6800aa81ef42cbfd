"""Mutated policy files: whatever the text, a tree or diagnostics, never a traceback.

`run(range(count), seed)` mutates the policies of `tests/dsl/policies` and gives what went wrong;
each mutant is parsed, checked and formatted. A case is found again by its seed and number.
"""

from __future__ import annotations

import random
import re
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import has_errors, render
from tidegate.dsl.formatter import format_source
from tidegate.dsl.parser import Parsed, parse
from tidegate.dsl.scanner import MAX_ERRORS
from tidegate.dsl.source import Source

POLICIES = Path(__file__).parent / "dsl" / "policies"
_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|\w+|\s+|.', re.DOTALL)
_STRANGE = "\u202e\u200b\ufeff\x00\x07\r\u00a0é“”€$%&;:?![]{}\\'`~^|\U0001f600\ud800"
_WORDS = (
    "rule", "when", "then", "except", "if", "unknown", "not", "and", "or", "otherwise", "case",
    "else", "end", "between", "in", "is", "missing", "step_up", "review", "(", ")", ",", ".", "=",
    "!=", "<", "-", "+", "*", "/", "5", "0.5", "12%", "5EUR", "10m", "2026-01-01", "10.0.0.0/8",
    '"x"', "true",
)  # fmt: skip

Mutation = Callable[[random.Random, str], str]


class Tally(NamedTuple):
    """How many mutants were tried, how many were policies still, and what failed."""

    tried: int
    sound: int
    codes: Counter[str]
    failures: list[str]


def seeds() -> list[str]:
    """The policies that mutants are made of, whole and declaration by declaration."""
    texts = [path.read_text() for path in sorted(POLICIES.glob("*.tide"))]
    parts = [part + "\n" for text in texts for part in text.split("\n\n")]
    return [*texts, *parts]


def run(numbers: Sequence[int], seed: int) -> Tally:
    """Try the mutants with these numbers."""
    texts = seeds()
    sound, codes, failures = 0, Counter[str](), list[str]()
    for number in numbers:
        dice = random.Random(f"{seed}:{number}")
        text = mutant(dice, texts)
        try:
            parsed = _try(text)
        except Exception:  # noqa: BLE001 - whatever escapes is what this looks for
            failures.append(f"seed {seed}, number {number}\n{text!r}\n{traceback.format_exc()}")
            continue
        sound += not has_errors(parsed.diagnostics)
        codes.update({d.code for d in parsed.diagnostics})
    return Tally(len(numbers), sound, codes, failures)


def mutant(dice: random.Random, texts: Sequence[str]) -> str:
    """A text with one to four mutations."""
    text = dice.choice(texts)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        mutation = dice.choice(_MUTATIONS)
        text = mutation(dice, text) if mutation is not _splice else _splice(dice, text, texts)
    return text


def _try(text: str) -> Parsed:
    source = Source("mutant.tide", text)
    parsed = parse(source)
    assert len(parsed.diagnostics) <= 2 * MAX_ERRORS
    for diagnostic in parsed.diagnostics:
        assert render(diagnostic, {source.path: source})
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= max(len(text), 1)
    checked = check([parsed.file])
    for diagnostic in checked.diagnostics:
        assert render(diagnostic, {source.path: source})
    formatted = format_source(source)
    if formatted.text is None:
        assert has_errors(formatted.diagnostics)
        assert all(d.code != "TG191" for d in formatted.diagnostics), "the formatter refused"
    else:
        again = format_source(Source(source.path, formatted.text))
        assert again.text == formatted.text, "formatting twice is not formatting once"
    return parsed


# --- mutations -----------------------------------------------------------------------------------


def _place(dice: random.Random, text: str) -> int:
    return dice.randrange(len(text) + 1)


def _flip(dice: random.Random, text: str) -> str:
    place = _place(dice, text)
    char = chr(dice.randrange(32, 127)) if dice.random() < 0.7 else dice.choice(_STRANGE)
    return text[:place] + char + text[place + 1 :]


def _insert(dice: random.Random, text: str) -> str:
    place = _place(dice, text)
    return text[:place] + dice.choice(_STRANGE) + text[place:]


def _flip_byte(dice: random.Random, text: str) -> str:
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data.decode("utf-8", "replace")


def _truncate(dice: random.Random, text: str) -> str:
    return text[: _place(dice, text)]


def _cut(dice: random.Random, text: str) -> str:
    start, end = sorted((_place(dice, text), _place(dice, text)))
    return text[:start] + text[end:]


def _tokens(change: Callable[[random.Random, list[str], int], None]) -> Mutation:
    def mutate(dice: random.Random, text: str) -> str:
        tokens = _TOKEN.findall(text)
        places = [i for i, token in enumerate(tokens) if not token.isspace()]
        if places:
            change(dice, tokens, dice.choice(places))
        return "".join(tokens)

    return mutate


def _delete(_: random.Random, tokens: list[str], place: int) -> None:
    del tokens[place]


def _double(_: random.Random, tokens: list[str], place: int) -> None:
    tokens[place] += f" {tokens[place]}"


def _swap(dice: random.Random, tokens: list[str], place: int) -> None:
    other = dice.randrange(len(tokens))
    tokens[place], tokens[other] = tokens[other], tokens[place]


def _replace(dice: random.Random, tokens: list[str], place: int) -> None:
    tokens[place] = dice.choice(_WORDS)


def _repeat(dice: random.Random, tokens: list[str], place: int) -> None:
    tokens[place] = f"{tokens[place]} " * dice.choice((3, 40, 300))


def _comment(dice: random.Random, tokens: list[str], place: int) -> None:
    tokens[place] = f"{tokens[place]} # {dice.randrange(100)}\n"


def _joined_lines(_: random.Random, text: str) -> str:
    return " ".join(line for line in text.split("\n") if "#" not in line)


def _other_line_ends(_: random.Random, text: str) -> str:
    return text.replace("\n", "\r\n")


def _splice(dice: random.Random, text: str, texts: Sequence[str] = ()) -> str:
    other = dice.choice(texts or (text,))
    return text[: _place(dice, text)] + other[_place(dice, other) :]


_MUTATIONS: tuple[Mutation, ...] = (
    _flip, _insert, _flip_byte, _truncate, _cut, _joined_lines, _other_line_ends, _splice,
    _tokens(_delete), _tokens(_double), _tokens(_swap), _tokens(_replace), _tokens(_repeat),
    _tokens(_comment),
)  # fmt: skip
