"""Whether the process lives, and whether it can decide. Neither says more than that word."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Depends, Response

from tidegate.service.gate import Gate


def health_routes(is_ready: Callable[[], bool], gate: Gate) -> APIRouter:
    """The routes: anybody may ask whether it lives, nothing else is answered without a token."""
    router = APIRouter(tags=["health"])

    @router.get("/livez", summary="Whether the process lives")
    async def livez() -> dict[str, str]:
        return {"status": "live"}

    @router.get(
        "/readyz",
        summary="Whether decisions can be made and recorded",
        responses={503: {"description": "Not now"}},
        dependencies=[Depends(gate.admits("GET", "/readyz"))],
    )
    async def readyz(response: Response) -> dict[str, str]:
        if is_ready():
            return {"status": "ready"}
        response.status_code = 503
        return {"status": "not ready"}

    return router
