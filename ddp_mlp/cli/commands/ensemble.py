"""``ddp-mlp ensemble``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ddp_mlp.cli.options import print_json, print_result, read_config, tell
from ddp_mlp.cli.studies import (
    Asked,
    Summaries,
    place_of_runs,
    report_stop,
    run_shown,
    share_out,
    study_options,
    workers,
)
from ddp_mlp.errors import StoppedError, UsageError

if TYPE_CHECKING:
    from ddp_mlp.comm import Communicator

#: Metrics on the rows that validated that are printed.
_TOLD = (
    "loss", "accuracy", "rmse", "r2", "spread", "within_1_std", "within_2_std", "calibration_error", "disagreement",
)  # fmt: skip
_MEMBERS = click.IntRange(2, 10_000)


@click.command()
@click.option("--members", type=_MEMBERS, help="Networks to train, which differ in train.seed alone.")
@click.option("--best", type=_MEMBERS, help="Take so many of the runs in CONFIG, the directory of a study.")
@click.option(
    "--metric", type=click.Choice(["loss", "accuracy", "rmse", "r2", "mae", "macro_f1", "roc_auc"]),
    help="What --best goes by, of the best epoch [default: what the search was asked for, else loss, if all measure it "
    "alike, else accuracy or rmse].",
)  # fmt: skip
@study_options
def ensemble(
    members: int | None,
    best: int | None,
    metric: str | None,
    asked: Asked,
) -> None:
    """Train CONFIG with several seeds; evaluate, predict and export take the directory: mean and spread.

    The seeds are train.seed and those that follow it; the rows that train and validate are the same for all.
    With --best, CONFIG is the directory of a search: its best runs are copied, and nothing is trained.

    \b
    ddp-mlp ensemble c.toml --members 5
    ddp-mlp ensemble runs/c-search --best 5 --out runs/c-best
    ddp-mlp evaluate runs/c-ensemble data.h5 --split test
    """  # noqa: D301 - click's sign for lines that stay as they are
    if best is not None:
        if members or asked.overrides or asked.resume:
            raise UsageError("--best takes runs as they are; --members, --set and --resume train, so leave them out")
        _take_best(asked, best, metric)
        return
    if members is None or metric:
        raise UsageError("give --members K with a configuration, or --best K [--metric M] with a directory of runs")
    if asked.config.is_dir():
        raise UsageError(
            f"{asked.config} is a directory; give a configuration, or --best K to take the best of its runs"
        )
    _train(asked, members)


def _train(asked: Asked, members: int) -> None:
    """Collective. Train the members of an ensemble, and keep the list of them."""
    from ddp_mlp.comm import agreed

    read_config(asked.config, asked.overrides)
    with workers(asked) as (comm, processes):
        from ddp_mlp.study.configurations import Configurations
        from ddp_mlp.study.ensembles.members import ListKeeper, begin_list, member_name, seeds_of
        from ddp_mlp.study.execution.record import note_end
        from ddp_mlp.study.sampler import Listed
        from ddp_mlp.study.study import Study

        configure = Configurations(asked.config, asked.overrides, comm)
        base = configure([])
        with agreed(comm):
            trials = seeds_of(base, members)
        configs = [configure(trial) for trial in trials]
        earlier = configure(trials[0], with_earlier_defaults=True)
        with place_of_runs(f"{asked.config.stem}-ensemble", asked, comm) as (options, check):
            directory = options.directory
            with agreed(comm):
                if comm.rank == 0:
                    begin_list(directory, members, configs[0], earlier, resume=asked.resume)
            study = Study(Listed(trials), configure, options, member_name, check=check)
            study, at_once = share_out(asked.parallel, study, members, trials[0], tell)
            summaries = run_shown(study, comm, ListKeeper(directory, members), at_once, processes)
            is_stopped = report_stop(summaries, members, "member", options, comm, as_json=asked.as_json)
            if not is_stopped:
                _finish(directory, summaries, comm, as_json=asked.as_json)
                note_end(study, comm)
    if is_stopped:
        sys.exit(StoppedError.exit_code)


def _finish(directory: Path, summaries: Summaries, comm: Communicator, *, as_json: bool) -> None:
    """Collective. Say how good the ensemble and its members are; where one failed, raise that on every rank."""
    from ddp_mlp.comm import known_to_all
    from ddp_mlp.study.ensembles.measuring import validated
    from ddp_mlp.study.ensembles.members import failure_of, same_members
    from ddp_mlp.study.ranking import spread

    if failure := failure_of(directory, summaries):
        raise known_to_all(failure)
    found, metrics, told = validated(directory, comm), spread(summaries), {"run_dir": str(directory)}
    if comm.rank != 0:
        return
    if line := same_members(summaries):
        tell(line)
    if as_json:
        whole = {"status": "finished", "members": len(summaries), **told, "metrics": metrics, "valid": found}
        print_json({**whole, "runs": summaries})
        return
    for name, figures in metrics.items():
        if name.startswith("best_"):
            click.echo(f"{name:<22}{figures['mean']:.6g} +- {figures['std']:.3g}  (of {len(summaries)} members)")
    if found is not None:
        click.echo(f"the mean of them, on the {found['n_samples']} rows that validated:")
        chosen = {name: value for name, value in found.items() if name in _TOLD}
        print_result(chosen, as_json=False)
    click.echo(f"ensemble: {directory}")


def _take_best(asked: Asked, best: int, metric: str | None) -> None:
    """Collective. Make an ensemble of the best runs in a directory."""
    import json

    from ddp_mlp.comm import agreed, connect
    from ddp_mlp.errors import MissingInputError
    from ddp_mlp.study.ensembles.best_runs import asked_of, best_of, copy_runs, other_rows, runs_in

    runs = asked.config
    with connect() as comm:
        told = "[]", ""
        with agreed(comm):
            if not runs.is_dir():
                raise MissingInputError(f"{runs}: no such directory; name that of a search, such as runs/c-search")
            told = (json.dumps(runs_in(runs)), asked_of(runs) or "") if comm.rank == 0 else told
        found = json.loads(comm.share_text(told[0])[0])
        names, ranked_by = best_of(found, best, metric or comm.share_text(told[1])[0] or None)
        with place_of_runs(f"{runs.resolve().name}-best", asked, comm) as (options, _):
            with agreed(comm):
                if comm.rank == 0:
                    copy_runs(runs, names, options.directory)
                    if line := other_rows(runs, found):
                        tell(line)
            if comm.rank == 0:
                _print_best(str(options.directory), names, ranked_by, as_json=asked.as_json)


def _print_best(directory: str, names: list[str], ranked_by: str, *, as_json: bool) -> None:
    if as_json:
        made = {"status": "finished", "members": len(names), "run_dir": directory}
        print_json({**made, "origins": names, "ranked_by": ranked_by})
        return
    by = ranked_by.removeprefix("best_")
    click.echo(f"ensemble: {directory}, of {', '.join(names)}, the best by {by}")
