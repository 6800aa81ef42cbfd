"""The clauses of a declaration as they stand in the text, and the clause each comment belongs to.

A comment belongs to the clause it stands in. Between two clauses it belongs to the one before it
where code stands on its line, to the one after it otherwise. After a declaration it leads the next
one, unless it is indented and follows without an empty line: then it is the declaration's tail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from tidegate.dsl import tree
from tidegate.dsl.layout import ink
from tidegate.dsl.pieces import Piece
from tidegate.dsl.words import TYPE_WORDS

HEAD = "head"
LEAD, TAIL = -1, -2
"""Parts of a declaration that hold comments alone: those before it and those after it."""

_STATUS = "version owner in on shadow mandatory rollout replaces from until expires"
_OPENERS: dict[type[tree.Declaration], frozenset[str]] = {
    kind: frozenset(words.split())
    for kind, words in (
        (tree.PolicyDeclaration, "language currency timezone rates"),
        (tree.EventDeclaration, "decided silent"),
        (tree.TableDeclaration, "table"),
        (tree.ModelDeclaration, "version external shadow from reads score use may until within if"),
        (tree.ReasonDeclaration, "message retry"),
        (tree.StepUpDeclaration, "rank try within if"),
        (tree.GroupDeclaration, "owner on shadow except if"),
        (tree.RuleDeclaration, f"{_STATUS} when then except if"),
        (tree.TemplateDeclaration, "takes"),
        (tree.DecisionDeclaration,
         "version owner in on shadow mandatory columns rows row else except if"),
        (tree.ApplyDeclaration, "version on counting with owner in shadow then except if"),
        (tree.GuaranteeDeclaration, "on when always"),
        (tree.GrantDeclaration, "may never on sees"),
    )
}  # fmt: skip
_LATE = frozenset(("when", "then", "except", "if", "always", "columns", "rows", "row", "else"))
"""In a rule, a group, a guarantee, a table, only these clauses follow one of their own kind."""
_CLAUSES_FIRST = (
    tree.RuleDeclaration, tree.GroupDeclaration, tree.GuaranteeDeclaration, tree.ApplyDeclaration,
    tree.DecisionDeclaration,
)  # fmt: skip
_TEXT_FOLLOWS = frozenset(
    (
        "=", "<", ">", "!=", "<=", ">=", "+", "-", "*", "/", "(", ",", "with", "contains", "like",
        "matches", "and", "or", "not", "between", "otherwise", "when", "then", "else", "tag", "in",
        "is", "timezone", "rates", "from", "message", "default",
    )
)  # fmt: skip
"""Words after which a text is no clause of its own."""
_NO_OPENER_FOLLOWS = frozenset(("except", "replaces", ".", ","))


@dataclass(frozen=True, slots=True)
class Part:
    """A clause: the `count`-th (from 0) that `key` opens, and where its words stand."""

    key: str
    count: int
    words: tuple[tuple[int, str], ...]

    @property
    def ink(self) -> int:
        """How many of its characters count, see `layout`."""
        return sum(ink(text) for _, text in self.words)


class Note(NamedTuple):
    """A comment in its part, after `ink` characters of it; `gap`: after an empty line."""

    text: str
    trailing: bool
    declaration: int
    part: int
    ink: int
    gap: bool


class Places(NamedTuple):
    """Where the comments of a file stand, and which parts stand after an empty line."""

    notes: list[Note]
    gaps: frozenset[tuple[int, int]]


# --- parts ---------------------------------------------------------------------------------------


def cut(declaration: tree.Declaration, pieces: Sequence[Piece]) -> list[Part]:
    """The head of `declaration` and its clauses, in the order of its `pieces`."""
    words = [(piece.start, piece.text) for piece in pieces]
    keys = [*_keys(declaration, [word for _, word in words]), (len(words), "")]
    counts: Counter[str] = Counter()
    parts = []
    for (index, key), (following, _) in pairwise(keys):
        parts.append(Part(key, counts[key], tuple(words[index:following])))
        counts[key] += 1
    return parts


def _keys(declaration: tree.Declaration, words: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Which words open a clause, and its key."""
    yield 0, HEAD
    openers = _OPENERS.get(type(declaration), frozenset())
    named = _NAMED.get(type(declaration), 2)
    opened: list[str] = []
    for index, word in enumerate(words if openers else ()):
        _nest(opened, word, words[index + 1 : index + 2])
        if opened or index < named:
            continue
        key = _key(declaration, words, index, openers)
        if key:
            yield index, key
        if key in _LATE and isinstance(declaration, _CLAUSES_FIRST):
            openers &= _LATE


