"""The command line of a job."""

from __future__ import annotations

import shlex
from pathlib import Path

from ddp_mlp.service.security.places import name_of
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.store.job import Job


def file_name(job: Job) -> str:
    """Return the name of a job as files of it have it, without what file systems, shells and headers do not take."""
    return name_of(job.name, "run")


def config_of(job: Job, settings: Settings) -> Path:
    """Return the configuration file of a job, whose paths are absolute."""
    return settings.job_folder(job.id) / f"{file_name(job)}.toml"


def arguments_of(job: Job, settings: Settings) -> list[str]:
    """Return the arguments of ``ddp-mlp`` for the next start of a job."""
    resume = ["--resume"] if job.resumes else []
    return [job.kind, str(config_of(job, settings)), *job.arguments, "--out", job.run_dir, *resume]


def command_text(job: Job, settings: Settings) -> str:
    """Return the command line that a person would type for a job."""
    launch = [] if job.cores == 1 else ["launch", "-n", str(job.ranks), "--threads-per-rank", str(job.threads)]
    return shlex.join(["ddp-mlp", *launch, *arguments_of(job, settings)])
