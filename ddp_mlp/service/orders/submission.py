"""From a request to a job: everything is checked before anything is made, and again before it starts."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import tomli_w
from msgspec import Meta, Struct, field

from ddp_mlp.config import from_builtins
from ddp_mlp.config.loading import MOST_BYTES
from ddp_mlp.config.toml import parse_toml
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import DdpMlpError, UsageError
from ddp_mlp.plain_files import read_whole
from ddp_mlp.service.orders.arguments import checked_arguments
from ddp_mlp.service.orders.commands import config_of
from ddp_mlp.service.orders.configuration import Checked, RefusedError, check_config
from ddp_mlp.service.orders.studies import check_search
from ddp_mlp.service.security.places import name_of
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import KINDS, Job
from ddp_mlp.service.store.store import Store
from ddp_mlp.service.times import now_utc

_Count = Annotated[int, Meta(ge=1, le=2**16)]


class Request(Struct, forbid_unknown_fields=True):
    """The body of a request for a job."""

    config: Annotated[str, Meta(max_length=MOST_BYTES)]
    overrides: dict[str, Any] = field(default_factory=dict)
    kind: str = "train"
    arguments: Annotated[list[Annotated[str, Meta(max_length=2000)]], Meta(max_length=200)] = field(
        default_factory=list
    )
    name: Annotated[str, Meta(max_length=80)] = ""
    ranks: _Count = 1
    threads: _Count = 1
    priority: Annotated[int, Meta(ge=-(10**6), le=10**6)] = 0
    after: Annotated[list[Annotated[int, Meta(ge=1, le=2**62)]], Meta(max_length=100)] = field(default_factory=list)


def check_request(request: Request, settings: Settings, store: Store) -> Checked:
    """Check all of a request.

    Raises
    ------
    RefusedError
        If anything in it is impossible.
    """
    problems = _impossible(request, settings, store)
    options: dict[str, list[str]] = {}
    try:
        options = checked_arguments(request.kind, request.arguments)
    except UsageError as error:
        problems.append(("arguments", str(error)))
    try:
        checked = check_config(request.config, request.overrides, settings)
    except RefusedError as error:
        raise RefusedError(
            "; ".join([*(f"{k}: {m}" for k, m in problems), str(error)]), [*problems, *error.problems]
        ) from None
    if request.kind == "search" and not problems:
        try:
            check_search(options, checked.table)
        except UsageError as error:
            problems.append(("arguments", str(error)))
    if problems:
        raise RefusedError("; ".join(f"{key}: {message}" for key, message in problems), problems)
    return checked


def _impossible(request: Request, settings: Settings, store: Store) -> list[tuple[str, str]]:
    """Return the keys of a request, beside its configuration and arguments, that this service cannot follow."""
    problems: list[tuple[str, str]] = []
    if request.kind not in KINDS:
        problems.append(("kind", f"one of {', '.join(KINDS)}"))
    if request.name and not request.name.isprintable():
        problems.append(("name", "has characters that cannot be printed"))
    cores = request.ranks * request.threads
    if cores > settings.cores and not settings.slurm:
        problems.append(
            ("ranks", f"{cores} cores (ranks x threads) are more than the {settings.cores} of this service")
        )
    known = store.states_of(request.after)
    return [*problems, *(("after", f"there is no job {number}") for number in request.after if number not in known)]


def new_job(request: Request, checked: Checked, settings: Settings, store: Store) -> Job:
    """Return the job of a request, with a run directory that no other one has."""
    default = checked.config.data.train.partition(":")[0].rpartition("/")[2].rpartition(".")[0]
    name = request.name.strip() or name_of(default, "run")
    return Job(
        id=0, name=name, kind=request.kind, state="queued", ranks=request.ranks, threads=request.threads,
        priority=request.priority, after=sorted(set(request.after)), created_utc=now_utc(),
        run_dir=_free(name_of(name, "run"), settings, store), config=request.config, overrides=request.overrides,
        arguments=request.arguments,
    )  # fmt: skip


def _free(name: str, settings: Settings, store: Store) -> str:
    number = 1
    while True:
        run_dir = f"{settings.runs.name}/{name}" + (f"-{number}" if number > 1 else "")
        if not store.taken(run_dir) and not (settings.directory / run_dir).exists():
            return run_dir
        number += 1


def write_config(job: Job, settings: Settings) -> Checked:
    """Check the configuration of a job and write it where its process reads it; return what it says.

    Raises
    ------
    RefusedError
        If it has become impossible: a link may lead elsewhere now.
    """
    checked = check_config(job.config, job.overrides, settings)
    settings.job_folder(job.id).mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(config_of(job, settings), tomli_w.dumps(checked.table).encode())
    return checked


def epochs_of(job: Job, settings: Settings) -> int | None:
    """Return how many epochs a job is to run, if it is a single run and its configuration can be read."""
    if job.kind != "train":
        return None
    try:
        table = parse_toml(read_whole(config_of(job, settings), MOST_BYTES * 2).decode())
        return from_builtins(table, "config").train.epochs
    except (OSError, ValueError, DdpMlpError, msgspec.MsgspecError):
        return None
