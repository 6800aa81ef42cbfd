"""The types of the policy language and how their values are held.

Every value is an `int`, a `bool` or a `str`; `None` stands for a missing one. Money is held in
minor units, numbers are scaled by 10**6, times and durations are microseconds (times since 1970 in
UTC), addresses are 128-bit integers with IPv4 mapped into `::ffff:0:0/96`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Value = int | bool | str

NUMBER_SCALE = 10**6
INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
CLOCK_MIN_US = 0
CLOCK_MAX_US = 4_102_444_800 * 10**6
"""Times that come in run from 1970-01-01 to 2100-01-01, the span of the zone tables."""

TIME_MIN_US = -2_208_988_800 * 10**6
TIME_MAX_US = 7_258_118_400 * 10**6
"""Times that are worked out run from 1900-01-01 to 2200-01-01, so that a day more or less than a
time that came in never overflows."""

MAX_EVENTS_IN_WINDOW = 2**31
"""What the overflow proofs assume a window holds at most; windows refuse more."""


class Kind(Enum):
    """What sort of value an expression has."""

    FLAG = "flag"
    COUNT = "count"
    NUMBER = "number"
    MONEY = "money"
    TIME = "time"
    DURATION = "duration"
    TEXT = "text"
    TOKEN = "token"
    COUNTRY = "country"
    IP = "ip"
    WORD = "one of"


INTEGER_KINDS = frozenset({Kind.COUNT, Kind.NUMBER, Kind.MONEY, Kind.TIME, Kind.DURATION})
"""Kinds held as int64 and ordered; the rest is only compared for equality and membership."""

TEXT_KINDS = frozenset({Kind.TEXT, Kind.TOKEN, Kind.COUNTRY, Kind.WORD})


@dataclass(frozen=True, slots=True)
class Type:
    """A kind, with the words of an enumeration where it is one."""

    kind: Kind
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind is Kind.WORD:
            return f"one of ({', '.join(self.words)})"
        return str(self.kind.value)


FLAG = Type(Kind.FLAG)
COUNT = Type(Kind.COUNT)
NUMBER = Type(Kind.NUMBER)
MONEY = Type(Kind.MONEY)
TIME = Type(Kind.TIME)
DURATION = Type(Kind.DURATION)
TEXT = Type(Kind.TEXT)
TOKEN = Type(Kind.TOKEN)
COUNTRY = Type(Kind.COUNTRY)
IP = Type(Kind.IP)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The closed interval of int64 that an integer expression's value is known to lie in."""

    low: int
    high: int

    def fits(self) -> bool:
        """Whether every value in the interval can be held."""
        return self.low >= INT64_MIN and self.high <= INT64_MAX


ANY_INT64 = Bounds(INT64_MIN, INT64_MAX)
SCORE_BOUNDS = Bounds(0, NUMBER_SCALE)
"""Of a score that is worked out here, and of any other that does not say."""

NATURAL_BOUNDS: dict[Kind, Bounds] = {
    Kind.COUNT: ANY_INT64,
    Kind.NUMBER: ANY_INT64,
    Kind.MONEY: ANY_INT64,
    Kind.TIME: Bounds(CLOCK_MIN_US, CLOCK_MAX_US),
    Kind.DURATION: ANY_INT64,
}
