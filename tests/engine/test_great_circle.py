"""Distances with integers alone, against trigonometry in floating point and against themselves."""

from __future__ import annotations

from math import atan2, cos, dist, radians, sin
from random import Random

import numpy as np
import pytest

from tidegate.engine.column_arithmetic import Vector, constant, distances
from tidegate.engine.great_circle import FARTHEST, LATITUDE, LONGITUDE, METRE, distance

Place = tuple[int, int]
RADIUS_M = 6_371_008.8
CORNERS = [(up, out) for up in (-LATITUDE, -1, 0, 1, LATITUDE)
           for out in (-LONGITUDE, -90_000_000, -1, 0, 1, 90_000_000, LONGITUDE)]  # fmt: skip


def point(place: Place) -> tuple[float, float, float]:
    """The place on a sphere of radius 1."""
    up, out = (radians(degrees / 10**6) for degrees in place)
    return cos(up) * cos(out), cos(up) * sin(out), sin(up)


def expected_m(one: Place, other: Place) -> float:
    """Metres along the great circle, in floating point, good for near and for opposite places."""
    a, b = point(one), point(other)
    return 2 * atan2(dist(a, b), dist(a, [-x for x in b])) * RADIUS_M


def pairs(seed: int, number: int) -> list[tuple[Place, Place]]:
    """Places at random: far, near, opposite, at the poles and on both sides of the date line."""
    rng = Random(seed)

    def clipped(up: int, out: int) -> Place:
        out = (out + LONGITUDE) % (2 * LONGITUDE) - LONGITUDE
        return max(-LATITUDE, min(LATITUDE, up)), out

    def near(place: Place) -> Place:
        step = rng.choice((10, 2_000, 300_000))
        return clipped(place[0] + rng.randint(-step, step), place[1] + rng.randint(-step, step))

    def anywhere() -> Place:
        if rng.random() < 0.2:
            return rng.choice(CORNERS)
        return rng.randint(-LATITUDE, LATITUDE), rng.randint(-LONGITUDE, LONGITUDE)

    found = []
    for _ in range(number):
        one = anywhere()
        opposite = clipped(-one[0], one[1] + LONGITUDE)
        found.append((one, rng.choice((anywhere(), near(one), near(opposite), one))))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_distance_is_right_to_the_metre(seed: int) -> None:
    """Poles, the date line, neighbours and opposite places are where formulas go wrong."""
    for one, other in pairs(seed, 4_000):
        found = distance(*one, *other)
        assert found is not None
        assert found % METRE == 0
        assert abs(found / METRE - expected_m(one, other)) < 1, (one, other)
        assert 0 <= found < FARTHEST
        assert distance(*other, *one) == found
        assert distance(*one, *one) == 0


def test_columns_give_the_same_metres() -> None:
    """A dry run would decide otherwise than the engine, by a metre at a limit."""
    asked = [(*one, *other) for one, other in pairs(9, 5_000)]
    asked += [(a[0], a[1], b[0], b[1]) for a in CORNERS for b in CORNERS]
    asked += [(LATITUDE + 1, 0, 0, 0), (0, LONGITUDE + 1, 0, 0), (0, 0, -(2**63), 0),
              (0, 0, 0, 2**63 - 1)]  # fmt: skip
    columns = np.array(asked, np.int64).T
    found = distances(
        *(Vector(column, None, int(column.min()), int(column.max())) for column in columns)
    )

    assert found.valid is not None
    assert [
        value if valid else None
        for value, valid in zip(found.values.tolist(), found.valid.tolist(), strict=True)
    ] == [distance(*row) for row in asked]


def test_a_place_may_be_the_same_for_all_rows() -> None:
    """A shop's own place is a literal beside a column."""
    column = Vector(np.array([0, 1_000_000, 91_000_000]), None, 0, 91_000_000)
    found = distances(constant(0), constant(0), column, constant(0))

    assert found.values.tolist()[:2] == [0, 111_195_000]
    assert found.valid is not None
    assert found.valid.tolist() == [True, True, False]
