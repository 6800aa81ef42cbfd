"""The application: FastAPI with all routes, and the hot route before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from tidegate.service.door import Door
from tidegate.service.front import Front
from tidegate.service.gate import Gate
from tidegate.service.hot import HotDecisions
from tidegate.service.openapi import HOT, describe
from tidegate.service.problems import FieldError, Problem, ProblemError

_STATUS_CODES: Mapping[int, str] = {404: "not_found", 405: "method_not_allowed"}


@dataclass(frozen=True, slots=True)
class Routes:
    """What an application answers: the hot route and all others."""

    hot: HotDecisions
    others: Sequence[APIRouter]


def application(
    routes: Routes,
    gate: Gate,
    door: Door,
    events: Mapping[str, Mapping[str, Any]],
    *,
    forms: Sequence[str] = (),
) -> Front:
    """The application. `events` are examples of decided events, by name, for the OpenAPI."""
    from tidegate import __version__

    app = FastAPI(
        title="Tidegate",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.router.routes.append(Route(HOT, routes.hot, methods=["POST"], name="decide"))

    @app.get("/openapi.json", dependencies=[Depends(gate.admits("GET", "/openapi.json"))])
    async def description() -> dict[str, Any]:
        """Give this description."""
        return app.openapi()

    for router in routes.others:
        app.include_router(router)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    describe(app, events)
    return Front(app, routes.hot, door, forms=forms, served=served(routes))


def served(routes: Routes) -> set[tuple[str, str]]:
    """Method and path template of everything that is served, to be held against the table."""
    plain = [route for router in routes.others for route in router.routes]
    return {("POST", HOT), ("GET", "/openapi.json")} | {
        (method, str(getattr(route, "path", "")))
        for route in plain
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
    }


def problem_response(problem: Problem) -> Response:
    """A problem as FastAPI answers it."""
    return Response(problem.to_bytes(), problem.status, problem.all_headers())


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error.problem)


async def _invalid(_request: Request, error: Exception) -> Response:
    """What FastAPI says of a bad parameter, without the value."""
    assert isinstance(error, RequestValidationError)
    found = tuple(
        FieldError("invalid", ".".join(str(part) for part in one["loc"]), str(one["msg"]))
        for one in error.errors()
    )
    return problem_response(Problem("invalid_request", errors=found))


async def _plain(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _STATUS_CODES.get(error.status_code)
    if code is None:
        code = "bad_request" if error.status_code < 500 else "internal"
    return problem_response(Problem(code))
