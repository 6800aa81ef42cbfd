"""A rule of a policy moved into a template and applied again means what it meant."""

from __future__ import annotations

import re
from random import Random

from tests.fuzz_agreement import Fault
from tests.policies_generated import Draft, GeneratedPolicy, parsed
from tidegate.dsl import tree
from tidegate.dsl.checker import check
from tidegate.dsl.parser import parse
from tidegate.dsl.printing import print_declaration
from tidegate.dsl.program import Rule
from tidegate.dsl.source import Source
from tidegate.dsl.substitution import names_read

Declared = dict[str, tuple[Draft, tree.Declaration]]
Moved = tuple[dict[str, str], dict[str, Draft]]
"""What a template takes, by name its type, and the features and lets that it declares."""
_MOVED = (tree.FeatureDeclaration, tree.LetDeclaration)


def template_differs(policy: GeneratedPolicy, rng: Random) -> Fault | None:
    """Whether a rule means something else out of a template; None, too, where none can be moved."""
    declared = _declared(policy)
    events = {n: d for n, (_, d) in declared.items() if isinstance(d, tree.EventDeclaration)}
    rules = [(d, r) for d, r in declared.values() if isinstance(r, tree.RuleDeclaration)]
    for draft, rule in rng.sample(rules, len(rules)):
        assert rule.event is not None
        moved = _moved(rule, declared, events[rule.event.text])
        if moved is not None:
            return _compare(policy, draft, rule, moved)
    return None


def can_be_moved(policy: GeneratedPolicy) -> bool:
    """Whether some rule of the policy can be."""
    declared = _declared(policy)
    events = {n: d for n, (_, d) in declared.items() if isinstance(d, tree.EventDeclaration)}
    rules = [r for _, r in declared.values() if isinstance(r, tree.RuleDeclaration) and r.event]
    return any(r.event and _moved(r, declared, events[r.event.text]) for r in rules)


def _declared(policy: GeneratedPolicy) -> Declared:
    """The declarations by name; rules that share theirs are left out."""
    found: Declared = {}
    rules = [draft.name for draft in policy.drafts if draft.kind == "rule"]
    for draft in policy.drafts:
        if draft.kind in ("rule", "event", "feature", "let", "param"):
            (declaration,) = parsed(draft.full())[0].declarations
            if draft.kind != "rule" or rules.count(draft.name) == 1:
                found[declaration.name.text] = draft, declaration
    return found


def _moved(
    rule: tree.RuleDeclaration, declared: Declared, event: tree.EventDeclaration
) -> Moved | None:
    """What a template with this rule takes and declares; None where it cannot be one."""
    if rule.rollout or rule.replaces:
        return None
    fields = {f.name.text: f for f in event.fields}
    takes: dict[str, tree.TypeName] = {}
    drafts: dict[str, Draft] = {}
    waiting = [name for name, _ in names_read(rule)]
    while waiting:
        name = waiting.pop()
        draft, found = declared.get(name, (None, None))
        if name in ("at", "points") or name in drafts:
            continue
        if name in fields:
            takes[name] = fields[name].type
        elif isinstance(found, tree.ParamDeclaration) and found.type is not None:
            takes[name] = found.type
        elif draft is not None and isinstance(found, _MOVED) and _is_own(found, event):
            drafts[name] = draft
            waiting += [below for below, _ in names_read(found)]
        else:
            return None
    return {name: _type(kind) for name, kind in sorted(takes.items())}, drafts


def _is_own(found: tree.Declaration, event: tree.EventDeclaration) -> bool:
    counted = getattr(found, "event", None)
    return counted is None or counted.text == event.name.text


def _type(kind: tree.TypeName) -> str:
    field = tree.FieldDeclaration(kind.span, tree.Name(kind.span, "x"), kind)
    event = tree.EventDeclaration(kind.span, tree.Name(kind.span, "e"), fields=(field,))
    return print_declaration(event)[-1].cells[1].rstrip("?")


def _compare(
    policy: GeneratedPolicy,
    draft: Draft,
    rule: tree.RuleDeclaration,
    moved: Moved,
) -> Fault | None:
    takes, below = moved
    name, event = rule.name.text, rule.event.text if rule.event else ""
    bare = re.sub(
        rf"^(rule {name}) version \d+\n  on {event}$", r"\1", draft.full(), flags=re.MULTILINE
    )
    lines = [f"  takes {taken} {kind}" for taken, kind in takes.items()]
    body = "\n".join([*lines, *(d.full() for d in below.values()), bare])
    # Names of its own, so that nothing of the policy is read by accident.
    names = "|".join([*takes, *below]) or "$^"
    inside = re.compile(rf"(?<![.\w])({names})\b")
    template = f"template {name} on {event}\n" + inside.sub(r"own_\1", body)
    given = ", ".join(f"own_{taken} = {taken}" for taken in takes)
    use = f"apply {name} as {name} version {rule.version} on {event}"
    use += f" with {given}" if given else ""
    kept = [parsed(d.full())[0] for d in policy.drafts if d is not draft]
    new = [parse(Source(f"{n}.tide", text)) for n, text in (("template", template), ("use", use))]
    checked = check([*kept, *(p.file for p in new)])
    said = [d for p in new for d in p.diagnostics] + list(checked.diagnostics)
    text = f"{template}\n\n{use}"
    if checked.program is None:
        errors = [f"{d.code} {d.message}" for d in said if d.severity.value == "error"]
        return Fault(f"a rule in a template does not compile: {errors}\n{text}")
    one = _rule(policy.program.event(event).rules, name)
    two = _rule(checked.program.event(event).rules, name)
    if not below and one != two:
        return Fault(f"a rule out of a template is another one\n{text}")
    return None if one.meaning == two.meaning else Fault(f"its meaning is another one\n{text}")


def _rule(rules: tuple[Rule, ...], name: str) -> Rule:
    return next(rule for rule in rules if rule.name == name)
