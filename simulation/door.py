"""The door of the engine for columns: every value of a history is read as the service would.

A row that the service would refuse is a bad row; which field is at fault, and why, is kept under
the service's own codes. Values go the fast way where numpy proves that they are fine (whole numbers
in their unit, identifiers that are numbers); every other distinct value is read once, one by one,
by the functions of `tidegate.engine.wire` that the service uses.

No message here holds a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.dsl.card_numbers import find_card_numbers
from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.program import Program
from tidegate.dsl.rates import Rates
from tidegate.dsl.types import INT64_MAX, Kind, Value
from tidegate.engine.column_batch import ABSENT, CodedColumn, IntegerColumn, is_coded, narrow
from tidegate.engine.column_batch import Column as EngineColumn
from tidegate.engine.event import INVALID, HashToken, keep_token
from tidegate.engine.rates import Amount, convert
from tidegate.engine.values import (
    NUMBER_DIGITS,
    UNITS_US,
    NotHeldError,
    checked_int64,
    coarsened,
    parse_decimal,
)
from tidegate.engine.wire import UnreadableError, read_value
from tidegate.simulation.checked_mapping import Column
from tidegate.simulation.times import Flags, Int64s, days_of, read_times

Codes = npt.NDArray[np.uint8]

FINE, MISSING = 0, 1
CARD_NUMBER = "card_number"
MISSING_FIELD = "missing_field"
_CARD_FROM = 10**12
"""No whole number below has the 13 digits of a card number."""
_EXACT_IN_FLOATS = 2.0**53
_NUMBER_DIGITS = {"": 6, "one": 6, "percent": 4, "basis_point": 2}
"""How many decimals a column's own number may have so that six of the share hold it."""


@dataclass(frozen=True, eq=False)
class Originals:
    """Money as it was sent: numbers of whole units, with codes into the currencies."""

    amounts: Int64s
    codes: Int64s
    currencies: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Cells:
    """One column as it was read: values, or codes into `dictionary`, and what is wrong where.

    `faults` are positions in `codes`: 0 fine, 1 missing and allowed to be, 2 a bad value of a
    lenient field, the rest a reason to refuse the row.
    """

    values: Int64s
    dictionary: tuple[Value, ...] | None
    faults: Codes
    codes: tuple[str, ...]
    money: Originals | None = None

    @property
    def invalid(self) -> Flags:
        """Rows whose bad value counts as missing."""
        flags: Flags = self.faults == _LENIENT
        return flags

    def originals(self, name: str, rows: Int64s) -> Iterator[tuple[str, EngineColumn]]:
        """For money, the columns `name.original` and `name.currency`."""
        if self.money is not None:
            fine = self.faults[rows] == FINE
            codes = np.where(fine, self.money.codes[rows], -1)
            yield f"{name}.original", IntegerColumn.of(self.money.amounts[rows], fine)
            yield f"{name}.currency", CodedColumn(narrow(codes), self.money.currencies)

    @property
    def refused(self) -> Flags:
        """The rows that may not pass."""
        flags: Flags = self.faults > _LENIENT
        return flags

    def column(self, rows: Int64s) -> EngineColumn:
        """The values in these rows, none of which is refused, as the evaluators take them."""
        values, faults = self.values[rows], self.faults[rows]
        missing = faults != FINE
        names = (ABSENT, INVALID)
        reasons = None
        if (faults == _LENIENT).any():
            reasons = (faults == _LENIENT).astype(np.uint8)
        if self.dictionary is not None:
            codes = narrow(np.where(missing, -1, values))
            return CodedColumn(codes, self.dictionary, reasons, names)
        if not missing.any():
            return IntegerColumn(narrow(values))
        held = narrow(np.where(missing, 0, values))
        return IntegerColumn(held, ~missing, reasons, names)


_LENIENT = 2
_STANDING_CODES = ("", ABSENT, INVALID, MISSING_FIELD, CARD_NUMBER, "wrong_type")


