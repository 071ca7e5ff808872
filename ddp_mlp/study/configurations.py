"""The configurations of trials: one file, and assignments on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.config import Config, load_config
from ddp_mlp.study.sampler import Assignment


@dataclass(frozen=True)
class Configurations:
    """Builds the configuration of a trial from its assignments, on all ranks alike."""

    config: Path
    overrides: tuple[Assignment, ...]
    comm: Communicator

    def __call__(self, trial: Sequence[Assignment], /, *, with_earlier_defaults: bool = False) -> Config:
        """Collective. Return the configuration; all else as for `load_config`."""
        with agreed(self.comm):
            built = load_config(self.config, [*self.overrides, *trial], with_earlier_defaults=with_earlier_defaults)
        return built  # noqa: RET504 - the block ends with the agreement of all ranks
