"""A model's file: one canonical form, and every mistake told with its place and a way out."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.models_generated import FAMILIES, generated_model
from tidegate.dsl.types import COUNTRY, MONEY, TOKEN
from tidegate.models.portable import Axis, Family, Input, LinearTerm, PortableModel, TableTerm, Tree
from tidegate.models.reading import read_model, write_model
from tidegate.models.refusals import MAX_PROBLEMS, ModelRefused, refuse_file_name
from tidegate.models.signature import signature_of

INPUTS = (
    Input("amount", MONEY, "EUR", (), 0, 500_000),
    Input("issuer", COUNTRY, "", ("FR", "DE"), takes_missing=True),
)
TREE = Tree(
    inputs=(0, -1, 1, -1, -1),
    cuts=(100, 0, 0, 0, 0),
    yes=(1, 0, 3, 0, 0),
    no=(2, 0, 4, 0, 0),
    missing_yes=(False, False, True, False, False),
    words=(None, None, (0, 2), None, None),
    values=(500, 900, 100, 50, 170),
)
FOREST = PortableModel(
    "fraud", 3, "random_forest", "probability", INPUTS, 500, (), (TREE,), unit=1000, divisor=1
)
TERMS = (
    LinearTerm(0, 0.5, 12.0),
    TableTerm((Axis(0, (10, 20)),), (1, 2, 3, 4)),
    TableTerm((Axis(0, (10,)), Axis(1)), tuple(range(12))),
)
ADDITIVE = PortableModel("fraud", 3, "additive", "logit", INPUTS, 7, TERMS, unit=1000)

Change = Callable[[dict[str, Any]], Any]


def written(document: Any) -> bytes:
    """As `write_model` writes, of anything."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def problems_of(content: bytes) -> tuple[str, ...]:
    """Why a file is refused."""
    with pytest.raises(ModelRefused) as caught:
        read_model(content)
    return caught.value.problems


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(25))
def test_a_model_survives_its_file(family: Family, seed: int) -> None:
    """A field would be lost or changed on the way, or one model have two files."""
    model = generated_model(Random(f"{seed}{family}"), family)
    content = write_model(model)
    assert read_model(content) == model
    assert write_model(read_model(content)) == content
    assert written(json.loads(content)) == content


def at(*path: Any, value: Any) -> Change:
    """Set a value deep in a document."""

    def change(document: dict[str, Any]) -> None:
        one: Any = document
        for key in path[:-1]:
            one = one[key]
        one[path[-1]] = value

    return change


