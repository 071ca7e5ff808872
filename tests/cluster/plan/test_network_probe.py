from __future__ import annotations

import math

import pytest

from ddp_mlp.cluster.plan.network_probe import measure_network
from ddp_mlp.errors import LaunchError


@pytest.mark.mpi
def test_two_ranks_measure_latency_and_bandwidth():
    latency, rate = measure_network(100_000)
    assert 0 < latency < 1
    assert 0 < rate < math.inf


def test_without_a_launcher_it_says_what_to_give(monkeypatch, tmp_path):
    from ddp_mlp.cluster.launch.launchers import Launcher

    fake = tmp_path / "mpiexec"
    fake.write_text("#!/bin/sh\necho no ranks today >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setattr("ddp_mlp.cluster.plan.network_probe.find_launcher", lambda: Launcher(str(fake), "mpich"))
    with pytest.raises(LaunchError, match=r"no ranks today.*--latency-us and --bandwidth-gb-s"):
        measure_network(100)
