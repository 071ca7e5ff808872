"""Rows that a caller gives: what is missing, masked or in another order beside a DataFrame."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

import ddp_mlp

pandas = pytest.importorskip("pandas")

CONFIG = ddp_mlp.Config(model={"hidden": [4]}, train={"epochs": 1})
RNG = np.random.default_rng(5)
FRAME = pandas.DataFrame(RNG.normal(size=(80, 3)), columns=list("abc"))
LABELS = np.arange(80) % 4
DIGITS = LABELS.astype(str)


@pytest.mark.parametrize("labels", [LABELS, DIGITS])
def test_rows_whose_labels_are_masked_teach_nothing(labels: Any) -> None:
    model = ddp_mlp.train(CONFIG, data=(FRAME, np.ma.array(labels, mask=LABELS == 1))).model
    assert model.classes.astype(str).tolist() == ["0", "2", "3"]


def test_masked_weights_are_refused_beside_a_frame() -> None:
    with pytest.raises(ddp_mlp.DataError, match="sample_weight"):
        ddp_mlp.train(CONFIG, data=(FRAME, LABELS, np.ma.array(np.ones(80), mask=LABELS == 1)))


@pytest.mark.parametrize("missing", [None, np.nan])
def test_text_stays_text_where_some_labels_are_missing(missing: Any) -> None:
    labels = DIGITS.astype(object)
    labels[3] = missing
    model = ddp_mlp.train(CONFIG, data=(FRAME, labels)).model
    assert model.classes.tolist() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("order", [np.arange(80), np.arange(80)[::-1], np.arange(80) + 5])
def test_an_index_in_another_order_is_said(order: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ddp_mlp"):
        model = ddp_mlp.train(CONFIG, data=(FRAME, pandas.Series(LABELS, index=order))).model
        trained = "in another order" in caplog.text
        caplog.clear()
        model.evaluate(FRAME, pandas.Series(LABELS, index=order))
    assert trained == ("in another order" in caplog.text) == (order[0] == 79)


@pytest.mark.parametrize("base", [2**53, 2**62])
def test_labels_that_floats_would_merge_are_refused(base: int) -> None:
    with pytest.raises(ddp_mlp.DataError, match=r"2\*\*53"):
        ddp_mlp.train(CONFIG, data=(FRAME.to_numpy(), base + LABELS))


def test_features_that_floats_would_merge_are_refused() -> None:
    x = np.arange(160).reshape(80, 2)
    model = ddp_mlp.train(CONFIG, data=(x, LABELS)).model
    for use in (model.predict, model.evaluate, lambda *rows: ddp_mlp.train(CONFIG, data=rows)):
        with pytest.raises(ddp_mlp.DataError, match=r"2\*\*53"):
            use(2**53 + x, *[LABELS] * (use != model.predict))


def test_text_is_no_quantity() -> None:
    x = FRAME.to_numpy()
    model = ddp_mlp.train(CONFIG, data=(x, x[:, 0])).model
    with pytest.raises(ddp_mlp.DataError, match="text"):
        model.evaluate(x, DIGITS)
    with pytest.raises(ddp_mlp.DataError, match="text"):
        ddp_mlp.train({"model": {"hidden": [4]}, "data": {"task": "regression"}}, data=(x, DIGITS))


def test_digits_that_are_text_are_measured_as_the_numbers_they_name() -> None:
    x, labels = FRAME.to_numpy(), np.arange(80) % 12
    result = ddp_mlp.train(CONFIG, data=(x, labels), valid=(x, labels))
    with_text = ddp_mlp.train(CONFIG, data=(x, labels), valid=(x, labels.astype(str)))
    answers = result.model.predict(x)
    assert result.model.evaluate(x, answers.astype(str))["accuracy"] == 1
    assert with_text.history["valid_loss"] == result.history["valid_loss"]


@pytest.mark.parametrize(
    ("column", "word"),
    [
        (pandas.date_range("2020", periods=80), "column a holds 2020"),
        (pandas.to_timedelta(LABELS, unit="s"), "column a"),
        (DIGITS, "column a holds '0'"), (pandas.array([1, None] * 40, dtype="Int64"), "40 missing values"),
    ],
)  # fmt: skip
def test_columns_that_a_model_of_arrays_cannot_take_are_named(column: Any, word: str) -> None:
    model = ddp_mlp.train(CONFIG, data=(FRAME.to_numpy(), LABELS)).model
    with pytest.raises(ddp_mlp.DataError, match=word):
        model.predict(FRAME.assign(a=column))
    with pytest.raises(ddp_mlp.DataError, match="no columns"):
        model.predict(FRAME[[]])