MISTAKES: tuple[tuple[PortableModel, Change, str], ...] = (
    (FOREST, at("format", value="other"), "the file's `format` is not `tidegate-model`: export"),
    (FOREST, at("schema", value=2), "`schema` is 2: 1, which this version reads, belongs here"),
    (FOREST, at("schema", value=True), "`schema` is true: 1, which this version reads"),
    (FOREST, at("name", value="Fraud"), "`name` is `Fraud`, no name of the language: use"),
    (FOREST, at("name", value="rule"), "`name` is `rule`, a word of the language: use"),
    (FOREST, at("version", value=0), "`version` is 0: it has at least 1"),
    (FOREST, at("version", value=True), "`version` is true: a whole number belongs here"),
    (FOREST, at("version", value=1.0), "`version` is 1.0: a whole number belongs here"),
    (FOREST, at("base", value=None), "`base` is null: a whole number belongs here"),
    (FOREST, at("base", value=2**63), "`base` is 9223372036854775808: it has 64 bits"),
    (FOREST, at("unit", value=0), "`unit` is 0: it has at least 1"),
    (FOREST, at("divisor", value=0), "`divisor` is 0: it has at least 1"),
    (FOREST, at("divisor", value=2), "`divisor` is 2: it is 1, or the number of trees"),
    (FOREST, at("unit", value=5 * 10**12), "`divisor` times `unit` is above 4000000000000: use"),
    (FOREST, at("family", value="oracle"), "`family` is `oracle`: one of logistic_regression"),
    (FOREST, at("family", value="additive"), "`family` is additive, which has terms: correct"),
    (FOREST, at("link", value=["logit"]), "`link` is a list: one of logit, probability belongs"),
    (FOREST, at("base", value=151), "totals may reach -299 or 551: correct `divisor`"),
    (FOREST, at("base", value=601), "totals may reach 151 or 1001: correct `divisor`"),
    (FOREST, at("extra", value=1), "`$` has a key `extra` that nobody knows: leave it out"),
    (FOREST, lambda d: d.pop("unit"), "`unit` is not there: write it by"),
    (FOREST, at("inputs", value=[]), "`inputs` is empty: a model without inputs"),
    (FOREST, at("inputs", 0, value=3), "`inputs[0]` is 3: an object belongs here"),
    (FOREST, at("inputs", 1, "name", value="amount"), "`inputs` name one input twice: give"),
    (FOREST, at("inputs", 0, "kind", value="token"), "`inputs[0].kind` is `token`: one of"),
    (FOREST, at("inputs", 0, "kind", value="time"), "`inputs[0].kind` is `time`: one of"),
    (FOREST, at("inputs", 0, "currency", value="EURO"), "`inputs[0].currency` is `EURO`: a curr"),
    (FOREST, at("inputs", 1, "currency", value="EUR"), "`inputs[1].currency` is `EUR`: an empty"),
    (FOREST, at("inputs", 0, "low", value=500_001), "`inputs[0].low` is 500001, above `high`"),
    (FOREST, at("inputs", 0, "low", value=False), "`inputs[0].low` is false: a whole number"),
    (FOREST, at("inputs", 1, "low", value=1), "`inputs[1].low` bounds a text: use null"),
    (FOREST, at("inputs", 0, "categories", value=["a"]), "`inputs[0].categories` stands at a mon"),
    (FOREST, at("inputs", 1, "categories", 1, value="FR"), "`inputs[1].categories` names a text"),
    (FOREST, at("inputs", 1, "categories", 1, value=5), "`inputs[1].categories[1]` is 5: a text"),
    (FOREST, at("inputs", 1, "categories", 1, value="e\u0301"), "not in Unicode's form NFC"),
    (FOREST, at("inputs", 1, "categories", 1, value="x" * 1_001), "longer than 1000 characters"),
    (FOREST, at("inputs", 1, "takes_missing", value=1), "`inputs[1].takes_missing` is 1: true or"),
    (FOREST, at("trees", value=[]), "`terms` and `trees` are both there or both empty"),
    (FOREST, at("trees", value={}), "`trees` is an object: a list belongs here"),
    (FOREST, at("trees", 0, "cuts", value=[1]), "`trees[0]` has columns of unequal length"),
    (FOREST, at("trees", 0, "cuts", 0, value=1.5), "`trees[0].cuts[0]` is 1.5: a whole number"),
    (FOREST, at("trees", 0, "cuts", 0, value=True), "`trees[0].cuts[0]` is true: a whole number"),
    (FOREST, at("trees", 0, "cuts", 0, value=10**30), "`trees[0].cuts[0]` does not fit in 64 bits"),
    (FOREST, at("trees", 0, "inputs", 2, value=2), "`trees[0].inputs[2]` is 2: use 0 to 1, -1"),
    (FOREST, at("trees", 0, "inputs", 2, value=-2), "`trees[0].inputs[2]` is -2: use 0 to 1, -1"),
    (FOREST, at("trees", 0, "yes", 2, value=0), "`trees[0].yes[2]` is 0: a child stands after"),
    (FOREST, at("trees", 0, "yes", 2, value=2), "`trees[0].yes[2]` is 2: a child stands after"),
    (FOREST, at("trees", 0, "no", 2, value=5), "`trees[0].no[2]` is 5: a child stands after"),
    (FOREST, at("trees", 0, "no", 2, value=3), "`trees[0]` is no tree: node 3 is the child of 2"),
    (FOREST, at("trees", 0, "no", 0, value=3), "is no tree: node 2 is the child of 0 nodes"),
    (FOREST, at("trees", 0, "missing_yes", 0, value=0), "`trees[0].missing_yes[0]` is 0: true or"),
    (FOREST, at("trees", 0, "words", 2, value=None), "`trees[0].words[2]` is not there at a split"),
    (FOREST, at("trees", 0, "words", 0, value=[0]), "`trees[0].words[0]` is at no such split"),
    (FOREST, at("trees", 0, "words", 2, value=[0, 3]), "holds a code outside 0 to 2: leave it out"),
    (FOREST, at("trees", 0, "words", 2, value=[-1]), "holds a code outside 0 to 2: leave it out"),
    (FOREST, at("trees", 0, "words", 2, value=[1, 1]), "`trees[0].words[2]` is not ascending"),
    (FOREST, at("trees", 0, "values", 3, value=2**63 - 1), "the contributions may leave 64 bits"),
    (ADDITIVE, at("terms", 0, "kind", value="cubic"), "`terms[0].kind` is `cubic`: a term is"),
    (ADDITIVE, at("terms", 0, "weight", value=1), "`terms[0].weight` is 1: a number with a d"),
    (ADDITIVE, at("terms", 0, "input", value=9), "`terms[0].input` is 9, and there are 2 inputs"),
    (ADDITIVE, at("terms", 0, "input", value=-1), "`terms[0].input` is -1: it has at least 0"),
    (ADDITIVE, at("terms", 0, "input", value=1), "`terms[0].input` is a text, which has no line"),
    (ADDITIVE, at("terms", 0, "weight", value=1e300), "`terms[0].weight` leaves 64 bits: give"),
    (ADDITIVE, at("terms", 0, "missing", value=2**63 - 1), "the contributions may leave 64 bits"),
    (ADDITIVE, at("terms", 1, "axes", value=[]), "`terms[1].axes` has no axis: a table has one or"),
    (ADDITIVE, at("terms", 1, "axes", 0, "cuts", value=[20, 10]), "axes[0].cuts` is not ascending"),
    (ADDITIVE, at("terms", 1, "axes", 0, "cuts", value=[10, 10]), "axes[0].cuts` is not ascending"),
    (ADDITIVE, at("terms", 1, "axes", 0, "input", value=2), "`terms[1].axes[0].input` is 2, and"),
    (ADDITIVE, at("terms", 1, "values", value=[1, 2, 3]), "has 3 entries for 4 places: fill each"),
    (ADDITIVE, at("terms", 2, "axes", 1, "cuts", value=[1]), "axes[1].cuts` cut a text: leave"),
    (ADDITIVE, at("terms", 2, "axes", 1, "input", value=0), "`terms[2].axes` read one input twice"),
    (ADDITIVE, at("divisor", value=3), "`divisor` is 3: it is 1, or the number of trees of a mean"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "change", "said"), MISTAKES, ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_mistake_is_told_with_its_place(model: PortableModel, change: Change, said: str) -> None:
    """A file that means nothing, or harms, would be read."""
    document = json.loads(write_model(model))
    change(document)
    problems = problems_of(written(document))
    assert any(said in problem for problem in problems), problems
    assert all(": " in problem for problem in problems), problems


def test_all_mistakes_come_at_once() -> None:
    """A person would mend a file mistake by mistake; a hostile one would fill the terminal."""
    document = json.loads(write_model(FOREST))
    document |= {"version": 0, "unit": "x", "link": 3}
    document["inputs"][0]["low"] = 1.5
    named = [problem.split("`")[1] for problem in problems_of(written(document))]
    assert named == ["version", "link", "inputs[0].low", "unit"]
    document["inputs"] = [{} for _ in range(300)]
    problems = problems_of(written(document))
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1].startswith("and 23")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"unit":1000', b'"unit":1000,"unit":1000', "the key `unit` stands twice in one object"),
        (b'"base":500', b'"base":NaN', "`NaN` is no number of JSON"),
        (b'"base":500', b'"base":-Infinity', "`-Infinity` is no number of JSON"),
        (b'"base":500', b'"base":1e999', "a number is beyond 64 bits"),
        (b'"base":500', b'"base":' + b"9" * 5_000, "a number has thousands of digits"),
        (b'"base":500', b'"base": 500', "the file is not canonical JSON"),
        (b'"fraud"', b'"\\u0066raud"', "the file is not canonical JSON"),
        (b'"FR"', b'"\xff"', "is no UTF-8"),
        (b'"FR"', b'"\\ud800"', "holds half of a character"),
        (b'"trees":[', b'"trees":' + b"[" * 100_000, "the file is nested too deep"),
        (b'"unit"', b"unit", "the file is no JSON at line 1, column "),
    ],
)
def test_json_that_has_two_meanings_is_refused(old: bytes, new: bytes, said: str) -> None:
    """Two programs would read two models from one file."""
    content = write_model(FOREST)
    assert content.count(old) == 1
    assert said in problems_of(content.replace(old, new))[0]


