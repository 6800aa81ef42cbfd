"""A foreign tree as an expression of the policy language.

Nothing is repaired on the way: what does not fit together is written as it stands, and the checker
has to refuse it. What the language has no words for at all raises NotExpressibleError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from tests.conformance.vectors import Tree, Vector, nodes
from tidegate.dsl.types import Kind, Value
from tidegate.engine.values import NotHeldError, format_duration, parse_decimal, parse_time

FOREIGN_KINDS = {
    "string": Kind.TEXT, "decimal": Kind.NUMBER, "boolean": Kind.FLAG, "date": Kind.TIME,
    "dateTime": Kind.TIME, "duration": Kind.DURATION, "int": Kind.NUMBER, "num": Kind.NUMBER,
    "bool": Kind.FLAG,
}  # fmt: skip
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:\d{2})?")
_DURATION = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?")
_SIMPLE_CALLS = {
    "abs": "abs", "string length": "length", "lower case": "lower", "floor": "floor",
    "ceiling": "ceiling", "modulo": "modulo", "upper case": "upper", "decimal": "round",
    "round half even": "round",
}  # fmt: skip
_ROUND = {"decimal", "floor", "ceiling", "round half even"}
_TESTS = {"contains": "contains", "starts with": "starts with", "ends with": "ends with"}
_PARTS = {"substring before": "before", "substring after": "after"}
_MAKERS = {"date": "date", "date and time": "dateTime", "duration": "duration"}
_FUNCTION_KINDS = {"length": Kind.COUNT, "lower": Kind.TEXT, "upper": Kind.TEXT}
_NO_VALUE = ("null", None)


class NotExpressibleError(Exception):
    """A construct that the language does not have."""


@dataclass
class Question:
    """An expression with the fields that it reads.

    `fields` holds, by name, the kind, whether it may be missing, and the value (None is missing);
    `kind` is that of the whole expression, None where it is just a null.
    """

    text: str = ""
    kind: Kind | None = None
    fields: dict[str, tuple[Kind, bool, Value | None]] = field(default_factory=dict)


def translate(vector: Vector, *, lifted: bool) -> Question:
    """The vector's expression; `lifted` replaces every literal by a field that holds its value."""
    _refuse_mixed_times(vector)
    writer = _Writer(vector, lifted)
    kind = writer.kind_of(vector.tree)
    if kind is None and vector.value[0] != "null":
        kind = FOREIGN_KINDS.get(vector.value[0])
    writer.question.text = writer.write(vector.tree, kind or Kind.NUMBER)
    writer.question.kind = kind or Kind.NUMBER
    return writer.question


def expected(vector: Vector, kind: Kind | None) -> Value | None:
    """The foreign result as a value of `kind`, None where it is missing."""
    sort, text = vector.value
    if sort == "null":
        return None
    value = literal(sort, text).value
    if value is None:
        raise NotExpressibleError("a result that cannot be held")
    return int(value) // 10**6 if kind is Kind.COUNT else value


@dataclass(frozen=True)
class Literal:
    """A foreign literal as it is written here; `value` is None where the engine cannot hold it."""

    kind: Kind
    text: str
    value: Value | None

    def counted(self) -> Literal:
        """The same as a whole number, which is what durations are multiplied by."""
        if self.kind is not Kind.NUMBER or self.value is None or int(self.value) % 10**6:
            raise NotExpressibleError("a duration times a fraction")
        whole = int(self.value) // 10**6
        return Literal(Kind.COUNT, _signed(whole, str(abs(whole))), whole)


def literal(sort: str, given: object) -> Literal:
    """Read a foreign literal."""
    kind = FOREIGN_KINDS.get(sort)
    if kind is None:
        raise NotExpressibleError(f"a value of type {sort}")
    if kind is Kind.FLAG:
        truth = given is True or given == "true"
        return Literal(kind, "true" if truth else "false", truth)
    text = str(given)
    if kind is Kind.TEXT:
        return Literal(kind, _quoted(text), text)
    return {Kind.NUMBER: _number, Kind.TIME: _time, Kind.DURATION: _duration}[kind](text)


def _quoted(text: str) -> str:
    if any(ord(sign) < 32 for sign in text):
        raise NotExpressibleError("a text of more than one line")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _signed(number: int, text: str) -> str:
    return f"(-{text})" if number < 0 else text


def _number(text: str) -> Literal:
    try:
        number = parse_decimal(f"{Decimal(text):f}", 6)
    except NotHeldError as error:
        raise NotExpressibleError(f"a number with {error}") from None
    whole, rest = divmod(abs(number), 10**6)
    decimals = f"{rest:06}".rstrip("0") or "0"
    return Literal(Kind.NUMBER, _signed(number, f"{whole}.{decimals}"), number)


