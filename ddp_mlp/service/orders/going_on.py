"""Whether a job can go on with other values: as its runs would tell, but before it waits for its turn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ddp_mlp.config import Config, from_builtins
from ddp_mlp.config.loading import MOST_BYTES
from ddp_mlp.config.toml import parse_toml
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.plain_files import read_whole
from ddp_mlp.service.orders.configuration import RefusedError

#: Configurations of runs in the directory of a job: of a single run, of trials, and of their folds.
_RUNS = ("config.toml", "*/config.toml", "*/*/config.toml")


def require_the_same_run(run_dir: Path, overrides: Mapping[str, Any], wanted: Config) -> None:
    """Refuse new values of keys with which the runs of a job, that have begun, cannot go on.

    Raises
    ------
    RefusedError
        With the keys.
    """
    began = _began(run_dir) if overrides else None
    if began is None:
        return
    from ddp_mlp.checkpoint.resuming import differences  # NumPy comes with it

    problems = []
    for line in differences(began, wanted):
        section, _, rest = line.removeprefix("[").partition("] ")
        key = f"{section}.{rest.partition(':')[0]}"
        if any(name == key or name.startswith(f"{key}.") for name in overrides):
            problems.append((key, "is part of what has been computed; leave it as it was, or submit another job"))
    if problems:
        raise RefusedError("; ".join(f"{key}: {message}" for key, message in problems), problems)


def _began(run_dir: Path) -> Config | None:
    """Return the configuration of a run in a directory that has a checkpoint; None where there is none to be read."""
    if next(run_dir.glob("**/checkpoints/step-*.h5"), None) is None:
        return None
    path = next((path for form in _RUNS for path in sorted(run_dir.glob(form))), None)
    try:
        table = parse_toml(read_whole(path, MOST_BYTES * 2).decode()) if path else None
        return from_builtins(table, "config") if table else None
    except (OSError, ValueError, DdpMlpError, msgspec.MsgspecError):
        return None
