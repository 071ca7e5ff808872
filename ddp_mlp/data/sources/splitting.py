"""Give a source without a test split one, chosen at random from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.rows import Rows
from ddp_mlp.data.sources.source import Source
from ddp_mlp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


def split_off_test(source: Source, fraction: float, seed: int) -> Source:
    """Move a random share of the training rows to a test split; the order of rows stays.

    Raises
    ------
    UsageError
        If there is a test split already, or the share leaves a split empty.
    """
    if not 0 <= fraction < 1:
        raise UsageError(f"--test-fraction {fraction}; 0 <= fraction < 1 is allowed")
    if seed < 0:
        raise UsageError(f"--seed {seed}; 0 or more is needed")
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
    in_test = np.zeros(n_rows, np.bool_)
    in_test[np.random.default_rng(seed).permutation(n_rows)[:n_test]] = True
    sizes = {**source.sizes, "train": n_rows - n_test, "test": n_test}
    return Source(source.description, sizes, lambda: _divided(source, in_test))


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
                yield name, Rows(rows.features[mask], rows.targets[mask], weights)
