"""The OpenAPI of the service: FastAPI's own, with the hot route, the events and the problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

HOT = "/v1/decisions/{event}"
_OPEN = {"/livez", "/oauth/token", "/oauth/jwks.json"}
"""Paths for which no token is needed."""

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457); docs/api.md lists the codes.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "help": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    name: {"type": "string"} for name in ("code", "path", "message", "help")
                },
                "required": ["code", "path", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "code"],
}
_DECISION: dict[str, Any] = {
    "type": "object",
    "description": "What was decided, as far as the caller's grants show it.",
    "properties": {
        "decision_id": {"type": "string", "format": "uuid"},
        "event": {"type": "string"},
        "key": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "mode": {"enum": ["normal", "silent"]},
        "cause": {"type": "string", "description": "why the `silent` answer was given"},
        "outcome": {
            "type": "object",
            "properties": {
                "word": {"enum": ["approve", "review", "step_up", "decline"]},
                "disposition": {"enum": ["approve", "hold", "decline"]},
                "authentication": {"enum": ["exempt", "none", "preferred", "mandated"]},
                "review": {"enum": ["none", "after", "before"]},
                "step_up": {"type": ["object", "null"]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "advice": {"type": "object"},
            },
        },
        "reasons": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {n: {"type": "string"} for n in ("code", "message", "retry")},
            },
        },
        "policy": {"type": "string", "description": "the hash of the policy that decided"},
    },
    "required": ["decision_id", "event", "key", "at", "mode", "policy"],
}


def describe(app: FastAPI, events: Mapping[str, Mapping[str, Any]]) -> None:
    """Let `app.openapi()` tell of every route.

    `events`: by the name of each decided event its `schema` and an `example`.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, routes=app.routes)
            _complete(found, events)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # how FastAPI wants it done


def _complete(found: dict[str, Any], events: Mapping[str, Mapping[str, Any]]) -> None:
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas |= {"Problem": _PROBLEM, "Decision": _DECISION}
    schemas |= {f"event.{name}": event["schema"] for name, event in events.items()}
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    found["paths"][HOT] = {"post": _hot(events)}
    _describe_batch(found["paths"], events)
    for path, item in found["paths"].items():
        for operation in item.values():
            operation["responses"].pop("422", None)
            if path in _OPEN:
                continue
            operation["security"] = [{"bearer": []}]
            operation["responses"]["default"] = {
                "description": "A problem",
                "content": {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                },
            }


def _hot(events: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "tags": ["decisions"],
        "summary": "Decide one event, once for its idempotency key",
        "operationId": "decide",
        "parameters": [
            {
                "name": "event",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": sorted(events)},
            },
            *_headers(key=True),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [_body(name) for name in sorted(events)]},
                    "examples": {
                        name: {"value": {"event": event["example"]}}
                        for name, event in sorted(events.items())
                    },
                }
            },
        },
        "responses": {"200": _answer({"$ref": "#/components/schemas/Decision"})},
    }


def _body(event: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "event": {"$ref": f"#/components/schemas/event.{event}"},
            "scores": {"type": "object", "description": "of external models, by name"},
        },
        "required": ["event"],
        "additionalProperties": False,
    }


def _headers(*, key: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": "Tidegate-Deadline-Ms",
            "in": "header",
            "schema": {"type": "integer", "minimum": 1},
            "description": "in how many milliseconds the answer is needed",
        },
        {
            "name": "Tidegate-Priority",
            "in": "header",
            "schema": {"enum": ["high", "normal", "low"]},
            "description": "lower than the client's own; a higher one changes nothing",
        },
    ]
    if key:
        found.insert(
            0,
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                "description": "new for each payment, the same for its retries",
                "example": "order-1001",
            },
        )
    return found


def _describe_batch(paths: dict[str, Any], events: Mapping[str, Mapping[str, Any]]) -> None:
    operation = paths["/v1/decisions"]["post"]
    operation["parameters"] = _headers(key=False)
    items = [
        {"event_type": name, "idempotency_key": f"order-{number}", "event": event["example"]}
        for number, (name, event) in enumerate(sorted(events.items()), start=2001)
    ]
    operation["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "decisions": {"type": "array", "items": {"type": "object"}, "minItems": 1}
                    },
                    "required": ["decisions"],
                    "additionalProperties": False,
                },
                "example": {"decisions": items},
            }
        },
    }
    operation["responses"]["200"] = _answer(
        {
            "type": "object",
            "properties": {
                "decisions": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "status": {"type": "integer"},
                            "decision": {"$ref": "#/components/schemas/Decision"},
                            "problem": {"$ref": "#/components/schemas/Problem"},
                        },
                        "required": ["status"],
                    },
                }
            },
            "required": ["decisions"],
        }
    )


def _answer(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": "Recorded, and then answered",
        "content": {"application/json": {"schema": schema}},
    }
