"""``ddp-mlp cross-validate`` and ``ddp-mlp search``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ddp_mlp.cli.options import SEED, THREADS, json_option, print_json, read_config, tell
from ddp_mlp.config import MOST_TRIALS


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
    """Train CONFIG once for each fold, validate on that fold, and report mean and spread."""
    from ddp_mlp.comm import connect

    read_config(config, overrides)
    with connect() as comm:
        configure = _configurations(config, overrides, comm)
        from ddp_mlp.run.run import RunOptions
        from ddp_mlp.study.choices import fold_assignments
        from ddp_mlp.study.search import run_trials, spread

        options = RunOptions(out or Path("runs") / f"{config.stem}-folds", resume=resume, threads=threads)
        names = [f"fold-{fold}" for fold in range(folds)]
        summaries = list(run_trials(fold_assignments(folds), configure, names, options, comm, tell))
        if comm.rank == 0:
            result = {"folds": folds, "metrics": spread(summaries), "runs": summaries}
            _print_spread(result, as_json=as_json)


@click.command()
@click.option(
    "--try", "choices", multiple=True, required=True, metavar="KEY=[VALUE, ...]",
    help="Values for a key, in TOML; or KEY=LOW..HIGH, drawn on a logarithmic scale with --random.",
)  # fmt: skip
@click.option(
    "--random", "n_random", type=click.IntRange(1, MOST_TRIALS), help="Draw so many trials instead of the whole grid."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the draws.")
@_shared_options
def search(
    choices: tuple[str, ...],
    n_random: int | None,
    seed: int,
    config: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    threads: int,
    as_json: bool,
) -> None:
    r"""Train CONFIG with every combination of values and rank them by validation loss.

    \b
    ddp-mlp search c.toml --try 'model.hidden=[[32], [64, 64]]' --try 'optimizer.learning_rate=[0.1, 0.01]'
    ddp-mlp search c.toml --try optimizer.learning_rate=1e-4..1e-1 --random 20
    """
    from ddp_mlp.comm import agreed, connect
    from ddp_mlp.study.choices import make_trials, parse_choice

    read_config(config, overrides)
    with connect() as comm:
        configure = _configurations(config, overrides, comm)
        with agreed(comm):
            trials = make_trials([parse_choice(text) for text in choices], n_random, seed)
        for trial in trials:
            configure(trial)  # a value that is impossible ends the search before it begins
        from ddp_mlp.run.run import RunOptions
        from ddp_mlp.study.search import run_trials, score_of, write_table

        options = RunOptions(out or Path("runs") / f"{config.stem}-search", resume=resume, threads=threads)
        names = [f"trial-{number:03d}" for number in range(1, len(trials) + 1)]
        summaries = list(run_trials(trials, configure, names, options, comm, tell))
        if comm.rank == 0:
            write_table(options.directory / "trials.csv", summaries)
            _print_ranking(sorted(summaries, key=score_of), as_json=as_json)


def _configurations(config: Path, overrides: tuple[str, ...], comm: Any) -> Callable[[Sequence[str]], Any]:
    """Return a function that builds the configuration with further assignments, on all ranks alike."""
    from ddp_mlp.comm import agreed
    from ddp_mlp.config import Config, load_config

    def configure(assignments: Sequence[str]) -> Config:
        with agreed(comm):
            built = load_config(config, [*overrides, *assignments])
        return built  # noqa: RET504 - the block ends with the agreement of all ranks

    return configure


def _print_spread(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for name, figures in result["metrics"].items():
        click.echo(f"{name:<16}{figures['mean']:.6g} +- {figures['std']:.3g}  (over {result['folds']} folds)")


def _print_ranking(ranked: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"best": ranked[0], "trials": ranked})
        return
    for summary in ranked:
        metrics = {k: v for k, v in summary.items() if k.startswith("valid_") or k == "train_loss"}
        shown = "  ".join(f"{name} {value:.5f}" for name, value in metrics.items() if isinstance(value, float))
        click.echo(f"{summary['name']}  {shown or summary['status']}  {' '.join(summary['values'])}")
    click.echo(f"best: {ranked[0]['run_dir']}")
