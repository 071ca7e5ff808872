"""A real Slurm with two nodes on this host, brought up by `slurm/test-cluster`, and what tests ask of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ddp_mlp.cluster.slurm.controller import parse_job
from tests.runs import Finished, run

SCRIPT = Path(__file__).parents[2] / "slurm" / "test-cluster"


def what_is_missing() -> str:
    """Return why no cluster can be brought up here, empty if one can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    programs = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol", "munged")
    missing = [name for name in programs if not shutil.which(name, path=path)]
    return f"{', '.join(missing)} not installed (Debian: slurm-wlm, munge)" if missing else ""


def require_slurm() -> None:
    """Skip a test where no cluster can be brought up; where it may not be skipped, fail."""
    if missing := what_is_missing():
        assert "DDP_MLP_REQUIRE_SLURM" not in os.environ, f"Slurm is required here: {missing}"
        pytest.skip(missing)


@contextmanager
def running_cluster(directory: Path) -> Iterator[Cluster]:
    """Bring a cluster up in `directory`, and down whatever happens."""
    try:
        subprocess.run([SCRIPT, "up", directory], check=True, timeout=90, stdout=subprocess.DEVNULL)
        yield Cluster(directory)
    finally:
        subprocess.run([SCRIPT, "down", directory], check=False, timeout=90)


class Cluster:
    """Commands on the cluster. Every wait has a deadline."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.environment = {"SLURM_CONF": str(directory / "slurm.conf"), "DDP_MLP_PROGRESS": "none"}

    def call(self, *command: str | Path, cwd: Path | None = None) -> Finished:
        """Run a command as a user of the cluster."""
        return run([*map(str, command)], cwd or self._directory, **self.environment)

    def ddp_mlp(self, *arguments: str | Path, cwd: Path) -> Finished:
        """Run ``ddp-mlp ARGUMENTS`` on the login node."""
        return self.call(sys.executable, "-m", "ddp_mlp", *arguments, cwd=cwd)

    def node(self, action: str, name: str) -> None:
        """Kill or start a node."""
        subprocess.run([SCRIPT, action, self._directory, name], check=True, timeout=60)

    def job(self, job_id: str | int) -> dict[str, str]:
        """Return the fields of a job."""
        return parse_job(self.call("scontrol", "show", "job", "--oneliner", str(job_id)).out)

    def wait(
        self,
        job_id: str | int,
        is_so: Callable[[dict[str, str]], bool],
        seconds: float = 90,
        *,
        hurries: bool = True,
    ) -> dict[str, str]:
        """Wait for a job to be as wanted, and return its fields.

        Slurm keeps a requeued job out of the queue for two minutes. In a hurry, it may start as
        soon as its daemons are gone. Not before: they take the sockets of PMI away with them,
        which have the same names as those of the next start. Nor within the second in which they
        were killed: slurmd tells the credential of a start from the one that it revoked by whole
        seconds. After the loss of a node it needs the two minutes: once the node is back, the
        order to end the job may still reach it.
        """
        until = time.monotonic() + seconds
        while True:
            fields = self.job(job_id)
            if is_so(fields):
                return fields
            if hurries and fields.get("Reason") == "BeginTime" and not self._has_daemons(fields["JobId"]):
                time.sleep(1.1)
                self.call("scontrol", "update", f"JobId={job_id}", "StartTime=now")
            assert time.monotonic() < until, f"{fields}\n{self.logs()}\n{last_lines(Path(fields.get('StdOut', '-')))}"
            time.sleep(0.2)

    def _has_daemons(self, job_id: str) -> bool:
        return self.call("pgrep", "-f", rf"^slurmstepd: \[{job_id}\.").code == 0

    def wait_for_end(self, job_id: str | int, seconds: float = 180, *, hurries: bool = True) -> dict[str, str]:
        """Wait for a job to be over for good."""
        alive = ("PENDING", "CONFIGURING", "RUNNING", "SIGNALING", "SUSPENDED", "COMPLETING", "REQUEUED")
        return self.wait(job_id, lambda fields: fields.get("JobState") not in alive, seconds, hurries=hurries)

    def preempt(self, nodes: int = 2) -> None:
        """Let a job of more importance take the nodes for a moment."""
        done = self.call(
            "sbatch", "--partition=high", "--exclusive", f"--nodes={nodes}", "--output=/dev/null", "--wrap=sleep 1"
        )
        assert done.code == 0, done.err

    def logs(self) -> str:
        """Return the last lines of the daemons' logs."""
        return "\n".join(map(last_lines, self._directory.glob("*.log")))


def last_lines(path: Path) -> str:
    """Return the name of a file and its last lines, if it is there."""
    return "\n".join([path.name, *(path.read_text().splitlines()[-15:] if path.is_file() else ())])


class Submitted:
    """A job that trains, its run directory, and what they tell."""

    def __init__(self, cluster: Cluster, folder: Path, name: str, *options: str, config: str = "c.toml") -> None:
        self._cluster = cluster
        self.run = folder / name
        done = cluster.ddp_mlp("slurm", "submit", config, "--out", name, *options, "--json", cwd=folder)
        self.id = int(done.result["job_id"])

    def wait_for_epochs(self, count: int, seconds: float = 90, run: Path | None = None) -> None:
        """Wait until the run has finished so many epochs."""
        metrics, until = (run or self.run) / "metrics.csv", time.monotonic() + seconds
        while not metrics.exists() or len(metrics.read_text().splitlines()) <= count:
            assert time.monotonic() < until, f"{self._cluster.job(self.id)}\n{self.log}"
            time.sleep(0.05)

    @property
    def log(self) -> str:
        """What batch shell and ranks wrote, over all starts."""
        return "\n".join(path.read_text() for path in sorted(self.run.glob("slurm-*.out")))

    @property
    def status(self) -> dict[str, object]:
        """The run's own word."""
        return json.loads((self.run / "status.json").read_text())
