"""Studies of many trials that are killed at random times, the whole job or one of its processes, and go on."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.faults.jobs import DEADLINE_S, finish_program, start_program
from tests.faults.table import Row

_EPOCHS = 4
_CONFIG = f"""
[data]
train = "moons.h5"
[model]
hidden = [6]
[train]
epochs = {_EPOCHS}
early_stopping_patience = 0
"""


def _start(folder: Path, name: str, n_trials: int, ranks: int) -> subprocess.Popen[str]:
    """Start a study on so many ranks, or in two processes of its own; later starts go on with it."""
    tries = ["--try", f"train.seed={list(range(n_trials))}"]
    search = ["search", "c.toml", *tries, "--parallel", "2", "--out", name, "--resume", "--json"]
    return start_program(folder, ranks, *search)


def _below(process: subprocess.Popen[str]) -> list[int]:
    """Return the ranks, or the processes for trials, of a job."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    found, newest = set[int](), {process.pid}
    while newest := {child for child, parent in parents.items() if parent in newest}:
        found |= newest
    return [one for one in sorted(found) if _trains(one)]


def _trains(process: int) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        return b"search" in words or b"ddp_mlp.study.execution.process" in words
    return False


def _done(folder: Path) -> int:
    """Return how many trials have come to their end."""
    return sum(b'"state": "finished"' in path.read_bytes() for path in folder.glob("trial-*/status.json"))


def _await_more(folder: Path, n_more: int, process: subprocess.Popen[str]) -> None:
    wanted, until = _done(folder) + n_more, time.monotonic() + DEADLINE_S
    while process.poll() is None and _done(folder) < wanted and time.monotonic() < until:
        time.sleep(0.02)


def _strike(process: subprocess.Popen[str], folder: Path, rng: random.Random) -> str:
    """Kill the whole job; or one of its processes, and then, if it goes on, a little later the whole job."""
    below, kind = _below(process), "job"
    with contextlib.suppress(ProcessLookupError):
        if below and rng.random() < 0.6:
            kind = "process"
            os.kill(rng.choice(below), signal.SIGKILL)
            _await_more(folder, rng.randint(2, 4), process)
        os.killpg(process.pid, signal.SIGKILL)
    until = time.monotonic() + DEADLINE_S
    while any(map(_trains, below)) and time.monotonic() < until:
        time.sleep(0.01)
    return kind


def _faults_of(folder: Path, result: dict[str, Any], expected: dict[str, str]) -> list[str]:
    """Return what is wrong with a study that has come to its end."""
    found = {trial["name"]: trial.get("weights_sha256", trial["status"]) for trial in result["trials"]}
    wrong = [name for name in expected if found.get(name) != expected[name]]
    epochs = [str(epoch) for epoch in range(1, _EPOCHS + 1)]
    for name in expected:
        rows = (folder / name / "metrics.csv").read_text().splitlines()[1:]
        if [row.split(",")[0] for row in rows] != epochs:
            wrong.append(f"{name}: {len(rows)} rows")
    more = sorted(path.name for path in folder.glob("trial-*") if path.name not in expected)
    return [*wrong, *more]


def killed_studies(n_trials: int, n_kills: int, seed: int = 0) -> Row:
    """Kill a study at random times, and let it end: each trial has run to its end once, with the bits of before."""
    row, rng = Row("kill -9 of a study, or of one of its processes", note=f"seed {seed}"), random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-studies-") as temporary:
        folder = Path(temporary)
        make = [sys.executable, "-m", "ddp_mlp", "data", "make", "moons", "--samples", "60", "--out", "moons.h5"]
        subprocess.run(make, cwd=folder, check=True, capture_output=True)
        (folder / "c.toml").write_text(_CONFIG)
        code, out, err = finish_program(_start(folder, "whole", n_trials, 1))
        row.check(good=code == 0, otherwise=f"undisturbed: exit code {code}: {err[-500:]}")
        expected = {trial["name"]: trial["weights_sha256"] for trial in json.loads(out)["trials"]}
        row.check(good=len(expected) == n_trials, otherwise=f"{len(expected)} trials undisturbed")
        code = -1
        struck = {"job": 0, "process": 0}
        while row.trials < n_kills and code != 0:
            process = _start(folder, "study", n_trials, rng.choice((1, 2)))
            _await_more(folder / "study", rng.randint(0, n_trials // n_kills), process)
            time.sleep(rng.uniform(0, 0.3))
            struck[_strike(process, folder / "study", rng)] += 1
            code, out, err = finish_program(process)
            row.trials += 1
            row.check(good=code in (-9, 0, 70, 137), otherwise=f"exit code {code}: {err[-500:]}")
        row.note += f"; {struck['process']} times a process, {struck['job']} times the job"
        row.note += f", {_done(folder / 'study')} of {n_trials} trials done before the last start"
        code, out, err = finish_program(_start(folder, "study", n_trials, 1))
        row.check(good=code == 0, otherwise=f"in the end: exit code {code}: {err[-500:]}")
        if code == 0:
            wrong = _faults_of(folder / "study", json.loads(out), expected)
            row.check(good=not wrong, otherwise=f"{len(wrong)} of {n_trials} trials: {wrong[:5]}")
    return row
