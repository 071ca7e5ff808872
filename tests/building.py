"""Networks, rows in memory and engines, as small as a test wants them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba.core import event

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.comm import Communicator, SingleProcess
from ddp_mlp.core.layout import Layout
from ddp_mlp.core.network import Network
from ddp_mlp.core.update_rules import UpdateRules
from ddp_mlp.data.resident import Resident
from ddp_mlp.engine.engine import Engine, StepReport

#: Slopes and alphas, the same as in the reference.
ACTIVATION_PARAMS = {"leaky_relu": 0.1, "elu": 1.0}


def network_of(sizes: Sequence[int], activation: str | Sequence[str] = "tanh", loss: str = "mse") -> Network:
    """Return a network with these hidden activations and logits as they are."""
    hidden = [activation] * (len(sizes) - 2) if isinstance(activation, str) else list(activation)
    activations = (*hidden, "identity")
    params = tuple(ACTIVATION_PARAMS.get(name, 0.0) for name in activations)
    return Network(Layout(tuple(sizes)), activations, loss, LOSSES[loss].output, params)


def parameters_of(network: Network, rng: np.random.Generator, dtype: str = "float64") -> np.ndarray:
    """Return random parameters, none zero, about as large as start weights are, for training in `dtype`."""
    vector = rng.normal(0, 0.3, network.layout.n_parameters)
    for layer in range(network.layout.n_layers):
        weight = network.layout.weight(layer).view(vector)
        weight *= 3 / np.sqrt(len(weight))
    return vector.astype(DTYPES[dtype].held)


def targets_for(network: Network, n_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return targets that the loss can take, shape (n, C), or (n, 1) for labels."""
    n_outputs = network.layout.sizes[-1]
    if LOSSES[network.loss].takes_labels:
        return rng.integers(0, n_outputs, (n_rows, 1)).astype(float)
    if network.loss != "mse":
        return rng.integers(0, 2, (n_rows, n_outputs)).astype(float)
    return rng.normal(0, 1, (n_rows, n_outputs))


def resident_of(x: Any, t: Any, dtype: str = "float64") -> Resident:
    """Hold features (n, F) and targets (n, T) as they are, for training in `dtype`."""
    dtype = DTYPES[dtype].held
    rows = np.ascontiguousarray(x, dtype)
    n_rows, n_features = rows.shape
    return Resident(
        features=rows.view(np.uint8).reshape(n_rows, n_features * rows.itemsize),
        stored=0,
        offset=np.zeros(n_features, dtype),
        scale=np.ones(n_features, dtype),
        targets=np.ascontiguousarray(t, dtype).reshape(n_rows, -1),
        starts=(0, n_rows),
    )


def resident_of_bytes(x: Any, t: Any, offset: Any, scale: Any, dtype: str) -> Resident:
    """Hold raw bytes (n, F), to be normalised while they are gathered."""
    return Resident(
        features=np.ascontiguousarray(x, np.uint8),
        stored=1,
        offset=np.array(offset, dtype),
        scale=np.array(scale, dtype),
        targets=np.ascontiguousarray(t, dtype).reshape(len(x), -1),
        starts=(0, len(x)),
    )


@contextmanager
def compilations() -> Iterator[list[str]]:
    """List the kernels that are compiled in the block."""
    names: list[str] = []

    class Names(event.Listener):
        def on_start(self, event: Any) -> None:
            names.append(event.data["dispatcher"].py_func.__name__)

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Names()):
        yield names


@contextmanager
def engine_of(
    network: Network,
    resident: Resident,
    start: np.ndarray,
    optimizer: str = "sgd",
    *,
    micro_batches: int = 4,
    threads: int = 1,
    batch: int | None = None,
    rules: UpdateRules = UpdateRules(),  # noqa: B008 - frozen
    comm: Communicator | None = None,
    shards: bool = False,
    overlaps: bool = False,
    dtype: str = "",
) -> Iterator[Engine]:
    """Run an engine over all rows in their order, of one process or as one of several ranks."""
    n_rows = len(resident.targets)
    engine = Engine(
        network, optimizer, resident, comm or SingleProcess(),
        micro_batches=micro_batches, threads=threads, n_train=n_rows, global_batch_size=batch or n_rows,
        start=start, rules=rules, sharding=shards, overlap=overlaps, dtype=dtype,
    )  # fmt: skip
    engine.order[:] = np.arange(n_rows)
    try:
        yield engine
    finally:
        engine.close()


def gradient_of(
    network: Network,
    resident: Resident,
    theta: np.ndarray,
    *,
    micro_batches: int = 4,
    threads: int = 1,
    dtype: str = "",
) -> tuple[np.ndarray, StepReport]:
    """Return the mean gradient over all rows, to the last bit, and the report of the step.

    The velocity of the momentum rule is ``0 v - 1 g`` after one step.
    """
    how = {"micro_batches": micro_batches, "threads": threads, "dtype": dtype}
    with engine_of(network, resident, theta, "momentum", **how) as engine:  # type: ignore[arg-type]
        (report,) = engine.run([(0, len(resident.targets))], [(1.0, 0.0)])
        return -engine.moments[0], report
