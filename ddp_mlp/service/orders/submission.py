"""From a request to a job: everything is checked before anything is made, and again before it starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import tomli_w
from msgspec import Meta, Struct, field

from ddp_mlp.config import Config, as_toml, from_builtins
from ddp_mlp.config.checks import check_consistency, check_values, resolve_defaults
from ddp_mlp.config.loading import MOST_BYTES
from ddp_mlp.config.toml import Table, parse_toml
from ddp_mlp.config.values import NONE, plain
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import DdpMlpError, UsageError, literal
from ddp_mlp.plain_files import read_whole
from ddp_mlp.service.orders.arguments import checked_arguments
from ddp_mlp.service.orders.commands import config_of
from ddp_mlp.service.security.places import confined, name_of
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import KINDS, Job
from ddp_mlp.service.store.store import Store
from ddp_mlp.service.times import now_utc

#: Keys that name files, by section.
PATH_KEYS = {"data": ("train", "valid"), "model": ("start",)}
_KEY = re.compile(r"[a-z]{1,40}(\.[a-z0-9_]{1,60}){1,2}")
_PROBLEM = re.compile(r"\[([a-z_.]+)\] ([a-z0-9_]+)")
_MOST_OVERRIDES = 200
_MOST_NAMES = 10_000
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


class RefusedError(UsageError):
    """A request that asks for something impossible, with the problem of each key."""

    def __init__(self, message: str, problems: list[tuple[str, str]]) -> None:
        UsageError.__init__(self, message)
        self.problems = problems


class Checked(Struct, frozen=True):
    """A configuration that was checked: keys that are set, with absolute paths, and all of it."""

    table: dict[str, Any]
    config: Config

    @property
    def resolved(self) -> str:
        """All keys as TOML."""
        return as_toml(self.config)


def check_config(text: str, overrides: Mapping[str, Any], settings: Settings) -> Checked:
    """Check a configuration, and that the files that it names may be read.

    Raises
    ------
    RefusedError
        With everything that is wrong.
    """
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise RefusedError(f"config: longer than {MOST_BYTES} bytes", [("config", "too long")])
    try:
        table = parse_toml(text)
    except ValueError as error:
        raise RefusedError(f"config: not valid TOML: {error}", [("config", str(error))]) from None
    problems = _apply(table, overrides)
    problems += [] if problems else _confine(table, settings)
    lines = [f"{key}: {message}" for key, message in problems]
    try:
        raw = plain(table)
        found = check_values(raw)
        if not found:
            found = check_consistency(resolve_defaults(raw))
    except (RecursionError, OverflowError) as error:
        raise RefusedError(f"config: {error}", [("config", str(error))]) from None
    problems += [(_key_of(problem), problem) for problem in found]
    if lines := lines + found:
        raise RefusedError("; ".join(lines), problems)
    return Checked(table, from_builtins(table, "config"))


def _apply(table: Table, overrides: Mapping[str, Any]) -> list[tuple[str, str]]:
    if len(overrides) > _MOST_OVERRIDES:
        return [("overrides", f"more than {_MOST_OVERRIDES}")]
    problems = []
    for key, value in overrides.items():
        *tables, last = key.split(".")
        if not _KEY.fullmatch(key):
            problems.append((literal(key)[1:-1], "not of the form section.key"))
        elif value is None or not _is_toml(value):
            problems.append((key, f"{literal(value)} is no value of TOML"))
        else:
            inner: Any = table
            for name in tables:
                inner = inner.setdefault(name, {}) if isinstance(inner, dict) else None
            if isinstance(inner, dict):
                inner[last] = value
            else:
                problems.append((key, "is within something that is no table"))
    return problems


def _is_toml(value: Any) -> bool:
    """Tell whether a JSON value can stand in a configuration: numbers, texts, and lists of them."""
    if isinstance(value, list):
        return len(value) <= _MOST_NAMES and all(_is_toml(one) and not isinstance(one, list) for one in value)
    return isinstance(value, bool | int | float | str)


def _confine(table: Table, settings: Settings) -> list[tuple[str, str]]:
    """Make the paths of a configuration absolute, and name those that lead elsewhere."""
    problems = []
    for section, names in PATH_KEYS.items():
        keys: Any = table.get(section)
        for name in names if isinstance(keys, dict) else ():
            value = keys.get(name)
            if isinstance(value, str) and not (value == NONE and name != "train"):
                try:
                    keys[name] = confined_location(value, settings)
                except UsageError as error:
                    problems.append((f"{section}.{name}", str(error)))
    return problems


def confined_location(text: str, settings: Settings) -> str:
    """Return ``F.h5`` or ``F.h5:/group`` with an absolute path, if it is a file of this service.

    Raises
    ------
    UsageError
        If it is not.
    """
    path, colon, group = text.partition(":")
    if ":" in group:
        raise UsageError(f"{literal(text)}: more than one colon; name F.h5 or F.h5:/group")
    real = confined(path, settings.directory, settings.roots)
    location = f"{real}{colon}{group}"
    is_named = not colon or (group.startswith("/") and group.isprintable() and not os.path.lexists(location))
    if ":" in str(real) or not is_named:
        raise UsageError(f"{literal(text)}: name F.h5 or F.h5:/group, without another colon in the path")
    return location


def _key_of(problem: str) -> str:
    found = _PROBLEM.match(problem)
    return f"{found[1]}.{found[2]}" if found else "config"


def check_request(request: Request, settings: Settings, store: Store) -> Checked:
    """Check all of a request.

    Raises
    ------
    RefusedError
        If anything in it is impossible.
    """
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
    if settings.slurm and (request.kind != "train" or request.arguments):
        problems.append(("kind", "a service with --slurm submits train, without further options"))
    known = store.states_of(request.after)
    problems += [("after", f"there is no job {number}") for number in request.after if number not in known]
    try:
        checked_arguments(request.kind, request.arguments)
    except UsageError as error:
        problems.append(("arguments", str(error)))
    try:
        checked = check_config(request.config, request.overrides, settings)
    except RefusedError as error:
        raise RefusedError(
            "; ".join([*(f"{k}: {m}" for k, m in problems), str(error)]), [*problems, *error.problems]
        ) from None
    if problems:
        raise RefusedError("; ".join(f"{key}: {message}" for key, message in problems), problems)
    return checked


def new_job(request: Request, checked: Checked, settings: Settings, store: Store) -> Job:
    """Return the job of a request, with a run directory that no other one has."""
    default = checked.config.data.train.partition(":")[0].rpartition("/")[2].rpartition(".")[0]
    name = name_of(request.name or default, "run")
    return Job(
        id=0, name=name, kind=request.kind, state="queued", ranks=request.ranks, threads=request.threads,
        priority=request.priority, after=sorted(set(request.after)), created_utc=now_utc(),
        run_dir=_free(name, settings, store), config=request.config, overrides=request.overrides,
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
