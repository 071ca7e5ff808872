"""``ddp-mlp launch``."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ddp_mlp.cli.options import MOST_RANKS, RESTARTS, THREADS, ParamType, tell
from ddp_mlp.cli.terminal import TERMINAL, terminal_size
from ddp_mlp.errors import literal

#: Stands for a number of ranks that is to be found.
AUTO = 0
_SHOW_CURSOR = "\x1b[?25h"


class RankCount(ParamType[int]):
    """A positive number, or ``auto``."""

    name = "ranks"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, `AUTO` for ``auto``."""
        if value == "auto":
            return AUTO
        text = str(value)
        if not (re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= MOST_RANKS):
            self.fail(
                f"{literal(value)} is no number of ranks; write 1, 2, ... up to {MOST_RANKS}, or auto", param, ctx
            )
        return int(text)


def _train_options(command: tuple[str, ...]) -> dict[str, Any]:
    """Return the options of ``train CONFIG ...``; nothing where they are wrong, as its ranks will say."""
    from ddp_mlp.cli.commands.train import train

    try:
        given = train.make_context("train", list(command[1:]), resilient_parsing=True).params
    except click.ClickException:
        return {}
    return given if given.get("config") else {}


def _with_directory(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``train CONFIG ...`` with the run directory that it would choose, for restarts go on there."""
    given = _train_options(command) if command[0] == "train" else {}
    if not given or given["out"] or given["dry_run"]:
        return command
    from ddp_mlp.config import load_config
    from ddp_mlp.errors import DdpMlpError
    from ddp_mlp.run.files.naming import run_directory

    try:
        loaded, earlier = (
            load_config(given["config"], given["overrides"], with_earlier_defaults=way) for way in (False, True)
        )
    except DdpMlpError:  # the ranks will say so
        return command
    chosen = run_directory(loaded, given["config"], earlier if given["resume"] else None)
    tell(f"run directory: {chosen}")
    return (*command, "--out", str(chosen))


def _choose(command: tuple[str, ...]) -> tuple[int, int]:
    """Return the ranks and threads for ``train CONFIG ...``."""
    from ddp_mlp.cli.commands.train import train

    if command[0] != "train":
        raise click.UsageError("-n auto is for `train CONFIG`; give a number of ranks for other commands")
    given = train.make_context("train", list(command[1:])).params
    if given["dry_run"]:
        return 1, 1
    from ddp_mlp.cluster.plan.auto import begun_with, choose_placement

    directory = given["out"] or Path("runs") / given["config"].stem
    most = begun_with(directory) if given["resume"] else None
    return choose_placement(given["config"], given["overrides"], most, tell)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-n", "n_ranks", type=RankCount(), help="Number of ranks, or auto: by a short trial.")
@click.option(
    "--hostfile",
    type=click.Path(path_type=Path),
    help="Machines to start on, one a line: NAME, NAME:4 or NAME slots=4; without -n, a rank for each slot.",
)
@click.option(
    "--threads-per-rank",
    type=THREADS,
    default=1,
    show_default=True,
    help="Micro-batches that each rank computes at once.",
)
@click.option(
    "--max-restarts",
    type=RESTARTS,
    default=0,
    show_default=True,
    help="How often a `train`, or a study with --out, that fails is started again, from its last good checkpoints.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def launch(
    n_ranks: int | None, hostfile: Path | None, threads_per_rank: int, max_restarts: int, command: tuple[str, ...]
) -> None:
    """Run COMMAND, such as `train CONFIG.toml`, on several ranks of this machine, or of those of a hostfile.

    Finds the mpiexec that belongs to this Python's MPI, and sets the threads. With `-n auto`, for
    `train`, a few placements of ranks and threads are tried for a second each, and the choice is
    remembered.
    """
    from ddp_mlp.cluster.launch.hostfile import ranks_on, read_hosts
    from ddp_mlp.cluster.launch.launch import launch as start

    if n_ranks is None and hostfile is None:
        raise click.UsageError("before the command say how many ranks, -n 2, or where, --hostfile FILE")
    if n_ranks == AUTO and hostfile:
        raise click.UsageError("-n auto tries placements on this machine; with --hostfile give a number of ranks")
    command = _with_directory(command)
    if n_ranks == AUTO:
        n_ranks, threads_per_rank = _choose(command)
    hosts = read_hosts(hostfile) if hostfile else ()
    n_ranks = ranks_on(hosts, n_ranks) if hosts else n_ranks or 1
    with _shared_terminal():
        code = start(n_ranks, threads_per_rank, command, tell, max_restarts, hosts)
    sys.exit(code)


@contextmanager
def _shared_terminal() -> Iterator[None]:
    """Tell ranks of the terminal of this process, if it has one; show the cursor again that a killed one has hidden."""
    if not sys.stderr.isatty():
        yield
        return
    columns, lines = terminal_size() or (80, 25)
    os.environ[TERMINAL] = f"{columns}x{lines}"
    try:
        yield
    finally:
        del os.environ[TERMINAL]
        click.echo(_SHOW_CURSOR, nl=False, err=True, color=True)
