"""Runs that are stopped or killed at random times, and go on, on other ranks, to the same bits."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.jobs import DEADLINE_S, finish_program, make_folder, start_program
from tests.faults.table import Row

_EPOCHS = 400


def _start(folder: Path, name: str, ranks: int, *options: str) -> subprocess.Popen[str]:
    """Start a run of a few seconds; later starts go on with it."""
    train = ["train", "c.toml", "--set", f"train.epochs={_EPOCHS}", "--out", name, "--json", *options]
    return start_program(folder, ranks, *train)


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    code, out, err = finish_program(process)
    if code != 0:
        raise RuntimeError(f"exit code {code}: {err[-800:]}")
    found: dict[str, Any] = json.loads(out)
    return found


def _await_training(run: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + DEADLINE_S
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError, ValueError):
            if json.loads((run / "status.json").read_text())["state"] == "running":
                return
        time.sleep(0.005)


@contextmanager
def _undisturbed() -> Iterator[tuple[Path, str, float]]:
    """Provide a folder, the hash that its run ends with when left alone, and the seconds that it takes."""
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        folder = make_folder(Path(name))
        began = time.monotonic()
        expected = _result(_start(folder, "undisturbed", 1))["weights_sha256"]
        yield folder, expected, time.monotonic() - began


def stops(n: int, seed: int = 0) -> Row:
    """Stop runs with a signal at random times, each then resumed on another number of ranks."""
    row, rng = Row("stopped at a random step, resumed on other ranks", note=f"seed {seed}"), random.Random(seed)  # noqa: S311
    with _undisturbed() as (folder, expected, long_s):
        for i in range(n):
            ranks, then = rng.sample((1, 2, 3, 4), 2)
            process = _start(folder, f"run-{i}", ranks)
            _await_training(folder / f"run-{i}", process)
            time.sleep(rng.uniform(0, 0.5 * long_s))
            asked = time.monotonic()
            process.send_signal(rng.choice((signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)))
            code, _, err = finish_program(process)
            row.seconds.append(time.monotonic() - asked)
            row.trials += 1
            row.check(good=code in (0, 75), otherwise=f"{ranks} ranks: exit code {code}: {err[-500:]}")
            found = _result(_start(folder, f"run-{i}", then, "--resume"))["weights_sha256"]
            row.check(good=found == expected, otherwise=f"{ranks} ranks, then {then}: other weights")
    return row


def killed_jobs(n: int, seed: int = 0) -> Row:
    """Kill a whole job at random times, from its first instant on, and start it again each time."""
    row, rng = Row("kill -9 of a whole job, started again", note=f"seed {seed}"), random.Random(seed)  # noqa: S311
    with _undisturbed() as (folder, expected, long_s):
        run = 0
        for _ in range(n):
            process = _start(folder, f"run-{run}", 1, "--resume")
            time.sleep(rng.uniform(0, 0.7 * long_s))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            code, out, err = finish_program(process)
            row.trials += 1
            row.check(good=code in (-9, 0), otherwise=f"exit code {code}: {err[-500:]}")
            if code == 0:  # faster than the kill: the next one begins anew
                row.check(good=json.loads(out)["weights_sha256"] == expected, otherwise="other weights")
                run += 1
        found = _result(_start(folder, f"run-{run}", 2, "--resume"))["weights_sha256"]
        row.check(good=found == expected, otherwise="other weights at the end")
        row.note += f", {run + 1} runs to their end"
    return row
