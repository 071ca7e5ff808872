"""What LLVM says that it runs on, and types that this CPU is not."""

from __future__ import annotations

import pytest

from ddp_mlp.core.kernels.numba_ext import hardware
from ddp_mlp.core.kernels.numba_ext.hardware import check_isa, code_target, describe_hardware
from ddp_mlp.errors import UsageError


def test_everything_that_decides_the_bits_is_named() -> None:
    found = describe_hardware()
    assert set(found) == {"machine", "llvm_cpu", "llvm_features"}
    assert all(found.values())
    assert found == describe_hardware()


def test_features_are_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = describe_hardware()
    monkeypatch.setattr(hardware.config, "CPU_FEATURES", "+sse2")
    assert code_target()[1] == "+sse2"
    assert describe_hardware()["llvm_features"] != before["llvm_features"]


def test_native_is_never_refused() -> None:
    check_isa("native")


def test_a_cpu_that_lacks_it_is_told_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.llvm, "get_host_cpu_features", lambda: {"avx2": True, "fma": True})
    with pytest.raises(
        UsageError, match=r"isa = 'haswell' needs bmi, bmi2, f16c, lzcnt, movbe, popcnt, which this CPU"
    ):
        check_isa("haswell")


def test_libraries_that_were_loaded_before_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = dict.fromkeys(hardware.TARGETS["haswell"].features.replace("+", "").split(","), True)
    monkeypatch.setattr(hardware.llvm, "get_host_cpu_features", lambda: everything)
    found = {"llvm_cpu": "znver3"}
    monkeypatch.setattr(hardware, "describe_hardware", lambda: found)
    with pytest.raises(UsageError, match="LLVM was loaded for znver3; start with the ddp-mlp command"):
        check_isa("haswell")
    found.update(llvm_cpu="haswell")
    check_isa("haswell")