class _Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("the pickle ran",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        *((pickle.dumps(_Harm(), protocol), "a pickle, which runs code") for protocol in range(6)),
        (b"PK\x03\x04....", "an archive, as skops"),
        (b"\x78\x9c....", "mostly a joblib pickle, which runs code"),
        (b"\x1f\x8b....", "mostly a joblib pickle, which runs code"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\x93NUMPY\x01", "a NumPy array"),
        (b"\x08\x09\x12\x08skl2onnx", "an ONNX file"),
        (b"\xef\xbb\xbf{}", "a byte order mark"),
        (b"", "the file is empty"),
    ],
)
def test_other_formats_are_refused_by_their_first_bytes(content: bytes, said: str) -> None:
    """A pickle would run under the name of a model."""
    (problem,) = problems_of(content)
    assert said in problem
    assert "`tidegate models export`" in problem


@pytest.mark.parametrize(
    "name",
    ["m.pkl", "m.PICKLE", "a/m.joblib", "m.skops", "m.onnx", "m.h5", "m.pt", "m.bin", "m.json.gz",
     "m.npy", "m.zip", "a\\m.pth"],
)  # fmt: skip
def test_other_formats_are_refused_by_name(name: str) -> None:
    """A person would learn only after reading that the file is of no use."""
    with pytest.raises(ModelRefused, match="export the fitted model offline with"):
        refuse_file_name(name)


