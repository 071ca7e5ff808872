"""Give a source without a test split one, chosen at random from a seed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.rows import Rows
from ddp_mlp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ddp_mlp.data.sources.source import Source


def split_off_test(source: Source, fraction: float, seed: int, *, stratify: bool = False) -> Source:
    """Move a random share of the training rows to a test split; the order of rows stays.

    Parameters
    ----------
    source : Source
        With training rows only, or with validation rows too.
    fraction : float
        Share to move; 0 moves none.
    seed : int
        Chooses the rows.
    stratify : bool
        Move the same share of each class.

    Raises
    ------
    UsageError
        If there is a test split already, the share leaves a split empty, or there are no classes to stratify by.
    """
    if not 0 <= fraction < 1:
        raise UsageError(f"--test-fraction {fraction}; 0 <= fraction < 1 is allowed")
    if seed < 0:
        raise UsageError(f"--seed {seed}; 0 or more is needed")
    if stratify and (fraction == 0 or source.schema.task == "regression"):
        raise UsageError("--stratify goes with --test-fraction and with classes; leave it out")
    if fraction == 0:
        return source
    if "test" in source.sizes:
        raise UsageError(f"--test-fraction {fraction}: the source has a test split already; leave the option out")
    n_rows = source.sizes["train"]
    n_test = round(fraction * n_rows)
    if not 0 < n_test < n_rows:
        raise UsageError(
            f"--test-fraction {fraction} of {n_rows} rows gives {n_test} test rows; each split needs at least one"
        )
    rng = np.random.default_rng(seed)
    in_test = np.zeros(n_rows, np.bool_)
    in_test[_of_each_class(source, fraction, rng) if stratify else rng.permutation(n_rows)[:n_test]] = True
    n_test = int(in_test.sum())
    sizes = {**source.sizes, "train": n_rows - n_test, "test": n_test}
    return replace(source, sizes=sizes, blocks=lambda: _divided(source, in_test))


def _of_each_class(source: Source, fraction: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose the same share of each class, at least one row of each that has two."""
    labels = np.concatenate([rows.targets[:, 0] for split, rows in source.blocks() if split == "train"])
    chosen = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        n = min(max(1, round(fraction * len(rows))), len(rows) - 1)
        chosen.append(rng.permutation(rows)[:n])
    return np.concatenate(chosen)


def _divided(source: Source, in_test: NDArray[np.bool_]) -> Iterator[tuple[str, Rows]]:
    start = 0
    for split, rows in source.blocks():
        if split != "train":
            yield split, rows
            continue
        chosen = in_test[start : start + len(rows.features)]
        start += len(chosen)
        for name, mask in (("train", ~chosen), ("test", chosen)):
            if mask.any():
                weights = None if rows.weights is None else rows.weights[mask]
                ids = None if rows.ids is None else rows.ids[mask]
                yield name, Rows(rows.features[mask], rows.targets[mask], weights, ids)
