"""Cases: the queue for people, and the way in for whoever contests a decision."""

from __future__ import annotations

import re
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from tidegate.service.appending import text_of, wrong_field
from tidegate.service.callers import Caller
from tidegate.service.case_log import Verdict
from tidegate.service.cases import MAX_STATEMENT, Cases, FindsDecisions, Which, shown
from tidegate.service.gate import Gate
from tidegate.service.routes_parts import TEXT, body_of, described
from tidegate.store.cases import Place

CaseId = Annotated[str, Path(alias="case", description="The case's id.")]
DecisionId = Annotated[str, Path(alias="decision", description="The decision's id.")]
_VERDICTS = ("fraud", "good", "unsure")
_PLACE = re.compile(r"(\d{1,3})\.(\d{1,19})\.([0-9a-f-]{36})", re.ASCII)
_REASON = described({"reason": TEXT}, ("reason",), {"reason": "not mine to judge"})
_VERDICT = described(
    {"verdict": {"enum": list(_VERDICTS)}, "reason": TEXT},
    ("verdict", "reason"),
    {"verdict": "good", "reason": "the customer confirmed the payment"},
)
_CONTEST = described(
    {"statement": TEXT},
    ("statement",),
    {"statement": "I made this payment myself and want a person to look at it."},
)


def case_routes(cases: Cases, decisions: FindsDecisions, gate: Gate, clock_us: Any) -> APIRouter:
    """The routes of the queue, and of a contest."""
    router = APIRouter(prefix="/v1", tags=["cases"])

    def asking(method: str, path: str) -> Any:
        return Depends(gate.admits(method, f"/v1{path}"))

    queueing = asking("GET", "/cases")
    reading = asking("GET", "/cases/{case}")
    claiming = asking("POST", "/cases/{case}/claim")
    releasing = asking("POST", "/cases/{case}/release")
    closing = asking("POST", "/cases/{case}/verdict")
    contesting = asking("POST", "/decisions/{decision}/contest")

    @router.get("/cases", summary="A queue of cases, the most urgent first")
    async def read_queue(
        caller: Caller = queueing,
        queue: Annotated[Which, Query(description="Which cases.")] = "waiting",
        most: Annotated[int, Query(ge=1, le=200, description="So many at most.")] = 50,
        after: Annotated[str, Query(description="The `next` of the page before.")] = "",
    ) -> dict[str, Any]:
        page = await cases.page(caller, queue, most, _place(after))
        now_us = clock_us()
        end = page.next
        return {
            "cases": [shown(case, now_us) for case in page.cases],
            "next": None if end is None else f"{end.priority}.{end.opened_us}.{end.id}",
        }

    @router.get("/cases/{case}", summary="A case with its steps")
    async def read_case(case_id: CaseId, caller: Caller = reading) -> dict[str, Any]:
        return await cases.look(caller, case_id)

    @router.post("/cases/{case}/claim", summary="Work on a case; nobody else may meanwhile")
    async def claim_case(case_id: CaseId, caller: Caller = claiming) -> dict[str, Any]:
        return shown(await cases.claim(caller, case_id), clock_us())

    @router.post("/cases/{case}/release", summary="Put a case back", openapi_extra=_REASON)
    async def release_case(
        request: Request,
        case_id: CaseId,
        caller: Caller = releasing,
    ) -> dict[str, Any]:
        reason = text_of(body_of(request, frozenset({"reason"})), "reason")
        return shown(await cases.release(caller, case_id, reason), clock_us())

    @router.post("/cases/{case}/verdict", summary="Say what a case was", openapi_extra=_VERDICT)
    async def close_case(
        request: Request,
        case_id: CaseId,
        caller: Caller = closing,
    ) -> dict[str, Any]:
        body = body_of(request, frozenset({"verdict", "reason"}))
        verdict = body.get("verdict")
        if verdict not in _VERDICTS:
            raise wrong_field("verdict", "wrong_type", f"`verdict` is {' or '.join(_VERDICTS)}")
        case = await cases.close(caller, case_id, cast("Verdict", verdict), text_of(body, "reason"))
        return shown(case, clock_us())

    @router.post(
        "/decisions/{decision}/contest",
        summary="Ask that a person looks at a decision",
        responses={201: {"description": "A case was opened"}},
        openapi_extra=_CONTEST,
    )
    async def contest(
        request: Request,
        response: Response,
        decision_id: DecisionId,
        caller: Caller = contesting,
    ) -> dict[str, Any]:
        body = body_of(request, frozenset({"statement"}))
        statement = text_of(body, "statement", MAX_STATEMENT)
        case, is_new = await cases.contest(caller, decisions, decision_id, statement)
        response.status_code = 201 if is_new else 200
        return {"case_id": case.id, "decision_id": case.decision, "state": "open"}

    return router


def _place(text: str) -> Place | None:
    if not text:
        return None
    match = _PLACE.fullmatch(text)
    if match is None or int(match[2]) >= 2**63:
        raise wrong_field("after", "wrong_type", "`after` is the `next` of the page before")
    return Place(int(match[1]), int(match[2]), match[3])
