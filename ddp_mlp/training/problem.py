"""From a configuration to a problem: rows in memory, the network, who validates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.catalog.dtypes import held_dtype
from ddp_mlp.comm import Communicator, agreed, require_same
from ddp_mlp.config import Config
from ddp_mlp.core.augmentation import augmentation_settings
from ddp_mlp.core.network import Network, build_network, check_trainable
from ddp_mlp.core.windows import Cut
from ddp_mlp.data.dataset.dataset import DatasetFile
from ddp_mlp.data.normalization import Normalization
from ddp_mlp.data.resident import Preprocessing, Resident, load_resident, sizes_of_rows
from ddp_mlp.data.row_reader import RowReader
from ddp_mlp.data.schema import Schema, schema_to_json
from ddp_mlp.errors import listed
from ddp_mlp.training.fitting import Began, fit_preprocessing, preprocessing_from_json
from ddp_mlp.training.inputs.data_files import Opener, open_splits
from ddp_mlp.training.inputs.looking import likely_missing
from ddp_mlp.training.inputs.parting import content_sha256, parting_line, who_validates
from ddp_mlp.training.inputs.row_memory import SharedAllocations
from ddp_mlp.training.inputs.rows_at_hand import RowsAtHand, content_of
from ddp_mlp.training.inputs.understanding import Understood, understood
from ddp_mlp.training.memory_check import check_memory, check_rows_fit
from ddp_mlp.training.streaming.cutting import check_cut, cut_rows, is_streamed
from ddp_mlp.training.streaming.feed import Feed, ResidentFeed, StreamedFeed
from ddp_mlp.training.streaming.stream import Stream, open_stream
from ddp_mlp.training.streaming.windows_in_memory import OpenFiles

Ids = NDArray[np.int64]


def ignore(_: str) -> None:
    """Stay silent."""


@dataclass(frozen=True)
class Problem:
    """The problem of a run; the same on every rank but for the shared memory it names.

    Attributes
    ----------
    network : Network
    schema : Schema
        What the data set is, kept in the model.
    normalization : Normalization
    resident : Resident
        Training rows, then those of a validation split of its own, if there is one; of rows that are streamed, the
        windows that are in memory.
    train_ids, valid_ids : ndarray of int64
        Disjoint rows of all splits, one after the other.
    fingerprint : str
        SHA-256 over the content of the data files.
    target_normalization : Normalization or None
        How targets are normalised; None where they are as in the file.
    augmentation : ndarray of float64
        Settings of `core.kernels.network.augmentation`, empty for none.
    understood : Understood
        What the data were taken for.
    stream : Stream or None
        Where rows come from that are not all in memory.
    """

    network: Network
    schema: Schema
    normalization: Normalization
    resident: Resident
    train_ids: Ids
    valid_ids: Ids
    fingerprint: str
    target_normalization: Normalization | None
    augmentation: NDArray[np.float64]
    understood: Understood
    stream: Stream | None = None

    @property
    def evaluated(self) -> Resident | RowReader:
        """The rows that validate."""
        return self.resident if self.stream is None else self.stream.reader

    def feed(self, config: Config, batch_size: int) -> Feed:
        """Return the feed that puts rows into the order of training, `batch_size` for each step."""
        if self.stream is None:
            return ResidentFeed(self.train_ids, batch_size, config.train.seed)
        return StreamedFeed(self.stream.orders, self.stream.memory, len(self.train_ids), batch_size)


def prepare(
    config: Config,
    comm: Communicator,
    tell: Callable[[str], None] = ignore,
    began: Began | None = None,
    open_data: Opener = open_splits,
    at_hand: RowsAtHand | None = None,
) -> Problem:
    """Collective. Open the data, fit the normalisation, load the rows once for each node.

    Parameters
    ----------
    tell : callable
        Called on rank 0 with each line about what was understood.
    began : Began or None
        Of a run that goes on: its rows are what they were when it began. Or of its start model.
    open_data : callable
        Opens what trains and validates: the files of the configuration, or data in memory, of which each rank has
        its own.
    at_hand : RowsAtHand or None
        Rows that a process alone keeps for other runs.

    Raises
    ------
    MissingInputError, DataError
        If the data is not there or not usable.
    UsageError
        If the configuration does not fit the data.
    LaunchError
        If nodes, or ranks that hold data in memory, see different content.
    """
    with ExitStack() as stack:
        with agreed(comm):
            files, splits = open_data(config.data, stack, began.schema if began else None)
            schema = files[0].schema.autoencoding() if config.data.autoencode else files[0].schema
            network = build_network(config.model, config.loss, schema.task, schema.n_features, schema.n_outputs)
            check_trainable(network)
            check_memory(network, config)
            augmentation = augmentation_settings(config.data.augment, schema.image_shape)
            train_ids, valid_ids = who_validates(config, files[0], splits)
        if comm.rank == 0:
            for line in dict.fromkeys(note for file in files for note in file.notes):
                tell(line)
        fingerprint = ""
        with agreed(comm):
            # Nodes may read copies of their own; what is in memory, each rank has for itself.
            if comm.local_rank == 0 or not files[0].identity():
                fingerprint = content_sha256(config.data, files, splits)
        require_same(comm, _content(files, fingerprint), "let all ranks have the same data")
        fitted = fit_preprocessing(config, schema, splits[0], train_ids, comm, began)
        fingerprint, fitted = comm.share_text(f"{fingerprint} {fitted}")[0].split(" ", 1)
        preprocessing, n_targets = preprocessing_from_json(fitted), schema.n_targets
        known = understood(schema, preprocessing, (len(train_ids), len(valid_ids)), files[0].splits)
        if comm.rank == 0:
            tell(known.line())
            if line := parting_line(config, files[0], splits):
                tell(line)
            if line := _never_answered(schema, len(train_ids), preprocessing):
                tell(line)
            if not (began and began.goes_on) and (line := likely_missing(splits[0], files[0].schema)):
                tell(line)
        dtype = held_dtype(config.train.dtype)
        memory_bytes = sum(sizes_of_rows(splits, schema.n_features, n_targets, dtype, weighted=preprocessing.weighted))
        reader = RowReader(tuple(splits), preprocessing, dtype, n_targets)
        with agreed(comm):
            cut = _cut(config, reader, train_ids, memory_bytes, began, in_file=bool(files[0].identity()))
            check_rows_fit(memory_bytes, reader.row_bytes, cut)
        stream = None
        if cut is not None:
            opened = OpenFiles(tuple(files), stack.pop_all())
            stream = open_stream(config, reader, cut, train_ids, comm, opened)
            if comm.rank == 0:
                tell(stream.line(memory_bytes))
        content = content_of(config, fingerprint, fitted) if at_hand and comm.world_size == 1 else ""
        kept = at_hand.load(reader, content) if at_hand and content and not stream else None
        resident = stream.memory.resident if stream else kept or _all_rows(reader, comm)
    return Problem(
        network, schema, preprocessing.features, resident, train_ids, valid_ids, fingerprint,
        preprocessing.target_normalization, augmentation, known, stream,
    )  # fmt: skip


def _cut(
    config: Config, reader: RowReader, train_ids: Ids, memory_bytes: int, began: Began | None, *, in_file: bool
) -> Cut | None:
    """Return how rows are cut that are to be streamed: as the run began; None where they are to be in memory."""
    split = reader.splits[0]
    if began is not None and began.goes_on:
        if began.cut is not None:
            check_cut(began.cut, split, train_ids, reader.row_bytes, config)
        return began.cut
    if is_streamed(config, memory_bytes, in_file=in_file):
        return cut_rows(split, train_ids, reader.row_bytes, config)
    return None


def _all_rows(reader: RowReader, comm: Communicator) -> Resident:
    """Collective. Return all rows, read into memory that the ranks of a node share."""
    splits, preprocessing, dtype, n_targets = reader.splits, reader.preprocessing, reader.dtype, reader.n_targets
    n_features = len(preprocessing.features.offset)
    memory = SharedAllocations(comm, splits, n_features, n_targets, dtype, weighted=preprocessing.weighted)
    with agreed(comm):
        resident = load_resident(
            splits, preprocessing, dtype, n_targets,
            allocate=memory.take, part=comm.local_rank, n_parts=comm.local_size,
        )  # fmt: skip
    comm.node_barrier()
    return resident


def _never_answered(schema: Schema, n_rows: int, preprocessing: Preprocessing) -> str:
    """Return a warning where all `n_rows` rows that train have the same targets, or none of them has some class."""
    target, absent = preprocessing.only_target, preprocessing.absent_classes
    if target is None:
        names = listed([schema.classes[label] for label in absent] if schema.classes else [], most=5)
        return f"warning: no row that trains has class {names}, so it cannot be learnt" if names else ""
    which = f"class {schema.classes[int(target[0])]}" if schema.classes else "the same targets"
    rows = f"all {n_rows} rows that train have" if n_rows > 1 else "the only row that trains has"
    return f"warning: {rows} {which}, which is all that a model can learn from them"


def _content(files: list[DatasetFile], fingerprint: str) -> dict[str, str] | None:
    """Return the facts about data that all ranks which have read them must know alike."""
    if not fingerprint:
        return None
    if files[0].identity():
        return {"the content of the data files": fingerprint}
    described = hashlib.sha256(schema_to_json(files[0].schema).encode()).hexdigest()
    return {"the content of the data": fingerprint[:12], "the meaning of the data, by its hash,": described[:12]}
