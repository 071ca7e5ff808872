"""Compilers that tests call."""

from __future__ import annotations

import os
import shutil

import pytest


def need(program: str) -> str:
    """Return a compiler; without it the test is left out, but not where all must run."""
    found = shutil.which(program)
    if found is None:
        assert not os.environ.get("DDP_MLP_REQUIRE_FORTRAN"), f"{program} must be here"
        pytest.skip(f"needs {program}")
    return found
