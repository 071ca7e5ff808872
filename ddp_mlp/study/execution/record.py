"""The record of a study: how it began, as far as its trials depend on it, and how it ranks them; ``study.json``."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ddp_mlp.comm import Communicator, agreed, known_to_all
from ddp_mlp.comm.launcher import slurm_job_id
from ddp_mlp.core.sharding import default_micro_batches
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import UsageError
from ddp_mlp.plain_files import read_json
from ddp_mlp.study.study import Study

RECORD = "study.json"


@dataclass(frozen=True)
class Record:
    """The record of a study.

    Attributes
    ----------
    at_once : int
        Trials at once, which a sampler that sees results reckons with for ever.
    micro_batches : int
        Those of a trial whose configuration says "auto".
    ended_in : str
        The job of Slurm in which it has come to its end, "-" outside Slurm; empty while it goes on.
    metric : str
        What the newest start was asked to rank the trials by; empty where it was not.
    """

    at_once: int
    micro_batches: int
    ended_in: str = ""
    metric: str = ""


def begun(study: Study, comm: Communicator, at_once: int) -> tuple[Study, Record]:
    """Collective. Return the study as it began, here or at an earlier start, and the record of that.

    Parameters
    ----------
    at_once : int
        Trials at once of this start.

    Raises
    ------
    UsageError
        If a trial has more workers now than it can use; on all ranks.
    """
    workers = -(-comm.world_size // at_once) * study.options.threads
    own = Record(at_once, default_micro_batches(workers), metric=study.metric or "")
    with agreed(comm):
        if comm.rank == 0:
            own = _kept(study.options.directory / RECORD, own, resume=study.options.resume)
    record = Record(**json.loads(comm.share_text(json.dumps(asdict(own)))[0]))
    if study.configure([]).train.micro_batches != "auto":
        return study, record
    if workers > record.micro_batches:
        raise known_to_all(
            UsageError(
                f"this study began with micro_batches = {record.micro_batches}, so no more than so many of the "
                f"{workers} workers of a trial can work; give a larger --parallel, or start fewer"
            )
        )
    if record.micro_batches == default_micro_batches(1):
        return study, record
    fixed = f"train.micro_batches={record.micro_batches}"
    return replace(study, configure=replace(study.configure, overrides=(fixed, *study.configure.overrides))), record


def _kept(path: Path, own: Record, *, resume: bool) -> Record:
    """Return the record of an earlier start; write this one where there is none."""
    if resume:
        with suppress(OSError):
            found = read_json(path, Record)
            if found and found.at_once > 0 and found.micro_batches > 0:
                own = replace(found, ended_in="", metric=own.metric)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, own)
    return own


def note_end(study: Study, comm: Communicator) -> None:
    """Collective. Let the record tell that the study has come to its end; for who holds its directory."""
    with agreed(comm):
        if comm.rank == 0:
            study.check()
            path = study.options.directory / RECORD
            if record := read_json(path, Record):
                _write(path, replace(record, ended_in=slurm_job_id(os.environ) or "-"))


def _write(path: Path, record: Record) -> None:
    write_whole(path, (json.dumps(asdict(record)) + "\n").encode())
