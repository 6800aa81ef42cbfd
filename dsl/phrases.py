"""Expressions and actions as documents, with as few parentheses as say the same."""

from __future__ import annotations

from tidegate.dsl import tree
from tidegate.dsl.layout import Break, Doc, group, in_line, joined, listed, row
from tidegate.dsl.nesting import AND, ATOM, BINDING, COMPARISON, MINUS, NOT, OR, OTHERWISE, SUM


def print_expression(expr: tree.Expr, binding: int = OR) -> Doc:
    """`expr` in a place that takes what binds at least as tightly as `binding`."""
    doc = _bare(expr)
    return doc if _binding(expr) >= binding else row("(", doc, ")")


def _binding(expr: tree.Expr) -> int:
    match expr:
        case tree.Disjunction():
            return OR
        case tree.Conjunction():
            return AND
        case tree.Negation():
            return NOT
        case tree.Default():
            return OTHERWISE
        case tree.Binary():
            return BINDING[expr.op]
        case tree.Minus():
            return MINUS
        case tree.Literal():
            return MINUS if expr.negative else ATOM
        case tree.Reference() | tree.Member() | tree.Lookup() | tree.Apply() | tree.Branches():
            return ATOM
        case _:
            return COMPARISON


def _bare(expr: tree.Expr) -> Doc:
    match expr:
        case tree.Literal():
            return print_literal(expr)
        case tree.Reference():
            return expr.name
        case tree.Member():
            return f"{expr.base}.{expr.name}"
        case tree.Lookup():
            return f"{expr.table.text}[{expr.key.text}].{expr.column.text}"
        case tree.Apply():
            return row(f"{expr.function.text}(", listed(map(print_expression, expr.arguments)), ")")
        case tree.Minus():
            return row("-", print_expression(expr.operand, ATOM))
        case tree.Binary():
            return _chain(expr)
        case tree.Default():
            left, right = print_expression(expr.left, SUM), print_expression(expr.right, OTHERWISE)
            return group(left, Break(), "otherwise ", right)
        case tree.Branches():
            return _branches(expr)
        case tree.Negation():
            return row("not ", _negated(expr.operand))
        case tree.Conjunction():
            return joined("and ", (print_expression(item, NOT) for item in expr.items))
        case tree.Disjunction():
            return joined("or ", (print_expression(item, AND) for item in expr.items))
        case _:
            return _comparison(expr)


def _negated(expr: tree.Expr) -> Doc:
    """What follows `not`. A comparison gets parentheses for the reader's sake."""
    return print_expression(expr, NOT if _binding(expr) != COMPARISON else ATOM)


def _chain(expr: tree.Binary) -> Doc:
    """`a + b - c`, which is `(a + b) - c`, as one group."""
    binding, parts = BINDING[expr.op], list[Doc]()
    left: tree.Expr = expr
    while isinstance(left, tree.Binary) and BINDING[left.op] == binding:
        parts[:0] = (Break(), f"{left.op} ", print_expression(left.right, binding + 1))
        left = left.left
    return group(print_expression(left, binding), *parts)


def _branches(expr: tree.Branches) -> Doc:
    parts: list[Doc] = ["case"]
    for condition, value in expr.branches:
        branch = row("when ", print_expression(condition), " then ", print_expression(value))
        parts += (Break(), branch)
    return group(*parts, Break(), "else ", print_expression(expr.default), Break(back=2), "end")


def _comparison(expr: tree.Expr) -> Doc:
    match expr:
        case tree.Comparison():
            return row(_side(expr.left), f" {expr.op} ", _side(expr.right))
        case tree.Between():
            word = _perhaps_not(expr.negated, "between")
            return row(_side(expr.operand), word, _side(expr.low), " and ", _side(expr.high))
        case tree.AmongLiterals():
            word = _perhaps_not(expr.negated, "in")
            return row(_side(expr.operand), f"{word}(", listed(map(_bare, expr.items)), ")")
        case tree.AmongNamed():
            return row(_side(expr.operand), _perhaps_not(expr.negated, "in"), expr.list.text)
        case tree.AmongNetwork():
            return row(_side(expr.operand), _perhaps_not(expr.negated, "in"), expr.network.spelling)
        case tree.TextMatch():
            word = _perhaps_not(expr.negated, expr.op)
            return row(_side(expr.operand), word, quote(expr.pattern.value))
        case tree.Presence():
            return row(_side(expr.operand), " is present" if expr.present else " is missing")
        case _:
            raise AssertionError(type(expr))


def print_cell(cell: tree.Cell) -> Doc:
    """A test without its operand; equality with a literal is the literal."""
    match cell.test:
        case None:
            return "any"
        case tree.Presence(present=present):
            return "present" if present else "missing"
        case tree.Comparison(op="=", right=tree.Literal() as literal):
            return print_literal(literal)
        case test:
            return in_line(_comparison(test)).lstrip()


def _side(expr: tree.Expr) -> Doc:
    """A side of a comparison. `otherwise` gets parentheses for the reader's sake."""
    return print_expression(expr, SUM)


def _perhaps_not(negated: bool, word: str) -> str:
    return f" not {word} " if negated else f" {word} "


def print_literal(literal: tree.Literal) -> str:
    if literal.kind == "text":
        return quote(literal.spelling)
    spelling = literal.spelling
    if literal.kind == "money":
        spelling = f"{spelling[:-3].rstrip()} {spelling[-3:]}"
    return f"-{spelling}" if literal.negative else spelling


def quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# --- actions -------------------------------------------------------------------------------------


def print_actions(actions: tree.ActionList) -> Doc:
    return "skip" if actions.skip else listed(map(_action, actions.items), fill=False)


def _action(action: tree.Action) -> Doc:
    doc = _act(action)
    return row(doc, f" because {action.because.text}") if action.because else doc


def _act(action: tree.Action) -> Doc:
    name = action.name.text if action.name else ""
    value = print_expression(action.value, SUM) if action.value else ""
    match action.verb:
        case "review":
            return f"review {action.word}".rstrip()
        case "step_up" | "exempt":
            return f"{action.verb} {name}"
        case "prefer":
            return f"prefer step_up {name}"
        case "no_exemption":
            return "no exemption"
        case "tag":
            return row("tag ", value)
        case "points":
            return row("add ", value, " points")
        case "advise":
            return row(f"advise {name} = ", value)
        case _:
            return action.verb
