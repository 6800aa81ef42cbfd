"""The canonical form of a rule's meaning: what `version` covers, written out and hashed.

Lets are replaced by their bodies, features and labels by their definitions, params by their name
and bounds, what is read in a table by the declaration of its column.
Left out on purpose: texts, owner, spans, param values, contents of lists and tables, status
clauses, model versions; each of those is recorded by its own hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tidegate.dsl.program import (
    Actions,
    Constant,
    Expression,
    Feature,
    Input,
    Label,
    LetRef,
    Lookup,
    PointsAtLeast,
    Rule,
)
from tidegate.dsl.types import Bounds, Type

Definitions = Mapping[str, Feature | Label]
"""What is written out where its name is read; features and labels share one set of names."""

_LEFT_OUT = {
    "span", "models", "bounds", "can_be_missing", "can_fail", "type", "coarse", "folded",
    "lookup",
}  # fmt: skip


def meaning_hash(rule: Rule, defined: Definitions) -> str:
    """SHA-256 (hex) of the rule's meaning."""
    body = [
        "rule", rule.event, encode(rule.when, defined),
        sorted(json.dumps(encode(e, defined)) for e in rule.exceptions),
        _actions(rule.then), None if rule.unknown is None else _actions(rule.unknown),
        rule.mandatory,
    ]  # fmt: skip
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def encode(node: Expression, defined: Definitions) -> Any:
    """The expression as nested lists of plain values."""
    if isinstance(node, LetRef):
        return encode(node.body, defined)
    if isinstance(node, Constant):
        return _param(node) if node.param else ["constant", _type(node.type), node.value]
    if isinstance(node, PointsAtLeast):
        bound = [_param(node.param), node.above] if node.param else [node.threshold]
        return ["pointsatleast", _type(node.type), *bound]
    if isinstance(node, Input) and node.source in ("feature", "label"):
        found = defined[node.name]
        return _label(found, defined) if isinstance(found, Label) else _feature(found, defined)
    if isinstance(node, Input) and node.lookup is not None:
        return _lookup(node.lookup, node.type)
    parts = [
        _plain(getattr(node, f.name), defined) for f in fields(node) if f.name not in _LEFT_OUT
    ]
    return [type(node).__name__.lower(), _type(node.type), *parts]


def _plain(value: Any, defined: Definitions) -> Any:
    if isinstance(value, Expression):
        return encode(value, defined)
    if isinstance(value, frozenset):
        return sorted(value, key=lambda v: (type(v).__name__, v))
    if isinstance(value, tuple):
        return [_plain(item, defined) for item in value]
    return value


def _feature(feature: Feature, defined: Definitions) -> Any:
    return [
        "feature", feature.aggregate, feature.event, [list(k) for k in feature.keys],
        feature.window_us if feature.period is None else [feature.period, feature.zone],
        feature.delay_us,
        None if feature.operand is None else encode(feature.operand, defined),
        None if feature.where is None else encode(feature.where, defined),
    ]  # fmt: skip


def _lookup(lookup: Lookup, kind: Type) -> Any:
    return [
        "lookup", lookup.table, lookup.key, lookup.column, _type(lookup.key_type), _type(kind),
        lookup.optional, lookup.minimum, lookup.maximum, lookup.default,
    ]  # fmt: skip


def _label(label: Label, defined: Definitions) -> Any:
    return [
        "label", label.event, label.after_us, label.source_event, label.matching,
        None if label.where is None else encode(label.where, defined),
    ]  # fmt: skip


def _actions(actions: Actions) -> Any:
    return [
        [[a.ladder, int(a.rung), a.reason, a.step_up, a.exemption] for a in actions.asks],
        [actions.fixed_points, *map(_param, actions.points_params)],
        list(actions.points_reasons),
        [*actions.tags, *map(list, actions.tag_reasons)],
        [
            [a.name, _param(a.param) if a.param else a.value, _type(a.type), a.reason]
            for a in actions.advice
        ],
    ]  # fmt: skip


def _param(param: Constant) -> Any:
    return ["param", param.param, _type(param.type), _bounds(param.bounds)]


def _type(kind: Type) -> Any:
    return [kind.kind.value, *kind.words]


def _bounds(bounds: Bounds | None) -> Any:
    return None if bounds is None else [bounds.low, bounds.high]
