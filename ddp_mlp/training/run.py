"""A run from configuration to model: prepare, restore or begin, train, save, report."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ddp_mlp import __version__
from ddp_mlp.comm import Communicator, agreed, known_to_all
from ddp_mlp.config import Config, as_toml
from ddp_mlp.core.initializers import initial_parameters
from ddp_mlp.core.layout import digest
from ddp_mlp.core.optimizers import OPTIMIZERS
from ddp_mlp.core.sharding import power_of_two_at_least
from ddp_mlp.errors import DdpMlpError, StoppedError, UsageError
from ddp_mlp.training.bookkeeping import final_row, status_of
from ddp_mlp.training.checkpoint import (
    Checkpoint,
    check_resumable,
    checkpoint_image,
    newest_good,
    save_checkpoint,
)
from ddp_mlp.training.comparison import hash_row
from ddp_mlp.training.model import Model, model_image
from ddp_mlp.training.problem import Problem, prepare
from ddp_mlp.training.run_directory import RunDirectory
from ddp_mlp.training.sealed import write_atomically
from ddp_mlp.training.signals import StopSignals
from ddp_mlp.training.state import Progress, TrainState
from ddp_mlp.training.trainer import Report, Trainer


@dataclass(frozen=True)
class RunOptions:
    """How to run, as opposed to what: nothing here changes a bit of the result."""

    directory: Path
    resume: bool = False
    threads: int = 1
    max_time_s: float | None = None


#: Called on rank 0 with each report and each line worth telling.
Listener = Callable[[Report], None]
Teller = Callable[[str], None]


class Run:
    """One run on one rank. Rank 0 alone writes and tells."""

    def __init__(self, config: Config, options: RunOptions, comm: Communicator, tell: Teller) -> None:
        self._config = config
        self._options = options
        self._comm = comm
        self._tell_user = tell
        self._directory = RunDirectory(options.directory)
        self._stop_reason = "a request on another rank"

    def execute(self, listen: Listener) -> dict[str, Any]:
        """Collective. Train to the end and return the summary of `train --json`.

        Raises
        ------
        DdpMlpError
            For what the user can mend; on all ranks. ``status.json`` says so too.
        """
        comm, started = self._comm, perf_counter()
        with agreed(comm):
            if comm.rank == 0:
                self._directory.create(resume=self._options.resume)
        try:
            problem = prepare(self._config, comm)
            checkpoint = self._restore(problem)
            micro_batches = self._micro_batches(checkpoint)
            state = checkpoint.state if checkpoint else self._begin(problem)
            self._note_start(state)
            self._train(problem, state, micro_batches, listen)
        except DdpMlpError as failure:
            reason, code = str(failure), failure.exit_code
            self._on_root(lambda: self._directory.write_status("failed", exit_code=code, reason=reason))
            raise
        summary = self._summary(problem, state, micro_batches, perf_counter() - started)
        code = StoppedError.exit_code if summary["status"] == "stopped" else 0
        self._on_root(lambda: self._directory.write_status(summary["status"], exit_code=code, **summary))
        if code:
            self._tell(f"stopped by {self._stop_reason} at step {summary['steps']}, state saved; go on with --resume")
        return summary

    def _on_root(self, write: Callable[[], object]) -> None:
        if self._comm.rank == 0:
            write()

    def _tell(self, line: str) -> None:
        if self._comm.rank == 0:
            self._tell_user(line)
            self._directory.log(line)

    def _restore(self, problem: Problem) -> Checkpoint | None:
        """Collective. Return the newest good checkpoint, checked against the configuration."""
        if not self._options.resume:
            return None
        checkpoint: Checkpoint | None = None
        passed_over: list[str] = []
        with agreed(self._comm):
            checkpoint, passed_over = newest_good(self._directory.checkpoints)
            if checkpoint:
                check_resumable(checkpoint, self._config, problem.fingerprint)
        for reason in passed_over:
            self._tell(f"warning: passed over a checkpoint: {reason}")
        if checkpoint:
            self._tell(f"going on from {checkpoint.path.name}")
        else:
            self._tell(f"no checkpoint in {self._directory.checkpoints} yet: starting from the beginning")
        return checkpoint

    def _micro_batches(self, checkpoint: Checkpoint | None) -> int:
        """Return M: what was configured, what the run began with, or enough for this start."""
        workers = self._comm.world_size * self._options.threads
        configured = self._config.train.micro_batches
        if checkpoint:
            chosen = checkpoint.micro_batches
        else:
            chosen = power_of_two_at_least(workers) if configured == "auto" else configured
        if workers > chosen:
            begun = "this run began with" if checkpoint else "[train]"
            raise known_to_all(
                UsageError(
                    f"{workers} workers ({self._comm.world_size} ranks x {self._options.threads} threads), but {begun} "
                    f"micro_batches = {chosen}, so no more than {chosen} can work; use fewer, or start a run with "
                    f"micro_batches = {power_of_two_at_least(workers)}"
                )
            )
        return chosen

    def _begin(self, problem: Problem) -> TrainState:
        train, model = self._config.train, self._config.model
        parameters = initial_parameters(problem.network, model.init, train.seed, train.dtype, model.init_scale)
        n_moments = len(OPTIMIZERS[self._config.optimizer.name].moments)
        return TrainState(parameters, np.zeros((n_moments, len(parameters)), train.dtype), Progress())

    def _note_start(self, state: TrainState) -> None:
        def write() -> None:
            self._directory.write_config(as_toml(self._config))
            self._directory.append_metrics(state.progress.history)
            progress = state.progress
            self._directory.write_status("running", epoch=progress.epoch, step=progress.step)

        with agreed(self._comm):
            self._on_root(write)

    def _train(self, problem: Problem, state: TrainState, micro_batches: int, listen: Listener) -> None:
        trainer = Trainer(
            self._config,
            problem,
            state,
            self._comm,
            micro_batches=micro_batches,
            threads=self._options.threads,
        )

        def request(reason: str) -> None:
            self._stop_reason = reason
            trainer.request_stop()

        started = perf_counter()
        try:
            with StopSignals(request):
                for report in trainer.run():
                    if report.finished_epoch or report.stop:
                        with agreed(self._comm):
                            self._on_root(lambda r=report: self._save(problem, state, micro_batches, r))  # type: ignore[misc]
                    self._on_root(lambda r=report: listen(r))  # type: ignore[misc]
                    if self._options.max_time_s and perf_counter() - started > self._options.max_time_s:
                        request("--max-time")
        finally:
            trainer.close()

    def _save(self, problem: Problem, state: TrainState, micro_batches: int, report: Report) -> None:
        """Write what a report asks for, the checkpoint before what tells of it."""
        rules, progress, directory = self._config.checkpoint, state.progress, self._directory
        if report.improved:
            write_atomically(directory.model, model_image(self._model(problem, state)))
        due = report.finished_epoch and progress.epoch % rules.every_epochs == 0
        if due or report.stop or status_of(progress, self._config):
            checkpoint = Checkpoint(
                directory.checkpoints, state, self._config, problem.facts, problem.normalization,
                problem.network, problem.fingerprint, micro_batches, self._written_by(), problem.targets,
            )  # fmt: skip
            save_checkpoint(directory.checkpoints, checkpoint_image(checkpoint), progress.step, rules.keep)
        directory.append_metrics(progress.history)
        if report.finished_epoch:
            row = hash_row(progress.epoch, progress.step, problem.network.layout, state.parameters)
            directory.append_hashes([row])
        directory.write_status("running", epoch=progress.epoch, step=progress.step)

    def _model(self, problem: Problem, state: TrainState) -> Model:
        progress = state.progress
        return Model(
            self._config, problem.facts, problem.network, problem.normalization,
            state.parameters, progress.epoch, progress.step, problem.targets,
        )  # fmt: skip

    def _written_by(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "world_size": self._comm.world_size,
            "threads_per_rank": self._options.threads,
            "host": socket.gethostname(),
            "slurm_job_id": os.environ.get("SLURM_JOB_ID", ""),
        }

    def _summary(self, problem: Problem, state: TrainState, micro_batches: int, wall_s: float) -> dict[str, Any]:
        progress = state.progress
        last = final_row(progress, self._config)
        return {
            "status": status_of(progress, self._config) or "stopped",
            "epochs": progress.epoch,
            "steps": progress.step,
            "train_loss": last.get("train_loss"),
            **{name: value for name, value in last.items() if name == "penalty"},
            **{name: value if value != "" else None for name, value in last.items() if name.startswith("valid_")},
            "best_epoch": progress.best_epoch,
            "weights_sha256": digest(state.parameters),
            "wall_s": round(wall_s, 3),
            "samples_per_s": round(last.get("samples_per_s", 0.0), 1),
            "world_size": self._comm.world_size,
            "threads_per_rank": self._options.threads,
            "micro_batches": micro_batches,
            "n_parameters": problem.network.layout.n_parameters,
            "run_dir": str(self._directory.path),
        }
