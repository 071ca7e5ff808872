"""Extensions of Numba: intrinsics, SIMD vectors, the cache of compiled kernels."""
