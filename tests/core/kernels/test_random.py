"""The counter-based generator: SplitMix64, to the bit, in Python's own integers."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.core.kernels.entry_points import shuffle
from ddp_mlp.core.kernels.random import GOLDEN, below, draw, mix

MASK = 2**64 - 1


def splitmix64(word: int) -> int:
    """The mixing function of the paper, variant 13 of Stafford."""
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def drawn(key: int, counter: int) -> int:
    return splitmix64((key + (counter + 1) * int(GOLDEN)) & MASK)


def test_first_numbers_of_the_published_generator() -> None:
    """State 1234567: the values that implementations of SplitMix64 are commonly checked with."""
    found = [int(draw(np.uint64(1234567), np.uint64(i))) for i in range(5)]
    assert found == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@pytest.mark.parametrize("key", [0, 1, 2**63, MASK, 0xDEADBEEF])
def test_kernels_agree_with_exact_integers(key: int) -> None:
    for counter in (0, 1, 2, 1000, 2**32, MASK):
        assert int(mix(np.uint64(key))) == splitmix64(key)
        assert int(draw(np.uint64(key), np.uint64(counter))) == drawn(key, counter)
        for bound in (1, 2, 3, 10, 60_000, 2**31 - 1):
            word = (drawn(key, counter) >> 32 << 32) + (drawn(key ^ int(GOLDEN), counter) >> 32)
            assert int(below(np.uint64(key), np.uint64(counter), np.uint64(bound))) == word * bound >> 64


def test_shuffle_is_that_of_fisher_and_yates() -> None:
    key = 0x0123456789ABCDEF
    expected = list(range(100))
    for i in range(99, 0, -1):
        j = int(below(np.uint64(key), np.uint64(i), np.uint64(i + 1)))
        expected[i], expected[j] = expected[j], expected[i]
    ids = np.arange(100)
    shuffle(ids, np.uint64(key))
    assert ids.tolist() == expected
