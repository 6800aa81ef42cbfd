"""Managed lists and snoozes, for the people whom a grant names."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from tidegate.service.appending import text_of, wrong_field
from tidegate.service.callers import Caller
from tidegate.service.gate import Gate
from tidegate.service.lists import ListKeeper, Wanted
from tidegate.service.managed_lists import NEVER_US
from tidegate.service.routes_parts import TEXT, TIME, body_of, described, texts_of, time_of
from tidegate.service.snoozes import Snoozes

ListName = Annotated[str, Path(alias="list", description="The list's name.")]
SnoozeId = Annotated[str, Path(alias="snooze", description="The snooze's id.")]
_TEXTS = {"type": "array", "items": {"type": "string"}}
_CHANGE = described(
    {"add": _TEXTS, "remove": _TEXTS, "until": TIME, "reason": TEXT},
    ("reason",),
    {"add": ["tok_4711"], "until": "2027-01-01T00:00:00Z", "reason": "known for years"},
)
_SNOOZE = described(
    {"event": TEXT, "rule": TEXT, "field": TEXT, "value": {}, "until": TIME, "reason": TEXT},
    ("event", "rule", "field", "value", "until", "reason"),
    {
        "event": "payment",
        "rule": "large_payment",
        "field": "card",
        "value": "tok_4711",
        "until": "2026-12-01T00:00:00Z",
        "reason": "the customer furnishes an office this week",
    },
)
_REASON = described({"reason": TEXT}, ("reason",), {"reason": "the customer is done"})


def list_routes(lists: ListKeeper, gate: Gate) -> APIRouter:
    """The routes of managed lists."""
    router = APIRouter(prefix="/v1/lists", tags=["lists"])

    def asking(method: str, path: str) -> Any:
        return Depends(gate.admits(method, f"/v1/lists{path}"))

    changing = asking("POST", "/{list}/changes")

    @router.get(
        "",
        summary="The managed lists, with the hashes that decisions record",
        dependencies=[asking("GET", "")],
    )
    async def read_lists() -> dict[str, Any]:
        return {"lists": lists.summary()}

    @router.get("/{list}", summary="What is on a list", dependencies=[asking("GET", "/{list}")])
    async def read_list(
        name: ListName,
        most: Annotated[int, Query(ge=1, le=1_000, description="So many at most.")] = 100,
        after: Annotated[str, Query(description="The `next` of the page before.")] = "",
    ) -> dict[str, Any]:
        return lists.entries(name, most, after)

    @router.post(
        "/{list}/changes", summary="Put values on a list, or take them off", openapi_extra=_CHANGE
    )
    async def change_list(
        request: Request,
        name: ListName,
        caller: Caller = changing,
    ) -> dict[str, Any]:
        body = body_of(request, frozenset({"add", "remove", "until", "reason"}))
        reason, until_us = text_of(body, "reason"), time_of(body, "until")
        wanted = Wanted(
            texts_of(body, "add"),
            texts_of(body, "remove"),
            NEVER_US if until_us is None else until_us,
        )
        if not wanted.add and not wanted.remove:
            raise wrong_field("add", "missing_field", "there is nothing to add or to remove")
        return await lists.change(caller, name, wanted, reason)

    return router


def snooze_routes(snoozes: Snoozes, gate: Gate) -> APIRouter:
    """The routes of snoozes."""
    router = APIRouter(prefix="/v1/snoozes", tags=["snoozes"])

    def asking(method: str, path: str) -> Any:
        return Depends(gate.admits(method, f"/v1/snoozes{path}"))

    reading = asking("GET", "")
    starting = asking("POST", "")
    ending = asking("DELETE", "/{snooze}")

    @router.get("", summary="The snoozes that last")
    async def read_snoozes(caller: Caller = reading) -> dict[str, Any]:
        return {"snoozes": snoozes.active(caller)}

    @router.post("", summary="Silence one rule for one key until a time", openapi_extra=_SNOOZE)
    async def start_snooze(request: Request, caller: Caller = starting) -> dict[str, Any]:
        known = frozenset({"event", "rule", "field", "value", "until", "reason"})
        body = body_of(request, known)
        until_us = time_of(body, "until")
        if until_us is None:
            raise wrong_field("until", "missing_field", "a snooze ends: say when")
        if body.get("value") is None:
            raise wrong_field("value", "missing_field", "a snooze is for one key: say which")
        return await snoozes.start(
            caller,
            (text_of(body, "event"), text_of(body, "rule")),
            (text_of(body, "field"), body["value"]),
            until_us,
            text_of(body, "reason"),
        )

    @router.delete("/{snooze}", summary="End a snooze before its time", openapi_extra=_REASON)
    async def end_snooze(
        request: Request,
        snooze_id: SnoozeId,
        caller: Caller = ending,
    ) -> dict[str, Any]:
        reason = text_of(body_of(request, frozenset({"reason"})), "reason")
        await snoozes.end(caller, snooze_id, reason)
        return {"snooze_id": snooze_id, "state": "ended"}

    return router
