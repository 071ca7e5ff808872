"""Jobs of a cluster: submitted to Slurm, and found again by the name that was written down before."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import msgspec

from ddp_mlp.cluster.slurm import controller
from ddp_mlp.cluster.slurm.job import BatchJob, check_job
from ddp_mlp.cluster.slurm.record import Record, ended_in, job_of, write_record
from ddp_mlp.cluster.slurm.script import script_text
from ddp_mlp.cluster.slurm.starters import choose_starter
from ddp_mlp.config.schema import sections
from ddp_mlp.durable import write_whole
from ddp_mlp.errors import LaunchError, StoppedError
from ddp_mlp.plain_files import read_json
from ddp_mlp.service.orders.commands import config_of
from ddp_mlp.service.orders.submission import epochs_of, write_config
from ddp_mlp.service.running.claims import read_claim, revoke
from ddp_mlp.service.running.local import output_of
from ddp_mlp.service.running.scheduling import Room
from ddp_mlp.service.running.standing import Phase, Standing, code_of_status, read_status
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import Job

#: Seconds for which an answer of Slurm about all jobs is believed.
_BELIEVED_S = 2.0
_NO_END = Room(2**31, 2**62)
_CANCELLED = ("CANCELLED", "DEADLINE", "REVOKED")


class SlurmStarter:
    """Submits jobs to Slurm, which has a queue of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asked = -_BELIEVED_S
        self._live: dict[str, tuple[str, str]] = {}

    def room(self) -> Room:
        """Return room for all jobs: Slurm has them wait."""
        return _NO_END

    def new_token(self) -> str:
        """Return a name that no other start has."""
        return uuid.uuid4().hex

    def start(self, job: Job) -> subprocess.Popen[bytes] | None:
        """Submit a job whose start is written down, after another look at the files that it names."""
        write_config(job, self._settings)
        folder, run_dir = self._settings.job_folder(job.id), self._settings.directory / job.run_dir
        run_dir.mkdir(parents=True, exist_ok=True)
        write_record(run_dir, Record())
        script = folder / "job.sbatch"
        write_whole(script, script_text(self._batch_job(job)).encode())
        number = str(controller.submit(script))
        self._note(job, number)
        with suppress(Exception):
            write_record(run_dir, Record(number))
        return None

    def standing(self, job: Job) -> Standing:
        """Return how the newest start of a job stands.

        Raises
        ------
        OSError
            If Slurm does not answer.
        """
        folder = self._settings.job_folder(job.id)
        claim = read_claim(folder, job.token)
        if claim is not None and claim.is_revoked:
            return Standing(Phase.REVOKED, claim)
        number = self._number(job) or ("" if claim is None else str(claim.pid))
        if not number:
            return Standing(Phase.UNCLAIMED)
        if number in self._jobs():
            return Standing(Phase.RUNNING)
        return self._not_live(job, number)

    def revoke(self, job: Job) -> bool:
        """Take a start back that no job of Slurm has claimed."""
        return revoke(self._settings.job_folder(job.id), job.token)

    def ask_to_stop(self, job: Job, _standing: Standing) -> None:
        """Ask a job to save and leave; one that waits leaves Slurm's queue."""
        number = self._number(job)
        state = self._jobs(believed_s=0.0).get(number, ("", ""))[0]
        if state == "PENDING":
            controller.cancel(number)
        elif number:
            controller.stop(number)

    def epochs_of(self, job: Job) -> int | None:
        """Return how many epochs a job is to run."""
        return epochs_of(job, self._settings)

    def memory_of(self, _job: Job) -> int:
        """Return the least: Slurm shares out the memory of its nodes."""
        return 1

    def _not_live(self, job: Job, number: str) -> Standing:
        """Return how a start stands that is not in the queue of Slurm, by what that and the run know of it."""
        fields = controller.show(number)
        state = fields.get("JobState", "")
        if state in (
            "PENDING",
            "RUNNING",
            "COMPLETING",
            "CONFIGURING",
            "SUSPENDED",
            "REQUEUED",
            "SIGNALING",
            "STOPPED",
        ):
            return Standing(Phase.RUNNING)
        status = read_status(self._settings.directory / job.run_dir)
        told = code_of_status(status) if job_of(status) == number else None
        told = 0 if ended_in(self._settings.directory / job.run_dir, number) else told
        if told == 0:
            return Standing(Phase.ENDED, code=0)
        if state in _CANCELLED:
            return Standing(Phase.ENDED, code=StoppedError.exit_code)
        found = re.fullmatch(r"([0-9]{1,3}):([0-9]{1,3})", fields.get("ExitCode", ""))
        if found and int(found[1]):
            return Standing(Phase.ENDED, code=int(found[1]))
        return Standing(Phase.DIED, code=told)

    def _batch_job(self, job: Job) -> BatchJob:
        folder = self._settings.job_folder(job.id)
        claim = [sys.executable, "-m", "ddp_mlp.service.running.batch", str(folder), job.token]
        own_keys = " ".join(f"${{!DDP_MLP_{section.upper()}_@}}" for section in sections())
        batch = BatchJob(
            (str(config_of(job, self._settings)),), str(self._settings.directory / job.run_dir),
            choose_starter("auto", None), sys.executable, ntasks_per_node=job.ranks, cpus_per_task=job.threads,
            command=job.kind, arguments=tuple(job.arguments),
            sbatch=(*self._settings.slurm_options, f"output={output_of(folder)}", f"job-name={_name(job)}",
                    f"chdir={self._settings.directory}"),
            before=(f"unset {own_keys}", f"{shlex.join(claim)} || exit 0"),
        )  # fmt: skip
        return check_job(batch)

    def _number(self, job: Job) -> str:
        """Return the number of a job in Slurm; empty where it has none."""
        with suppress(FileNotFoundError):
            return read_json(self._note_file(job), str) or ""
        found = [number for number, (_, name) in self._jobs(believed_s=0.0).items() if name == _name(job)]
        if found:
            self._note(job, found[0])
        return found[0] if found else ""

    def _note(self, job: Job, number: str) -> None:
        write_whole(self._note_file(job), msgspec.json.encode(number))

    def _note_file(self, job: Job) -> Path:
        return self._settings.job_folder(job.id) / f"slurm-{job.token}.json"

    def _jobs(self, believed_s: float = _BELIEVED_S) -> dict[str, tuple[str, str]]:
        if time.monotonic() - self._asked > believed_s:
            try:
                self._live = controller.live_jobs()
            except LaunchError as error:
                raise OSError(str(error)) from None
            self._asked = time.monotonic()
        return self._live


def _name(job: Job) -> str:
    """Return the name of a start in Slurm, by which it is found after a crash."""
    return f"ddp-mlp-{job.token}"
