"""The vector registers of the CPU that is compiled for."""

from __future__ import annotations

from ddp_mlp.core.kernels.numba_ext.hardware import code_target


def _vector_bytes_and_registers() -> tuple[int, int]:
    """Return the width of a vector register and their number, of the CPU that is compiled for."""
    _, features = code_target()
    if "+avx512f" in features:
        return 64, 32
    return (32, 16) if "+avx" in features else (16, 32 if "+neon" in features else 16)


VECTOR_BYTES, N_REGISTERS = _vector_bytes_and_registers()

#: Rows of a whole tile of `gemm.microkernel`. Two accumulators a row, two vectors of B and a value of A fit the
#: registers, and there are enough chains to hide the latency of a multiply-add.
TILE_ROWS = 8 if N_REGISTERS == 32 else 6
