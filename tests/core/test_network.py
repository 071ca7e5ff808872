"""From configuration and task to a network: what fits, and what is refused with the names of what fits."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.catalog.losses import LOSSES, losses_of
from ddp_mlp.config import LossConfig, ModelConfig
from ddp_mlp.core import layer_table as tables
from ddp_mlp.core.kernels.network.layers import DELTA_AT, INPUT_AT, LAYER_COLUMNS, N_IN, N_OUT, OUTPUT_AT, ROWS_AT_ONCE
from ddp_mlp.core.kernels.numba_ext.registers import TILE_ROWS
from ddp_mlp.core.kernels.parallel.words import BLOCK
from ddp_mlp.core.layer_table import layer_table
from ddp_mlp.core.network import build_network
from ddp_mlp.errors import UsageError
from tests.building import network_of

OUTPUTS = ("linear", "sigmoid", "softmax")
TASKS = ("regression", "binary", "multiclass")


def build(task: str = "multiclass", loss: str = "auto", n_outputs: int = 3, **model: object):
    return build_network(ModelConfig(**model), LossConfig(name=loss), task, 4, n_outputs)


@pytest.mark.parametrize(
    ("task", "loss", "output"),
    [
        ("regression", "mse", "linear"),
        ("binary", "binary_cross_entropy", "sigmoid"),
        ("multiclass", "cross_entropy", "softmax"),
    ],
)
def test_each_task_has_its_loss(task: str, loss: str, output: str) -> None:
    network = build(task)
    assert (network.loss, network.output) == (loss, output)
    assert (build(task, loss, output=output).loss, build(task, output="auto").output) == (loss, output)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_that_do_not_fit_the_task_are_refused(task: str, loss: str) -> None:
    if loss in losses_of(task):
        assert build(task, loss).loss == loss
        return
    with pytest.raises(UsageError) as caught:
        build(task, loss)
    for word in (loss, task, *losses_of(task)):
        assert word in str(caught.value)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(("task", "loss"), [(task, loss) for task in TASKS for loss in losses_of(task)])
def test_outputs_that_do_not_fit_the_loss_are_refused(task: str, loss: str, output: str) -> None:
    if output == LOSSES[loss].output:
        assert build(task, loss, output=output).output == output
        return
    with pytest.raises(UsageError) as caught:
        build(task, loss, output=output)
    for word in (output, loss, f"allowed: {LOSSES[loss].output}"):
        assert word in str(caught.value)


def test_layers_and_activations() -> None:
    network = build(hidden=[5, 6], activation=["tanh", "relu"], n_outputs=2)
    assert network.layout.sizes == (4, 5, 6, 2)
    assert network.activations == ("tanh", "relu", "identity")
    assert build(hidden=[5, 6], activation="sigmoid").activations == ("sigmoid", "sigmoid", "identity")
    assert build(hidden=[]).layout.sizes == (4, 3), "softmax regression: no hidden layer"


@pytest.mark.parametrize("values_at_once", [1, 2048, 5000, tables._VALUES_AT_ONCE])
def test_rows_taken_at_once_hold_every_block(values_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that begins with the last value of a row; an update would read on in other sums."""
    monkeypatch.setattr(tables, "_VALUES_AT_ONCE", values_at_once)
    for width in (*range(1, 2 * BLOCK + 2), 8191, 8192, 8193, 65537, 10**6):
        rows = int(layer_table(network_of((3, width))).layers[0, ROWS_AT_ONCE])
        assert rows * width - (width - 1) >= BLOCK, width
        assert rows % TILE_ROWS == 0, width


@pytest.mark.parametrize("sizes", [(4, 3), (4, 5, 3), (2, 9, 1, 6, 3)])
def test_work_space_holds_everything_apart(sizes: tuple[int, ...]) -> None:
    """Features, outputs of every layer and deltas of the hidden ones take columns that do not overlap."""
    table = layer_table(network_of(sizes), training=True)
    assert table.layers.shape == (len(sizes) - 1, LAYER_COLUMNS)
    rows = table.layers.tolist()
    blocks = [(row[INPUT_AT], row[INPUT_AT] + row[N_IN]) for row in rows]
    blocks += [(row[OUTPUT_AT], row[OUTPUT_AT] + row[N_OUT]) for row in rows[-1:]]
    blocks += [(row[DELTA_AT], row[DELTA_AT] + row[N_OUT]) for row in rows[:-1]]
    used = [column for start, stop in blocks for column in range(start, stop)]
    assert sorted(used) == list(range(table.columns))
    for left, right in zip(table.layers[:-1], table.layers[1:], strict=True):
        assert right[INPUT_AT] == left[OUTPUT_AT], "each layer reads what the one before has written"
    assert rows[-1][DELTA_AT] == rows[-1][OUTPUT_AT], "a loss turns logits into deltas in place"
    assert table.layers.dtype == np.int64
    assert layer_table(network_of(sizes)).columns == sum(sizes), "deltas are for training"
