"""Differences between runs: the keys of the configuration whose values are not the same in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddp_mlp.report.records.record import Record

#: Keys that have nothing to do with the result.
_ASIDE = {
    "train.timeout_s",
    "train.tensorboard",
    "checkpoint.keep",
    "checkpoint.every_epochs",
    "checkpoint.every_steps",
}


def flat(tables: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Return all values of a configuration by their dotted keys.

    Examples
    --------
    >>> flat({"data": {"train": "a.h5", "augment": {"noise": 0.1}}})
    {'data.train': 'a.h5', 'data.augment.noise': 0.1}
    """
    found: dict[str, Any] = {}
    for key, value in tables.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


def differences(records: Sequence[Record]) -> dict[str, list[Any]]:
    """Return the keys that differ, each with its value in each run (None where a run has none)."""
    return differing([record.config for record in records])


def differing(tables: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the keys that differ between configurations, each with its value in each (None where one has none).

    An empty configuration is that of a run that failed before it had one, and differs in nothing.
    """
    configs = [flat(table) for table in tables]
    known = [config for config in configs if config]
    keys = dict.fromkeys(key for config in known for key in config if key not in _ASIDE)
    differing = (key for key in keys if any(config.get(key) != known[0].get(key) for config in known))
    return {key: [config.get(key) for config in configs] for key in differing}
