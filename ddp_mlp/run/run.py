"""A run from configuration to model: prepare, restore or begin, train, save, report."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, suppress
from time import perf_counter
from typing import Any

from ddp_mlp.checkpoint.checkpoint import Checkpoint, checkpoint_name
from ddp_mlp.checkpoint.model import Model
from ddp_mlp.checkpoint.resuming import check_content
from ddp_mlp.checkpoint.state import TrainState
from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.config import Config
from ddp_mlp.core.kernels.numba_ext.hardware import check_isa, describe_hardware
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.errors import CollectiveTimeoutError, DdpMlpError, StoppedError
from ddp_mlp.run.endings import too_late
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.event_file import require_tensorboard
from ddp_mlp.run.files.nowhere import place_of_run
from ddp_mlp.run.files.writer import RunWriter
from ddp_mlp.run.machines import remarks_on_hardware
from ddp_mlp.run.options import Listener, RunOptions, Teller
from ddp_mlp.run.pausing import up_to_pause
from ddp_mlp.run.rank_checks import check_replicas, check_starts
from ddp_mlp.run.saving import Saving
from ddp_mlp.run.signals import StopRequest, StopSignals
from ddp_mlp.run.snapshot import Imprint, final_model
from ddp_mlp.run.start import began_with, choose_micro_batches, fresh_state, restore, written_by
from ddp_mlp.run.start_model import choose_start
from ddp_mlp.run.summary import ending_text, loss_unit, settings_texts, skipped_text, summarize
from ddp_mlp.training.inputs.data_files import Opener, open_splits
from ddp_mlp.training.inputs.understanding import as_plain
from ddp_mlp.training.problem import Problem, prepare
from ddp_mlp.training.report import Report
from ddp_mlp.training.trainer import Trainer
from ddp_mlp.unforeseen import plain_error, traceback_of


class Run:
    """One run on one rank. Rank 0 alone writes and tells."""

    def __init__(
        self, config: Config, options: RunOptions, comm: Communicator, tell: Teller, open_data: Opener = open_splits
    ) -> None:
        """`open_data` opens the rows of the run, where they are not in the files of the configuration."""
        self._open_data = open_data
        self._config = config
        self._options = options
        self._comm = comm
        self._tell_user = tell
        self._directory, self._lock = place_of_run(options.directory if options.keeps_files else None, tell)
        self._hardware: dict[str, str] = {}
        self._writer: RunWriter | None = None
        self.stop = StopRequest()
        self._imprint: Imprint | None = None
        self._state: TrainState | None = None

    def execute(self, listen: Listener) -> dict[str, Any]:
        """Collective. Train to the end and return the summary of `train --json`.

        Raises
        ------
        DdpMlpError
            For what the user can mend; on all ranks. ``status.json`` says so too.
        """
        with StopSignals(self.stop.ask):
            reports = self.reports(listen)
            while True:
                try:
                    next(reports)
                except StopIteration as end:
                    return dict(end.value)

    def model(self) -> Model:
        """Collective. Return the model of the best epoch once all is done; before the first one, that of now."""
        assert self._imprint is not None  # noqa: S101 - a run that has begun
        assert self._state is not None  # noqa: S101
        return final_model(self._imprint, self._state, self._comm)

    def reports(self, listen: Listener) -> Generator[Report, None, dict[str, Any]]:
        """Collective. Train to the end, yielding each report; the summary is the value at its end.

        Whoever leaves early asks the run to stop, and goes on to the end, which then is near.
        """
        self._comm.guard(self._config.train.timeout_s, self._note_timeout)
        self._comm.rank_status.at("while comparing how the ranks were started")
        check_starts(self._comm, self._config, self._options)
        with agreed(self._comm):
            check_isa(self._config.train.isa)
            if self._config.train.tensorboard:
                require_tensorboard()
            self._hardware = describe_hardware()
        for line in remarks_on_hardware(self._comm, self._hardware, self._config.train.dtype):
            self._tell_user(line)
        ready_kernels(self._config.train.dtype, self._comm, self._tell_user, lambda: self.stop.by, self._options.watch)
        self._comm.rank_status.at("while opening the run directory")
        try:
            with agreed(self._comm):
                self._on_root(self._occupy)
            self._lock.share(self._comm)
            return (yield from self._execute_in_directory(listen))
        finally:
            self._lock.release()

    def _occupy(self) -> None:
        """Make the run directory this job's own."""
        self._directory.create()
        self._lock.acquire()
        self._directory.prepare(self._lock.last_owner_may_wake)
        if not self._options.resume and not self._options.overwrite:
            self._directory.check_unused()

    def _execute_in_directory(self, listen: Listener) -> Generator[Report, None, dict[str, Any]]:
        """Collective. Train to the end, in a directory that is this job's own."""
        comm, started = self._comm, perf_counter()
        try:
            comm.rank_status.at("while loading the data")
            checkpoint = self._restore()
            self._config, start = choose_start(comm, self._config, checkpoint, self._options.start, self._tell)
            source = began_with(checkpoint, start), self._open_data, self._options.at_hand
            problem = prepare(self._config, comm, self._tell, *source)
            for line in settings_texts(self._config, len(problem.train_ids)):
                self._tell(line)
            comm.rank_status.at("while preparing the first step")
            if checkpoint:
                self._check_content(checkpoint, problem)
            micro_batches = choose_micro_batches(self._config, checkpoint, comm.world_size, self._options.threads)
            state = checkpoint.state if checkpoint else fresh_state(self._config, problem, start)
            check_replicas(comm, problem.network.layout, state)
            origin = written_by(self._config, comm.world_size, self._options.threads, self._hardware)
            self._imprint, self._state = Imprint(self._config, problem, micro_batches, origin), state
            self._begin_files(self._imprint, state, checkpoint)
            yield from self._train(problem, state, micro_batches, listen)
        except DdpMlpError as failure:
            reason, code = str(failure), failure.exit_code
            self._on_root(lambda: self._note_failure(code, reason, within_s=60))
            raise
        except Exception as failure:  # of this rank alone
            self._note_unforeseen(failure)
            raise
        summary = {
            **summarize(state, self._config, problem.network.layout, self._options.until_epoch),
            "loss_unit": loss_unit(problem, self._config),
            "wall_s": round(perf_counter() - started, 3),
            "world_size": comm.world_size,
            "threads_per_rank": self._options.threads,
            "micro_batches": micro_batches,
            "run_dir": str(self._directory.path) if self._options.keeps_files else "",
            "understood": as_plain(problem.understood),
        }
        code = StoppedError.exit_code if summary["status"] == "stopped" else 0
        with agreed(comm):
            self._on_root(lambda: self._write_status(summary["status"], exit_code=code, **summary))
        if ending := ending_text(state.progress, self._config):
            self._tell(ending)
        if code:
            by = self.stop.by or "a request on another rank"
            saved = ", state saved; go on with --resume" if self._options.keeps_files else ""
            self._tell(f"stopped by {by} at step {summary['steps']}{saved}")
        return summary

    def _note_unforeseen(self, failure: Exception) -> None:
        """Keep where a failure that nobody has foreseen came from; its user gets one line."""
        with suppress(DdpMlpError):
            for line in traceback_of(failure).split("\n"):
                self._directory.log(line)
            if self._options.keeps_files:
                failure.add_note(f"traceback in {self._directory.path / 'log.txt'}")
        error = plain_error(failure)
        self._note_failure(error.exit_code, str(error), within_s=1)

    def _note_timeout(self, reason: str) -> None:
        """Let the status tell of a collective that timed out; on whichever rank can."""
        self._note_failure(CollectiveTimeoutError.exit_code, reason, within_s=1)

    def _note_failure(self, exit_code: int, reason: str, within_s: float) -> None:
        """Let the status tell how this start failed; that of a run which was over before, and is as it was, stays."""
        self._directory.note_failure(exit_code, reason, within_s, unless_over=self._imprint is None)

    def _write_status(self, state: str, **fields: Any) -> None:
        """Say how the run ended, and which checkpoint is there."""
        told = {"checkpoint": self._writer.last_good, "ranks": self._writer.ranks} if self._writer else {}
        self._directory.write_status(state, **fields, **{name: value for name, value in told.items() if value})

    def _on_root(self, write: Callable[[], object]) -> None:
        if self._comm.rank == 0:
            write()

    def _tell(self, line: str) -> None:
        if self._comm.rank == 0:
            with suppress(OSError):  # standard error may go to a disk that is full; no line is worth the run
                self._tell_user(line)
            with suppress(DdpMlpError):
                self._directory.log(line)

    def _restore(self) -> Checkpoint | None:
        """Collective. Return the newest good checkpoint, checked against the configuration."""
        if not self._options.resume:
            return None
        with agreed(self._comm):
            restored = restore(self._directory.checkpoints, self._config, self._options.earlier, self._hardware)
        self._config = restored.config
        for line in restored.lines:
            self._tell(line)
        return restored.checkpoint

    def _check_content(self, checkpoint: Checkpoint, problem: Problem) -> None:
        """Check that the data are those that the run began with."""
        with agreed(self._comm):
            check_content(checkpoint, problem.fingerprint)
        if checkpoint.fingerprint != problem.fingerprint:
            self._tell("warning: the checkpoint knows its data by samples of their rows only; these have not changed")

    def _begin_files(self, imprint: Imprint, state: TrainState, checkpoint: Checkpoint | None) -> None:
        """Collective. Bring the run directory to the state that the run goes on from, then say so."""
        with agreed(self._comm):
            if self._comm.rank == 0 and isinstance(self._directory, RunDirectory):
                if self._options.overwrite and self._directory.holds_run():
                    self._directory.clear()
                self._writer = RunWriter(self._directory, imprint, self._tell)
                self._writer.begin(state, checkpoint)
        if checkpoint:
            name, step = checkpoint.path.name, state.progress.step
            self._tell(f"going on from {name}" + (f", of step {step}" if name != checkpoint_name(step) else ""))
            if self._comm.rank == 0 and (line := too_late(self._directory.metrics, state.progress, self._config)):
                self._tell(f"warning: {line}")

    def _train(
        self, problem: Problem, state: TrainState, micro_batches: int, listen: Listener
    ) -> Generator[Report, None, None]:
        """Collective. Train to the end, recording what the rules ask for."""
        with Saving(self._config, self._comm, problem, state, self._writer, self._options.first_rest_s) as saving:
            trainer = Trainer(
                self._config, problem, state, self._comm,
                micro_batches=micro_batches, threads=self._options.threads, report_every=saving.periods,
            )  # fmt: skip
            self.stop.pass_to(trainer.request_stop)
            started = perf_counter()
            with closing(trainer):
                for report in up_to_pause(trainer.run(), state.progress, self._config, self._options.until_epoch):
                    if report.skipped:
                        self._tell(f"warning: {skipped_text(report.skipped)}")
                    saving.after(report, trainer.copy_moments)
                    self._on_root(lambda r=report: listen(r))  # type: ignore[misc]
                    if self._options.max_time_s and perf_counter() - started > self._options.max_time_s:
                        self.stop.ask("--max-time")
                    yield report
