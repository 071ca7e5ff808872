"""The loop: a generator of reports. The caller logs, saves and stops.

Whenever it yields, the state is that of a run that could be stopped there: everything the
next step depends on is in `TrainState`, and no rank is in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from time import perf_counter
from typing import Any

import numpy as np

from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.checkpoint.state import TrainState
from ddp_mlp.comm import Communicator, known_to_all
from ddp_mlp.config import Config
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.sampling import global_batch_size, steps_per_epoch
from ddp_mlp.core.schedules import learning_rate_at, learning_rates, patience_of, resolve_schedule
from ddp_mlp.core.update_rules import update_rules
from ddp_mlp.engine.engine import STEPS_AT_ONCE, Engine, StepReport
from ddp_mlp.engine.evaluation import Evaluator
from ddp_mlp.engine.optimizer_shards import sharding_of
from ddp_mlp.errors import DdpMlpError, NonFiniteError
from ddp_mlp.training.divergence import likeliest_cure
from ddp_mlp.training.epoch_stats import account, account_skipped, close_epoch, norm_columns, note_validation, status_of
from ddp_mlp.training.line_search import search
from ddp_mlp.training.problem import Problem
from ddp_mlp.training.report import Report

#: Seconds between reports, about: long enough to cost nothing, short enough to react.
REPORT_EVERY_S = 0.05


class Trainer:
    """Trains one problem from one state; every rank holds one and calls it alike."""

    def __init__(
        self,
        config: Config,
        problem: Problem,
        state: TrainState,
        comm: Communicator,
        *,
        micro_batches: int,
        threads: int,
        report_every: Collection[int] = (),
    ) -> None:
        """`report_every` are periods in steps: there is a report after each multiple of one of them."""
        self._report_every = report_every
        self._config = config
        self._problem = problem
        self._state = state
        self._progress = state.progress
        self._batch_size = global_batch_size(config, len(problem.train_ids))
        self._steps_per_epoch = steps_per_epoch(len(problem.train_ids), self._batch_size)
        self._optimizer = OPTIMIZERS[config.optimizer.name]
        self._rules = update_rules(config)
        self._feed = problem.feed(config, self._batch_size)
        self._engine = Engine(
            problem.network, config.optimizer.name, problem.resident, comm,
            micro_batches=micro_batches, threads=threads, n_train=self._feed.order_size,
            global_batch_size=self._batch_size, start=state.parameters, rules=self._rules,
            augmentation=problem.augmentation, sharding=sharding_of(config),
            overlap=config.train.overlap, dtype=config.train.dtype,
        )  # fmt: skip
        self._schedule = resolve_schedule(config.schedule, config.train.epochs * self._steps_per_epoch)
        segments = problem.network.layout.segments()
        self._weight_names = [segment.name for segment in segments if segment.name.endswith("weight")]
        self._searched_rate = 0.0
        ahead = self._optimizer.look_ahead(config.optimizer, state.progress.step)
        self._engine.vectors.resume(state.moments, ahead)
        state.parameters, state.moments = self._engine.parameters, self._engine.moments
        self._comm, self._at_once = comm, np.ones(1, np.int64)
        self._stop, self._skipped = False, list[int]()
        self._evaluator = Evaluator(
            problem.network, problem.schema.task, problem.evaluated, comm, threads,
            target_normalization=problem.target_normalization,
        )  # fmt: skip

    def run(self) -> Iterator[Report]:
        """Collective. Train to the last epoch, yielding a report every now and then.

        Raises
        ------
        NonFiniteError
            Before the update of a step whose loss or gradient is not finite; on all ranks.
        """
        progress = self._progress
        while not self.status:
            started = perf_counter()
            before = (self._engine.clock.compute_s, self._engine.clock.communicate_s)
            first_position = progress.position
            self._comm.rank_status.at(f"while ordering the rows of epoch {progress.epoch + 1}")
            fed_s = self._feed.seconds
            self._feed.begin(self._engine.order, progress.epoch, progress.position)
            self._engine.draw_for(self._config.train.seed, progress.epoch)
            ordered = perf_counter()
            while progress.position < self._steps_per_epoch:
                n_steps, is_first = self._steps_to_report(), progress.position == first_position
                self._advance(n_steps)
                if is_first:
                    self._set_pace((perf_counter() - ordered) / n_steps)
                if progress.position < self._steps_per_epoch:
                    yield self._report()
                    if self._stop:
                        return
            yield self._finish_epoch(started, fed_s, before, progress.position - first_position)
            if self._stop:
                break
        if self.status:
            self._restore_best()

    @property
    def status(self) -> str:
        """Why the run is over; nothing while it goes on."""
        return status_of(self._progress, self._config)

    def _restore_best(self) -> None:
        """Collective. With early stopping the final weights are those of the best epoch."""
        best = self._state.best
        if patience_of(self._config) and self._comm.local_rank == 0 and best is not None:
            self._engine.parameters[:] = best
        self._comm.node_barrier()

    def _set_pace(self, step_s: float) -> None:
        """Collective. Choose how many steps to run between reports, 1 before the first; the same on all ranks."""
        self._at_once[0] = max(1, min(STEPS_AT_ONCE, int(REPORT_EVERY_S / step_s)))
        self._comm.broadcast(self._at_once)

    def _steps_to_report(self) -> int:
        """Return the steps to the next report: at the pace, at the end of an epoch or of a period."""
        to_periods = (period - self._progress.step % period for period in self._report_every)
        return min(self._steps_per_epoch - self._progress.position, *to_periods, int(self._at_once[0]))

    def _advance(self, n_steps: int) -> None:
        """Collective. Run `n_steps` steps of the current epoch."""
        self._stop, self._skipped = False, []
        end = self._progress.step + n_steps
        while self._progress.step < end:
            self._run_steps(end - self._progress.step)

    def _run_steps(self, n_steps: int) -> None:
        """Collective. Run up to `n_steps` steps, to the first whose update is left out."""
        progress, optimizer, first = self._progress, self._config.optimizer, self._progress.step
        batches = self._feed.batches(self._engine.order, progress.position, n_steps)
        steps, of_step = range(first, first + len(batches)), self._optimizer.coefficients
        rates = learning_rates(self._schedule, optimizer.first_rate, steps, progress.plateau_factor)
        coefficients = [of_step(optimizer, rate, step) for rate, step in zip(rates, steps, strict=True)]
        self._comm.rank_status.at_step(first)
        reports = self._engine.run(batches, coefficients)
        self._account(reports)
        self._feed.done(progress.position)
        self._stop = self._stop or any(report.stop_requested for report in reports)
        if self._optimizer.searches_line:
            self._searched_rate = search(self._engine, self._comm, batches[0], reports[0], self._rate_at(first))
            progress.is_stuck = self._searched_rate == 0

    def request_stop(self) -> None:
        """Ask all ranks to stop after the next steps. Any rank may; safe in a signal handler."""
        self._engine.request_stop()

    def _account(self, reports: list[StepReport]) -> None:
        """Add steps to the books; only the last may not be finite, which ends the run or leaves its update out."""
        progress, last = self._progress, reports[-1]
        account(progress, reports if last.is_finite else reports[:-1])
        if last.is_finite:
            return
        if self._config.train.on_nonfinite == "skip":
            account_skipped(progress)
            self._skipped.append(progress.step)
        else:
            consequence = f"(loss sum {last.loss_sum:g}); the update was not applied"
            raise self._non_finite(f"at step {progress.step}", consequence)

    def _non_finite(self, where: str, consequence: str) -> DdpMlpError:
        """Return the error that every rank raises by itself, from sums that all of them have."""
        rate = self._rate_at(self._progress.step)
        return known_to_all(
            NonFiniteError(
                f"the loss or gradient became non-finite {where} of epoch {self._progress.epoch + 1} {consequence}; "
                f"{likeliest_cure(self._config, self._problem, rate)}"
            )
        )

    def _rate_at(self, step: int) -> float:
        rate, factor = self._config.optimizer.first_rate, self._progress.plateau_factor
        return learning_rate_at(self._schedule, rate, step, factor)

    def learning_rate(self) -> float:
        """Return the learning rate of the last step."""
        if self._optimizer.searches_line:
            return self._searched_rate
        return self._rate_at(max(0, self._progress.step - 1))

    def _report(self, row: dict[str, Any] | None = None) -> Report:
        progress = self._progress
        done = progress.epoch * self._steps_per_epoch + progress.position
        epochs, skipped = self._config.train.epochs, tuple(self._skipped)
        left = epochs * self._steps_per_epoch - done
        return Report(progress.epoch, progress.step, left, self.learning_rate(), epochs, row, self._stop, skipped)

    def _finish_epoch(self, started: float, fed_s: float, before: tuple[float, float], n_steps: int) -> Report:
        """Collective. Validate, close the books of the epoch, and report it."""
        progress, clock = self._progress, self._engine.clock
        if progress.n_skipped == progress.position:
            raise self._non_finite("at every step", "(all were left out)")
        trained_s = perf_counter() - started
        self._comm.rank_status.at(f"in the validation after step {progress.step}")
        metrics = self._validate()
        row: dict[str, Any] = {
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "train_loss": progress.loss_sum / (progress.weight_sum or 1.0),
            **({"penalty": progress.penalty_sum / progress.n_samples} if self._rules.has_penalty else {}),
            **metrics,
            "learning_rate": self.learning_rate(),
            **({"skipped_steps": progress.n_skipped} if self._config.train.on_nonfinite == "skip" else {}),
            **norm_columns(progress, self._weight_names),
            "samples_per_s": progress.n_samples * n_steps / progress.position / trained_s,
            "compute_s": clock.compute_s - before[0],
            "communicate_s": clock.communicate_s - before[1],
            "data_s": self._feed.seconds - fed_s,
            "wall_s": perf_counter() - started,
        }
        watched = row["valid_loss"] if self._problem.valid_ids.size else row["train_loss"]
        improved = note_validation(progress, watched, self._config)
        if improved and self._comm.local_rank == 0:
            self._state.best = self._engine.parameters.copy()
        close_epoch(progress, row, improved=improved)
        return self._report(row)

    def _validate(self) -> dict[str, Any]:
        """Collective. Return the validation columns of ``metrics.csv``; empty cells without validation."""
        names = ("rmse", "r2") if self._problem.schema.task == "regression" else ("accuracy",)
        if not self._problem.valid_ids.size:
            return dict.fromkeys(("valid_loss", *(f"valid_{name}" for name in names)), "")
        metrics = self._evaluator.evaluate(self._engine.parameters, self._problem.valid_ids)
        return {"valid_loss": metrics["loss"]} | {f"valid_{name}": metrics[name] for name in names}

    def copy_moments(self) -> Floats | None:
        """Collective. Return a copy of the optimiser's vectors (n_moments, P) on rank 0, None elsewhere."""
        return self._engine.vectors.copy_moments()

    def close(self) -> None:
        """Let the helper threads and the files go."""
        self._engine.close()
        self._feed.close()
