"""Models that are ready to answer: few rows and many, in two ways, to the same bits and with the same remarks."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import numpy as np
import pytest

import ddp_mlp


@pytest.fixture(scope="module")
def model() -> Any:
    x = np.random.default_rng(0).normal(size=(300, 5))
    config = {"model": {"hidden": [9]}, "train": {"epochs": 2}}
    return ddp_mlp.train(config, data=(x, np.column_stack([x[:, 0] * 1e6, x[:, 1]]))).model


def test_few_rows_have_the_bits_of_many(model: Any) -> None:
    x = np.random.default_rng(1).normal(size=(5000, 5))
    for rows in (x, x.astype(np.float32), np.asfortranarray(x)):
        many = model.predict(rows, threads=2)
        assert (model.predict(rows, threads=1) == many).all()
        for start, stop in ((0, 1), (7, 8), (100, 199), (4999, 5000)):
            assert (model.predict(rows[start:stop]) == many[start:stop]).all()
    assert (model.predict(x[::7]) == model.predict(np.ascontiguousarray(x[::7]))).all()
    assert (model.predict(x[:3].tolist()) == model.predict(x[:3])).all()


def test_all_is_said_of_few_rows_that_is_said_of_many(model: Any, caplog: pytest.LogCaptureFixture) -> None:
    x = np.zeros((3, 5))
    for _ in range(2):  # the second time it is known what there is to say of such rows
        model.predict(x)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    model.predict(np.where(np.eye(3, 5) > 0, 1e6, 0))
    assert "far outside the range" in caplog.text
    for bad, words in ((np.full((1, 5), np.nan), "missing"), (np.full((1, 5), np.inf), "non-finite"), (x[:, 1:], "4")):
        with pytest.raises(ValueError, match=words):
            model.predict(bad)
    assert model.predict(np.zeros((2, 5), np.int64)).shape == (2, 2)


def test_parameters_that_nobody_may_write_to_will_do(model: Any) -> None:
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - its own
    again.trained.parameters.setflags(write=False)
    x = np.ones((4, 5))
    assert (again.predict(x) == model.predict(x)).all()
    assert again.schema == model.schema