@pytest.mark.parametrize("name", ["model.json", "a.pkl/model.json", "model"])
def test_a_model_has_a_free_name(name: str) -> None:
    """A good file would be refused for its name."""
    refuse_file_name(name)


def test_a_model_that_could_not_be_read_is_not_written() -> None:
    """An export would leave a file that nothing loads."""
    for model in (
        replace(FOREST, version=0),
        replace(FOREST, inputs=(replace(INPUTS[0], type=TOKEN), INPUTS[1])),
        replace(ADDITIVE, terms=(LinearTerm(0, float("nan"), 0.0),)),
        replace(FOREST, inputs=list(INPUTS)),  # type: ignore[arg-type]
    ):
        with pytest.raises(ModelRefused):
            write_model(model)


def test_one_model_has_one_file_of_a_zero() -> None:
    """A model would have two hashes, of which one was reviewed."""
    for term in (LinearTerm(0, -0.0, 0.0), LinearTerm(0, 0.0, -0.0)):
        with pytest.raises(ModelRefused, match=r"is -0\.0, which is 0\.0 in another file"):
            write_model(replace(ADDITIVE, terms=(term,)))


def chain(depth: int) -> Tree:
    """A tree of which one walk passes so many splits."""
    inner, count = range(depth), 2 * depth + 1
    inputs = [part for _ in inner for part in (0, -1)] + [-1]
    return Tree(
        inputs=tuple(inputs),
        cuts=(*tuple(part for k in inner for part in (k, 0)), 0),
        yes=(*tuple(part for k in inner for part in (2 * k + 1, 0)), 0),
        no=(*tuple(part for k in inner for part in (2 * k + 2, 0)), 0),
        missing_yes=(False,) * count,
        words=(None,) * count,
        values=(0,) * count,
    )


def test_the_longest_walk_through_all_trees_is_bounded() -> None:
    """A model's author would pick payments for which it is too late."""
    trees = (chain(250),) * 200
    model = replace(FOREST, family="gradient_boosting", link="logit", divisor=1, base=0,
                    inputs=FOREST.inputs[:1], trees=trees)  # fmt: skip
    assert read_model(write_model(model)) == model
    with pytest.raises(ModelRefused, match="take 50001 steps to walk through, and 50000 at most"):
        write_model(replace(model, trees=(*trees, chain(1))))


def test_the_signature_is_what_the_checker_needs() -> None:
    """`reads` would be held against something else than the model's inputs."""
    signature = signature_of(FOREST)
    assert (signature.name, signature.version) == ("fraud", 3)
    amount, issuer = signature.inputs
    assert (amount.name, amount.type, amount.currency) == ("amount", MONEY, "EUR")
    assert (issuer.categories, issuer.takes_missing) == (("FR", "DE"), True)
    assert not amount.takes_missing
