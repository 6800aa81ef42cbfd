"""How far a portable score may be from the library's own probability."""

from __future__ import annotations

from tidegate.models.portable import SCORE_SCALE, LinearTerm, PortableModel

_FLOAT_EPSILON = 2.0**-52
_FARTHEST = 2.0**20


def quantisation_bound(model: PortableModel) -> float:
    """The largest |score - 10**6 * p|, in millionths of probability.

    Half a millionth, for the score is rounded to one. Half of 1/unit for each number that is
    added, times the steepest slope of the link (1/4 of a logit; 1 of a probability, whose trees
    are divided by their number again). And what a library may lose in float64 itself: an epsilon
    of the largest sum, for each number that is added to it. Terms that add up to more than 2**20
    logits before they cancel are beyond it; a range of each input says that there are none.
    """
    added = len(model.trees) or len(model.terms)
    slope = 0.25 if model.link == "logit" else 1.0 / model.divisor
    numbers = added + (model.link == "logit")
    rounded = numbers * 0.5 / model.unit
    lost = (numbers + 4) * _FLOAT_EPSILON * (min(_largest(model) / model.unit, _FARTHEST) + 1.0)
    return 0.5 + SCORE_SCALE * slope * (rounded + lost)


def _largest(model: PortableModel) -> float:
    """No sum of absolute numbers on the way to a total is larger, in 1/unit."""
    found = float(abs(model.base))
    for tree in model.trees:
        found += max(map(abs, tree.values))
    for term in model.terms:
        if isinstance(term, LinearTerm):
            entry = model.inputs[term.input]
            ends = (entry.low, entry.high)
            reach = max(abs(2**53 if end is None else end) for end in ends) + abs(term.centre)
            found += max(abs(term.weight) * reach, abs(term.missing))
        else:
            found += max(map(abs, term.values))
    return found
