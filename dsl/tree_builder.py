"""Tree nodes of actions, clauses and declarations.

A method is named for its rule or alias in grammar.lark and takes the place of what the rule covers.
"""

# ruff: noqa: ARG002 - every method is called with the same arguments

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from tidegate.dsl import tree
from tidegate.dsl.builder import Children, Clause, many, one, unescape
from tidegate.dsl.expression_builder import ExpressionBuilder
from tidegate.dsl.pieces import Piece
from tidegate.dsl.source import Span


class TreeBuilder(ExpressionBuilder):
    """Makes everything that a file holds; `method` finds what makes a rule of the grammar."""

    def method(self, rule: str) -> Callable[[Span, Children], Any]:
        """What makes the node of `rule`."""
        word = "except_" if rule == "except" else rule  # a word that Python keeps for itself
        return cast("Callable[[Span, Children], Any]", getattr(self, word))

    # --- actions

    def skip(self, span: Span, children: Children) -> tree.ActionList:
        return tree.ActionList(span, (), skip=True)

    def action_list(self, span: Span, children: Children) -> tree.ActionList:
        return tree.ActionList(span, tuple(children))

    def because(self, span: Span, children: Children) -> tree.Name:
        return cast("tree.Name", children[0])

    def action(self, span: Span, children: Children) -> tree.Action:
        verb, fields = children[0]
        because = children[1] if len(children) > 1 else None
        return tree.Action(span, verb, because=because, **fields)

    def decline(self, span: Span, children: Children) -> tuple[str, dict[str, Any]]:
        return "decline", {}

    def hold(self, span: Span, children: Children) -> tuple[str, dict[str, Any]]:
        return "hold", {}

    def review(self, span: Span, children: Children) -> tuple[str, dict[str, Any]]:
        return "review", {"word": children[0].text if children else ""}

    def do_step_up(self, span: Span, children: Children) -> tuple[str, dict[str, Any]]:
        return "step_up", {"name": children[0]}

    def prefer(self, span: Span, children: Children) -> tuple[str, dict[str, Any]]:
        return "prefer", {"name": children[0]}

    def exempt(self, span: Span, children: Children) -> tuple[str, dict[str, Any]]:
        return "exempt", {"name": children[0]}

    def no_exemption(self, span: Span, children: Children) -> tuple[str, dict[str, Any]]:
        return "no_exemption", {}

    def tag(self, span: Span, children: Children) -> tuple[str, dict[str, Any]]:
        text = children[0]
        return "tag", {"value": tree.Literal(text.span, "text", text.value)}

    def points(self, span: Span, children: Children) -> tuple[str, dict[str, Any]]:
        return "points", {"value": children[0]}

    def advise(self, span: Span, children: Children) -> tuple[str, dict[str, Any]]:
        return "advise", {"name": children[0], "value": children[1]}

    # --- clauses that several declarations share

    def c_text(self, span: Span, children: Children) -> Clause:
        return one("text", span, children[0])

    def c_version(self, span: Span, children: Children) -> Clause:
        return one("version", span, int(children[0].text))

    def c_within(self, span: Span, children: Children) -> Clause:
        return one("within", span, self._bare("duration", children[0]))

    def c_until(self, span: Span, children: Children) -> Clause:
        return one("until_date", span, self._bare("date", children[0]))

    def c_from(self, span: Span, children: Children) -> Clause:
        return one("from_date", span, self._bare("date", children[0]))

    def c_expires(self, span: Span, children: Children) -> Clause:
        return one("expires", span, self._bare("date", children[0]))

    def c_owner(self, span: Span, children: Children) -> Clause:
        return one("owner", span, children[0])

    def c_in(self, span: Span, children: Children) -> Clause:
        return one("group", span, children[0])

    def c_on(self, span: Span, children: Children) -> Clause:
        return one("event", span, children[0])

    def c_shadow(self, span: Span, children: Children) -> Clause:
        return one("shadow", span, value=True)

    def c_mandatory(self, span: Span, children: Children) -> Clause:
        return one("mandatory", span, value=True)

    def c_replaces(self, span: Span, children: Children) -> Clause:
        return one("replaces", span, int(children[0].text))

    def c_may(self, span: Span, children: Children) -> Clause:
        return one("may", span, tuple(children))

    def c_rollout(self, span: Span, children: Children) -> Clause:
        share, field, *wave = children
        clause = tree.RolloutClause(
            span, self._bare("percent", share), field, wave[0] if wave else None
        )
        return one("rollout", span, clause)

    def _bare(self, kind: tree.LiteralKind, token: Piece) -> tree.Literal:
        return tree.Literal(self.place(token), kind, token.text)

    def when(self, span: Span, children: Children) -> Clause:
        return one("when", span, children[0])

    def where(self, span: Span, children: Children) -> Clause:
        return one("where", span, children[0])

    def except_(self, span: Span, children: Children) -> Clause:
        return many("exceptions", span, (children[0],))

    def unknown(self, span: Span, children: Children) -> Clause:
        return one("unknown", span, children[0])

    # --- policy, events

    def c_language(self, span: Span, children: Children) -> Clause:
        return one("language", span, int(children[0].text))

    def c_currency(self, span: Span, children: Children) -> Clause:
        token = children[0]
        return one("currency", span, tree.Name(self.place(token), token.text))

    def c_timezone(self, span: Span, children: Children) -> Clause:
        return one("timezone", span, children[0])

    def c_rates(self, span: Span, children: Children) -> Clause:
        return one("rates", span, children[0])

    def policy(self, span: Span, children: Children) -> tree.Declaration:
        return self.declare(tree.PolicyDeclaration, span, children)

    def decided(self, span: Span, children: Children) -> Clause:
        return one("default", span, children[0].text)

    def c_silent(self, span: Span, children: Children) -> Clause:
        return one("silent", span, children[0].text)

    def event(self, span: Span, children: Children) -> tree.Declaration:
        return self.declare(tree.EventDeclaration, span, children)

    def field(self, span: Span, children: Children) -> Clause:
        name, kind, *clauses = children
        declared = self.declare(
            cast("Callable[..., tree.Declaration]", tree.FieldDeclaration), span,
            [name, *clauses], type=kind,
        )  # fmt: skip
        return many("fields", span, (declared,))

    def f_key(self, span: Span, children: Children) -> Clause:
        return one("key", span, value=True)

    def f_max(self, span: Span, children: Children) -> Clause:
        return one("maximum", span, children[0])

    def f_min(self, span: Span, children: Children) -> Clause:
        return one("minimum", span, children[0])

    def f_coarse(self, span: Span, children: Children) -> Clause:
        return one("coarse", span, tuple(int(c.text[1:]) for c in children))

    def f_folded(self, span: Span, children: Children) -> Clause:
        return one("folded", span, value=True)

    def f_lenient(self, span: Span, children: Children) -> Clause:
        return one("lenient", span, value=True)

    def plain_type(self, span: Span, children: Children) -> tree.TypeName:
        return tree.TypeName(span, children[0].text, (), len(children) > 1)

    def word(self, span: Span, children: Children) -> str:
        token = children[0]
        return unescape(token.text) if token.sort == "STRING" else token.text

    def word_type(self, span: Span, children: Children) -> tree.TypeName:
        optional = isinstance(children[-1], Piece)
        words = children[:-1] if optional else children
        return tree.TypeName(span, "one of", tuple(words), optional)

    # --- features, lets, params, labels, lists

    def a_count(self, span: Span, children: Children) -> Clause:
        return many("aggregate", span, ("count", children[0], None))

    def a_of(self, span: Span, children: Children) -> Clause:
        return many("aggregate", span, (children[0].text, children[2], children[1]))

    def a_distinct(self, span: Span, children: Children) -> Clause:
        return many("aggregate", span, ("distinct", children[1], children[0]))

    def a_edge(self, span: Span, children: Children) -> Clause:
        return many("aggregate", span, (f"{children[0].text}_at", children[1], None))

    def a_since(self, span: Span, children: Children) -> Clause:
        return many("aggregate", span, (f"since_{children[0].text}", children[1], None))

    def w_literal(self, span: Span, children: Children) -> Clause:
        return one("window", span, self._bare("duration", children[0]))

    def w_name(self, span: Span, children: Children) -> Clause:
        return one("window_name", span, children[0])

    def w_calendar(self, span: Span, children: Children) -> Clause:
        period, *zone = children
        return one("period", span, (tree.Name(self.place(period), period.text), *zone))

    def zone(self, span: Span, children: Children) -> tree.Text:
        return cast("tree.Text", children[0])

    def k_all(self, span: Span, children: Children) -> Clause:
        return one("keys", span, ())

    def k_some(self, span: Span, children: Children) -> Clause:
        return one("keys", span, tuple(children))

    def key(self, span: Span, children: Children) -> tuple[tree.Name, tree.Name]:
        return children[0], children[-1]

    def delay(self, span: Span, children: Children) -> Clause:
        return one("delay", span, self._bare("duration", children[0]))

    def feature(self, span: Span, children: Children) -> tree.Declaration:
        name, (_, (aggregate, event, operand), _, _), keys, window, *rest = children
        if window.slot == "period":
            period, *zone = window.value
            rest = [window._replace(value=period), *(one("zone", z.span, z) for z in zone), *rest]
        else:
            rest = [window, *rest]
        return self.declare(
            tree.FeatureDeclaration, span, [name, keys, *rest], aggregate=aggregate, event=event,
            operand=operand,
        )  # fmt: skip

    def let(self, span: Span, children: Children) -> tree.Declaration:
        return tree.LetDeclaration(span, children[0], children[1])

    def range(self, span: Span, children: Children) -> tuple[tree.Expr, tree.Expr]:
        return children[0], children[1]

    def param(self, span: Span, children: Children) -> tree.Declaration:
        name, kind, value, *rest = children
        low = high = text = None
        for part in rest:
            if isinstance(part, tree.Text):
                text = part
            else:
                low, high = part
        return tree.ParamDeclaration(span, name, kind, value, low, high, text)

    def source(self, span: Span, children: Children) -> tuple[Any, ...]:
        event, matching, *where = children
        return event, matching, where[0].value if where else None

    def label(self, span: Span, children: Children) -> tree.Declaration:
        name, event, after, *source = children
        parts = source[0] if source else (None, None, None)
        return tree.LabelDeclaration(span, name, event, self._bare("duration", after), *parts)

    def l_file(self, span: Span, children: Children) -> tree.Text:
        return cast("tree.Text", children[0])

    def l_managed(self, span: Span, children: Children) -> None:
        return None

    def list(self, span: Span, children: Children) -> tree.Declaration:
        name, kind, path = children
        return tree.ListDeclarationNode(span, name, kind, path)

    # --- tables

    def table_text(self, span: Span, children: Children) -> Clause:
        return one("text", span, children[0])

    def t_default(self, span: Span, children: Children) -> Clause:
        return one("default", span, children[0])

    def column(self, span: Span, children: Children) -> Clause:
        name, kind, *clauses = children
        declared = self.declare(
            cast("Callable[..., tree.Declaration]", tree.ColumnDeclaration), span,
            [name, *clauses], type=kind,
        )  # fmt: skip
        return many("columns", span, (declared,))

    def table(self, span: Span, children: Children) -> tree.Declaration:
        name, kind, path, *clauses = children
        key = tree.TypeName(self.place(kind), kind.text)
        return self.declare(tree.TableDeclaration, span, [name, *clauses], type=key, path=path)

    # --- models, reasons, step-ups

    def m_from(self, span: Span, children: Children) -> Clause:
        return one("path", span, children[0])

    def m_reads(self, span: Span, children: Children) -> Clause:
        return one("reads", span, tuple(children))

    def m_score(self, span: Span, children: Children) -> Clause:
        return one("score", span, children[0])

    def m_external(self, span: Span, children: Children) -> Clause:
        return one("external", span, value=True)

    def m_range(self, span: Span, children: Children) -> Clause:
        return one("bounds", span, (children[0], children[1]))

    def m_use(self, span: Span, children: Children) -> Clause:
        return many("use", span, tuple(children))

    def m_unavailable(self, span: Span, children: Children) -> Clause:
        return one("unavailable", span, children[0])

    def model(self, span: Span, children: Children) -> tree.Declaration:
        clauses: Children = [children[0]]
        before = ""
        for clause in children[1:]:
            if clause.slot == "bounds" and before != "score":
                self.problem(
                    "TG507", "the bounds of a score stand behind its name", clause.span,
                    "write `score NAME from 0 to 99`",
                )  # fmt: skip
            if clause.slot == "use":
                event, *condition = clause.value
                clauses.append(clause._replace(value=event, many=False))
                clauses += [c._replace(slot="use_when") for c in condition]
            elif clause.slot == "until_date":
                clauses.append(clause._replace(slot="until"))
            else:
                clauses.append(clause)
            before = clause.slot
        return self.declare(tree.ModelDeclaration, span, clauses)

    def r_message(self, span: Span, children: Children) -> Clause:
        return one("message", span, children[0])

    def r_retry(self, span: Span, children: Children) -> Clause:
        return one("retry", span, children[0])

    def reason(self, span: Span, children: Children) -> tree.Declaration:
        return self.declare(tree.ReasonDeclaration, span, children)

    def s_rank(self, span: Span, children: Children) -> Clause:
        return one("rank", span, int(children[0].text))

    def s_try(self, span: Span, children: Children) -> Clause:
        return one("methods", span, tuple(children))

    def s_result(self, span: Span, children: Children) -> Clause:
        return many("results", span, ((children[0].text, children[1]),))

    def step_up(self, span: Span, children: Children) -> tree.Declaration:
        return self.declare(tree.StepUpDeclaration, span, children)

    # --- groups, rules, guarantees, grants

    def group(self, span: Span, children: Children) -> tree.Declaration:
        return self.declare(tree.GroupDeclaration, span, children)

    def rule(self, span: Span, children: Children) -> tree.Declaration:
        clauses = [
            Clause("then", c, c.span) if isinstance(c, tree.ActionList) else c for c in children
        ]
        return self.declare(tree.RuleDeclaration, span, clauses)

    # --- decision tables

    def columns(self, span: Span, children: Children) -> Clause:
        return one("columns", span, tuple(children))

    def rows(self, span: Span, children: Children) -> Clause:
        return one("hit", span, children[0].text)

    def row(self, span: Span, children: Children) -> Clause:
        name, *cells, then = children
        return many("rows", span, (tree.DecisionRow(span, name, tuple(cells), then),))

    def rest(self, span: Span, children: Children) -> Clause:
        return one("rest", span, children[0])

    def decision(self, span: Span, children: Children) -> tree.Declaration:
        return self.declare(tree.DecisionDeclaration, span, children)

    # --- templates

    def library(self, span: Span, children: Children) -> tree.Declaration:
        name, version, *path = children
        return tree.LibraryDeclaration(span, name, int(version.text), path[0] if path else None)

    def library_from(self, span: Span, children: Children) -> tree.Text:
        return cast("tree.Text", children[0])

    def template(self, span: Span, children: Children) -> tree.Declaration:
        name, event, *clauses = children
        return self.declare(tree.TemplateDeclaration, span, [name, *clauses], event=event)

    def takes(self, span: Span, children: Children) -> Clause:
        name, *rest = children
        event = next((part for part in rest if isinstance(part, tree.Name)), None)
        types = tuple(part for part in rest if isinstance(part, tree.TypeName))
        text = next((part for part in rest if isinstance(part, tree.Text)), None)
        found = (part for part in rest if isinstance(part, tuple))
        value, low, high = next(found, (None, None, None))
        clause = tree.TakesClause(span, name, event, types, value, low, high, text)
        return many("takes", span, (clause,))

    def of_event(self, span: Span, children: Children) -> tree.Name:
        return cast("tree.Name", children[0])

    def counting(self, span: Span, children: Children) -> Clause:
        return one("counting", span, children[0])

    def a_counting(self, span: Span, children: Children) -> Clause:
        return one("counting", span, children[0])

    def taken(self, span: Span, children: Children) -> tuple[Any, ...]:
        value, *bounds = children
        low, high = bounds[0] if bounds else (None, None)
        return value, low, high

    def apply(self, span: Span, children: Children) -> tree.Declaration:
        (library, template), name, *clauses = children
        return self.declare(
            tree.ApplyDeclaration, span, [name, *clauses], library=library, template=template
        )

    def applied(self, span: Span, children: Children) -> tuple[tree.Name | None, tree.Name]:
        return (None if len(children) == 1 else children[0]), children[-1]

    def apply_then(self, span: Span, children: Children) -> Clause:
        return one("then", span, children[0])

    def a_with(self, span: Span, children: Children) -> Clause:
        return one("settings", span, tuple(children))

    def setting(self, span: Span, children: Children) -> tuple[tree.Name, tree.Expr]:
        return children[0], children[1]

    def guarantee(self, span: Span, children: Children) -> tree.Declaration:
        names = tuple(c for c in children[1:] if isinstance(c, tree.Name))
        clauses = [c for c in children[1:] if not isinstance(c, tree.Name)]
        return self.declare(
            tree.GuaranteeDeclaration, span, [children[0], *clauses], at_least=names
        )

    def g_never(self, span: Span, children: Children) -> Clause:
        return one("never", span, tuple(children))

    def g_on(self, span: Span, children: Children) -> Clause:
        event, *when = children
        scope = tree.ScopeClause(span, event, when[0].value if when else None)
        return many("on", span, (scope,))

    def g_sees(self, span: Span, children: Children) -> Clause:
        return one("sees", span, tuple(children))

    def grant(self, span: Span, children: Children) -> tree.Declaration:
        world, *rest = children
        return self.declare(tree.GrantDeclaration, span, rest, world=world.text)
