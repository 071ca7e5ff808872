"""The state of a run, by the small files of its directory; known before any library for numbers is loaded."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from ddp_mlp.config.defaults import patience_beside
from ddp_mlp.config.toml import parse_toml
from ddp_mlp.errors import printable
from ddp_mlp.plain_files import read_json, read_whole
from ddp_mlp.run.files.lives import start_of
from ddp_mlp.run.files.lock_owner import read_owner

_MOST_CONFIG_BYTES = 2**20


def holds_record(path: Path) -> bool:
    """Tell whether a run has begun in a directory."""
    return any(os.path.lexists(path / name) for name in ("config.toml", "status.json", "metrics.csv"))


def goes_on(path: Path) -> bool:
    """Tell whether a run says that it is going on, and its job is not known to be gone."""
    return state_of(path, status_of(path, [])) == "running"


def status_of(path: Path, remarks: list[str]) -> dict[str, Any]:
    """Return the values of ``status.json``, empty where it cannot be read; why is added to the remarks."""
    try:
        found = read_json(path / "status.json", dict[str, Any])
    except FileNotFoundError:
        return {}
    except OSError as error:
        remarks.append(f"status.json: cannot be read: {error.strerror}")
        return {}
    if found is None:
        remarks.append("status.json: no JSON object")
    return found or {}


def config_of(path: Path, remarks: list[str]) -> dict[str, Any]:
    """Return the tables of ``config.toml``, empty where it cannot be read; why is added to the remarks."""
    try:
        return parse_toml(read_whole(path / "config.toml", _MOST_CONFIG_BYTES).decode())
    except OSError as error:
        remarks.append(f"config.toml: cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        remarks.append(f"config.toml: {printable(str(error))[:200]}")
    return {}


def study_metric(path: Path) -> str:
    """Return the metric by which the study of a run, a trial or a fold of one, was asked to rank; empty if none."""
    for folder in (path.parent, path.parent.parent):
        with suppress(OSError):
            metric = (read_json(folder / "study.json", dict[str, Any]) or {}).get("metric")
            return metric if isinstance(metric, str) else ""
    return ""


def takes_last(tables: dict[str, Any]) -> bool:
    """Tell whether the model of a run is that of its last epoch, as `ddp_mlp.training.epoch_stats.takes_last` does."""
    data, train, schedule = (t if isinstance(t := tables.get(n), dict) else {} for n in ("data", "train", "schedule"))
    patience = train.get("early_stopping_patience")
    if patience == "auto":
        with suppress(KeyError, TypeError):  # of a stranger's schedule
            patience = patience_beside(schedule["name"])
    return data.get("all_rows") is True and patience == 0


def state_of(path: Path, status: dict[str, Any]) -> str:
    """Return the state of a run; see `ddp_mlp.report.records.record.Record`."""
    state = status.get("state")
    if not isinstance(state, str):
        return "unknown"
    return "died" if state == "running" and _is_gone(path) else state


def _is_gone(path: Path) -> bool:
    """Tell whether the job that holds a run was on this machine, and is no more."""
    try:
        owner = read_owner(path / ".lock")
    except OSError:
        return False
    return owner is not None and owner.host == socket.gethostname() and start_of(owner.pid) != owner.started
