"""Where two policies say something different: what an edit of rules can have changed.

Two policies over one event that differ in some rules only decide alike in every row in which each
of those rules says the same in both, under every set of models that is masked, and is live in both
or in neither: points, ladders and everything else follow from what rules say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.engine.column_batch import Bits
from tidegate.engine.column_chunk import Chunk
from tidegate.engine.column_outcome import OutcomePlan
from tidegate.engine.columns import ChunkEvaluation, RuleRows, standing_rows
from tidegate.engine.interpreter import NOBODY


@dataclass(frozen=True, slots=True)
class Pair:
    """One rule's place before and after; None where it is not there.

    `acts_alike`: it does the same where it says the same.
    """

    before: int | None
    after: int | None
    acts_alike: bool = False


class Edit:
    """The rules in which two policies differ, each in its old and in its new version."""

    def __init__(self, old: OutcomePlan, new: OutcomePlan, pairs: Sequence[Pair]) -> None:
        self.old = old
        self.new = new
        self.pairs = tuple(pairs)
        self._clamps = old.clamps | new.clamps

    def rows(self, chunk: Chunk) -> Bits:
        """The rows in which any of the rules says something else."""
        before, after = _Side(self.old, chunk), _Side(self.new, chunk)
        found = chunk.none
        for pair in self.pairs:
            for clamp in self._clamps_of(pair):
                found = found | self._differing(pair, clamp, before, after)
        return found

    def _clamps_of(self, pair: Pair) -> Sequence[frozenset[str]]:
        """Masking changes nothing about a rule that reads no score."""
        depends = self.old.plan.rules[pair.before].depends if pair.before is not None else NOBODY
        if pair.after is not None:
            depends = depends | self.new.plan.rules[pair.after].depends
        return tuple(self._clamps) if depends else (NOBODY,)

    @staticmethod
    def _differing(pair: Pair, clamp: frozenset[str], before: _Side, after: _Side) -> Bits:
        old, new = before.said(pair.before, clamp), after.said(pair.after, clamp)
        if not pair.acts_alike:
            return _anything(old) | _anything(new)
        live = before.live(pair.before) ^ after.live(pair.after)
        found: Bits = live & (old.fired | old.unknown)
        for was, now in zip(_masks(old), _masks(new), strict=True):
            found = found | (was ^ now)
        return found


def _masks(said: RuleRows) -> tuple[Bits, Bits, Bits]:
    return said.fired, said.unknown, said.silenced


def _anything(said: RuleRows) -> Bits:
    return said.fired | said.unknown | said.silenced


class _Side:
    """One of the two policies over a chunk; each evaluation is made once."""

    def __init__(self, plan: OutcomePlan, chunk: Chunk) -> None:
        self.plan = plan.plan
        self.chunk = chunk
        self.standing = standing_rows(self.plan, chunk)
        self._unmasked = ChunkEvaluation(self.plan, chunk, self.standing)
        self._evaluations = {NOBODY: self._unmasked}

    def said(self, index: int | None, clamp: frozenset[str]) -> RuleRows:
        """What a rule says while `clamp` is masked; nothing where it is not there."""
        if index is None:
            return RuleRows(self.chunk.none, self.chunk.none, self.chunk.none)
        if clamp not in self._evaluations:
            self._evaluations[clamp] = ChunkEvaluation(
                self.plan, self.chunk, self.standing, clamp, self._unmasked
            )
        return self._evaluations[clamp].rule(index)

    def live(self, index: int | None) -> Bits:
        """Where it is live."""
        return self.chunk.none if index is None else self.standing.live[index]
