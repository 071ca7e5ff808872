"""Starting the program as users do, each time with a deadline, and leaving nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Seconds after which a started program is killed and the test fails.
DEADLINE_S = 120

#: For `make_long_run`.
_LONG_CONFIG = """
[data]
train = "spirals.h5"
valid_fraction = 0.1
[model]
hidden = [64, 64]
[optimizer]
name = "adam"
learning_rate = 0.002
[train]
epochs = {epochs}
global_batch_size = 20
micro_batches = 4
[checkpoint]
every_epochs = 7
"""


@dataclass(frozen=True)
class Finished:
    """What a program left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def error_lines(self) -> list[str]:
        """The lines on standard error that report an error."""
        return [line for line in self.err.splitlines() if line.startswith("error")]


def run(command: list[str], cwd: Path, **environment: str) -> Finished:
    """Run a command in a process group of its own; kill all of it at the deadline."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PMI_", "OMPI_", "SLURM_"))}
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**clean, "DDP_MLP_PROGRESS": "none", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=DEADLINE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return Finished(process.returncode, out, err)


def ddp_mlp(*arguments: str | Path, cwd: Path, ranks: int = 1, threads: int = 1, **environment: str) -> Finished:
    """Run ``ddp-mlp ARGUMENTS``, under the launcher where there is more than one rank."""
    launch = ["launch", "-n", str(ranks), "--threads-per-rank", str(threads)]
    prefix = launch if ranks > 1 or threads > 1 else []
    return run([sys.executable, "-m", "ddp_mlp", *prefix, *map(str, arguments)], cwd, **environment)


def ranks_of(module: str, *arguments: str | Path, cwd: Path, ranks: int, **environment: str) -> Finished:
    """Run ``python -m MODULE ARGUMENTS`` on ranks of the launcher that belongs to this Python's MPI."""
    from ddp_mlp.cluster.launch import launch_command, launch_environment
    from ddp_mlp.cluster.launchers import find_launcher

    launcher = find_launcher()
    command = launch_command(launcher, ranks, list(map(str, arguments)))
    command[command.index("ddp_mlp")] = module
    chosen = launch_environment(launcher, 1, {"PYTHONPATH": str(Path(__file__).parents[1]), **environment})
    return run(command, cwd, **chosen)


def make_long_run(folder: Path, epochs: int) -> None:
    """Write ``spirals.h5`` and ``c.toml``, to be disturbed: 150 epochs take about ten seconds on two ranks."""
    assert ddp_mlp("data", "make", "spirals", "--samples", "6000", "--out", "spirals.h5", cwd=folder).code == 0
    write_long_config(folder / "c.toml", epochs)


def write_long_config(path: Path, epochs: int) -> None:
    """Write a configuration for the spirals of `make_long_run`."""
    path.write_text(_LONG_CONFIG.format(epochs=epochs))
