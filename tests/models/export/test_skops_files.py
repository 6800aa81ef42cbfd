"""skops files: what is loaded, and what is refused before it can do anything."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tests.models.export.datasets import agree, payments
from tests.models.export.test_families import MIXED, NUMBERS, OF_NUMBERS, OF_TEXTS
from tidegate.models.export import ExportRefused, export_model, skops_files
from tidegate.models.export.skops_files import TRUSTED, check_trees, read_skops


def saved(estimator: Any, path: Path) -> Path:
    """Dump an estimator as its author would."""
    skops.io.dump(estimator, path)
    return path


def message_of(path: Path) -> str:
    """Read a file that has to be refused, and give the reasons."""
    with pytest.raises(ExportRefused) as refused:
        read_skops(path)
    return str(refused.value)


@pytest.mark.parametrize(
    "setting", ["regression, standardised", "forest", "extra trees", "boosting", "glass box"]
)
def test_estimators_survive_the_file(setting: str, tmp_path: Path) -> None:
    """Every family is read with nothing but the reviewed types, and exports as before."""
    fitted = payments(1, NUMBERS)
    estimator = OF_NUMBERS[setting]().fit(fitted.x, fitted.y)
    loaded = read_skops(saved(estimator, tmp_path / "e.skops"))
    exported = [export_model(one, fitted.specs, name="m", version=1) for one in (estimator, loaded)]
    assert exported[0] == exported[1]
    agree(exported[1], fitted.rows, estimator.predict_proba(fitted.x)[:, 1])


@pytest.mark.parametrize("setting", ["regression", "forest, one hot", "boosting", "glass box"])
def test_encoders_survive_the_file(setting: str, tmp_path: Path) -> None:
    """Encoders bring data types and a partial with them."""
    fitted = payments(1, MIXED)
    estimator = OF_TEXTS[setting]().fit(fitted.objects, fitted.y)
    loaded = read_skops(saved(estimator, tmp_path / "e.skops"))
    assert export_model(loaded, fitted.specs, name="m", version=1).inputs


def test_a_type_that_is_not_listed_is_named(tmp_path: Path) -> None:
    """Whoever reads the message has to be able to judge the file."""
    fitted = payments(1, NUMBERS)
    steps = (FunctionTransformer(json.dumps), StandardScaler(), LogisticRegression())
    pipeline = make_pipeline(*steps)
    pipeline.steps[1][1].fit(fitted.x)
    assert "`json.dumps`, which is not trusted" in message_of(saved(pipeline, tmp_path / "e.skops"))


def test_the_trusted_types_are_a_reviewed_constant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an empty list no tree is read: the list is what lets it in."""
    fitted = payments(1, NUMBERS)
    path = saved(OF_NUMBERS["forest"]().fit(fitted.x, fitted.y), tmp_path / "e.skops")
    monkeypatch.setattr(skops_files, "TRUSTED", ())
    assert "`sklearn.tree._tree.Tree`, which is not trusted" in message_of(path)
    assert len(set(TRUSTED)) == len(TRUSTED) == 6


def _pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(LogisticRegression()))


def _joblib(path: Path) -> None:
    joblib.dump(LogisticRegression(), path)


def _compressed(path: Path) -> None:
    joblib.dump(LogisticRegression(), path, compress=3)


@pytest.mark.parametrize("write", [_pickled, _joblib, _compressed])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("e.pkl", "`.pkl`"),
        ("e.joblib", "`.joblib`"),
        ("e.skops", "whatever its name says"),
        ("e.dat", "the file is a"),
    ],
)
def test_pickles_are_refused(
    write: Callable[[Path], None], name: str, says: str, tmp_path: Path
) -> None:
    """By name, and by first bytes where the name says something else."""
    path = tmp_path / name
    write(path)
    message = message_of(path)
    assert says in message
    assert "skops.io.dump" in message
    assert name == "e.joblib" or "pickle" in message


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    """A copy that broke off is told as such."""
    path = saved(LogisticRegression(), tmp_path / "e.skops")
    path.write_bytes(path.read_bytes()[:200])
    assert "no whole archive" in message_of(path)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    """Word processors write archives too."""
    path = tmp_path / "e.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    assert "skops cannot load the file" in message_of(path)


