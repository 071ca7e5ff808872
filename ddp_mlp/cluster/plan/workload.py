"""The run that is planned, and its workload: a configuration beside the facts of its data set."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.catalog.dtypes import held_dtype
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.config import Config
from ddp_mlp.core.augmentation import augmentation_settings
from ddp_mlp.core.layer_table import layer_table
from ddp_mlp.core.network import Network, build_network
from ddp_mlp.core.sampling import global_batch_size
from ddp_mlp.core.sharding import (
    AutoBool,
    default_micro_batches,
    defers_weights,
    is_sharded,
    micro_batches_at_once,
    rows_at_once,
)
from ddp_mlp.core.update_rules import keeps_gradient, update_rules
from ddp_mlp.data.resident import sizes_of_rows
from ddp_mlp.engine.optimizer_shards import sharding_of
from ddp_mlp.training.inputs.data_files import open_splits
from ddp_mlp.training.streaming.cutting import cut_rows, is_streamed
from ddp_mlp.training.streaming.windows_in_memory import N_SLOTS


@dataclass(frozen=True)
class Workload:
    """The training, as far as its time and memory depend on it.

    Attributes
    ----------
    n_parameters, n_moments : int
    itemsize : int
        Bytes of a value of the dtype of training.
    looks_ahead : bool
        Whether gradients are taken at a point of their own, which is another vector.
    global_batch_size : int
    micro_batches : int or None
        None where they follow from the number of workers.
    columns : int
        Values of work space for each row of a micro-batch.
    flops_per_sample : int
        Of the products of forward and backward pass.
    data_bytes : int
        Of the rows in memory, once for each node.
    sharding : bool or "auto"
        Whether nodes share out the update.
    can_defer, keeps_gradient : bool
        Whether gradient sums of weights can be taken in the update, and whether that keeps them.
    """

    n_parameters: int
    n_moments: int
    itemsize: int
    looks_ahead: bool
    global_batch_size: int
    micro_batches: int | None
    columns: int
    flops_per_sample: int
    data_bytes: int
    sharding: AutoBool = False
    can_defer: bool = False
    keeps_gradient: bool = False

    @property
    def vector_bytes(self) -> int:
        """Bytes of a vector of the length of the parameters."""
        return self.n_parameters * self.itemsize

    def is_sharded(self, nodes: int) -> bool:
        """Tell whether so many nodes share out the update."""
        return is_sharded(self.sharding, nodes, self.vector_bytes)

    def defers_weights(self, workers: int, nodes: int) -> bool:
        """Tell whether so many workers take the gradient sums of just the weights that they update."""
        return (nodes == 1 and self.can_defer) and defers_weights(
            self.global_batch_size,
            self.micro_batches_for(workers),
            self.run_for(workers),
            self.columns,
            self.n_parameters,
        )

    def micro_batches_for(self, workers: int) -> int:
        """Return M for so many workers."""
        return self.micro_batches or default_micro_batches(workers)

    def rows_of_micro_batch(self, workers: int) -> int:
        """Return the rows of the largest micro-batch for so many workers."""
        return -(-self.global_batch_size // self.micro_batches_for(workers))

    def run_for(self, workers: int) -> int:
        """Return the micro-batches of the busiest worker."""
        return -(-self.micro_batches_for(workers) // workers)

    def micro_batches_at_once(self, workers: int) -> int:
        """Return how many of them it takes through the layers together."""
        return micro_batches_at_once(self.global_batch_size, self.micro_batches_for(workers), self.run_for(workers))

    def rows_at_once(self, workers: int) -> int:
        """Return room for the rows of those."""
        return rows_at_once(self.global_batch_size, self.micro_batches_for(workers), self.run_for(workers))


@dataclass(frozen=True)
class PlannedRun:
    """A configuration beside the facts of its data: a network that can be stepped, and its `Workload`."""

    config: Config
    network: Network
    augmentation: NDArray[np.float64]
    stored_as_bytes: bool
    n_train: int
    workload: Workload


def describe(config: Config) -> PlannedRun:
    """Describe the run of a configuration from the facts of its data set alone, without reading rows.

    Raises
    ------
    MissingInputError, DataError
        If the data is not there or not usable.
    UsageError
        If the configuration does not fit it.
    """
    data, train, model = config.data, config.train, config.model
    with ExitStack() as stack:
        file = open_splits(data, stack)[0][0]
        schema = file.schema.autoencoding() if data.autoencode else file.schema
        split, n_rows = file.splits["train"], sum(part.n_samples for part in file.splits.values())
        as_bytes = split.feature_dtype == np.uint8
        row_bytes = (
            sum(sizes_of_rows([split], schema.n_features, schema.n_targets, held_dtype(train.dtype))) // split.n_samples
        )
        n_train, data_bytes = split.n_samples, n_rows * row_bytes
        if is_streamed(config, data_bytes, in_file=True):
            data_bytes = N_SLOTS * row_bytes * cut_rows(split, np.arange(n_train), row_bytes, config).window_rows
    network = build_network(model, config.loss, schema.task, schema.n_features, schema.n_outputs)
    weights = [network.layout.sizes[k] * network.layout.width(k) for k in range(network.layout.n_layers)]
    workload = Workload(
        n_parameters=network.layout.n_parameters,
        n_moments=len(OPTIMIZERS[config.optimizer.name].moments),
        itemsize=np.dtype(held_dtype(train.dtype)).itemsize,
        looks_ahead=OPTIMIZERS[config.optimizer.name].looks_ahead_by is not None,
        global_batch_size=global_batch_size(config, n_train),
        micro_batches=None if train.micro_batches == "auto" else train.micro_batches,
        columns=layer_table(network, training=True).columns,
        flops_per_sample=2 * (3 * sum(weights) - weights[0]),
        data_bytes=data_bytes,
        sharding=sharding_of(config),
        can_defer=network.can_defer,
        keeps_gradient=keeps_gradient(config.optimizer.name, update_rules(config)),
    )
    augmentation = augmentation_settings(data.augment, schema.image_shape)
    return PlannedRun(config, network, augmentation, as_bytes, n_train, workload)
