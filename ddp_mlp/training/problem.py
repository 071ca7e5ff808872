"""From a configuration to what training needs: rows in memory, the network, who validates."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.model import Facts
from ddp_mlp.comm import Communicator, agreed, require_same
from ddp_mlp.config import Config, DataConfig
from ddp_mlp.core.augmentation import augmentation_settings
from ddp_mlp.core.network import Network, build_network, check_trainable
from ddp_mlp.core.sampling import fold_ids, split_ids
from ddp_mlp.data.dataset.dataset import DatasetFile, Split, open_dataset
from ddp_mlp.data.dataset.known_files import known_fingerprint
from ddp_mlp.data.normalization import Normalization
from ddp_mlp.data.resident import Resident, load_resident
from ddp_mlp.errors import DataError
from ddp_mlp.training.fitting import fit_treatment, treatment_from_json
from ddp_mlp.training.memory_check import check_memory
from ddp_mlp.training.row_memory import SharedAllocations

Ids = NDArray[np.int64]

#: Part of the training rows that is set aside where neither file nor configuration says.
DEFAULT_VALID_FRACTION = 0.1


@dataclass(frozen=True)
class Problem:
    """What a run works on; the same on every rank but for the shared memory it names.

    Attributes
    ----------
    network : Network
    facts : Facts
        What the data set says about itself, kept in the model.
    normalization : Normalization
    resident : Resident
        Training rows, then those of a validation split of its own, if there is one.
    train_ids, valid_ids : ndarray of int64
        Disjoint rows of `resident`.
    fingerprint : str
        SHA-256 over the content of the data files.
    targets : Normalization or None
        How targets are normalised; None where they are as in the file.
    augmentation : ndarray of float64
        Settings of `core.kernels.augmentation`, empty for none.
    """

    network: Network
    facts: Facts
    normalization: Normalization
    resident: Resident
    train_ids: Ids
    valid_ids: Ids
    fingerprint: str
    targets: Normalization | None
    augmentation: NDArray[np.float64]


def prepare(config: Config, comm: Communicator) -> Problem:
    """Collective. Open the data, fit the normalisation, load the rows once for each node.

    Raises
    ------
    MissingInputError, DataError
        If the data is not there or not usable.
    UsageError
        If the configuration does not fit the data.
    LaunchError
        If nodes see data of different content.
    """
    with ExitStack() as stack:
        with agreed(comm):
            files, splits = _open(config.data, stack)
            first = files[0]
            facts = Facts.of(first, autoencode=config.data.autoencode)
            network = build_network(config.model, config.loss, facts.task, facts.n_features, facts.n_outputs)
            check_trainable(network)
            check_memory(network, config)
            augmentation = augmentation_settings(config.data.augment, facts.image_shape)
            train_ids, valid_ids = _who_validates(config, splits)
        fingerprint = described = ""
        with agreed(comm):
            if comm.local_rank == 0:  # nodes may read copies of their own
                fingerprint = "+".join(map(known_fingerprint, files))
            if comm.rank == 0:
                described = f"{fingerprint} {fit_treatment(config, facts, splits[0], train_ids)}"
        content = {"the content of the data files": fingerprint} if fingerprint else None
        require_same(comm, content, "let all nodes read the same files")
        fingerprint, fitted = comm.share_text(described)[0].split(" ", 1)
        treatment, n_targets = treatment_from_json(fitted), facts.n_targets
        memory = SharedAllocations(
            comm, splits, first.n_features, n_targets, config.train.dtype, weighted=treatment.weighted
        )
        with agreed(comm):
            resident = load_resident(
                splits, treatment, config.train.dtype, n_targets,
                allocate=memory.take, part=comm.local_rank, n_parts=comm.local_size,
            )  # fmt: skip
        comm.node_barrier()
    return Problem(
        network, facts, treatment.features, resident, train_ids, valid_ids, fingerprint,
        treatment.targets, augmentation,
    )  # fmt: skip


def _open(config: DataConfig, stack: ExitStack) -> tuple[list[DatasetFile], list[Split]]:
    """Open the training file and, if it is another one, that for validation."""

    def opened(location: str) -> DatasetFile:
        return stack.enter_context(open_dataset(location, features=config.features, targets=config.targets))

    train = opened(config.train)
    if config.valid is None:
        own = (
            [train.splits["valid"]]
            if "valid" in train.splits and config.valid_fraction is None and not config.folds
            else []
        )
        return [train], [train.splits["train"], *own]
    valid = opened(config.valid)
    shape = (valid.task, valid.n_features, valid.n_outputs)
    if shape != (train.task, train.n_features, train.n_outputs):
        raise DataError(
            f"{config.valid}: a {valid.task} data set of {valid.n_features} features and {valid.n_outputs} outputs, "
            f"but {config.train} has {train.task}, {train.n_features}, {train.n_outputs}; both must agree"
        )
    return [train, valid], [train.splits["train"], valid.splits.get("valid", valid.splits["train"])]


def _who_validates(config: Config, splits: list[Split]) -> tuple[Ids, Ids]:
    n_train = splits[0].n_samples
    if config.data.folds is not None and config.data.fold is not None:
        if n_train < config.data.folds:
            raise DataError(f"{config.data.train}: {n_train} training samples cannot make {config.data.folds} folds")
        return fold_ids(n_train, config.data.fold, config.data.folds, config.train.seed)
    if len(splits) == 2:
        stop = n_train + splits[1].n_samples
        return np.arange(n_train, dtype=np.int64), np.arange(n_train, stop, dtype=np.int64)
    fraction = config.data.valid_fraction
    return split_ids(n_train, DEFAULT_VALID_FRACTION if fraction is None else fraction, config.train.seed)
