"""Answers are said to be of the rows that they are of."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddp_mlp.comm import SingleProcess
from ddp_mlp.training.inference.files import Rows, apply_model
from tests.training.test_meaning import X, Y, configured, train, write


@pytest.mark.parametrize(("asked", "told"), [("valid", "valid"), ("train", "train"), (None, "train")])
def test_rows_of_the_train_split_that_validated_are_called_valid(tmp_path: Path, asked: str | None, told: str) -> None:
    path = write(tmp_path / "d.h5", X=X, y=Y)
    train(configured(path), tmp_path / "run")
    with apply_model(tmp_path / "run", Rows(str(path), asked), SingleProcess(), lambda _: None) as applied:
        assert applied.split == told
        assert len(applied.ids) == (12 if told == "valid" else 120)
