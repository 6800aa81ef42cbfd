"""What differs between two rules of one name, and which way it goes.

A rule *protects* where it is live and asks for more than nobody does, or adds points; it *relaxes*
where it asks `exempt` or takes points away. What makes a protection fire less often or ask for
less weakens it. That is judged by the text alone (`narrowing`): what it does not decide is said to
be a change that may weaken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Final

from tidegate.dsl.program import (
    NO_ACTIONS,
    Actions,
    Authentication,
    Disposition,
    Expression,
    Ladder,
    Review,
    Rollout,
    Rule,
)
from tidegate.dsl.unknowns import walk
from tidegate.engine.differences import Detail, Effect
from tidegate.engine.expression_text import show_actions, show_expression
from tidegate.engine.narrowing import any_implies, implies
from tidegate.engine.values import format_decimal, format_time

_LEAST: dict[Ladder, int] = {
    "disposition": Disposition.HOLD,
    "authentication": Authentication.PREFERRED,
    "review": Review.AFTER,
}
"""From which rung on an ask is more than nobody asks for."""
_ACTIONS = ("then", "if unknown")
_REACH = ("status", "rollout", "from", "until", "on")
"""For whom and when a rule acts; one that replaces another takes that one away there."""
_TURNED: Final[Mapping[Effect, Effect]] = {"weakens": "strengthens", "strengthens": "weakens"}


def protects(rule: Rule) -> bool:
    """Whether the rule, where it is live, makes some outcome stricter."""
    return not rule.shadow and (_is_strict(rule.then) or _is_strict(rule.unknown or NO_ACTIONS))


def _is_strict(actions: Actions) -> bool:
    return actions.points > 0 or any(ask.rung >= _LEAST[ask.ladder] for ask in actions.asks)


def effect_of_whole(rule: Rule, *, added: bool) -> Effect:
    """What it means that a rule is added, or removed."""
    if rule.shadow or not (rule.relaxes or protects(rule)):
        return "changes"
    return "strengthens" if rule.relaxes != added else "weakens"


def rule_details(
    old: Rule, new: Rule, currency: tuple[str, str], changed: Mapping[str, str]
) -> Iterator[Detail]:
    """What differs between two versions of a rule; nothing where only their numbers do.

    `currency` is the policy's before and after. `changed` says of features, lets and labels that
    differ what they are, by name: `feature`, `let`. What a feature counts now may be more or less,
    and an amount of another currency, too: the text does not say.
    """
    for detail in _details(old, new, currency, changed):
        yield replace(detail, effect=_seen_from(old, new, detail))


def _seen_from(old: Rule, new: Rule, detail: Detail) -> Effect:
    """The effect on payments of what happens to the rule: turned round where it relaxes.

    What it asks for is not turned: fewer points are fewer points.
    """
    effect = detail.effect
    if detail.what in _REACH and (old.replaces, new.replaces) != (None, None):
        return "changes" if old.shadow and new.shadow else "may_weaken"
    if effect not in ("weakens", "strengthens", "may_weaken"):
        return effect
    if old.relaxes and new.relaxes:
        if old.shadow and new.shadow:
            return "changes"
        return effect if detail.what in _ACTIONS else _TURNED.get(effect, effect)
    if old.relaxes or new.relaxes:
        return "may_weaken"
    ever = replace(old, shadow=False), replace(new, shadow=False)
    if (old.shadow and new.shadow) or not any(map(protects, ever)):
        return "changes"
    return effect


def _details(
    old: Rule, new: Rule, currency: tuple[str, str], changed: Mapping[str, str]
) -> Iterator[Detail]:
    yield from _of_condition(old, new, currency, changed)
    yield from _of_actions("then", old.then, new.then, currency)
    yield from _of_exceptions(old, new, currency, changed)
    yield from _of_unknown(old, new, currency)
    if old.mandatory != new.mandatory:
        words = ("mandatory", "") if old.mandatory else ("", "mandatory")
        effect: Effect = "weakens" if old.mandatory else "strengthens"
        yield Detail("mandatory", *words, effect)
    if old.event != new.event:
        yield Detail("on", old.event, new.event, "may_weaken")
    yield from _of_status(old, new)
    for what, was, now in (
        ("owner", old.owner, new.owner), ("in", old.group, new.group), ("text", old.text, new.text)
    ):  # fmt: skip
        if was != now:
            yield Detail(what, was, now, "none")


# --- conditions --------------------------------------------------------------------------------


def _of_condition(
    old: Rule, new: Rule, currency: tuple[str, str], changed: Mapping[str, str]
) -> Iterator[Detail]:
    was, now = (show_expression(r.when, c) for r, c in zip((old, new), currency, strict=True))
    read = names_below(new.when) & changed.keys()
    if old.when == new.when and not read:
        return
    effect = _narrowed(old.when, new.when)
    if old.when == new.when or not _is_told(read, currency, changed):
        effect = "may_weaken"
    note = changed_note(read, changed)
    if was == now:
        yield Detail("when", was, now, effect, note or "what it reads changed")
    elif moved := _moved(old.when, new.when):
        gone, come = moved
        texts = show_expression(gone, currency[0]), show_expression(come, currency[1])
        yield Detail("when", *texts, effect, note)
    else:
        yield Detail("when", was, now, effect, note)


def _is_told(read: Set[str], currency: tuple[str, str], changed: Mapping[str, str]) -> bool:
    """Whether the texts of two conditions say which way a change goes; they hold those of lets."""
    return currency[0] == currency[1] and all(changed[name] == "let" for name in read)


def changed_note(read: Set[str], changed: Mapping[str, str]) -> str:
    """That inputs which a condition reads changed; empty where none did."""
    names = ", ".join(f"{changed[name]} `{name}`" for name in sorted(read))
    return f"{names} changed" if names else ""


def _moved(old: Expression, new: Expression) -> tuple[Expression, Expression] | None:
    """The one part that differs between two conditions joined by the same word."""
    if type(old) is not type(new) or not hasattr(old, "items") or not hasattr(new, "items"):
        return None
    gone = [item for item in old.items if item not in new.items]
    come = [item for item in new.items if item not in old.items]
    return (gone[0], come[0]) if len(gone) == len(come) == 1 else None


def _narrowed(old: Expression, new: Expression) -> Effect:
    """What it means for a protection that `new` stands where `old` did."""
    fires_less, fires_more = implies(new, old), implies(old, new)
    if fires_less and fires_more:
        return "changes"
    if fires_less:
        return "weakens"
    return "strengthens" if fires_more else "may_weaken"


def names_below(condition: Expression) -> frozenset[str]:
    """The inputs and lets that a condition reads, straight or through lets."""
    found = {getattr(node, "name", "") for node in walk(condition)}
    return frozenset(found - {""})


def _of_exceptions(
    old: Rule, new: Rule, currency: tuple[str, str], changed: Mapping[str, str]
) -> Iterator[Detail]:
    gone = [e for e in old.exceptions if e not in new.exceptions]
    come = [e for e in new.exceptions if e not in old.exceptions]
    read = frozenset[str]().union(*map(names_below, new.exceptions)) & changed.keys()
    told = _is_told(read, currency, changed)
    if not gone and not come:
        if told:
            return
        gone, come = list(old.exceptions), list(new.exceptions)
    texts = [
        " or ".join(show_expression(e, of) for e in some)
        for some, of in zip((gone, come), currency, strict=True)
    ]
    effect = _excepted(old.exceptions, new.exceptions) if told else "may_weaken"
    yield Detail("except when", texts[0], texts[1], effect, changed_note(read, changed))


def _excepted(old: Sequence[Expression], new: Sequence[Expression]) -> Effect:
    fewer, more = any_implies(new, old), any_implies(old, new)
    if fewer and more:
        return "changes"
    if fewer:
        return "strengthens"
    return "weakens" if more else "may_weaken"


# --- actions -----------------------------------------------------------------------------------


def _of_actions(
    what: str, old: Actions, new: Actions, currency: tuple[str, str]
) -> Iterator[Detail]:
    if old == new or (_texts(old, currency[0]) == _texts(new, currency[1]) and _same(old, new)):
        return
    was, now = (", ".join(_texts(a, c)) for a, c in zip((old, new), currency, strict=True))
    yield Detail(what, was, now, actions_effect(old, new))


def _same(old: Actions, new: Actions) -> bool:
    return (old.points, set(old.asks)) == (new.points, set(new.asks))


def _texts(actions: Actions, currency: str) -> tuple[str, ...]:
    return tuple(sorted(show_actions(actions, currency)))


def actions_effect(old: Actions, new: Actions) -> Effect:
    """What it means that `new` is asked for instead of `old`."""
    steps = [_sign(new.points - old.points)]
    for ladder in _LEAST:
        was, now = (_highest(actions, ladder) for actions in (old, new))
        steps.append(_sign(now - was))
    if min(steps) < 0:
        return "weakens" if max(steps) <= 0 else "may_weaken"
    ways = [{a.step_up for a in actions.asks} for actions in (old, new)]
    spared = [{a.exemption for a in actions.asks} - {""} for actions in (old, new)]
    if ways[0] - {""} - ways[1] or spared[0] != spared[1]:
        return "may_weaken"
    return "strengthens" if max(steps) > 0 else "changes"


def _highest(actions: Actions, ladder: Ladder) -> int:
    return max((ask.rung for ask in actions.asks if ask.ladder == ladder), default=-1)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _of_unknown(old: Rule, new: Rule, currency: tuple[str, str]) -> Iterator[Detail]:
    if old.unknown == new.unknown:
        return
    was, now = (
        "" if r.unknown is None else ", ".join(_texts(r.unknown, c)) or "skip"
        for r, c in zip((old, new), currency, strict=True)
    )
    if was == now and old.unknown is not None and new.unknown is not None:
        if _same(old.unknown, new.unknown):
            return
        yield Detail("if unknown", was, now, actions_effect(old.unknown, new.unknown))
        return
    if old.unknown is None or new.unknown is None:
        # Where the rule was never unknown, or is no more, it does there what it does else.
        clauses = (r.then if r.unknown is None else r.unknown for r in (old, new))
        less = actions_effect(*clauses) in ("weakens", "may_weaken")
        yield Detail("if unknown", was, now, "may_weaken" if less else "changes")
    else:
        yield Detail("if unknown", was, now, actions_effect(old.unknown, new.unknown))


# --- status ------------------------------------------------------------------------------------


def _of_status(old: Rule, new: Rule) -> Iterator[Detail]:
    if old.shadow != new.shadow:
        words = ("shadow", "live") if old.shadow else ("live", "shadow")
        yield Detail("status", *words, "strengthens" if old.shadow else "weakens")
    if old.rollout != new.rollout or old.replaces != new.replaces:
        texts = show_rollout(old.rollout, old.replaces), show_rollout(new.rollout, new.replaces)
        yield Detail("rollout", *texts, _rolled(old.rollout, new.rollout))
    for what, was, now, later in (
        ("from", old.from_us, new.from_us, "weakens"),
        ("until", old.until_us, new.until_us, "strengthens"),
    ):
        if was != now:
            yield Detail(what, _date(was), _date(now), _dated(was, now, later))
    if old.expires_us != new.expires_us:
        yield Detail("expires", _date(old.expires_us), _date(new.expires_us), "none")


def show_rollout(rollout: Rollout | None, replaces: int | None) -> str:
    """The clause in the language's words; empty where there is none."""
    if rollout is None:
        return ""
    share = format_decimal(rollout.share, 4, trim=True)
    replaced = f" replaces version {replaces}" if replaces is not None else ""
    return f"{share}% by {rollout.field} as {rollout.wave}{replaced}"


def _rolled(old: Rollout | None, new: Rollout | None) -> Effect:
    if old is None or new is None:
        return "weakens" if old is None else "strengthens"
    if (old.field, old.wave) != (new.field, new.wave) or old.share == new.share:
        return "may_weaken"
    return "weakens" if new.share < old.share else "strengthens"


def _date(at_us: int | None) -> str:
    return "" if at_us is None else format_time(at_us)


def _dated(was: int | None, now: int | None, later: str) -> Effect:
    """A protection that begins later or ends earlier is weaker for a while."""
    if was is None:
        return "weakens"
    if now is None:
        return "strengthens"
    is_weaker = (now > was) == (later == "weakens")
    return "weakens" if is_weaker else "strengthens"
