"""Whose tokens a service trusts: an identity provider's, or in development its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tidegate.service.issuer import DevelopmentIssuer
from tidegate.service.jwks import FileFetcher, KeyFetcher, TrustedKeys, UrlFetcher
from tidegate.service.settings import Settings
from tidegate.service.tokens import TokenRules, TokenVerifier


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who verifies tokens, and in development who signs them."""

    verifier: TokenVerifier
    issuer: DevelopmentIssuer | None


@dataclass(frozen=True, slots=True)
class _OwnKeys:
    """The key set of the issuer in this process."""

    issuer: DevelopmentIssuer

    async def fetch(self) -> bytes:
        """Its bytes."""
        return self.issuer.jwks()


@asynccontextmanager
async def authentication(
    settings: Settings,
    address: str,
    secrets: Mapping[str, bytes],
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Authentication]:
    """The tokens that are trusted while the block runs; keys are kept fresh beside it.

    `address` is where the service is reached, and `secrets` what `DevelopmentIssuer.clients` says:
    both are for development.
    """
    tokens = settings.tokens
    async with contextlib.AsyncExitStack() as stack:
        issuer: DevelopmentIssuer | None = None
        fetcher: KeyFetcher
        if not tokens.issuer:
            issuer = DevelopmentIssuer(address, tokens.audience, settings.mode, clock, secrets)
            issuer.save(settings.data_folder)
            fetcher = _OwnKeys(issuer)
        elif tokens.jwks.startswith("https://"):
            client = await stack.enter_async_context(httpx.AsyncClient())
            fetcher = UrlFetcher(tokens.jwks, client)
        else:
            fetcher = FileFetcher(Path(tokens.jwks))
        keys = TrustedKeys(fetcher, time.monotonic)
        rules = TokenRules(
            tokens.issuer or address,
            tokens.audience,
            max_lifetime_s=tokens.max_lifetime_s,
            bound=tokens.bound,
        )
        await keys.refresh()
        fresh = asyncio.create_task(keys.keep_fresh())
        try:
            yield Authentication(TokenVerifier(rules, keys, clock), issuer)
        finally:
            fresh.cancel()
            await asyncio.gather(fresh, return_exceptions=True)
