"""The CPU type that LLVM compiles the kernels for."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path

import llvmlite.binding as llvm

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.core.targets import TARGETS
from ddp_mlp.errors import UsageError

#: Where Numba looks for settings, in the working directory.
_NUMBA_FILE = ".numba_config.yaml"


def code_target() -> tuple[str, str]:
    """Return the CPU that LLVM compiles for, and its features, as one string each."""
    settings = numba_settings()
    name, features = settings.get("NUMBA_CPU_NAME"), settings.get("NUMBA_CPU_FEATURES")
    if features is None:
        features = "" if str(name).lower() == "generic" else llvm.get_host_cpu_features().flatten()
    return name or llvm.get_host_cpu_name(), features


@functools.cache  # as Numba, which reads them once
def numba_settings() -> dict[str, str]:
    """Return the settings of Numba that users have made; it is imported only where a file holds some."""
    if not Path(_NUMBA_FILE).is_file():
        return {name: value for name, value in os.environ.items() if name.startswith("NUMBA_")}
    from numba.core import config

    found = {name: value for name, value in vars(config).items() if name.isupper() and name[0] != "_"}
    return {f"NUMBA_{name}": str(value) for name, value in found.items() if isinstance(value, str | int | float)}


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
