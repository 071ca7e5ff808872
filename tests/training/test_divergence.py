"""What the line says that ends a training which became non-finite."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from ddp_mlp.errors import NonFiniteError
from tests.runs import train_here

CONFIG = """
[data]
train = "d.h5"
normalize_targets = "none"
[model]
hidden = [4]
[optimizer]
name = "sgd"
[train]
micro_batches = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("divergence")
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 3))
    with h5py.File(path / "d.h5", "w") as file:
        file["X"], file["y"] = x, 1e5 * x[:, 0]
    with h5py.File(path / "k.h5", "w") as file:
        file["X"], file["y"] = 1e6 * x, (x[:, 0] > 0).astype(np.int64)
    (path / "c.toml").write_text(CONFIG)
    return path


@pytest.mark.parametrize(
    ("overrides", "advice"),
    [
        (["optimizer.learning_rate=0.1"], 'the targets reach 2'),
        (["optimizer.learning_rate=0.1"], 'set [data] normalize_targets = "standard"; if that is not it, a smaller'),
        (["optimizer.learning_rate=1e30", "data.normalize_targets=standard"], "the update was not applied; a smaller"),
        (["optimizer.learning_rate=1e30", "data.normalize_targets=standard"], "or [train] clip_norm = 1.0"),
        (
            ["data.train=k.h5", "data.normalize=none", "optimizer.learning_rate=1e30", "loss.name=mse"],
            'the features are not normalised: set [data] normalize = "standard"; if that is not it, a smaller',
        ),
        (
            ["data.train=k.h5", "optimizer.name=adam", "optimizer.learning_rate=1e30", "loss.name=mse"],
            "learning_rate = 1e+30 is large for adam; try 0.001",
        ),
    ],
)  # fmt: skip
def test_the_likeliest_cure_comes_first(folder, overrides, advice, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(NonFiniteError) as caught:
        train_here(folder, f"r{abs(hash((*overrides, advice)))}", *overrides)
    assert advice in str(caught.value)
