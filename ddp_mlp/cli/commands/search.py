"""``ddp-mlp cross-validate`` and ``ddp-mlp search``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddp_mlp.cli.options import SEED, THREADS, json_option, print_json, read_config, tell
from ddp_mlp.config import MOST_TRIALS
from ddp_mlp.errors import StoppedError

if TYPE_CHECKING:
    from ddp_mlp.comm import Communicator
    from ddp_mlp.config import Config
    from ddp_mlp.run.options import RunOptions
    from ddp_mlp.study.trials import Configure

Summaries = list[dict[str, Any]]


def _shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
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


@click.command("cross-validate")
@click.option("--folds", type=click.IntRange(2, MOST_TRIALS), default=5, show_default=True, help="Number of folds.")
@_shared_options
def cross_validate(
    folds: int, config: Path, overrides: tuple[str, ...], out: Path | None, resume: bool, threads: int, as_json: bool
) -> None:
    """Train CONFIG once for each fold, validate on that fold, and report mean and spread.

    The folds take the place of valid_fraction. The best epoch of each fold counts, as in its model.
    """
    from ddp_mlp.comm import connect
    from ddp_mlp.run.signals import stop_signals_held

    read_config(config, overrides)
    with stop_signals_held(), connect() as comm:
        configure = _configurations(config, overrides, comm)
        from ddp_mlp.study.choices import fold_assignments
        from ddp_mlp.study.ranking import all_failed, spread
        from ddp_mlp.study.trials import run_one

        trials = fold_assignments(folds)
        for trial in trials:
            configure(trial)
        options = _options(f"{config.stem}-folds", out, threads, comm, resume=resume)
        summaries: Summaries = []
        for fold, trial in enumerate(trials):
            summaries.append(run_one(f"fold-{fold}", trial, configure, options, comm, tell))
            if summaries[-1]["status"] == "stopped":
                break
        is_stopped = _report_stop(summaries, folds, "fold", options, comm, as_json=as_json)
        if failure := all_failed(summaries, "fold"):
            raise failure
        if comm.rank == 0 and not is_stopped:
            _print_spread(folds, summaries, spread(summaries), as_json=as_json)
    if is_stopped:
        sys.exit(StoppedError.exit_code)


@click.command()
@click.option(
    "--try", "choices", multiple=True, required=True, metavar="KEY=[VALUE, ...]",
    help="Values for a key, in TOML; or KEY=LOW..HIGH to draw from with --random: on a logarithmic scale, or evenly "
    "from 0 or where the word linear follows; whole numbers where the key takes them.",
)  # fmt: skip
@click.option(
    "--random", "n_random", type=click.IntRange(1, MOST_TRIALS), help="Draw so many trials instead of the whole grid."
)
@click.option("--folds", type=click.IntRange(2, MOST_TRIALS), help="Train each trial on so many folds and take means.")
@click.option(
    "--metric", type=click.Choice(["loss", "accuracy", "rmse", "r2"]),
    help="What ranks the trials, of their best epoch [default: loss, if all measure it alike, else accuracy or rmse].",
)  # fmt: skip
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the draws.")
@_shared_options
def search(
    choices: tuple[str, ...],
    n_random: int | None,
    folds: int | None,
    metric: str | None,
    seed: int,
    config: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    threads: int,
    as_json: bool,
) -> None:
    """Train CONFIG with every combination of values and rank them by validation, each at its best epoch.

    \b
    ddp-mlp search c.toml --try 'model.hidden=[[32], [64, 64]]' --try 'optimizer.learning_rate=[0.1, 0.01]'
    ddp-mlp search c.toml --try optimizer.learning_rate=1e-4..1e-1 --random 20
    ddp-mlp search c.toml --try 'train.global_batch_size=16..256' --try 'model.dropout=0..0.5' --random 20 --folds 3
    """  # noqa: D301 - click's sign for lines that stay as they are
    from ddp_mlp.comm import agreed, connect
    from ddp_mlp.run.signals import stop_signals_held
    from ddp_mlp.study.choices import fold_assignments, make_trials, parse_choice

    read_config(config, overrides)
    with stop_signals_held(), connect() as comm:
        configure = _configurations(config, overrides, comm)
        with agreed(comm):
            trials = make_trials([parse_choice(text) for text in choices], n_random, seed)
        more = fold_assignments(folds)[0] if folds else []
        for trial in trials:
            configure([*trial, *more])  # a value that is impossible ends the search before it begins
        options = _options(f"{config.stem}-search", out, threads, comm, resume=resume)
        summaries = _run_all(trials, configure, options, comm, folds or 0, metric)
        is_stopped = _report_stop(summaries, len(trials), "trial", options, comm, as_json=as_json)
        if not is_stopped:
            _finish_search(summaries, len(trials), comm, metric, as_json=as_json)
    if is_stopped:
        sys.exit(StoppedError.exit_code)


def _run_all(
    trials: list[list[str]],
    configure: Configure,
    options: RunOptions,
    comm: Communicator,
    folds: int,
    metric: str | None,
) -> Summaries:
    """Collective. Run the trials, with the table of those that are over always on disk."""
    from ddp_mlp.comm import agreed
    from ddp_mlp.study.ranking import is_done, ranked, ranking_metric
    from ddp_mlp.study.table import write_table
    from ddp_mlp.study.trials import run_trials

    names = [f"trial-{number:03d}" for number in range(1, len(trials) + 1)]
    summaries: Summaries = []
    for summary in run_trials(trials, configure, names, options, comm, tell, folds):
        summaries.append(summary)
        by = ranking_metric(summaries, metric) if any(map(is_done, summaries)) else ""
        with agreed(comm):
            if comm.rank == 0:
                write_table(options.directory / "trials.csv", ranked(summaries, by))
    return summaries


def _finish_search(
    summaries: Summaries, n_trials: int, comm: Communicator, asked: str | None, *, as_json: bool
) -> None:
    """Say which trial is the best; where all failed, raise that on every rank."""
    from ddp_mlp.study.ranking import all_failed, is_done, ranked, ranking_metric
    from ddp_mlp.study.table import text_table

    if failure := all_failed(summaries, "trial"):
        raise failure
    if comm.rank != 0:
        return
    metric = ranking_metric(summaries, asked)
    order = ranked(summaries, metric)
    n_failed = sum(not is_done(summary) for summary in summaries)
    if metric == "best_train_loss":
        tell("warning: no rows validate, so trials are ranked by training loss, which is lowest for what overfits most")
    if n_failed:
        tell(f"warning: {n_failed} of {n_trials} trials failed")
    if as_json:
        print_json({"best": order[0], "ranked_by": metric, "trials": order})
        return
    for line in text_table(order, metric):
        click.echo(line)
    click.echo(f"best by {metric.removeprefix('best_')} of its best epoch: {order[0]['run_dir']}")


def _options(name: str, out: Path | None, threads: int, comm: Communicator, *, resume: bool) -> RunOptions:
    """Collective. Return where the runs of a study go; a study that begins needs a place of its own."""
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


def _report_stop(
    summaries: Summaries, n_runs: int, word: str, options: RunOptions, comm: Communicator, *, as_json: bool
) -> bool:
    """Tell whether the last run was stopped, and the user how to go on: no other has begun, and none is compared."""
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


def _configurations(config: Path, overrides: tuple[str, ...], comm: Any) -> Configure:
    """Return a function that builds the configuration with further assignments, on all ranks alike."""
    from ddp_mlp.comm import agreed
    from ddp_mlp.config import load_config

    def configure(assignments: Sequence[str], *, with_earlier_defaults: bool = False) -> Config:
        with agreed(comm):
            built = load_config(config, [*overrides, *assignments], with_earlier_defaults=with_earlier_defaults)
        return built  # noqa: RET504 - the block ends with the agreement of all ranks

    return configure


def _print_spread(folds: int, summaries: Summaries, metrics: dict[str, dict[str, float]], *, as_json: bool) -> None:
    failed = [summary for summary in summaries if summary["status"] == "failed"]
    over = f"{folds - len(failed)} of {folds} folds" if failed else f"{folds} folds"
    if failed:
        tell(f"warning: figures are over {over}; {', '.join(summary['name'] for summary in failed)} failed")
    if as_json:
        result = {"folds": folds, "folds_done": folds - len(failed), "failed": [s["name"] for s in failed]}
        print_json({**result, "metrics": metrics, "runs": summaries})
        return
    for name, figures in metrics.items():
        click.echo(f"{name:<22}{figures['mean']:.6g} +- {figures['std']:.3g}  (over {over})")