def test_a_file_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte of zeros packs into a kilobyte."""
    path = tmp_path / "e.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.npy", bytes(2**20))
    monkeypatch.setattr(skops_files, "MAX_CONTENT_BYTES", 2**20 - 1)
    assert "unpacks to more than" in message_of(path)
    monkeypatch.setattr(skops_files, "MAX_FILE_BYTES", 10)
    assert "is larger than" in message_of(path)


def forest(**changes: int) -> Any:
    """A fitted forest whose first tree's root was changed."""
    fitted = payments(1, NUMBERS)
    estimator = RandomForestClassifier(2, random_state=0).fit(fitted.x, fitted.y)
    tree = estimator.estimators_[0].tree_
    state = tree.__getstate__()
    for name, value in changes.items():
        state["nodes"] = state["nodes"].copy()
        state["nodes"][name][0] = value
    tree.__setstate__(state)
    return estimator


def boosting(**changes: int) -> Any:
    """A fitted booster whose first tree's root was changed."""
    fitted = payments(1, ("amount", "note"))
    estimator = HistGradientBoostingClassifier(max_iter=2, categorical_features=[1])
    estimator.fit(fitted.x, fitted.y)
    for name, value in changes.items():
        estimator._predictors[0][0].nodes[name][0] = value
    return estimator


CRAFTED = [
    (forest, {"left_child": 10**12}, "outside of the tree"),
    (forest, {"right_child": -7}, "outside of the tree"),
    (forest, {"left_child": 0}, "outside of the tree"),
    (forest, {"right_child": 1}, "two parents"),
    (forest, {"feature": 5}, "does not have"),
    (forest, {"feature": -2}, "does not have"),
    (boosting, {"left": 10**9}, "outside of the tree"),
    (boosting, {"left": 0}, "outside of the tree"),
    (boosting, {"right": 1}, "two parents"),
    (boosting, {"feature_idx": 2}, "does not have"),
    (boosting, {"feature_idx": -1}, "does not have"),
    (boosting, {"is_categorical": 1, "bitset_idx": 10**6}, "does not hold"),
    (boosting, {"is_leaf": 1}, "reached by no path"),
]


@pytest.mark.parametrize(("make", "changes", "says"), CRAFTED)
def test_crafted_nodes_are_refused_before_anything_predicts(
    make: Callable[..., Any], changes: dict[str, int], says: str, tmp_path: Path
) -> None:
    """In the library each of them reads foreign memory, or never ends."""
    assert says in message_of(saved(make(**changes), tmp_path / "e.skops"))


@pytest.mark.parametrize("count", [0, -1])
def test_a_wrong_count_of_nodes_is_refused(count: int, tmp_path: Path) -> None:
    """The arrays of a tree are views of so many nodes, wherever they end; too many are cut."""
    path, crafted = saved(forest(), tmp_path / "e.skops"), tmp_path / "crafted.skops"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(crafted, "w") as changed:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "schema.json":
                told = re.compile(rb'("node_count": \{[^}]*?"content": ")\d+(")')
                content, changes = told.subn(rb"\g<1>%d\g<2>" % count, content, count=1)
                assert changes == 1
            changed.writestr(name, content)
    assert "other nodes than it holds" in message_of(crafted)


def test_sound_nodes_pass(tmp_path: Path) -> None:
    """The same estimators without a change."""
    for make in (forest, boosting):
        read_skops(saved(make(), tmp_path / "e.skops"))


def test_trees_of_another_shape_are_refused() -> None:
    """Attributes can be set to anything by a file."""
    estimator = boosting()
    estimator._predictors[0][0].raw_left_cat_bitsets = np.zeros((0, 8), np.uint32)
    estimator._predictors[0][0].nodes["is_categorical"][0] = 1
    with pytest.raises(ExportRefused, match="does not hold"):
        check_trees(estimator)
    estimator._predictors[0][0].nodes = np.zeros(3)
    with pytest.raises(ExportRefused, match="nodes are none"):
        check_trees(estimator)
    estimator = forest()
    del estimator.n_features_in_
    with pytest.raises(ExportRefused, match="how many columns"):
        check_trees(estimator)


def test_reading_touches_no_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The result of a command goes there alone."""
    read_skops(saved(LogisticRegression(), tmp_path / "e.skops"))
    assert capsys.readouterr() == ("", "")
