"""A service behind a socket: one process, one loop, uvicorn around the application."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tidegate.service.assembly import Parts, Service, load_serving_policy, opened
from tidegate.service.authentication import authentication
from tidegate.service.gate import THUMBPRINT
from tidegate.service.issuer import secret_hash
from tidegate.service.settings import Settings, SettingsError
from tidegate.service.tokens import thumbprint_of

SECRETS_FILE = "development-secrets"


@dataclass(frozen=True, slots=True)
class Started:
    """A service that takes requests. `secrets`: in development, by client, one for this run."""

    address: str
    service: Service
    secrets: Mapping[str, str]


async def serve(settings: Settings, tell: Callable[[Started], None]) -> None:
    """Serve until the process is told to end (SIGINT, SIGTERM); requests under way are answered.

    `tell` is called once it takes requests. `SettingsError`, `PolicyRefused` and errors of the
    ledger end it before.
    """
    sock = listening(settings)
    try:
        address = _address(settings, sock)
        policy = load_serving_policy(settings)
        settings.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = _secrets(g.name for g in policy.program.grants if g.world == "client")
        hashes = {name: secret_hash(secret) for name, secret in own.items()}
        async with authentication(settings, address, hashes) as trusted:
            parts = Parts(trusted.verifier, trusted.issuer)
            async with opened(settings, parts, policy) as service:
                server = _Server(_config(settings, service))
                told = Started(address, service, own if trusted.issuer is not None else {})
                sock.listen(2048)
                tell(told)
                await server.serve(sockets=[sock])
    finally:
        sock.close()


class _Protocol(HttpToolsProtocol):
    """Tells the application which certificate the client has shown, by its thumbprint."""

    _thumbprint = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look at the certificate once a connection."""
        super().connection_made(transport)
        shown = transport.get_extra_info("ssl_object")
        certificate = None if shown is None else shown.getpeercert(binary_form=True)
        if certificate:
            self._thumbprint = thumbprint_of(certificate)

    def on_message_begin(self) -> None:
        """Put it into the scope of each request."""
        super().on_message_begin()
        if self._thumbprint:
            extensions: dict[str, Any] = {"tls": {THUMBPRINT: self._thumbprint}}
            self.scope["extensions"] = extensions


class _Server(uvicorn.Server):
    """Ends on SIGINT and SIGTERM, and leaves it to its caller what comes after that."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While it serves, a signal asks it to end; uvicorn's own way would kill the process."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(each)


def listening(settings: Settings) -> socket.socket:
    """The socket that the service has for itself; `SettingsError` where that cannot be had."""
    listen = settings.listen
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((listen.host, listen.port))
    except OSError as error:
        sock.close()
        raise SettingsError(
            f"listen: `{listen.host}:{listen.port}` cannot be had: {error.strerror}"
        ) from None
    return sock


def _address(settings: Settings, sock: socket.socket) -> str:
    scheme = "https" if settings.listen.certificate else "http"
    host = f"[{settings.listen.host}]" if ":" in settings.listen.host else settings.listen.host
    return f"{scheme}://{host}:{sock.getsockname()[1]}"


def _secrets(clients: Iterable[str]) -> dict[str, str]:
    return {name: secrets.token_urlsafe(24) for name in sorted(set(clients))}


def _config(settings: Settings, service: Service) -> uvicorn.Config:
    listen = settings.listen
    return uvicorn.Config(
        service.app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=10,
        ssl_certfile=listen.certificate or None,
        ssl_keyfile=listen.private_key or None,
        ssl_ca_certs=listen.client_authorities or None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if listen.client_authorities else ssl.CERT_NONE,
    )
