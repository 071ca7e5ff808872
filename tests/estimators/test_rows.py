"""Rows of estimators: values that are masked or missing are refused, whatever holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ddp_mlp

pandas = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

RNG = np.random.default_rng(5)
FRAME = pandas.DataFrame(RNG.normal(size=(80, 3)), columns=list("abc"))
LABELS = np.arange(80) % 4


def test_estimators_refuse_what_is_masked() -> None:
    x, hidden = FRAME.to_numpy(), LABELS == 1
    made = ddp_mlp.MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, threads=1)
    for given in (
        (np.ma.masked_where(x > 1, x), LABELS), (x, np.ma.array(LABELS, mask=hidden)),
        (x, LABELS, np.ma.array(np.ones(80), mask=hidden)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="NaN"):
            made.fit(*given)


@pytest.mark.parametrize("labels", [["a", None], ["a", float("nan")], [1.0, None], [True, None]])
@pytest.mark.parametrize("made", [ddp_mlp.MLPClassifier, ddp_mlp.MLPRegressor])
def test_targets_that_are_missing_beside_a_frame_with_text_are_refused(made: Any, labels: list[Any]) -> None:
    frame = FRAME.assign(t=np.where(LABELS > 1, "u", "v"))
    for given in (pandas.Series(labels * 40), np.array(labels * 40, object)):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            made(max_iter=2, threads=1).fit(frame, given)
