"""``ddp-mlp slurm script|submit|status|requeue``."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddp_mlp.cli.options import RANKS, RESTARTS, THREADS, json_option, print_json, shown, tell

if TYPE_CHECKING:
    from ddp_mlp.cluster.slurm.job import BatchJob

_JOB_OPTIONS = (
    click.argument("configs", nargs=-1, required=True, metavar="CONFIG..."),
    click.option("--out", metavar="RUN_DIR", help="Run directory; of an array, that of its run directories."),
    click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key of CONFIG."),
    click.option("--seeds", default="", metavar="0-4", help="One run for each seed, as an array."),
    click.option("--nodes", default="1", show_default=True, help="Nodes, or a range such as 2-8."),
    click.option("--ntasks-per-node", type=RANKS, default=1, show_default=True, help="Ranks a node."),
    click.option("--cpus-per-task", type=THREADS, default=1, show_default=True, help="Threads a rank."),
    click.option("--time", default="01:00:00", show_default=True, help="Limit of each start, as Slurm writes it."),
    click.option("--partition", default="", help="Partition of the cluster."),
    click.option("--account", default="", help="Account that pays."),
    click.option("--sbatch", multiple=True, metavar="KEY=VALUE", help="Any further option of sbatch."),
    click.option("--before", multiple=True, metavar="LINE", help="Shell line to run first: 'module load openmpi'."),
    click.option("--launcher", type=click.Choice(["auto", "srun", "mpiexec"]), default="auto", show_default=True,
                 help="What starts the ranks; auto finds what the MPI library and Slurm both speak."),
    click.option("--mpi", "mpi_type", metavar="TYPE", help="Type for srun --mpi, such as pmix [default: the fitting]."),
    click.option("--notice", "notice_s", type=click.IntRange(1, 10**7),
                 help="Seconds before the limit at which ranks save and stop [default: 180, or a quarter]."),
    click.option("--max-restarts", type=RESTARTS, default=100, show_default=True,
                 help="How often the job goes back into the queue."),
)  # fmt: skip


def _job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_JOB_OPTIONS):
        command = option(command)
    return command


@click.group()
def slurm() -> None:
    """Write, submit and follow jobs of a cluster with Slurm."""


def _job(configs: tuple[str, ...], out: str | None, launcher: str, mpi_type: str | None, **options: Any) -> BatchJob:
    """Return the job that the options ask for, checked together with its configurations."""
    from ddp_mlp.cluster.slurm.job import BatchJob, check_job
    from ddp_mlp.cluster.slurm.starters import choose_starter
    from ddp_mlp.config import load_config
    from ddp_mlp.errors import UsageError

    directory = out or str(Path("runs") / Path(configs[0]).stem) + ("-array" if len(configs) > 1 else "")
    job = check_job(BatchJob(configs, directory, choose_starter(launcher, mpi_type), sys.executable, **options))
    for config in configs:
        micro_batches = load_config(Path(config), job.overrides).train.micro_batches
        if micro_batches != "auto" and micro_batches < job.most_workers:
            raise UsageError(
                f"{config}: [train] micro_batches = {micro_batches} is work for that many, but the job has "
                f"{job.most_workers} workers (nodes x tasks x cpus per task)"
            )
    return job


@slurm.command()
@_job_options
def script(**options: Any) -> None:
    """Print an sbatch script that trains CONFIG, or each CONFIG, or each seed, and goes on after a stop."""
    from ddp_mlp.cluster.slurm.script import script_text
    from ddp_mlp.errors import shell_word

    job = _job(**options)
    click.echo(script_text(job), nl=False)
    tell(f"Slurm writes its log into {job.run_directory}, which has to exist: mkdir -p {shell_word(job.run_directory)}")


@slurm.command()
@_job_options
@json_option
def submit(as_json: bool, **options: Any) -> None:
    """Submit a job that trains CONFIG, or each CONFIG, or each seed, and goes on after a stop."""
    from ddp_mlp.cluster.slurm import controller
    from ddp_mlp.cluster.slurm.record import Record, read_status, write_record
    from ddp_mlp.cluster.slurm.script import script_text
    from ddp_mlp.durable import write_whole
    from ddp_mlp.errors import DdpMlpError, shell_word

    job = _job(**options)
    directory = Path(job.run_directory)
    if read_status(directory).get("state") in ("finished", "early-stopped", "target-reached"):
        tell(
            f"warning: {directory} holds a run that is over, with which the job goes on; a new one needs another --out"
        )
    write_record(directory, Record())
    file = directory / "job.sbatch"
    write_whole(file, script_text(job).encode())
    job_id = controller.submit(file)
    try:
        write_record(directory, Record(str(job_id)))
    except DdpMlpError as error:  # it is in the queue all the same, and only its number leads to it
        tell(f"warning: job {job_id} is submitted, but `slurm status` does not know it: {error}")
    if as_json:
        print_json({"job_id": job_id, "run_dir": job.run_directory, "script": str(file)})
    else:
        click.echo(f"job {job_id} submitted; how it stands: ddp-mlp slurm status {shell_word(job.run_directory)}")


@slurm.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@json_option
def status(run_dir: Path, as_json: bool) -> None:
    """Tell how the job of RUN_DIR stands, or each run of an array: state, restarts, step, time left."""
    from ddp_mlp.cluster.slurm.status import statuses

    found = [asdict(one) for one in statuses(run_dir)]
    if as_json:
        print_json(found[0] if len(found) == 1 else {"runs": found})
        return
    for one in found:
        click.echo("  ".join(f"{name} {shown(value)}" for name, value in one.items() if value not in ("", None)))


@slurm.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--code", type=click.IntRange(0, 255), required=True, help="Exit code of the ranks' launcher.")
@click.option("--asked", is_flag=True, help="The batch shell was asked to stop.")
@click.option("--max-restarts", type=RESTARTS, default=100, show_default=True, help="How often at most.")
def requeue(run_dir: Path, code: int, asked: bool, max_restarts: int) -> None:
    """Put this job back into the queue if its ranks were stopped; the last line of a job script.

    The exit code is that of the job.
    """
    from ddp_mlp.cluster.slurm.requeue import end_own_job

    count = os.environ.get("SLURM_RESTART_COUNT", "")
    restarts = int(count) if re.fullmatch(r"[0-9]{1,9}", count) else 0
    code, line = end_own_job(run_dir, code, asked=asked, restarts=restarts, max_restarts=max_restarts)
    tell(line)
    sys.exit(code)
