"""What LLVM says that it runs on, and types that this CPU is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
    monkeypatch.setattr(hardware, "numba_settings", lambda: {"NUMBA_CPU_FEATURES": "+sse2"})
    assert code_target()[1] == "+sse2"
    assert describe_hardware()["llvm_features"] != before["llvm_features"]


@pytest.mark.parametrize(
    "variables",
    [{}, {"NUMBA_CPU_NAME": "haswell"}, {"NUMBA_CPU_NAME": "Generic"}, {"NUMBA_CPU_FEATURES": ""},
     {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+sse2"}],
    ids=["nothing", "a name", "generic", "empty", "both"],
)  # fmt: skip
def test_settings_mean_what_they_mean_to_numba(tmp_path: Path, variables: dict[str, str]) -> None:
    """By variables, and by the file that Numba looks for in the working directory."""
    code = (
        "from ddp_mlp.core.kernels.numba_ext.hardware import code_target; import sys; found = code_target()\n"
        "print('numba' in sys.modules); from numba.core import config\n"
        "from numba.core.registry import cpu_target; codegen = cpu_target.target_context.codegen()\n"
        "print(found[0] == codegen._get_host_cpu_name() and found[1] == codegen._get_host_cpu_features())"
    )
    others = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CPU")}

    def told(**given: str) -> list[str]:
        environment = {**others, "PYTHONPATH": os.pathsep.join(sys.path), **given}
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True,
                              text=True, timeout=60, check=False)  # fmt: skip
        return done.stdout.split() or [done.stderr]

    assert told(**variables) == ["False", "True"]
    (tmp_path / ".numba_config.yaml").write_text("cpu_name: haswell\n")
    assert told(**variables) == ["True", "True"]


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
