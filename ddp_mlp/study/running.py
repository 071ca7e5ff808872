"""A study from its first trial to its last."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from typing import cast

from ddp_mlp.comm import Communicator, SingleProcess, agreed, known_to_all
from ddp_mlp.comm.groups import World
from ddp_mlp.study.execution.desk import Desk
from ddp_mlp.study.execution.pool import Processes
from ddp_mlp.study.execution.processes import run_in_processes
from ddp_mlp.study.execution.ranks import run_in_groups
from ddp_mlp.study.execution.record import Record, begun
from ddp_mlp.study.results import Bookkeeper
from ddp_mlp.study.sampler import Assignment, Results
from ddp_mlp.study.study import Study, Summary
from ddp_mlp.study.trials import Tell, run_trial
from ddp_mlp.training.inputs.rows_at_hand import RowsAtHand

#: Gets the summaries so far.
OnResult = Callable[[list[Summary]], None]
#: Gets the desk.
Look = Callable[[Desk], None]


def _see_nothing(_: Desk) -> None:
    """Look away."""


def run_study(
    study: Study,
    comm: Communicator,
    tell: Tell,
    on_result: OnResult,
    at_once: int = 1,
    look: Look = _see_nothing,
    processes: Processes | None = None,
) -> list[Summary]:
    """Collective. Run every trial and return the summaries, in the order of their numbers; for who holds the directory.

    A trial that fails by itself is reported as failed, with the reason, and the others go on. Where the study is
    stopped, those that ran have the status ``stopped``. With ``study.options.resume``, trials that are finished give
    their result at once.

    Parameters
    ----------
    on_result : callable
        Called on rank 0 with the summaries so far, now and then when a trial is over, and at the end.
    at_once : int
        Trials at once: groups of ranks, or of a process alone, processes.
    look : callable
        Called on rank 0 with the desk, often, while several trials run.
    processes : Processes or None
        As many as trials at once, for a process alone; None to start them here.
    """
    books = Bookkeeper(study.options.directory, on_result, study.whole, study.check)
    summaries = _run(*begun(study, comm, at_once), comm, tell, books, at_once, look, processes)
    with agreed(comm):
        books.catch_up()  # of rank 0, which alone has heard of results
    return summaries


def _run(
    study: Study,
    record: Record,
    comm: Communicator,
    tell: Tell,
    on_result: OnResult,
    at_once: int,
    look: Look,
    processes: Processes | None,
) -> list[Summary]:
    """Collective. Run every trial, in a directory that is this job's own; the parameters are those of `run_study`.

    Parameters
    ----------
    study, record, comm, tell, on_result, at_once, look, processes
    """
    if at_once == 1:
        return _one_by_one(study, record, comm, tell, on_result)
    timeout_s = study.configure([]).train.timeout_s
    desk = Desk(study, record.at_once, timeout_s, on_result, tell)
    if isinstance(comm, SingleProcess):
        with ExitStack() as stack:
            own = processes or stack.enter_context(
                Processes(study.configure.config, study.configure.overrides, at_once)
            )
            run_in_processes(study, desk, own, look)
        summaries, failure = desk.summaries(), desk.failure
    else:
        summaries, failure = run_in_groups(study, desk, cast(World, comm), at_once, look)
    if failure:
        raise known_to_all(failure)
    return summaries


def _one_by_one(study: Study, record: Record, comm: Communicator, tell: Tell, on_result: OnResult) -> list[Summary]:
    """Collective. Let all ranks run each trial together."""
    at_hand = RowsAtHand()
    study = replace(study, options=replace(study.options, at_hand=at_hand))
    summaries: list[Summary] = []
    for number in count():
        trial = _proposed(study, number, summaries, record.at_once, comm)
        if trial is None:
            break
        name = study.name(number)
        summaries.append(run_trial(study, name, trial, tell))
        with agreed(comm):
            if comm.rank == 0:
                on_result(summaries)
        if summaries[-1]["status"] == "stopped":
            break
    at_hand.close()
    return summaries


def _proposed(
    study: Study, number: int, summaries: list[Summary], lag: int, comm: Communicator
) -> list[Assignment] | None:
    """Collective. Return the next trial, that rank 0 has asked for."""
    trial = None
    with agreed(comm):
        if comm.rank == 0:
            trial = study.sampler.propose(number, _seen(study, number, summaries, lag))
    shared: list[Assignment] | None = json.loads(comm.share_text(json.dumps(trial))[0])
    return shared


def _seen(study: Study, number: int, summaries: list[Summary], lag: int) -> Results:
    """Return the results that a trial sees."""
    return {seen: study.value(summaries[seen]) for seen in study.sampler.sees(number, lag)}
