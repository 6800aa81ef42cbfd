"""Policies as text, at random, over the whole language.

Everything follows from the `random.Random` that is given. Text is written type by type, so that
nearly all of it compiles; what the checker still refuses is repaired (`if unknown` is added or
taken away) or dropped, declaration by declaration, and checked again.

    policy = generated_policy(Random(seed))
    policy.program            # what the checker made of it
    policy.sources(rng)       # the same text, shuffled into files
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from random import Random

from tidegate.dsl import tree
from tidegate.dsl.checker import check
from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Program
from tidegate.dsl.source import Source
from tidegate.dsl.types import (
    COUNT,
    COUNTRY,
    DURATION,
    FLAG,
    INTEGER_KINDS,
    IP,
    MONEY,
    NUMBER,
    TEXT,
    TIME,
    TOKEN,
    Kind,
    Type,
)

SCHEMAS = 64
"""Events are drawn from so many sets, so that their parse trees can be kept."""

CHANNEL = Type(Kind.WORD, ("ecom", "pos", "mail-order"))
GRADE = Type(Kind.WORD, ("low", "mid", "high"))
CURRENCIES = {"EUR": 2, "JPY": 0, "BHD": 3}
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu")
TEXTS = ("", "a", "ab", "a@b", "a@b@c", "Ärger", "ecom", "4571", "x y", '\\"', "\\\\", "*", "{0}")
PATTERNS = ("", "a", "a*", "*b", "*@*", "a*b*", "**", "*a*@*", "Ä*r", "e*m", '\\"*', "a*b")
REGEXES = ("^a", "b$", "^a.*b$", "a|Ä", "^[a-z]*$", "@.*@", "(?i)ä", "^\\\\w+@", "^$", "\\\"", "^.{2}$", "[^a]b", "(a|b)+$",
               "\\\\*", "\\\\pL\\\\pL", "x{2}")  # fmt: skip
DEGREES = ("0", "90", "-90", "48.8566", "2.352219", "-74.006", "89.999999")
MARKS = ("@", "a", "@b", '\\"')
COUNTRIES = ("FR", "DE", "US")
NETWORKS = ("10.0.0.0/8", "0.0.0.0/0", "192.0.2.0/24", "::/0", "2001:db8::/32", "::ffff:0:0/96")
ADDRESSES = ("10.0.0.1", "192.0.2.7", "2001:db8::1", "255.255.255.255")
COUNTS = (
    "0",
    "1",
    "2",
    "3",
    "5",
    "10",
    "100",
    "1000",
    "9223372036854775807",
    "4611686018427387904",
)
DECIMALS = ("0.0", "0.5", "1.0", "0.85", "12%", "0.000001", "3.25", "100.0", "9223372036854.775807")
AMOUNTS = ("0", "1", "5", "20", "99", "100", "500", "10000", "92233720368547", "46116860184273")
DURATIONS = ("0s", "1us", "1ms", "90s", "10m", "1h", "1d", "2w", "36500d")
TIMES = (
    "2026-11-23",
    "2026-11-24",
    "2026-03-29",
    "1970-01-02",
    "2099-12-31",
    "2026-11-23T14:00:00Z",
    "2026-10-25T01:30:00+02:00",
    "2026-11-23T14:00:00.000001Z",
)
SUMS = {
    COUNT: ((COUNT, "+", COUNT), (COUNT, "-", COUNT), (COUNT, "*", COUNT)),
    NUMBER: (
        (NUMBER, "+", NUMBER),
        (NUMBER, "-", NUMBER),
        (NUMBER, "*", NUMBER),
        (COUNT, "*", NUMBER),
        (NUMBER, "*", COUNT),
        (COUNT, "/", COUNT),
        (COUNT, "/", NUMBER),
        (NUMBER, "/", COUNT),
        (NUMBER, "/", NUMBER),
        (MONEY, "/", MONEY),
        (DURATION, "/", DURATION),
    ),
    MONEY: (
        (MONEY, "+", MONEY),
        (MONEY, "-", MONEY),
        (MONEY, "*", COUNT),
        (COUNT, "*", MONEY),
        (MONEY, "*", NUMBER),
        (NUMBER, "*", MONEY),
        (MONEY, "/", COUNT),
        (MONEY, "/", NUMBER),
    ),
    TIME: ((TIME, "+", DURATION), (TIME, "-", DURATION), (DURATION, "+", TIME)),
    DURATION: (
        (DURATION, "+", DURATION),
        (DURATION, "-", DURATION),
        (TIME, "-", TIME),
        (DURATION, "*", COUNT),
        (COUNT, "*", DURATION),
    ),
}
"""What an arithmetic operator makes of what, by its result (LANGUAGE.md 3)."""

INTEGERS = (COUNT, NUMBER, MONEY, TIME, DURATION)
CALENDAR = ("hour", "minute", "weekday", "day", "month")
ROUNDINGS = ("round", "floor", "ceiling")
REASONS = ("burst", "gap", "large", "unusual", "down")
STEP_UPS = (("soft", 1), ("strong", 2), ("plain", 2))
MAY = ("review", "hold", "decline", "prefer", "step_up", "exempt", "relax", "advise")
ASKS = {
    "review": "review",
    "review before": "review",
    "hold": "hold",
    "decline": "decline",
    "no exemption": "prefer",
    "prefer step_up": "prefer",
    "step_up": "step_up",
}
"""What a rule may ask, with the word of `may` that a score it reads needs for it."""
COVERED = {"hold": {"decline"}, "prefer": {"step_up"}}
"""A word of `may` that a higher one includes."""


@dataclass(frozen=True)
class Name:
    """Something that an expression may read."""

    text: str
    type: Type
    optional: bool = False
    models: frozenset[str] = frozenset()
    source: str = "field"
    coarse: bool = False


@dataclass(frozen=True)
class Shape:
    """What sort of policies are wanted."""

    rules: tuple[int, int] = (4, 7)
    models: tuple[int, int] = (0, 3)
    depth: int = 3
    vouching: bool = False
    """Rules mostly add points on scores and ask on points; scopes are small."""


@dataclass(frozen=True)
class Draft:
    """One declaration; of a rule its `if unknown` is apart, for the checker knows if it needs one.

    `event` and `name` say what may be dropped with it.
    """

    kind: str
    name: str
    text: str
    unknown: str = ""
    spare: str = ""
    """The `if unknown` to add where the checker asks for one."""
    needed: bool = False

    def full(self) -> str:
        """The declaration as it stands in a file."""
        return self.text + (f"\n  if unknown then {self.unknown}" if self.unknown else "")


@dataclass(frozen=True)
class GeneratedPolicy:
    """A policy that compiles."""

    drafts: tuple[Draft, ...]
    program: Program
    diagnostics: tuple[Diagnostic, ...]

    @property
    def text(self) -> str:
        """The policy as one file."""
        return "\n\n".join(draft.full() for draft in self.drafts) + "\n"

    def sources(self, rng: Random, files: int = 3) -> list[Source]:
        """The same declarations in any order, spread over files."""
        shuffled = rng.sample(self.drafts, len(self.drafts))
        parts: list[list[str]] = [[] for _ in range(files)]
        for draft in shuffled:
            rng.choice(parts).append(draft.full())
        return [Source(f"f{i}.tide", "\n".join(part) + "\n") for i, part in enumerate(parts)]


class DoesNotCompileError(Exception):
    """The generator wrote what cannot be repaired: a fault in the generator or the checker."""


# --- expressions -------------------------------------------------------------------------------


@dataclass
class Writer:
    """Writes expressions over `names`; remembers which scores and optional inputs it read."""

    rng: Random
    names: Sequence[Name]
    unit: str = "EUR"
    allowed: frozenset[str] = frozenset()
    models: set[str] = field(default_factory=set)
    optional: bool = False
    lists: Sequence[tuple[str, Type, bool]] = ()

    def chance(self, share: float) -> bool:
        """True that often."""
        return self.rng.random() < share

    def readable(self, of: Type) -> list[Name]:
        """The names of that type whose scores may be read here."""
        return [n for n in self.names if n.type == of and n.models <= self.allowed]

    def read(self, name: Name) -> str:
        """The name, noted."""
        self.models |= name.models
        self.optional = self.optional or name.optional
        return name.text

    # --- literals and leaves

    def literal(self, of: Type) -> str:
        """A literal that has this type by itself, or in a place that wants it."""
        rng = self.rng
        match of.kind:
            case Kind.FLAG:
                return rng.choice(("true", "false"))
            case Kind.COUNT:
                return self._signed(rng.choice(COUNTS))
            case Kind.NUMBER:
                return self._signed(rng.choice(DECIMALS))
            case Kind.MONEY:
                return self._signed(f"{rng.choice(AMOUNTS)} {self.unit}")
            case Kind.DURATION:
                return self._signed(rng.choice(DURATIONS))
            case Kind.TIME:
                return rng.choice(TIMES)
            case Kind.COUNTRY:
                return f'"{rng.choice(COUNTRIES)}"'
            case Kind.IP:
                return rng.choice(ADDRESSES)
            case Kind.WORD:
                return f'"{rng.choice(of.words)}"'
        return f'"{rng.choice(TEXTS)}"'

    def _signed(self, text: str) -> str:
        return f"-{text}" if self.chance(0.12) and text[0] != "0" else text

    def leaf(self, of: Type) -> str:
        """A name of that type, or a literal where that types by itself."""
        known = self.readable(of)
        if of.kind in (Kind.TOKEN, Kind.COUNTRY, Kind.WORD, Kind.IP):
            return self.read(self.rng.choice(known)) if known else ""
        if known and self.chance(0.85):
            return self.read(self.rng.choice(known))
        text = self.literal(of)
        return f"({text})" if text.startswith("-") else text

    # --- values

    def value(self, of: Type, depth: int) -> str:
        """Any expression of type `of`; the empty text where there is none."""
        if depth <= 0 or self.chance(0.3):
            return self.leaf(of)
        makers: list[Callable[[Type, int], str]] = [self._otherwise, self._case]
        if of.kind in INTEGER_KINDS:
            makers += [self._arithmetic] * 5 + [self._integer_call] * (11 if of == COUNT else 5)
        elif of == TEXT:
            makers += [self._text_call] * 3
        elif of == FLAG:
            makers += [lambda _, deep: f"({self.condition(deep)})"] * 3
        return self.rng.choice(makers)(of, depth - 1)

    def _otherwise(self, of: Type, depth: int) -> str:
        left = self.value(of, depth)
        if not left:
            return ""
        literal = of != TOKEN and self.chance(0.6)
        right = self.literal(of) if literal else self.value(of, depth - 1)
        return f"({left} otherwise {_guarded(right)})" if right else ""

    def _case(self, of: Type, depth: int) -> str:
        branches = ""
        for _ in range(self.rng.randint(1, 2)):
            condition, value = self.condition(depth - 1), self.value(of, depth - 1)
            if not (condition and value):
                return ""
            branches += f" when {condition} then {value}"
        default = self.value(of, depth - 1)
        return f"case{branches} else {default} end" if default else ""

    def _arithmetic(self, of: Type, depth: int) -> str:
        if of != TIME and self.chance(0.1):
            return self._minus(of, depth)
        return self._sum(of, self.rng.choice(SUMS[of]), depth)

    def _sum(self, of: Type, row: tuple[Type, str, Type], depth: int) -> str:
        left, op, right = row
        first, second = self.value(left, depth), self.value(right, depth)
        if op == "/" and second.strip("()").lstrip("-").split(" ")[0] in ("0", "0.0", "0s"):
            second = {COUNT: "7", NUMBER: "0.3", MONEY: f"3 {self.unit}", DURATION: "7s"}[right]
        return f"({first} {op} {second})"

    def _integer_call(self, of: Type, depth: int) -> str:
        rng = self.rng
        calls: list[Callable[[], str]] = [
            lambda: self._extreme(of, rng.choice(("min", "max")), depth)
        ]
        if of == TIME:
            calls.append(lambda: self._calendar(of, "date", depth))
        else:
            calls += [lambda: self._absolute(of, depth), lambda: self._modulo(of, depth)]
        if of in (NUMBER, MONEY):
            calls += [lambda: self._rounded(of, rng.choice(ROUNDINGS), depth)] * 3
        if of == NUMBER:
            calls += [lambda: self._distance(of, depth)] * 2
        if of == COUNT:
            calls += [lambda: self._calendar(of, rng.choice(CALENDAR), depth)] * 3
            calls += [lambda: self._days_since(of, depth), lambda: self._length(of, depth)]
        return rng.choice(calls)()

    def _text_call(self, of: Type, depth: int) -> str:
        text = self.value(of, depth)
        if self.chance(0.5):
            return f"{self.rng.choice(('lower', 'upper'))}({text})"
        self.optional = True
        return f'{self.rng.choice(("before", "after"))}({text}, "{self.rng.choice(MARKS)}")'

    # --- conditions

    def condition(self, depth: int) -> str:
        """Any condition that does not read points."""
        if depth <= 0 or self.chance(0.35):
            return self.atom(min(depth + 1, self.rng.choice((0, 1, 1, 2))))
        if self.chance(0.2):
            return f"not ({self.condition(depth - 1)})"
        items = [self.condition(depth - 1) for _ in range(self.rng.randint(2, 3))]
        join = " and " if self.chance(0.55) else " or "
        return join.join(item if _is_atom(item) else f"({item})" for item in items)

    def atom(self, depth: int) -> str:
        """One test."""
        makers: list[Callable[[int], str]] = [
            *[self._compare] * 4,
            *[self._operator] * 12,
            *[self._score] * 4,
            self._between,
            self._in_set,
            *[self._in_list] * 2,
            self._in_networks,
            self._text_test,
            *[self._presence] * 2,
            lambda _: self.leaf(FLAG),
            lambda deep: self._otherwise(FLAG, deep - 1),
            lambda deep: self._case(FLAG, deep - 1),
        ]
        for _ in range(8):
            if text := self.rng.choice(makers)(depth):
                return text
        return "true"

    def _compare(self, depth: int) -> str:
        of = self.rng.choice(
            (*[COUNT, NUMBER, MONEY] * 2, TIME, DURATION, TEXT, TOKEN, COUNTRY, IP, CHANNEL, GRADE,
             FLAG)
        )  # fmt: skip
        ordered = ("=", "!=", "<", "<=", ">", ">=")
        op = self.rng.choice(ordered if of.kind in INTEGER_KINDS else ordered[:2])
        if of == IP:
            return self._compare_address(op)
        left = self.value(of, depth)
        literal = of != TOKEN and self.chance(0.6)
        right = self.literal(of) if literal else self.value(of, depth - 1)
        if of == NUMBER and literal and self.chance(0.3):
            right = str(self.rng.randint(-2, 40))  # a whole literal becomes a number here
        if not (left and right):
            return ""
        if self.chance(0.8):
            return f"{_bare(left)} {op} {right}"
        return f"{right} {op} {left}"

    def _operator(self, depth: int) -> str:
        """A test of one operator, each as often as any other, so that none is rarely met."""
        of, left = self.rng.choice(self._forms(max(depth - 1, 0)))()
        if not left:
            return ""
        if of == TOKEN or self.chance(0.3):
            return f"{left} is {self.rng.choice(('missing', 'present'))}"
        op = self.rng.choice(("=", "!=", "<", "<=", ">", ">=") if of in INTEGERS else ("=", "!="))
        if of == IP:
            return f"{left} in {self.rng.choice(NETWORKS)}"
        if of in (*INTEGERS, TEXT, COUNTRY) and self.chance(0.25):
            return f"{left} in ({self.literal(of)}, {self.literal(of)})"
        return f"{left} {op} {self.literal(of)}"

    def _forms(self, depth: int) -> list[Callable[[], tuple[Type, str]]]:
        def form(
            of: Type, make: Callable[..., str], *rest: object
        ) -> Callable[[], tuple[Type, str]]:
            return lambda: (of, make(of, *rest))

        forms = [form(of, self._sum, r, depth) for of, rows in SUMS.items() for r in rows] * 2
        forms += [form(of, self._minus, depth) for of in INTEGERS if of != TIME] * 2
        forms += [form(of, self._absolute, depth) for of in INTEGERS if of != TIME] * 2
        forms += [form(of, self._extreme, f, depth) for of in INTEGERS for f in ("min", "max")] * 2
        forms += [form(COUNT, self._calendar, unit, depth) for unit in CALENDAR] * 2
        forms += [form(TIME, self._integer_call, depth)]
        forms += [form(NUMBER, self._distance, depth)]
        forms += [form(of, self._modulo, depth) for of in INTEGERS if of != TIME]
        numbers = (NUMBER, NUMBER, MONEY)
        forms += [form(of, self._rounded, f, depth) for of in numbers for f in ROUNDINGS]
        forms += [form(COUNT, self._days_since, depth), *[form(COUNT, self._length, depth)] * 2]
        forms += [form(of, make, depth) for make in (self._otherwise, self._case, self.value)
                  for of in (*INTEGERS, TEXT, TOKEN, COUNTRY, IP, CHANNEL, GRADE, FLAG)]  # fmt: skip
        forms += [form(of, make, depth) for make in (self._otherwise, self._case)
                  for of in (COUNT, NUMBER, MONEY, DURATION, TIME)]  # fmt: skip
        return forms

    def _minus(self, of: Type, depth: int) -> str:
        return f"(- {_guarded(self.value(of, depth))})"

    def _absolute(self, of: Type, depth: int) -> str:
        return f"abs({self.value(of, depth)})"

    def _rounded(self, of: Type, function: str, depth: int) -> str:
        digits = 6 if of == NUMBER else CURRENCIES[self.unit]
        return f"{function}({self.value(of, depth)}, {self.rng.randint(0, digits)})"

    def _modulo(self, of: Type, depth: int) -> str:
        return f"modulo({self.value(of, depth)}, {self.value(of, 0)})"

    def _distance(self, of: Type, depth: int) -> str:
        degrees = [
            self.rng.choice(DEGREES) if self.chance(0.5) else self.value(of, depth)
            for _ in range(4)
        ]
        return f"distance({', '.join(degrees)})"

    def _extreme(self, of: Type, function: str, depth: int) -> str:
        return f"{function}({self.value(of, depth)}, {self.leaf(of)}, {self.leaf(of)})"

    def _calendar(self, of: Type, unit: str, depth: int) -> str:
        zone = f', "{self.rng.choice(ZONES)}"' if self.chance(0.5) else ""
        return f"{unit}({self.value(TIME, depth)}{zone})"

    def _days_since(self, of: Type, depth: int) -> str:
        return f"days_since({self.value(TIME, depth)})"

    def _length(self, of: Type, depth: int) -> str:
        return f"length({self.value(TEXT, depth)})"

    def _compare_address(self, op: str) -> str:
        fine = [n for n in self.readable(IP) if not n.coarse]
        if not fine:
            return ""
        other = self.literal(IP) if self.chance(0.6) else self.read(self.rng.choice(fine))
        return f"{self.read(self.rng.choice(fine))} {op} {other}"

    def _score(self, depth: int) -> str:
        scores = [n for n in self.names if n.source == "score" and n.models <= self.allowed]
        if not scores:
            return self._compare(depth)
        score = self.read(self.rng.choice(scores))
        op = self.rng.choice((">=", "<", ">", "<=", "!="))
        cut = self.rng.choice(("0.0", "0.25", "0.5", "0.85", "50%", "0.999999", "1"))
        match self.rng.randrange(10):
            case 0:
                other = self.value(NUMBER, depth - 1)
                return f"{score} {self.rng.choice('+-*/')} {other} {op} {cut}"
            case 1:
                return f"(({score} otherwise 0.5) {op} {cut})"
            case 2:
                return f"{score} is {self.rng.choice(('missing', 'present'))}"
            case 3:
                return f"max({score}, {self.read(self.rng.choice(scores))}) {op} {cut}"
            case 4:
                return f"{score} between 0.25 and {self.value(NUMBER, depth - 1)}"
        return f"{score} {op} {cut}"

    def _between(self, depth: int) -> str:
        of = self.rng.choice((COUNT, NUMBER, MONEY, TIME, DURATION))
        words = self.rng.choice(("between", "not between"))
        operand, low = _bare(self.value(of, depth)), self.value(of, 0)
        return f"{operand} {words} {low} and {self.readable_or(of, low)}"

    def readable_or(self, of: Type, low: str) -> str:
        """A name as the upper end; where there is none the lower end again, so it is not empty."""
        known = self.readable(of)
        return self.read(self.rng.choice(known)) if known and self.chance(0.7) else low

    def _in_set(self, depth: int) -> str:
        of = self.rng.choice((COUNT, NUMBER, MONEY, TEXT, COUNTRY, CHANNEL, GRADE))
        operand = self.value(of, depth)
        items = {self.literal(of) for _ in range(self.rng.randint(1, 3))}
        word = self.rng.choice(("in", "in", "not in"))
        return f"{_bare(operand)} {word} ({', '.join(sorted(items))})" if operand else ""

    def _in_list(self, depth: int) -> str:
        if not self.lists:
            return ""
        name, of, managed = self.rng.choice(self.lists)
        held = self.rng.choice((TEXT, CHANNEL)) if of == TEXT else of
        operand = self.value(held, depth)
        self.optional = self.optional or managed
        return f"{operand} {self.rng.choice(('in', 'in', 'not in'))} {name}" if operand else ""

    def _in_networks(self, depth: int) -> str:
        operand = self.leaf(IP)
        if not operand:
            return ""
        if self.chance(0.4):
            return f"{operand} {self.rng.choice(('in', 'not in'))} {self.rng.choice(NETWORKS)}"
        items = self.rng.sample(NETWORKS, self.rng.randint(1, 3))
        return f"{operand} {self.rng.choice(('in', 'not in'))} ({', '.join(items)})"

    def _text_test(self, depth: int) -> str:
        op = self.rng.choice(("starts with", "ends with", "contains", "like", "matches"))
        words = f"not {op}" if self.chance(0.25) else op
        pattern = self.rng.choice(REGEXES if op == "matches" else PATTERNS)
        return f'{self.value(TEXT, depth)} {words} "{pattern}"'

    def _presence(self, depth: int) -> str:
        of = self.rng.choice((COUNT, NUMBER, MONEY, TIME, DURATION, TEXT, TOKEN, COUNTRY, IP, FLAG,
                              CHANNEL, GRADE, FLAG))  # fmt: skip
        operand = self.value(of, depth)
        return f"{operand} is {self.rng.choice(('missing', 'present'))}" if operand else ""


def _guarded(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def _bare(text: str) -> str:
    """Arithmetic without the brackets that a comparison around it does not need."""
    if not (text.startswith("(") and text.endswith(")")) or " otherwise " in text:
        return text
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0 and index < len(text) - 1:
            return text
    inner = text[1:-1]
    plain = not any(f" {w} " in inner for w in ("and", "or", "not", "is", "in", "=", "<", ">"))
    return inner if plain and not inner.startswith("not ") else text


def _is_atom(text: str) -> bool:
    return not any(word in text for word in (" and ", " or ", "not "))


# --- declarations ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """A model with its authority."""

    name: str
    score: str
    event: str
    may: frozenset[str]
    text: str

    def covers(self, word: str) -> bool:
        """Whether it may cause what needs this word of `may`."""
        return word in self.may or bool(COVERED.get(word, set()) & self.may)


@dataclass(frozen=True)
class Schema:
    """The part of a policy that is drawn from a pool: units, events, reasons, lists."""

    unit: str
    drafts: tuple[Draft, ...]
    names: dict[str, tuple[Name, ...]]
    lists: tuple[tuple[str, Type, bool], ...]


def _fields(rng: Random, unit: str) -> list[tuple[str, Type, str]]:
    def maybe(text: str, share: float = 0.5) -> str:
        return f" {text}" if rng.random() < share else ""

    def optional(share: float = 0.6) -> str:
        return "?" if rng.random() < share else ""

    lenient = "lenient" if rng.random() < 0.3 else ""
    return [
        ("id", TEXT, " key"),
        ("at", TIME, ""),
        ("amount", MONEY, rng.choice((f" max 10000 {unit}", f" min 0 {unit} max 99 {unit}", ""))),
        ("fee", MONEY, optional() + maybe(f"max 500 {unit}")),
        ("items", COUNT, optional() + maybe("min 0 max 1000")),
        ("units", COUNT, optional(0.2) + maybe("max 50", 0.3)),
        ("rate", NUMBER, maybe("min -1.0 max 1.0", 0.7)),
        ("factor", NUMBER, optional() + maybe("max 100.0")),
        ("opened", TIME, "?" + f" {lenient}"),
        ("closed", TIME, optional(0.2) + maybe("max 2030-01-01", 0.3)),
        ("gap", DURATION, optional() + maybe("max 30d")),
        ("latitude", NUMBER, maybe("min -90 max 90", 0.6)),
        ("longitude", NUMBER, optional() + maybe("max 180", 0.6)),
        ("wait", DURATION, maybe("min 0s max 2w")),
        ("memo", TEXT, "?" + maybe("folded")),
        ("merchant", TEXT, ""),
        ("card", TOKEN, ""),
        ("customer", TOKEN, "?"),
        ("card_country", COUNTRY, ""),
        ("ip_country", COUNTRY, optional()),
        ("address", IP, optional() + " coarse /24 /48"),
        ("host", IP, optional(0.3)),
        ("channel", CHANNEL, optional(0.2)),
        ("grade", GRADE, optional()),
        ("verified", FLAG, ""),
        ("familiar", FLAG, "?"),
    ]


def _type_word(of: Type) -> str:
    if of.kind is not Kind.WORD:
        return str(of)
    return (
        f"one of ({', '.join(w if w.isidentifier() else chr(34) + w + chr(34) for w in of.words)})"
    )


def _event(name: str, head: str, fields: Iterable[tuple[str, Type, str]]) -> Draft:
    lines = [f"event {name}{head}"]
    lines += [f"  {n} {_type_word(of)}{rest}" for n, of, rest in fields]
    return Draft("event", name, "\n".join(lines), needed=True)


def _names_of(fields: Iterable[tuple[str, Type, str]]) -> list[Name]:
    return [Name(n, of, rest.startswith("?"), coarse="coarse" in rest) for n, of, rest in fields]


TABLES = (
    ("limits", TEXT, ("merchant",)),
    ("lands", COUNTRY, ("card_country",)),
    ("holders", TOKEN, ("customer",)),
)
"""Reference tables, with what they are looked up by and the fields that look there."""
LOOKUPS = 6
"""How many of their columns the rules of a policy may read: fields are read more often."""
COLUMNS = (
    ("cut", MONEY, True),
    ("share", NUMBER, True),
    ("most", COUNT, True),
    ("pause", DURATION, True),
    ("vetted", FLAG, True),
    ("note", TEXT, True),
    ("home", COUNTRY, True),
    ("tier", GRADE, True),
)


def _table(name: str, of: Type, unit: str, rng: Random) -> Draft:
    """A table with every sort of column; some have a default, which the checker then knows of."""
    defaults = {
        MONEY: f"max 5000 {unit} default 5 {unit}", NUMBER: "min -2.5 max 2.5 default 12%",
        COUNT: "default 3", DURATION: "max 9d default 10m", FLAG: "default false",
        TEXT: 'default "a@b"', COUNTRY: 'default "FR"', GRADE: 'default "mid"',
    }  # fmt: skip
    lines = [f'table {name} of {of} from "tables/{name}.csv"']
    for column, kind, _ in COLUMNS:
        rest = f" {defaults[kind]}" if rng.random() < 0.5 else ""
        optional = "?" if rng.random() < 0.3 else ""
        lines.append(f"  {column} {_type_word(kind)}{optional}{rest}")
    return Draft("table", name, "\n".join(lines), needed=True)


@lru_cache(maxsize=SCHEMAS)
def schema(number: int) -> Schema:
    """One of the sets of events, lists, reasons and step_ups."""
    rng = Random(number)
    unit = rng.choice(("EUR", "EUR", "JPY", "BHD"))
    fields = _fields(rng, unit)
    small = [
        f for f in _fields(rng, unit) if f[0] in ("id", "at", "amount", "card", "rate", "memo")
    ]
    small += [("payee", TEXT, ""), ("level", COUNT, "?")]
    counted = [("id", TEXT, " key"), ("at", TIME, ""), ("payment", TEXT, ""), ("card", TOKEN, "?"),
               ("loss", MONEY, "?"), ("kind", Type(Kind.WORD, ("fraudulent", "dispute")), "")]  # fmt: skip
    defaults = ("approve", "approve", "approve", "hold", "decline")
    drafts = [
        Draft(
            "policy",
            "generated",
            f"policy generated language 1\n  currency {unit}\n"
            f'  timezone "{rng.choice(ZONES)}"\n  rates "rates/ecb.csv"',
            needed=True,
        ),
        _event(
            "payment",
            f" decided by default {rng.choice(defaults)}\n"
            f"  silent {rng.choice(('review', 'hold'))}",
            fields,
        ),
        _event("chargeback", '\n  "What came back"', counted),
    ]
    names = {
        "payment": (
            *_names_of(fields),
            Name("amount.original", NUMBER),
            Name("amount.currency", TEXT),
        ),
        "chargeback": tuple(_names_of(counted)),
    }
    if number % 3 == 0:
        drafts.append(
            _event(
                "transfer",
                f" decided by default {rng.choice(defaults)}\n  silent approve",
                small,
            )
        )
        names["transfer"] = tuple(_names_of(small))
    lists = (
        ("blocked", TOKEN, False),
        ("trusted", TOKEN, True),
        ("watched_texts", TEXT, True),
        ("known_texts", TEXT, False),
        ("networks", IP, False),
        ("watched_networks", IP, True),
        ("eea", COUNTRY, False),
    )
    drafts += [
        Draft("list", n, f"list {n} of {of} " + ("managed" if managed else f'from "lists/{n}.csv"'),
              needed=True)
        for n, of, managed in lists
    ]  # fmt: skip
    drafts += [_table(name, of, unit, rng) for name, of, _ in TABLES]
    lookups = [
        Name(f"{name}[{key}].{column}", of, optional, source="lookup")
        for name, _, keys in TABLES
        for key in keys
        for column, of, optional in COLUMNS
    ]
    names["payment"] += tuple(rng.sample(lookups, LOOKUPS))
    drafts += [
        Draft("reason", n, f'reason {n} "why" message "We are checking this payment."', needed=True)
        for n in REASONS
    ]
    drafts += [
        Draft("step_up", n, f"step_up {n} rank {rank}\n  try passkey, three_ds\n  within 10m\n"
              "  if failed then decline because gap\n  if unavailable then review before",
              needed=True)
        for n, rank in STEP_UPS
    ]  # fmt: skip
    drafts.append(
        Draft("label", "fraud", "label fraud of payment known after 7d from chargeback matching "
              'payment where kind = "fraudulent"', needed=True)
    )  # fmt: skip
    return Schema(unit, tuple(drafts), names, lists)


class Maker:
    """Makes the declarations of one policy."""

    def __init__(self, rng: Random, shape: Shape) -> None:
        self.rng = rng
        self.shape = shape
        self.schema = schema(rng.randrange(SCHEMAS))
        self.unit = self.schema.unit
        self.drafts = list(self.schema.drafts)
        self.names = {event: list(names) for event, names in self.schema.names.items()}
        self.decided = [e for e in self.names if e != "chargeback"]
        self.models: list[Model] = []
        self.challenger: Model | None = None
        """A model in the shadow, which shadow rules alone read."""
        self.params: list[Name] = []
        self.groups: list[tuple[str, str, str, str]] = []
        self.numbers = count(1)
        self.varies = rng.random() < 0.6
        """Whether dates and rollouts let rules stand otherwise from event to event."""

    def chance(self, share: float) -> bool:
        """True that often."""
        return self.rng.random() < share

    def writer(self, event: str, allowed: Iterable[str] = (), own: bool = False) -> Writer:
        """A writer in the context of an event; `own` leaves only its fields."""
        names = [n for n in self.names[event] if n.source == "field" or not own]
        return Writer(
            self.rng,
            names if own else [*names, *self.params],
            self.unit,
            frozenset(allowed),
            lists=self.schema.lists,
        )

    def made(self) -> list[Draft]:
        """All declarations."""
        self._params()
        self._models()
        self._features()
        self._lets()
        self._groups()
        wanted = self.rng.randint(*self.shape.rules)
        while sum(d.kind == "rule" for d in self.drafts) < wanted:
            self._rule()
        if self.challenger is not None:
            for _ in range(self.rng.randint(1, 3)):
                self._challenging(self.challenger)
        self._promises()
        return self.drafts

    # --- values

    def _params(self) -> None:
        options = [
            ("burst_limit", COUNT, "5 from 3 to 20"),
            ("heavy", COUNT, "40 from 10 to 90"),
            ("light", COUNT, "-20 from -90 to 0"),
            ("cut", NUMBER, "0.5 from 0.1 to 0.9"),
            ("large", MONEY, f"500 {self.unit} from 100 {self.unit} to 900 {self.unit}"),
            ("patience", DURATION, "1h from 1m to 1d"),
            ("epoch", TIME, "2026-11-23"),
            ("home", COUNTRY, '"FR"'),
            ("greeting", TEXT, '"a@b"'),
            ("usual_channel", CHANNEL, '"ecom"'),
        ]
        for name, of, rest in self.rng.sample(options, self.rng.randint(1, 4)):
            self.drafts.append(Draft("param", name, f"param {name} {_type_word(of)} = {rest}"))
            self.params.append(Name(name, of, source="param"))

    def _models(self) -> None:
        for letter in "abc"[: self.rng.randint(*self.shape.models)]:
            words = self.rng.sample(MAY, self.rng.choice((1, 1, 2, 2, 3, 4)))
            event = self.rng.choice(self.decided) if self.chance(0.15) else "payment"
            model = Model(f"model_{letter}", f"score_{letter}", event, frozenset(words), "")
            self.models.append(model)
            use = self._use(event)
            reads = self.rng.sample(
                [n.text for n in self.names[event] if n.source == "field" and "." not in n.text], 2
            )
            lines = [
                f"model {model.name} version {self.rng.randint(1, 9)}",
                *self._source(letter, reads),
                f"  score {model.score}",
                f"  use {event}{use}",
                f"  may {', '.join(words)}",
                *(["  until 2027-06-30"] if self.chance(0.2) else []),
                *(["  within 20ms"] if self.chance(0.2) else []),
                f"  if unavailable then {self._unavailable()}",
            ]
            self.drafts.append(Draft("model", model.name, "\n".join(lines)))
            self.names[event].append(
                Name(model.score, NUMBER, False, frozenset({model.name}), "score")
            )

        if self.shape.models[1] and self.chance(0.25):
            self._challenger()

    def _source(self, letter: str, reads: Sequence[str]) -> list[str]:
        """Where the score comes from."""
        if self.chance(0.3):
            return ["  external"]
        return [f'  from "models/{letter}"', f"  reads {', '.join(reads)}"]

    def _challenger(self) -> None:
        words = self.rng.sample(MAY, self.rng.randint(1, 4))
        self.challenger = Model("model_d", "score_d", "payment", frozenset(words), "")
        bounds = self.rng.choice(("", " from 0 to 99", " from -1 to 1"))
        lines = [
            "model model_d version 1",
            "  external",
            "  shadow",
            f"  score score_d{bounds}",
            f"  use payment{self._use('payment')}",
            f"  may {', '.join(words)}",
            f"  if unavailable then {self._unavailable()}",
        ]
        self.drafts.append(Draft("model", "model_d", "\n".join(lines)))
        self.names["payment"].append(
            Name("score_d", NUMBER, False, frozenset({"model_d"}), "score")
        )

    def _use(self, event: str) -> str:
        if self.chance(0.55):
            return ""
        options = ["amount >= 1", "(rate otherwise 0.5) >= 0.0", "memo is present", 'memo is missing or memo = "a"',
                   "hour(at) between 3 and 18", "card in blocked"]  # fmt: skip
        text = self.rng.choice(options).replace("amount >= 1", f"amount >= 1 {self.unit}")
        return f" when {text}"

    def _unavailable(self) -> str:
        asks = self._asks(self.rng.choice((1, 1, 2)))
        rest = [f"add {self.rng.choice((10, 30, 80))} points"] if self.chance(0.3) else []
        rest += ['tag "down"'] if self.chance(0.2) else []
        return ", ".join([*([] if rest and self.chance(0.5) else asks), *rest])

    def _features(self) -> None:
        writer = self.writer("payment", own=True)

        def where() -> str:
            return f" where {writer.condition(1)}" if self.chance(0.3) else ""

        options: list[tuple[str, Type, bool, str]] = [
            ("tries", COUNT, False, "count of payment by card over 10m"),
            ("by_customer", COUNT, True, "count of payment by customer over 1d"),
            ("everything", COUNT, False, "count of payment by all over 1h"),
            ("spend", MONEY, True, "sum of amount of payment by card over 1d"),
            ("waited", DURATION, False, "sum of wait of payment by card over 1d"),
            ("typical", MONEY, True, "average of amount of payment by card over 30d"),
            ("mean_rate", NUMBER, True, "average of rate of payment by merchant over 7d"),
            ("least", COUNT, True, "minimum of units of payment by card over 7d"),
            ("longest", DURATION, True, "maximum of wait of payment by card over 7d"),
            ("oldest", TIME, True, "minimum of closed of payment by card over 7d"),
            ("places", COUNT, False, "distinct ip_country of payment by card over 7d"),
            ("first_seen", TIME, True, "first at of payment by card over 30d"),
            ("last_seen", TIME, True, "last at of payment by customer over 30d"),
            (
                "frauds",
                COUNT,
                False,
                "count of payment by merchant over 28d delayed 7d where fraud",
            ),
            ("returned", COUNT, False, "count of chargeback by card = card over 30d"),
            ("idle", DURATION, True, "since last payment by card over 30d"),
            ("older", DURATION, True, "since first payment by customer over 7d delayed 1h"),
            ("spread", MONEY, True, "deviation of amount of payment by card over 30d"),
            ("uneven", NUMBER, True, "deviation of rate of payment by merchant over calendar week"),
            (
                "this_day",
                COUNT,
                False,
                'count of payment by card over calendar day in "America/New_York"',
            ),
            (
                "this_month",
                MONEY,
                True,
                "sum of amount of payment by card over calendar month delayed 1d",
            ),
        ]
        wanted = self.rng.randint(1, 2) if self.shape.vouching else self.rng.randint(3, 7)
        for name, of, optional, rest in self.rng.sample(options, wanted):
            tail = "" if "fraud" in rest or "chargeback" in rest else where()
            self.drafts.append(Draft("feature", name, f"feature {name} = {rest}{tail}"))
            self.names["payment"].append(Name(name, of, optional, source="feature"))

    def _lets(self) -> None:
        wanted = self.rng.randint(0, 1) if self.shape.vouching else self.rng.randint(1, 4)
        for number in range(wanted):
            of = self.rng.choice((COUNT, NUMBER, MONEY, TIME, DURATION, TEXT, FLAG, FLAG, NUMBER))
            scored = [m.name for m in self.models if m.event == "payment"]
            writer = self.writer("payment", scored if self.chance(0.35) else ())
            text = writer.condition(2) if of == FLAG else writer.value(of, 2)
            name = f"let_{number}"
            self.drafts.append(Draft("let", name, f"let {name} = {text}"))
            self.names["payment"].append(
                Name(name, of, writer.optional, frozenset(writer.models), "let")
            )

    # --- actions

    def _asks(self, number: int, within: Model | None = None) -> list[str]:
        possible = [a for a, word in ASKS.items() if within is None or within.covers(word)]
        chosen = self.rng.sample(possible, min(number, len(possible)))
        asks = []
        for ask in chosen:
            named = f" {self.rng.choice(STEP_UPS)[0]}" if ask.endswith("step_up") else ""
            because = f" because {self.rng.choice(REASONS)}" if self.chance(0.8) else ""
            asks.append(f"{ask}{named}{because}")
        return asks

    def _then(self, within: Model | None, points: bool) -> list[str]:
        """Actions that a score of `within` may cause."""
        actions = self._asks(self.rng.choice((1, 1, 1, 2)), within)
        if points and (not actions or self.chance(0.2)):
            actions.append(self._points(1))
        if self.chance(0.2) or not actions:
            actions.append(f'tag "{self.rng.choice(("geo", "night", "late"))}"')
        if self.chance(0.12) and (within is None or "advise" in within.may):
            name, value = self.rng.choice((("route", "1"), ("acquirer", '"us"'), ("limit", "0.5")))
            actions.append(f"advise {name} = {value}")
        return actions

    def _points(self, sign: int) -> str:
        names = {p.text for p in self.params}
        word = "heavy" if sign > 0 else "light"
        amount = str(sign * self.rng.choice((5, 10, 15, 30, 40, 70)))
        because = f" because {self.rng.choice(REASONS)}" if self.chance(0.2) else ""
        return f"add {word if word in names and self.chance(0.3) else amount} points{because}"

    # --- rules

    def _groups(self) -> None:
        for number in range(self.rng.randint(0, 2)):
            name, event = f"group_{number}", self.rng.choice(self.decided)
            relaxing = [m.name for m in self.models if "relax" in m.may and m.event == event]
            excepted = ""
            for _ in range(self.rng.choice((0, 1, 1, 2))):
                excepted += f"\n  except when {self.writer(event, relaxing).condition(1)}"
            shadow = "\n  shadow" if self.chance(0.1) else ""
            unknown = self.rng.choice(("", "skip", "review because unusual"))
            self.groups.append((name, event, excepted, unknown))
            tail = f"\n  if unknown then {unknown}" if unknown else ""
            self.drafts.append(
                Draft("group", name, f"group {name}\n  on {event}{shadow}{excepted}{tail}")
            )

    def _rule(self) -> None:
        kinds: tuple[Callable[[str], None], ...] = (
            *[self._ordinary] * 6,
            *[self._adder] * 3,
            *[self._reader] * 3,
            self._relaxing,
            self._mandatory,
            self._replacing if self.varies else self._ordinary,
            self._advisers,
        )
        if self.shape.vouching:
            kinds = (*[self._adder] * 4, *[self._reader] * 3, self._ordinary, self._relaxing)
        event = "payment" if self.chance(0.85) else self.rng.choice(self.decided)
        self.rng.choice(kinds)(event)

    def _scored(self, event: str) -> Model | None:
        here = [m for m in self.models if m.event == event]
        return self.rng.choice(here) if here and self.chance(0.55) else None

    def _add_rule(
        self,
        event: str,
        when: str,
        then: Sequence[str],
        spare: str,
        unknown: bool,
        clauses: Iterable[str] = (),
        excepted: Iterable[str] = (),
        name: str = "",
        version: int = 0,
    ) -> str:
        name = name or f"rule_{next(self.numbers):02}"
        lines = [f"rule {name} version {version or self.rng.randint(1, 3)}", f"  on {event}"]
        lines += [f"  {clause}" for clause in clauses]
        lines += [f"  when {when}", f"  then {', '.join(then)}"]
        lines += [f"  except when {e}" for e in excepted]
        self.drafts.append(Draft("rule", name, "\n".join(lines), spare if unknown else "", spare))
        return name

    def _spare(self, then: Sequence[str], covered: bool) -> str:
        """An `if unknown`; `covered` keeps it within what `then` does."""
        if self.chance(0.35):
            return "skip"
        if covered or self.chance(0.5):
            plain = [a for a in then if not a.startswith("advise")]
            return (
                ", ".join(self.rng.sample(plain, self.rng.randint(1, len(plain))))
                if plain
                else "skip"
            )
        return ", ".join(self._then(None, points=True))

    def _status(self, name: str = "") -> list[str]:
        clauses = []
        if self.chance(0.12):
            clauses.append("shadow")
        if self.varies and self.chance(0.15):
            share = self.rng.choice(("0%", "30%", "70.5%", "100%"))
            clauses.append(f"rollout {share} by {self.rng.choice(('card', 'id', 'memo'))} as wave1")
        if self.varies and self.chance(0.15):
            clauses.append(f"from {self.rng.choice(('2026-11-23', '2026-11-20'))}")
        if self.varies and self.chance(0.15):
            clauses.append(f"until {self.rng.choice(('2026-11-24', '2026-12-20'))}")
        if self.chance(0.05):
            clauses.append("expires 2026-12-31")
        return clauses

    def _grouped(self, event: str) -> list[str]:
        fitting = [g for g in self.groups if g[1] == event]
        return [f"in {self.rng.choice(fitting)[0]}"] if fitting and self.chance(0.35) else []

    def _exceptions(self, event: str) -> list[str]:
        if not self.chance(0.25):
            return []
        relaxing = [m.name for m in self.models if "relax" in m.may and m.event == event]
        number = self.rng.randint(1, 2)
        return [self.writer(event, relaxing).condition(1) for _ in range(number)]

    def _allowed(self, model: Model | None, event: str, then: Sequence[str]) -> list[str]:
        """The models whose score may be read for these actions: the chosen one, and its equals."""
        if model is None:
            return []
        words = [word for a in then for ask, word in ASKS.items() if _asks_for(a, ask)]
        words += ["advise"] if any(a.startswith("advise") for a in then) else []
        return [m.name for m in self.models if m.event == event and all(m.covers(w) for w in words)]

    def _ordinary(self, event: str) -> None:
        model = self._scored(event)
        then = self._then(model, points=True)
        writer = self.writer(event, self._allowed(model, event, then))
        when = writer.condition(self.rng.randint(1, self.shape.depth))
        self._add_rule(
            event, when, then, self._spare(then, bool(writer.models)), writer.optional,
            [*self._status(), *self._grouped(event)], self._exceptions(event),
        )  # fmt: skip

    def _challenging(self, model: Model) -> None:
        """A shadow rule that reads the challenger, and points where it adds none."""
        then = self._then(model, points=True)
        writer = self.writer("payment", [model.name, *self._allowed(model, "payment", then)])
        when = f"score_d >= 0.{self.rng.randint(1, 9)}"
        if self.chance(0.5):
            when += f" and {_wrapped(writer.condition(1))}"
        if not any(action.startswith("add ") for action in then) and self.chance(0.4):
            when = f"{when} and points >= {self.rng.choice((5, 20, 45))}"
        self._add_rule(
            "payment", when, then, self._spare(then, True), writer.optional, ["shadow"]
        )  # fmt: skip

    def _adder(self, event: str) -> None:
        then = [self._points(1)]
        if self.chance(0.15):
            then.append('tag "geo"')
        model = self._scored(event)
        writer = self.writer(event, self._allowed(model, event, then))
        depth = self.rng.randint(1, self.shape.depth)
        when = writer._score(0) if self.shape.vouching and model else writer.condition(depth)
        if self.shape.vouching and self.chance(0.4):
            when += f" {self.rng.choice(('and', 'or'))} {_wrapped(writer.condition(1))}"
        self._add_rule(
            event, when, then, self._spare(then, bool(writer.models)), writer.optional,
            [*self._status(), *self._grouped(event)] if self.chance(0.5) else (),
            self._exceptions(event) if self.chance(0.5) else (),
        )  # fmt: skip

    def _reader(self, event: str) -> None:
        model = self._scored(event) if self.chance(0.4) else None
        then = self._then(model, points=False)
        if any(a.startswith("add ") for a in then):
            then = ["hold"]
        writer = self.writer(event, self._allowed(model, event, then))
        cut = self.rng.choice((-20, 0, 1, 5, 10, 20, 40, 45, 80, 85, 120))
        when = f"points {self.rng.choice(('>=', '>'))} {cut}"
        if self.chance(0.5):
            other = writer.condition(2)
            join = " and " if self.chance(0.6) else " or "
            sides = [when, _wrapped(other)]
            when = join.join(self.rng.sample(sides, 2))
        self._add_rule(
            event, when, then, self._spare(then, True), writer.optional,
            [*self._status(), *self._grouped(event)], self._exceptions(event),
        )  # fmt: skip

    def _relaxing(self, event: str) -> None:
        model = self._scored(event)
        if model is not None and "relax" not in model.may:
            model = None
        writer = self.writer(
            event, [m.name for m in self.models if "relax" in m.may and m.event == event]
        )
        then = [self._points(-1), *(['tag "calm"'] if self.chance(0.2) else [])]
        status = [c for c in self._status() if not c.startswith("in ")]
        self._add_rule(event, writer.condition(2), then, "skip", writer.optional, status)

    def _mandatory(self, event: str) -> None:
        writer = self.writer(event)
        then = self._asks(1)
        when = writer.condition(2)
        self._add_rule(event, when, then, then[0], writer.optional, ["mandatory"])

    def _advisers(self, event: str) -> None:
        """Two rules that advise different values; what one reads excludes the other, or nearly."""
        if event != "payment":
            return
        pairs = (
            ('channel = "ecom"', 'channel = "pos"'),
            ('grade = "low"', 'grade in ("mid", "high")'),
            ("items > 5", "items <= 5"),
            (f"amount > 5 {self.unit}", f"amount < 5 {self.unit}"),
            ("verified", "not verified"),
            ("familiar", "not familiar"),
            ('not (channel = "ecom")', 'channel = "ecom"'),
        )
        for value, test in zip(("1", "2"), self.rng.choice(pairs), strict=True):
            writer = self.writer(event)
            when = f"{test} and {_wrapped(writer.condition(1))}" if self.chance(0.5) else test
            then = [f"advise desk = {value}"]
            spare = self.rng.choice(("skip", then[0]))
            self._add_rule(event, when, then, spare, writer.optional, self._status())

    def _replacing(self, event: str) -> None:
        """Two or three versions of one rule, the newer ones in a rollout."""
        name = f"rule_{next(self.numbers):02}"
        share = self.rng.choice(("30%", "70%", "100%"))
        for version in range(1, self.rng.choice((3, 3, 4))):
            then = self._then(None, points=True)
            writer = self.writer(event)
            when = writer.condition(2)
            clauses = [f"rollout {share} by card as wave{version}"] if version > 1 else []
            clauses += [f"replaces version {version - 1}"] if version > 1 else []
            clauses += ["shadow"] if self.chance(0.1) else []
            self._add_rule(
                event, when, then, self._spare(then, False), writer.optional, clauses,
                name=name, version=version,
            )  # fmt: skip

    # --- promises

    def _promises(self) -> None:
        if self.chance(0.3):
            words = self.rng.choice(("step_up", "review or step_up", "decline"))
            when = self.writer("payment").condition(1)
            self.drafts.append(
                Draft("guarantee", "promise",
                      f"guarantee promise on payment\n  when {when}\n  always at least {words}")
            )  # fmt: skip
        if self.chance(0.3):
            when = self.writer("payment", own=True).condition(1)
            self.drafts.append(
                Draft("grant", "checkout", "grant client checkout\n  may decide, report_step_up\n"
                      f"  on payment when {when}\n  sees outcome, reasons")
            )  # fmt: skip


def _asks_for(action: str, ask: str) -> bool:
    rest = action.removeprefix(ask)
    return action.startswith(ask) and not rest.startswith(" before") and rest[:1] in ("", " ")


def _wrapped(condition: str) -> str:
    return condition if _is_atom(condition) else f"({condition})"


# --- until it compiles -------------------------------------------------------------------------

_NEEDS_UNKNOWN, _UNKNOWN_IS_DEAD = "TG411", "TG412"


@lru_cache(maxsize=8_192)
def parsed(text: str) -> tuple[tree.File, tuple[Diagnostic, ...]]:
    """The tree of one declaration, kept: most of a policy is drawn from a pool."""
    found = parse(Source(path_of(text), text))
    return found.file, found.diagnostics


def path_of(text: str) -> str:
    """The file that a declaration stands in."""
    return f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.tide"


def compiled(drafts: Sequence[Draft]) -> GeneratedPolicy | tuple[Diagnostic, ...]:
    """The policy, or what is wrong with it; each declaration is a file of its own."""
    files, problems = [], []
    for draft in drafts:
        file, found = parsed(draft.full())
        files.append(file)
        problems += [d for d in found if d.severity is Severity.ERROR]
    if problems:
        return tuple(problems)
    checked = check(files)
    if checked.program is None:
        return tuple(d for d in checked.diagnostics if d.severity is Severity.ERROR)
    return GeneratedPolicy(tuple(drafts), checked.program, checked.diagnostics)


def generated_policy(rng: Random, shape: Shape | None = None) -> GeneratedPolicy:
    """A policy that compiles."""
    drafts: list[Draft] = Maker(rng, shape or Shape()).made()
    problems: tuple[Diagnostic, ...] = ()
    for _ in range(12):
        found = compiled(drafts)
        if isinstance(found, GeneratedPolicy):
            return found
        problems = found
        drafts = _repaired(drafts, problems)
    raise DoesNotCompileError([f"{d.code} {d.message}" for d in problems])


def _repaired(drafts: Sequence[Draft], problems: Iterable[Diagnostic]) -> list[Draft]:
    codes: dict[str, set[str]] = {}
    for problem in problems:
        codes.setdefault(problem.span.path, set()).add(problem.code)
    return [
        kept
        for draft in drafts
        if (kept := _repair(draft, codes.get(path_of(draft.full()), set()), problems)) is not None
    ]


def _repair(draft: Draft, codes: set[str], problems: Iterable[Diagnostic]) -> Draft | None:
    if not codes:
        return draft
    if draft.needed:
        raise DoesNotCompileError([f"{d.code} {d.message}: {draft.text}" for d in problems])
    if codes == {_NEEDS_UNKNOWN} and draft.spare:
        return replace(draft, unknown=draft.spare)
    if codes == {_UNKNOWN_IS_DEAD}:
        return replace(draft, unknown="", spare="")
    return None
