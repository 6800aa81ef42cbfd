"""Who is asking, as far as a verified token says."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.engine.grants import World

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Caller:
    """A client (a machine) or a person, known by name.

    roles: a person's, empty for a client. scopes: what the token may be used for.
    thumbprint: SHA-256 of the certificate that the token is bound to, base64url; empty where it is
    bound to none. expires_at: when the token ends, seconds since 1970.
    """

    world: World
    name: str
    roles: frozenset[str] = NOBODY
    scopes: frozenset[str] = NOBODY
    thumbprint: str = ""
    expires_at: int = 0

    @property
    def names(self) -> frozenset[str]:
        """The names that grants are given to: a client's own, a person's roles."""
        return frozenset({self.name}) if self.world == "client" else self.roles

    @property
    def principal(self) -> str:
        """World and name in one word; the same name in both worlds is two principals."""
        return f"{self.world}:{self.name}"
