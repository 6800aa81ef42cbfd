"""Who may do what with models: names, roles and public keys, as a reviewed file lists them.

The file is the root of trust: whoever can write it can approve anything. It belongs where authors
of models cannot write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

Role = Literal["author", "approver", "operator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
NAME: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}")
"""ASCII alone: two names that look alike would be two people."""

REGISTRY_ID: Final = re.compile(r"[0-9a-f]{32}")
KEY_PREFIX: Final = "ed25519:"
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Person:
    """One row: this name, with this key, has these roles until then.

    A name may have several rows, one a key: that is how a key is changed, and how entries that the
    old one signed stay valid. `until_us` (UTC microseconds) ends key and roles.
    """

    name: str
    key: bytes
    roles: frozenset[Role]
    until_us: int | None = None


def key_text(key: bytes) -> str:
    """`ed25519:` and the key in hex."""
    return KEY_PREFIX + key.hex()


def read_key(text: str) -> bytes | None:
    """The 32 bytes of a public key that `key_text` wrote; None for any other text."""
    digits = text.removeprefix(KEY_PREFIX)
    if digits == text or re.fullmatch(r"[0-9a-f]{64}", digits) is None:
        return None
    return bytes.fromhex(digits)


class People:
    """Rows by name and by key. A key belongs to one name."""

    __slots__ = ("_by_key", "_names", "_registry")

    def __init__(self, rows: Iterable[Person] = (), registry: str = "") -> None:
        """Take the rows; ValueError where one of them could not be trusted.

        `registry` is the id of the place: logs that were begun under another one are not believed.
        """
        self._registry = registry
        self._by_key: dict[bytes, Person] = {}
        for row in rows:
            if why := why_untrusted(row, self._by_key.get(row.key)):
                raise ValueError(why)
            self._by_key[row.key] = row
        self._names = frozenset(row.name for row in self._by_key.values())

    def __contains__(self, name: object) -> bool:
        return name in self._names

    @property
    def registry(self) -> str:
        """The id of the registry whose people these are; empty where it has none."""
        return self._registry

    @property
    def names(self) -> frozenset[str]:
        """All names."""
        return self._names

    def owner(self, key: bytes) -> Person | None:
        """Whose key it is."""
        return self._by_key.get(key)


def why_untrusted(row: Person, before: Person | None) -> str:
    """Why a row cannot stand among the people; `before` is the row that has its key already."""
    if NAME.fullmatch(row.name) is None:
        return f"`{row.name}` is no name: small letters, digits, `.`, `_` and `-` are"
    if len(row.key) != KEY_BYTES:
        return f"the key of `{row.name}` does not have 32 bytes"
    if _masked(row.key) in _SMALL_ORDER:
        return f"the key of `{row.name}` is one for which anybody can sign"
    if not row.roles:
        return f"`{row.name}` has no role"
    if before is not None:
        return f"`{before.name}` and `{row.name}` have one key"
    return ""


def _masked(key: bytes) -> bytes:
    """The key without the bit of its sign."""
    return key[:-1] + bytes([key[-1] & 0x7F])


# Points whose order divides eight, two of them in a second spelling: a signature under such a key
# can be made without a private key.
_SMALL_ORDER = frozenset(
    bytes.fromhex(digits)
    for digits in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
