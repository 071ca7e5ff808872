"""``ddp-mlp cross-validate``."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from ddp_mlp.cli.options import print_json, read_config, tell
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
from ddp_mlp.errors import StoppedError

if TYPE_CHECKING:
    from ddp_mlp.comm import Communicator
    from ddp_mlp.config import DataConfig
    from ddp_mlp.study.study import Study


@click.command("cross-validate")
@click.option("--folds", type=click.IntRange(2, MOST_TRIALS), default=5, show_default=True, help="Number of folds.")
@rows_options
@study_options
def cross_validate(
    folds: int,
    group_by: str | None,
    by_time: str | None,
    asked: Asked,
) -> None:
    """Train CONFIG once for each fold, validate on that fold, and report mean, spread and standard error.

    The folds take the place of valid_fraction. The best epoch of each fold counts, as in its model. Each class has its
    share of every fold, unless --group-by or --by-time give another rule. By time, fold K trains on the first K + 1 of
    FOLDS + 1 parts and validates on the next. The answers for all rows that validated are in oof.h5 and oof.csv.
    """
    asked = with_rows(asked, group_by, by_time, is_folded=True)
    read_config(asked.config, asked.overrides)
    with workers(asked) as (comm, processes):
        from ddp_mlp.study.choices import fold_assignments
        from ddp_mlp.study.configurations import Configurations
        from ddp_mlp.study.ranking import all_failed
        from ddp_mlp.study.sampler import Listed
        from ddp_mlp.study.searching.definition import keep_definition
        from ddp_mlp.study.searching.planning import check_data
        from ddp_mlp.study.study import Study
        from ddp_mlp.study.table import write_table

        configure, trials = Configurations(asked.config, asked.overrides, comm), fold_assignments(folds)
        configs = [configure(trial) for trial in trials]
        check_data(configs[:1], None, comm, tell)
        with place_of_runs(f"{asked.config.stem}-folds", asked, comm) as (options, check):
            keep_definition(options.directory, {"--folds": folds}, comm, resume=asked.resume)
            study = Study(Listed(trials), configure, options, "fold-{}".format, check=check)
            study, at_once = share_out(asked.parallel, study, folds, trials[0], tell)
            summaries = run_shown(
                study, comm, partial(write_table, options.directory / "trials.csv"), at_once, processes
            )
            is_stopped = report_stop(summaries, folds, "fold", options, comm, as_json=asked.as_json)
            if failure := all_failed(summaries, "fold"):
                raise failure
            if not is_stopped:
                _finish(folds, summaries, study, configs[0].data, comm, as_json=asked.as_json)
    if is_stopped:
        sys.exit(StoppedError.exit_code)


def _finish(
    folds: int, summaries: Summaries, study: Study, data: DataConfig, comm: Communicator, *, as_json: bool
) -> None:
    """Collective. Write the answers for rows that validated, and print the scores."""
    from ddp_mlp.study.execution.record import note_end
    from ddp_mlp.study.out_of_fold import NAMES, write_out_of_fold
    from ddp_mlp.study.ranking import spread

    directory = study.options.directory
    n_rows = write_out_of_fold(directory, data, summaries, comm)
    if comm.rank == 0:
        names = " and ".join(NAMES)
        tell(f"{directory}: {names}, answers for {n_rows} rows, each by a model that was not trained on it")
        _print_spread(folds, summaries, spread(summaries), as_json=as_json)
    note_end(study, comm)


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
        error = f"standard error {figures['standard_error']:.3g}"
        click.echo(f"{name:<22}{figures['mean']:.6g} +- {figures['std']:.3g}  (over {over}; {error})")
    for summary in summaries:
        scores = [f"{name.removeprefix('best_')} {summary[name]:.5g}" for name in metrics if name.startswith("best_")]
        click.echo(f"{summary['name']}: {', '.join(scores) if summary['status'] != 'failed' else summary['reason']}")
