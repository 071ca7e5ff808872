"""A fit by all ranks: epochs until a rule ends it, from given or new weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ddp_mlp.api.progress import log
from ddp_mlp.catalog.dtypes import held_dtype
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.comm import Communicator, agreed, known_to_all, require_same
from ddp_mlp.config import Config
from ddp_mlp.core.kernels.numba_ext.hardware import check_isa
from ddp_mlp.core.layout import Floats, digest
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.errors import StoppedError, UsageError
from ddp_mlp.estimators.initial import first_parameters
from ddp_mlp.estimators.quasi_newton import Limits, minimize
from ddp_mlp.estimators.rules import Watch
from ddp_mlp.run.options import RunOptions
from ddp_mlp.run.rank_checks import check_replicas, check_starts
from ddp_mlp.run.signals import StopRequest, StopSignals
from ddp_mlp.run.start import choose_micro_batches
from ddp_mlp.training.fitting import Began
from ddp_mlp.training.inputs.data_files import Opener
from ddp_mlp.training.problem import Problem, prepare
from ddp_mlp.training.trainer import Trainer


@dataclass
class Standing:
    """Where a fit ended, for one that goes on from there.

    Attributes
    ----------
    model : Model
        Weights, and the preprocessing that belongs to them.
    moments : ndarray of shape (n_moments, P)
        Vectors of the optimiser.
    epoch, step : int
        Done in all.
    n_iter : int
        Epochs, or iterations of the solver, of the last fit.
    loss : float
        At its end.
    has_converged : bool
        Whether it ended before its last epoch.
    is_interrupted : bool
        Whether it was ended by Ctrl-C.
    """

    model: Model
    moments: Floats
    epoch: int
    step: int
    n_iter: int = 0
    loss: float = 0.0
    has_converged: bool = False
    is_interrupted: bool = False


@dataclass(frozen=True)
class Course:
    """A fit that is to be.

    Attributes
    ----------
    settings : Config
    opener : callable
        Opens the rows.
    threads : int
        Of each rank.
    random : RandomState
        Draws the first weights, where there are none.
    start : Standing or None
        Whose weights and preprocessing it goes on with.
    keeps_pace : bool
        Whether it also goes on with the optimiser and the count of steps.
    limits : Limits or None
        Given for the quasi-Newton solver, which needs no `watch`.
    is_multilabel : bool
        Whether each target is a label of its own, there or not.
    tell : callable
        Called on rank 0 after each epoch.
    """

    settings: Config
    opener: Opener
    threads: int
    random: np.random.RandomState
    start: Standing | None
    keeps_pace: bool
    limits: Limits | None
    is_multilabel: bool
    tell: Callable[[Watch], None]


def fit_network(course: Course, watch: Watch, comm: Communicator) -> Standing:
    """Collective. Fit a network and return where it ended; `watch` holds its history.

    Raises
    ------
    LaunchError
        If ranks were given other parameters, rows or weights.
    UsageError, DataError
        If rows and parameters do not go together.
    NonFiniteError
        If the loss becomes infinite or no number.
    StoppedError
        After a signal to stop.
    """
    config, start = course.settings, course.start
    comm.guard(config.train.timeout_s, lambda _: None)
    check_starts(comm, config, RunOptions(Path(), threads=course.threads, keeps_files=False))
    known = digest(start.model.parameters) if start else "none"
    require_same(comm, {"the weights that it goes on from, by their hash,": known}, "fit all ranks alike")
    with agreed(comm):
        check_isa(config.train.isa)
    ready_kernels(config.train.dtype, comm, log)
    began = None if start is None else _began(start.model)
    problem = prepare(config, comm, log, began, course.opener)
    if course.is_multilabel:
        network = replace(problem.network, loss="binary_cross_entropy", output="sigmoid")
        problem = replace(problem, network=network)
    micro_batches = choose_micro_batches(config, None, comm.world_size, course.threads)
    state = _first_state(course, problem, comm)
    check_replicas(comm, problem.network.layout, state)
    if course.limits:
        return _solved(course, problem, state, micro_batches, comm)
    return _stepped(course, problem, state, micro_batches, watch, comm)


def _began(model: Model) -> Began:
    return Began(model.schema, model.normalization, model.target_normalization)


def _first_state(course: Course, problem: Problem, comm: Communicator) -> TrainState:
    """Collective. Return the state before the first step."""
    config, start = course.settings, course.start
    n_moments = len(OPTIMIZERS[config.optimizer.name].moments)
    if start is None:
        parameters = first_parameters(problem.network, held_dtype(config.train.dtype), course.random, comm)
        return TrainState(parameters, np.zeros((n_moments, len(parameters)), parameters.dtype), Progress())
    if start.model.network.layout.sizes != problem.network.layout.sizes:
        sizes = " -> ".join(map(str, start.model.network.layout.sizes))
        asked = " -> ".join(map(str, problem.network.layout.sizes))
        raise known_to_all(
            UsageError(f"the fitted network is {sizes}, but {asked} is asked for; set warm_start = False, or clone")
        )
    parameters = start.model.parameters.astype(held_dtype(config.train.dtype))
    if course.keeps_pace and start.moments.shape == (n_moments, len(parameters)):
        moments = start.moments.astype(held_dtype(config.train.dtype))
        return TrainState(parameters, moments, Progress(epoch=start.epoch, step=start.step))
    return TrainState(parameters, np.zeros((n_moments, len(parameters)), held_dtype(config.train.dtype)), Progress())


def _stepped(
    course: Course, problem: Problem, state: TrainState, micro_batches: int, watch: Watch, comm: Communicator
) -> Standing:
    """Collective. Train epoch by epoch, until the last one or until the rule of stopping ends it."""
    config, stop, n_iter = course.settings, StopRequest(), 0
    trainer = Trainer(config, problem, state, comm, micro_batches=micro_batches, threads=course.threads)
    stop.pass_to(trainer.request_stop)
    state.progress.plateau_factor = watch.factor
    is_stopped, best = False, None
    with closing(trainer), StopSignals(stop.ask):
        for report in trainer.run():
            is_stopped = report.stop
            if is_stopped or report.finished_epoch is None:
                continue
            n_iter += 1
            if watch.after(report.finished_epoch, len(problem.train_ids)):
                best = state.parameters.copy()
            if comm.rank == 0:
                course.tell(watch)
            state.progress.plateau_factor = watch.factor
            if watch.reason:
                break
        moments = _moments(trainer, state, comm)
    _raise_if_told(is_stopped, stop, comm)
    model = _model(config, problem, state.parameters if best is None else best, state.progress)
    loss = watch.losses[-1] if watch.losses else float("nan")
    progress, has_converged = state.progress, bool(watch.reason) or n_iter < config.train.epochs
    return Standing(model, moments, progress.epoch, progress.step, n_iter, loss, has_converged, is_stopped)


def _moments(trainer: Trainer, state: TrainState, comm: Communicator) -> Floats:
    """Collective. Return the whole vectors of the optimiser, on every rank."""
    whole = trainer.copy_moments()
    rows = state.moments.shape[0]
    moments = np.zeros((rows, state.parameters.shape[0]), state.parameters.dtype) if whole is None else whole
    if rows:
        comm.broadcast(moments)
    return moments


def _raise_if_told(is_stopped: bool, stop: StopRequest, comm: Communicator) -> None:
    """Collective. Raise on all ranks where a signal other than Ctrl-C has ended the fit, or came when it was over."""
    asked = next(filter(None, comm.share_text(stop.by)), "SIGINT")
    if asked != "SIGINT":
        raise known_to_all(StoppedError(f"the fit was {'stopped' if is_stopped else 'told to stop'} by {asked}"))


def _solved(course: Course, problem: Problem, state: TrainState, micro_batches: int, comm: Communicator) -> Standing:
    """Collective. Find the weights by the quasi-Newton solver."""
    assert course.limits is not None  # noqa: S101 - of the caller
    found = minimize(course.settings, problem, state, comm, micro_batches, course.threads, course.limits)
    progress = Progress(epoch=found.n_iter, step=found.n_iter)
    model = _model(course.settings, problem, found.parameters, progress)
    moments = np.zeros((0, len(found.parameters)), found.parameters.dtype)
    return Standing(model, moments, 0, 0, found.n_iter, found.loss, found.has_converged)


def _model(config: Config, problem: Problem, parameters: Any, progress: Progress) -> Model:
    return Model(
        config, problem.schema, problem.network, problem.normalization, parameters.copy(), progress.epoch,
        progress.step, problem.target_normalization, problem.fingerprint,
    )  # fmt: skip
