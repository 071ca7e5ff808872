"""Successive halving: after some epochs only the best trials go on, and the workers of the others are free.

Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016. Trials
pause and go on: one that comes to its end has the bits of its solo run, and one that does not those of a run that was
stopped there.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.errors import UsageError, counted
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.table_lines import read_table
from ddp_mlp.run.pausing import PAUSED
from ddp_mlp.study.ranking import HIGHER_IS_BETTER
from ddp_mlp.study.results import RESULTS, write_results
from ddp_mlp.study.sampler import Assignment, Listed
from ddp_mlp.study.study import Study, Summary

#: Status of a trial that does not go on.
PRUNED = "pruned"
#: Runs all trials of a study, and calls with its summaries so far.
RunAll = Callable[[Study, Callable[[list[Summary]], None]], list[Summary]]


@dataclass(frozen=True)
class Halving:
    """The rule: after which epochs how many trials go on.

    Attributes
    ----------
    n_trials, epochs : int
        Of the study, and of a trial that comes to its end.
    eta : int
        One trial in so many goes on.
    rungs : tuple of int
        Epochs after which trials are compared, ascending.
    """

    n_trials: int
    epochs: int
    eta: int
    rungs: tuple[int, ...]

    def survivors(self, n_alive: int) -> int:
        """Return how many of so many trials go on."""
        return max(1, n_alive // self.eta)

    def line(self) -> str:
        """Return the rule in a line."""
        left, steps = self.n_trials, list[str]()
        for rung in self.rungs:
            left = self.survivors(left)
            steps.append(f"{left} go on after {rung}" if left > 1 else f"1 goes on after {rung}")
        return (
            f"halving: {self.n_trials} trials of {counted(self.epochs, 'epoch')} begin, the best 1 in {self.eta} "
            f"({', '.join(steps)}); trials are compared at their best epoch so far"
        )


def halving_of(n_trials: int, epochs: Sequence[int], eta: int, min_epochs: int | None) -> Halving:
    """Return the rule for some trials: they are compared after epochs / eta, epochs / eta**2, ... epochs.

    Parameters
    ----------
    epochs : sequence of int
        ``train.epochs`` of each trial.
    eta : int
        One trial in so many goes on, 2 or more.
    min_epochs : int or None
        None for as early as the number of trials gives a use.

    Raises
    ------
    UsageError
        If there is nothing to halve.
    """
    if len({*epochs}) != 1:
        raise UsageError("--halving compares trials of the same [train] epochs; leave train.epochs out of --try")
    most, times = epochs[0], int(math.log(n_trials, eta) + 1e-9) if n_trials > 1 else 0
    rungs = sorted({-(-most // eta**k) for k in range(1, times + 1)})
    rungs = [rung for rung in rungs if max(1, min_epochs or 1) <= rung < most]
    if not rungs:
        least = f" from epoch {min_epochs} on" if min_epochs else ""
        raise UsageError(
            f"--halving: {n_trials} trials of {most} epochs leave nothing to halve{least} with --eta {eta}; give more"
            " trials or epochs, or leave it out"
        )
    return Halving(n_trials, most, eta, tuple(rungs))


def run_halved(
    study: Study,
    trials: Sequence[Sequence[Assignment]],
    rule: Halving,
    metric: str | None,
    comm: Communicator,
    on_result: Callable[[list[Summary]], None],
    run: RunAll,
) -> list[Summary]:
    """Collective. Run the trials of a study, of which fewer go on after each rung; return the summaries by number.

    Parameters
    ----------
    metric : str or None
        By which trials are compared, a column of ``metrics.csv`` without ``valid_``; None for the loss.
    on_result : callable
        Called on rank 0 with the summaries so far.
    run : callable
        Collective. Runs all trials of a study.
    """
    over: dict[int, Summary] = {}
    alive = list(range(len(trials)))
    for stage, rung in enumerate([*rule.rungs, None]):
        going = [number for number in alive if over.get(number, {"status": PAUSED})["status"] == PAUSED]
        options = replace(study.options, until_epoch=rung, resume=study.options.resume or stage > 0)
        before = dict(over)

        def whole(found: list[Summary], before: dict[int, Summary] = before, going: list[int] = going) -> list[Summary]:
            so_far = before | dict(zip(going, found, strict=False))
            return [so_far[number] for number in sorted(so_far)]

        part = replace(
            study, sampler=Listed([trials[number] for number in going]), options=options, whole=whole,
            name=_names([study.name(number) for number in going]),
        )  # fmt: skip
        found = run(part, on_result) if going else []
        over |= dict(zip(going, found, strict=False))
        if rung is None or len(found) < len(going) or any(summary["status"] == "stopped" for summary in found):
            break
        alive = _best(alive, over, rung, rule, metric, comm)
        for number in set(over) - set(alive):
            if over[number]["status"] == PAUSED:
                over[number] = {**over[number], "status": PRUNED, "pruned_after": rung}
    summaries = [over[number] for number in sorted(over)]
    with agreed(comm):
        if comm.rank == 0:
            write_results(study.options.directory / RESULTS, summaries)  # after the last comparison
    return summaries


def _names(names: list[str]) -> Callable[[int], str]:
    return lambda place: names[place] if place < len(names) else ""


def _best(
    alive: list[int], over: dict[int, Summary], rung: int, rule: Halving, metric: str | None, comm: Communicator
) -> list[int]:
    """Collective. Return the trials that go on, by the tables of their runs: the same after any resume."""
    chosen = ""
    with agreed(comm):
        if comm.rank == 0:
            values = {number: value_after(over[number], rung, metric) for number in alive}
            sign = -1 if metric in HIGHER_IS_BETTER else 1
            good = sorted((sign * value, number) for number, value in values.items() if value is not None)
            chosen = json.dumps(sorted(number for _, number in good[: rule.survivors(len(alive))]))
    return list(json.loads(comm.share_text(chosen)[0]))


def value_after(summary: Summary, epochs: int, metric: str | None) -> float | None:
    """Return the metric of the best of the first `epochs` epochs, the mean over folds; None where there is none."""
    if summary["status"] == "failed":
        return None
    values = [_value_of_run(Path(run["run_dir"]), epochs, metric) for run in summary.get("folds", [summary])]
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def _value_of_run(directory: Path, epochs: int, metric: str | None) -> float | None:
    best, value = math.inf, None
    with suppress(OSError, KeyError, ValueError):
        for row in read_table(RunDirectory(directory).metrics):
            if int(row["epoch"]) > epochs:
                break
            loss = float(row["valid_loss"] or row["train_loss"])
            if loss < best:
                best, value = loss, loss if metric in (None, "loss") else float(row[f"valid_{metric}"])
    return value if value is not None and math.isfinite(value) else None
