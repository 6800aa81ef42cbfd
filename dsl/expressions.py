"""Typing of expressions: from the tree to the typed program.

`Typer` resolves names in the context of one event, gives every literal the type that its place
needs, refuses what mixes types, and works out for each node its bounds, the models it depends on
and whether it may be missing. What a place may read (a `where` no feature, a grant no score) is
checked by `restrictions`, after typing. Problems are collected; a node that cannot be typed is None
and what contains it is not reported again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from tidegate.dsl import ranges, tree
from tidegate.dsl.countries import COUNTRIES
from tidegate.dsl.diagnostics import Diagnostic, Severity, nearest
from tidegate.dsl.literals import Wrong, network_range, read_literal
from tidegate.dsl.program import (
    And,
    Arithmetic,
    Case,
    Compare,
    Constant,
    Expression,
    Feature,
    Field,
    InList,
    InNetworks,
    Input,
    InSet,
    IsMissing,
    LetRef,
    Negate,
    Not,
    Or,
    Otherwise,
    Param,
    PointsAtLeast,
    TextTest,
)
from tidegate.dsl.scope import Names
from tidegate.dsl.source import Span
from tidegate.dsl.types import (
    ANY_INT64,
    COUNT,
    DURATION,
    FLAG,
    INTEGER_KINDS,
    IP,
    MAX_EVENTS_IN_WINDOW,
    MONEY,
    NATURAL_BOUNDS,
    NUMBER,
    NUMBER_SCALE,
    TEXT,
    TIME,
    TIME_MAX_US,
    TIME_MIN_US,
    Bounds,
    Kind,
    Type,
    Value,
)
from tidegate.dsl.unknowns import children
from tidegate.dsl.zones import Zone

MAX_SIZE = 10_000
"""How many nodes an expression may have once its lets are written out."""
MAX_SET = 1_000
_SCORE_BOUNDS = Bounds(0, NUMBER_SCALE)
_TIME_BOUNDS = Bounds(TIME_MIN_US, TIME_MAX_US)


class Typer:
    """Types expressions of one policy. Collects `problems`; remembers typed lets and features."""

    def __init__(self, names: Names, currency: str, zone: Zone) -> None:
        self.names = names
        self.currency = currency
        self.zone = zone
        self.problems: list[Diagnostic] = []
        self.fields: dict[str, dict[str, Field]] = {}
        self.params: dict[str, Param] = {}
        self.find_feature: Callable[[str], Feature | None] = lambda _: None
        self._lets: dict[tuple[str, str], LetRef | None] = {}
        self._open: list[str] = []

    # --- reporting

    def error(
        self, code: str, message: str, span: Span, help_text: str = "",
        related: tuple[tuple[Span, str], ...] = (),
    ) -> None:  # fmt: skip
        """Report an error."""
        self.problems.append(Diagnostic(code, message, span, help_text, related=related))

    def warn(self, code: str, message: str, span: Span, help_text: str = "") -> None:
        """Report a warning."""
        self.problems.append(Diagnostic(code, message, span, help_text, Severity.WARNING))

    # --- entry points

    def condition(self, node: tree.Expr, event: str) -> Expression | None:
        """Type a condition in the context of `event`; None where it is none."""
        typed = self.value(node, event, FLAG)
        if typed is not None and typed.type != FLAG:
            self.error(
                "TG306", f"a condition is true or false; this is a {typed.type}", node.span,
                "compare it with something",
            )  # fmt: skip
            return None
        return typed

    def value(self, node: tree.Expr, event: str, wanted: Type | None = None) -> Expression | None:
        """Type `node` in the context of `event`; `wanted` is what a literal should become."""
        method = getattr(self, "_" + type(node).__name__.lower())
        return cast("Expression | None", method(node, event, wanted))

    def _all(self, nodes: tuple[tree.Expr, ...], event: str) -> list[Expression] | None:
        typed = [self.value(n, event) for n in nodes]
        return None if None in typed else cast("list[Expression]", typed)

    # --- literals and names

    def _literal(self, node: tree.Literal, event: str, wanted: Type | None) -> Expression | None:
        read = read_literal(node, wanted.kind if wanted else None, self.currency, self.zone)
        if isinstance(read, Wrong):
            self.error(read.code, read.message, node.span, read.help)
            return None
        if wanted is not None and read.type == TEXT and wanted != TEXT:
            return self._quoted(node, str(read.value), wanted)
        return constant(read.type, read.value, node.span)

    def _quoted(self, node: tree.Literal, text: str, wanted: Type) -> Expression | None:
        """A quoted literal in the place of a word, a country, a token …"""
        if wanted.kind is Kind.WORD:
            if text not in wanted.words:
                self.error(
                    "TG313", f'`"{text}"` is none of the words {_listed(wanted.words)}', node.span,
                    nearest(text, wanted.words),
                )  # fmt: skip
                return None
            return constant(wanted, text, node.span)
        if wanted.kind is Kind.COUNTRY:
            if text not in COUNTRIES:
                self.error(
                    "TG319", f'`"{text}"` is no country code of ISO 3166-1', node.span,
                    'a code has two capitals, as in `"FR"`',
                )  # fmt: skip
                return None
            return constant(wanted, text, node.span)
        if wanted.kind is Kind.TOKEN:
            self.error(
                "TG314", "a token is an opaque pseudonym and never equals a text", node.span,
                "keep tokens in a list and test them with `in`",
            )  # fmt: skip
            return None
        return constant(TEXT, text, node.span)

    def _reference(
        self, node: tree.Reference, event: str, wanted: Type | None
    ) -> Expression | None:
        name = node.name
        if name == "points":
            self.error(
                "TG430", "`points` is read only as `points >= N` or `points > N` in a rule's "
                "`when`, outside `not`, `case` and lets", node.span,
            )  # fmt: skip
            return None
        if name in self.fields.get(event, {}):
            return field_input(self.fields[event][name], node.span)
        if name in self.params:
            param = self.params[name]
            return constant(param.type, param.value, node.span, param.name, param.bounds)
        if name in self.names.lets:
            return self._let(name, event, node.span)
        if name in self.names.features:
            return self._feature(name, event, node.span)
        if name in self.names.scores:
            return self._score(name, event, node.span)
        if name in self.names.labels:
            return self._label(name, event, node.span)
        self._unknown_name(node, event, wanted)
        return None

    def _unknown_name(self, node: tree.Reference, event: str, wanted: Type | None) -> None:
        name = node.name
        if wanted is not None and wanted.words:
            near = nearest(name, wanted.words)
            self.error(
                "TG205", f"`{name}` stands without quotes where a word of an enumeration is meant",
                node.span, f'write `"{name}"`' if name in wanted.words else near,
            )  # fmt: skip
            return
        elsewhere = sorted(e for e, fields in self.fields.items() if name in fields)
        if elsewhere:
            self.error(
                "TG206", f"`{name}` is a field of `{elsewhere[0]}`, not of `{event}`", node.span,
                nearest(name, self.fields.get(event, {})),
            )  # fmt: skip
            return
        sort = self.names.sort_of(name)
        if sort:
            self.error("TG204", f"`{name}` is a {sort} and has no value", node.span)
            return
        visible = set(self.fields.get(event, {})) | (self.names.values() - self._foreign(event))
        self.error("TG204", f"nothing is called `{name}`", node.span, nearest(name, visible))

    def _foreign(self, event: str) -> set[str]:
        return {n for e, fields in self.fields.items() if e != event for n in fields}

    def _let(self, name: str, event: str, span: Span) -> Expression | None:
        key = (event, name)
        if name in self._open:
            circle = " → ".join([*self._open[self._open.index(name) :], name])
            self.error("TG207", f"let `{name}` refers to itself ({circle})", span)
            return None
        if key not in self._lets:
            self._open.append(name)
            declared = self.names.lets[name]
            body = self.value(declared.value, event) if declared.value is not None else None
            self._open.pop()
            self._lets[key] = self._let_reference(name, event, body, declared.name.span)
        found = self._lets[key]
        return None if found is None else replace(found, span=span)

    def _let_reference(
        self, name: str, event: str, body: Expression | None, span: Span
    ) -> LetRef | None:
        if body is None:
            return None
        size = self._size(body)
        if size > MAX_SIZE:
            self.error(
                "TG312", f"let `{name}` grows to more than {MAX_SIZE:,} parts once the lets it "
                "reads are written out", span, "read each let once",
            )  # fmt: skip
            return None
        return LetRef(
            name=name, body=body, type=body.type, span=span, models=body.models,
            bounds=body.bounds, can_be_missing=body.can_be_missing,
        )  # fmt: skip

    def lets_read(self) -> set[str]:
        """The names of the lets that something has read so far."""
        return {name for _, name in self._lets}

    def _size(self, node: Expression) -> int:
        total, stack = 0, [node]
        while stack and total <= MAX_SIZE:
            found = stack.pop()
            total += 1
            stack.extend(children(found))
        return total

    def _feature(self, name: str, event: str, span: Span) -> Expression | None:
        feature = self.find_feature(name)
        if feature is None:
            return None
        optional = feature.aggregate not in ("count", "sum", "distinct")
        for own, counted in feature.keys:
            field = self.fields.get(event, {}).get(own)
            if field is None:
                self.error(
                    "TG206", f"feature `{name}` is kept by `{own}`, which `{event}` does not have",
                    span, related=((feature.span, "the feature is here"),),
                )  # fmt: skip
                return None
            other = self.fields[feature.event][counted]
            if field.type != other.type:
                self.error(
                    "TG604", f"feature `{name}` matches `{own}` of `{event}` ({field.type}) with "
                    f"`{counted}` of `{feature.event}` ({other.type})", span,
                )  # fmt: skip
                return None
            optional = optional or field.optional
        bounds = _feature_bounds(feature)
        if feature.aggregate == "sum" and bounds == ANY_INT64:
            optional = True
        return Input(
            name=name, source="feature", type=feature.type, span=span, bounds=bounds,
            can_be_missing=optional, can_fail=optional,
        )  # fmt: skip

    def _score(self, name: str, event: str, span: Span) -> Expression | None:
        model = self.names.models[self.names.scores[name]]
        if model.use is None or model.use.text != event:
            used = f"only on `{model.use.text}`" if model.use else "nowhere"
            self.error(
                "TG506", f"model `{model.name.text}` is used {used}, so `{name}` cannot be read on "
                f"`{event}`", span, related=((model.name.span, "the model is here"),),
            )  # fmt: skip
            return None
        return score_input(name, model.name.text, span)

    def _label(self, name: str, event: str, span: Span) -> Expression | None:
        label = self.names.labels[name]
        if label.event is None or label.event.text != event:
            of = label.event.text if label.event else "nothing"
            self.error("TG206", f"label `{name}` belongs to `{of}`, not to `{event}`", span)
            return None
        return Input(name=name, source="label", type=FLAG, span=span)

    def _member(self, node: tree.Member, event: str, wanted: Type | None) -> Expression | None:
        field = self.fields.get(event, {}).get(node.base)
        if field is None or field.type != MONEY or node.name not in ("original", "currency"):
            self.error(
                "TG204", f"`{node.base}.{node.name}` is nothing that can be read", node.span,
                "a money field has `.original` (a number, in whole units) and `.currency` (a text)",
            )  # fmt: skip
            return None
        kind, bounds = (NUMBER, ANY_INT64) if node.name == "original" else (TEXT, None)
        return Input(
            name=f"{node.base}.{node.name}", source="field", type=kind, span=node.span,
            bounds=bounds, can_be_missing=field.optional, can_fail=field.optional,
        )  # fmt: skip

    # --- arithmetic

    def _minus(self, node: tree.Minus, event: str, wanted: Type | None) -> Expression | None:
        operand = self.value(node.operand, event, wanted)
        if operand is None:
            return None
        if operand.type.kind not in INTEGER_KINDS or operand.type == TIME:
            self.error("TG305", f"a {operand.type} has no negative", node.span)
            return None
        bounds = ranges.negate(_bounds(operand))
        return integer_node(Negate, operand.type, node.span, bounds, (operand,), operand=operand)

    def _pair(
        self, left: tree.Expr, right: tree.Expr, event: str, *, alike: bool
    ) -> tuple[Expression, Expression] | None:
        """Type two sides; where they should be alike, a literal takes the other side's type."""
        if alike and isinstance(left, tree.Literal) and not isinstance(right, tree.Literal):
            second = self.value(right, event)
            first = self.value(left, event, second.type if second else None)
        else:
            first = self.value(left, event)
            second = self.value(right, event, first.type if first and alike else None)
            if alike and _whole(left) and second is not None and second.type == NUMBER:
                first = self.value(left, event, NUMBER)
        return None if first is None or second is None else (first, second)

    def _binary(self, node: tree.Binary, event: str, wanted: Type | None) -> Expression | None:
        sides = self._pair(node.left, node.right, event, alike=node.op in "+-")
        if sides is None:
            return None
        left, right = sides
        found = _OPERATORS.get((node.op, left.type.kind, right.type.kind))
        if found is None:
            verb = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}[node.op]
            self.error(
                "TG305", f"cannot {verb} a {left.type} and a {right.type}", node.span,
                _arithmetic_help(node.op, left.type, right.type),
            )  # fmt: skip
            return None
        kind, up, down = found
        divisor = _bounds(right)
        if node.op == "/" and divisor.low == divisor.high == 0:
            self.error("TG311", "this divides by zero", node.right.span)
            return None
        bounds = _arithmetic_bounds(node.op, _bounds(left), divisor, up, down)
        return integer_node(
            Arithmetic, kind, node.span, bounds, (left, right), left=left, right=right,
            op=node.op, up=up, down=down,
            fails=node.op == "/" and divisor.low <= 0 <= divisor.high,
        )  # fmt: skip

    def _default(self, node: tree.Default, event: str, wanted: Type | None) -> Expression | None:
        left = self.value(node.left, event, wanted)
        right = self.value(node.right, event, left.type if left else wanted)
        if left is None or right is None:
            return None
        if left.type != right.type:
            self.error(
                "TG318", f"`otherwise` gives a {right.type} for a missing {left.type}",
                node.right.span, "both sides have one type",
            )  # fmt: skip
            return None
        if not left.can_be_missing and not left.models:
            self.warn("TG320", "this is never missing, so `otherwise` does nothing", node.span)
        return Otherwise(
            left=left, right=right, type=left.type, span=node.span,
            models=left.models | right.models, bounds=_joined(left, right),
            can_be_missing=left.can_be_missing and right.can_be_missing,
        )  # fmt: skip

    def _branches(self, node: tree.Branches, event: str, wanted: Type | None) -> Expression | None:
        conditions = [self.condition(c, event) for c, _ in node.branches]
        parts = [v for _, v in node.branches] + [node.default]
        first = next((p for p in parts if not isinstance(p, tree.Literal)), parts[0])
        lead = self.value(first, event, wanted)
        target = lead.type if lead is not None else wanted
        values = [lead if p is first else self.value(p, event, target) for p in parts]
        if None in values or None in conditions:
            return None
        typed = cast("list[Expression]", values)
        for part, value in zip(parts, typed, strict=True):
            if value.type != typed[0].type:
                self.error(
                    "TG317", f"this branch gives a {value.type}, another one a {typed[0].type}",
                    part.span,
                )  # fmt: skip
                return None
        branches = tuple(zip(cast("list[Expression]", conditions), typed[:-1], strict=True))
        below = [*cast("list[Expression]", conditions), *typed]
        return Case(
            branches=branches, default=typed[-1], type=typed[0].type, span=node.span,
            models=_models(below), bounds=_joined(*typed),
            can_be_missing=any(e.can_be_missing for e in below),
        )  # fmt: skip

    def _apply(self, node: tree.Apply, event: str, wanted: Type | None) -> Expression | None:
        from tidegate.dsl.calls import typed_call  # calls types its arguments with this class

        return typed_call(self, node, event)

    # --- conditions

    def _conjunction(
        self, node: tree.Conjunction, event: str, wanted: Type | None
    ) -> Expression | None:
        return self._connect(And, node, event)

    def _disjunction(
        self, node: tree.Disjunction, event: str, wanted: Type | None
    ) -> Expression | None:
        return self._connect(Or, node, event)

    def _connect(
        self, kind: type[And] | type[Or], node: tree.Conjunction | tree.Disjunction, event: str
    ) -> Expression | None:
        items = [self.condition(item, event) for item in node.items]
        if None in items:
            return None
        typed = cast("list[Expression]", items)
        return kind(
            items=tuple(typed), type=FLAG, span=node.span, models=_models(typed),
            can_be_missing=any(e.can_be_missing for e in typed),
        )  # fmt: skip

    def _negation(self, node: tree.Negation, event: str, wanted: Type | None) -> Expression | None:
        operand = self.condition(node.operand, event)
        return None if operand is None else negated(operand, node.span)

    def _comparison(
        self, node: tree.Comparison, event: str, wanted: Type | None
    ) -> Expression | None:
        if self._bare_word(node, event):
            return None
        sides = self._pair(node.left, node.right, event, alike=True)
        if sides is None:
            return None
        left, right = sides
        if left.type != right.type:
            self.error(
                "TG304", f"cannot compare a {left.type} with a {right.type}", node.span,
                _comparison_help(left.type, right.type, self.currency),
            )  # fmt: skip
            return None
        if node.op not in ("=", "!=") and left.type.kind not in INTEGER_KINDS:
            self.error(
                "TG307", f"a {left.type} has no order", node.span, "compare it with `=` or `!=`"
            )
            return None
        if not self._fine_enough(left, right, node):
            return None
        return _compare(node.op, left, right, node.span)

    def _bare_word(self, node: tree.Comparison, event: str) -> bool:
        """Report `channel = ecom`: a bare word where a quoted one is meant."""
        for this, other in ((node.left, node.right), (node.right, node.left)):
            if not isinstance(this, tree.Reference) or self._known(this.name, event):
                continue
            if not isinstance(other, tree.Reference) or not self._known(other.name, event):
                continue
            lead = self.value(other, event)
            if lead is not None and lead.type.kind is Kind.WORD:
                self._unknown_name(this, event, lead.type)
                return True
        return False

    def _known(self, name: str, event: str) -> bool:
        return name in self.fields.get(event, {}) or name in self.names.values() or name == "points"

    def _fine_enough(self, left: Expression, right: Expression, node: tree.Expr) -> bool:
        """An address rounded at the door cannot be compared with a single one."""
        for this, other in ((left, right), (right, left)):
            coarse = self._coarse(this)
            if coarse and isinstance(other, Constant):
                self.error(
                    "TG315", "this field is rounded to a network at the door, so it never equals "
                    "one address", node.span, f"test it with `in` a network of /{coarse[0]} or wider",
                )  # fmt: skip
                return False
        return True

    def _coarse(self, node: Expression) -> tuple[int, int] | None:
        if not isinstance(node, Input) or node.source != "field":
            return None
        for fields in self.fields.values():
            found = fields.get(node.name)
            if found is not None and found.coarse:
                return found.coarse
        return None

    def _between(self, node: tree.Between, event: str, wanted: Type | None) -> Expression | None:
        low = self._comparison(
            tree.Comparison(node.span, ">=", node.operand, node.low), event, None
        )
        before = len(self.problems)
        high = self._comparison(
            tree.Comparison(node.span, "<=", node.operand, node.high), event, None
        )
        if low is None or high is None:
            if low is None:
                del self.problems[before:]  # the same thing is wrong with both ends
            return None
        assert isinstance(low, Compare) and isinstance(high, Compare)
        ends = (low.right, high.right)
        if all(isinstance(e, Constant) for e in ends):
            first, last = (cast("Constant", e).value for e in ends)
            if cast("int", first) > cast("int", last):
                self._empty_range(node)
                return None
        both = And(
            items=(low, high), type=FLAG, span=node.span, models=low.models | high.models,
            can_be_missing=low.can_be_missing or high.can_be_missing,
        )  # fmt: skip
        return negated(both, node.span) if node.negated else both

    def _empty_range(self, node: tree.Between) -> None:
        help_text = "the smaller end comes first"
        if isinstance(node.operand, tree.Apply) and isinstance(node.low, tree.Literal):
            call = node.operand
            argument = call.arguments[0] if call.arguments else None
            if isinstance(argument, tree.Reference) and isinstance(node.high, tree.Literal):
                text = f"{call.function.text}({argument.name})"
                help_text = (
                    f"for {node.low.spelling} to {node.high.spelling} write "
                    f"`{text} >= {node.low.spelling} or {text} < {node.high.spelling}`"
                )
        self.error("TG316", "nothing lies between these ends", node.span, help_text)

    def _amongliterals(
        self, node: tree.AmongLiterals, event: str, wanted: Type | None
    ) -> Expression | None:
        operand = self.value(node.operand, event)
        if operand is None:
            return None
        if len(node.items) > MAX_SET:
            self.error(
                "TG321",
                f"a set of more than {MAX_SET:,} literals",
                node.span,
                "keep them in a list",
            )
            return None
        if operand.type == IP:
            return self._in_networks(operand, node.items, node)
        values: list[Value] = []
        before = len(self.problems)
        for item in node.items:
            typed = self._set_item(item, event, operand.type)
            if typed is not None:
                values.append(typed.value)
        if len(self.problems) > before:
            return None
        return _unary(InSet, operand, node, values=frozenset(values))

    def _set_item(self, item: tree.Expr, event: str, wanted: Type) -> Constant | None:
        typed = self.value(item, event, wanted)
        if typed is None:
            return None
        if typed.type != wanted:
            self.error(
                "TG309", f"a {typed.type} among values of a {wanted}", item.span,
                _comparison_help(wanted, typed.type, self.currency),
            )  # fmt: skip
            return None
        if not isinstance(typed, Constant) or typed.param:
            self.error("TG309", "a set holds literals", item.span, "compare it with `=` instead")
            return None
        return typed

    def _in_networks(
        self, operand: Expression, items: tuple[tree.Expr, ...], node: Any
    ) -> Expression | None:
        found: list[tuple[int, int]] = []
        for item in items:
            covered = (
                network_range(item.spelling)
                if isinstance(item, tree.Literal) and item.kind == "network"
                else None
            )
            if covered is None:
                self.error(
                    "TG309", "an address is tested against networks", item.span,
                    "write the first address and the prefix length, as in `10.0.0.0/8`",
                )  # fmt: skip
                return None
            if not self._wide_enough(operand, covered, item.span):
                return None
            found.append(covered)
        return _unary(InNetworks, operand, node, ranges=tuple(sorted(found)))

    def _wide_enough(self, operand: Expression, covered: tuple[int, int], span: Span) -> bool:
        coarse = self._coarse(operand)
        if coarse is None:
            return True
        version4 = covered[0] >> 32 == 0xFFFF
        kept = 32 - coarse[0] if version4 else 128 - coarse[1]
        if covered[1] - covered[0] + 1 >= 1 << kept:
            return True
        prefix = coarse[0] if version4 else coarse[1]
        self.error(
            "TG315", f"this field is rounded to /{prefix} at the door, so a smaller network says "
            "nothing about it", span, f"use a network of /{prefix} or wider",
        )  # fmt: skip
        return False

    def _amongnetwork(
        self, node: tree.AmongNetwork, event: str, wanted: Type | None
    ) -> Expression | None:
        operand = self.value(node.operand, event)
        if operand is None:
            return None
        if operand.type != IP:
            self.error("TG309", f"a {operand.type} lies in no network", node.span)
            return None
        return self._in_networks(operand, (node.network,), node)

    def _amongnamed(
        self, node: tree.AmongNamed, event: str, wanted: Type | None
    ) -> Expression | None:
        operand = self.value(node.operand, event)
        declared = self.names.lists.get(node.list.text)
        if declared is None:
            sort = self.names.sort_of(node.list.text)
            self.error(
                "TG208",
                f"`{node.list.text}` is a {sort}, not a list" if sort else
                f"no list is called `{node.list.text}`",
                node.list.span, nearest(node.list.text, self.names.lists),
            )  # fmt: skip
            return None
        if operand is None or declared.type is None:
            return None
        held = declared.type.word
        if operand.type.kind.value != held and not (
            operand.type.kind is Kind.WORD and held == "text"
        ):
            self.error(
                "TG309", f"list `{node.list.text}` holds values of type {held}, this is a "
                f"{operand.type}", node.span,
            )  # fmt: skip
            return None
        managed = declared.path is None
        return _unary(InList, operand, node, fails=managed, list=node.list.text)

    def _textmatch(
        self, node: tree.TextMatch, event: str, wanted: Type | None
    ) -> Expression | None:
        operand = self.value(node.operand, event)
        if operand is None:
            return None
        if operand.type != TEXT:
            self.error(
                "TG310", f"`{node.op}` looks into a text, this is a {operand.type}", node.span
            )
            return None
        return _unary(TextTest, operand, node, op=node.op, pattern=node.pattern.value)

    def _presence(self, node: tree.Presence, event: str, wanted: Type | None) -> Expression | None:
        operand = self.value(node.operand, event)
        if operand is None:
            return None
        if not operand.can_be_missing and not operand.models:
            word = "true" if node.present else "false"
            self.warn("TG320", f"this is never missing, so the test is always {word}", node.span)
        test = IsMissing(operand=operand, type=FLAG, span=node.span, models=operand.models)
        return negated(test, node.span) if node.present else test


