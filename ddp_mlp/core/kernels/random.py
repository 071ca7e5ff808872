"""Random orders from a counter: pure functions of integers, the same on every machine.

Source of the mixing function: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014 (SplitMix64).
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.core.kernels.arrays import Integers1
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@jit
def mix(word):
    """Scramble 64 bits: a bijection whose every output bit depends on every input bit."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@jit
def draw(key, counter):
    """Return the 64 random bits number `counter` of stream `key` (both uint64)."""
    return mix(key + (counter + np.uint64(1)) * GOLDEN)


@jit
def below(key, counter, bound):
    """Return a number in ``[0, bound)``, uniform to ``bound / 2^64``, for `bound` below 2^31."""
    high = draw(key, counter) >> np.uint64(32)
    low = draw(key ^ GOLDEN, counter) >> np.uint64(32)
    # The high word of (high 2^32 + low) * bound / 2^64, in 64-bit arithmetic.
    return (high * bound + ((low * bound) >> np.uint64(32))) >> np.uint64(32)


def shuffle(ids: Integers1, key: np.uint64):
    """Put `ids` (n,) int64 into the random order of stream `key`, in place (Fisher-Yates)."""
    for i in range(ids.shape[0] - 1, 0, -1):
        j = np.int64(below(np.uint64(key), np.uint64(i), np.uint64(i + 1)))
        ids[i], ids[j] = ids[j], ids[i]
