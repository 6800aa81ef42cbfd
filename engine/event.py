"""The door of the engine: a parsed body becomes an admitted event, or every reason why not.

A refused event is not decided. All refusals come at once; none of them holds a value that was
sent. The event's time and everything the conversion needs come in as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.dsl.card_numbers import Finding, find_card_numbers, holds_card_number
from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.diagnostics import nearest, visible
from tidegate.dsl.program import EventType, Field, Program
from tidegate.dsl.rates import Rates
from tidegate.dsl.types import INT64_MAX, INT64_MIN, Kind, Value
from tidegate.dsl.zones import DAY_US
from tidegate.engine.functions import zone_named
from tidegate.engine.rates import Amount, Conversion, convert
from tidegate.engine.values import NUMBER_DIGITS, coarsened, format_value
from tidegate.engine.wire import UnreadableError, read_amount, read_value

HashToken = Callable[[str, str], str]
"""Given a field and a token as it came, the pseudonym to keep."""

SHOWN_OF_NAME = 100
"""As long as a name may be."""
INVALID = "invalid"
"""Why an input is missing whose lenient field held a bad value."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that is wrong with an event: at `path`, with a way out in `help`."""

    code: str
    path: str
    message: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An event that may be decided: values by input name, None where missing.

    Besides its fields `values` holds `amount.original` (a number of whole units, as it was sent)
    and `amount.currency` for every money field. `reasons` says why a value is missing that is not
    simply absent.
    """

    event: EventType
    key: str
    at_us: int
    values: Mapping[str, Value | None]
    reasons: Mapping[str, str] = field(default_factory=dict)
    conversions: tuple[Conversion, ...] = ()
    rates_hash: str = ""


def keep_token(_field: str, value: str) -> str:
    """The token itself: for clients that send pseudonyms only."""
    return value


def admit(
    program: Program,
    event_type: str,
    body: object,
    *,
    rates: Rates | None,
    hash_token: HashToken = keep_token,
    at_us: int | None = None,
    looked_over: bool = False,
) -> Admitted | tuple[Refusal, ...]:
    """Check and convert `body`, an object as parsed from JSON or YAML.

    `looked_over`: card numbers were looked for already, in the very text that `body` was read from.
    `at_us` is the service's stamp: it stands instead of the sender's time, which may be left out.
    """
    events = {event.name: event for event in program.events}
    if event_type not in events:
        return (unknown_event(event_type, events),)
    if not isinstance(body, Mapping):
        return (Refusal("not_an_object", "", "an event is an object of named values"),)
    admission = _Admission(program, events[event_type], rates, hash_token, at_us)
    admission.looked_over = looked_over
    return admission.run(body)


def unknown_name(what: str, name: str, known: Iterable[str]) -> Refusal:
    """The refusal of a name that nothing of its sort has; no card number is repeated."""
    if holds_card_number(name):
        return _card_number("", f"the name of a {what} holds")
    shown = shown_name(name)
    near = nearest(shown, known)
    return Refusal(
        f"unknown_{what.replace(' ', '_')}", shown, f"no {what} is called `{shown}`", near
    )


def shown_name(name: str) -> str:
    """A name that was sent, as a message may show it: short, nothing hidden, no card number."""
    return "…" if holds_card_number(name) else visible(name[:SHOWN_OF_NAME])


def unknown_event(name: str, known: Iterable[str]) -> Refusal:
    """The refusal of an event that the policy does not have; `known` are those to choose from."""
    names = sorted(known)
    choices = ", ".join(f"`{choice}`" for choice in names) or "none"
    near = nearest(shown_name(name), names) or f"there is {choices}"
    return Refusal("unknown_event", "", f"the policy has no event `{shown_name(name)}`", near)


def _card_number_refusal(finding: Finding) -> Refusal:
    path = shown_name(finding.path)
    if finding.kind == "name":
        return _card_number(path, "a field is named by")
    return _card_number(path, f"`{path}` holds")


def _card_number(path: str, where: str) -> Refusal:
    return Refusal(
        "card_number",
        path,
        f"{where} what looks like a card number",
        "send the gateway's token instead; card numbers are never taken in",
    )


class _Admission:
    """One body on its way through the door; lives for one call."""

    def __init__(
        self,
        program: Program,
        event: EventType,
        rates: Rates | None,
        hash_token: HashToken,
        at_us: int | None,
    ) -> None:
        self.program = program
        self.event = event
        self.rates = rates
        self.hash_token = hash_token
        self.at_us = at_us
        self.looked_over = False
        self.values: dict[str, Value | None] = {}
        self.reasons: dict[str, str] = {}
        self.conversions: list[Conversion] = []
        self.refusals: dict[str, Refusal] = {}

    def run(self, body: Mapping[object, object]) -> Admitted | tuple[Refusal, ...]:
        findings = () if self.looked_over else find_card_numbers(body)
        secret = {finding.path.partition(".")[0].partition("[")[0] for finding in findings}
        # Money comes last: its conversion needs the event's day.
        for declared in sorted(self.event.fields, key=lambda f: f.type.kind is Kind.MONEY):
            if declared.name not in secret:
                self._take(declared, body.get(declared.name))
        refusals = (
            *map(_card_number_refusal, findings),
            *(self.refusals[f.name] for f in self.event.fields if f.name in self.refusals),
            *self._unknown_fields(body, findings),
        )
        return refusals or self._admitted()

    def _admitted(self) -> Admitted:
        at, key = self.values[self.event.at], self.values[self.event.key]
        assert isinstance(at, int)
        return Admitted(
            self.event,
            str(key),
            at,
            self.values,
            self.reasons,
            tuple(self.conversions),
            self.rates.hash if self.rates and self.conversions else "",
        )

    def _unknown_fields(
        self, body: Mapping[object, object], findings: Iterable[Finding]
    ) -> Iterable[Refusal]:
        names = {declared.name for declared in self.event.fields}
        # A name that holds a card number is refused as such and never shown.
        hidden = any(finding.kind == "name" and not finding.path for finding in findings)
        for name in sorted(str(name) for name in body if name not in names):
            if not (hidden and find_card_numbers(name)):
                shown = shown_name(name)
                message = f"`{self.event.name}` has no field `{shown}`"
                yield Refusal("unknown_field", shown, message, nearest(shown, names))

    def _take(self, declared: Field, raw: object) -> None:
        name = declared.name
        if name == self.event.at and self.at_us is not None:
            self.values[name] = self.at_us
        elif raw is None:
            self._leave_out(declared)
        else:
            self._read(declared, raw)

    def _leave_out(self, declared: Field) -> None:
        if not declared.optional:
            self._refuse(declared.name, "missing_field", "is missing", "the field is required")
        self._set_missing(declared)

    def _set_missing(self, declared: Field) -> None:
        self.values[declared.name] = None
        if declared.type.kind is Kind.MONEY:
            self._set_original(declared.name, None)

    def _read(self, declared: Field, raw: object) -> None:
        try:
            value = self._value(declared, raw)
        except UnreadableError as bad:
            self._set_missing(declared)
            if declared.optional and declared.lenient:
                self.reasons[declared.name] = INVALID
            else:
                self._refuse(declared.name, bad.code, bad.what, bad.help)
        else:
            self.values[declared.name] = value

    def _value(self, declared: Field, raw: object) -> Value | None:
        if declared.type.kind is Kind.MONEY:
            return self._money(declared, read_amount(raw))
        value = read_value(raw, declared.type)
        if declared.type.kind is Kind.TOKEN and isinstance(value, str):
            return self.hash_token(declared.name, value)
        if declared.name == self.event.key and value == "":
            raise UnreadableError("empty_key", "is empty", "every event has a key of its own")
        return self._shaped(declared, value)

    def _shaped(self, declared: Field, value: Value) -> Value:
        if declared.folded and isinstance(value, str):
            return read_value(value.casefold(), declared.type)
        if declared.coarse is not None and isinstance(value, int):
            return coarsened(value, declared.coarse)
        if isinstance(value, int) and not isinstance(value, bool):
            self._check_bounds(declared, value)
        return value

    def _check_bounds(self, declared: Field, value: int) -> None:
        def shown(bound: int) -> str:
            return format_value(bound, declared.type, self.program.currency)

        if declared.maximum is not None and value > declared.maximum:
            highest = shown(declared.maximum)
            raise UnreadableError("above_maximum", "is too high", f"at most {highest} is taken")
        if declared.minimum is not None and value < declared.minimum:
            lowest = shown(declared.minimum)
            raise UnreadableError("below_minimum", "is too low", f"at least {lowest} is taken")

    def _money(self, declared: Field, amount: Amount) -> Value | None:
        conversion = self._conversion(declared.name, amount)
        minor = amount.minor if conversion is None else conversion.minor
        if not INT64_MIN <= minor <= INT64_MAX:
            raise UnreadableError("above_maximum", "is too high to convert", "")
        self._check_bounds(declared, minor)
        self._set_original(declared.name, amount)
        if conversion is not None:
            self.conversions.append(conversion)
        return minor

    def _conversion(self, name: str, amount: Amount) -> Conversion | None:
        at = self.values.get(self.event.at)
        # Without a time the event is refused already.
        if amount.currency == self.program.currency or not isinstance(at, int):
            return None
        if self.rates is not None:
            day = (at + zone_named(self.program.zone).offset_us(at)) // DAY_US
            found = convert(self.rates, name, amount, self.program.currency, day)
            if found is not None:
                return found
        raise UnreadableError(
            "no_rate",
            f"is in {amount.currency}, for which no rate of the last seven days is known",
            f"send it in {self.program.currency}, or bring the policy's rates up to date",
        )

    def _set_original(self, name: str, amount: Amount | None) -> None:
        self.values[f"{name}.original"] = None if amount is None else _whole_units(amount)
        self.values[f"{name}.currency"] = None if amount is None else amount.currency

    def _refuse(self, name: str, code: str, what: str, help_: str) -> None:
        self.refusals[name] = Refusal(code, name, f"`{name}` {what}", help_)


def _whole_units(amount: Amount) -> int:
    """The amount as a number; `UnreadableError` where a number cannot hold it."""
    number: int = amount.minor * 10 ** (NUMBER_DIGITS - MINOR_DIGITS[amount.currency])
    if not INT64_MIN <= number <= INT64_MAX:
        raise UnreadableError("above_maximum", "is too high", "")
    return number


def read_field(
    program: Program,
    event: EventType,
    name: str,
    raw: object,
    hash_token: HashToken = keep_token,
) -> Value | Refusal:
    """One value as it would be kept of an event: to name what events have in common."""
    declared = next((field for field in event.fields if field.name == name), None)
    if declared is None:
        return unknown_name("field", name, (field.name for field in event.fields))
    if find_card_numbers(raw):
        return _card_number(name, f"`{name}` holds")
    try:
        value = _Admission(program, event, None, hash_token, None)._value(declared, raw)
    except UnreadableError as bad:
        return Refusal(bad.code, name, f"`{name}` {bad.what}", bad.help)
    assert value is not None  # only a missing amount has none
    return value
