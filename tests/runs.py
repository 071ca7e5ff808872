"""Starting the program as users do, each time with a deadline, and leaving nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.inside import clean_environment, exit_code, set_up_like_a_process
from tests.world import N_RANKS, Job, the_world

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
early_stopping_patience = 0
global_batch_size = 20
micro_batches = 4
[checkpoint]
every_epochs = 7
"""

#: The first lines of configurations that train on the moons; a learning rate is to follow.
MOONS = """
[data]
train = "moons.h5"
valid_fraction = 0.2
[model]
hidden = [8]
[optimizer]
name = "adam"
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


def run(command: list[str], cwd: Path, keep: socket.socket | None = None, **environment: str) -> Finished:
    """Run a command in a process group of its own; kill all of it at the deadline."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**clean_environment(), "DDP_MLP_PROGRESS": "none", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        pass_fds=[keep.fileno()] if keep else [],
    )
    try:
        out, err = process.communicate(timeout=DEADLINE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return Finished(process.returncode, out, err)


#: Commands that start processes by themselves, whose words nobody in this process could hear.
_STARTERS = {"launch", "demo", "doctor"}


def ddp_mlp(
    *arguments: str | Path,
    cwd: Path,
    ranks: int = 1,
    threads: int = 1,
    launched: bool = False,
    fault: Sequence[str] = (),
    keep: socket.socket | None = None,
    **environment: str,
) -> Finished:
    """Run ``ddp-mlp ARGUMENTS`` and return how it ended.

    Parameters
    ----------
    launched : bool
        In processes of its own, as a user does. Else one rank is this process, and up to four
        are ranks that stay for the whole session (`tests/mpi/waiting.py`), as far as that can be
        the same: not for what is chosen when a process starts or a library is loaded.
    fault : sequence of str
        Of `tests/mpi/faulty.py`, for ranks that stay.
    keep : socket
        One that a process of its own inherits.
    """
    words = [str(argument) for argument in arguments]
    if launched or _needs_processes(words, ranks, environment):
        assert not fault
        launch = ["launch", "-n", str(ranks), "--threads-per-rank", str(threads)]
        prefix = launch if ranks > 1 or threads > 1 else []
        return run([sys.executable, "-m", "ddp_mlp", *prefix, *words], cwd, keep, **environment)
    environment = {"DDP_MLP_PROGRESS": "none", "DDP_MLP_THREADS_PER_RANK": str(threads), **environment}
    if ranks > 1 or fault:
        job = Job("ddp_mlp.cli.main:run", words, str(cwd), ranks, environment, fault)
        return Finished(*the_world().run(job, DEADLINE_S))
    return _inside(words, cwd, environment)


def on_ranks(module: str, *arguments: str | Path, cwd: Path, ranks: int, **environment: str) -> Finished:
    """Run ``python -m MODULE ARGUMENTS`` on ranks: those that stay if they are enough, else others."""
    words = [str(argument) for argument in arguments]
    if ranks <= N_RANKS:
        return Finished(*the_world().run(Job(f"{module}:main", words, str(cwd), ranks, environment), DEADLINE_S))
    from ddp_mlp.cluster.launch.launch import launch_environment, ranks_command
    from ddp_mlp.cluster.launch.launchers import find_launcher

    launcher = find_launcher()
    command = ranks_command(launcher, ranks, ["-m", module, *words])
    root = {"PYTHONPATH": str(Path(__file__).parents[1])}
    return run(command, cwd, **launch_environment(launcher, 1, {**root, **environment}))


def _needs_processes(words: list[str], ranks: int, environment: dict[str, str]) -> bool:
    ours = all(name.startswith("DDP_MLP_") and name != "DDP_MLP_CACHE_DIR" for name in environment)
    pins = any("train.isa=" in word for word in words)
    return words[0] in _STARTERS or pins or not ours or ranks > N_RANKS


def _inside(words: list[str], cwd: Path, environment: dict[str, str]) -> Finished:
    from ddp_mlp.cli.main import run as main

    with tempfile.TemporaryDirectory(prefix="ddp-mlp-said-") as name:
        out, err = Path(name) / "out", Path(name) / "err"
        with set_up_like_a_process(words, cwd, {**clean_environment(), **environment}, out, err):
            code = exit_code(main)
        return Finished(code, out.read_text(), err.read_text())


def make_data(folder: Path, name: str, samples: int | None = None, seed: int = 0, out: str = "") -> None:
    """Make a data set, NAME.h5 or `out`, in a folder."""
    size = [] if samples is None else ["--samples", str(samples)]
    made = ddp_mlp(
        "data", "make", name, *size, "--seed", str(seed), "--out", out or f"{name}.h5", "--force", cwd=folder
    )
    assert made.code == 0, made.err


def prepare(folder: Path, config: str, data: str, samples: int | None = None, seed: int = 0) -> Path:
    """Make a data set, and ``c.toml`` beside it; return the folder."""
    make_data(folder, data, samples, seed)
    (folder / "c.toml").write_text(config)
    return folder


def train_here(
    folder: Path,
    name: str,
    *overrides: str,
    told: list[str] | None = None,
    at_report: Callable[[], object] = lambda: None,
    **options: Any,
) -> dict[str, Any]:
    """Train as ``c.toml`` of a folder says, below the command line, where errors are exceptions.

    Parameters
    ----------
    told : list of str
        Gets the lines for the user.
    at_report : callable
        Called at each report of progress.
    options : dict
        Of `RunOptions`.
    """
    from ddp_mlp.comm import SingleProcess
    from ddp_mlp.config import load_config
    from ddp_mlp.run.run import Run, RunOptions

    config = load_config(folder / "c.toml", overrides, {})
    tell = (told if told is not None else []).append
    return Run(config, RunOptions(folder / name, **options), SingleProcess(), tell).execute(lambda _: at_report())


def make_long_run(folder: Path, epochs: int) -> None:
    """Write ``spirals.h5`` and ``c.toml``, to be disturbed: 150 epochs take about ten seconds on two ranks."""
    make_data(folder, "spirals", 6000)
    write_long_config(folder / "c.toml", epochs)


def write_long_config(path: Path, epochs: int) -> None:
    """Write a configuration for the spirals of `make_long_run`."""
    path.write_text(_LONG_CONFIG.format(epochs=epochs))
