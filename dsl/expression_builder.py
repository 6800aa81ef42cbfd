"""Tree nodes of names, literals and expressions.

A method is named for its rule or alias in grammar.lark and takes the place of what the rule covers.
"""

# ruff: noqa: ARG002 - every method is called with the same arguments

from __future__ import annotations

from typing import Any, cast

from tidegate.dsl import tree
from tidegate.dsl.builder import Builder, Children, unescape
from tidegate.dsl.pieces import Piece
from tidegate.dsl.source import Span


class ExpressionBuilder(Builder):
    """Makes expressions."""

    # --- words and literals

    def name(self, span: Span, children: Children) -> tree.Name:
        return tree.Name(span, children[0].text)

    def function(self, span: Span, children: Children) -> tree.Name:
        return tree.Name(span, children[0].text)

    def part(self, span: Span, children: Children) -> tree.Name:
        return self.function(span, children)

    def relation(self, span: Span, children: Children) -> str:
        return cast("str", children[0].text)

    def permission(self, span: Span, children: Children) -> tree.Name:
        return tree.Name(span, children[0].text)

    def string(self, span: Span, children: Children) -> tree.Text:
        return tree.Text(span, unescape(children[0].text))

    def _literal(self, kind: tree.LiteralKind, span: Span, text: str) -> tree.Expr:
        return self.nest(tree.Literal(span, kind, text))

    def whole(self, span: Span, children: Children) -> tree.Expr:
        return self._literal("whole", span, children[0].text)

    def decimal(self, span: Span, children: Children) -> tree.Expr:
        return self._literal("decimal", span, children[0].text)

    def percent(self, span: Span, children: Children) -> tree.Expr:
        return self._literal("percent", span, children[0].text)

    def money(self, span: Span, children: Children) -> tree.Expr:
        written = children[0].text
        digits, currency = written[:-3].rstrip(), written[-3:]
        return self._literal("money", span, f"{digits} {currency}")

    def duration(self, span: Span, children: Children) -> tree.Expr:
        return self._literal("duration", span, children[0].text)

    def date(self, span: Span, children: Children) -> tree.Expr:
        return self._literal("date", span, children[0].text)

    def time(self, span: Span, children: Children) -> tree.Expr:
        return self._literal("time", span, children[0].text)

    def text(self, span: Span, children: Children) -> tree.Expr:
        return self._literal("text", span, unescape(children[0].text))

    def network(self, span: Span, children: Children) -> tree.Expr:
        return self._literal("network", span, children[0].text)

    def truth(self, span: Span, children: Children) -> tree.Expr:
        return self._literal("flag", span, children[0].text)

    def signed(self, span: Span, children: Children) -> tree.Expr:
        if len(children) == 1:
            return cast("tree.Expr", children[0])
        return self._negative(span, children[0].text, children[1])

    def _negative(self, span: Span, sign: str, operand: tree.Expr) -> tree.Expr:
        if sign == "+":
            self.problem("TG103", "a leading `+` says nothing", span, "delete it")
            return operand
        numeric = ("whole", "decimal", "percent", "money", "duration")
        if isinstance(operand, tree.Literal) and operand.kind in numeric and not operand.negative:
            literal = tree.Literal(span, operand.kind, operand.spelling, negative=True)
            return self.nest(literal)
        return self.nest(tree.Minus(span, operand), operand)

    # --- expressions

    def disjunction(self, span: Span, children: Children) -> tree.Expr:
        return self.nest(tree.Disjunction(span, tuple(children)), *children)

    def conjunction(self, span: Span, children: Children) -> tree.Expr:
        return self.nest(tree.Conjunction(span, tuple(children)), *children)

    def not_(self, span: Span, children: Children) -> tree.Expr:
        return self.nest(tree.Negation(span, children[0]), children[0])

    def compare(self, span: Span, children: Children) -> tree.Expr:
        left, op, right = children
        return self.nest(tree.Comparison(span, op, left, right), left, right)

    def between(self, span: Span, children: Children) -> tree.Expr:
        operand, negated, rest = _negated(children)
        return self.nest(tree.Between(span, operand, rest[0], rest[1], negated), operand, *rest)

    def among_literals(self, span: Span, children: Children) -> tree.Expr:
        operand, negated, items = _negated(children)
        return self.nest(tree.AmongLiterals(span, operand, tuple(items), negated), operand)

    def among_named(self, span: Span, children: Children) -> tree.Expr:
        operand, negated, rest = _negated(children)
        return self.nest(tree.AmongNamed(span, operand, rest[0], negated), operand)

    def among_network(self, span: Span, children: Children) -> tree.Expr:
        operand, negated, rest = _negated(children)
        token = rest[0]
        network = tree.Literal(self.place(token), "network", token.text)
        return self.nest(tree.AmongNetwork(span, operand, network, negated), operand)

    def bare_word(self, span: Span, children: Children) -> tree.Expr:
        return self.nest(tree.Reference(span, children[0].text))

    def _matches(self, op: Any, span: Span, children: Children) -> tree.Expr:
        operand, negated, rest = _negated(children)
        return self.nest(tree.TextMatch(span, op, operand, rest[0], negated), operand)

    def starts_with(self, span: Span, children: Children) -> tree.Expr:
        return self._matches("starts with", span, children)

    def ends_with(self, span: Span, children: Children) -> tree.Expr:
        return self._matches("ends with", span, children)

    def contains(self, span: Span, children: Children) -> tree.Expr:
        return self._matches("contains", span, children)

    def like(self, span: Span, children: Children) -> tree.Expr:
        return self._matches("like", span, children)

    def matches(self, span: Span, children: Children) -> tree.Expr:
        return self._matches("matches", span, children)

    def is_missing(self, span: Span, children: Children) -> tree.Expr:
        return self.nest(tree.Presence(span, children[0], present=False), children[0])

    def is_present(self, span: Span, children: Children) -> tree.Expr:
        return self.nest(tree.Presence(span, children[0], present=True), children[0])

    # --- cells: tests whose operand the column gives

    def _cell(self, make: Any, span: Span, *before: Any, children: Children) -> tree.Cell:
        """The cell that the maker of a comparison makes of an operand left open."""
        blank = self.nest(tree.Reference(Span(span.path, span.start, span.start), ""))
        return tree.Cell(span, make(*before, span, [blank, *children]))

    def cell_any(self, span: Span, children: Children) -> tree.Cell:
        return tree.Cell(span, None)

    def cell_is(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self.compare, span, children=["=", *children])

    def cell_compare(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self.compare, span, children=children)

    def cell_between(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self.between, span, children=children)

    def cell_among_literals(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self.among_literals, span, children=children)

    def cell_among_named(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self.among_named, span, children=children)

    def cell_among_network(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self.among_network, span, children=children)

    def cell_starts_with(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self._matches, span, "starts with", children=children)

    def cell_ends_with(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self._matches, span, "ends with", children=children)

    def cell_contains(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self._matches, span, "contains", children=children)

    def cell_like(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self._matches, span, "like", children=children)

    def cell_missing(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self.is_missing, span, children=children)

    def cell_present(self, span: Span, children: Children) -> tree.Cell:
        return self._cell(self.is_present, span, children=children)

    def otherwise(self, span: Span, children: Children) -> tree.Expr:
        return self.nest(tree.Default(span, *children), *children)

    def binary(self, span: Span, children: Children) -> tree.Expr:
        left, op, right = children
        return self.nest(tree.Binary(span, cast("Any", op.text), left, right), left, right)

    def minus(self, span: Span, children: Children) -> tree.Expr:
        return self._negative(span, children[0].text, children[1])

    def reference(self, span: Span, children: Children) -> tree.Expr:
        return self.nest(tree.Reference(span, children[0].text))

    def reference_value(self, span: Span, children: Children) -> tree.Expr:
        return self.reference(span, children)

    def value(self, span: Span, children: Children) -> tree.Expr:
        return cast("tree.Expr", children[0])

    def call(self, span: Span, children: Children) -> tree.Expr:
        function, *arguments = children
        return self.nest(tree.Apply(span, function, tuple(arguments)), *arguments)

    def member(self, span: Span, children: Children) -> tree.Expr:
        return self.nest(tree.Member(span, children[0].text, children[1].text))

    def lookup(self, span: Span, children: Children) -> tree.Expr:
        return self.nest(tree.Lookup(span, *children))

    def group_expr(self, span: Span, children: Children) -> tree.Expr:
        return cast("tree.Expr", children[0])

    def branch(self, span: Span, children: Children) -> tuple[tree.Expr, tree.Expr]:
        return children[0], children[1]

    def case(self, span: Span, children: Children) -> tree.Expr:
        *branches, default = children
        parts = [part for branch in branches for part in branch]
        return self.nest(tree.Branches(span, tuple(branches), default), *parts, default)


def _negated(children: Children) -> tuple[tree.Expr, bool, Children]:
    operand, *rest = children
    negated = bool(rest) and isinstance(rest[0], Piece) and rest[0].sort == "NOT"
    return operand, negated, rest[1:] if negated else rest
