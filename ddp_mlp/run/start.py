"""The start of a run: the checkpoint it goes on from or its first state, its micro-batches, and where it runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ddp_mlp import __version__
from ddp_mlp.catalog.dtypes import held_dtype
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.checkpoint.checkpoint import Checkpoint, newest_good
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.checkpoint.resuming import check_resumable, resumed_config
from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.comm import known_to_all
from ddp_mlp.comm.launcher import slurm_job_id
from ddp_mlp.config import Config
from ddp_mlp.core.initializers import initial_parameters
from ddp_mlp.core.sharding import default_micro_batches, power_of_two_at_least
from ddp_mlp.errors import UsageError, counted
from ddp_mlp.run.machines import other_hardware
from ddp_mlp.training.fitting import Began
from ddp_mlp.training.problem import Problem


class Restored(NamedTuple):
    """The configuration to go on with, the checkpoint to go on from if there is one, and lines for the user."""

    config: Config
    checkpoint: Checkpoint | None
    lines: tuple[str, ...]


def restore(checkpoints: Path, config: Config, earlier: Config | None, hardware: Mapping[str, str]) -> Restored:
    """Find the newest good checkpoint, and check it against the configuration.

    Parameters
    ----------
    checkpoints : Path
        The directory.
    config, earlier : Config
        As for `kept_values`.
    hardware : mapping
        That of this rank.

    Raises
    ------
    CheckpointError
        If there are checkpoints, but none is good, or the newest is of another configuration.
    """
    checkpoint, passed_over = newest_good(checkpoints)
    if checkpoint is None:
        return Restored(config, None, (f"no checkpoint in {checkpoints} yet: starting from the beginning",))
    config, kept = resumed_config(checkpoint, config, earlier)
    check_resumable(checkpoint, config)
    warnings = (
        other_hardware(checkpoint.written_by, hardware),
        *(f"passed over a checkpoint: {r}" for r in passed_over),
    )
    lines = (*(f"warning: {warning}" for warning in warnings if warning), kept)
    return Restored(config, checkpoint, tuple(filter(None, lines)))


def choose_micro_batches(config: Config, checkpoint: Checkpoint | None, world_size: int, threads: int) -> int:
    """Return M: as the run began, as configured, or enough for this start.

    Raises
    ------
    UsageError
        If there are more workers; on all ranks.
    """
    workers, configured = world_size * threads, config.train.micro_batches
    if checkpoint:
        chosen = checkpoint.micro_batches
    else:
        chosen = default_micro_batches(workers) if configured == "auto" else configured
    if workers > chosen:
        begun = "this run began with" if checkpoint else "[train]"
        raise known_to_all(
            UsageError(
                f"{workers} workers ({counted(world_size, 'rank')} x {counted(threads, 'thread')}), but {begun} "
                f"micro_batches = {chosen}, so no more than {chosen} can work; use fewer, or start a run with "
                f"micro_batches = {power_of_two_at_least(workers)}"
            )
        )
    return chosen


def began_with(checkpoint: Checkpoint | None, start: Model | None = None) -> Began | None:
    """Return the beginning of a run that goes on, or what a run takes from the model that it starts from."""
    if checkpoint is not None:
        return Began(checkpoint.schema, checkpoint.normalization, checkpoint.target_normalization, checkpoint.cut)
    return (
        None if start is None else Began(start.schema, start.normalization, start.target_normalization, goes_on=False)
    )


def fresh_state(config: Config, problem: Problem, start: Model | None = None) -> TrainState:
    """Return the state before the first step: of first weights, or of those of a model."""
    train, model = config.train, config.model
    if start is None:
        parameters = initial_parameters(
            problem.network, model.init, train.seed, held_dtype(train.dtype), model.init_scale
        )
    else:
        parameters = start.parameters.astype(held_dtype(train.dtype))
    n_moments = len(OPTIMIZERS[config.optimizer.name].moments)
    return TrainState(parameters, np.zeros((n_moments, len(parameters)), held_dtype(train.dtype)), Progress())


def written_by(config: Config, world_size: int, threads: int, hardware: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts about program, job and machine that checkpoints keep."""
    return {
        "version": __version__,
        "world_size": world_size,
        "threads_per_rank": threads,
        "host": socket.gethostname(),
        "slurm_job_id": slurm_job_id(os.environ),
        "isa": config.train.isa,
        **hardware,
    }