_NAMED = {tree.GrantDeclaration: 3, tree.TableDeclaration: 6, tree.TemplateDeclaration: 4}
"""How many words a head has before any clause may begin, where they are not two."""


_TEXT_ENDS = {tree.TemplateDeclaration: "takes", tree.DecisionDeclaration: "columns"}
"""The word from which on a text is no clause of its own."""


def _nest(opened: list[str], word: str, after: Sequence[str]) -> None:
    """Keep the brackets that stand open; an enumeration may have words `case` and `end`."""
    if word == "(" or (word == "case" and after == ["when"]):
        opened.append(word)
    elif (word == ")" and opened) or (word == "end" and opened[-1:] == ["case"]):
        opened.pop()


def _key(
    declaration: tree.Declaration, words: Sequence[str], index: int, openers: frozenset[str]
) -> str:
    word, before = words[index], words[index - 1]
    if word.startswith('"'):
        ends = _TEXT_ENDS.get(type(declaration))
        if ends is not None:
            return "text" if ends not in words[:index] else ""
        return "" if before in _TEXT_FOLLOWS else "text"
    if isinstance(declaration, tree.ModelDeclaration) and word == "from" and _bounds(words, index):
        return ""
    fields = isinstance(declaration, tree.EventDeclaration | tree.TableDeclaration)
    if fields and _is_type(words[index + 1 : index + 3]):
        return "field"
    continued = before in _NO_OPENER_FOLLOWS or words[index - 2 : index] == ["if", "unknown"]
    return word if word in openers and not continued else ""


def _bounds(words: Sequence[str], index: int) -> bool:
    """Whether `from` opens the bounds of a score, which are part of its clause."""
    return words[index - 2] == "score" and not words[index + 1].startswith('"')


def _is_type(words: Sequence[str]) -> bool:
    return words[:1] != [] and (words[0] in TYPE_WORDS or list(words) == ["one", "of"])


# --- comments ------------------------------------------------------------------------------------


class _Word(NamedTuple):
    """A word of the file with its place among the parts; `ink` counts up to its end."""

    start: int
    end: int
    declaration: int
    part: int
    ink: int


def place(text: str, comments: Sequence[tree.Comment], parts: Sequence[Sequence[Part]]) -> Places:
    """Find the part of each comment."""
    search = _Search(text, len(parts))
    waiting = list(reversed(comments))
    for word in (*_words(parts), None):
        while waiting and (word is None or waiting[-1].span.start < word.start):
            search.note(waiting.pop(), word)
        if word:
            search.pass_word(word)
    return Places(search.notes, frozenset(search.gaps))


def _words(parts: Sequence[Sequence[Part]]) -> Iterator[_Word]:
    for declaration, clauses in enumerate(parts):
        for index, part in enumerate(clauses):
            count = 0
            for start, text in part.words:
                count += ink(text)
                yield _Word(start, start + len(text), declaration, index, count)


class _Search:
    """The place in the text that was reached: its last word, and where that or a comment ended."""

    def __init__(self, text: str, declarations: int) -> None:
        self.text, self.declarations = text, declarations
        self.notes: list[Note] = []
        self.gaps: set[tuple[int, int]] = set()
        self._before: _Word | None = None
        self._end = 0
        self._leading = True

    def pass_word(self, word: _Word) -> None:
        """Go on to the end of `word`."""
        if not _same_part(self._before, word) and self._gap(word.start):
            self.gaps.add((word.declaration, word.part))
        self._before, self._end, self._leading = word, word.end, False

    def note(self, comment: tree.Comment, after: _Word | None) -> None:
        """Add a comment that stands before the word `after`."""
        declaration, part, count = self._place(comment, after)
        self._leading = part == LEAD
        gap = self._gap(comment.span.start)
        self.notes.append(Note(comment.text, comment.trailing, declaration, part, count, gap))
        self._end = comment.span.end

    def _place(self, comment: tree.Comment, after: _Word | None) -> tuple[int, int, int]:
        before = self._before
        if before and (comment.trailing or _same_part(before, after)):
            return before.declaration, before.part, before.ink
        if before and after and before.declaration == after.declaration:
            return after.declaration, after.part, 0
        if before and self._follows(comment):
            return before.declaration, TAIL, 0
        return after.declaration if after else self.declarations, LEAD, 0

    def _follows(self, comment: tree.Comment) -> bool:
        start = comment.span.start
        indented = start > 0 and self.text[start - 1] != "\n"
        return indented and not self._leading and not self._gap(start)

    def _gap(self, start: int) -> bool:
        return self.text.count("\n", self._end, start) > 1


def _same_part(one: _Word | None, other: _Word | None) -> bool:
    return one is not None and other is not None and one[2:4] == other[2:4]
