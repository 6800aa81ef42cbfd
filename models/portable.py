"""The portable model: plain data that is reviewed, hashed and evaluated, and never executed.

One form serves logistic regression, additive models, random forests and boosted trees. A model
maps the policy's own integers (minor units of money, millionths of a number, microseconds, 0 and 1
for a flag) and texts to *contributions*, whole numbers of 1/`unit` of the link's scale:

    total = base + sum(contributions)            exact
    logit link:        score = round(10**6 / (1 + exp(-total / unit)))
    probability link:  score = round(10**6 * total / (unit * divisor))

rounded half to even from the exact value, so a score is one integer on every machine. There is
either one contribution for each of `terms`, or, where the model is `trees`, one for each input:
what the splits on this input moved the expected value by, along the path of every tree. In both
cases they sum to `total - base`, exactly.

`models/reading.py` reads and checks the JSON form, `models/scoring.py` evaluates one event,
`models/columns.py` many at once; both give the same integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidegate.dsl.types import TEXT_KINDS, Kind, Type

FORMAT = "tidegate-model"
SCHEMA = 1
UNIT = 10**9
"""What exports use: billionths of a logit, or of a probability."""

SCORE_SCALE = 10**6
"""A score is held as a number of the language: an integer of millionths, 0 to 10**6."""

Link = Literal["logit", "probability"]
Family = Literal[
    "logistic_regression",
    "additive",
    "random_forest",
    "gradient_boosting",
]

INPUT_KINDS = frozenset(
    {
        Kind.FLAG,
        Kind.COUNT,
        Kind.NUMBER,
        Kind.MONEY,
        Kind.DURATION,
        Kind.TEXT,
        Kind.COUNTRY,
        Kind.WORD,
    }
)
"""What a model can read: no identifiers (token, ip), and no times (what functions make of them)."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input. An integer (or flag) is its own code; a text's code is its place in `categories`.

    A text that is not among `categories` has the code `len(categories)`. `low` and `high` bound
    what the model was trained on, inclusive, in the policy's integers: outside them it abstains.
    It abstains too where the input is missing and `takes_missing` is not set, and on an unknown
    text where `takes_unknown` is not.
    """

    name: str
    type: Type
    currency: str = ""
    categories: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    takes_missing: bool = False
    takes_unknown: bool = False

    @property
    def is_text(self) -> bool:
        """Whether its values are texts, coded by `categories`."""
        return self.type.kind in TEXT_KINDS


@dataclass(frozen=True, slots=True)
class LinearTerm:
    """`round(weight * (x - centre))` for an integer input, half to even; `missing` where there is
    none.

    weight: 1/unit of the link for one step of the policy's integer. Both are binary64 numbers and
    used in one subtraction and one multiplication, which IEEE 754 rounds alike everywhere; |x| is
    below 2**53.
    """

    input: int
    weight: float
    centre: float
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Axis:
    """How a table finds its row for one input.

    Of an integer: the number of `cuts` (ascending, distinct) that are at most x, `len(cuts) + 1`
    places. Of a text: its code, `len(categories) + 1` places. After these comes one place more, for
    missing.
    """

    input: int
    cuts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TableTerm:
    """A contribution that is looked up: one axis (`values[i]`) or two (`values[i * width + j]`)."""

    axes: tuple[Axis, ...]
    values: tuple[int, ...]


Term = LinearTerm | TableTerm


@dataclass(frozen=True, slots=True)
class Tree:
    """A binary tree as parallel columns, one entry a node; node 0 is the root.

    inputs: -1 for a leaf. A split on an integer goes to `yes` where x <= cuts[node], else to `no`;
    one on a text where its code is in `words[node]` (ascending; None for an integer). A missing
    value goes to `yes` where `missing_yes[node]`. Both children come after their parent, and each
    node but the root has exactly one. `values` holds the expected value at every node, in
    1/unit of the link: a leaf's is what the tree gives.
    """

    inputs: tuple[int, ...]
    cuts: tuple[int, ...]
    yes: tuple[int, ...]
    no: tuple[int, ...]
    missing_yes: tuple[bool, ...]
    words: tuple[tuple[int, ...] | None, ...]
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PortableModel:
    """A whole model. It has `terms` or `trees`, never both.

    `base` is the model's value before any contribution; of trees it includes the value of each
    root. `divisor` is 1, and the number of trees where their mean is the score.
    """

    name: str
    version: int
    family: Family
    link: Link
    inputs: tuple[Input, ...]
    base: int
    terms: tuple[Term, ...] = ()
    trees: tuple[Tree, ...] = ()
    unit: int = UNIT
    divisor: int = 1

    @property
    def contribution_names(self) -> tuple[tuple[str, ...], ...]:
        """For each contribution the inputs that it comes from: one, or two of an interaction."""
        if self.trees:
            return tuple((entry.name,) for entry in self.inputs)
        return tuple(
            (self.inputs[term.input].name,)
            if isinstance(term, LinearTerm)
            else tuple(self.inputs[axis.input].name for axis in term.axes)
            for term in self.terms
        )
