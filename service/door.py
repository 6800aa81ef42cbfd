"""The door of the service: bytes become an object, or the request is refused.

Whatever a request holds, an answer never repeats a value of it. Sensitive data are looked for
first: a body that is not even JSON is refused for them, and not for its form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn
from unicodedata import is_normalized, normalize
from urllib.parse import parse_qsl

from tidegate.engine.event import shown_name
from tidegate.service.problems import FieldError, Problem, ProblemError, refused
from tidegate.service.sensitive import (
    Finding,
    Kind,
    find_in_object,
    find_in_pairs,
    find_in_path,
    find_in_text,
    may_hold,
    names_security_code,
)

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_LONGEST_NUMBER = 64
"""No value of the language has more characters."""
_WIDEST_EXPONENT = 400
_MOST_NAMES_KNOWN = 4096
_RANDOM = {
    b"authorization": re.compile(
        rb"Bearer [\w-]{1,8192}\.[\w-]{1,8192}\.[\w-]{1,8192}", re.IGNORECASE
    ),
    b"traceparent": re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
}
"""Headers that are left alone in exactly this form."""

_WORDS: dict[Kind, str] = {
    "card_number": "what looks like a card number",
    "track_data": "what looks like the track of a card",
    "security_code": "what looks like the security code of a card",
}
_HELP: dict[Kind, str] = {
    "card_number": "send the gateway's token instead; card numbers are never taken in",
    "track_data": "send the gateway's token instead; track data are never taken in",
    "security_code": "leave it out; security codes are never taken in",
}


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """How large a request may be: bytes of body, URL and headers, and the depth of nesting."""

    body_bytes: int = 65_536
    depth: int = 32
    target_bytes: int = 4_096
    header_bytes: int = 32_768


@dataclass(frozen=True)
class Door:
    """Reads bodies and looks over the rest of a request. `ProblemError` is the refusal."""

    limits: DoorLimits = field(default_factory=DoorLimits)
    _harmless_names: dict[str, None] = field(default_factory=dict, repr=False, compare=False)
    _quick: json.JSONDecoder = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_quick", _decoder(self._take_fields, _quick_number))

    def read_body(self, raw: bytes) -> Any:
        """The JSON that `raw` holds: numbers int or Decimal, texts in Unicode's form NFC.

        Refused: too many bytes, sensitive data, what is not UTF-8 or not JSON, NaN and Infinity,
        numbers of more than 64 characters, a field named twice, lone surrogates and U+0000, more
        depth than is taken.
        """
        if len(raw) > self.limits.body_bytes:
            raise refused("too_large", f"a body has at most {self.limits.body_bytes} bytes")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            _refuse_sensitive_text(raw.decode("latin-1"))
            raise refused("bad_encoding", f"byte {error.start} is not UTF-8") from None
        if not may_hold(raw):
            self._check_depth(raw)
            try:
                body = self._quick.decode(text)
            except (_LookCloser, _Unreadable, ValueError):
                pass
            else:
                if raw.isascii() or is_normalized("NFC", text):
                    return body
        return self._read_closely(raw, text)

    def check_target(self, path: bytes, query: bytes = b"") -> None:
        """Look over path and query, as they came: percent-encoded, without the question mark."""
        if len(path) + len(query) > self.limits.target_bytes:
            raise refused("too_large", f"a URL has at most {self.limits.target_bytes} bytes")
        found = find_in_path(path.decode("utf-8", "replace"))
        if found is not None:
            raise _refusal([Finding(found, "path")])
        if query:
            written = query.decode("utf-8", "replace")
            pairs = parse_qsl(written, keep_blank_values=True)
            findings = find_in_pairs(pairs, self._names_code)
            if not findings and (found := find_in_text(written)):
                findings = (Finding(found, ""),)
            if findings:
                raise _refusal(findings, "query")

    def check_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Look over names and values of headers.

        Left out are a bearer token, which is verified or refused and never kept, and the trace of a
        request: of the random digits of both some are a card number by chance.
        """
        looked_at = [header for header in headers if not _is_random(*header)]
        joined = b"\n".join(b'%b:"%b"' % header for header in looked_at)
        if len(joined) > self.limits.header_bytes:
            most = self.limits.header_bytes
            raise refused("headers_too_large", f"at most {most} bytes are taken")
        pairs = [(name.decode("latin-1"), _text(value)) for name, value in looked_at]
        if not may_hold(joined) and not any(self._names_code(name) for name, _ in pairs):
            return
        findings = [found for pair in pairs for found in find_in_pairs([pair], self._names_code)]
        if findings:
            raise _refusal(findings, "header")

    def _read_closely(self, raw: bytes, text: str) -> Any:
        try:
            self._check_depth(raw)
            body = _CLOSE.decode(text)
        except _Unreadable as unreadable:
            _refuse_sensitive_text(text)
            raise ProblemError(unreadable.problem) from None
        except ProblemError:
            _refuse_sensitive_text(text)
            raise
        except json.JSONDecodeError as error:
            _refuse_sensitive_text(text)
            where = f"line {error.lineno}, column {error.colno}"
            raise refused("bad_json", f"it cannot be read from {where} on") from None
        findings = find_in_object(body, self._names_code)
        if findings:
            raise _refusal(findings)
        return _composed(body)

    def _check_depth(self, raw: bytes) -> None:
        depth = self.limits.depth
        if raw.count(b"[") + raw.count(b"{") <= depth:
            return
        level = 0
        for byte in _STRING.sub(b"", raw):
            if byte in b"[{":
                level += 1
                if level > depth:
                    raise refused("too_deep", f"at most {depth} objects and arrays nest")
            elif byte in b"]}":
                level -= 1

    def _take_fields(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise _LookCloser
        known = self._harmless_names
        for name in fields:
            if name not in known and self._names_code(name):
                raise _LookCloser
        return fields

    def _names_code(self, name: str) -> bool:
        known = self._harmless_names
        if name in known:
            return False
        if names_security_code(name):
            return True
        if len(known) < _MOST_NAMES_KNOWN and len(name) <= 100:
            known[name] = None
        return False


class _LookCloser(Exception):  # noqa: N818 - no error: the quick way gives up
    """The quick way cannot tell."""


class _Unreadable(Exception):  # noqa: N818 - carries a problem until the text was looked over
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem


def _decoder(
    take_fields: Callable[[list[tuple[str, Any]]], dict[str, Any]], number: Callable[[str], Any]
) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=take_fields,
        parse_float=number,
        parse_int=_whole_number,
        parse_constant=_refuse_constant,
    )


