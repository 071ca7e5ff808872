from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.core.ensembles.spread import Combined, combine, entropy, joined, labels_of


def test_mean_and_deviation_are_those_of_exact_arithmetic() -> None:
    rng = np.random.default_rng(0)
    for offset in (0.0, 1e9):  # large answers that differ little
        members = [offset + rng.normal(size=(50, 2)) for _ in range(7)]
        found = combine(members, "regression")
        wide = np.stack(members).astype(np.longdouble)
        np.testing.assert_allclose(found.outputs, wide.mean(axis=0).astype(float), rtol=1e-15, atol=1e-15)
        np.testing.assert_allclose(found.spread["std"], wide.std(axis=0, ddof=1).astype(float), rtol=1e-7)
    same = combine([members[0]] * 3, "regression")
    assert (same.spread["std"] == 0).all()


def test_answers_in_float32_are_added_in_float64_in_the_order_of_the_members() -> None:
    members = [np.float32([[1.0]]), np.float32([[2.0**-30]]), np.float32([[-1.0]])]
    assert combine(members, "regression").outputs.tolist() == [[(1.0 + 2.0**-30 - 1.0) / 3]]


def test_one_network_is_left_as_it_is() -> None:
    outputs = np.float32([[0.25, 0.75]])
    found = combine([outputs], "multiclass")
    assert found.outputs is outputs
    assert found.spread == {}


def test_classes_vote_and_certain_rows_have_no_entropy() -> None:
    members = [np.array([[1.0, 0, 0], [0.2, 0.5, 0.3]]), np.array([[1.0, 0, 0], [0.2, 0.2, 0.6]])]
    found = combine(members, "multiclass")
    assert labels_of(found.outputs).tolist() == [0, 2]
    assert found.spread["disagreement"].tolist() == [[0.0], [0.5]]
    assert found.spread["entropy"][0, 0] == 0.0
    assert not np.signbit(found.spread["entropy"]).any()
    even = np.full((1, 4), 0.25)
    assert entropy(even)[0, 0] == pytest.approx(np.log(4))
    binary = combine([np.array([[0.9]]), np.array([[0.3]])], "binary")
    assert binary.outputs.tolist() == [[pytest.approx(0.6)]]
    assert binary.spread["disagreement"].tolist() == [[0.5]]
    assert binary.spread["entropy"][0, 0] == pytest.approx(-(0.6 * np.log(0.6) + 0.4 * np.log(0.4)))


def test_rows_have_the_bits_that_they_have_alone() -> None:
    rng = np.random.default_rng(1)
    for task, width in (("regression", 3), ("multiclass", 17), ("binary", 1)):
        members = [rng.random((40, width)) for _ in range(5)]
        members = [each / each.sum(axis=1, keepdims=True) if width > 1 else each for each in members]
        whole = combine(members, task)
        parts = joined([combine([each[i : i + 1] for each in members], task) for i in range(40)])
        assert (parts.outputs == whole.outputs).all()
        assert all((parts.spread[name] == whole.spread[name]).all() for name in whole.spread)


def test_no_answer_stays_none() -> None:
    lost = combine([np.array([[np.nan]]), np.array([[1.0]])], "regression")
    assert np.isnan([lost.outputs[0, 0], lost.spread["std"][0, 0]]).all()
    assert isinstance(lost, Combined)
