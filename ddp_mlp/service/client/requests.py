"""Requests for jobs as the command line makes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ddp_mlp.config import parse_value
from ddp_mlp.config.loading import MOST_BYTES
from ddp_mlp.config.suggestions import suggest_home
from ddp_mlp.config.toml import parse_toml
from ddp_mlp.errors import UsageError, literal
from ddp_mlp.service.orders.configuration import PATH_KEYS
from ddp_mlp.small_files import read_small

#: Exit code of a job that was stopped before it had one.
_STOPPED, _FAILED = 75, 70


def overrides_of(texts: Iterable[str]) -> dict[str, Any]:
    """Return ``SECTION.KEY=VALUE`` as values by key.

    Raises
    ------
    UsageError
        If one has another form.
    """
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or "." not in key:
            raise UsageError(f"--set {literal(text)} is not of the form SECTION.KEY=VALUE{suggest_home(key)}")
        found[key.strip()] = parse_value(value.strip())
    return found


def request_of(config: Path, overrides: Sequence[str], **fields: Any) -> dict[str, Any]:
    """Return the body of a request for a job: the file as it is, and its paths absolute where they are files here.

    Raises
    ------
    MissingInputError, UsageError
        If the file cannot be read, or is no configuration.
    """
    content = read_small(config, MOST_BYTES, "configuration file")
    try:
        text = content.decode("utf-8-sig")
        table = parse_toml(text)
    except ValueError as error:
        raise UsageError(f"{config}: not valid TOML: {error}") from None
    given = _paths(table, config.absolute().parent)
    return {"config": text, "overrides": {**given, **_here(overrides_of(overrides))}, **fields}


def _paths(table: dict[str, Any], base: Path) -> dict[str, str]:
    """Return the paths of a configuration, absolute, by their keys."""
    found = {}
    for section, names in PATH_KEYS.items():
        keys = table.get(section)
        for name in names if isinstance(keys, dict) else ():
            value = keys.get(name) if isinstance(keys, dict) else None
            if isinstance(value, str) and (path := _file_here(value, base)):
                found[f"{section}.{name}"] = path
    return found


def _here(overrides: dict[str, Any]) -> dict[str, Any]:
    """Make paths of the command line absolute, which are relative to the current directory."""
    known = {f"{section}.{name}" for section, names in PATH_KEYS.items() for name in names}
    return {
        key: (key in known and isinstance(value, str) and _file_here(value, Path.cwd())) or value
        for key, value in overrides.items()
    }


def _file_here(value: str, base: Path) -> str:
    """Return ``F.h5`` or ``F.h5:/group`` with an absolute path, ``~`` written out; nothing if no such file is here."""
    path, colon, group = value.partition(":")
    try:
        file = base / Path(path).expanduser()
        return f"{file}{colon}{group}" if path and file.exists() else ""
    except RuntimeError:  # of `expanduser`: whose home that is is not known
        return ""


def code_of(job: dict[str, Any]) -> int:
    """Return the exit code with which a command ends that has waited for a job."""
    code, state = job.get("exit_code"), job.get("state")
    if isinstance(code, int) and (code or state == "finished"):
        return code
    return {"finished": 0, "stopped": _STOPPED}.get(str(state), _FAILED)
