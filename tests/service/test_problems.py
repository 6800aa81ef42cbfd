"""Problems: their form, and that docs/api.md lists every code as it is."""

from __future__ import annotations

import json
import re

import pytest

from tests.conftest import ROOT
from tidegate.engine.event import Refusal
from tidegate.service.problems import KINDS, FieldError, Problem, invalid

LINE = re.compile(r"^\| `([a-z_]+)` \| (\d{3}) \| (.+?) \|$", re.MULTILINE)


def test_the_page_lists_every_code() -> None:
    """Whoever gets a code would not find it, or something else than it means."""
    page = (ROOT / "docs" / "api.md").read_text()
    listed = {code: (int(status), title) for code, status, title in LINE.findall(page)}
    assert listed == {code: (kind.status, kind.title) for code, kind in KINDS.items()}


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    """Clients that know problem details would not read ours."""
    problem = Problem(
        "invalid_request",
        "two things",
        "mend them",
        (FieldError("missing_field", "amount", "is missing"),),
    )
    assert json.loads(problem.to_bytes()) == {
        "type": "urn:tidegate:problem:invalid_request",
        "title": "The request was read, but is not in order",
        "status": 422,
        "code": "invalid_request",
        "detail": "two things",
        "help": "mend them",
        "errors": [{"code": "missing_field", "path": "amount", "message": "is missing"}],
    }
    assert problem.all_headers()["content-type"] == "application/problem+json"


def test_headers_say_what_to_do() -> None:
    """A client would not know that it has to authenticate, or when to come again."""
    assert Problem("no_token").all_headers()["www-authenticate"] == 'Bearer realm="tidegate"'
    assert 'error="invalid_token"' in Problem("token_expired").all_headers()["www-authenticate"]
    assert "insufficient_scope" in Problem("insufficient_scope").all_headers()["www-authenticate"]
    assert "www-authenticate" not in Problem("not_granted").all_headers()
    assert Problem("rate_limited", retry_after=3).all_headers()["retry-after"] == "3"
    assert Problem("bad_json", headers={"x-a": "b"}).all_headers()["x-a"] == "b"
    for code in KINDS:
        assert all(value.isascii() for value in Problem(code).all_headers().values())


def test_an_unknown_code_is_a_defect() -> None:
    """A code would be answered that no page explains."""
    with pytest.raises(ValueError, match="no code"):
        Problem("made_up")


def test_refusals_of_an_event_become_one_problem() -> None:
    """The engine's refusals would be lost on the way."""
    missing = Refusal("missing_field", "amount", "`amount` is missing", "the field is required")
    card = Refusal("card_number", "note", "`note` holds what looks like a card number")
    assert invalid([missing]).code == "invalid_request"
    assert invalid([missing, card]).code == "sensitive_data_refused"
    assert [error.path for error in invalid([missing, card]).errors] == ["amount", "note"]
