"""References: read as they were written; bins and counts that do not fit are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.models.card_samples import REFERENCE
from tidegate.models.reference import (
    Distribution,
    Reference,
    ReferenceFormError,
    count_bins,
    read_reference,
    write_reference,
)


def test_a_reference_is_read_as_it_was_written() -> None:
    content = write_reference(REFERENCE)
    assert read_reference(content) == REFERENCE
    assert write_reference(read_reference(content)) == content


def _with(**changes: object) -> Reference:
    return replace(REFERENCE, score=replace(REFERENCE.score, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (replace(REFERENCE, schema="other"), "schema"),
        (replace(REFERENCE, epsilon=0), "epsilon"),
        (_with(edges=(2, 2), counts=(1, 1, 1)), "`edges` have to ascend"),
        (_with(counts=(1, 1, 1)), "there have to be 2 counts"),
        (_with(counts=(1, 10**400)), "has to be a whole number of 64 bits"),
        (_with(edges=(2**63,)), "has to be a whole number of 64 bits"),
        (_with(counts=(1, -1)), "a count is below 0"),
        (_with(missing=-1), "a count is below 0"),
        (_with(categories=("a",)), "never both"),
        (_with(edges=(), categories=("a", "a"), counts=(1, 1, 1)), "a category comes twice"),
    ],
)
def test_what_does_not_fit_is_refused(reference: Reference, message: str) -> None:
    with pytest.raises(ReferenceFormError, match=message):
        read_reference(write_reference(reference))


def test_an_edge_belongs_to_the_bin_above_it() -> None:
    assert count_bins((10, 20), np.array([9, 10, 19, 20, 21])) == (1, 2, 2)
    assert count_bins((), np.array([5, 6])) == (2,)


def test_all_rows_are_in_a_bin_or_missing() -> None:
    assert Distribution("x", (1,), (), (2, 3), 4).rows == 9
