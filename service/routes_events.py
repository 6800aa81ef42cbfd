"""What happened elsewhere: events that are not decided here, labels, and the quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from tidegate.dsl.program import Program
from tidegate.dsl.types import Kind
from tidegate.engine.event import HashToken, Refusal, read_field
from tidegate.engine.grants import Grants
from tidegate.service.appending import text_of, wrong_field
from tidegate.service.callers import Caller
from tidegate.service.gate import Gate
from tidegate.service.intake import Intake, Receipt
from tidegate.service.labels import LabelConflictError, Labels, Said, label_of
from tidegate.service.problems import FieldError, Problem, ProblemError, refused
from tidegate.service.quarantine import Quarantine
from tidegate.service.routes_parts import TEXT, body_of, described

_EVENTS = described(
    {"event": {"type": "object"}, "events": {"type": "array", "items": {"type": "object"}}},
    (),
    {
        "event": {
            "id": "cb_1",
            "at": "2026-11-25T08:00:00Z",
            "payment": "pay_1",
            "kind": "fraudulent",
        }
    },
)
_LABEL = described(
    {"label": TEXT, "event": TEXT, "key": TEXT, "value": {"type": "boolean"}},
    ("label", "event", "key"),
    {"label": "fraud", "event": "payment", "key": "pay_1", "value": True},
)
_SETTLED = described(
    {"source": TEXT, "reason": TEXT},
    ("source", "reason"),
    {"source": "client:shop", "reason": "a batch after an outage, checked with the shop"},
)
_SOURCE = frozenset({"source", "reason"})


def event_routes(
    intake: Intake,
    labels: Labels,
    quarantine: Quarantine,
    gate: Gate,
    *,
    program: Program,
    grants: Grants,
    hash_token: HashToken,
    batch: int,
) -> APIRouter:
    """The routes for whoever tells of events, and for people who look after them."""
    router = APIRouter(prefix="/v1", tags=["events"])

    def asking(method: str, path: str) -> Any:
        return Depends(gate.admits(method, f"/v1{path}"))

    sending = asking("POST", "/events/{event}")
    labelling = asking("POST", "/labels")
    letting_in = asking("POST", "/quarantine/let_in")
    turning_away = asking("POST", "/quarantine/turn_away")

    @router.post(
        "/events/{event}",
        summary="Tell of one event that happened, or of several",
        openapi_extra=_EVENTS,
    )
    async def send_events(
        request: Request,
        event: Annotated[str, Path(description="The type of the events.")],
        caller: Caller = sending,
    ) -> dict[str, Any]:
        body = body_of(request, frozenset({"event", "events"}))
        if "event" in body and "events" not in body:
            (result,) = await intake.take(caller, event, [_object(body["event"], "event")])
            if isinstance(result, Problem):
                raise ProblemError(result)
            return _receipt(result)
        items = body.get("events")
        if "event" in body or not isinstance(items, list) or not 1 <= len(items) <= batch:
            raise refused(
                "invalid_request", f"the body holds one `event`, or 1 to {batch} `events`"
            )
        gate.take(caller, len(items) - 1)
        bodies = [_object(item, f"events[{n}]") for n, item in enumerate(items)]
        results = await intake.take(caller, event, bodies)
        return {"results": [_part(result) for result in results]}

    @router.post("/labels", summary="Say what turned out about an event", openapi_extra=_LABEL)
    async def say_label(request: Request, caller: Caller = labelling) -> dict[str, Any]:
        body = body_of(request, frozenset({"label", "event", "key", "value"}))
        said = _said(program, body, caller, hash_token)
        if not grants.permission(caller.world, caller.names, "send_events", said.event).allowed:
            raise refused("out_of_grant")
        if not intake.may_label(caller):
            raise ProblemError(
                Problem("rate_limited", "this source reports more labels than an hour takes",
                        retry_after=600)
            )  # fmt: skip
        try:
            receipt = await labels.say(said)
        except LabelConflictError:
            raise refused("conflict", "the same caller said something else of it") from None
        return {"status": "duplicate" if receipt.repeated else "accepted", "id": receipt.id}

    @router.get(
        "/quarantine",
        summary="What is kept apart, by source",
        dependencies=[asking("GET", "/quarantine")],
    )
    async def read_quarantine() -> dict[str, Any]:
        waiting = await quarantine.waiting()
        return {
            "sources": [
                {"source": one.source, "events": one.events, "since": one.since} for one in waiting
            ]
        }

    @router.post(
        "/quarantine/let_in",
        summary="Let a source's events count from now on",
        openapi_extra=_SETTLED,
    )
    async def let_in(request: Request, caller: Caller = letting_in) -> dict[str, Any]:
        body = body_of(request, _SOURCE)
        source, reason = text_of(body, "source"), text_of(body, "reason")
        return {"let_in": await quarantine.let_in(caller, source, reason)}

    @router.post(
        "/quarantine/turn_away",
        summary="Leave a source's events out for good",
        openapi_extra=_SETTLED,
    )
    async def turn_away(request: Request, caller: Caller = turning_away) -> dict[str, Any]:
        body = body_of(request, _SOURCE)
        source, reason = text_of(body, "source"), text_of(body, "reason")
        return {"turned_away": await quarantine.turn_away(caller, source, reason)}

    return router


def _object(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise wrong_field(path, "wrong_type", "an event is an object of named values")
    return value


def _receipt(receipt: Receipt) -> dict[str, Any]:
    return {"status": receipt.status, "id": receipt.id}


def _part(result: Receipt | Problem) -> dict[str, Any]:
    if isinstance(result, Problem):
        return {"status": "refused", "problem": result.to_json()}
    return _receipt(result)


def _said(
    program: Program, body: Mapping[str, object], caller: Caller, hash_token: HashToken
) -> Said:
    label, event = text_of(body, "label"), text_of(body, "event")
    value = body.get("value", True)
    if not isinstance(value, bool):
        raise wrong_field("value", "wrong_type", "`value` is true or false")
    if label_of(program, label, event) is None:
        raise refused("not_found", "the policy has no such label of such events")
    declared = program.event(event)
    key = read_field(program, declared, declared.key, body.get("key"), hash_token)
    if isinstance(key, Refusal):
        secret = key.code == "card_number"
        error = FieldError(key.code, "key", key.message, key.help)
        code = "sensitive_data_refused" if secret else "invalid_request"
        raise ProblemError(Problem(code, errors=(error,)))
    if declared.field(declared.key).type.kind not in (Kind.TOKEN, Kind.TEXT):
        key = str(key)
    return Said(label, event, str(key), value, caller.principal, caller.principal)
