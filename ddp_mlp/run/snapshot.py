"""A run at one step, kept aside, so that it can be written down while training goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.checkpoint.checkpoint import Checkpoint, checkpoint_image
from ddp_mlp.checkpoint.history import Cells, cells_of
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.comm import Communicator
from ddp_mlp.config import Config
from ddp_mlp.core.layout import Floats
from ddp_mlp.run.comparison import hash_row
from ddp_mlp.training.problem import Problem


@dataclass(frozen=True)
class Snapshot:
    """Copies of a state's vectors, and where the run stood.

    Attributes
    ----------
    moments : ndarray or None
        None where no checkpoint is asked for.
    best : ndarray or None
        Parameters after the best epoch so far, which training replaces and never changes.
    ends_epoch : bool
        Whether an epoch ends here, of which `progress` holds the row.
    rank_times : ndarray of float64, shape (ranks, kinds), or None
        Seconds of each rank since the start, see `ddp_mlp.comm.liveness.rank_times`.
    """

    parameters: Floats
    moments: Floats | None
    best: Floats | None
    progress: Progress
    ends_epoch: bool
    rank_times: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls, state: TrainState, moments: Floats | None, *, ends_epoch: bool,
        rank_times: NDArray[np.float64] | None = None,
    ) -> Self:  # fmt: skip
        """Copy a state between two steps; of the moments, whole, take over a copy."""
        return cls(state.parameters.copy(), moments, state.best, replace(state.progress), ends_epoch, rank_times)

    @property
    def step(self) -> int:
        """Steps done."""
        return self.progress.step

    @property
    def n_bytes(self) -> int:
        """Memory of the vectors."""
        return self.parameters.nbytes + (0 if self.moments is None else self.moments.nbytes)


@dataclass(frozen=True)
class Imprint:
    """The part that all files of a run share, and how a snapshot becomes one of them."""

    config: Config
    problem: Problem
    micro_batches: int
    written_by: dict[str, Any]

    def checkpoint(self, snapshot: Snapshot, metrics: Sequence[Cells], hashes: Sequence[Cells]) -> bytes:
        """Return the bytes of a checkpoint; it carries rows that the tables may lack."""
        assert snapshot.moments is not None  # noqa: S101 - asked for with the snapshot
        problem = self.problem
        state = TrainState(snapshot.parameters, snapshot.moments, snapshot.progress, snapshot.best)
        checkpoint = Checkpoint(
            Path(), state, self.config, problem.schema, problem.normalization, problem.network,
            problem.fingerprint, self.micro_batches, self.written_by, problem.target_normalization,
            tuple(metrics), tuple(hashes), problem.stream.cut if problem.stream else None,
        )  # fmt: skip
        return checkpoint_image(checkpoint)

    def model(self, best: Floats, row: Mapping[str, Any]) -> Model:
        """Return the model of the epoch that a row of ``metrics.csv`` belongs to."""
        problem = self.problem
        return Model(
            self.config, problem.schema, problem.network, problem.normalization,
            best, row["epoch"], row["step"], problem.target_normalization, problem.fingerprint,
        )  # fmt: skip

    def hashes(self, row: Mapping[str, Any], parameters: Floats) -> Cells:
        """Return the row of ``hashes.csv`` of the epoch that a row of ``metrics.csv`` belongs to."""
        return cells_of(hash_row(row["epoch"], row["step"], self.problem.network.layout, parameters))


def final_model(imprint: Imprint, state: TrainState, comm: Communicator) -> Model:
    """Collective. Return the model of the best epoch; before the end of the first one, that of the last step."""
    row = state.progress.best_row
    chosen = state.best if row and state.best is not None else state.parameters
    parameters = chosen.copy()
    comm.broadcast(parameters)
    return imprint.model(parameters, row or {"epoch": state.progress.epoch, "step": state.progress.step})