def _time(text: str) -> Literal:
    match = _INSTANT.fullmatch(text)
    if _DATE.fullmatch(text):
        written = instant = text
        instant += "T00:00:00Z"
    elif match is not None:
        written = instant = match[1] + (match[2] or "Z")
    else:
        raise NotExpressibleError(_what_time(text))
    if re.search(r"\.\d{6}\d*[1-9]", text):
        raise NotExpressibleError("an instant finer than a microsecond")
    try:
        value = parse_time(instant)
    except NotHeldError:
        return Literal(Kind.TIME, written, None)
    return Literal(Kind.TIME, written, value)


def _what_time(text: str) -> str:
    if "@" in text:
        return "a time zone by name in a literal"
    if re.match(r"[+-]|\d{5}", text):
        return "a year outside 0001 to 9999"
    return "a text that is no date"


def _duration(text: str) -> Literal:
    match = _DURATION.fullmatch(text)
    if match is None or text.endswith("P"):
        raise NotExpressibleError("a duration of years or months" if re.fullmatch(
            r"-?P(\d+Y)?(\d+M)?", text) else "a text that is no duration")  # fmt: skip
    sign, days, hours, minutes, seconds, fraction = match.groups()
    if len((fraction or "").rstrip("0")) > 6:
        raise NotExpressibleError("a duration below a microsecond")
    whole = ((int(days or 0) * 24 + int(hours or 0)) * 60 + int(minutes or 0)) * 60
    micros = (whole + int(seconds or 0)) * 10**6 + int((fraction or "").ljust(6, "0")[:6] or 0)
    if sign:
        micros = -micros
    return Literal(Kind.DURATION, _signed(micros, format_duration(abs(micros))), micros)


def _refuse_mixed_times(vector: Vector) -> None:
    """A local time is written as one of UTC; that stands for it only where all times are local."""
    texts = [str(node[2]) for node in nodes(vector.tree) if node[0] == "lit"]
    texts += [str(text) for _, text in vector.variables.values()]
    found = [match for text in texts if (match := _INSTANT.fullmatch(text))]
    dates = any(_DATE.fullmatch(text) for text in texts)
    placed = {bool(match[2]) for match in found} | ({False} if dates else set())
    if len(placed) > 1:
        raise NotExpressibleError("a local time beside one of a zone")


