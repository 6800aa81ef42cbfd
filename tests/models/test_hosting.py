"""The parts of a host by themselves: what is an answer, and how long one is patient."""

from __future__ import annotations

import json

import pytest

from tidegate.models.hosting.answers import (
    MAX_REASON,
    Answer,
    BadAnswerError,
    Shape,
    question,
    read_answer,
)
from tidegate.models.hosting.patience import Patience
from tidegate.models.scored import Scored

SHAPE = Shape(-20, 2)
GOOD = {"n": 7, "status": "ok", "score": 5, "total": -15, "contributions": [9, -4]}


def line(**other: object) -> bytes:
    """A good answer with some parts otherwise."""
    return json.dumps({**GOOD, **other}).encode()


def test_a_good_line_is_an_answer() -> None:
    """Nothing at all would be an answer."""
    assert read_answer(line(), SHAPE) == Answer(7, Scored("ok", 5, -15, (9, -4)))
    assert read_answer(b'{"n": 7, "status": "failed"}', SHAPE) == Answer(7, None)
    said = read_answer(json.dumps({"n": 1, "status": "abstained", "reason": "why"}).encode(), SHAPE)
    assert said == Answer(1, Scored("abstained", None, None, (), "why"))


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"n": 1' + b"0" * 5_000 + b"}",
        line(n="7"),
        line(n=True),
        line(status="fine"),
        line(status=["ok"]),
        line(score=None),
        line(score=5.0),
        line(score=False),
        line(score="5"),
        line(score=-1),
        line(score=1_000_001),
        line(score=float("nan")),
        line(score=float("inf")),
        line(total=-14),
        line(total=-15.0),
        line(contributions=[-15]),
        line(contributions=[9, -4, 0]),
        line(contributions=[9, -5, 1]),
        line(contributions=[9, -4.0]),
        line(contributions={"0": 9, "1": -4}),
        line(contributions="94"),
        line(contributions=[2**63, -(2**63) + 5]),
        json.dumps({"n": 1, "status": "abstained"}).encode(),
        json.dumps({"n": 1, "status": "abstained", "reason": "x" * (MAX_REASON + 1)}).encode(),
        json.dumps({"n": 1, "status": "abstained", "reason": "a\nforged line"}).encode(),
    ],
)
def test_anything_else_is_none(bad: bytes) -> None:
    """A record would hold what no model of ours can say."""
    with pytest.raises(BadAnswerError):
        read_answer(bad, SHAPE)


def test_a_score_belongs_to_its_total() -> None:
    """An explanation would sum to another score than the one that decided."""
    exact = Shape(-20, 2, lambda total: total + 20)
    assert read_answer(line(), exact).scored is not None
    with pytest.raises(BadAnswerError, match="not that of its total"):
        read_answer(line(score=6), exact)


def test_the_longest_good_answer_is_short_enough() -> None:
    """A good answer would be thrown away for its length."""
    most = 2**63 - 1
    longest = line(n=most, total=most, contributions=[-most, -most])
    assert len(longest) < SHAPE.max_bytes
    reason = {"n": most, "status": "abstained", "reason": "\U0001f600" * MAX_REASON}
    assert len(json.dumps(reason)) < SHAPE.max_bytes


def test_a_question_is_one_line() -> None:
    """A text of a payment could ask a question of its own."""
    asked = question(3, ["a\nb", 5, True, None, "\ud800"], 0.5)
    assert asked.count(b"\n") == 1
    assert json.loads(asked) == {
        "n": 3,
        "alarm_s": 0.5,
        "values": ["a\nb", 5, True, None, "\ud800"],
    }


def test_pauses_double_up_to_the_longest() -> None:
    """A worker that cannot start would be started all the time."""
    patience = Patience(first_s=0.1, longest_s=1.0, faults_allowed=100)
    pauses = []
    for _ in range(6):
        patience.note_fault(0.0)
        pauses.append(patience.pause)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    patience.faults = 10**9
    assert patience.pause == 1.0


def test_patience_is_out_for_a_pause_and_then_there_is_a_trial() -> None:
    """A model that failed often would never be asked again, or be asked all the time."""
    patience = Patience(first_s=1.0, longest_s=60.0, faults_allowed=3)
    for now in (10.0, 11.0):
        patience.note_fault(now)
        assert not patience.is_out(now)
    patience.note_fault(12.0)
    assert patience.is_out(15.9)
    assert not patience.is_out(16.0)
    patience.note_fault(16.0)
    assert patience.is_out(23.9)
    assert not patience.is_out(24.0)
    patience.note_answer()
    patience.note_fault(25.0)
    assert not patience.is_out(25.0)
