"""The page about the model file: its reader gives the answers of the program, its table names what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ddp_mlp

PAGE = (Path(__file__).parents[2] / "docs" / "model-file.md").read_text()


def reader() -> Any:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    namespace: dict[str, Any] = {}
    exec(code[0], namespace)  # noqa: S102 - of our own page
    assert len([line for line in code[0].splitlines() if line.strip()]) <= 12
    return namespace["logits"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", ["regression", "scaled", "binary", "multiclass"])
def test_the_reader_of_the_page_answers_as_the_program_does(task: str, dtype: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(3, 2, (80, 4))
    scale = "standard" if task == "scaled" else "none"
    y = {"binary": x[:, 0] > 3, "multiclass": np.arange(80) % 3}.get(task, x[:, :2] * 50 + 7)
    data = {"normalize_targets": scale, "task": "regression"} if task in {"regression", "scaled"} else {}
    config = {"data": data, "model": {"hidden": [6, 5]}, "train": {"epochs": 3, "dtype": dtype}}
    model = ddp_mlp.train(config, data=(x, y)).model
    model.save(tmp_path / "m.h5")
    found = reader()(tmp_path / "m.h5", x).astype(np.float64)
    with h5py.File(tmp_path / "m.h5") as file:
        names = {*file.attrs, *file, *file["parameters"].attrs}
        if task == "scaled":
            target = file["target_normalization"]
            found = found / target["scale"][:] + target["offset"][:]
    if task == "binary":
        found = 1 / (1 + np.exp(-found))
    if task == "multiclass":
        found = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    bound = 1e-5 if dtype == "float32" else 1e-12
    assert np.allclose(found, model.outputs(x), rtol=bound, atol=bound)
    assert all(f"`{name}" in PAGE for name in names), names
