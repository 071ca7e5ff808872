"""Whoever configures nothing gets the same weights, alone and on several ranks."""

from __future__ import annotations

import pytest

from tests.runs import ddp_mlp

pytestmark = pytest.mark.mpi


def test_bits_are_equal_without_any_configuration_of_micro_batches(tmp_path):
    assert ddp_mlp("data", "make", "moons", "--samples", "300", "--out", "m.h5", cwd=tmp_path).code == 0
    (tmp_path / "c.toml").write_text('[data]\ntrain = "m.h5"\n[train]\nepochs = 3\n')
    alone = ddp_mlp("train", "c.toml", "--out", "a", "--json", cwd=tmp_path).result
    three = ddp_mlp("train", "c.toml", "--out", "b", "--json", cwd=tmp_path, ranks=3, threads=2).result
    assert (alone["micro_batches"], three["micro_batches"]) == (8, 8)
    assert alone["weights_sha256"] == three["weights_sha256"]
