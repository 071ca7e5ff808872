"""What is planned for: a configuration beside what the data set says about itself."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.cluster.plan.cost_model import Job
from ddp_mlp.config import Config
from ddp_mlp.core.augmentation import augmentation_settings
from ddp_mlp.core.network import Network, build_network, layer_table
from ddp_mlp.core.optimizers import OPTIMIZERS, keeps_gradient, update_rules
from ddp_mlp.core.sampling import global_batch_size
from ddp_mlp.data.resident import sizes_of_rows
from ddp_mlp.engine.optimizer_shards import sharding_of
from ddp_mlp.training.data_files import open_splits


@dataclass(frozen=True)
class Subject:
    """A configuration beside the data it names: what can be stepped, and its `Job`."""

    config: Config
    network: Network
    augmentation: NDArray[np.float64]
    stored_as_bytes: bool
    n_train: int
    job: Job


def describe(config: Config) -> Subject:
    """Read what the data set says about itself, but none of its rows.

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
        row_bytes = sum(sizes_of_rows([split], schema.n_features, schema.n_targets, train.dtype)) // split.n_samples
        n_train = split.n_samples
    network = build_network(model, config.loss, schema.task, schema.n_features, schema.n_outputs)
    weights = [network.layout.sizes[k] * network.layout.width(k) for k in range(network.layout.n_layers)]
    job = Job(
        n_parameters=network.layout.n_parameters,
        n_moments=len(OPTIMIZERS[config.optimizer.name].moments),
        itemsize=np.dtype(train.dtype).itemsize,
        looks_ahead=config.optimizer.name == "nesterov",
        global_batch_size=global_batch_size(config, n_train),
        micro_batches=None if train.micro_batches == "auto" else train.micro_batches,
        columns=layer_table(network, training=True).columns,
        flops_per_sample=2 * (3 * sum(weights) - weights[0]),
        data_bytes=n_rows * row_bytes,
        sharding=sharding_of(config),
        can_defer=network.can_defer,
        keeps_gradient=keeps_gradient(config.optimizer.name, update_rules(config)),
    )
    augmentation = augmentation_settings(data.augment, schema.image_shape)
    return Subject(config, network, augmentation, as_bytes, n_train, job)