def _whole_number(written: str) -> int:
    if len(written) > _LONGEST_NUMBER:
        _refuse_number()
    return int(written)


def _quick_number(written: str) -> Decimal:
    # 42e14 is a card number without thirteen digits.
    if "e" in written or "E" in written or len(written) > _LONGEST_NUMBER:
        raise _LookCloser
    return Decimal(written)


def _number(written: str) -> Decimal:
    number = Decimal(written) if len(written) <= _LONGEST_NUMBER else None
    if number is None or abs(number.adjusted()) > _WIDEST_EXPONENT:
        _refuse_number()
    return number


def _refuse_number() -> NoReturn:
    detail = f"a number has at most {_LONGEST_NUMBER} characters and an exponent within reason"
    raise _Unreadable(Problem("bad_number", detail))


def _refuse_constant(_written: str) -> NoReturn:
    raise _Unreadable(Problem("bad_number", "NaN and Infinity are no numbers of JSON"))


def _distinct_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if (plain := normalize("NFC", name)) in fields:
            shown = shown_name(plain)
            error = FieldError("duplicate_key", shown, f"`{shown}` stands twice in one object")
            raise _Unreadable(Problem("duplicate_key", errors=(error,)))
        fields[plain] = value
    return fields


_CLOSE = _decoder(_distinct_fields, _number)


def _composed(value: Any) -> Any:
    """The same with every text in Unicode's form NFC; refused where a text cannot be kept."""
    if isinstance(value, str):
        if "\x00" in value:
            raise refused("bad_json", "a text holds U+0000")
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise refused("bad_encoding", "a text holds half of a surrogate pair")
        return normalize("NFC", value)
    if isinstance(value, dict):
        return {_composed(name): _composed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_composed(item) for item in value]
    return value


def _is_random(name: bytes, value: bytes) -> bool:
    form = _RANDOM.get(name.lower())
    return form is not None and form.fullmatch(value) is not None


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _refuse_sensitive_text(text: str) -> None:
    """Look through a text that has no structure: escapes undone, without U+0000."""
    plain = _ESCAPE.sub(_unescaped, text).replace("\x00", "")
    for written in dict.fromkeys((text, plain)):
        found = find_in_text(written)
        if found is not None:
            raise _refusal([Finding(found, "")])


_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\(.)", re.DOTALL)
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "b": "\b"}


def _unescaped(match: re.Match[str]) -> str:
    code, char = match.groups()
    return chr(int(code, 16)) if code else _CONTROLS.get(char, char)


def _refusal(findings: Iterable[Finding], origin: str = "") -> ProblemError:
    errors = tuple(dict.fromkeys(_error(finding, origin) for finding in findings))
    return ProblemError(Problem("sensitive_data_refused", errors=errors))


def _error(finding: Finding, origin: str) -> FieldError:
    path = " ".join(part for part in (origin, shown_name(finding.path)) if part)
    where = f"`{path}`" if path else "the request"
    said = f"a name in {where} is" if finding.in_name else f"{where} holds"
    return FieldError(finding.kind, path, f"{said} {_WORDS[finding.kind]}", _HELP[finding.kind])