# --- building nodes ---


def constant(
    kind: Type, value: Value, span: Span, param: str = "", bounds: Bounds | None = None
) -> Constant:
    """A literal, or a param; a param's bounds hold for every value a release may give it."""
    if bounds is None and kind.kind in INTEGER_KINDS and isinstance(value, int):
        bounds = Bounds(value, value)
    return Constant(value=value, type=kind, span=span, param=param, bounds=bounds)


def field_input(field: Field, span: Span) -> Input:
    """A field of the event, read."""
    natural = NATURAL_BOUNDS.get(field.type.kind)
    bounds = None
    if natural is not None:
        low = natural.low if field.minimum is None else field.minimum
        high = natural.high if field.maximum is None else field.maximum
        bounds = Bounds(low, high)
    return Input(
        name=field.name, source="field", type=field.type, span=span, bounds=bounds,
        can_be_missing=field.optional, can_fail=field.optional,
    )  # fmt: skip


def score_input(name: str, model: str, span: Span) -> Input:
    """A model's score: a number from 0 to 1."""
    return Input(
        name=name, source="score", type=NUMBER, span=span, bounds=_SCORE_BOUNDS,
        models=frozenset({model}),
    )  # fmt: skip


def negated(operand: Expression, span: Span) -> Not:
    """`not operand`."""
    return Not(
        operand=operand, type=FLAG, span=span, models=operand.models,
        can_be_missing=operand.can_be_missing,
    )  # fmt: skip


