"""The bundled digits: the rows themselves, scaled pixels, a stratified test split."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ddp_mlp.data.sources.made.digits import make_digits, stratified_test
from ddp_mlp.errors import UsageError


def test_pixels_span_a_byte_and_classes_are_balanced() -> None:
    source = make_digits(None, 0)
    d = source.schema
    assert (d.task, d.n_classes, d.n_features, d.image_shape, source.feature_dtype) == (
        "multiclass",
        10,
        64,
        (8, 8),
        "uint8",
    )
    assert "0..255" in source.origin
    blocks = dict(source.blocks())
    assert {s: len(r.features) for s, r in blocks.items()} == dict(source.sizes)
    assert sum(source.sizes.values()) == 1797
    assert blocks["train"].features.dtype == np.uint8
    # 16 levels and zero, spread by 255 / 16 and rounded.
    assert set(np.unique(blocks["train"].features)) == {int(np.rint(v * 255 / 16)) for v in range(17)}
    for label in range(10):
        counts = [int((blocks[s].targets == label).sum()) for s in ("train", "test")]
        assert counts[1] == round(0.2 * sum(counts))


def test_the_seed_chooses_the_test_split() -> None:
    first, again, other = (dict(make_digits(None, seed).blocks())["test"].features for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_stratified_keeps_the_shares() -> None:
    labels = np.array([0] * 50 + [1] * 10)
    chosen = stratified_test(labels, 0.2, 0)
    assert (chosen[:50].sum(), chosen[50:].sum()) == (10, 2)


def test_they_ship_with_the_package() -> None:
    """The very rows of the UCI file: their hash, and that no foreign package is needed."""
    code = (
        "import hashlib, sys\nfrom ddp_mlp.data.sources.made.digits import _load\npixels, labels = _load()\n"
        "print(hashlib.sha256(pixels.astype('u1').tobytes() + labels.astype('u1').tobytes()).hexdigest())\n"
        "print({'sklearn', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826", "set()"]


def test_requests_that_mean_nothing() -> None:
    with pytest.raises(UsageError, match="1797 samples"):
        make_digits(100, 0)
    with pytest.raises(UsageError, match="--seed -1"):
        make_digits(None, -1)
