"""Where the lines of one declaration break, and what stands in which column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

STEP = 2

_VALUES = frozenset(
    "WORD STRING INT NUMBER PERCENT MONEY DURATION DATE TIME NETWORK TRUTH END MISSING PRESENT RPAR"
    " POINTS".split()
)
_NAMED = frozenset("INT DATE DURATION CURRENCY DISPOSITION SILENT MOMENT".split())


@dataclass(slots=True)
class Item:
    """A word or sign with the comments at it: lines of their own before it, one after it."""

    sort: str
    text: str
    before: list[tuple[bool, str]] = field(default_factory=list)
    after: str = ""
    blank: bool = False


@dataclass(slots=True)
class Sheet:
    """The layout of one declaration: indents of items that begin a line, blanks after items."""

    breaks: dict[int, int] = field(default_factory=dict)
    pads: dict[int, int] = field(default_factory=dict)
    spaced: set[int] = field(default_factory=set)

    def lines(self, items: Sequence[Item]) -> list[str]:
        """The lines of the declaration with its comments."""
        done: list[str] = []
        line, indent, clause = "", 0, 0
        for place, item in enumerate(items):
            forced = place > 0 and bool(items[place - 1].after or item.before)
            if place == 0 or place in self.breaks or forced:
                clause = self.breaks.get(place, clause)
                indent = clause if place == 0 or place in self.breaks else clause + STEP
                done += [line] if place else []
                done += self._comments(items, place, indent)
                line = " " * indent + item.text
            else:
                line += self._space(items, place) + item.text
            line += f"  {item.after}" if item.after else ""
        return [*done, line]

    def _comments(self, items: Sequence[Item], place: int, indent: int) -> list[str]:
        """The comments before an item, with the author's blank lines where they may stand."""
        item, spaced = items[place], place == 0 or place in self.spaced
        lines: list[str] = []
        for number, (blank, text) in enumerate(item.before):
            if blank and spaced and (number or place):
                lines.append("")
            lines.append(" " * indent + text)
        if item.blank and spaced and (item.before or place):
            lines.append("")
        return lines

    def _space(self, items: Sequence[Item], place: int) -> str:
        return " " * (self.pads.get(place - 1, 0) + gap(items, place))


def is_complete(item: Item) -> bool:
    """Whether an operator may follow: the end of a value."""
    return item.sort in _VALUES or item.text == ")"


def gap(items: Sequence[Item], place: int) -> int:
    """How many blanks stand between an item and the one before it."""
    before, item = items[place - 1], items[place]
    if item.text in (",", ")", "?", ".") or before.text in ("(", "."):
        return 0
    if item.text == "(" and before.sort == "WORD":
        return 0
    unary = before.sort == "SIGN" and (place < 2 or not is_complete(items[place - 2]))
    return 0 if unary else 1


def flat_width(items: Sequence[Item], start: int = 0, end: int | None = None) -> int:
    """The width of some items on one line."""
    end = len(items) if end is None else end
    return sum(
        len(items[i].text) + (gap(items, i) if i > start else 0) for i in range(start, end)
    )


def lay_out(items: Sequence[Item], width: int) -> Sheet:
    """The layout of one declaration by its kind."""
    layout = _Layout(items, width)
    kind = items[0].text
    starts = _CLAUSES[kind](items)
    if kind in _ONE_LINE and layout.fits(0, len(items), 0):
        return layout.sheet
    if kind in ("feature", "let", "param", "label", "list"):
        layout.long_line(starts)
    else:
        layout.clauses(starts)
    return layout.sheet


_ONE_LINE = ("feature", "let", "param", "label", "list", "reason")

# --- where clauses begin -------------------------------------------------------------------------


def _depths(items: Sequence[Item]) -> list[int]:
    """How many brackets and `case`s stand open before each item."""
    depths, depth = [], 0
    for item in items:
        closes = item.text == ")" or item.sort == "END"
        depth -= closes
        depths.append(depth)
        depth += item.text == "(" or item.sort == "CASE"
    return depths


