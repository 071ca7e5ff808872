"""A Slurm of two nodes on this machine, for the tests of one module."""

from __future__ import annotations

import pytest

from tests.slurm.cluster import require_slurm, running_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    require_slurm()
    with running_cluster(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        yield cluster