def points_at_least(threshold: int, span: Span) -> PointsAtLeast:
    """`points >= threshold`."""
    return PointsAtLeast(threshold=threshold, type=FLAG, span=span)


def integer_node(
    kind: Any, result: Type, span: Span, bounds: Bounds, below: tuple[Expression, ...],
    *, fails: bool = False, **parts: Any,
) -> Expression:  # fmt: skip
    """A node of an integer type: missing where an operand is, or where it overflows."""
    limit = _TIME_BOUNDS if result == TIME else ANY_INT64
    overflows = bounds.low < limit.low or bounds.high > limit.high
    can_fail = fails or overflows
    return cast(
        "Expression",
        kind(
            type=result, span=span, models=_models(below), bounds=ranges.clip(bounds, limit),
            can_be_missing=can_fail or any(e.can_be_missing for e in below), can_fail=can_fail,
            **parts,
        ),
    )  # fmt: skip


def _compare(op: Any, left: Expression, right: Expression, span: Span) -> Compare:
    return Compare(
        op=op, left=left, right=right, type=FLAG, span=span, models=left.models | right.models,
        can_be_missing=left.can_be_missing or right.can_be_missing,
    )  # fmt: skip


def _unary(
    kind: Any, operand: Expression, node: Any, *, fails: bool = False, **parts: Any
) -> Expression:
    test = kind(
        operand=operand, type=FLAG, span=node.span, models=operand.models,
        can_be_missing=operand.can_be_missing or fails, can_fail=fails, **parts,
    )  # fmt: skip
    return negated(test, node.span) if node.negated else cast("Expression", test)


