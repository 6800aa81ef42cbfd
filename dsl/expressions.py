"""Typing of expressions: from the tree to the typed program.

`Typer` resolves names in the context of one event, gives every literal the type that its place
needs, refuses what mixes types, and works out for each node its bounds, the models it depends on
and whether it may be missing. What a place may read (a `where` no feature, a grant no score) is
checked by `restrictions`, after typing. Problems are collected; a node that cannot be typed is None
and what contains it is not reported again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from tidegate.dsl import conditions, ranges, tree
from tidegate.dsl.countries import COUNTRIES
from tidegate.dsl.diagnostics import Diagnostic, Severity, nearest
from tidegate.dsl.extents import Extents
from tidegate.dsl.literals import Wrong, read_literal
from tidegate.dsl.nodes import (
    OPERATORS,
    arithmetic_bounds,
    arithmetic_help,
    bounds_of,
    constant,
    feature_bounds,
    field_input,
    integer_node,
    is_whole,
    joined_bounds,
    listed,
    models_of,
    score_input,
)
from tidegate.dsl.program import (
    Arithmetic,
    Case,
    Expression,
    Feature,
    Field,
    Input,
    LetRef,
    Negate,
    Otherwise,
    Param,
    Table,
)
from tidegate.dsl.scope import VALUES, Names
from tidegate.dsl.score_bounds import BadBounds, score_bounds
from tidegate.dsl.shapes import folded_alike
from tidegate.dsl.source import Span
from tidegate.dsl.types import (
    ANY_INT64,
    FLAG,
    INTEGER_KINDS,
    MONEY,
    NUMBER,
    TEXT,
    TIME,
    Kind,
    Type,
)
from tidegate.dsl.zones import Zone


class Typer:
    """Types expressions of one policy. Collects `problems`; remembers typed lets and features."""

    def __init__(self, names: Names, currency: str, zone: Zone) -> None:
        self.names = names
        self.currency = currency
        self.zone = zone
        self.problems: list[Diagnostic] = []
        self.fields: dict[str, dict[str, Field]] = {}
        self.params: dict[str, Param] = {}
        self.tables: dict[str, Table] = {}
        self.find_feature: Callable[[str, Span], Feature | None] = lambda _name, _place: None
        self._extents = Extents(names.lets)
        self.negations: dict[tuple[int, str], conditions.Negated] = {}
        self._lets: dict[tuple[str, str], LetRef | None] = {}
        self._open: dict[str, Span] = {}
        """The lets that are being typed, and the place that reads each."""
        self._slips: dict[tuple[str, str], str] = {}

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
                "TG306",
                f"a condition is true or false; this is a {typed.type}",
                node.span,
                "compare it with something",
            )
            return None
        return typed

    def value(self, node: tree.Expr, event: str, wanted: Type | None = None) -> Expression | None:
        """Type `node` in the context of `event`; `wanted` is what a literal should become."""
        typed_condition = _CONDITIONS.get(type(node))
        if typed_condition is not None:
            return typed_condition(self, node, event)
        method = getattr(self, "_" + type(node).__name__.lower())
        return cast("Expression | None", method(node, event, wanted))

    # --- literals and names

    def _literal(self, node: tree.Literal, _event: str, wanted: Type | None) -> Expression | None:
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
                    "TG313",
                    f'`"{text}"` is none of the words {listed(wanted.words)}',
                    node.span,
                    nearest(text, wanted.words),
                )
                return None
            return constant(wanted, text, node.span)
        if wanted.kind is Kind.COUNTRY:
            if text not in COUNTRIES:
                self.error(
                    "TG319",
                    f'`"{text}"` is no country code of ISO 3166-1',
                    node.span,
                    'a code has two capitals, as in `"FR"`',
                )
                return None
            return constant(wanted, text, node.span)
        if wanted.kind is Kind.TOKEN:
            self.error(
                "TG314",
                "a token is an opaque pseudonym and never equals a text",
                node.span,
                "keep tokens in a list and test them with `in`",
            )
            return None
        return constant(TEXT, text, node.span)

    def _reference(
        self, node: tree.Reference, event: str, wanted: Type | None
    ) -> Expression | None:
        name = node.name
        if name == "points":
            self.error(
                "TG430",
                "`points` is read only as `points >= N` or `points > N` in a rule's "
                "`when`, outside `not`, `case` and lets",
                node.span,
            )
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
        if not self.names.is_lost(name, *VALUES):
            self.unknown_name(node, event, wanted)
        return None

    def unknown_name(self, node: tree.Reference, event: str, wanted: Type | None) -> None:
        name = node.name
        if wanted is not None and wanted.words:
            near = nearest(name, wanted.words)
            self.error(
                "TG205",
                f"`{name}` stands without quotes where a word of an enumeration is meant",
                node.span,
                f'write `"{name}"`' if name in wanted.words else near,
            )
            return
        if wanted is not None and wanted.kind is Kind.COUNTRY and name.upper() in COUNTRIES:
            message = f"`{name}` stands without quotes where a country code is meant"
            self.error("TG205", message, node.span, f'write `"{name.upper()}"`')
            return
        elsewhere = sorted(e for e, fields in self.fields.items() if name in fields)
        if elsewhere:
            self.error(
                "TG206",
                f"`{name}` is a field of `{elsewhere[0]}`, not of `{event}`",
                node.span,
                nearest(name, self.fields.get(event, {})),
            )
            return
        sort = self.names.sort_of(name)
        if sort:
            self.error("TG204", f"`{name}` is a {sort} and has no value", node.span)
            return
        self.error("TG204", f"nothing is called `{name}`", node.span, self._nearest(name, event))

    def _nearest(self, name: str, event: str) -> str:
        """The name that is probably meant; looked for once, however often the slip is repeated."""
        if (name, event) not in self._slips:
            foreign = {n for e, fields in self.fields.items() if e != event for n in fields}
            visible = set(self.fields.get(event, {})) | (self.names.values() - foreign)
            self._slips[name, event] = nearest(name, visible)
        return self._slips[name, event]

    def _let(self, name: str, event: str, span: Span) -> Expression | None:
        key = (event, name)
        if name in self._open:
            opened = list(self._open)
            circle = " → ".join([*opened[opened.index(name) :], name])
            self.error("TG207", f"let `{name}` refers to itself ({circle})", span)
            return None
        if key not in self._lets:
            self._open[name] = span
            self._lets[key] = self._let_reference(name, event)
            del self._open[name]
        found = self._lets[key]
        return None if found is None else replace(found, span=span)

    def _let_reference(self, name: str, event: str) -> LetRef | None:
        declared = self.names.lets[name]
        excess = self._extents.excess(name)
        if excess is not None:
            self.error(
                "TG312",
                f"let `{excess.name}` grows to {excess.much} once the lets it reads are written "
                "out",
                self.names.lets[excess.name].name.span,
                "read each let once, and fewer behind each other",
            )
        if excess is not None or declared.value is None:
            return None
        body = self.value(declared.value, event)
        if body is None:
            return None
        return LetRef(
            name=name,
            body=body,
            type=body.type,
            span=declared.name.span,
            models=body.models,
            bounds=body.bounds,
            can_be_missing=body.can_be_missing,
        )

    def lets_read(self) -> set[str]:
        """The names of the lets that something has read so far."""
        return {name for _, name in self._lets}

    def _feature(self, name: str, event: str, span: Span) -> Expression | None:
        feature = self.find_feature(name, next(iter(self._open.values()), span))
        if feature is None:
            return None
        optional = feature.aggregate not in ("count", "sum", "distinct")
        for own, counted in feature.keys:
            field = self.fields.get(event, {}).get(own)
            if field is None and self.names.is_lost(own, "field"):
                return None
            if field is None:
                self.error(
                    "TG206",
                    f"feature `{name}` is kept by `{own}`, which `{event}` does not have",
                    span,
                    related=((feature.span, "the feature is here"),),
                )
                return None
            other = self.fields[feature.event][counted]
            if field.form != other.form:
                self.error(
                    "TG604",
                    f"feature `{name}` matches `{own}` of `{event}` ({field.form}) with "
                    f"`{counted}` of `{feature.event}` ({other.form})",
                    span,
                )
                return None
            optional = optional or field.optional
        bounds = feature_bounds(feature)
        if feature.aggregate == "sum" and bounds == ANY_INT64:
            optional = True
        return Input(
            name=name,
            source="feature",
            type=feature.type,
            span=span,
            bounds=bounds,
            can_be_missing=optional,
            can_fail=optional,
        )

    def _score(self, name: str, event: str, span: Span) -> Expression | None:
        model = self.names.models[self.names.scores[name]]
        if model.use is None:
            return None  # the model's declaration is wrong and reported
        if model.use.text != event:
            self.error(
                "TG506",
                f"model `{model.name.text}` is used only on `{model.use.text}`, so `{name}` "
                f"cannot be read on `{event}`",
                span,
                related=((model.name.span, "the model is here"),),
            )
            return None
        bounds = score_bounds(model, self.currency, self.zone)
        if isinstance(bounds, BadBounds):
            return None  # reported where the model is checked
        return score_input(name, model.name.text, span, bounds)

    def _label(self, name: str, event: str, span: Span) -> Expression | None:
        label = self.names.labels[name]
        if label.event is None or label.event.text != event:
            of = label.event.text if label.event else "nothing"
            self.error("TG206", f"label `{name}` belongs to `{of}`, not to `{event}`", span)
            return None
        return Input(name=name, source="label", type=FLAG, span=span)

    def _member(self, node: tree.Member, event: str, _wanted: Type | None) -> Expression | None:
        field = self.fields.get(event, {}).get(node.base)
        if field is None and self.names.is_lost(node.base, "field"):
            return None
        if field is None or field.type != MONEY or node.name not in ("original", "currency"):
            self.error(
                "TG204",
                f"`{node.base}.{node.name}` is nothing that can be read",
                node.span,
                "a money field has `.original` (a number, in whole units) and `.currency` (a text)",
            )
            return None
        kind, bounds = (NUMBER, ANY_INT64) if node.name == "original" else (TEXT, None)
        return Input(
            name=f"{node.base}.{node.name}",
            source="field",
            type=kind,
            span=node.span,
            bounds=bounds,
            can_be_missing=field.optional,
            can_fail=field.optional,
        )

    def _lookup(self, node: tree.Lookup, event: str, _wanted: Type | None) -> Expression | None:
        from tidegate.dsl.lookups import typed_lookup  # it reports with this class

        return typed_lookup(self, node, event)

    # --- arithmetic

    def _minus(self, node: tree.Minus, event: str, wanted: Type | None) -> Expression | None:
        operand = self.value(node.operand, event, wanted)
        if operand is None:
            return None
        if operand.type.kind not in INTEGER_KINDS or operand.type == TIME:
            self.error("TG305", f"a {operand.type} has no negative", node.span)
            return None
        bounds = ranges.negate(bounds_of(operand))
        return integer_node(Negate, operand.type, node.span, bounds, (operand,), operand=operand)

    def pair(
        self, left: tree.Expr, right: tree.Expr, event: str, *, alike: bool
    ) -> tuple[Expression, Expression] | None:
        """Type two sides; where they should be alike, a literal takes the other side's type."""
        if alike and isinstance(left, tree.Literal) and not isinstance(right, tree.Literal):
            second = self.value(right, event)
            first = self.value(left, event, second.type if second else None)
        else:
            first = self.value(left, event)
            second = self.value(right, event, first.type if first and alike else None)
            if alike and is_whole(left) and second is not None and second.type == NUMBER:
                first = self.value(left, event, NUMBER)
        return None if first is None or second is None else (first, second)

    def _binary(self, node: tree.Binary, event: str, _wanted: Type | None) -> Expression | None:
        sides = self.pair(node.left, node.right, event, alike=node.op in "+-")
        if sides is None:
            return None
        left, right = sides
        found = OPERATORS.get((node.op, left.type.kind, right.type.kind))
        if found is None:
            verb = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}[node.op]
            self.error(
                "TG305",
                f"cannot {verb} a {left.type} and a {right.type}",
                node.span,
                arithmetic_help(node.op, left.type, right.type, self.currency),
            )
            return None
        kind, up, down = found
        divisor = bounds_of(right)
        if node.op == "/" and divisor.low == divisor.high == 0:
            self.error("TG311", "this divides by zero", node.right.span)
            return None
        bounds = arithmetic_bounds(node.op, bounds_of(left), divisor, up, down)
        return integer_node(
            Arithmetic,
            kind,
            node.span,
            bounds,
            (left, right),
            left=left,
            right=right,
            op=node.op,
            up=up,
            down=down,
            fails=node.op == "/" and divisor.low <= 0 <= divisor.high,
        )

    def _default(self, node: tree.Default, event: str, wanted: Type | None) -> Expression | None:
        left = self.value(node.left, event, wanted)
        right = self.value(node.right, event, left.type if left else wanted)
        if left is None or right is None:
            return None
        if left.type != right.type:
            self.error(
                "TG318",
                f"`otherwise` gives a {right.type} for a missing {left.type}",
                node.right.span,
                "both sides have one type",
            )
            return None
        if not left.can_be_missing and not left.models:
            self.warn("TG320", "this is never missing, so `otherwise` does nothing", node.span)
        left, right = folded_alike(left, right)
        return Otherwise(
            left=left,
            right=right,
            type=left.type,
            span=node.span,
            models=left.models | right.models,
            bounds=joined_bounds(left, right),
            can_be_missing=left.can_be_missing and right.can_be_missing,
        )

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
                    "TG317",
                    f"this branch gives a {value.type}, another one a {typed[0].type}",
                    part.span,
                )
                return None
        typed = list(folded_alike(*typed))
        branches = tuple(zip(cast("list[Expression]", conditions), typed[:-1], strict=True))
        below = [*cast("list[Expression]", conditions), *typed]
        return Case(
            branches=branches,
            default=typed[-1],
            type=typed[0].type,
            span=node.span,
            models=models_of(below),
            bounds=joined_bounds(*typed),
            can_be_missing=any(e.can_be_missing for e in below),
        )

    def _apply(self, node: tree.Apply, event: str, _wanted: Type | None) -> Expression | None:
        from tidegate.dsl.calls import typed_call  # calls types its arguments with this class

        return typed_call(self, node, event)


_CONDITIONS: dict[type[tree.Expr], Callable[[Typer, Any, str], Expression | None]] = {
    tree.Conjunction: conditions.conjunction,
    tree.Disjunction: conditions.disjunction,
    tree.Negation: conditions.negation,
    tree.Comparison: conditions.comparison,
    tree.Between: conditions.between,
    tree.AmongLiterals: conditions.among_literals,
    tree.AmongNetwork: conditions.among_network,
    tree.AmongNamed: conditions.among_named,
    tree.TextMatch: conditions.text_match,
    tree.Presence: conditions.presence,
}
