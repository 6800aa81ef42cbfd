"""The foreign vectors, and that the classes mean what they say."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.conformance import __main__ as command
from tests.conformance.classes import CLASSES, classify, unneeded
from tests.conformance.evaluation import Compiled
from tests.conformance.translation import translate
from tests.conformance.vectors import MalformedError, Vector, read
from tidegate.dsl.types import Kind

ONE, TWO = ["lit", "int", 1], ["lit", "int", 2]
NULL = ["lit", "null", None]


def vector(tree: list[Any], expect: str, value: tuple[str, Any], **variables: Any) -> Vector:
    """A vector of our own."""
    return Vector("own/1", "own", tree, variables, expect, value)


def class_of(one: Vector) -> str:
    """The class without any listed divergence."""
    return classify([one], {}, Random(0))[0].class_


def test_every_foreign_vector_has_its_class(shared: Path) -> None:
    """An evaluator would differ from what the world agrees on, and nobody would know why."""
    vectors = read(shared / "data" / "conformance" / "feel.jsonl.gz")
    classified, stale = command.run(vectors)
    lines = command.summary(classified)
    assert [line for line in lines if line.startswith("FAILED")] == []
    assert stale == []
    counts = [sum(one.class_ == name for one in classified) for name in CLASSES]
    assert sum(counts) == len(vectors) == 2052
    agreeing = [o for o in classified if o.class_ == "agrees" and not o.vector.may_fail]
    assert len(agreeing) >= 190


@pytest.mark.parametrize(
    ("tree", "expect", "value", "expected"),
    [
        (["arith", "+", ONE, TWO], "value", ("decimal", "3"), "agrees"),
        (["arith", "+", ONE, TWO], "value", ("decimal", "4"), "without a class"),
        (["arith", "+", ONE, TWO], "null", ("null", None), "without a class"),
        (["arith", "+", ONE, NULL], "null", ("null", None), "agrees"),
        (["arith", "+", ONE, NULL], "value", ("decimal", "1"), "without a class"),
        (["cmp", "<", ONE, TWO], "value", ("boolean", "true"), "agrees"),
        (["cmp", "<", ONE, TWO], "value", ("boolean", "false"), "without a class"),
        (["cmp", "<", ONE, NULL], "null", ("null", None), "agrees"),
        (["arith", "+", ONE, ["lit", "string", "a"]], "error", ("null", None), "must not compile"),
        (["and", ["lit", "bool", True], ONE], "value", ("boolean", "true"), "without a class"),
        (["arith", "**", ONE, TWO], "value", ("decimal", "1"), "not expressible"),
        (["arith", "+", ONE, TWO], "error", ("null", None), "without a class"),
        (["coalesce", NULL, TWO], "value", ("decimal", "2"), "agrees"),
        (["in", TWO, ["list", ONE, TWO]], "value", ("boolean", "true"), "agrees"),
        (["index", ["list", ONE], ONE], "value", ("decimal", "1"), "not expressible"),
    ],
)
def test_a_vector_gets_the_class_that_it_has(
    tree: list[Any], expect: str, value: tuple[str, Any], expected: str
) -> None:
    """A wrong answer would pass, or a right one would not."""
    assert class_of(vector(tree, expect, value)) == expected


def test_a_listed_divergence_is_one_only_where_something_differs() -> None:
    """A list of reasons would hide what has been mended, or call an agreement a divergence."""
    reasons = {"on purpose": ["own/*"], "no more": ["other/*"]}
    wrong = vector(["arith", "+", ONE, TWO], "value", ("decimal", "4"))
    right = vector(["arith", "+", ONE, TWO], "value", ("decimal", "3"))
    (diverging,) = classify([wrong], reasons, Random(0))
    assert (diverging.class_, diverging.why) == ("diverges", "on purpose")
    assert unneeded([diverging], reasons) == ["other/* (no more)"]
    (agreeing,) = classify([right], reasons, Random(0))
    assert agreeing.class_ == "agrees"
    assert unneeded([agreeing], reasons) == ["own/* (on purpose)", "other/* (no more)"]


@pytest.mark.parametrize("asked", [0, 1, 2, 3])
def test_one_evaluator_that_differs_is_enough(asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluator would be run and its answer thrown away."""
    honest = Compiled.answers

    def lying(policy: Compiled, situations: Any) -> Any:
        rows = honest(policy, situations)
        rows[asked] = [row._replace(fired=0) for row in rows[asked]]
        return rows

    monkeypatch.setattr(Compiled, "answers", lying)
    assert class_of(vector(["cmp", "<", ONE, TWO], "value", ("boolean", "true"))) != "agrees"


def test_lifting_leaves_no_literal() -> None:
    """Columns would be tested on constants, which are worked out before they see a row."""
    tree: list[Any] = ["between", ["lit", "num", "1.5"], ["neg", ONE], NULL]
    lifted = translate(vector(tree, "null", ("null", None)), lifted=True)
    assert lifted.text == "(f0 between (-f1) and f2)"
    assert lifted.fields == {
        "f0": (Kind.NUMBER, False, 1_500_000),
        "f1": (Kind.NUMBER, False, 1_000_000),
        "f2": (Kind.NUMBER, True, None),
    }


def test_the_command_fails_for_a_vector_without_a_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A build would go on although an answer is wrong."""
    path = tmp_path / "own.jsonl"
    case = {"id": "own/1", "ast": ONE, "vars": [], "expect": "value", "value": ["decimal", "1"]}
    path.write_text(json.dumps(case) + "\n", encoding="utf-8")
    assert command.main([str(path)]) == 0
    assert "1 agrees" in capsys.readouterr().out
    path.write_text(json.dumps({**case, "value": ["decimal", "2"]}), encoding="utf-8")
    assert command.main([str(path)]) == 1
    assert "FAILED own/1" in capsys.readouterr().out


def test_a_line_that_is_no_vector_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A suite would be run in part, and look whole."""
    path = tmp_path / "own.jsonl"
    path.write_text('\n{"id": 1}\n', encoding="utf-8")
    with pytest.raises(MalformedError, match=r"own\.jsonl:2: not a vector"):
        read(path)
    assert command.main([str(path)]) == 3
    assert "own.jsonl:2" in capsys.readouterr().err
