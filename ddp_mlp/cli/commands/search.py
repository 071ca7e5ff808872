"""``ddp-mlp search``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ddp_mlp.cli.options import SEED, print_json, read_config, tell
from ddp_mlp.cli.studies import (
    Asked,
    Summaries,
    place_of_runs,
    report_stop,
    rows_options,
    run_shown,
    share_out,
    study_options,
    with_rows,
    workers,
)
from ddp_mlp.config import MOST_TRIALS
from ddp_mlp.errors import StoppedError, counted

if TYPE_CHECKING:
    from ddp_mlp.comm import Communicator
    from ddp_mlp.study.execution.pool import Processes
    from ddp_mlp.study.samplers.choosing import Kind
    from ddp_mlp.study.searching.planning import Plan
    from ddp_mlp.study.study import Study


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
@rows_options
@click.option(
    "--metric", type=click.Choice(["loss", "accuracy", "rmse", "r2", "mae", "macro_f1", "roc_auc"]),
    help="What ranks the trials, of their best epoch [default: loss, if all measure it alike, else accuracy or rmse].",
)  # fmt: skip
@click.option(
    "--halving", is_flag=True, help="Successive halving: compare trials on the way, and let only the best go on."
)
@click.option("--eta", type=click.IntRange(2, 1000), help="One trial in so many goes on [default: 3].")
@click.option("--min-epochs", type=click.IntRange(min=1), help="No comparison before so many epochs.")
@click.option(
    "--top", type=click.IntRange(1, MOST_TRIALS), metavar="K", help="Train the best K on all rows at the end."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the draws.")
@study_options
def search(
    choices: tuple[str, ...],
    sampler: Kind | None,
    n_random: int | None,
    folds: int | None,
    group_by: str | None,
    by_time: str | None,
    metric: str | None,
    halving: bool,
    eta: int | None,
    min_epochs: int | None,
    top: int | None,
    seed: int,
    asked: Asked,
) -> None:
    """Train CONFIG with every combination of values and rank them by validation, each at its best epoch.

    \b
    ddp-mlp search c.toml --try 'model.hidden=[[32], [64, 64]]' --try 'optimizer.learning_rate=[0.1, 0.01]'
    ddp-mlp search c.toml --try optimizer.learning_rate=1e-4..1e-1 --trials 20 --halving --top 1
    ddp-mlp search c.toml --try 'train.global_batch_size=16..256' --try 'model.dropout=0..0.5' --trials 20 --folds 3
    ddp-mlp search c.toml --try 'optimizer.name=[adam, momentum]' --try optimizer.learning_rate=1e-4..1 \\
        --try 'optimizer.momentum=[0.9, 0.99] if optimizer.name=momentum' --sampler tpe --trials 50
    """  # noqa: D301 - click's sign for lines that stay as they are
    asked = with_rows(asked, group_by, by_time, is_folded=folds is not None)
    read_config(asked.config, asked.overrides)
    with workers(asked) as (comm, processes):
        from ddp_mlp.study.configurations import Configurations
        from ddp_mlp.study.ranking import value_of
        from ddp_mlp.study.samplers.choosing import Wish
        from ddp_mlp.study.searching.definition import keep_definition
        from ddp_mlp.study.searching.planning import halving_wish, plan_search
        from ddp_mlp.study.study import Study

        configure = Configurations(asked.config, asked.overrides, comm)
        wish = Wish(choices, sampler, n_random, seed, metric)
        rule = halving_wish(eta, min_epochs, halving=halving)
        plan = plan_search(wish, rule, configure, folds or 0, comm, tell)
        with place_of_runs(f"{asked.config.stem}-search", asked, comm) as (options, check):
            keep_definition(options.directory, plan.definition, comm, resume=asked.resume)
            study = Study(
                plan.sampler, configure, options, lambda number: f"trial-{number + 1:03d}", folds or 0,
                partial(value_of, asked=metric), metric, check=check,
            )  # fmt: skip
            is_stopped = _run(plan, study, comm, processes, asked, top or 0)
    if is_stopped:
        sys.exit(StoppedError.exit_code)


def _run(plan: Plan, study: Study, comm: Communicator, processes: Processes, asked: Asked, top: int) -> bool:
    """Collective. Run a search and print what it came to; return whether it was stopped."""
    from ddp_mlp.study.execution.record import note_end

    study, at_once = share_out(asked.parallel, study, plan.n_trials, plan.first, tell)
    tabulate = partial(_tabulate, study.options.directory, plan.metric)
    summaries = plan.run(study, comm, tabulate, lambda part, hear: run_shown(part, comm, hear, at_once, processes))
    if report_stop(summaries, plan.n_trials, "trial", study.options, comm, as_json=asked.as_json):
        return True
    if _finish_search(summaries, plan.n_trials, study, comm, plan.metric, top, as_json=asked.as_json):
        return True
    note_end(study, comm)
    return False


def _tabulate(directory: Path, metric: str | None, summaries: Summaries) -> None:
    """Put the trials that are over on disk, the best first."""
    from ddp_mlp.study.ranking import is_done, ranked, ranking_metric
    from ddp_mlp.study.table import write_table

    by = ranking_metric(summaries, metric) if any(map(is_done, summaries)) else ""
    write_table(directory / "trials.csv", ranked(summaries, by))


def _finish_search(
    summaries: Summaries, n_trials: int, study: Study, comm: Communicator, asked: str | None, top: int, *, as_json: bool
) -> bool:
    """Collective. Say which trial is the best and train it on all rows; where all failed, raise that on every rank.

    Returns
    -------
    bool
        Whether it was stopped.
    """
    from ddp_mlp.comm import agreed
    from ddp_mlp.study.ranking import all_failed, ranked, ranking_metric
    from ddp_mlp.study.searching.top import drop_outdated, train_top

    if failure := all_failed(summaries, "trial"):
        raise failure
    metric, order = "", Summaries()
    with agreed(comm):
        if comm.rank == 0:
            _tabulate(study.options.directory, asked, summaries)
            metric = ranking_metric(summaries, asked)
            order = ranked(summaries, metric)
    if study.options.resume:
        drop_outdated(study, order, comm, tell)
    best = train_top(study, order, top, comm, tell) if top else []
    if report_stop(best, top, "run", study.options, comm, as_json=as_json):
        return True
    if comm.rank == 0:
        _print_ranking(order, metric, n_trials, best, as_json=as_json)
    return False


def _print_ranking(order: Summaries, metric: str, n_trials: int, best: Summaries, *, as_json: bool) -> None:
    from ddp_mlp.study.ranking import is_done
    from ddp_mlp.study.table import text_table

    n_failed = sum(not is_done(summary) for summary in order)
    if metric == "best_train_loss":
        tell("warning: no rows validate, so trials are ranked by training loss, which is lowest for what overfits most")
    if n_failed:
        tell(f"warning: {n_failed} of {n_trials} trials failed")
    if as_json:
        print_json({"best": order[0], "ranked_by": metric, "trials": order, **({"top": best} if best else {})})
        return
    for line in text_table(order, metric):
        click.echo(line)
    click.echo(f"best by {metric.removeprefix('best_')} of its best epoch: {order[0]['run_dir']}")
    for run in best:
        click.echo(
            f"{run['of']} on all rows, {counted(run.get('epochs', 0), 'epoch')}: {run['run_dir']} ({run['status']})"
        )
