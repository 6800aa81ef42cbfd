"""The log of a model's versions: one signed entry a line, each holding the hash of the line before.

A line is canonical JSON: sorted keys, no blanks, each value in its one spelling. What is signed is
`SIGNED_FORMAT` and the same object without its `signature`. A changed byte, a line that is gone,
added or in another place breaks the chain or a signature. A tail that was cut off cannot be seen
from the log alone: whoever kept a `Head` holds it against the log.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Final, Literal, get_args, get_type_hints
from unicodedata import category, is_normalized

from tidegate.dsl.card_numbers import holds_card_number
from tidegate.models.manifest import FILE_NAME, MAX_FILES
from tidegate.models.moments import moment_us
from tidegate.models.people import NAME
from tidegate.models.problems import Problem
from tidegate.vault.keys import Signer

LOG_FILE: Final = "log.jsonl"
SCHEMA: Final = "tidegate-model-log/1"
SIGNED_FORMAT: Final = b"tidegate-model-log-1\n"
MAX_LOG_BYTES: Final = 16 * 2**20
OPERATORS_BYTES: Final = 2**20
"""The end of a full log: kept for those who stop a model, go back or forward."""

MAX_REASON: Final = 500
MAX_VERSION: Final = 10**9

Action = Literal["register", "approve", "activate", "rollback", "disable", "enable", "withdraw"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
OPERATORS: Final[frozenset[Action]] = frozenset({"activate", "rollback", "disable", "enable"})

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs that nobody sees: fillers, and Braille without a dot."""

_HASH = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
MODEL_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a log: its number, from one, and the hash of its line."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


def read_head(text: str) -> Head | None:
    """The head that `str(head)` wrote; None for any other text."""
    number, _, digits = text.partition(":")
    if re.fullmatch(r"0|[1-9][0-9]{0,8}", number) is None or _HASH.fullmatch(digits) is None:
        return None
    return Head(int(number), digits)


