"""Random models: every activation, output, preprocessing and dtype, without training."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ddp_mlp.catalog.activations import ACTIVATIONS
from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.config import from_builtins
from ddp_mlp.core.network import build_network
from ddp_mlp.data.normalization import Normalization
from ddp_mlp.data.schema import Schema, SourceColumn

#: Each loss with a task that it fits, so that each output unit comes up.
LOSS_TASKS = [(name, task) for name, loss in LOSSES.items() for task in loss.tasks]


def model(
    activations: tuple[str, ...] = ("relu",),
    loss: tuple[str, str] = ("mse", "regression"),
    *,
    dtype: str = "float64",
    kind: str = "standard",
    filled: bool = False,
    scaled: bool = False,
    tied: bool = False,
    offset: float = 3.0,
    seed: int = 0,
    n_features: int = 4,
    n_outputs: int = 3,
    **schema: Any,
) -> Model:
    """Return a model of random weights."""
    rng = np.random.default_rng(seed)
    name, task = loss
    n_outputs = n_features if tied else 1 if task == "binary" else n_outputs
    hidden = [5] if tied else [5, 6, 4][: len(activations)]
    section = {"hidden": hidden, "activation": list(activations), "tied": tied, "elu_alpha": 0.7, "maxout_pieces": 3}
    raw = {"data": {"train": "-"}, "model": section, "loss": {"name": name}, "train": {"dtype": dtype}}
    config = from_builtins(raw, "test")
    known = Schema(task, n_features, n_outputs, **schema)
    network = build_network(config.model, config.loss, task, n_features, n_outputs)
    parameters = rng.normal(0, 0.7, network.layout.n_parameters).astype(dtype)
    scale = np.ones(n_features) if kind == "none" else 1 / rng.uniform(0.5, 4, n_features)
    middle = np.zeros(n_features) if kind == "none" else rng.normal(offset, 1, n_features)
    fill = middle + rng.normal(0, 1, n_features) if filled else None
    features = Normalization(kind, middle, scale, (), middle - 2 / scale, middle + 2 / scale, fill)  # type: ignore[arg-type]
    quantities = Normalization("standard", rng.normal(50, 9, n_outputs), rng.uniform(0.1, 2, n_outputs))
    targets = quantities if scaled else None
    return Model(config, known, network, features, parameters, 1, 1, targets)


@st.composite
def models(draw: Any) -> Model:
    """Draw a model."""
    names = st.sampled_from(sorted(ACTIVATIONS))
    loss = draw(st.sampled_from(LOSS_TASKS))
    tied = loss == ("mse", "regression") and draw(st.booleans())
    plain = st.sampled_from(sorted(set(ACTIVATIONS) - {"maxout"}))
    activations = (draw(plain),) if tied else tuple(draw(st.lists(names, max_size=3)))
    return model(
        activations, loss, tied=tied, dtype=draw(st.sampled_from(["float32", "float64"])),
        kind=draw(st.sampled_from(["none", "standard", "minmax"])), filled=draw(st.booleans()),
        scaled=loss[1] == "regression" and draw(st.booleans()), seed=draw(st.integers(0, 999)),
    )  # fmt: skip


def people() -> Schema:
    """Return the schema of a table with text, marked gaps, booleans and a unit."""
    columns = (
        SourceColumn("age", "number", ("age",), missing="indicator", unit="years"),
        SourceColumn(
            "colour", "category", ("colour=red", "colour=blue", "colour=missing"), ("red", "blue"), "indicator"
        ),
        SourceColumn("size", "category", ("size",), ("S", "M", "L"), "impute", how="ordinal"),
        SourceColumn("member", "boolean", ("member",), ("no", "yes"), "error"),
        SourceColumn("height", "number", ("height", "height=missing"), missing="indicator"),
    )
    names = tuple(name for column in columns for name in column.features)
    return Schema("binary", len(names), 1, names, None, ("no", "yes"), columns=columns)
