"""The fate of a job whose start has come to an end, in order or by death."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ddp_mlp.errors import ALL_ERRORS, DdpMlpError, StoppedError, brief, printable
from ddp_mlp.plain_files import open_plain
from ddp_mlp.service.running.local import output_of
from ddp_mlp.service.running.standing import Phase, Standing, read_status
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import Job

#: Bytes at the end of the output in which the reason of a failure is looked for.
_TAIL = 2**14
_INTERRUPTED = 130
_NAMES = {kind.exit_code: kind for kind in ALL_ERRORS}


def after_end(job: Job, standing: Standing, settings: Settings) -> dict[str, Any]:
    """Return the fields of a job whose start ended with an exit code."""
    code = 70 if standing.code is None else standing.code
    if code == StoppedError.exit_code and standing.rebooted and job.state != "stopping":
        return _queued(job, "the machine was shut down")
    return _over(job, code, settings)


def after_death(job: Job, standing: Standing, settings: Settings) -> dict[str, Any]:
    """Return the fields of a job whose process is gone without a word: it goes on, unless that is in vain.

    A job that got further since its last death has all its restarts again.
    """
    if standing.phase is Phase.DIED and standing.code is not None:  # the run itself had told of its end
        return _over(job, standing.code, settings)
    if job.state == "stopping":
        return {"state": "stopped", "reason": "its process ended while it was asked to stop", "exit_code": 75}
    if standing.phase is Phase.REVOKED and standing.code is None:  # the server was killed before it could begin
        return {"state": "queued", "reason": ""}
    written, step = _newest_checkpoint(job, settings)
    vain = 0 if written > job.reached else job.vain + 1
    if vain > settings.max_restarts:
        return {
            "state": "failed", "exit_code": 70, "vain": vain,
            "reason": f"its process was killed {vain} times without a new checkpoint (last: step {max(step, 0)})",
        }  # fmt: skip
    if standing.phase is Phase.REVOKED:  # its process ended before it could begin
        return {"state": "queued", "vain": vain, "reached": written, "reason": ""}
    reason = "the machine was started anew" if standing.rebooted else "its process was killed"
    return {**_queued(job, reason), "vain": vain, "reached": written}


def reason_of(job: Job, code: int, settings: Settings) -> str:
    """Return the line with which a job ended, as the command line said it; empty for one that is done."""
    if code == 0:
        return ""
    for line in reversed(tail_of_output(job, settings)):
        if line.startswith("error: "):
            return brief(printable(line.removeprefix("error: ")))
    told = read_status(settings.directory / job.run_dir).get("reason")
    if isinstance(told, str) and told:
        return brief(printable(told))
    return f"ended with exit code {code}"


def tail_of_output(job: Job, settings: Settings, most: int = _TAIL) -> list[str]:
    """Return the last lines that a job has printed."""
    try:
        with open_plain(output_of(settings.job_folder(job.id))) as file:
            file.seek(0, 2)
            start = max(file.tell() - most, 0)
            file.seek(start)
            lines = file.read(most).decode(errors="replace").splitlines()
    except OSError:
        return []
    return [printable(line) for line in (lines[1:] if start else lines)]


def _over(job: Job, code: int, settings: Settings) -> dict[str, Any]:
    if code in (StoppedError.exit_code, _INTERRUPTED):
        reason = "stopped, state saved" if code == StoppedError.exit_code else "ended at once"
        return {"state": "stopped", "exit_code": code, "reason": reason, "resumes": True}
    kind: type[DdpMlpError] | None = _NAMES.get(code)
    state = "finished" if code == 0 else "failed"
    resumes = code == 0 or kind is None or kind.may_pass
    return {"state": state, "exit_code": code, "reason": reason_of(job, code, settings), "resumes": resumes}


def _queued(job: Job, reason: str) -> dict[str, Any]:
    return {"state": "queued", "restarts": job.restarts + 1, "resumes": True, "reason": f"{reason}; it goes on"}


def _newest_checkpoint(job: Job, settings: Settings) -> tuple[int, int]:
    """Return when the newest checkpoint of a job was written, in nanoseconds, and its step; -1 without one."""
    newest = (-1, -1)
    for path in (settings.directory / job.run_dir).glob("**/checkpoints/step-*.h5"):
        number = path.stem.removeprefix("step-")
        with suppress(OSError):
            newest = max(newest, (path.lstat().st_mtime_ns, int(number) if number.isdigit() else -1))
    return newest
