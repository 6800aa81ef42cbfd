"""Decisions besides the hot route: several at once, reading one, and why it fell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from tidegate.service.callers import Caller
from tidegate.service.decider import Answer, Call, Decider
from tidegate.service.decisions import Decisions
from tidegate.service.explanations import Audience
from tidegate.service.front import BODY
from tidegate.service.gate import Gate
from tidegate.service.hot import deadline_of, idempotency_key, members_of, priority_of
from tidegate.service.problems import FieldError, Problem, ProblemError, refused
from tidegate.service.settings import ClientSettings

DecisionId = Annotated[str, Path(description="The decision's id.")]
_ITEM = frozenset({"event_type", "idempotency_key", "event", "scores"})


def decision_routes(
    decider: Decider,
    decisions: Decisions,
    gate: Gate,
    clients: Mapping[str, ClientSettings],
    batch: int,
) -> APIRouter:
    """The routes for whoever may decide or read decisions."""
    router = APIRouter(prefix="/v1/decisions", tags=["decisions"])

    def asking(method: str, path: str) -> Any:
        return Depends(gate.admits(method, f"/v1/decisions{path}"))

    batching = asking("POST", "")
    reading = asking("GET", "/{decision}")
    explaining = asking("GET", "/{decision}/explanation")

    @router.post("", summary="Decide several events, each once for its own key")
    async def decide_batch(request: Request, caller: Caller = batching) -> Response:
        started = asyncio.get_running_loop().time()
        headers = request.scope["headers"]
        priority = priority_of(headers, clients.get(caller.name))
        deadline_ms = deadline_of(headers)
        asked: list[Answer | Problem | asyncio.Future[Answer]] = []
        items = _items(request.scope["state"].get(BODY), batch)
        gate.take(caller, len(items) - 1)
        for item in items:
            try:
                event, key, body, scores = _read_item(item)
                call = Call(
                    caller.principal,
                    caller.world,
                    caller.names,
                    event,
                    key,
                    _item_hash(item),
                    body,
                    scores,
                    priority,
                    deadline_ms,
                    started,
                )
                asked.append(decider.ask(call))
            except ProblemError as error:
                asked.append(error.problem)
        parts = [await _part(each) for each in asked]
        return Response(b'{"decisions":[' + b",".join(parts) + b"]}", media_type="application/json")

    @router.get("/{decision}", summary="Read a decision, as far as the caller's grants show it")
    async def read_decision(decision: DecisionId, caller: Caller = reading) -> dict[str, Any]:
        return await decisions.read(caller, decision)

    @router.get("/{decision}/explanation", summary="Why a decision fell, as an audience is told it")
    async def explain_decision(
        decision: DecisionId,
        caller: Caller = explaining,
        audience: Annotated[Audience, Query(description="Whom it is for.")] = "subject",
    ) -> dict[str, Any]:
        return await decisions.explain(caller, decision, audience)

    return router


def _items(body: Any, most: int) -> list[Any]:
    items = body.get("decisions") if isinstance(body, dict) else None
    if not isinstance(items, list) or not items or body.keys() != {"decisions"}:
        raise refused("invalid_request", "the body is an object with a list `decisions`")
    if len(items) > most:
        raise refused("invalid_request", f"at most {most} events are decided at once")
    return items


def _read_item(item: Any) -> tuple[str, str, Mapping[str, object], Mapping[str, Any]]:
    if not isinstance(item, dict) or item.keys() - _ITEM:
        errors = (FieldError("unknown_field", "", f"an item holds {', '.join(sorted(_ITEM))}"),)
        raise ProblemError(Problem("invalid_request", errors=errors))
    event, key = item.get("event_type"), item.get("idempotency_key")
    if not isinstance(event, str) or not isinstance(key, str):
        raise refused("invalid_request", "an item names its `event_type` and `idempotency_key`")
    body, scores = members_of({name: item[name] for name in ("event", "scores") if name in item})
    return event, idempotency_key(key), body, scores


def _item_hash(item: Mapping[str, Any]) -> bytes:
    """What makes two items the same: all that they hold, however it is spelled."""
    plain = json.dumps(item, sort_keys=True, default=str, ensure_ascii=True)
    return sha256(b"item:" + plain.encode()).digest()


async def _part(asked: Answer | Problem | asyncio.Future[Answer]) -> bytes:
    try:
        if isinstance(asked, Problem):
            raise ProblemError(asked)
        answer = asked if isinstance(asked, Answer) else await asked
    except ProblemError as error:
        return b'{"status":%d,"problem":%b}' % (error.problem.status, error.problem.to_bytes())
    return b'{"status":200,"decision":%b}' % answer.body
