"""The one vector: segments tile it, views share it, its digest is pinned."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ddp_mlp.core.layout import Layout, digest
from tests import reference

SIZES = st.lists(st.integers(1, 30), min_size=2, max_size=6).map(tuple)


@given(SIZES)
def test_segments_tile_the_vector(sizes: tuple[int, ...]) -> None:
    layout = Layout(sizes)
    at = 0
    for segment in layout.segments():
        assert segment.start == at
        assert segment.stop - segment.start == np.prod(segment.shape)
        at = segment.stop
    assert at == layout.n_parameters
    assert layout.n_layers == len(sizes) - 1


def test_names_shapes_and_places() -> None:
    found = [(s.name, s.start, s.stop, s.shape) for s in Layout((3, 4, 2)).segments()]
    assert found == [
        ("layer1.weight", 0, 12, (3, 4)),
        ("layer1.bias", 12, 16, (4,)),
        ("layer2.weight", 16, 24, (4, 2)),
        ("layer2.bias", 24, 26, (2,)),
    ]


@given(SIZES)
def test_views_are_the_layers_of_the_reference(sizes: tuple[int, ...]) -> None:
    layout = Layout(sizes)
    vector = np.arange(layout.n_parameters, dtype=np.float64)
    for layer, (weight, bias) in enumerate(reference.unpack(vector, sizes)):
        np.testing.assert_array_equal(layout.weight(layer).view(vector), weight)
        np.testing.assert_array_equal(layout.bias(layer).view(vector), bias)


def test_views_write_through() -> None:
    layout, vector = Layout((2, 3)), np.zeros(9, np.float32)
    layout.weight(0).view(vector)[1, 2] = 5
    layout.bias(0).view(vector)[0] = 7
    assert vector.tolist() == [0, 0, 0, 0, 0, 5, 7, 0, 0]


def test_digest_is_that_of_the_bytes() -> None:
    vector = np.array([1.0, -0.5, 3.25], np.float32)
    expected = hashlib.sha256(bytes.fromhex("0000803f000000bf00005040")).hexdigest()
    assert digest(vector) == expected
    assert digest(np.array([1.0, 9, -0.5, 9, 3.25, 9], np.float32)[::2]) == expected, "strided"


def test_digest_tells_bits_apart() -> None:
    vectors = [np.zeros(2, np.float32), np.zeros(1, np.float64), np.array([0.0, -0.0], np.float32)]
    vectors += [np.array([0.0, 1e-45], np.float32)]
    assert len({digest(v) for v in vectors}) == 3, "two float32 zeros and one float64 zero are the same bytes"
