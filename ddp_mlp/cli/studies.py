"""Options, directory and endings that the commands of studies share."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddp_mlp.cli.options import MOST_RANKS, THREADS, ParamType, json_option, print_json, tell
from ddp_mlp.errors import listed, literal, shell_word

if TYPE_CHECKING:
    from ddp_mlp.comm import Communicator
    from ddp_mlp.durable import Check
    from ddp_mlp.run.options import RunOptions
    from ddp_mlp.study.execution.pool import Processes
    from ddp_mlp.study.study import Study
    from ddp_mlp.study.trials import Tell

Summaries = list[dict[str, Any]]
#: Stands for a number of trials at once that is to be found.
AUTO = 0


class AtOnce(ParamType[int]):
    """A positive number, or ``auto``."""

    name = "trials"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, `AUTO` for ``auto``."""
        text = str(value)
        if text == "auto":
            return AUTO
        if not (re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= MOST_RANKS):
            self.fail(
                f"{literal(value)} is no number of trials at once; write 1, 2, ... up to {MOST_RANKS}, or auto",
                param,
                ctx,
            )
        return int(text)


@dataclass(frozen=True)
class Asked:
    """The options that every command of studies has.

    Attributes
    ----------
    config : Path
    overrides : tuple of str
        Assignments of the command line, on top of the configuration.
    out : Path or None
        Directory of all trials, if it is named.
    resume : bool
    threads : int
        Of each rank.
    parallel : int
        Trials at once; `AUTO` to find out.
    as_json : bool
    """

    config: Path
    overrides: tuple[str, ...]
    out: Path | None
    resume: bool
    threads: int
    parallel: int
    as_json: bool


def study_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the configuration and the options that every command of studies takes, which it gets as ``asked``."""

    @wraps(command)
    def gathered(**given: Any) -> None:
        command(asked=Asked(**{field.name: given.pop(field.name) for field in fields(Asked)}), **given)

    for option in (
        json_option,
        click.option("--parallel", type=AtOnce(), default="auto", show_default=True,
                     help="Trials at once; auto: by a short trial of a few ways to share out ranks and threads."),
        click.option("--threads-per-rank", "threads", type=THREADS, default=1, show_default=True,
                     envvar="DDP_MLP_THREADS_PER_RANK", help="Micro-batches that each rank computes at once."),
        click.option("--resume", is_flag=True, help="Keep the trials that are finished and go on with the others."),
        click.option("--out", type=click.Path(path_type=Path), help="Directory of all trials."),
        click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key."),
        click.argument("config", type=click.Path(path_type=Path)),
    ):  # fmt: skip
        gathered = option(gathered)
    return gathered


def rows_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which rows must not be parted, or only in their order."""
    for option in (
        click.option("--by-time", metavar="COL", help="Validate on later rows than those that train; row: file order."),
        click.option("--group-by", metavar="COL", help="Keep rows with one value of a column on one side."),
    ):
        command = option(command)
    return command


def with_rows(asked: Asked, group_by: str | None, by_time: str | None, *, is_folded: bool) -> Asked:
    """Return the options with the rule by which rows are parted: folds by class where nothing else is said.

    Parameters
    ----------
    asked : Asked
    group_by, by_time : str or None
        Columns that the command line names.
    is_folded : bool
        Whether there are folds.
    """
    from ddp_mlp.config.loading import layers

    named = {"data.group_by": group_by, "data.time_by": by_time}
    overrides = (*asked.overrides, *(f"{key}={json.dumps(text)}" for key, text in named.items() if text is not None))
    keys = ("stratify", "group_by", "time_by")
    said = [table.get("data", {}) for _, table in layers(asked.config, overrides, os.environ, [])]
    is_said = any(isinstance(table, dict) and table.get(key, "none") != "none" for table in said for key in keys)
    return replace(asked, overrides=overrides if is_said or not is_folded else ("data.stratify=true", *overrides))


