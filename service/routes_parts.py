"""What the routes of events, cases, lists and snoozes share: their bodies, told to OpenAPI too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from tidegate.engine.values import NotHeldError, parse_time
from tidegate.service.appending import members, wrong_field
from tidegate.service.front import BODY

TEXT: Mapping[str, Any] = {"type": "string"}
TIME: Mapping[str, Any] = {"type": "string", "format": "date-time"}


def body_of(request: Request, known: frozenset[str]) -> dict[str, object]:
    """The body as an object with these members at most; `ProblemError` for anything else."""
    return members(request.scope["state"].get(BODY), known)


def time_of(body: Mapping[str, object], name: str) -> int | None:
    """A time of the body (UTC microseconds), None where it is absent."""
    raw = body.get(name)
    if raw is None:
        return None
    try:
        return parse_time(raw if isinstance(raw, str) else "")
    except NotHeldError:
        help_ = "as 2026-11-25T08:00:00Z"
        raise wrong_field(name, "wrong_type", f"`{name}` is a time", help_) from None


def texts_of(body: Mapping[str, object], name: str) -> Sequence[str]:
    """A list of texts of the body, empty where it is absent."""
    raw = body.get(name, [])
    if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
        raise wrong_field(name, "wrong_type", f"`{name}` is a list of texts")
    return raw


def described(
    properties: Mapping[str, Mapping[str, Any]],
    required: Sequence[str],
    example: Mapping[str, Any],
) -> dict[str, Any]:
    """The body of a route for OpenAPI."""
    schema = {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }
    content = {"application/json": {"schema": schema, "example": dict(example)}}
    return {"requestBody": {"required": True, "content": content}}