def _starts(
    items: Sequence[Item], words: Iterable[str], *, header: Iterable[str] = (), texts: bool = True
) -> list[int]:
    """The places of the clauses that open with one of `words`, or are a text.

    A clause of `header` stays on the first line if it comes right after the name.
    """
    chosen, head, depths = set(words), set(header), _depths(items)
    name = 2 if items[0].text == "grant" else 1
    found = []
    for place in range(name + 1, len(items)):
        item, before = items[place], items[place - 1]
        if depths[place] or item.sort == "WORD":
            continue
        if item.sort == "STRING":
            if texts and (is_complete(before) or before.sort in _NAMED or _is_flag(before)):
                found.append(place)
        elif item.text in chosen and not (place == name + 1 and item.text in head):
            found.append(place)
    return found


def _is_flag(item: Item) -> bool:
    return item.sort in ("SHADOW", "MANDATORY", "DECLINE", "HOLD", "REVIEW", "EXEMPTION", "SKIP")


def _rule_starts(items: Sequence[Item]) -> list[int]:
    depths = _depths(items)
    when = next(
        i for i, x in enumerate(items)
        if x.sort == "WHEN" and not depths[i] and items[i - 1].sort != "EXCEPT"
    )  # fmt: skip
    heads = (
        "version owner in on shadow mandatory rollout replaces from until expires when".split()
    )
    before = _starts(items[: when + 1], heads, header=("version",))
    before = [i for i in before if items[i - 1].sort != "REPLACES"]
    after = [
        i for i in range(when + 1, len(items))
        if not depths[i] and items[i].sort in ("THEN", "EXCEPT", "IF")
        and items[i - 1].sort not in ("UNKNOWN",)
    ]  # fmt: skip
    return [*before, *after]


def _group_starts(items: Sequence[Item]) -> list[int]:
    # The condition of an exception may hold a word such as `in` that opens a clause before it.
    end = next((i for i, x in enumerate(items) if x.sort in ("EXCEPT", "IF")), len(items))
    head = _starts(items[:end], ("owner", "on", "shadow"))
    depths = _depths(items)
    rest = [
        i for i in range(end, len(items)) if not depths[i] and items[i].sort in ("EXCEPT", "IF")
    ]
    return [*head, *rest]


def _event_starts(items: Sequence[Item]) -> list[int]:
    depths = _depths(items)
    fields = [
        i for i in range(2, len(items) - 1)
        if not depths[i] and items[i].sort == "WORD" and items[i + 1].sort in ("TYPE", "ONE")
    ]  # fmt: skip
    first = fields[0] if fields else len(items)
    return [*_starts(items[:first], ("silent",)), *fields]


def _guarantee_starts(items: Sequence[Item]) -> list[int]:
    return _starts(items, ("on", "when", "always"), header=("on",))


def _plain(*words: str, header: tuple[str, ...] = ()) -> Callable[[Sequence[Item]], list[int]]:
    return lambda items: _starts(items, words, header=header)


_CLAUSES: dict[str, Callable[[Sequence[Item]], list[int]]] = {
    "policy": _plain("language", "currency", "timezone", "rates", header=("language",)),
    "event": _event_starts, "rule": _rule_starts, "group": _group_starts,
    "guarantee": _guarantee_starts,
    "model": _plain("version", "from", "reads", "score", "use", "may", "until", "within", "if",
                    header=("version",)),
    "reason": _plain("message", "retry"),
    "step_up": _plain("rank", "try", "within", "if", header=("rank",)),
    "grant": _plain("may", "never", "on", "sees"),
    "feature": _plain("by", "over", "delayed", "where"), "let": _plain(),
    "param": _plain("from"), "label": _plain("from", "where"), "list": _plain("from", "managed"),
}  # fmt: skip


# --- where lines break ---------------------------------------------------------------------------


