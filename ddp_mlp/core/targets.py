"""Common CPU types, and how LLVM and NumPy are made to use no more than theirs.

Both choose their code by the CPU that they find, and other code gives other
bits. The variables are read when a library is loaded, so they must be set before that.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass

#: Every set of x86 instructions beyond AVX2 that NumPy has code for; names of NumPy 1.26 to 2.4.
_BEYOND_AVX2 = "X86_V4 AVX512_ICL AVX512_SPR AVX512_SKX AVX512_CLX AVX512_CNL AVX512F AVX512CD"
#: Likewise beyond the first CPUs with AVX-512.
_BEYOND_SKYLAKE = "AVX512_ICL AVX512_SPR AVX512_CLX AVX512_CNL"


@dataclass(frozen=True)
class Target:
    """A CPU type by its names.

    Attributes
    ----------
    llvm : str
        As LLVM calls it.
    features : str
        What LLVM may use, as its list of attributes.
    without : str
        What NumPy must not use, of those instruction sets that it looks for.
    """

    llvm: str
    features: str
    without: str

    def variables(self) -> dict[str, str]:
        """Return the environment variables that pin both libraries."""
        return {
            "NUMBA_CPU_NAME": self.llvm,
            "NUMBA_CPU_FEATURES": self.features,
            "NPY_DISABLE_CPU_FEATURES": self.without,
        }


#: By the name that ``[train] isa`` gives them. All have FMA, by which the C library chooses.
TARGETS = {
    "haswell": Target("haswell", "+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt", _BEYOND_AVX2),
    "skylake-avx512": Target(
        "skylake-avx512",
        "+avx2,+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt",
        _BEYOND_SKYLAKE,
    ),
    "cooperlake": Target(
        "cooperlake",
        "+avx2,+avx512bf16,+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl,+avx512vnni,+bmi,+bmi2,+f16c,+fma,+lzcnt,"
        "+movbe,+popcnt",
        _BEYOND_SKYLAKE,
    ),
}


def pin(isa: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Have libraries that are not loaded yet use the code of a CPU type; ``native`` leaves them their choice."""
    if isa in TARGETS:
        environment.update(TARGETS[isa].variables())
