"""The CPU type that LLVM compiles the kernels for."""

from __future__ import annotations

import hashlib
import platform

import llvmlite.binding as llvm
from numba.core import config

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.core.targets import TARGETS
from ddp_mlp.errors import UsageError


def code_target() -> tuple[str, str]:
    """Return the CPU that LLVM compiles for, and its features, as one string each."""
    name = config.CPU_NAME or llvm.get_host_cpu_name()
    features = config.CPU_FEATURES
    return name, llvm.get_host_cpu_features().flatten() if features is None else features


def multiplies_bfloat16() -> bool:
    """Tell whether the CPU that is compiled for has the instructions for bfloat16 of AVX-512."""
    return "+avx512bf16" in code_target()[1].split(",")


def slow_products(dtype: str) -> str:
    """Return a line for the user where the products of a dtype of training are slow on this CPU; else nothing."""
    if not DTYPES[dtype].rounds_factors or multiplies_bfloat16():
        return ""
    return (
        f"[train] dtype = {dtype!r} is slower than float32 here, with the bits that it has everywhere: "
        f"the CPU that kernels are compiled for ({code_target()[0]}) has no AVX512-BF16"
    )


def describe_hardware() -> dict[str, str]:
    """Return the facts about the hardware that bits depend on: LLVM's CPU, and a hash of its features."""
    name, features = code_target()
    return {
        "machine": platform.machine(),
        "llvm_cpu": name,
        "llvm_features": hashlib.sha256(features.encode()).hexdigest()[:12],
    }


def check_isa(isa: str) -> None:
    """Raise UsageError unless this CPU can run the code of `isa`, and LLVM was loaded for it."""
    if isa not in TARGETS:
        return
    target, available = TARGETS[isa], llvm.get_host_cpu_features()
    missing = [name for name in target.features.replace("+", "").split(",") if not available.get(name)]
    if missing:
        raise UsageError(
            f"[train] isa = {isa!r} needs {', '.join(missing)}, which this CPU ({llvm.get_host_cpu_name()}) does not "
            f"have; allowed are native and types that all your CPUs include, such as {next(iter(TARGETS))!r}"
        )
    found = describe_hardware()
    if found["llvm_cpu"] != target.llvm:
        raise UsageError(
            f"[train] isa = {isa!r}, but LLVM was loaded for {found['llvm_cpu']}; start "
            "with the ddp-mlp command, which sets it, or set the variables that docs/reliability.md names"
        )
