"""Which rules act for an event: live, shadow, or out of their dates.

A version that replaces another puts it in the shadow wherever the newer one is live, and so
through a chain: where version 3 replaces 2 and 2 replaces 1, a live 3 shadows both, so that no
two versions of one rule act together. A rule that is snoozed for an event is shadow there, after
all else: an older version does not come back for it. No mandatory rule is ever snoozed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

from tidegate.dsl.program import EventType, Rollout, Rule
from tidegate.dsl.types import Value
from tidegate.engine.situation import Situation, Standing

MILLION = 10**6


def in_share(rollout: Rollout, key: Value | None) -> bool:
    """Whether the event with this key is in the share; without a key it is not."""
    if key is None:
        return False
    digest = sha256(f"{rollout.wave}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * MILLION < rollout.share << 64


def is_dated(rule: Rule, at_us: int) -> bool:
    """Whether `at_us` is within the rule's dates; `expires` never takes a protection away."""
    started = rule.from_us is None or rule.from_us <= at_us
    return started and (rule.until_us is None or at_us < rule.until_us)


@dataclass(frozen=True, slots=True)
class Roster:
    """The standing of an event's rules, with everything worked out that no event can change.

    `live` and `shadow` are the bits of rules without dates and rollout; `varying` are the other
    rules, each with its bit and the slot of its rollout's field; `replaced` gives for a bit those
    of the older versions that it shadows where it is live. `mandatory` are those that no snooze
    silences.
    """

    live: int
    shadow: int
    at_slot: int
    varying: tuple[tuple[int, Rule, int], ...]
    replaced: tuple[tuple[int, int], ...]
    mandatory: int
    fixed: Standing | None

    def standing(self, situation: Situation) -> Standing:
        """The standing for this event."""
        stand = self._standing(situation)
        return _snooze(stand, situation.snoozed & ~self.mandatory) if situation.snoozed else stand

    def _standing(self, situation: Situation) -> Standing:
        if self.fixed is not None:
            return self.fixed
        live, shadow = self.live, self.shadow
        at_us = cast(int, situation.values[self.at_slot])
        for bit, rule, slot in self.varying:
            if not is_dated(rule, at_us):
                continue
            key = situation.values[slot]
            acts = not rule.shadow and (rule.rollout is None or in_share(rule.rollout, key))
            live, shadow = (live | bit, shadow) if acts else (live, shadow | bit)
        return _replace(live, shadow, self.replaced)


def roster(event: EventType) -> Roster:
    """What can be said about the standing of `event`'s rules before an event is seen."""
    slots = {entry.name: slot for slot, entry in enumerate(event.inputs)}
    live = shadow = mandatory = 0
    varying = []
    for index, rule in enumerate(event.rules):
        bit = 1 << index
        mandatory |= bit if rule.mandatory else 0
        if rule.rollout or rule.from_us is not None or rule.until_us is not None:
            varying.append((bit, rule, slots[rule.rollout.field] if rule.rollout else 0))
        elif rule.shadow:
            shadow |= bit
        else:
            live |= bit
    replaced = tuple(_replaced(event.rules))
    fixed = None if varying else _replace(live, shadow, replaced)
    return Roster(live, shadow, slots.get(event.at, 0), tuple(varying), replaced, mandatory, fixed)


def standing(event: EventType, situation: Situation) -> Standing:
    """Which rules of `event` are live and which are shadow for this event."""
    return roster(event).standing(situation)


def _replaced(rules: tuple[Rule, ...]) -> Iterator[tuple[int, int]]:
    older = {(rule.name, rule.version): index for index, rule in enumerate(rules)}
    for index, rule in enumerate(rules):
        bits, current = 0, rule
        while current.replaces is not None and (current.name, current.replaces) in older:
            at = older[current.name, current.replaces]
            if at == index or bits >> at & 1:
                break
            bits |= 1 << at
            current = rules[at]
        if bits:
            yield 1 << index, bits


def _replace(live: int, shadow: int, replaced: tuple[tuple[int, int], ...]) -> Standing:
    beaten = 0
    for bit, bits in replaced:
        if live & bit:
            beaten |= bits
    return Standing(live=live & ~beaten, shadow=shadow | (live & beaten))


def _snooze(stand: Standing, snoozed: int) -> Standing:
    live = stand.live & ~snoozed
    return Standing(live, stand.shadow | stand.live & snoozed, stand.everyone, snoozed)
