"""Rules and groups: what they may combine, and what happens where they are unknown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from tidegate.dsl import tree
from tidegate.dsl.action_checks import check_actions, exempts, highest, relaxes
from tidegate.dsl.diagnostics import nearest
from tidegate.dsl.expressions import Typer
from tidegate.dsl.grant_checks import event_of
from tidegate.dsl.literals import Wrong, read_literal
from tidegate.dsl.model_checks import check_authority, check_shadow
from tidegate.dsl.nodes import points_at_least
from tidegate.dsl.program import (
    LADDERS,
    NO_ACTIONS,
    Actions,
    And,
    Constant,
    Expression,
    Field,
    Input,
    Model,
    Or,
    PointsAtLeast,
    Rollout,
    Rule,
)
from tidegate.dsl.shared_checks import no_labels, text_of
from tidegate.dsl.types import COUNT, FLAG
from tidegate.dsl.unknowns import can_be_unknown, sources, walk

MAX_EXCEPTIONS = 100


class RuleChecker:
    """Checks the rules of one policy against its groups, models and decided events."""

    def __init__(self, typer: Typer, models: dict[str, Model], decided: Iterable[str]) -> None:
        self.typer = typer
        self.models = models
        self.decided = frozenset(decided)
        self.group_unknown = {
            name: None if g.unknown is None else check_actions(typer, g.unknown)
            for name, g in sorted(typer.names.groups.items())
        }

    def check(self, declared: tree.RuleDeclaration) -> Rule | None:
        """One rule; None where it cannot be typed."""
        typer, group = self.typer, self._group(declared)
        if declared.version is None:
            typer.error(
                "TG404",
                f"rule `{declared.name.text}` has no version",
                declared.name.span,
                "add `version 1` after its name",
            )
        event = event_of(
            typer, declared.event, group.event if group else None, declared.name, self.decided
        )
        then = check_actions(typer, declared.then)
        own_unknown = None if declared.unknown is None else check_actions(typer, declared.unknown)
        if event is None or declared.when is None:
            return None
        when = self._when(declared.when, event)
        inherited = group.exceptions if group else ()
        exceptions = self.exceptions((*declared.exceptions, *inherited), event)
        if when is None or then is None or exceptions is None:
            return None
        no_labels(typer, when)
        rule = Rule(
            name=declared.name.text,
            version=declared.version or 0,
            event=event,
            when=when,
            then=then,
            span=declared.name.span,
            text=text_of(declared.text),
            owner=_owner(declared, group),
            group=group.name.text if group else "",
            mandatory=declared.mandatory,
            shadow=declared.shadow or bool(group and group.shadow),
            rollout=self._rollout(declared, event),
            replaces=declared.replaces,
            from_us=self._date(declared.from_date),
            until_us=self._date(declared.until_date),
            expires_us=self._date(declared.expires),
            exceptions=exceptions,
            unknown=self._unknown(declared, when, own_unknown, group),
            reads_points=_reads_points(when),
            relaxes=relaxes(then),
            origin=declared.origin,
        )
        self._restrictions(rule, declared)
        self._authority(rule)
        return rule

    # --- parts

    def _group(self, declared: tree.RuleDeclaration) -> tree.GroupDeclaration | None:
        if declared.group is None:
            return None
        group = self.typer.names.groups.get(declared.group.text)
        if group is None and not self.typer.names.is_lost(declared.group.text, "group"):
            self.typer.error(
                "TG224",
                f"no group is called `{declared.group.text}`",
                declared.group.span,
                nearest(declared.group.text, self.typer.names.groups),
            )
        return group

    def _when(self, node: tree.Expr, event: str) -> Expression | None:
        """Type a rule's condition; here alone, outside `not` and `case`, `points` is read."""
        if isinstance(node, tree.Conjunction | tree.Disjunction):
            items = [self._when(item, event) for item in node.items]
            if None in items:
                return None
            typed = cast("list[Expression]", items)
            kind = And if isinstance(node, tree.Conjunction) else Or
            return kind(
                items=tuple(typed),
                type=FLAG,
                span=node.span,
                models=frozenset().union(*(t.models for t in typed)),
                can_be_missing=any(t.can_be_missing for t in typed),
            )
        points = self._points(node)
        return points if points is not None else self.typer.condition(node, event)

    def _points(self, node: tree.Expr) -> Expression | None:
        if not isinstance(node, tree.Comparison) or node.op not in (">", ">="):
            return None
        if not isinstance(node.left, tree.Reference) or node.left.name != "points":
            return None
        value = self.typer.value(node.right, "")
        if not isinstance(value, Constant) or value.type != COUNT:
            return None  # the general typing reports it
        return points_at_least(value, int(node.op == ">"), node.span)

    def exceptions(self, nodes: Iterable[tree.Expr], event: str) -> tuple[Expression, ...] | None:
        """The exceptions of a rule or a group; None where one is wrong."""
        typed = [self.typer.condition(node, event) for node in nodes]
        if None in typed:
            return None
        found = cast("list[Expression]", typed)
        for exception in found:
            no_labels(self.typer, exception)
        return tuple(found)

    def _rollout(self, declared: tree.RuleDeclaration, event: str) -> Rollout | None:
        clause = declared.rollout
        if clause is None:
            if declared.replaces is not None:
                self.typer.error(
                    "TG405",
                    "only a rule in rollout replaces a version",
                    declared.name.span,
                    "add `rollout 10% by FIELD`, or delete the older version",
                )
            return None
        field = self.typer.fields[event].get(clause.field.text)
        if field is None and self.typer.names.is_lost(clause.field.text, "field"):
            return None
        if field is None or field.type.kind.value not in ("text", "token"):
            self._no_rollout_by(clause.field, field, event)
            return None
        read = read_literal(clause.share, None, self.typer.currency, self.typer.zone)
        if isinstance(read, Wrong) or not 0 <= cast("int", read.value) <= 10**6:
            self.typer.error("TG405", "a share lies between 0% and 100%", clause.share.span)
            return None
        wave = clause.wave.text if clause.wave else declared.name.text
        return Rollout(cast("int", read.value), field.name, wave)

    def _no_rollout_by(self, name: tree.Name, field: Field | None, event: str) -> None:
        fields = self.typer.fields[event].values()
        fitting = sorted(f.name for f in fields if f.type.kind.value in ("text", "token"))
        listed = ", ".join(f"`{fit}`" for fit in fitting)
        wrong = f", and `{field.name}` is a {field.type}" if field else ""
        self.typer.error(
            "TG405",
            f"a rollout is kept by a text or a token of `{event}`{wrong}",
            name.span,
            nearest(name.text, fitting) or f"such fields are {listed}",
        )

    def _date(self, literal: tree.Literal | None) -> int | None:
        if literal is None:
            return None
        read = read_literal(literal, None, self.typer.currency, self.typer.zone)
        if isinstance(read, Wrong):
            self.typer.error(read.code, read.message, literal.span, read.help)
            return None
        return cast("int", read.value)

    # --- where a rule is unknown

    def _unknown(
        self, declared: tree.RuleDeclaration, when: Expression, own: Actions | None,
        group: tree.GroupDeclaration | None,
    ) -> Actions | None:  # fmt: skip
        inherited = self.group_unknown.get(group.name.text) if group else None
        clause = declared.unknown or (group.unknown if group else None)
        if not can_be_unknown(when):
            if declared.unknown is not None and not declared.origin:
                self.typer.error(
                    "TG412",
                    f"rule `{declared.name.text}` is never unknown, so this says nothing",
                    declared.unknown.span,
                    "delete `if unknown`",
                )
            return None
        if clause is None and declared.group is not None and group is None:
            return NO_ACTIONS  # what the group would say is not known
        if clause is None:
            self.typer.error(
                "TG411",
                f"rule `{declared.name.text}` does not say what happens where it is unknown",
                when.span,
                f"{_why_unknown(when)}; add `if unknown then skip` or an action",
            )
            return NO_ACTIONS
        actions = own if declared.unknown is not None else inherited
        if actions is not None and relaxes(actions):
            self.typer.error("TG413", "`if unknown` never relaxes", clause.span)
        return actions or NO_ACTIONS

    # --- what a rule may combine

    def _restrictions(self, rule: Rule, declared: tree.RuleDeclaration) -> None:
        if rule.relaxes:
            self._relaxing(rule, declared)
        if rule.mandatory:
            self._mandatory(rule, declared)
        if rule.reads_points and (rule.then.points or (rule.unknown or NO_ACTIONS).points):
            self._refuse(declared, "TG431", "reads `points` and adds to them")
        if (rule.when.models or rule.reads_points) and not self._relax_lifts(rule):
            self._then_covers_unknown(rule, declared)
        if rule.from_us is not None and rule.until_us is not None and rule.from_us >= rule.until_us:
            self._refuse(declared, "TG406", "ends before it begins")

    def _refuse(
        self, declared: tree.RuleDeclaration, code: str, what: str, help_text: str = ""
    ) -> None:
        self.typer.error(code, f"rule `{declared.name.text}` {what}", declared.name.span, help_text)

    def _relaxing(self, rule: Rule, declared: tree.RuleDeclaration) -> None:
        then = rule.then
        others = then.advice or [a for a in then.asks if not a.exemption]
        if others or (exempts(then) and then.points):
            self._refuse(
                declared,
                "TG421",
                "relaxes and asks for something else",
                "a rule that relaxes does only that, tags aside: write two rules",
            )
        if rule.exceptions:
            self._refuse(declared, "TG421", "relaxes and has an exception", "put it into `when`")
        if rule.reads_points:
            self._refuse(declared, "TG421", "relaxes and reads `points`")
        if rule.unknown not in (None, NO_ACTIONS):
            self._refuse(
                declared,
                "TG421",
                "relaxes, so where it is unknown it does not apply",
                "write `if unknown then skip`",
            )

    def _mandatory(self, rule: Rule, declared: tree.RuleDeclaration) -> None:
        faults = (
            (bool(rule.exceptions), "an `except when` (its own or its group's)"),
            (rule.shadow, "`shadow`"),
            (rule.rollout is not None, "a `rollout`"),
            (bool(rule.from_us or rule.until_us or rule.expires_us), "dates"),
            (bool(rule.when.models), "a score"),
            (rule.reads_points, "`points`"),
            (rule.unknown == NO_ACTIONS, "`if unknown then skip`"),
            (_idle(rule), "an `if unknown` that asks for nothing"),
            (rule.relaxes, "a relaxing action"),
        )
        for wrong, what in faults:
            if wrong:
                self._refuse(
                    declared,
                    "TG422",
                    f"is mandatory and has {what}",
                    "a mandatory rule holds always and for everybody",
                )

    def _relax_lifts(self, rule: Rule) -> bool:
        """`relax` of every score it reads lifts the demand; points have no such licence."""
        if rule.reads_points:
            return False
        known = [self.models[m] for m in rule.when.models if m in self.models]
        return bool(known) and all("relax" in model.may for model in known)

    def _then_covers_unknown(self, rule: Rule, declared: tree.RuleDeclaration) -> None:
        unknown = rule.unknown
        if unknown is None:
            return
        less = any(highest(rule.then, ladder) < highest(unknown, ladder) for ladder in LADDERS)
        if less or rule.then.points < unknown.points:
            self._refuse(
                declared,
                "TG423",
                "reads a score or `points` and asks for more where it is unknown",
                "`then` asks for at least what `if unknown` does",
            )

    def _authority(self, rule: Rule) -> None:
        if not rule.shadow:
            for condition in (rule.when, *rule.exceptions):
                check_shadow(self.typer, self.models, condition)
        check_authority(self.typer, self.models, rule.when.models, rule.then, rule.when.span)
        for exception in rule.exceptions:
            for name in sorted(exception.models):
                model = self.models.get(name)
                if model is not None and "relax" not in model.may:
                    self.typer.error(
                        "TG505",
                        f"an exception reads the score of model `{name}`, which may not `relax`",
                        exception.span,
                        "drop the score from the exception",
                        ((model.span, "its authority is declared here"),),
                    )


def _idle(rule: Rule) -> bool:
    """Whether `if unknown` has actions and asks for nothing: `skip` by another name."""
    unknown = rule.unknown
    if unknown is None or unknown == NO_ACTIONS or unknown.asks:
        return False
    return bool(rule.then.asks) or unknown.points <= 0


def _reads_points(when: Expression) -> bool:
    return any(isinstance(node, PointsAtLeast) for node in walk(when))


def _owner(declared: tree.RuleDeclaration, group: tree.GroupDeclaration | None) -> str:
    owner = declared.owner or (group.owner if group else None)
    return "" if owner is None else owner.text


def _why_unknown(when: Expression) -> str:
    names = []
    for source in sources(when):
        if isinstance(source, Input):
            names.append(f"`{source.name}` may be missing")
        elif hasattr(source, "list"):
            names.append(f"list `{source.list}` may be unreadable")
        else:
            names.append("a result may be missing (division by zero, overflow or nothing found)")
    return ", ".join(list(dict.fromkeys(names))[:3])
