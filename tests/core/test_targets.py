"""CPU types by name: what pins both libraries."""

from __future__ import annotations

from typing import get_args

import pytest

from ddp_mlp.config.schema import keys, sections
from ddp_mlp.core.targets import TARGETS, pin


def test_every_name_of_the_configuration_is_a_target() -> None:
    assert set(get_args(keys(sections()["train"])["isa"])) == {"native", *TARGETS}


def test_native_leaves_the_environment_alone() -> None:
    environment = {"NUMBA_CPU_NAME": "znver3"}
    pin("native", environment)
    assert environment == {"NUMBA_CPU_NAME": "znver3"}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_sets_both(name: str) -> None:
    environment = {"NUMBA_CPU_NAME": "znver3", "HOME": "/root"}
    pin(name, environment)
    assert environment.pop("HOME") == "/root"
    assert set(environment) == {"NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NPY_DISABLE_CPU_FEATURES"}
    assert environment["NUMBA_CPU_NAME"] == TARGETS[name].llvm
    assert "+fma" in environment["NUMBA_CPU_FEATURES"].split(",")
