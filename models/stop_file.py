"""A stop beside the log: what an operator leaves where the log cannot take an entry.

    models/boosting/stop.json      signed by an operator; it holds whatever the log is

It counts until the log, whole again, holds an `enable` that is later.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tidegate.models.clock import TOLERANCE_US
from tidegate.models.moments import moment_text, moment_us
from tidegate.models.ordinary_files import read_ordinary
from tidegate.models.people import NAME, People
from tidegate.models.problems import Problem
from tidegate.models.registry_log import why_no_reason
from tidegate.vault.keys import Signer

STOP_FILE: Final = "stop.json"
SCHEMA: Final = "tidegate-model-stop/1"
SIGNED_FORMAT: Final = b"tidegate-model-stop-1\n"
MAX_STOP_BYTES: Final = 2**14

_FIELDS: Final = ("at", "key", "model", "reason", "registry", "who")
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class Stop:
    """Who stopped a model, when and why; `key` is hex, `at_us` UTC microseconds."""

    who: str
    key: str
    at: str
    at_us: int
    reason: str


def signed_stop(model: str, registry: str, signer: Signer, reason: str, at_us: int) -> bytes:
    """The content of the file that stops a model."""
    plain = {
        "at": moment_text(at_us),
        "key": signer.public_key.hex(),
        "model": model,
        "reason": reason,
        "registry": registry,
        "schema": SCHEMA,
        "who": signer.name,
    }
    signature = signer.sign(SIGNED_FORMAT + _canonical(plain)).hex()
    return _canonical(plain | {"signature": signature}) + b"\n"


def read_stop(folder: Path, people: People, now_us: int) -> Stop | Problem | None:
    """The stop beside a log, None without one; a Problem where no operator made what lies there."""
    try:
        content = read_ordinary(folder / STOP_FILE, MAX_STOP_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Problem("unreadable", f"cannot be read: {error.strerror}", _LOOK, STOP_FILE)
    return stop_of(content, folder.resolve().name, people, now_us)


def stop_of(content: bytes, model: str, people: People, now_us: int) -> Stop | Problem:
    """The stop that a file's content is, made by an operator for this model in this registry."""
    value = _value(content)
    if value is None:
        return Problem("no_stop", "the stop does not have the form of one", _LOOK, STOP_FILE)
    at_us = moment_us(value["at"])
    assert at_us is not None, "looked at above"
    if (value["model"], value["registry"]) != (model, people.registry):
        return Problem("no_stop", "the stop is of another model or registry", _LOOK, STOP_FILE)
    if at_us > now_us + TOLERANCE_US:
        return Problem("dated_ahead", f"the stop is of {value['at']}, to come", _LOOK, STOP_FILE)
    person = people.owner(bytes.fromhex(value["key"]))
    if (
        person is None
        or person.name != value["who"]
        or "operator" not in person.roles
        or (person.until_us is not None and at_us >= person.until_us)
    ):
        message = f"`{value['who']}` was no operator with that key"
        return Problem("no_stop", message, _LOOK, STOP_FILE)
    if not _is_signed(value):
        message = f"the signature is not that of `{value['who']}`"
        return Problem("bad_signature", message, _LOOK, STOP_FILE)
    return Stop(value["who"], value["key"], value["at"], at_us, value["reason"])


def _value(content: bytes) -> dict[str, str] | None:
    try:
        value: Any = json.loads(content.decode())
        if not isinstance(value, dict) or value.keys() != {*_FIELDS, "schema", "signature"}:
            return None
        fine = (
            all(isinstance(text, str) for text in value.values())
            and value["schema"] == SCHEMA
            and _KEY.fullmatch(value["key"])
            and _SIGNATURE.fullmatch(value["signature"])
            and NAME.fullmatch(value["who"])
            and moment_us(value["at"]) is not None
            and not why_no_reason(value["reason"])
            and _canonical(value) + b"\n" == content
        )
    except (ValueError, RecursionError):
        return None
    return value if fine else None


def _is_signed(value: dict[str, str]) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    plain = {name: text for name, text in value.items() if name != "signature"}
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(value["key"]))
        key.verify(bytes.fromhex(value["signature"]), SIGNED_FORMAT + _canonical(plain))
    except (InvalidSignature, ValueError):
        return False
    return True


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


_LOOK = "it stops nothing: ask who wrote it, and `disable` anew where the model has to be stopped"
