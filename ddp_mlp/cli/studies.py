"""Options, directory and endings that the commands of studies share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddp_mlp.cli.options import THREADS, json_option, print_json, tell

if TYPE_CHECKING:
    from ddp_mlp.comm import Communicator
    from ddp_mlp.config import Config
    from ddp_mlp.run.options import RunOptions
    from ddp_mlp.study.trials import Configure

Summaries = list[dict[str, Any]]


def study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the configuration, and the options that every command of studies takes."""
    for option in (
        json_option,
        click.option("--threads-per-rank", "threads", type=THREADS, default=1, show_default=True,
                     envvar="DDP_MLP_THREADS_PER_RANK", help="Micro-batches that each rank computes at once."),
        click.option("--resume", is_flag=True, help="Keep the trials that are finished and go on with the others."),
        click.option("--out", type=click.Path(path_type=Path), help="Directory of all trials."),
        click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key."),
        click.argument("config", type=click.Path(path_type=Path)),
    ):  # fmt: skip
        command = option(command)
    return command


def options_of_runs(name: str, out: Path | None, threads: int, comm: Communicator, *, resume: bool) -> RunOptions:
    """Collective. Return where the runs of a study go; a study that begins needs a place of its own.

    Parameters
    ----------
    name : str
        Directory below ``runs`` where `out` is not given.
    """
    from ddp_mlp.comm import agreed
    from ddp_mlp.run.files.naming import newest, next_free
    from ddp_mlp.run.options import RunOptions
    from ddp_mlp.study.trials import holds_runs, refuse_other_runs

    chosen = ""
    with agreed(comm):
        if comm.rank == 0:
            base = Path("runs") / name
            chosen = str(out or (newest(base, holds_runs, holds_runs) if resume else next_free(base, holds_runs)))
            if out and not resume:
                refuse_other_runs(out)
            tell(f"directory of the runs: {chosen}")
    return RunOptions(Path(comm.share_text(chosen)[0]), resume=resume, threads=threads)


def configurations(config: Path, overrides: tuple[str, ...], comm: Any) -> Configure:
    """Return a function that builds the configuration with further assignments, on all ranks alike."""
    from ddp_mlp.comm import agreed
    from ddp_mlp.config import load_config

    def configure(assignments: Sequence[str], *, with_earlier_defaults: bool = False) -> Config:
        with agreed(comm):
            built = load_config(config, [*overrides, *assignments], with_earlier_defaults=with_earlier_defaults)
        return built  # noqa: RET504 - the block ends with the agreement of all ranks

    return configure


def report_stop(
    summaries: Summaries, n_runs: int, word: str, options: RunOptions, comm: Communicator, *, as_json: bool
) -> bool:
    """Tell whether the last run was stopped, and the user how to go on: no other has begun, and none is compared.

    Parameters
    ----------
    n_runs : int
        Runs that the study will have at its end.
    word : str
        Its name for a run.
    """
    if summaries[-1]["status"] != "stopped":
        return False
    if comm.rank == 0:
        over = len(summaries) - 1
        tell(
            f"stopped in {summaries[-1]['name']}; {over} of {n_runs} {word}s are over; go on with the same command and "
            f"--resume --out {options.directory}"
        )
        if as_json:
            print_json({"status": "stopped", f"{word}s": n_runs, "runs": summaries})
    return True
