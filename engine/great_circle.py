"""How far two places lie from each other, on a sphere, with integers alone.

Degrees come in millionths. Sines, cosines and the arc tangent are tables with a short series
between their entries, in units of 2**-30, so every machine gives the same metres, one value at a
time and in columns: `metres` is written once, for Python's integers and for arrays of int64, and
nothing in it leaves 63 bits. The places become points on the sphere; half the angle between them is
the arc tangent of their distance over that of the one to the other's antipode, which is as good for
near places as for opposite ones. The result, rounded to whole metres, is off by less than one.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import Any, Final, NamedTuple

LATITUDE: Final = 90_000_000
"""The greatest latitude, in millionths of a degree."""
LONGITUDE: Final = 180_000_000
MEAN_RADIUS_DM: Final = 63_710_088
"""The earth's mean radius in decimetres (IUGG)."""
FARTHEST: Final = 20_016_000_000
"""No distance is as great: half the way around the earth is shorter."""
METRE: Final = 1_000
"""A metre as a number of kilometres: numbers have six decimals."""
_BITS: Final = 30
_ONE: Final = 1 << _BITS
_FINE: Final = 36
"""Bits of the small angles between the entries of a table."""
_STEPS: Final = 256
"""Entries of the arc tangent between 0 and 1."""
_EXACT: Final = 1 << 120
"""The unit in which the tables are worked out, far finer than that of their entries."""


# --- the tables ---------------------------------------------------------------------------------


def _series(angle: int, signs: tuple[int, int]) -> int:
    """Sin (signs 1, 3) or cos (0, 2) of a small angle, by its series."""
    power, place = signs
    term = angle if power else _EXACT
    total, sign = term, -1
    while term:
        term = term * angle // _EXACT * angle // _EXACT // (place * (place - 1))
        total, sign, place = total + sign * term, -sign, place + 2
    return total


def _arc_tangent(slope: int) -> int:
    """Of a slope below a half, by its series."""
    term, total, sign, place = slope, slope, -1, 3
    while term:
        term = term * slope // _EXACT * slope // _EXACT
        total, sign, place = total + sign * (term // place), -sign, place + 2
    return total


_PI: Final = 16 * _arc_tangent(_EXACT // 5) - 4 * _arc_tangent(_EXACT // 239)


def _rounded(exact: int) -> int:
    return (exact * _ONE + _EXACT // 2) // _EXACT


def _sines() -> list[int]:
    """Of every whole degree from -180 to 180."""
    first = [_rounded(_series(degree * _PI // 180, (1, 3))) for degree in range(91)]
    half = first + first[-2::-1]
    return [-sine for sine in half[:0:-1]] + half


def _arc_tangents() -> list[int]:
    """Of every 256th from 0 to 1, each from the one before."""
    exact, table = 0, [0]
    for step in range(1, _STEPS + 1):
        slope = _EXACT * _STEPS // (_STEPS * _STEPS + step * (step - 1))
        exact += _arc_tangent(slope)
        table.append(_rounded(exact))
    return table


SINES: Final = _sines()
COSINES: Final = [SINES[abs(90 - abs(degree)) + 180] for degree in range(-180, 181)]
for _degree in range(-180, 181):
    if abs(_degree) > 90:
        COSINES[_degree + 180] = -COSINES[_degree + 180]
ARC_TANGENTS: Final = _arc_tangents()
_RADIANS: Final = (_PI * (1 << 60) // 180_000_000 + _EXACT // 2) // _EXACT
"""A millionth of a degree in units of 2**-60."""
_RIGHT_ANGLE: Final = _rounded(_PI // 2)


# --- the distance -------------------------------------------------------------------------------


class Kit(NamedTuple):
    """What differs between one value and a column: tables, a whole root and a choice."""

    sines: Any
    cosines: Any
    arc_tangents: Any
    root: Callable[[Any], Any]
    choose: Callable[[Any, Any, Any], Any]


def metres(latitude: Any, longitude: Any, latitude_2: Any, longitude_2: Any, kit: Kit) -> Any:
    """Whole metres between two places; degrees in millionths, within their ranges."""
    one, other = _point(latitude, longitude, kit), _point(latitude_2, longitude_2, kit)
    near = sum((a - b) * (a - b) for a, b in zip(one, other, strict=True))
    far = sum((a + b) * (a + b) for a, b in zip(one, other, strict=True))
    angle = 2 * _half_angle(kit.root(near), kit.root(far), kit)
    return (angle * MEAN_RADIUS_DM + 5 * _ONE) // (10 * _ONE)


def _point(latitude: Any, longitude: Any, kit: Kit) -> tuple[Any, Any, Any]:
    """The place as a point on the sphere of radius 2**30."""
    up, out = _sine_and_cosine(latitude, kit)
    sine, cosine = _sine_and_cosine(longitude, kit)
    return _times(out, cosine), _times(out, sine), up


def _sine_and_cosine(angle: Any, kit: Kit) -> tuple[Any, Any]:
    degree = angle // 1_000_000
    rest = ((angle - degree * 1_000_000) * _RADIANS) >> (60 - _FINE)
    square = (rest * rest) >> (2 * _FINE - _BITS)
    small_sine = (rest - ((rest * square) >> _BITS) // 6) >> (_FINE - _BITS)
    small_cosine = _ONE - square // 2 + _times(square, square) // 24
    sine, cosine = kit.sines[degree + 180], kit.cosines[degree + 180]
    return (
        _times(sine, small_cosine) + _times(cosine, small_sine),
        _times(cosine, small_cosine) - _times(sine, small_sine),
    )


def _times(left: Any, right: Any) -> Any:
    return (left * right + _ONE // 2) >> _BITS


def _half_angle(near: Any, far: Any, kit: Kit) -> Any:
    """The arc tangent of near over far; both are at most 2**31, and not both are small."""
    beyond = near > far
    slope = (kit.choose(beyond, far, near) << _BITS) // kit.choose(beyond, near, far)
    step = (slope + (_ONE // _STEPS // 2)) // (_ONE // _STEPS)
    known = step * (_ONE // _STEPS)
    rest = ((slope - known) << _BITS) // (_ONE + _times(slope, known))
    angle = kit.arc_tangents[step] + rest - _times(_times(rest, rest), rest) // 3
    return kit.choose(beyond, _RIGHT_ANGLE - angle, angle)


_SCALARS: Final = Kit(
    tuple(SINES),
    tuple(COSINES),
    tuple(ARC_TANGENTS),
    isqrt,
    lambda first, left, right: left if first else right,
)


def distance(latitude: int, longitude: int, latitude_2: int, longitude_2: int) -> int | None:
    """Kilometres between two places, as a number; missing where one is no place."""
    if abs(latitude) > LATITUDE or abs(latitude_2) > LATITUDE:
        return None
    if abs(longitude) > LONGITUDE or abs(longitude_2) > LONGITUDE:
        return None
    return METRE * int(metres(latitude, longitude, latitude_2, longitude_2, _SCALARS))
