"""The state of a run, by the small files of its directory; known before any library for numbers is loaded."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from ddp_mlp.plain_files import read_json
from ddp_mlp.run.files.lives import start_of
from ddp_mlp.run.files.lock_owner import read_owner


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
