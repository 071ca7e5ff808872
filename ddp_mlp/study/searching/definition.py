"""The search that a directory belongs to: ``search.json``, so that no other goes on there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import CheckpointError, literal
from ddp_mlp.plain_files import read_json

DEFINITION = "search.json"


def keep_definition(directory: Path, definition: Mapping[str, Any], comm: Communicator, *, resume: bool) -> None:
    """Collective. Write the definition of a search, or compare it with that of the directory.

    Parameters
    ----------
    definition : mapping
        All that trials depend on beside their configuration, by the words of the command line.

    Raises
    ------
    CheckpointError
        If another search began in the directory.
    OutputError, StorageError
        If it cannot be written.
    """
    with agreed(comm):
        if comm.rank == 0:
            own = json.loads(json.dumps(definition))
            began = _read(directory / DEFINITION) if resume else None
            if began is not None and (differing := [key for key in {**own, **began} if own.get(key) != began.get(key)]):
                key = differing[0]
                raise CheckpointError(
                    f"{directory} is the directory of another search: {key} was {literal(began.get(key))}, and is"
                    f" {literal(own.get(key))} now; give the same command, or another --out"
                )
            directory.mkdir(parents=True, exist_ok=True)
            write_whole(directory / DEFINITION, (json.dumps(own) + "\n").encode())


def _read(path: Path) -> dict[str, Any] | None:
    """Return the definition of an earlier start; None where there is none that can be read."""
    with suppress(OSError):
        return read_json(path, dict[str, Any])
    return None
