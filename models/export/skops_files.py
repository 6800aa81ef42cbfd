"""Estimators from skops files, which are read here, offline, and nowhere else.

A skops file names the types that it builds. skops itself knows many to be harmless; those beyond
them that a file may name are listed below, and reviewed with this file. Even so a file of trees
can crash the interpreter that predicts with it: nodes are looked up by numbers that stand in the
file, unchecked. So they are checked here before anything predicts.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from tidegate.models.export.exporting import refuse_unknown
from tidegate.models.export.refusals import ExportRefused, Reason, refusal
from tidegate.models.export.trees import check_nodes
from tidegate.models.refusals import ModelRefused, refuse_content, refuse_file_name

TRUSTED: Final = (
    # Plain attributes, which the export reads; predicting with them looks up tables.
    "interpret.glassbox._ebm._ebm.ExplainableBoostingClassifier",
    # Nodes by number: checked below.
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    # The data type of an encoder.
    "numpy.dtype",
    # HistGradientBoostingClassifier with categories checks its numbers by a partial of this one
    # function; every other function in a partial is untrusted by its own name.
    "functools.partial",
    "sklearn.utils.validation.check_array",
)

MAX_FILE_BYTES = 512 * 2**20
MAX_CONTENT_BYTES = 4 * 2**30
MAX_MEMBERS = 200_000
_ZIP = b"PK\x03\x04"


def read_skops(path: Path) -> Any:
    """The estimator in a skops file.

    Raises `ExportRefused` where the file is none, is too large, names a type that is not trusted,
    or holds broken trees; OSError where it cannot be read.
    """
    _check_file(path)
    from skops.io import get_untrusted_types, load

    try:
        untrusted = sorted(set(get_untrusted_types(file=path)) - set(TRUSTED))
        if untrusted:
            raise ExportRefused(_untrusted(name) for name in untrusted)
        estimator = load(path, trusted=list(TRUSTED))
    except ExportRefused:
        raise
    except MemoryError:
        raise refusal("the file asks for more memory than there is", _SAVE_ANEW) from None
    except Exception as error:
        message = f"skops cannot load the file ({type(error).__name__})"
        raise refusal(message, _SAVE_ANEW) from error
    check_trees(estimator)
    return estimator


_SAVE_ANEW = "save the estimator anew with `skops.io.dump`, by the pinned versions"


def _untrusted(name: str) -> Reason:
    return Reason(
        f"the file holds a `{name}`, which is not trusted",
        "export a plain estimator of scikit-learn or interpret",
    )


def _check_file(path: Path) -> None:
    """Refuse what is no skops file, by its name and first bytes, and what is too large."""
    if path.suffix.lower() != ".skops":
        try:
            refuse_file_name(path)
            with path.open("rb") as stream:
                refuse_content(stream.read(2**16))
        except ModelRefused as refused:
            what = refused.problems[0].rpartition("; ")[0] or refused.problems[0]
            raise refusal(what, "save the estimator with `skops.io.dump`") from None
        raise refusal(f"`{path.name}` is no skops file", "save it with `skops.io.dump`")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise refusal(
            f"the file is larger than {MAX_FILE_BYTES >> 20} MiB", "train a smaller model"
        )
    with path.open("rb") as stream:
        first = stream.read(len(_ZIP))
    if first != _ZIP:
        raise refusal(
            f"`{path.name}` is no skops file, whatever its name says: {_what_it_is(path)}",
            "save the estimator with `skops.io.dump`",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        raise refusal(f"`{path.name}` is no whole archive", _SAVE_ANEW) from None
    if len(members) > MAX_MEMBERS or sum(m.file_size for m in members) > MAX_CONTENT_BYTES:
        raise refusal(
            f"the file unpacks to more than {MAX_CONTENT_BYTES >> 30} GiB or {MAX_MEMBERS} parts",
            "train a smaller model",
        )


def _what_it_is(path: Path) -> str:
    with path.open("rb") as stream:
        first = stream.read(2**16)
    try:
        refuse_content(first)
    except ModelRefused as refused:
        return refused.problems[0].rpartition("; ")[0] or refused.problems[0]
    return "it is no archive"


def check_trees(estimator: Any) -> None:
    """Raise `ExportRefused` unless every tree in the estimator can be followed safely."""
    for last in _estimators(estimator):
        refuse_unknown(last)
        columns: Any = getattr(last, "n_features_in_", None)
        trees = [getattr(tree, "tree_", None) for tree in getattr(last, "estimators_", ())]
        predictors = [p for step in getattr(last, "_predictors", ()) for p in step]
        if (trees or predictors) and not isinstance(columns, int | np.integer):
            raise _broken("no one knows how many columns it has")
        if trees:
            from tidegate.models.export.forest import nodes_of

            for tree in trees:
                _check_tree(tree, last)
                check_nodes(nodes_of(tree), int(columns))
        if predictors:
            from tidegate.models.export import boosting

            for predictor in predictors:
                _check_bitsets(predictor)
                check_nodes(boosting.nodes_of(predictor), int(columns))


def _estimators(estimator: Any) -> Iterator[Any]:
    """The estimator itself, and the last one of each pipeline in it."""
    for _ in range(8):
        steps = getattr(estimator, "steps", None)
        if not steps:
            break
        estimator = steps[-1][1]
    yield estimator


def _check_tree(tree: Any, estimator: Any) -> None:
    """The tree's own numbers, before its arrays are looked at: they are views of `node_count`."""
    from sklearn.tree._tree import Tree

    if type(tree) is not Tree:
        raise _broken("a tree is none")
    if not 1 <= tree.node_count <= tree.capacity:
        raise _broken("it says that it has other nodes than it holds")
    if tree.n_outputs != 1 or tree.max_n_classes < len(estimator.classes_):
        raise _broken("it holds other classes than the estimator")


def _check_bitsets(predictor: Any) -> None:
    """Categorical splits point to rows of bitsets."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    nodes = getattr(predictor, "nodes", None)
    if (
        not isinstance(nodes, np.ndarray)
        or nodes.dtype != PREDICTOR_RECORD_DTYPE
        or nodes.ndim != 1
    ):
        raise _broken("its nodes are none")
    bitsets = predictor.raw_left_cat_bitsets
    shaped = (
        isinstance(bitsets, np.ndarray)
        and bitsets.dtype == np.uint32
        and bitsets.ndim == 2
        and bitsets.shape[1] == 8
    )
    used = nodes["bitset_idx"][(nodes["is_categorical"] != 0) & (nodes["is_leaf"] == 0)]
    if not shaped or np.any(used >= len(bitsets)):
        raise _broken("a split is on categories that it does not hold")


def _broken(why: str) -> ExportRefused:
    return refusal(f"the trees of the file are broken: {why}", _SAVE_ANEW)
