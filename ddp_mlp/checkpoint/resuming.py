"""Whether a configuration goes on where a checkpoint stopped."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec
from msgspec.structs import replace

from ddp_mlp.checkpoint.checkpoint import Checkpoint
from ddp_mlp.config import Config
from ddp_mlp.config.schema import DEFAULT_SPLIT_SEED
from ddp_mlp.core.schedules import ends_with_run
from ddp_mlp.data.dataset.fingerprints import is_same_content
from ddp_mlp.errors import CheckpointError, literal

#: Keys that may differ between a checkpoint and the configuration that resumes it.
_FREE_KEYS = {
    "data": {"train", "valid"},
    "train": {"epochs", "micro_batches", "early_stopping_patience", "target_loss"}
    | {"timeout_s", "tensorboard", "check_ranks_every", "shard_optimizer", "overlap"},
    "checkpoint": {"every_epochs", "every_steps", "every_minutes", "keep"},
}


#: Values by section and key.
Values = dict[str, dict[str, Any]]


def kept_values(stored: Config, config: Config, earlier: Config | None) -> Values:
    """Return the values of keys that nobody has set, and that had other defaults when a run began.

    Parameters
    ----------
    stored : Config
        Of the run.
    config, earlier : Config
        What is asked for now, and what an earlier version would have taken it for.
    """
    if earlier is None:
        return {}
    found: Values = {}
    was, then = msgspec.to_builtins(stored), msgspec.to_builtins(earlier)
    for section, table in msgspec.to_builtins(config).items():
        for key, value in table.items():
            if value != then[section][key] == was[section][key]:
                found.setdefault(section, {})[key] = then[section][key]
    return found


def with_values(config: Config, values: Values) -> Config:
    """Return a configuration with other values of some keys."""
    return replace(config, **{name: replace(getattr(config, name), **table) for name, table in values.items()})


def kept_text(values: Values) -> str:
    """Return a line that tells of `kept_values`, or nothing."""
    names = [f"{section}.{key} = {literal(value)}" for section, table in values.items() for key, value in table.items()]
    if not names:
        return ""
    return f"as the run began, before defaults changed: {', '.join(names)}"


def resumed_config(checkpoint: Checkpoint, config: Config, earlier: Config | None = None) -> tuple[Config, str]:
    """Return the configuration to go on with, and a line about keys that are as the run began, if any are.

    Parameters
    ----------
    config, earlier : Config
        As for `kept_values`.
    """
    kept = kept_values(checkpoint.config, config, earlier)
    config = with_values(config, kept)
    data, model = config.data, config.model
    if model.start is not None and model.start_sha256 is None:
        model = replace(model, start_sha256=checkpoint.config.model.start_sha256)
    if data.split_seed == DEFAULT_SPLIT_SEED:
        data = replace(data, split_seed=checkpoint.config.data.split_seed)
    return replace(config, data=data, model=model), kept_text(kept)


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

    Epochs, the stopping and checkpoint rules, and the paths of files may differ, nothing else. Epochs may not where
    the learning rate depends on them.
    """
    bound = {"epochs"} if ends_with_run(stored.schedule) else set()
    now = msgspec.to_builtins(wanted)
    return [
        f"[{section}] {key}: {values[key]!r} in the checkpoint, {now[section][key]!r} now"
        for section, values in msgspec.to_builtins(stored).items()
        for key in values
        if values[key] != now[section][key]
        and key not in _FREE_KEYS.get(section, set()) - bound
        and not (section == "model" and _is_same_start(key, values, now[section]))
    ]


def _is_same_start(key: str, stored: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Tell whether a model to start from may be the same: it may lie elsewhere, and its hash is what decides."""
    if stored["start"] is None or wanted["start"] is None:
        return False
    return key == "start" or (key == "start_sha256" and wanted[key] is None)


def check_resumable(checkpoint: Checkpoint, config: Config) -> None:
    """Raise CheckpointError unless `config` goes on where the checkpoint stopped: see `differences`."""
    differing = differences(checkpoint.config, config)
    micro_batches = config.train.micro_batches
    if micro_batches not in ("auto", checkpoint.micro_batches):
        differing.append(f"[train] micro_batches: {checkpoint.micro_batches} in the checkpoint, {micro_batches} now")
    if differing:
        _refuse(checkpoint, differing)
