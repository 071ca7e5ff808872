"""A run at one step, kept aside, so that it can be written down while training goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ddp_mlp.config import Config
from ddp_mlp.core.layout import Floats
from ddp_mlp.training.checkpoint import Checkpoint, checkpoint_image
from ddp_mlp.training.comparison import hash_row
from ddp_mlp.training.model import Model, model_image
from ddp_mlp.training.problem import Problem
from ddp_mlp.training.state import Progress, TrainState


@dataclass(frozen=True)
class Snapshot:
    """Copies of a state's vectors, and where the run stood.

    Attributes
    ----------
    progress : Progress
        Its history is the live one, to which training only appends; `n_rows` of it belong here.
    moments : ndarray or None
        None where no checkpoint is asked for.
    ends_epoch, improved : bool
        Whether an epoch ends here, and whether it is the best so far.
    """

    parameters: Floats
    moments: Floats | None
    best: Floats | None
    progress: Progress
    n_rows: int
    ends_epoch: bool
    improved: bool

    @classmethod
    def of(cls, state: TrainState, moments: Floats | None, *, ends_epoch: bool, improved: bool) -> Self:
        """Copy a state between two steps; of the moments, whole, take over a copy."""
        return cls(
            state.parameters.copy(),
            moments,
            state.best,
            replace(state.progress),
            len(state.progress.history),
            ends_epoch,
            improved,
        )

    @property
    def step(self) -> int:
        """Steps done."""
        return self.progress.step

    @property
    def n_bytes(self) -> int:
        """Memory of the vectors."""
        return self.parameters.nbytes + (0 if self.moments is None else self.moments.nbytes)

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows of all epochs up to here."""
        return self.progress.history[: self.n_rows]


@dataclass(frozen=True)
class Imprint:
    """What all files of a run have in common, and how a snapshot becomes one of them."""

    config: Config
    problem: Problem
    micro_batches: int
    written_by: dict[str, Any]

    def checkpoint(self, snapshot: Snapshot) -> bytes:
        """Return the bytes of a checkpoint."""
        assert snapshot.moments is not None  # noqa: S101 - asked for with the snapshot
        problem, progress = self.problem, replace(snapshot.progress, history=snapshot.history)
        state = TrainState(snapshot.parameters, snapshot.moments, progress, snapshot.best)
        checkpoint = Checkpoint(
            Path(), state, self.config, problem.facts, problem.normalization, problem.network,
            problem.fingerprint, self.micro_batches, self.written_by, problem.targets,
        )  # fmt: skip
        return checkpoint_image(checkpoint)

    def model(self, snapshot: Snapshot) -> bytes:
        """Return the bytes of a model."""
        problem, progress = self.problem, snapshot.progress
        model = Model(
            self.config, problem.facts, problem.network, problem.normalization,
            snapshot.parameters, progress.epoch, progress.step, problem.targets,
        )  # fmt: skip
        return model_image(model)

    def hashes(self, snapshot: Snapshot) -> dict[str, Any]:
        """Return the row of ``hashes.csv``."""
        progress = snapshot.progress
        return hash_row(progress.epoch, progress.step, self.problem.network.layout, snapshot.parameters)
