"""``ddp-mlp launch``."""

from __future__ import annotations

import sys

import click


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-n", "n_ranks", type=click.IntRange(min=1), required=True, help="Number of ranks.")
@click.option(
    "--threads-per-rank",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Micro-batches that each rank computes at once.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def launch(n_ranks: int, threads_per_rank: int, command: tuple[str, ...]) -> None:
    """Run COMMAND, such as `train CONFIG.toml`, on several ranks of this machine.

    Finds the mpiexec that belongs to this Python's MPI, and sets the threads.
    """
    from ddp_mlp.cluster.launch import launch as start

    sys.exit(start(n_ranks, threads_per_rank, command))
