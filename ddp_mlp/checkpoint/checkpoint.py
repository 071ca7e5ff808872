"""Checkpoints: written whole or not at all, verified before they are read, no rank in them."""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from ddp_mlp.catalog.dtypes import held_dtype
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.checkpoint.history import Cells
from ddp_mlp.checkpoint.model import (
    CHECKPOINT_FORMAT,
    read_description,
    read_parameters,
    write_description,
    write_parameters,
)
from ddp_mlp.checkpoint.progress_checks import read_cut, read_hashes, read_micro_batches, read_progress
from ddp_mlp.checkpoint.sealed_hdf5 import make_image, write_sealed
from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.checkpoint.untrusted import reading
from ddp_mlp.config import Config
from ddp_mlp.core.network import Network
from ddp_mlp.core.windows import Cut
from ddp_mlp.data.normalization import Normalization
from ddp_mlp.data.schema import Schema
from ddp_mlp.durable import Check, remove, unchecked
from ddp_mlp.errors import DataError, DdpMlpError, MissingInputError, printable
from ddp_mlp.plain_files import leads_to_a_stranger

_NAME = re.compile(r"step-([0-9]{8,})\.h5")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read back.

    Attributes
    ----------
    metrics, hashes : tuple of dict
        Rows of ``metrics.csv`` and ``hashes.csv`` that were not known to be on disk when it was
        written. Format 1 holds all rows of ``metrics.csv``.
    cut : Cut or None
        How rows are cut that are streamed; None where all are in memory.
    """

    path: Path
    state: TrainState
    config: Config
    schema: Schema
    normalization: Normalization
    network: Network
    fingerprint: str
    micro_batches: int
    written_by: dict[str, Any]
    target_normalization: Normalization | None = None
    metrics: tuple[Cells, ...] = ()
    hashes: tuple[Cells, ...] = ()
    cut: Cut | None = None


def checkpoint_name(step: int) -> str:
    """Return the file name of the checkpoint after `step` steps."""
    return f"step-{step:08d}.h5"


def is_checkpoint_name(name: str) -> bool:
    """Tell whether a file of this name would be a checkpoint."""
    return _NAME.fullmatch(name) is not None


def checkpoint_image(checkpoint: Checkpoint) -> bytes:
    """Return a checkpoint as the bytes of its file."""
    state = checkpoint.state

    def fill(file: Any) -> None:
        file.attrs["format"] = "ddp-mlp-checkpoint"
        file.attrs["epoch"], file.attrs["step"] = state.progress.epoch, state.progress.step
        file.attrs["fingerprint"] = checkpoint.fingerprint
        file.attrs["micro_batches"] = checkpoint.micro_batches
        if checkpoint.cut is not None:
            file.attrs["cut"] = json.dumps(asdict(checkpoint.cut))
        file.attrs["written_by"] = json.dumps(checkpoint.written_by)
        # In data sets, since an attribute holds 64 KiB at most, and rows have a column for each layer.
        file["progress"] = json.dumps(asdict(state.progress))
        if checkpoint.metrics or checkpoint.hashes:
            file["rows"] = json.dumps({"metrics": checkpoint.metrics, "hashes": checkpoint.hashes})
        file.attrs["format_version"] = CHECKPOINT_FORMAT
        write_description(
            file, checkpoint.config, checkpoint.schema, checkpoint.normalization, checkpoint.target_normalization
        )
        write_parameters(file, checkpoint.network, state.parameters)
        for name, moment in zip(OPTIMIZERS[checkpoint.config.optimizer.name].moments, state.moments, strict=True):
            file[f"moments/{name}"] = moment
        if state.best is not None and not _ends_best_epoch(state.progress):
            file["best_parameters"] = state.best

    return make_image(fill)


def load_checkpoint(path: Path, *, follow: bool = False) -> Checkpoint:
    """Verify and read a checkpoint; with `follow` one that a link leads to, which a user has named.

    Raises
    ------
    MissingInputError, DataError
        If it is not there, damaged, or not a checkpoint.
    """
    import numpy as np

    with reading(path, follow=follow) as stored:
        kind = stored.word("format")
        if kind != "ddp-mlp-checkpoint":
            raise DataError(f"{path}: a {printable(kind)[:80]}, not a checkpoint")
        config, schema, fitted, network, targets = read_description(stored)
        dtype, names = held_dtype(config.train.dtype), OPTIMIZERS[config.optimizer.name].moments
        parameters = read_parameters(stored, network, dtype)
        moments = np.zeros((len(names), len(parameters)), dtype)
        for row, name in zip(moments, names, strict=True):
            row[:] = read_parameters(stored, network, dtype, f"moments/{name}")
        n_weights = sum(segment.name.endswith("weight") for segment in network.layout.segments())
        progress, rows = read_progress(stored, config, n_weights)
        best = None
        if progress.best_epoch:
            is_own = _ends_best_epoch(progress)
            best = parameters.copy() if is_own else read_parameters(stored, network, dtype, "best_parameters")
        hashes = read_hashes(stored, progress, [part.name for part in network.layout.segments()])
        return Checkpoint(
            path, TrainState(parameters, moments, progress, best), config, schema, fitted, network,
            stored.word("fingerprint"), read_micro_batches(stored),
            msgspec.convert(stored.json("written_by"), dict[str, Any]), targets, rows, hashes,
            read_cut(stored),
        )  # fmt: skip


def _ends_best_epoch(progress: Progress) -> bool:
    """Tell whether the parameters themselves are the best ones, so that they need not be kept twice."""
    return progress.position == 0 and 0 < progress.epoch == progress.best_epoch


def list_checkpoints(directory: Path) -> list[Path]:
    """Return the checkpoints in a directory by name, the newest first; links are none.

    The directory may be a link to another one of the same user.

    Raises
    ------
    MissingInputError
        If the directory cannot be read.
    DataError
        If it is a link to a directory of another user.
    """
    try:
        if leads_to_a_stranger(directory):
            raise DataError(f"{directory} is a link to a directory of another user; name that one, if you trust it")
        with os.scandir(directory) as entries:
            names = [e.name for e in entries if is_checkpoint_name(e.name) and e.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise MissingInputError(f"{directory}: cannot be read: {error.strerror}") from None
    return sorted((directory / name for name in names), key=step_of, reverse=True)


def newest_good(directory: Path) -> tuple[Checkpoint | None, list[str]]:
    """Load the newest checkpoint that verifies: by the step that it holds, whatever its name says.

    Returns
    -------
    checkpoint : Checkpoint or None
        None only where there is no checkpoint at all.
    passed_over : list of str
        Why newer ones were not taken, one sentence each.

    Raises
    ------
    DataError
        If there are checkpoints and none is good: starting afresh silently would lose work.
    """
    found: Checkpoint | None = None
    passed_over: list[str] = []
    for path in list_checkpoints(directory):
        if found and step_of(path) <= found.state.progress.step:
            break
        try:
            checkpoint = load_checkpoint(path)
        except DdpMlpError as error:
            passed_over.append(str(error))
            continue
        if found:  # one of the two has the name of a later step
            older, found = sorted((found, checkpoint), key=lambda each: each.state.progress.step)
            passed_over.append(f"{older.path}: holds step {older.state.progress.step}, whatever its name says")
        else:
            found = checkpoint
    if passed_over and not found:
        raise DataError(f"no good checkpoint in {directory}: {'; '.join(passed_over)}")
    return found, passed_over


def step_of(path: Path) -> int:
    """Return the step that the name of a checkpoint says."""
    return int(path.stem.removeprefix("step-"))


def save_checkpoint(directory: Path, image: bytes, step: int, check: Check = unchecked) -> Path:
    """Write a checkpoint and verify it on disk.

    Parameters
    ----------
    check : callable
        Called directly before each change to the directory.

    Raises
    ------
    StorageError
        If it cannot be written; what was there stays.
    DataError
        If it does not read back as it was written.
    """
    path = directory / checkpoint_name(step)
    write_sealed(path, image, check)
    return path


def prune_checkpoints(directory: Path, keep: int, step: int, spare: str = "", check: Check = unchecked) -> None:
    """Remove all but the newest `keep` checkpoints of up to `step` steps, and the one that is named `spare`.

    Later ones are of a run that went on from an earlier checkpoint, since they are damaged: they
    do not count, and are overwritten in time.

    Parameters
    ----------
    keep, step : int
    spare : str
        Name of a file that stays.
    check : callable
        Called directly before each change to the directory.
    """
    with contextlib.suppress(OSError, MissingInputError, DataError):  # another save prunes again
        for path in [path for path in list_checkpoints(directory) if step_of(path) <= step][keep:]:
            if path.name != spare:
                remove(path, check)
