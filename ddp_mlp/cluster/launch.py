"""Starting ranks with the launcher that belongs to this Python's MPI."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.errors import LaunchError

#: What `mpiexec --version` says, by vendor.
_SIGNS = {"mpich": ("HYDRA", "MPICH"), "openmpi": ("Open MPI", "OpenRTE", "PRRTE", "prte")}


@dataclass(frozen=True)
class Launcher:
    """An `mpiexec` and the vendor whose options it takes: mpich or openmpi."""

    path: str
    vendor: str


def find_launcher() -> Launcher:
    """Return the `mpiexec` beside this Python, or else the first on PATH.

    Raises
    ------
    LaunchError
        If there is none, or it is of no known vendor.
    """
    beside = Path(sysconfig.get_path("scripts")) / "mpiexec"
    path = str(beside) if beside.exists() else shutil.which("mpiexec") or shutil.which("mpirun")
    if not path:
        raise LaunchError(
            'no mpiexec beside this Python and none on PATH; install one with: pip install "ddp-mlp[mpich]", '
            "or load your cluster's MPI module"
        )
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)
    for vendor, signs in _SIGNS.items():
        if any(sign in shown.stdout + shown.stderr for sign in signs):
            return Launcher(path, vendor)
    raise LaunchError(
        f"{path} is neither of MPICH nor of Open MPI; start your launcher directly: mpiexec -n 4 ddp-mlp ..."
    )


def launch_command(launcher: Launcher, n_ranks: int, arguments: Sequence[str]) -> list[str]:
    """Return the command line that starts `n_ranks` times ``ddp-mlp ARGUMENTS``."""
    options = ["-n", str(n_ranks)]
    if launcher.vendor == "openmpi":
        # More ranks than cores are allowed, and a rank's threads may use every core.
        options += ["--oversubscribe", "--bind-to", "none"]
    return [launcher.path, *options, sys.executable, "-m", "ddp_mlp", *arguments]


def launch_environment(launcher: Launcher, threads: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the ranks."""
    chosen = dict(environment)
    chosen["DDP_MLP_THREADS_PER_RANK"] = str(threads)
    if launcher.vendor == "openmpi":
        if os.geteuid() == 0:
            chosen["OMPI_ALLOW_RUN_AS_ROOT"] = chosen["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        chosen.setdefault("OMPI_MCA_osc", "^ucx")  # it complains about networks that are not there
    return chosen


def launch(n_ranks: int, threads: int, arguments: Sequence[str]) -> int:
    """Run ``ddp-mlp ARGUMENTS`` on `n_ranks` ranks of this machine and return its exit code.

    One rank needs no launcher, and no MPI.
    """
    if n_ranks == 1:
        command = [sys.executable, "-m", "ddp_mlp", *arguments]
        environment = {**os.environ, "DDP_MLP_THREADS_PER_RANK": str(threads)}
    else:
        launcher = find_launcher()
        command = launch_command(launcher, n_ranks, arguments)
        environment = launch_environment(launcher, threads, os.environ)
    # In a session of its own, so that a Ctrl-C in the terminal comes through here only.
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    _pass_on_signals(process)
    return process.wait()


def _pass_on_signals(process: subprocess.Popen[bytes]) -> None:
    """Turn the first request to stop into SIGUSR1, which launchers hand to the ranks.

    At SIGTERM and Ctrl-C they would kill the ranks instead, so these are passed on only when
    they come again.
    """
    asked = False

    def receive(number: int, _frame: object) -> None:
        nonlocal asked
        process.send_signal(number if asked else signal.SIGUSR1)
        asked = True

    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, receive)
