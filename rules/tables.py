"""List and rates files: CSV into checked contents, every bad line named."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from unicodedata import normalize

from tidegate.dsl.card_numbers import holds_card_number
from tidegate.dsl.countries import COUNTRIES
from tidegate.dsl.currencies import MINOR_DIGITS
from tidegate.dsl.diagnostics import Diagnostic, Severity
from tidegate.dsl.lists import ListContent, of_ranges
from tidegate.dsl.literals import network_range, of_one_version
from tidegate.dsl.program import ListDeclaration
from tidegate.dsl.rates import Rates, of_quotes, parse_day, parse_rate
from tidegate.dsl.source import Span
from tidegate.dsl.types import Kind, Value
from tidegate.rules.files import decoded, unreadable

HEADER = "value"
RATES_HEADER = ["date", "currency", "rate"]
MAX_SHOWN = 20
"""How many bad lines of one file are named; the rest is counted."""

LIST_KINDS = {kind.value: kind for kind in (Kind.TEXT, Kind.TOKEN, Kind.COUNTRY, Kind.IP)}
"""What a list may hold, by the word that declares it."""

Problems = list[Diagnostic]
Line = tuple[int, list[str]]


def read_list(path: Path, name: str, kind: Kind) -> tuple[ListContent, Problems]:
    """The contents of a list file: one value a line, below an optional header `value`.

    `name` is the file as the policy names it. A bad line is an error, a repeated one a warning.
    """
    values: set[Value] = set()
    ranges: list[tuple[int, int]] = []
    problems: Problems = []
    for index, (number, cells) in enumerate(csv_lines(path, name, problems)):
        if index == 0 and cells == [HEADER]:
            continue
        raw = cells[0].strip()
        wrong = (
            wrong_value(raw, kind)
            if len(cells) == 1
            else "a list has one value a line; text with a comma stands in quotes"
        )
        if wrong:
            problems.append(bad_line(name, number, wrong))
        elif kind is Kind.IP:
            covered = network_range(raw)
            assert covered is not None  # `wrong_value` has looked
            ranges += of_one_version(covered)
        else:
            value = normalize("NFC", raw)
            if value in values:
                problems.append(_repeated(name, number))
            values.add(value)
    content = of_ranges(ranges) if kind is Kind.IP else ListContent(frozenset(values))
    if not (values or ranges or problems):
        problems.append(empty_file(name, "values", "a rule that looks there finds nobody"))
    return content, capped(problems, name)


def content_of(values: object, declared: ListDeclaration) -> ListContent | str:
    """The content of a managed list, or what is wrong with it, by number and never by value."""
    if isinstance(values, ListContent):
        return values
    # A text would be a list of its letters, a mapping one of its keys.
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        return "its values are not given as a list of texts"
    taken: list[str] = []
    for number, value in enumerate(values, start=1):
        if not isinstance(value, str):
            return f"value {number}: the values of a list are texts"
        if wrong := wrong_value(value, declared.type.kind):
            return f"value {number}: {wrong}"
        taken.append(normalize("NFC", value))
    if declared.type.kind is not Kind.IP:
        return ListContent(frozenset(taken))
    covered = (found for found in map(network_range, taken) if found is not None)
    return of_ranges(part for found in covered for part in of_one_version(found))


def wrong_value(raw: str, kind: Kind, holder: str = "lists") -> str:
    """What is wrong with a value, never the value itself; empty where it is right."""
    if not raw:
        return "an empty value"
    if holds_card_number(raw):
        return f"this looks like a card number; {holder} hold tokens"
    if not raw.isprintable():
        return "this has an invisible character"
    if kind is Kind.COUNTRY and raw not in COUNTRIES:
        return "this is no country code of ISO 3166-1"
    if kind is Kind.IP and network_range(raw) is None:
        return "this is no address and no network (the first address and the prefix length)"
    return ""


def read_rates(path: Path, name: str, base: str) -> tuple[Rates, Problems]:
    """The dated rates: columns date, currency and rate, in units of currency per unit of `base`."""
    quotes: dict[tuple[int, str], int] = {}
    problems: Problems = []
    for index, (number, cells) in enumerate(csv_lines(path, name, problems)):
        if index == 0:
            if cells != RATES_HEADER:
                problems.append(bad_line(name, number, f"the header is `{','.join(RATES_HEADER)}`"))
            continue
        day = parse_day(cells[0]) if len(cells) == 3 else None
        rate = parse_rate(cells[2]) if len(cells) == 3 else None
        if day is None or rate is None or cells[1] not in MINOR_DIGITS:
            problems.append(bad_line(name, number, "a rate is written `2026-01-02,USD,1.1712`"))
        elif (day, cells[1]) in quotes:
            problems.append(bad_line(name, number, "this day has a rate for this currency already"))
        else:
            quotes[day, cells[1]] = rate
    if not (quotes or problems):
        problems.append(empty_file(name, "rates", "payments in other currencies are refused"))
    rows = ((day, currency, rate) for (day, currency), rate in sorted(quotes.items()))
    return of_quotes(base, rows), capped(problems, name)


def csv_lines(path: Path, name: str, problems: Problems) -> Iterator[Line]:
    """Lines with their numbers; empty ones and comments are left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(map(_without_comment, stream), strict=True)
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
    except UnicodeDecodeError:
        found = decoded(path.read_bytes(), name)
        assert isinstance(found, Diagnostic)
        problems.append(found)
    except OSError as error:
        problems.append(unreadable(name, error))
    except csv.Error:
        what = "a quote is not closed, or something follows it on its line"
        problems.append(
            Diagnostic(
                "TG704", what, file_place(name), 'a quote inside a text is written twice: `""`'
            )
        )


def _without_comment(line: str) -> str:
    """The line, or an empty one in its place, so that the numbers of lines stay."""
    return "\n" if line.lstrip().startswith("#") else line


def empty_file(name: str, what: str, so: str) -> Diagnostic:
    """The warning of a file that holds nothing."""
    message = f"there are no {what} in this file: {so}"
    return Diagnostic("TG709", message, file_place(name), severity=Severity.WARNING)


def file_place(name: str) -> Span:
    """A file as a place."""
    return Span(name, 0, 0)


def bad_line(name: str, line: int, what: str, code: str = "TG705") -> Diagnostic:
    """An error in one line of a file."""
    return Diagnostic(code, what, file_place(name), line=line)


def _repeated(name: str, line: int) -> Diagnostic:
    message = "this value stands in the list already"
    return Diagnostic("TG706", message, file_place(name), severity=Severity.WARNING, line=line)


def capped(problems: Problems, name: str) -> Problems:
    """The problems of one file, those beyond the first ones as one."""
    if len(problems) <= MAX_SHOWN:
        return problems
    rest = len(problems) - MAX_SHOWN
    weight = min((p.severity for p in problems[MAX_SHOWN:]), key=lambda s: s.value)
    more = Diagnostic("TG707", f"{rest:,} more lines of `{name}` are wrong", file_place(name))
    return [*problems[:MAX_SHOWN], Diagnostic(more.code, more.message, more.span, severity=weight)]
