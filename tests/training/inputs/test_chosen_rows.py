"""Rows that validated are those that did, however the rows of a run were shared out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddp_mlp.errors import UsageError
from tests.training.test_meaning import X, Y, apply, configured, train, write

_OTHER: dict[str, Any] = {"X_valid": X[:30] + 0.1, "y_valid": Y[:30]}


@pytest.mark.parametrize(
    ("own", "keys", "validating", "trained"),
    [
        ({}, {}, 12, "108 of these 120 rows trained the model; --split valid"),
        (_OTHER, {}, 30, "all of these 120 rows trained the model"),
        (_OTHER, {"valid_fraction": 0.25}, 30, "90 of these 120 rows trained the model; --split valid"),
        (_OTHER, {"folds": 3, "fold": 1}, 40, "80 of these 120 rows trained the model; --split valid"),
        ({}, {"folds": 3, "fold": 1}, 40, "80 of these 120 rows trained the model; --split valid"),
        (_OTHER, {"valid_fraction": 0.25, "autoencode": True}, 30, "90 of these 120 rows trained the model"),
    ],
)
def test_split_valid_means_the_rows_that_validated(tmp_path: Path, own, keys, validating, trained) -> None:
    path = write(tmp_path / "d.h5", X=X, y=Y, **own)
    summary, _ = train(configured(path, **keys), tmp_path / "run")
    measured, answers, said = apply(tmp_path / "run", path, split="valid")
    assert len(answers) == validating
    assert measured["loss"] == pytest.approx(summary["best_valid_loss"], rel=1e-9)
    assert any("took no part" in line for line in said) == (bool(own) and len(keys) > 0)
    assert any(f"warning: {path}: {trained}" in line for line in apply(tmp_path / "run", path, split="train")[2])
    other = write(tmp_path / "other.h5", X=X + 1, y=Y, **own)
    if own:  # the split of another file is what its name says
        assert len(apply(tmp_path / "run", other, split="valid")[1]) == 30
    else:
        with pytest.raises(UsageError, match="not the file that the model was trained on"):
            apply(tmp_path / "run", other, split="valid")


def test_rows_of_which_none_validated_are_not_said_to_have(tmp_path: Path) -> None:
    path, beside = write(tmp_path / "d.h5", X=X, y=Y), write(tmp_path / "v.h5", X=X + 0.1, y=Y)
    ways: dict[str, tuple[dict[str, Any], str]] = {
        "file": ({"valid": beside}, f"the rows that validated are in {beside}"),
        "none": ({"valid_fraction": 0.0}, "none validated"),
    }
    for name, (keys, who) in ways.items():
        train(configured(path, **keys), tmp_path / name)
        with pytest.raises(UsageError, match=who):
            apply(tmp_path / name, path, split="valid")
        said = apply(tmp_path / name, path, split="train")[2]
        assert any(f"warning: {path}: all of these 120 rows trained the model" in line for line in said)
    assert np.isfinite(apply(tmp_path / "file", beside)[0]["loss"])


@pytest.mark.parametrize("keys", [{}, {"weights": "w"}, {"folds": 3, "fold": 1, "stratify": True}])
def test_rows_that_trained_are_known_under_other_names_too(tmp_path: Path, keys: dict[str, Any]) -> None:
    path = write(tmp_path / "d.h5", X=X, y=Y, w=np.ones(len(X)))
    train(configured(path, **{"weights": "none"} | keys), tmp_path / "run")
    other = write(tmp_path / "other.h5", left=X, right=Y)
    under, beside = {"features": "left", "targets": "right"}, "weights" in keys
    measured, answers, said = apply(tmp_path / "run", other, **under)
    assert measured == apply(tmp_path / "run", path)[0]
    assert any("of these 120 rows trained the model" in line for line in said) is not beside, (
        "weights are known by name"
    )
    if not beside:
        assert np.array_equal(
            apply(tmp_path / "run", other, split="valid", **under)[1], apply(tmp_path / "run", path, split="valid")[1]
        )
    assert len(answers) == 120
