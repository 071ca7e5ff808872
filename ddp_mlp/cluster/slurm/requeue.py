"""After the ranks are gone: whether this job goes back into the queue, and how it ended."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp import errors
from ddp_mlp.cluster.slurm import controller
from ddp_mlp.cluster.slurm.record import Record, ended_in, job_of, read_record, read_status, steps_in, write_record
from ddp_mlp.comm.launcher import slurm_job_id
from ddp_mlp.errors import counted

#: Stops at the same step after which a job is not started again.
_PATIENCE = 3
#: Codes of ranks that were stopped: in order, or by the signals that ask for it before they listened.
_STOPPED = {errors.StoppedError.exit_code, 128 + signal.SIGUSR1, 128 + signal.SIGTERM}
#: Codes that a next start would end with too.
_FINAL = {kind.exit_code for kind in errors.ALL_ERRORS} - {errors.StoppedError.exit_code}
#: Words of ``status.json`` for a run that has not come to its end.
_UNFINISHED = ("", "running", "stopped", "failed")


@dataclass(frozen=True)
class Ending:
    """How a start of a job ended.

    Attributes
    ----------
    code : int
        Exit code of the launcher.
    asked : bool
        Whether the batch shell, or by Slurm's word the whole job, was asked to stop.
    restarts : int
        How often Slurm had started the job again before.
    steps : tuple of int
        At which step each earlier start was stopped, and this one, last.
    """

    code: int
    asked: bool
    restarts: int
    steps: tuple[int, ...]


def why_not(ending: Ending, max_restarts: int) -> str:
    """Return why a job is not to be started again; empty if it is.

    Launchers do not always hand on the code of their ranks, so a start that was asked to
    stop and ended with a code that is none of ours counts as stopped too.
    """
    stopped = ending.code in _STOPPED or (ending.asked and ending.code not in _FINAL)
    if not stopped:
        return f"its launcher ended with code {ending.code}, not because it was stopped"
    if ending.restarts >= max_restarts:
        return f"it was started again {counted(ending.restarts, 'time')} already (--max-restarts {max_restarts})"
    last = ending.steps[-_PATIENCE:]
    if len(last) == _PATIENCE and len({*last}) == 1:
        return f"it made no progress: stopped {_PATIENCE} times at step {last[0]}; give it more --time"
    return ""


def end_own_job(run_directory: Path, code: int, *, asked: bool, restarts: int, max_restarts: int) -> tuple[int, str]:
    """Put the job of this shell back into the queue if it was stopped before its end.

    Whether the run has come to its end, its own ``status.json`` tells, of a study its ``study.json``: launchers whose
    daemons were killed may end with code 0, and others fail after all ranks are done.

    Parameters
    ----------
    restarts : int
        SLURM_RESTART_COUNT.

    Returns
    -------
    code : int
        Exit code of the job.
    line : str
        What to write into its log.
    """
    job_id, status = slurm_job_id(os.environ), read_status(run_directory)
    state = str(status.get("state", ""))
    if state not in _UNFINISHED and job_of(status) == job_id:
        return 0, f"job {job_id}: the run is {state}"
    if ended_in(run_directory, job_id):
        return 0, f"job {job_id}: the study is over"
    job = controller.show(job_id) if job_id else {}
    preempted = job.get("PreemptTime", "None") != "None"
    record = read_record(run_directory)
    earlier = record.requeued_at_steps if record.job_id == job_id and restarts else ()
    steps = (*earlier, steps_in(run_directory))
    # Taken from its nodes early, it is not to blame for making no progress.
    ending = Ending(code, asked or preempted, restarts, () if preempted else steps)
    reason = why_not(ending, max_restarts) or _decided_already(job)
    if reason:
        return code or errors.DdpMlpError.exit_code, f"job {job_id} is not requeued: {reason}"
    try:
        write_record(run_directory, Record(job_id, steps))
        unwritten = ""
    except errors.DdpMlpError as error:  # it goes on all the same; a next start may look like the first one
        unwritten = f" ({error})"
    code = errors.StoppedError.exit_code
    if denied := controller.requeue(job_id):
        return code, f"job {job_id} cannot be requeued ({denied}); go on by hand: {_by_hand(run_directory)}{unwritten}"
    return code, f"job {job_id} is requeued at step {steps[-1]}{unwritten}"


def _decided_already(job: dict[str, str]) -> str:
    """Return the state that somebody else has given the job: cancelled, out of time, already requeued ..."""
    state = job.get("JobState", "")
    # While Slurm sends the signals of a preemption, a job that runs is said to be signaling.
    return "" if state in ("RUNNING", "SIGNALING", "") else f"Slurm says it is {state}"


def _by_hand(run_directory: Path) -> str:
    """Return the command that goes on with a run."""
    script = run_directory / "job.sbatch"
    return f"sbatch {script}" if script.exists() else "submit the same script again"