@contextmanager
def place_of_runs(name: str, asked: Asked, comm: Communicator) -> Iterator[tuple[RunOptions, Check]]:
    """Collective. Yield where the runs of a study go, below ``runs`` by `name` where nothing is asked, and hold it.

    A study that begins needs a place of its own. With it comes the check before a change to one of its files.
    """
    from ddp_mlp.comm import agreed
    from ddp_mlp.run.files.naming import newest, next_free
    from ddp_mlp.run.options import RunOptions
    from ddp_mlp.study.place import held, holds_runs, refuse_other_runs

    chosen = ""
    with agreed(comm):
        if comm.rank == 0:
            base = Path("runs") / name
            own = (
                partial(newest, base, holds_runs, holds_runs) if asked.resume else partial(next_free, base, holds_runs)
            )
            chosen = str(asked.out or own())
            if asked.out and not asked.resume:
                refuse_other_runs(asked.out)
            tell(f"directory of the runs: {chosen}")
    options = RunOptions(Path(comm.share_text(chosen)[0]), resume=asked.resume, threads=asked.threads)
    with held(options.directory, comm, tell, resume=asked.resume) as check:
        yield options, check


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
    stopped = [summary["name"] for summary in summaries if summary["status"] == "stopped"]
    if not stopped:
        return False
    if comm.rank == 0:
        over = len(summaries) - len(stopped)
        tell(
            f"stopped in {listed(stopped, 3)}; {over} of {n_runs} {word}s are over; go on with the same command and "
            f"--resume --out {shell_word(options.directory)}"
        )
        if as_json:
            print_json({"status": "stopped", f"{word}s": n_runs, "runs": summaries})
    return True


def share_out(parallel: int, study: Study, n_trials: int | None, first: Sequence[str], tell: Tell) -> tuple[Study, int]:
    """Collective. Return the study with the threads of each rank, and how many trials run at once.

    Parameters
    ----------
    parallel : int
        Trials at once; `AUTO` to find out.
    n_trials : int or None
        None where nobody knows.
    first : sequence of str
        Assignments of a trial whose steps are timed.
    """
    from ddp_mlp.cluster.plan.trial import time_steps
    from ddp_mlp.study.execution.placement import share_out as choose

    configure, options = study.configure, study.options

    def measure(group: Communicator, threads: int) -> float:
        return time_steps(group, threads, configure.config, [*configure.overrides, *first])

    at_once, threads = choose(parallel, configure.comm, options.threads, n_trials, measure, tell)
    return replace(study, options=replace(options, threads=threads)), at_once


@contextmanager
def workers(asked: Asked) -> Iterator[tuple[Communicator, Processes]]:
    """Collective. Yield the ranks, and for a process alone the processes of trials at once, which start meanwhile.

    Whoever plans a study is to be imported inside: the client of PMI2 in MPICH 5.0, which joins the ranks, sends what
    an earlier use has left in memory.
    """
    from ddp_mlp.comm import SingleProcess, connect
    from ddp_mlp.run.signals import stop_signals_held
    from ddp_mlp.study.execution.pool import Processes

    with stop_signals_held(), connect() as comm:
        at_once = (asked.parallel or asked.threads) if isinstance(comm, SingleProcess) else 1
        with Processes(asked.config, asked.overrides, at_once if at_once > 1 else 0) as processes:
            yield comm, processes


def run_shown(
    study: Study,
    comm: Communicator,
    on_result: Callable[[Summaries], None],
    at_once: int,
    processes: Processes,
) -> Summaries:
    """Collective. Run a study while rank 0 shows it; all else as `run_study`.

    Parameters
    ----------
    study, comm, on_result, at_once, processes
    """
    from ddp_mlp.cli.live_table import make_view
    from ddp_mlp.study.running import run_study

    if at_once == 1:
        return run_study(study, comm, tell, on_result)
    with make_view(comm) as view:
        return run_study(study, comm, view.tell, on_result, at_once, view.look, processes)
