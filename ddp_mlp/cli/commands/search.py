"""``ddp-mlp search``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ddp_mlp.cli.options import SEED, print_json, read_config, tell
from ddp_mlp.cli.studies import Summaries, options_of_runs, report_stop, share_out, study_options
from ddp_mlp.config import MOST_TRIALS
from ddp_mlp.errors import StoppedError

if TYPE_CHECKING:
    from ddp_mlp.comm import Communicator


@click.command()
@click.option(
    "--try", "choices", multiple=True, required=True, metavar="KEY=[VALUE, ...]",
    help="Values for a key, in TOML; or KEY=LOW..HIGH to draw from with --random: on a logarithmic scale, or evenly "
    "from 0 or where the word linear follows; whole numbers where the key takes them. Followed by ' if OTHER=VALUE' it "
    "is tried only where another key that is tried has that value.",
)  # fmt: skip
@click.option(
    "--sampler",
    type=click.Choice(["grid", "random", "tpe"]),
    help="How trials are chosen: all combinations, at random, or near those that were good (needs optuna) [default: "
    "random if --trials is given, else grid].",
)
@click.option(
    "--trials",
    "--random",
    "n_random",
    type=click.IntRange(1, MOST_TRIALS),
    metavar="N",
    help="Number of trials that are not the whole grid; none comes twice.",
)
@click.option("--folds", type=click.IntRange(2, MOST_TRIALS), help="Train each trial on so many folds and take means.")
@click.option(
    "--metric", type=click.Choice(["loss", "accuracy", "rmse", "r2"]),
    help="What ranks the trials, of their best epoch [default: loss, if all measure it alike, else accuracy or rmse].",
)  # fmt: skip
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the draws.")
@study_options
def search(
    choices: tuple[str, ...],
    sampler: str | None,
    n_random: int | None,
    folds: int | None,
    metric: str | None,
    seed: int,
    config: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    threads: int,
    parallel: int,
    as_json: bool,
) -> None:
    """Train CONFIG with every combination of values and rank them by validation, each at its best epoch.

    \b
    ddp-mlp search c.toml --try 'model.hidden=[[32], [64, 64]]' --try 'optimizer.learning_rate=[0.1, 0.01]'
    ddp-mlp search c.toml --try optimizer.learning_rate=1e-4..1e-1 --random 20
    ddp-mlp search c.toml --try 'train.global_batch_size=16..256' --try 'model.dropout=0..0.5' --random 20 --folds 3
    ddp-mlp search c.toml --try 'optimizer.name=[adam, momentum]' \\
        --try 'optimizer.momentum=[0.9, 0.99] if optimizer.name=momentum' --try optimizer.learning_rate=1e-4..1 \\
        --sampler tpe --trials 50
    """  # noqa: D301 - click's sign for lines that stay as they are
    from ddp_mlp.comm import agreed, connect
    from ddp_mlp.run.signals import stop_signals_held
    from ddp_mlp.study.choices import fold_assignments
    from ddp_mlp.study.configurations import Configurations
    from ddp_mlp.study.ranking import value_of
    from ddp_mlp.study.running import run_study
    from ddp_mlp.study.samplers.choosing import Wish, choose_sampler
    from ddp_mlp.study.study import Study

    read_config(config, overrides)
    with stop_signals_held(), connect() as comm:
        configure = Configurations(config, overrides, comm)
        with agreed(comm):
            chosen = choose_sampler(Wish(choices, sampler, n_random, seed, metric))  # type: ignore[arg-type]
        if comm.rank == 0 and n_random is not None and chosen.n_trials < n_random:
            tell(f"these keys have only {chosen.n_trials} combinations of values: as many trials, not {n_random}")
        more = fold_assignments(folds)[0] if folds else []
        for trial in chosen.checked:
            configure([*trial, *more])  # a value that is impossible ends the search before it begins
        options = options_of_runs(f"{config.stem}-search", out, threads, comm, resume=resume)
        study = Study(
            chosen.sampler, configure, options, lambda number: f"trial-{number + 1:03d}", folds or 0,
            lambda summary: value_of(summary, metric),
        )  # fmt: skip
        study, at_once = share_out(parallel, study, chosen.n_trials, [*chosen.checked[0], *more], tell)
        summaries = run_study(study, comm, tell, partial(_tabulate, options.directory, metric), at_once)
        is_stopped = report_stop(summaries, chosen.n_trials, "trial", options, comm, as_json=as_json)
        if not is_stopped:
            _finish_search(summaries, chosen.n_trials, comm, metric, as_json=as_json)
    if is_stopped:
        sys.exit(StoppedError.exit_code)


def _tabulate(directory: Path, metric: str | None, summaries: Summaries) -> None:
    """Put the trials that are over on disk, the best first."""
    from ddp_mlp.study.ranking import is_done, ranked, ranking_metric
    from ddp_mlp.study.table import write_table

    by = ranking_metric(summaries, metric) if any(map(is_done, summaries)) else ""
    write_table(directory / "trials.csv", ranked(summaries, by))


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
