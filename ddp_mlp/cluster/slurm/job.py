"""A batch job, before it becomes the text of a script."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path

from ddp_mlp.cluster.slurm.starters import Starter
from ddp_mlp.errors import UsageError, literal

#: Seconds before the time limit at which ranks are asked to stop, if the limit is long enough.
_NOTICE_S = 180
#: Numbers of nodes, of tasks of an array, and parts of a time, in as many digits as Slurm could mean.
_NODES, _TASK, _TIME = r"[1-9][0-9]{0,5}", r"[0-9]{1,7}", r"[0-9]{1,7}"


@dataclass(frozen=True)
class BatchJob:
    """One job, or an array of one job for each seed or configuration.

    Attributes
    ----------
    configs : tuple of str
        Configuration files; more than one make an array.
    run_directory : str
        Of the run; of an array, the directory of its run directories.
    seeds : str
        Such as ``0-4`` or ``1,3,7``, as Slurm writes arrays; empty for one run.
    nodes : str
        A number or a range, ``2-8``: as many as are free.
    time : str
        Limit as Slurm writes it: minutes, H:M:S, D-H ...
    notice_s : int or None
        Seconds before the limit at which ranks are asked to stop; None chooses.
    command, arguments : str and tuple of str
        What runs: ``train``, or a study, with its own options.
    sbatch : tuple of str
        Further ``KEY=VALUE`` for sbatch.
    before : tuple of str
        Shell lines that run first, such as ``module load openmpi``.
    """

    configs: tuple[str, ...]
    run_directory: str
    starter: Starter
    python: str = "python3"
    seeds: str = ""
    overrides: tuple[str, ...] = ()
    nodes: str = "1"
    ntasks_per_node: int = 1
    cpus_per_task: int = 1
    time: str = "01:00:00"
    partition: str = ""
    account: str = ""
    notice_s: int | None = None
    max_restarts: int = 100
    command: str = "train"
    arguments: tuple[str, ...] = ()
    sbatch: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the job: that of its first configuration."""
        return Path(self.configs[0]).stem

    @property
    def is_array(self) -> bool:
        """Whether it is many runs."""
        return bool(self.seeds) or len(self.configs) > 1

    @property
    def most_workers(self) -> int:
        """Ranks times threads on the largest number of nodes."""
        return int(self.nodes.rpartition("-")[2]) * self.ntasks_per_node * self.cpus_per_task

    @property
    def notice(self) -> int:
        """Seconds before the limit at which ranks are asked to stop."""
        if self.notice_s is not None:
            return self.notice_s
        limit_s = limit_seconds(self.time)
        return _NOTICE_S if limit_s is None else min(_NOTICE_S, limit_s // 4)


def check_job(job: BatchJob) -> BatchJob:
    """Return `job` if it can mean something.

    Raises
    ------
    UsageError
        If not.
    """
    _check_lines(job)
    if not re.fullmatch(rf"{_NODES}(-{_NODES})?", job.nodes):
        raise UsageError(f"--nodes {job.nodes}: write a number, or a range such as 2-8")
    if job.seeds and not re.fullmatch(rf"{_TASK}(-{_TASK})?(,{_TASK}(-{_TASK})?)*(%{_TASK})?", job.seeds):
        raise UsageError(f"--seeds {job.seeds}: write them as 0-4, or 1,3,7, or 0-99%10 for ten at a time")
    if job.seeds and len(job.configs) > 1:
        raise UsageError("an array is over seeds or over configurations, not over both; leave one of them away")
    stems = [Path(config).stem for config in job.configs]
    if len({*stems}) < len(stems):
        raise UsageError(f"configurations of one array need different names, as their runs do: {', '.join(stems)}")
    limit_s = limit_seconds(job.time)
    if limit_s is not None and job.notice >= limit_s:
        raise UsageError(f"--notice {job.notice} is not less than the limit of {limit_s} s: it would stop at its start")
    for pair in job.sbatch:
        if not re.fullmatch(r"[a-z][a-z-]*(=.*)?", pair):
            raise UsageError(f"--sbatch {pair}: write KEY=VALUE as for sbatch, such as constraint=haswell")
    return job


def _check_lines(job: BatchJob) -> None:
    """Refuse line ends: they would become lines of a script."""
    for field in fields(job):
        value = getattr(job, field.name)
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and {"\n", "\r", "\0"} & {*text}:
                raise UsageError(f"{field.name}: {literal(text)} has a line end in it")


def limit_seconds(text: str) -> int | None:
    """Return a time limit in seconds, None for no limit.

    Raises
    ------
    UsageError
        If it is none that Slurm takes.

    Examples
    --------
    >>> limit_seconds("90"), limit_seconds("1:30"), limit_seconds("04:00:00"), limit_seconds("1-12")
    (5400, 90, 14400, 129600)
    """
    if text.upper() in ("UNLIMITED", "INFINITE"):
        return None
    days, _, rest = text.rpartition("-")
    if not re.fullmatch(rf"{_TIME}-{_TIME}(:{_TIME}){{0,2}}|{_TIME}(:{_TIME}){{0,2}}", text):
        raise UsageError(f"--time {text}: write it as Slurm does: minutes, H:M:S, D-H or D-H:M:S")
    numbers = [int(part) for part in rest.split(":")]
    units = (3600, 60, 1) if days or len(numbers) == 3 else (60, 1)
    return int(days or 0) * 86400 + sum(n * unit for n, unit in zip(numbers, units, strict=False))
