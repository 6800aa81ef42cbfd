"""Whether the process lives, and whether it can decide. Neither says more than that word."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response


def health_routes(is_ready: Callable[[], bool]) -> APIRouter:
    """The routes, for which no token is needed."""
    router = APIRouter(tags=["health"])

    @router.get("/livez", summary="Whether the process lives")
    async def livez() -> dict[str, str]:
        return {"status": "live"}

    @router.get(
        "/readyz",
        summary="Whether decisions can be made and recorded",
        responses={503: {"description": "Not now"}},
    )
    async def readyz(response: Response) -> dict[str, str]:
        if is_ready():
            return {"status": "ready"}
        response.status_code = 503
        return {"status": "not ready"}

    return router
