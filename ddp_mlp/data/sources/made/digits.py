"""The 8 x 8 handwritten digits that ship with the package: real data without a network.

Source: E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", UCI Machine
Learning Repository (1998), test part, CC BY 4.0; see ``data/samples/README.md``.
"""

from __future__ import annotations

import gzip
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from ddp_mlp.data.rows import Rows
from ddp_mlp.data.schema import Schema
from ddp_mlp.data.sources.source import Source
from ddp_mlp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_TEST_FRACTION = 0.2
_STORED_MAX = 16


def make_digits(samples: int | None, seed: int) -> Source:
    """Return the digits, a fifth of each class in the test split.

    The pixels are scaled from 0 .. 16 to 0 .. 255 and rounded, so that the normalisation
    "unit" brings them to [0, 1].

    Parameters
    ----------
    samples : int or None
        Must be None; the set has 1797 samples.
    seed : int
        Chooses the samples of the test split.

    Raises
    ------
    UsageError
        If a number of samples is asked for, or `seed` is negative.
    """
    if samples is not None:
        raise UsageError(f"--samples {samples}: digits has 1797 samples, no more and no less; leave the option out")
    if seed < 0:
        raise UsageError(f"--seed {seed}; 0 or more is needed")
    pixels, labels = _load()
    features = np.rint(pixels * (255.0 / _STORED_MAX)).astype(np.uint8)
    in_test = stratified_test(labels, _TEST_FRACTION, seed)
    parts = {"train": ~in_test, "test": in_test}
    schema = Schema("multiclass", 64, 10, target_names=("digit",), image_shape=(8, 8), numbers="unsigned")
    origin = f"made: optdigits of UCI (Alpaydin, Kaynak; CC BY 4.0), 0..16 scaled to 0..255, split by seed {seed}"

    def blocks() -> Iterator[tuple[str, Rows]]:
        for split, chosen in parts.items():
            yield split, Rows(features[chosen], labels[chosen, None].astype(np.float64))

    sizes = {split: int(chosen.sum()) for split, chosen in parts.items()}
    return Source(schema, sizes, origin, blocks, feature_dtype="uint8")


def _load() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the pixels, shape (1797, 64), 0 .. 16, and the digits, shape (1797,)."""
    packed = files("ddp_mlp.data").joinpath("samples/digits.csv.gz").read_bytes()
    table = np.loadtxt(gzip.decompress(packed).decode().splitlines(), np.int64, delimiter=",")
    return table[:, :-1].astype(np.float64), table[:, -1]


def stratified_test(labels: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose a fraction of each class at random: shape (N,), True for the test split."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        chosen[members[: round(fraction * len(members))]] = True
    return chosen
