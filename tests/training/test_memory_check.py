"""A network that no machine can hold is refused in plain words."""

from __future__ import annotations

import pytest

from ddp_mlp.config import from_builtins
from ddp_mlp.core.network import build_network
from ddp_mlp.errors import UsageError
from ddp_mlp.training.memory_check import check_memory


def test_parameters_and_gradient_must_fit():
    raw = {"data": {"train": "x"}, "model": {"hidden": [1000]}, "train": {"dtype": "float64"}}
    config = from_builtins(raw, "test")
    network = build_network(config.model, config.loss, "multiclass", 10, 5)
    assert network.layout.n_parameters == 11 * 1000 + 1001 * 5
    needed = 2 * 8 * network.layout.n_parameters
    check_memory(network, config, needed)
    with pytest.raises(UsageError, match="16005 parameters and their gradient take"):
        check_memory(network, config, needed - 1)
