"""Extensions of Numba: intrinsics, SIMD vectors, elementary functions, the cache of compiled kernels."""