def _models(parts: Any) -> frozenset[str]:
    return frozenset().union(*(part.models for part in parts))


def _bounds(node: Expression) -> Bounds:
    return node.bounds or ANY_INT64


def _joined(*parts: Expression) -> Bounds | None:
    if parts[0].type.kind not in INTEGER_KINDS:
        return None
    return ranges.join(*(part.bounds for part in parts))


def _feature_bounds(feature: Feature) -> Bounds | None:
    if feature.aggregate in ("count", "distinct"):
        return Bounds(0, MAX_EVENTS_IN_WINDOW)
    if feature.operand is None or feature.operand.bounds is None:
        return None
    one = feature.operand.bounds
    if feature.aggregate != "sum":
        return one
    total = Bounds(min(one.low, 0) * MAX_EVENTS_IN_WINDOW, max(one.high, 0) * MAX_EVENTS_IN_WINDOW)
    return total if total.fits() else ANY_INT64


def _whole(node: tree.Expr) -> bool:
    return isinstance(node, tree.Literal) and node.kind == "whole"


def _arithmetic_bounds(op: str, a: Bounds, b: Bounds, up: int, down: int) -> Bounds:
    if op == "+":
        return ranges.add(a, b)
    if op == "-":
        return ranges.subtract(a, b)
    return ranges.multiply(a, b, down) if op == "*" else ranges.divide(a, b, up)


