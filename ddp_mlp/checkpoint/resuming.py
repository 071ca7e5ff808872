"""Whether a configuration goes on where a checkpoint stopped."""

from __future__ import annotations

from typing import NoReturn

import msgspec
from msgspec.structs import replace

from ddp_mlp.checkpoint.checkpoint import Checkpoint
from ddp_mlp.config import Config
from ddp_mlp.config.schema import DEFAULT_SPLIT_SEED
from ddp_mlp.core.schedules import ends_with_run
from ddp_mlp.data.dataset.fingerprints import is_same_content
from ddp_mlp.errors import CheckpointError

#: Keys that may differ between a checkpoint and the configuration that resumes it.
_FREE_KEYS = {
    "data": {"train", "valid"},
    "train": {"epochs", "micro_batches", "early_stopping_patience", "target_loss"}
    | {"timeout_s", "check_ranks_every", "shard_optimizer", "overlap"},
    "checkpoint": {"every_epochs", "every_steps", "every_minutes", "keep"},
}


def resumed_config(checkpoint: Checkpoint, config: Config) -> Config:
    """Return the configuration to go on with: rows that validate are those of the beginning unless it says others."""
    data = config.data
    if data.split_seed == DEFAULT_SPLIT_SEED:
        data = replace(data, split_seed=checkpoint.config.data.split_seed)
    return replace(config, data=data)


def check_content(checkpoint: Checkpoint, fingerprint: str) -> None:
    """Raise CheckpointError unless data of this fingerprint are those that the run began with."""
    if not is_same_content(checkpoint.fingerprint, fingerprint):
        _refuse(checkpoint, ["the content of the data files"])


def _refuse(checkpoint: Checkpoint, differing: list[str]) -> NoReturn:
    raise CheckpointError(
        f"{checkpoint.path} does not fit the configuration: {'; '.join(differing)}; "
        "restore these, or start another run directory with --out"
    )


def differences(stored: Config, wanted: Config) -> list[str]:
    """Return the differences that keep a run of one configuration from going on with another, as parts of a sentence.

    Epochs, the stopping and checkpoint rules, and the paths of files may differ, nothing
    else. Epochs may not where the learning rate depends on them.
    """
    bound = {"epochs"} if ends_with_run(stored.schedule) else set()
    now = msgspec.to_builtins(wanted)
    return [
        f"[{section}] {key}: {values[key]!r} in the checkpoint, {now[section][key]!r} now"
        for section, values in msgspec.to_builtins(stored).items()
        for key in values
        if values[key] != now[section][key] and key not in _FREE_KEYS.get(section, set()) - bound
    ]


def check_resumable(checkpoint: Checkpoint, config: Config) -> None:
    """Raise CheckpointError unless `config` goes on where the checkpoint stopped: see `differences`."""
    differing = differences(checkpoint.config, config)
    micro_batches = config.train.micro_batches
    if micro_batches not in ("auto", checkpoint.micro_batches):
        differing.append(f"[train] micro_batches: {checkpoint.micro_batches} in the checkpoint, {micro_batches} now")
    if differing:
        _refuse(checkpoint, differing)
