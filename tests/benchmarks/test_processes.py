"""Peers in processes of their own: what they measured counts, however they end."""

from __future__ import annotations

import pytest

from benchmarks.processes import run_torch_world


def test_a_peer_that_aborts_in_the_end_has_measured_all_the_same() -> None:
    assert run_torch_world(2, "tests.benchmarks.aborting", "after") == {"us": 1.5}


def test_one_that_says_nothing_has_failed() -> None:
    with pytest.raises(RuntimeError, match=r"aborting failed: exit codes \[-6, -6\]"):
        run_torch_world(2, "tests.benchmarks.aborting", "before")
