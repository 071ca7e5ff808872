"""Array-likes as numbers and labels: what is masked or missing is never taken for a value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ddp_mlp.data.memory.array_likes import class_kind_of, numbers_of, texts_of, unmasked
from ddp_mlp.errors import DataError

MASK = [False, True, False]
TEXT = np.array(["a", "b", "c"])


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [1, 2, 3], [True, True, False], np.array([1, 2, 3], object)])
def test_masked_numbers_are_missing(values: Any) -> None:
    found = numbers_of(np.ma.array(values, mask=MASK), "X")
    assert np.isnan(found).tolist() == MASK


def test_rows_that_are_masked_arrays_keep_their_masks() -> None:
    found = numbers_of([np.ma.array([1.0, 2.0, 3.0], mask=MASK), [4.0, 5.0, 6.0]], "X")
    assert np.isnan(found).tolist() == [MASK, [False] * 3]


def test_masked_arrays_without_masked_values_keep_their_kind() -> None:
    assert numbers_of(np.ma.array([1, 2]), "X").dtype == np.int64


@pytest.mark.parametrize(
    "labels",
    [
        np.ma.array(TEXT, mask=MASK),
        np.array(["a", None, "c"], object),
        np.array(["a", np.nan, "c"], object),
        np.array(["a", np.nan, "c"], np.dtypes.StringDType(na_object=np.nan)),  # type: ignore[call-overload]
    ],
)
def test_labels_that_are_missing_are_refused_but_are_text(labels: Any) -> None:
    assert class_kind_of(labels) == "text"
    with pytest.raises(DataError, match="1 missing label in 3 rows, first at row 1"):
        texts_of(labels)


@pytest.mark.parametrize("labels", [TEXT, TEXT.astype("S"), TEXT.astype(object), TEXT[:, None], TEXT.astype("T")])
def test_text_of_any_kind_is_text(labels: Any) -> None:
    found = texts_of(labels)
    assert found is not None
    assert found.tolist() == ["a", "b", "c"]


def test_missing_values_of_pandas_are_missing() -> None:
    pandas = pytest.importorskip("pandas")
    assert np.isnan(numbers_of(np.array([1, pandas.NA], object), "X")).tolist() == [False, True]
    assert np.isnan(numbers_of(pandas.Series([True, None], dtype="boolean"), "y")).tolist() == [False, True]


@pytest.mark.parametrize(
    ("labels", "word"),
    [([[1], [1, 2]], "y is no array"), (np.array([b"\xff", b"a"]), "no text in UTF-8"), ([2**70, 1], "2\\*\\*53")],
)
def test_what_is_neither_is_said(labels: Any, word: str) -> None:
    with pytest.raises(DataError, match=word):
        texts_of(labels) if isinstance(labels, np.ndarray) or word[0] == "y" else numbers_of(labels, "y")


def test_nothing_is_changed_where_nothing_is_masked() -> None:
    x = np.arange(3.0)
    assert unmasked(x) is x