class _Layout:
    """Decides the breaks of one declaration."""

    def __init__(self, items: Sequence[Item], width: int) -> None:
        self.items = items
        self.width = width
        self.sheet = Sheet()
        self.depths = _depths(items)

    def fits(self, start: int, end: int, column: int) -> bool:
        """Whether some items fit on the line that has reached `column`."""
        return column + flat_width(self.items, start, end) <= self.width

    def clauses(self, starts: Sequence[int]) -> None:
        """Each clause on its own line."""
        for start in starts:
            self.sheet.breaks[start] = STEP
        if self.items[0].text == "event":
            self._columns(starts)
        bounds = [*starts, len(self.items)]
        self._clause(0, bounds[0], 0)
        for start, end in zip(bounds, bounds[1:], strict=False):
            self._clause(start, end, STEP)

    def long_line(self, starts: Sequence[int]) -> None:
        """A declaration of one line that does not fit on it: break at its last clause, or at all."""
        conditions = [i for i in starts if self.items[i].sort == "WHERE"]
        last = conditions or list(starts[-1:])
        if not last or not self.fits(0, last[0], 0):
            last = list(starts)
        for start in last:
            self.sheet.breaks[start] = STEP
        bounds = [0, *last, len(self.items)]
        for start, end in zip(bounds, bounds[1:], strict=False):
            self._clause(start, end, STEP if start else 0)

    def _clause(self, start: int, end: int, indent: int) -> None:
        """Break a clause that is too long: its actions and names at commas, its condition by sense."""
        if self.fits(start, end, indent):
            return
        places = range(start, end)
        begin = next((i for i in places if self.items[i].sort in ("WHEN", "WHERE", "EQUAL")), None)
        acts = next((i for i in places if self.items[i].sort == "THEN" and not self.depths[i]), None)
        if acts is not None:
            self._commas(acts + 1, end, indent, every=True)
        elif begin is not None:
            column = indent + flat_width(self.items, start, begin + 1) + 1
            self._expression(begin + 1, end, column, indent + STEP)
        else:
            self._commas(start, end, indent)

    def _commas(self, start: int, end: int, indent: int, *, every: bool = False) -> None:
        """Break after commas: after every one, or where the line is full."""
        column = indent + flat_width(self.items, 0, start) * 0
        column += flat_width(self.items, max(start - 2, 0), start) if every else 0
        line = start
        deepest = self.depths[start] if every else max(self.depths[start:end], default=0)
        after = [
            i + 1 for i in range(start, end - 1)
            if self.items[i].text == "," and self.depths[i] == (deepest if not every else 0)
        ]  # fmt: skip
        for number, place in enumerate(after):
            stop = after[number + 1] if number + 1 < len(after) else end
            if every or not self.fits(line, stop, column):
                self.sheet.breaks[place] = indent + STEP
                line, column = place, indent + STEP

    def _expression(self, start: int, end: int, column: int, indent: int) -> None:
        """Break before the loosest operators; where there are none, inside brackets."""
        if self.fits(start, end, column):
            return
        for operators in (("or",), ("and",), ("otherwise",), ("+", "-"), ("*", "/")):
            places = self._operators(start, end, operators)
            if places:
                bounds = [start, *places, end]
                for place in places:
                    self.sheet.breaks[place] = indent
                for first, last in zip(bounds, bounds[1:], strict=False):
                    inside = first + (first != start)
                    reached = column if first == start else indent + len(self.items[first].text) + 1
                    self._expression(inside, last, reached, indent + STEP)
                return
        self._brackets(start, end, column, indent)

    def _operators(self, start: int, end: int, operators: tuple[str, ...]) -> list[int]:
        """The places of the operators of one expression, without the `and` of a `between`."""
        found, betweens = [], 0
        depth = self.depths[start]
        for place in range(start, end):
            item = self.items[place]
            if self.depths[place] != depth or item.sort in ("STRING", "WORD"):
                continue
            if item.sort == "BETWEEN":
                betweens += 1
            elif item.text == "and" and betweens:
                betweens -= 1
            elif item.text in operators and place > start and is_complete(self.items[place - 1]):
                found.append(place)
        return found

    def _brackets(self, start: int, end: int, column: int, indent: int) -> None:
        """Break inside the brackets of an expression that has no operator to break at."""
        for place in range(start, end):
            if self.depths[place] != self.depths[start]:
                continue
            if self.items[place].sort == "CASE":
                self._case(place, self._closing(place), indent)
            elif self.items[place].text == "(":
                close = self._closing(place)
                if any(self.items[i].text == "," and self.depths[i] == self.depths[place] + 1
                       for i in range(place, close)):  # fmt: skip
                    reached = column + flat_width(self.items, start, place + 1)
                    self._fill(place + 1, close, reached, indent)
                else:
                    reached = column + flat_width(self.items, start, place + 1)
                    self._expression(place + 1, close, reached, indent)

    def _closing(self, place: int) -> int:
        return next(
            i for i in range(place + 1, len(self.items)) if self.depths[i] == self.depths[place]
        )

    def _fill(self, start: int, end: int, column: int, indent: int) -> None:
        """Fill lines with the parts of a set or a call."""
        depth, line = self.depths[start], start
        parts = [
            i + 1 for i in range(start, end) if self.items[i].text == "," and self.depths[i] == depth
        ]
        for number, place in enumerate(parts):
            stop = parts[number + 1] if number + 1 < len(parts) else end + 1
            if not self.fits(line, stop, column):
                self.sheet.breaks[place] = indent
                line, column = place, indent

    def _case(self, start: int, end: int, indent: int) -> None:
        """Each branch of a `case` on its own line."""
        depth = self.depths[start] + 1
        places = [
            i for i in range(start + 1, end)
            if self.depths[i] == depth and self.items[i].sort in ("WHEN", "ELSE")
        ]  # fmt: skip
        for place in (*places, end):
            self.sheet.breaks[place] = indent
        for first, last in zip(places, (*places[1:], end), strict=True):
            if not self.fits(first, last, indent):
                self._branch(first, last, indent)

    def _branch(self, start: int, end: int, indent: int) -> None:
        depth = self.depths[start]
        then = next(
            (i for i in range(start, end) if self.items[i].sort == "THEN" and self.depths[i] == depth),
            start,
        )
        if then > start:
            self.sheet.breaks[then] = indent + STEP
            self._expression(start + 1, then, indent + 5, indent + STEP + STEP)
        self._expression(then + 1, end, indent + STEP + 5, indent + STEP + STEP)

    def _columns(self, starts: Sequence[int]) -> None:
        """The fields of an event: name, type and the rest in columns, as far as a blank line."""
        fields = [i for i in starts if self.items[i].sort == "WORD" or self.items[i].sort == "SILENT_"]
        bounds = dict(zip(starts, [*starts[1:], len(self.items)], strict=True))
        self.sheet.spaced.update(starts)
        run: list[int] = []
        for start in fields:
            if run and self._opens_gap(start):
                self._pad(run, bounds)
                run = []
            run.append(start)
        self._pad(run, bounds)

    def _opens_gap(self, start: int) -> bool:
        item = self.items[start]
        return item.blank or any(blank for blank, _ in item.before)

    def _pad(self, run: Sequence[int], bounds: dict[int, int]) -> None:
        names = max((len(self.items[i].text) for i in run), default=0)
        kinds = [(i, self._type_end(i)) for i in run]
        plain = [(i, end) for i, end in kinds if self.items[i + 1].sort == "TYPE"]
        types = max((flat_width(self.items, i + 1, end) for i, end in plain), default=0)
        for start in run:
            self.sheet.pads[start] = names - len(self.items[start].text)
        for start, end in plain:
            if end < bounds[start]:
                self.sheet.pads[end - 1] = types - flat_width(self.items, start + 1, end)

    def _type_end(self, start: int) -> int:
        end = start + 2
        if self.items[start + 1].sort == "ONE":
            end = self._closing(start + 3) + 1
        return end + (end < len(self.items) and self.items[end].text == "?")
