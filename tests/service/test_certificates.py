"""Tokens that are bound to a client's certificate, over a real connection with mutual TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.service.builders import POLICY, payment, run, settings_of, write_policy
from tidegate.service.issuer import load_issuer
from tidegate.service.server import Started, serve
from tidegate.service.tokens import thumbprint_of

Certified = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certified(folder: Path, name: str, by: Certified | None = None) -> Certified:
    """A certificate for loopback with its key, in files; an authority where nobody signs it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
    )
    made = builder.sign(key if by is None else by[1], hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made, key


def client_of(folder: Path, name: str) -> httpx.AsyncClient:
    """A client that shows this certificate, or none."""
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return httpx.AsyncClient(verify=context)


def test_a_bound_token_is_worth_nothing_without_its_certificate(tmp_path: Path) -> None:
    """Its owner decides; a thief with another certificate does not, and nobody without one."""
    authority = certified(tmp_path, "authority")
    certified(tmp_path, "server", authority)
    mine = certified(tmp_path, "mine", authority)
    certified(tmp_path, "theirs", authority)
    write_policy(tmp_path / "policy", POLICY)
    listen = {
        "port": 0,
        "certificate": str(tmp_path / "server.pem"),
        "private_key": str(tmp_path / "server.key"),
        "client_authorities": str(tmp_path / "authority.pem"),
    }

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[Started] = loop.create_future()
        settings = settings_of(tmp_path, listen=listen)
        serving = asyncio.ensure_future(serve(settings, ready.set_result))
        address = (await asyncio.wait_for(ready, 60)).address
        assert address.startswith("https://")
        der = mine[0].public_bytes(serialization.Encoding.DER)
        issuer = load_issuer(tmp_path / "data", lambda: datetime.now(UTC).timestamp())
        token = issuer.sign("client", "shop", scopes=["decide"], thumbprint=thumbprint_of(der))
        headers = {"authorization": f"Bearer {token}", "idempotency-key": "k"}

        async def ask(name: str) -> httpx.Response:
            async with client_of(tmp_path, name) as client:
                return await client.post(
                    f"{address}/v1/decisions/payment", json={"event": payment()}, headers=headers
                )

        assert (await ask("mine")).status_code == 200
        stolen = await ask("theirs")
        assert (stolen.status_code, stolen.json()["code"]) == (401, "certificate_mismatch")
        try:
            await ask("")
        except httpx.TransportError:
            pass
        else:
            raise AssertionError("a connection without a certificate is taken")
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    run(main())
