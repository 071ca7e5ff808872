"""Where runs are kept that were given no directory: runs/NAME, then runs/NAME-2, runs/NAME-3, ..."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ddp_mlp.checkpoint.resuming import differences, kept_values, with_values
from ddp_mlp.config import Config, load_config
from ddp_mlp.errors import DdpMlpError
from ddp_mlp.run.files.directory import RunDirectory

#: Tells whether a directory holds what is looked for.
Holds = Callable[[Path], bool]


def numbered(base: Path) -> list[Path]:
    """Return `base` and its numbered successors, as far as they exist, the newest first."""
    found = {1: base} if base.is_dir() else {}
    pattern = re.compile(re.escape(base.name) + r"-([1-9][0-9]{0,8})")
    for path in base.parent.iterdir() if base.parent.is_dir() else ():
        if (match := pattern.fullmatch(path.name)) and int(match[1]) > 1 and path.is_dir():
            found[int(match[1])] = path
    return [found[number] for number in sorted(found, reverse=True)]


def next_free(base: Path, holds: Holds) -> Path:
    """Return the directory for something new: after the newest that holds anything."""
    newest = next((path for path in numbered(base) if holds(path)), None)
    if newest is None:
        return base
    number = 1 if newest == base else int(newest.name.rpartition("-")[2])
    return base.with_name(f"{base.name}-{number + 1}")


def newest(base: Path, holds: Holds, fits: Holds) -> Path:
    """Return the newest directory that holds something that fits, else the newest that holds anything, else `base`."""
    held = [path for path in numbered(base) if holds(path)]
    return next((path for path in held if fits(path)), held[0] if held else base)


def run_directory(config: Config, path: Path, earlier: Config | None = None) -> Path:
    """Return where a run of the configuration file `path` goes: somewhere new, or to the newest run that can go on.

    Parameters
    ----------
    earlier : Config, optional
        For a run that goes on: `config` with the defaults of earlier versions.
    """
    base = Path("runs") / path.stem
    if earlier is None:
        return next_free(base, _holds_run)
    return newest(base, _holds_run, lambda directory: _fits(directory, config, earlier))


def _holds_run(path: Path) -> bool:
    return RunDirectory(path).holds_run()


def _fits(directory: Path, config: Config, earlier: Config) -> bool:
    """Tell whether a run directory holds a run of this configuration; runs/c-2 may be one of c-2.toml."""
    try:
        stored = load_config(directory / "config.toml", (), {})
        return not differences(stored, with_values(config, kept_values(stored, config, earlier)))
    except DdpMlpError:
        return False