def start_of(model: str, registry: str = "") -> Head:
    """What the first entry of a model's log follows, in the registry of this id."""
    place = f"{registry}/{model}" if registry else model
    return Head(0, hashlib.sha256(SIGNED_FORMAT + place.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody did. Hashes are hex; `at` is a moment, `validated_until` a date.

    `version` is 0 and `content` empty where a model is disabled of which no version is active.
    `files` (SHA-256 by name) belongs to `register`, `validated_until` to `approve`.
    """

    sequence: int
    previous: str
    at: str
    action: Action
    model: str
    version: int
    content: str
    who: str
    key: str
    reason: str
    validated_until: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def at_us(self) -> int:
        """The moment in UTC microseconds."""
        time_us = moment_us(self.at)
        assert time_us is not None, "entries are checked when they are read"
        return time_us


@dataclass(frozen=True, slots=True)
class Line:
    """An entry with its signature (64 bytes) and the head that it makes."""

    entry: Entry
    signature: bytes
    head: Head


def signed_line(entry: Entry, signer: Signer) -> bytes:
    """The line of an entry, with its ending."""
    signature = signer.sign(_message(entry)).hex()
    return _canonical(_plain(entry) | {"signature": signature}) + b"\n"


def is_signed(line: Line) -> bool:
    """Whether the signature is that of the key which the entry names."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(line.entry.key))
        key.verify(line.signature, _message(line.entry))
    except (InvalidSignature, ValueError):
        return False
    return True


def foreign_signature(line: Line) -> Problem:
    """What is said of an entry whose signature is not right."""
    message = f"the signature is not that of `{line.entry.who}`"
    place = f"{LOG_FILE}:{line.head.sequence}"
    return Problem("bad_signature", message, _RESTORE, place)


def other_registry() -> Problem:
    """What is said of a log that was begun under another id than that of the people's file."""
    said = "the log was begun in another registry: the people's file has another id"
    return Problem("other_registry", said, _ELSEWHERE, f"{LOG_FILE}:1")


def read_log(content: bytes, model: str, registry: str | None = None) -> tuple[Line, ...] | Problem:
    """The lines of a log, each in its form and following the one before; signatures come later.

    The first one follows the id of the registry; None where that is not known.
    """
    if len(content) > MAX_LOG_BYTES:
        return Problem("log_broken", "the log is larger than 16 MiB", _RESTORE, LOG_FILE)
    head = start_of(model, registry or "")
    lines: list[Line] = []
    size = 0
    *whole, rest = content.split(b"\n")
    for number, raw in enumerate([*whole, rest] if rest else whole, start=1):
        place = f"{LOG_FILE}:{number}"
        line = _read_line(raw, number)
        if isinstance(line, str) or (number > len(whole)):
            said = line if isinstance(line, str) else "the line has no end"
            return Problem("log_broken", said, _RESTORE, place)
        if line.entry.sequence != number:
            said = f"entry {line.entry.sequence} stands where {number} belongs"
            return Problem("log_broken", said, _RESTORE, place)
        if line.entry.model != model:
            said = f"the entry is about `{line.entry.model}`, and the folder is `{model}`'s"
            return Problem("log_broken", said, _RESTORE, place)
        size += len(raw) + 1
        if size > MAX_LOG_BYTES - OPERATORS_BYTES and line.entry.action not in OPERATORS:
            said = "the log is full: what is left of it is kept for operators"
            return Problem("log_full", said, _RESTORE, place)
        if number == 1 and registry is None:
            pass
        elif number == 1 and line.entry.previous != head.hash:
            return other_registry()
        elif line.entry.previous != head.hash:
            if lines and not is_signed(lines[-1]):  # then it is the line before that was changed
                return foreign_signature(lines[-1])
            said = "the entry does not follow the one before it"
            return Problem("log_broken", said, _RESTORE, place)
        lines.append(line)
        head = line.head
    return tuple(lines)


def why_no_reason(text: str) -> str:
    """Why a text cannot stand as the reason of an entry; empty where it can."""
    if not any(category(c)[0] in "LN" and c not in _BLANK for c in text):
        return "a reason says why, and this one is empty"
    if len(text) > MAX_REASON or not text.isprintable() or not is_normalized("NFC", text):
        return f"a reason is one line of at most {MAX_REASON} printable characters"
    return "a reason repeats no card number" if holds_card_number(text) else ""


def _message(entry: Entry) -> bytes:
    return SIGNED_FORMAT + _canonical(_plain(entry))


def _plain(entry: Entry) -> dict[str, Any]:
    return {"schema": SCHEMA} | {name: getattr(entry, name) for name in _types()}


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@cache
def _types() -> dict[str, type]:
    hints = get_type_hints(Entry)
    kinds = {"sequence": int, "version": int, "files": dict}
    return {f.name: kinds.get(f.name, str) for f in fields(Entry) if f.name in hints}


def _read_line(raw: bytes, number: int) -> Line | str:
    """A line, or what is wrong with it."""
    try:
        value = json.loads(raw.decode())
    except (ValueError, RecursionError):
        return "the line is no JSON"
    if not isinstance(value, dict) or value.keys() != _types().keys() | {"schema", "signature"}:
        return "the line is no entry"
    signature = value.pop("signature")
    if value.pop("schema") != SCHEMA:
        return f"the entry's schema is not `{SCHEMA}`"
    if wrong := next((n for n, kind in _types().items() if type(value[n]) is not kind), ""):
        return f"`{wrong}` is not what an entry holds there"
    if not isinstance(signature, str) or _SIGNATURE.fullmatch(signature) is None:
        return "the signature is none"
    entry = Entry(**value)
    if wrong := wrong_field(entry):
        return f"`{wrong}` is not what an entry holds there"
    try:
        same = _canonical(_plain(entry) | {"signature": signature}) == raw
    except UnicodeEncodeError:
        same = False
    if not same:
        return "the line is not in its canonical form"
    head = Head(number, hashlib.sha256(raw + b"\n").hexdigest())
    return Line(entry, bytes.fromhex(signature), head)


def wrong_field(entry: Entry) -> str:
    """The name of a field whose value has another form than it must have; empty where none has."""
    right = {
        "sequence": 1 <= entry.sequence <= MAX_VERSION,
        "previous": _HASH.fullmatch(entry.previous),
        "at": moment_us(entry.at) is not None,
        "action": entry.action in ACTIONS,
        "model": MODEL_NAME.fullmatch(entry.model),
        "version": (0 if entry.content == "" else 1) <= entry.version <= MAX_VERSION,
        "content": _HASH.fullmatch(entry.content) or (entry.content == "" and entry.version == 0),
        "who": NAME.fullmatch(entry.who),
        "key": _HASH.fullmatch(entry.key),
        "reason": not why_no_reason(entry.reason),
        "validated_until": (entry.action == "approve") == bool(entry.validated_until)
        and (not entry.validated_until or day_us(entry.validated_until) is not None),
        "files": (entry.action == "register") == bool(entry.files) and _are_files(entry.files),
    }
    return next((name for name, fine in right.items() if not fine), "")


def _are_files(files: Mapping[str, Any]) -> bool:
    return len(files) <= MAX_FILES and all(
        FILE_NAME.fullmatch(name) and isinstance(digest, str) and _HASH.fullmatch(digest)
        for name, digest in files.items()
    )


def day_us(text: str) -> int | None:
    """The moment at which a date such as `2027-06-30` begins, UTC; None where there is none."""
    return moment_us(f"{text}T00:00:00Z")


_ELSEWHERE = "each place has a registry of its own: register, approve and activate it here"
_RESTORE = "bring the log back from version control or a copy, and ask who wrote to it"