@dataclass
class _Writer:
    vector: Vector
    lifted: bool
    question: Question = field(default_factory=Question)

    # --- kinds

    def kind_of(self, tree: Tree) -> Kind | None:
        """The kind of a tree, None for a null; of a mistake, the kind that it was meant to have."""
        match tree:
            case ["lit", "null", _]:
                return None
            case ["lit", "at", str(text)]:
                return _at(text).kind
            case ["lit", sort, _]:
                return FOREIGN_KINDS[sort]
            case ["var", name]:
                sort = self.vector.variables.get(name, _NO_VALUE)[0]
                if sort != "null" and sort not in FOREIGN_KINDS:
                    raise NotExpressibleError(f"a variable of type {sort}")
                return FOREIGN_KINDS.get(sort)
            case ["arith", op, left, right]:
                return self._kind_of_sum(op, left, right)
            case ["neg", operand]:
                return self.kind_of(operand)
            case ["if", _, then, default]:
                return self.kind_of(then) or self.kind_of(default)
            case ["coalesce", left, right]:
                return self.kind_of(left) or self.kind_of(right)
            case ["call", name, *arguments]:
                return self._kind_of_call(name, arguments)
            case ["list", *_] | ["path", *_] | ["index", *_]:
                raise NotExpressibleError(f"a {tree[0]}")
        return Kind.FLAG

    def _kind_of_sum(self, op: str, left: Tree, right: Tree) -> Kind | None:
        if op not in ("+", "-", "*", "/"):
            raise NotExpressibleError("powers")
        kinds = self.kind_of(left), self.kind_of(right)
        if op == "+" and kinds == (Kind.TEXT, Kind.TEXT):
            raise NotExpressibleError("joining texts")
        if op == "-" and kinds == (Kind.TIME, Kind.TIME):
            return Kind.DURATION
        if op == "/" and kinds == (Kind.DURATION, Kind.DURATION):
            return Kind.NUMBER
        for kind in (Kind.TIME, Kind.DURATION):
            if kind in kinds:
                return kind
        return kinds[0] or kinds[1]

    def _kind_of_call(self, name: str, arguments: list[Tree]) -> Kind | None:
        if name in _MAKERS:
            return literal(_MAKERS[name], _only_text(name, arguments)).kind
        if name in _TESTS or name == "matches":
            return Kind.FLAG
        if name in _PARTS:
            return Kind.TEXT
        if name not in _SIMPLE_CALLS:
            raise NotExpressibleError(f"the function `{name}`")
        if _SIMPLE_CALLS[name] in _FUNCTION_KINDS:
            return _FUNCTION_KINDS[_SIMPLE_CALLS[name]]
        return self.kind_of(arguments[0]) if arguments else Kind.NUMBER

    # --- text

    def write(self, tree: Tree, wanted: Kind) -> str:
        """The text of a tree; a null becomes a field of the `wanted` kind that is missing."""
        if tree[0] in ("lit", "var"):
            return self._leaf(tree, wanted)
        if tree[0] in ("cmp", "between", "inrange", "in", "member_or_eq", "and", "or", "not"):
            return self._condition(tree)
        kind = self.kind_of(tree) or wanted
        match tree:
            case ["if", condition, then, default]:
                when, a, b = self.write(condition, Kind.FLAG), *self._both(then, default, kind)
                return f"(case when {when} then {a} else {b} end)"
            case ["coalesce", left, right]:
                return f"({' otherwise '.join(self._both(left, right, kind))})"
            case ["arith", op, left, right]:
                return self._sum(op, left, right)
            case ["neg", operand]:
                return f"(-{self.write(operand, wanted)})"
            case ["call", name, *arguments]:
                return self._call(name, arguments)
        raise NotExpressibleError(f"a {tree[0]}")

    def _both(self, left: Tree, right: Tree, kind: Kind) -> tuple[str, str]:
        return self.write(left, kind), self.write(right, kind)

    def _leaf(self, tree: Tree, wanted: Kind) -> str:
        match tree:
            case ["lit", "null", _]:
                return self._field(wanted, None)
            case ["lit", "at", str(text)]:
                return self._literal(_at(text))
            case ["lit", sort, value]:
                return self._literal(literal(sort, value))
            case ["var", name]:
                return self._variable(name, wanted)
        raise NotExpressibleError(f"a {tree[0]}")

    def _condition(self, tree: Tree) -> str:
        match tree:
            case ["and" | "or" as word, left, right]:
                return f"({f' {word} '.join(self._both(left, right, Kind.FLAG))})"
            case ["not", operand]:
                return f"(not {self.write(operand, Kind.FLAG)})"
            case ["cmp", op, left, right]:
                return self._compared(op, left, right)
            case ["between", value, low, high]:
                a, b, c = self._alike(value, low, high, ordered=True)
                return f"({a} between {b} and {c})"
            case ["inrange", value, low, high, first, last]:
                a, b, c = self._alike(value, low, high, ordered=True)
                return f"({a} {'>=' if first else '>'} {b} and {a} {'<=' if last else '<'} {c})"
            case ["in" | "member_or_eq", value, ["list", *items]]:
                return self._among(value, items)
            case ["member_or_eq", value, other]:
                return self._compared("=", value, other)
        raise NotExpressibleError(f"a {tree[0]}")

    def _alike(self, *trees: Tree, ordered: bool) -> list[str]:
        """The texts of trees that are compared; a null takes the kind of the others."""
        kinds = [self.kind_of(tree) for tree in trees]
        known = next((kind for kind in kinds if kind is not None), Kind.NUMBER)
        if ordered and not self.vector.may_fail and set(kinds) - {None} == {Kind.TEXT}:
            raise NotExpressibleError("the order of texts")
        return [self.write(tree, known) for tree in trees]

    def _compared(self, op: str, left: Tree, right: Tree) -> str:
        a, b = self._alike(left, right, ordered=op not in ("=", "!="))
        return f"({a} {op} {b})"

    def _among(self, value: Tree, items: list[Tree]) -> str:
        kinds = {self.kind_of(tree) for tree in (value, *items)} - {None}
        if len(kinds) > 1 and not self.vector.may_fail:
            raise NotExpressibleError("a list of several types")
        texts = self._alike(value, *items, ordered=False)
        plain = all(item[0] == "lit" and item[1] not in ("null", "bool", "at") for item in items)
        if plain and items and not self.lifted:
            return f"({texts[0]} in ({', '.join(texts[1:])}))"
        return "(" + (" or ".join(f"{texts[0]} = {text}" for text in texts[1:]) or "false") + ")"

    def _sum(self, op: str, left: Tree, right: Tree) -> str:
        kinds = self.kind_of(left), self.kind_of(right)
        other = kinds[0] or kinds[1] or Kind.NUMBER
        if Kind.TIME in kinds:
            other = Kind.DURATION
        if op in ("*", "/"):
            other = Kind.NUMBER
        if op == "/" and kinds == (Kind.DURATION, Kind.NUMBER) and not self.vector.may_fail:
            raise NotExpressibleError("a duration divided by a number")
        if op == "*" and set(kinds) == {Kind.DURATION, Kind.NUMBER}:
            texts = map(self._times, (left, right), kinds)
            return f"({' * '.join(texts)})"
        return f"({self.write(left, other)} {op} {self.write(right, other)})"

    def _times(self, tree: Tree, kind: Kind | None) -> str:
        """One side of a product with a duration: whole numbers are counts."""
        if kind is Kind.DURATION:
            return self.write(tree, kind)
        if tree[0] == "neg":
            return f"(-{self._times(tree[1], kind)})"
        if tree[0] != "lit":
            raise NotExpressibleError("a duration times anything but a literal")
        return self._literal(literal(*tree[1:]).counted())

    def _call(self, name: str, arguments: list[Tree]) -> str:
        if name in _MAKERS:
            return self._literal(literal(_MAKERS[name], _only_text(name, arguments)))
        if name in _TESTS or name == "matches":
            return self._text_test(name, arguments)
        wanted = Kind.TEXT if name in _PARTS or "case" in name else Kind.NUMBER
        if name == "string length":
            wanted = Kind.TEXT
        if name not in _PARTS:
            # How many places are kept is written in the rule.
            places = [self._places(tree) for tree in arguments[1:]] if name in _ROUND else None
            if name in ("floor", "ceiling") and len(arguments) == 1:
                places = ["0"]
            rest = places or [self.write(tree, wanted) for tree in arguments[1:]]
            texts = [self.write(tree, wanted) for tree in arguments[:1]] + rest
            return f"{_SIMPLE_CALLS[name]}({', '.join(texts)})"
        texts = [self.write(tree, wanted) for tree in arguments[:1]]
        texts += [self._plain(tree) for tree in arguments[1:]]
        return f"{_PARTS[name]}({', '.join(texts)})"

    def _text_test(self, name: str, arguments: list[Tree]) -> str:
        flags = ""
        if name == "matches" and len(arguments) == 3:
            flags = self._flags(arguments.pop())
        if len(arguments) != 2:
            raise NotExpressibleError(f"`{name}` of {len(arguments)} arguments")
        pattern = self._plain(arguments[1])
        if flags:
            pattern = f'"(?{flags}){pattern[1:]}'
        return f"({self.write(arguments[0], Kind.TEXT)} {name} {pattern})"

    def _flags(self, tree: Tree) -> str:
        """The flags of a pattern, which are written into it."""
        match tree:
            case ["lit", "string", str(text)] if set(text) <= set("ism"):
                return text
        raise NotExpressibleError("a flag of a regular expression beside i, s and m")

    def _plain(self, tree: Tree) -> str:
        """What stands in a rule as a literal, in lifted vectors too."""
        if tree[0] == "neg" and tree[1][0] == "lit":
            return f"-{self._plain(tree[1])}"
        if tree[0] != "lit" or tree[1] == "null":
            raise NotExpressibleError("a pattern or a number of places that is no literal")
        return literal(*tree[1:]).text

    def _places(self, tree: Tree) -> str:
        """How many decimals are kept: a whole literal."""
        text = self._plain(tree)
        if self.vector.may_fail:
            return text
        if not text.endswith(".0"):
            raise NotExpressibleError("a number of places that is no whole literal")
        return text.removesuffix(".0")

    # --- leaves

    def _literal(self, found: Literal) -> str:
        if not self.lifted:
            return found.text
        if found.value is None:
            raise NotExpressibleError("an instant that no calendar has")
        return self._field(found.kind, found.value)

    def _variable(self, name: str, wanted: Kind) -> str:
        sort, text = self.vector.variables.get(name, _NO_VALUE)
        field_name = "v_" + re.sub(r"[^a-z0-9]+", "_", name.lower())
        found = None if sort == "null" else literal(sort, text)
        value = found.value if found else None
        self.question.fields[field_name] = found.kind if found else wanted, found is None, value
        return field_name

    def _field(self, kind: Kind, value: Value | None) -> str:
        name = f"f{len(self.question.fields)}"
        self.question.fields[name] = kind, value is None, value
        return name


def _at(text: str) -> Literal:
    """A literal written with `@`."""
    if re.match(r"-?P", text):
        return _duration(text)
    if re.fullmatch(r"\d{2}:\d{2}.*", text):
        raise NotExpressibleError("a time of day")
    return _time(text)


def _only_text(name: str, arguments: list[Tree]) -> str:
    match arguments:
        case [["lit", "string", str(text)]]:
            return text
    raise NotExpressibleError(f"`{name}` of anything but one literal text")