def _operators() -> Mapping[tuple[str, Kind, Kind], tuple[Type, int, int]]:
    """(op, left, right) to (result, up, down), as LANGUAGE.md 3 lists them."""
    c, n, m, t, d = Kind.COUNT, Kind.NUMBER, Kind.MONEY, Kind.TIME, Kind.DURATION
    one, scale = 1, NUMBER_SCALE
    table: dict[tuple[str, Kind, Kind], tuple[Type, int, int]] = {}
    for kind in (c, n, m, d):
        table["+", kind, kind] = table["-", kind, kind] = (Type(kind), one, one)
    table["-", t, t] = (DURATION, one, one)
    table["+", t, d] = table["-", t, d] = table["+", d, t] = (TIME, one, one)
    table["*", c, c] = (COUNT, one, one)
    table["*", c, n] = table["*", n, c] = (NUMBER, one, one)
    table["*", n, n] = (NUMBER, one, scale)
    table["/", c, c] = (NUMBER, scale, one)
    table["/", c, n] = (NUMBER, scale * scale, one)
    table["/", n, c] = (NUMBER, one, one)
    table["/", n, n] = (NUMBER, scale, one)
    table["*", m, c] = table["*", c, m] = (MONEY, one, one)
    table["*", m, n] = table["*", n, m] = (MONEY, one, scale)
    table["/", m, c] = (MONEY, one, one)
    table["/", m, n] = (MONEY, scale, one)
    table["/", m, m] = (NUMBER, scale, one)
    table["*", d, c] = table["*", c, d] = (DURATION, one, one)
    table["/", d, d] = (NUMBER, scale, one)
    return table


_OPERATORS = _operators()


def _arithmetic_help(op: str, left: Type, right: Type) -> str:
    if {left.kind, right.kind} == {Kind.COUNT, Kind.NUMBER} and op in "+-":
        return "a count and a number do not add up; multiply the count by `1.0` first"
    if MONEY in (left, right) and op in "+-":
        return "an amount needs its currency, as in `100 EUR`"
    if left == right == MONEY and op == "*":
        return "amounts are multiplied by a count or a number"
    return ""


def _comparison_help(left: Type, right: Type, currency: str) -> str:
    kinds = {left.kind, right.kind}
    if Kind.MONEY in kinds and kinds & {Kind.COUNT, Kind.NUMBER}:
        return f"an amount needs its currency, as in `100 {currency}`"
    if Kind.DURATION in kinds and kinds & {Kind.COUNT, Kind.NUMBER}:
        return "a duration needs its unit, as in `10m`"
    if Kind.TIME in kinds and Kind.DURATION in kinds:
        return "subtract two times to get a duration"
    if kinds == {Kind.COUNT, Kind.NUMBER}:
        return "multiply the count by `1.0` to make it a number"
    if Kind.TEXT in kinds:
        return "only a text is compared with a text"
    return ""


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f'`"{word}"`' for word in words)
