"""The same rules in other engines, from the rules of `rule_sets`.

Each peer gets what suits it best: everything is parsed and compiled beforehand, memberships in long
lists are looked up for it, and where one expression for all rules is its fastest form it gets that
one too, although a list of bare booleans names no rule and one fault in it loses them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bench.rule_sets import FACTOR_SCALE, LISTS, Rule, Test

Context = dict[str, Any]
Answer = Any
Evaluate = Callable[[Context], Answer]
Fired = Callable[[Answer], set[int]]
Peer = tuple[Evaluate, Fired]

TEXTS = ("card_country", "ip_country", "mcc", "channel", "brand", "email_domain")
NUMBERS = (
    "amount", "spend_24h", "tries_10m", "tries_24h", "places_7d", "fraud_score", "bot_score",
    "typical",
)  # fmt: skip
MEMBERSHIPS = tuple(f"{field}_listed" for field in LISTS)
AT_ONCE = 250
"""Rules in one expression: some compilers refuse much longer ones."""


def context_of(event: Mapping[str, Any], lists: Mapping[str, frozenset[Any]]) -> Context:
    """An event as plain fields, with its memberships."""
    context: Context = {name: event[name] for name in (*TEXTS, *NUMBERS)}
    for field, name in LISTS.items():
        context[f"{field}_listed"] = event[field] in lists[name]
    return context


def all_peers(rules: Sequence[Rule]) -> Iterator[tuple[str, Peer]]:
    """Every peer with these rules, by name; compiled one after the other as they are asked for."""
    yield "ZEN, one expression", _zen_expression(rules)
    yield "ZEN, decision table", _zen_table(rules)
    yield "CEL C++, one expression", _cel_cpp(rules, AT_ONCE)
    yield "CEL C++, rule by rule", _cel_cpp(rules, 1)
    yield "CEL Rust, one expression", _cel_rust(rules, AT_ONCE)
    yield "CEL Rust, rule by rule", _cel_rust(rules, 1)
    yield "Cedar", _cedar(rules)


# --- conditions --------------------------------------------------------------------------------


def _condition(rule: Rule, join: str, null: str, among: Callable[[Test], str]) -> str:
    return join.join(part for test in rule.tests for part in _parts(test, null, among))


def _parts(test: Test, null: str, among: Callable[[Test], str]) -> Iterator[str]:
    if test.op != "in list":
        yield from (f"{name} != {null}" for name in test.nullable)
    match test.op:
        case "in list":
            yield f"{test.field}_listed"
        case "in":
            yield among(test)
        case "differs":
            yield f"{test.field} != {test.other}"
        case "times":
            yield f"{test.field} * {FACTOR_SCALE} >= {test.other} * {test.value}"
        case "=":
            yield f'{test.field} == "{test.value}"'
        case _:
            yield f"{test.field} {test.op} {test.value}"


def _bracketed(test: Test) -> str:
    assert isinstance(test.value, tuple)
    return f"{test.field} in [{', '.join(json.dumps(value) for value in test.value)}]"


def _parted(rules: Sequence[Rule], size: int) -> Iterator[Sequence[Rule]]:
    for start in range(0, len(rules), size):
        yield rules[start : start + size]


def _positions(answers: Sequence[Sequence[bool]]) -> set[int]:
    holds = [holds for answer in answers for holds in answer]
    return {index for index, one in enumerate(holds) if one}


# --- ZEN ---------------------------------------------------------------------------------------


def _zen_expression(rules: Sequence[Rule]) -> Peer:
    import zen

    texts = (_condition(rule, " and ", "null", _bracketed) for rule in rules)
    compiled = zen.compile_expression(f"[{', '.join(f'({text})' for text in texts)}]")
    return compiled.evaluate, lambda answer: _positions([answer])


def _zen_table(rules: Sequence[Rule]) -> Peer:
    import zen

    columns = {test: key for rule in rules for test in rule.tests if (key := _column(test))}
    keys = list(dict.fromkeys(columns.values()))
    inputs = [{"id": f"c{i}", "name": key, "field": key} for i, key in enumerate(keys)]
    rows = []
    for number, rule in enumerate(rules):
        row = {"_id": f"r{number}", "out": str(number)} | {entry["id"]: "" for entry in inputs}
        for test in rule.tests:
            row[f"c{keys.index(columns[test])}"] = _cell(test)
        rows.append(row)
    table = {
        "hitPolicy": "collect", "inputs": inputs, "rules": rows,
        "outputs": [{"id": "out", "name": "rule", "field": "rule"}],
    }  # fmt: skip
    nodes = [
        {"id": "in", "type": "inputNode", "name": "in"},
        {"id": "table", "type": "decisionTableNode", "name": "table", "content": table},
        {"id": "out", "type": "outputNode", "name": "out"},
    ]
    edges = [
        {"id": "a", "sourceId": "in", "targetId": "table", "type": "edge"},
        {"id": "b", "sourceId": "table", "targetId": "out", "type": "edge"},
    ]
    content = json.dumps({"nodes": nodes, "edges": edges})
    decision = zen.ZenEngine().create_decision(content)
    return decision.evaluate, lambda answer: {int(row["rule"]) for row in answer["result"]}


def _column(test: Test) -> str:
    match test.op:
        case "in list":
            return f"{test.field}_listed"
        case "differs":
            return f"{test.field} != null and {test.field} != {test.other}"
        case "times":
            left = f"{test.field} * {FACTOR_SCALE} >= {test.other} * {test.value}"
            return f"{test.other} != null and {left}"
    return test.field


def _cell(test: Test) -> str:
    match test.op:
        case "in":
            assert isinstance(test.value, tuple)
            return ", ".join(json.dumps(value) for value in test.value)
        case "=":
            return json.dumps(test.value)
        case ">=":
            return f">= {test.value}"
        case "<":
            return f"!= null and $ < {test.value}" if test.nullable else f"< {test.value}"
    return "true"


# --- CEL ---------------------------------------------------------------------------------------


def _cel_texts(rules: Sequence[Rule], size: int) -> Iterator[str]:
    for part in _parted(rules, size):
        texts = (_condition(rule, " && ", "null", _bracketed) for rule in part)
        yield f"[{', '.join(f'({text})' for text in texts)}]"


def _cel_cpp(rules: Sequence[Rule], size: int) -> Peer:
    from cel_expr_python import cel

    kinds = dict.fromkeys(TEXTS, cel.Type.STRING) | dict.fromkeys(NUMBERS, cel.Type.INT)
    kinds |= dict.fromkeys(MEMBERSHIPS, cel.Type.BOOL)
    kinds |= dict.fromkeys(("ip_country", "email_domain", "typical"), cel.Type.DYN)
    env = cel.NewEnv(variables=kinds)
    programs = [env.compile(text) for text in _cel_texts(rules, size)]

    def evaluate(context: Context) -> Answer:
        activation = env.Activation(context)
        return [program.eval(activation).plain_value() for program in programs]

    return evaluate, _positions


def _cel_rust(rules: Sequence[Rule], size: int) -> Peer:
    import cel

    programs = [cel.compile(text) for text in _cel_texts(rules, size)]

    def evaluate(context: Context) -> Answer:
        shared = cel.Context(context)
        return [program.execute(shared) for program in programs]

    return evaluate, _positions


# --- Cedar -------------------------------------------------------------------------------------


def _cedar(rules: Sequence[Rule]) -> Peer:
    import cedarpy

    policies = cedarpy.PolicySet.from_str("\n".join(map(_as_cedar, rules)))
    entities = cedarpy.Entities.from_json_str("[]")
    who = {"principal": 'U::"u"', "action": 'A::"pay"', "resource": 'R::"r"'}

    def evaluate(context: Context) -> Answer:
        present = {name: value for name, value in context.items() if value is not None}
        request = {**who, "context": present}
        return cedarpy.is_authorized(request, policies, entities).diagnostics.reasons

    return evaluate, lambda answer: {int(name.removeprefix("policy")) for name in answer}


def _as_cedar(rule: Rule) -> str:
    parts = [part for test in rule.tests for part in _cedar_parts(test)]
    return f"permit(principal, action, resource) when {{ {' && '.join(parts)} }};"


def _cedar_parts(test: Test) -> Iterator[str]:
    if test.op != "in list":
        yield from (f"context has {name}" for name in test.nullable)
    field, other = f"context.{test.field}", f"context.{test.other}"
    match test.op:
        case "in list":
            yield f"context.{test.field}_listed"
        case "in":
            assert isinstance(test.value, tuple)
            values = ", ".join(json.dumps(value) for value in test.value)
            yield f"[{values}].contains({field})"
        case "differs":
            yield f"{field} != {other}"
        case "times":
            yield f"{field} * {FACTOR_SCALE} >= {other} * {test.value}"
        case "=":
            yield f"{field} == {json.dumps(test.value)}"
        case _:
            yield f"{field} {test.op} {test.value}"
