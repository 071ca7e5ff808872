"""The arguments of a training: its configuration, and the way to its rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ddp_mlp.api.config import Config
from ddp_mlp.api.given import give, is_path, is_table_file, part_of
from ddp_mlp.api.model import Model
from ddp_mlp.checkpoint import model as trained
from ddp_mlp.config import Config as Settings
from ddp_mlp.config.values import IN_MEMORY
from ddp_mlp.errors import UsageError
from ddp_mlp.training.inputs.data_files import Opener, open_splits
from ddp_mlp.training.inputs.held import opening


def problem_of(given: Config, data: Any, valid: Any) -> tuple[Settings, Settings | None, Opener]:
    """Return the configuration, that with the defaults of earlier versions, and the function that opens the rows."""
    known, earlier = given.settings, given.earlier
    if data is None and valid is None:
        if known.data.train == IN_MEMORY:
            raise UsageError(
                "nothing to train on: give data=(X, y), or a configuration whose [data] train names a file"
            )
        return known, earlier, open_splits
    if data is None:
        raise UsageError("valid is given without data; name the files of both in the configuration, or give both")
    if is_path(data) and not is_table_file(str(data)):
        before = earlier and _with_paths(earlier, str(data), valid)
        return _with_paths(known, str(data), valid), before, open_splits
    part = part_of(data, "data")
    beside = None if valid is None else part_of(valid, "valid")
    if known.data.autoencode is False and part.y is None:
        raise UsageError("data has no targets; give (X, y), y an array or the name of a column of X")
    return known, earlier, opening(give(part, beside))


def _with_paths(known: Settings, train: str, valid: Any) -> Settings:
    """Return a configuration of other files."""
    if valid is not None and not is_path(valid):
        raise UsageError("data is a file, so valid must be one too")
    paths = {"train": os.path.abspath(train)}  # noqa: PTH100 - F.h5:/group stays
    if valid is not None:
        paths["valid"] = os.path.abspath(valid)  # noqa: PTH100
    return msgspec.structs.replace(known, data=msgspec.structs.replace(known.data, **paths))


def starting_from(known: Settings, start: Any) -> tuple[Settings, trained.Model | None]:
    """Return the configuration of a training that starts from a model, and the model where it is in memory.

    Parameters
    ----------
    start : Model, path, or None
        None is as the configuration says.

    Raises
    ------
    UsageError
        If it is nothing of that.
    """
    if start is None:
        if known.model.start == IN_MEMORY:
            raise UsageError("this configuration began with a model in memory; give it as start=")
        return known, None
    if not isinstance(start, Model) and not is_path(start):
        raise UsageError(f"start is of type {type(start).__name__}; a Model, or the path of one, is needed")
    where = IN_MEMORY if isinstance(start, Model) else str(Path(start).expanduser().absolute())
    known = msgspec.structs.replace(known, model=msgspec.structs.replace(known.model, start=where))
    return known, start.trained if isinstance(start, Model) else None


def config_of(given: Any, start: Any) -> Config:
    """Return the configuration that a caller means: all defaults, sections, the path of a file, or one that is made.

    Without ``[model]``, that of `start`.
    """
    if (given is None or (isinstance(given, Mapping) and "model" not in given)) and start is not None:
        given = {**(given or {}), "model": _network_of(start)}
    if given is None:
        return Config()
    if isinstance(given, Config):
        return given
    if isinstance(given, Mapping):
        if unknown := [name for name in given if name not in Settings.__struct_fields__]:
            raise UsageError(f"unknown section {unknown[0]!r}; known are {', '.join(Settings.__struct_fields__)}")
        return Config(**given)
    if is_path(given):
        return Config.from_toml(given)
    raise UsageError(
        f"config is of type {type(given).__name__}; a Config, its sections, or the path of a file is needed"
    )


def _network_of(start: Any) -> dict[str, Any]:
    """Return the section ``[model]`` of a model that training starts from."""
    if not isinstance(start, Model) and not is_path(start):
        return {}
    own = start.trained if isinstance(start, Model) else trained.load_model(Path(start))
    section: dict[str, Any] = msgspec.to_builtins(own.config.model)
    return {key: value for key, value in section.items() if value is not None and not key.startswith("start")}


def threads_of(wanted: int | None) -> int:
    """Return the threads of each rank: as said, else as in the environment, else 1."""
    text = os.environ.get("DDP_MLP_THREADS_PER_RANK", "1")
    found = wanted if wanted is not None else int(text) if text.isdecimal() else 0
    if not isinstance(found, int) or found < 1:
        raise UsageError(f"threads = {found!r}; a whole number from 1 on is needed")
    return found
