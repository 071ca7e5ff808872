"""Rows that train and rows that validate."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.core.folds import forward_fold, grouped_fold, grouped_split, latest_split, stratified_fold


def parts(fold_of, folds, n):
    """Return the rows that validate in each fold, after checking that rows are on one side each."""
    found = [fold_of(fold) for fold in range(folds)]
    for train, valid in found:
        assert len(train)
        assert len(valid)
        assert not {*train.tolist()} & {*valid.tolist()}
        assert (np.diff(train) > 0).all()
        assert (np.diff(valid) > 0).all()
    return found


@pytest.mark.parametrize(("n", "folds"), [(100, 5), (103, 5), (101, 10), (10, 2)])
def test_each_class_has_its_share_of_each_fold(n, folds, rng):
    labels = np.sort(rng.choice(3, n, p=[0.2, 0.5, 0.3]))  # sorted, as files often are
    found = parts(lambda fold: stratified_fold(labels, fold, folds, seed=3), folds, n)
    assert sorted(np.concatenate([valid for _, valid in found]).tolist()) == list(range(n))
    for of_fold in ([valid for _, valid in found],):
        counts = np.array([np.bincount(labels[valid], minlength=3) for valid in of_fold])
        assert (np.ptp(counts, axis=0) <= 1).all()
        assert np.ptp(counts.sum(axis=1)) <= 1
    other = stratified_fold(labels, 0, folds, seed=4)[1]
    assert found[0][1].tolist() != other.tolist()


@pytest.mark.parametrize(("sizes", "folds"), [([7] * 12, 4), ([50, 1, 1, 1, 9, 9, 9], 3), ([1, 1], 2), ([3, 90], 2)])
def test_groups_are_whole(sizes, folds, rng):
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    found = parts(lambda fold: grouped_fold(groups, fold, folds, seed=0), folds, len(groups))
    for train, valid in found:
        assert not {*groups[train].tolist()} & {*groups[valid].tolist()}
        assert len(train) + len(valid) == len(groups)
    assert sorted(np.concatenate([valid for _, valid in found]).tolist()) == list(range(len(groups)))
    if len({*sizes}) == 1:
        assert {len(valid) for _, valid in found} == {len(groups) // folds}


def test_later_rows_validate_and_only_earlier_ones_train(rng):
    for moments in (np.arange(23), rng.permutation(40), rng.integers(0, 9, 60), np.array([0] * 50 + [1, 2, 3, 4, 5])):
        _, codes = np.unique(moments, return_inverse=True)
        codes, folds = codes.astype(np.int64), 4
        found = parts(lambda fold, codes=codes: forward_fold(codes, fold, 4), folds, len(codes))
        for k, (train, valid) in enumerate(found):
            assert codes[train].max() < codes[valid].min()
            if k:
                before = [*found[k - 1][0], *found[k - 1][1]]
                assert sorted(before) == train.tolist(), "each fold trains on all that came before"
        assert found[-1][1].size + found[-1][0].size == len(codes)
    sizes = [len(valid) for _, valid in (forward_fold(np.arange(23), fold, 4) for fold in range(4))]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.99])
def test_a_part_that_is_set_aside_is_of_whole_groups_or_the_last_in_time(fraction, rng):
    groups = rng.integers(0, 30, 600)
    train, valid = grouped_split(groups, fraction, seed=1)
    assert not {*groups[train].tolist()} & {*groups[valid].tolist()}
    assert len(train)
    assert bool(len(valid)) == (fraction > 0)
    if 0 < fraction < 0.9:
        assert abs(len(valid) / 600 - fraction) < 0.06
    train, valid = latest_split(groups, fraction)
    assert len(train)
    assert bool(len(valid)) == (fraction > 0)
    if fraction:
        assert groups[train].max() < groups[valid].min()


def test_one_group_or_moment_trains():
    one = np.zeros(5, np.int64)
    assert [len(ids) for ids in grouped_split(one, 0.5, 0)] == [5, 0]
    assert [len(ids) for ids in latest_split(one, 0.5)] == [5, 0]