class ColumnReader:
    """Reads one column of a history, chunk by chunk.

    `keep` says that the values are needed; otherwise they are only checked. Texts that are kept
    have the same code in every chunk, so their dictionary grows with the distinct values.
    `rounds`: a number with more decimals than six is rounded rather than refused.
    """

    def __init__(
        self,
        column: Column,
        program: Program,
        *,
        rates: Rates | None = None,
        hash_token: HashToken = keep_token,
        keep: bool = True,
        is_key: bool = False,
        rounds: bool = False,
    ) -> None:
        self.field = column.field
        self.origin = column.origin
        self.zone = column.zone
        self.currency = column.currency
        self.decimal = column.decimal
        self.program = program
        self.rates = rates
        self.hash_token = hash_token
        self.keep = keep
        self.is_key = is_key
        self.rounds = rounds
        self.coded = is_coded(self.field.type)
        self._fault_codes = {code: index for index, code in enumerate(_STANDING_CODES)}
        self._entries: dict[Value, int] = {}
        self._known: dict[object, tuple[int, int]] = {}

    def read(self, frame: pl.DataFrame, at_us: Int64s | None = None) -> Cells:
        """The column's values in `frame`; money in another currency needs the rows' times."""
        groups = self._by_currency(frame) if self.field.type.kind is Kind.MONEY else []
        values, faults = self._read_all(frame, groups)
        money = None
        if groups:
            money = self._originals(groups, values, faults)
            self._convert_all(groups, values, faults, at_us)
        self._judge_bounds(values, faults)
        self._judge_absence(faults)
        dictionary = tuple(self._entries) if self.coded else None
        return Cells(values, dictionary, faults, tuple(self._fault_codes), money)

    def _read_all(
        self, frame: pl.DataFrame, groups: list[tuple[str, Int64s]]
    ) -> tuple[Int64s, Codes]:
        if self.origin.constant is not None:
            values, faults = self._read(pl.Series([self.origin.constant]))
            return values.repeat(frame.height), faults.repeat(frame.height)
        if self.origin.currency_column:
            return self._read_each(frame, groups)
        raw = frame[self.origin.column]
        return self._read(raw.cast(pl.String) if raw.dtype == pl.Null else raw)

    # what may be missing

    def _judge_absence(self, faults: Codes) -> None:
        if not self.field.optional:
            faults[faults == MISSING] = self._fault(MISSING_FIELD)
        elif self.field.lenient:
            bad = (faults > _LENIENT) & (faults != self._fault(CARD_NUMBER))
            faults[bad] = _LENIENT

    def _judge_bounds(self, values: Int64s, faults: Codes) -> None:
        if self.coded:
            return
        fine = faults == FINE
        if self.field.maximum is not None:
            faults[fine & (values > self.field.maximum)] = self._fault("above_maximum")
        if self.field.minimum is not None:
            faults[fine & (values < self.field.minimum)] = self._fault("below_minimum")

    def _fault(self, code: str) -> int:
        return self._fault_codes.setdefault(code, len(self._fault_codes))

    # ways to read

    def _read(self, raw: pl.Series) -> tuple[Int64s, Codes]:
        if self.origin.values or self.origin.missing:
            return self._one_by_one(raw)
        if self.field.type.kind is Kind.TIME:
            return self._times(raw)
        if raw.dtype.is_integer():
            return self._whole_numbers(raw)
        if raw.dtype.is_float():
            return self._floats(raw)
        return self._one_by_one(raw)

    def _times(self, raw: pl.Series) -> tuple[Int64s, Codes]:
        values, valid = read_times(raw, self.origin.unit, self.zone)
        faults = np.where(valid, FINE, self._fault("wrong_type")).astype(np.uint8)
        faults[raw.is_null().to_numpy()] = MISSING
        return values, faults

    def _whole_numbers(self, raw: pl.Series) -> tuple[Int64s, Codes]:
        factor = self._factor()
        if factor is None and (self.keep or not self.coded or self.field.type.kind is Kind.WORD):
            return self._one_by_one(raw)
        if raw.dtype == pl.UInt64:
            return self._one_by_one(raw)
        held = raw.cast(pl.Int64).fill_null(0).to_numpy()
        faults = np.where(raw.is_null().to_numpy(), MISSING, FINE).astype(np.uint8)
        suspect = (held >= _CARD_FROM) | (held <= -_CARD_FROM)
        values = held if factor in (None, 1) else np.where(suspect, 0, held) * (factor or 1)
        return self._again(raw, suspect, values, faults)

    def _factor(self) -> int | None:
        """What makes a whole number of the column one of our scale, if it can be so."""
        unit = self.origin.unit
        match self.field.type.kind:
            case Kind.COUNT:
                return 1
            case Kind.NUMBER:
                return int(10 ** _NUMBER_DIGITS[unit])
            case Kind.DURATION if unit:
                return UNITS_US[unit]
            case Kind.MONEY if self.currency and not self.origin.currency_column:
                return int(10 ** MINOR_DIGITS[self.currency]) if unit == "major" else 1
            case Kind.TEXT | Kind.TOKEN if not self.keep:
                return 1
        return None

    def _floats(self, raw: pl.Series) -> tuple[Int64s, Codes]:
        factor = self._factor()
        if factor is None or self.coded:
            return self._one_by_one(raw)
        held = raw.cast(pl.Float64).fill_null(0.0).to_numpy()
        faults = np.where(raw.is_null().to_numpy(), MISSING, FINE).astype(np.uint8)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.rint(held * factor)
            # The nearest float to scaled / factor is what that decimal is read as.
            exact = (np.abs(scaled) < _EXACT_IN_FLOATS) & (
                np.array(self.rounds) | (scaled / factor == held)
            )
            suspect = ~exact | (np.abs(held) >= _CARD_FROM)
            values = np.where(suspect, 0.0, scaled).astype(np.int64)
        return self._again(raw, suspect, values, faults)

    def _again(
        self, raw: pl.Series, suspect: Flags, values: Int64s, faults: Codes
    ) -> tuple[Int64s, Codes]:
        """Read the rows that the fast way cannot vouch for one by one."""
        rows = np.flatnonzero(suspect & (faults == FINE))
        if len(rows):
            values = values.copy()
            values[rows], faults[rows] = self._one_by_one(raw[rows])
        return values, faults

    # one by one

    def _one_by_one(self, raw: pl.Series) -> tuple[Int64s, Codes]:
        distinct = raw.unique(maintain_order=True)
        taken = [self._take(value) for value in distinct.to_list()]
        places = _places(raw, distinct)
        values = np.array([value for value, _ in taken], np.int64)[places]
        return values, np.array([fault for _, fault in taken], np.uint8)[places]

    def _take(self, raw: object) -> tuple[int, int]:
        """The value (or its code) and the fault of one raw value; remembered where it is kept."""
        if not (self.keep and self.coded):
            return self._judge(raw)
        known = self._known.get(raw)
        if known is None:
            known = self._known[raw] = self._judge(raw)
        return known

    def _judge(self, raw: object) -> tuple[int, int]:
        if self.origin.values or self.origin.missing:
            text = text_of(raw)
            raw = None if text in self.origin.missing else self.origin.values.get(text or "", raw)
        if raw is None:
            return 0, MISSING
        if find_card_numbers(raw):
            return 0, self._fault(CARD_NUMBER)
        try:
            value = self._value(raw)
        except UnreadableError as bad:
            return 0, self._fault(bad.code)
        except NotHeldError:
            return 0, self._fault("wrong_type")
        if self.coded:
            return (self._entries.setdefault(value, len(self._entries)) if self.keep else 0), FINE
        return int(value), FINE

    def _value(self, raw: object) -> Value:
        type_ = self.field.type
        match type_.kind:
            case Kind.MONEY:
                return self._money(raw)
            case Kind.NUMBER:
                return self._number(raw, _NUMBER_DIGITS[self.origin.unit])
            case Kind.COUNT:
                return self._number(raw, 0)
            case Kind.FLAG:
                return _flag(raw)
            case Kind.TIME:
                return self._time(raw)
            case Kind.DURATION if self.origin.unit:
                return self._duration(raw)
            case Kind.DURATION:
                return read_value(raw, type_)
        return self._text(raw)

    def _text(self, raw: object) -> Value:
        text = text_of(raw)
        value = read_value(raw if text is None else text, self.field.type)
        if self.is_key and value == "":
            raise UnreadableError("empty_key", "is empty", "")
        if self.field.type.kind is Kind.TOKEN and isinstance(value, str):
            return self.hash_token(self.field.name, value)
        if self.field.folded and isinstance(value, str):
            return read_value(value.casefold(), self.field.type)
        if self.field.coarse is not None and isinstance(value, int):
            return coarsened(value, self.field.coarse)
        return value

    def _money(self, raw: object) -> int:
        # With a currency of its own each row is read by that currency's decimals.
        digits = MINOR_DIGITS[self.currency] if self.origin.unit == "major" else 0
        return self._number(raw, digits)

    def _number(self, raw: object, digits: int) -> int:
        text = self._decimal(raw)
        if self.rounds:
            number = Decimal(text) if _is_decimal(text) else Decimal("NaN")
            if not number.is_finite() or number.adjusted() > NUMBER_DIGITS * 3:
                raise NotHeldError("")
            return checked_int64(int(number.scaleb(digits).to_integral_value(ROUND_HALF_EVEN)))
        return parse_decimal(text, digits)

    def _decimal(self, raw: object) -> str:
        """With a point before the decimals, whatever the texts of the column have there."""
        if self.decimal == "." or not isinstance(raw, str):
            return _decimal_text(raw)
        if "." in raw:
            raise NotHeldError("")
        return raw.replace(self.decimal, ".")

    def _duration(self, raw: object) -> int:
        scaled = parse_decimal(self._decimal(raw), NUMBER_DIGITS) * UNITS_US[self.origin.unit]
        if scaled % 10**NUMBER_DIGITS:
            raise NotHeldError("")
        return checked_int64(scaled // 10**NUMBER_DIGITS)

    def _time(self, raw: object) -> int:
        values, valid = read_times(pl.Series([raw]), self.origin.unit, self.zone)
        if not valid[0]:
            raise NotHeldError("")
        return int(values[0])

    # money in other currencies

    def _by_currency(self, frame: pl.DataFrame) -> list[tuple[str, Int64s]]:
        if not self.origin.currency_column:
            return [(self.currency, np.arange(frame.height))]
        texts = frame[self.origin.currency_column].cast(pl.String).fill_null("")
        distinct = texts.unique(maintain_order=True)
        places = _places(texts, distinct)
        return [(name, np.flatnonzero(places == i)) for i, name in enumerate(distinct.to_list())]

    def _read_each(
        self, frame: pl.DataFrame, groups: list[tuple[str, Int64s]]
    ) -> tuple[Int64s, Codes]:
        """Each row by the decimals of its own currency."""
        values, faults = np.zeros(frame.height, np.int64), np.zeros(frame.height, np.uint8)
        raw = frame[self.origin.column]
        for currency, rows in groups:
            known = currency in MINOR_DIGITS
            self.currency = currency if known else self.program.currency
            values[rows], faults[rows] = self._read(raw[rows])
            if not known:
                bad = self._fault("unknown_currency" if currency else MISSING_FIELD)
                faults[rows] = np.where(faults[rows] == FINE, bad, faults[rows])
        return values, faults

    def _originals(
        self, groups: list[tuple[str, Int64s]], values: Int64s, faults: Codes
    ) -> Originals:
        """The amounts as numbers; one that a number cannot hold is refused."""
        amounts, codes = np.zeros(len(values), np.int64), np.full(len(values), -1, np.int64)
        for code, (currency, rows) in enumerate(groups):
            factor = 10 ** (NUMBER_DIGITS - MINOR_DIGITS.get(currency, 0))
            reach, minor = INT64_MAX // factor, values[rows]
            fits = (-reach <= minor) & (minor <= reach)
            faults[rows[~fits & (faults[rows] == FINE)]] = self._fault("above_maximum")
            amounts[rows], codes[rows] = np.where(fits, minor, 0) * factor, code
        return Originals(amounts, codes, tuple(currency for currency, _ in groups))

    def _convert_all(
        self,
        groups: list[tuple[str, Int64s]],
        values: Int64s,
        faults: Codes,
        at_us: Int64s | None,
    ) -> None:
        for currency, rows in groups:
            if currency != self.program.currency:
                self._convert(currency, rows, values, faults, at_us)

    def _convert(
        self, currency: str, rows: Int64s, values: Int64s, faults: Codes, at_us: Int64s | None
    ) -> None:
        fine = rows[faults[rows] == FINE]
        if not len(fine):
            return
        if at_us is None or self.rates is None:
            faults[fine] = self._fault("no_rate")
            return
        pairs = np.stack((values[fine], days_of(at_us[fine], self.program.zone)))
        distinct, places = np.unique(pairs, axis=1, return_inverse=True)
        converted = [self._minor(currency, *pair) for pair in distinct.T.tolist()]
        minor = np.array([0 if value is None else value for value in converted], np.int64)
        bad = np.array([value is None for value in converted], np.bool_)
        values[fine] = minor[places.ravel()]
        faults[fine[bad[places.ravel()]]] = self._fault("no_rate")

    def _minor(self, currency: str, minor: int, day: int) -> int | None:
        assert self.rates is not None
        amount = Amount(minor, currency)
        found = convert(self.rates, self.field.name, amount, self.program.currency, day)
        return None if found is None or abs(found.minor) > INT64_MAX else found.minor


# --- raw values --------------------------------------------------------------------------------


def _places(raw: pl.Series, distinct: pl.Series) -> Int64s:
    """The place of every row's value among the distinct ones."""
    if not raw.len():
        return np.empty(0, np.int64)
    places = pl.Series(range(distinct.len()), dtype=pl.Int64)
    return raw.replace_strict(distinct, places, return_dtype=pl.Int64).to_numpy()


def by_distinct(series: pl.Series, make: Callable[[Any], Any]) -> pl.Series:
    """What `make` gives for each row's value; it is asked once for each distinct one."""
    distinct = series.unique(maintain_order=True)
    made = pl.Series([make(value) for value in distinct.to_list()])
    return made[_places(series, distinct)]


def text_of(raw: object) -> str | None:
    """The text by which a mapping speaks of a raw value; None where it has none."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, (str, int)):
        return str(raw)
    return _decimal_text(raw) if isinstance(raw, (float, Decimal)) else None


def _decimal_text(raw: object) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool) or not isinstance(raw, (int, float, Decimal)):
        raise NotHeldError("")
    number = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(raw)
    # Far beyond int64 either way; spelling it out could take all memory.
    if not number.is_finite() or abs(number.adjusted()) > NUMBER_DIGITS * 6:
        raise NotHeldError("too large")
    return _without_point_zero(format(number, "f"))


def _without_point_zero(text: str) -> str:
    """Without decimals that say nothing, so that 3.0 is whole."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _is_decimal(text: str) -> bool:
    return (
        text.removeprefix("-").replace(".", "", 1).isascii()
        and text.removeprefix("-").replace(".", "", 1).isdigit()
    )


def _flag(raw: object) -> bool:
    if raw in ("true", "false"):
        return raw == "true"
    if not isinstance(raw, bool):
        raise NotHeldError("")
    return raw
