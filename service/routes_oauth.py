"""Tokens for development: client credentials, and the key set that verifies them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from tidegate.service.gate import thumbprint
from tidegate.service.http import header
from tidegate.service.issuer import DevelopmentIssuer

TOKEN = "/oauth/token"
KEYS = "/oauth/jwks.json"


def oauth_routes(issuer: DevelopmentIssuer) -> APIRouter:
    """The routes of the issuer. Production has none of them."""
    router = APIRouter(tags=["tokens"])

    @router.post(TOKEN, summary="A token for a client, in development")
    async def sign_token(request: Request) -> Response:
        authorization = header(request.scope["headers"], b"authorization")
        answer = issuer.answer(
            await request.body(),
            authorization.encode("latin-1") if authorization else None,
            thumbprint(request.scope),
        )
        return Response(answer.to_bytes(), answer.status, answer.headers)

    @router.get(KEYS, summary="The keys that verify tokens, in development")
    async def key_set() -> Response:
        return Response(issuer.jwks(), media_type="application/json")

    return router
