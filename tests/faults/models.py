"""Whole jobs killed at random moments, in every way, while they save all the time: what a start then finds."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.checkpoint.checkpoint import newest_good
from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.core.layout import digest
from ddp_mlp.errors import DdpMlpError
from tests.faults.jobs import INJECT, Job, kill_marked, make_folder, marked_processes
from tests.faults.table import Row
from tests.runs import ddp_mlp

_EPOCHS = 1200
#: A rate so small that the best epoch keeps changing.
_RULES = tuple(
    word
    for rule in (f"train.epochs={_EPOCHS}", "checkpoint.every_steps=1", "optimizer.learning_rate=0.001")
    for word in ("--set", rule)
)
#: Seconds in which nothing of a job that was killed may be left.
_GONE_S = 5.0
_WAYS = ("all at once", "the launcher", "all but the ranks", "a rank", "a rank stopped, then all but the ranks")


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbed."""

    metrics: list[dict[str, str]]
    hashes: list[dict[str, str]]

    def best(self, epochs: int) -> int:
        """Return the best of the first epochs."""
        losses = [float(row["valid_loss"]) for row in self.metrics[:epochs]]
        return 1 + losses.index(min(losses))


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table without what was measured."""
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if not k.endswith("_s")} for row in csv.DictReader(file, strict=True)]


def _undisturbed(folder: Path) -> Whole:
    done = ddp_mlp("train", "c.toml", "--out", "whole", *_RULES, cwd=folder)
    assert done.code == 0, done.err
    return Whole(_rows(folder / "whole" / "metrics.csv"), _rows(folder / "whole" / "hashes.csv"))


def _announced(run: Path) -> int:
    """Return the newest step that a run has told of."""
    said = ""
    for name in ("log.txt", "status.json"):
        with contextlib.suppress(OSError):
            said += (run / name).read_text()
    return max((int(step) for step in re.findall(r'(?:saved |"checkpoint": ")step-(\d+)', said)), default=0)


def _is_rank(process: int) -> bool:
    with contextlib.suppress(OSError):
        environment = Path(f"/proc/{process}/environ").read_bytes()
        return b"PMI_RANK=" in environment or b"OMPI_COMM_WORLD_RANK=" in environment
    return False


def _kill(job: Job, way: str, rng: random.Random) -> None:
    processes = marked_processes(job.mark)
    ranks = [process for process in processes if _is_rank(process)]
    if way == "a rank":
        processes = [rng.choice(ranks)] if ranks else processes
    elif way == "the launcher":
        processes = [job.process.pid]
    elif "all but" in way:
        if "stopped" in way and ranks:
            _signal(rng.choice(ranks), signal.SIGSTOP)
        processes = [process for process in processes if process not in ranks]
    for process in processes:
        _signal(process, signal.SIGKILL)


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _wait_to_kill(job: Job, rng: random.Random) -> None:
    """Wait for a random time: from the start on, or from when the files of the run are ready."""
    began, until = time.time(), time.monotonic() + 60
    status, is_early = job.run / "status.json", rng.random() < 0.2
    while not is_early and job.process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError):
            if status.stat().st_mtime > began - 0.1:
                break
        time.sleep(0.002)
    time.sleep(rng.uniform(0, 2.0 if is_early else 1.0))


def _await_end(job: Job) -> float:
    """Return after how many seconds nothing of a job was left; more than allowed if something still is."""
    began = time.monotonic()
    while time.monotonic() < began + _GONE_S:
        if job.process.poll() is not None and not marked_processes(job.mark):
            return time.monotonic() - began
        time.sleep(0.01)
    return float("inf")


def _look(row: Row, folder: Path, run: Path, whole: Whole, case: str) -> bool:
    """Go on with a copy of what is left, not far, and compare; return whether its model had to be put right."""
    told, copy = _announced(run), folder / "look"
    shutil.rmtree(copy, ignore_errors=True)
    if run.exists():
        shutil.copytree(run, copy)
    found, _ = newest_good(copy / "checkpoints")
    row.check(good=(found.state.progress.step if found else 0) >= told, otherwise=f"{case}: step {told} is lost")
    was_wrong = bool(found) and _model_epoch(copy) != found.state.progress.best_epoch
    done = ddp_mlp(
        "train", "c.toml", "--out", "look", "--resume", "--json", *_RULES, "--set", "train.epochs=1", cwd=folder
    )
    row.check(good=done.code == 0, otherwise=f"{case}: exit code {done.code}: {done.err[-300:]}")
    if done.code == 0:
        _compare(row, copy, whole, json.loads(done.out)["epochs"], case)
        row.check(good=not list(copy.rglob(".*.tmp")), otherwise=f"{case}: a temporary file stays")
    return was_wrong


def _model_epoch(run: Path) -> int:
    try:
        return load_model(run).epoch
    except DdpMlpError:
        return 0


def _compare(row: Row, run: Path, whole: Whole, epochs: int, case: str) -> None:
    """Note a failure unless the model is the best so far, and the tables hold just what is done."""
    best, model = whole.best(epochs), load_model(run)
    same = digest(model.parameters) == whole.hashes[best - 1]["weights_sha256"]
    row.check(good=same, otherwise=f"{case}: model of epoch {model.epoch} where {best} of {epochs} is the best")
    for name, rows in (("metrics.csv", whole.metrics), ("hashes.csv", whole.hashes)):
        found = _rows(run / name)
        row.check(good=found == rows[:epochs], otherwise=f"{case}: {len(found)} rows in {name} after {epochs} epochs")


def killed_models(n: int, seed: int = 0) -> Row:
    """Kill jobs of up to three ranks that save as often as the disk lets them, and start them again."""
    row, rng = Row("kill -9 of jobs that save all the time", note=f"seed {seed}"), random.Random(seed)  # noqa: S311
    run, wrong, ways = 0, 0, dict.fromkeys(("alone", *_WAYS), 0)
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        folder = make_folder(Path(name))
        whole = _undisturbed(folder)
        for k in range(n):
            ranks = rng.choice((0, 0, 2, 3))
            way = rng.choice(_WAYS) if ranks else "alone"
            job = _start(folder, f"run-{run}", ranks)
            try:
                _wait_to_kill(job, rng)
                _kill(job, way, rng)
                row.seconds.append(_await_end(job))
                case = f"number {k}, {ranks} ranks, {way}"
                left = "" if row.seconds[-1] <= _GONE_S else str(marked_processes(job.mark))
                row.check(good=not left, otherwise=f"{case}: {left} left after {_GONE_S:g} s")
            finally:
                kill_marked(job.mark)
                job.process.wait()
            row.trials += 1
            ways[way] += 1
            wrong += _look(row, folder, job.run, whole, case)
            if job.process.returncode == 0:  # it came to its end before the kill: the next one begins anew
                _compare(row, job.run, whole, _EPOCHS, f"{case}, at the end")
                run += 1
        end = _start(folder, f"run-{run}", 2)
        row.check(good=end.process.wait(timeout=120) == 0, otherwise=end.err[-300:])
        _compare(row, end.run, whole, _EPOCHS, "at the end")
    told = ", ".join(f"{count} {way}" for way, count in ways.items())
    row.note += f", {run + 1} runs to their end; {wrong} models had to be put right; {told}"
    return row


def _start(folder: Path, name: str, ranks: int) -> Job:
    launch = ["launch", "-n", str(ranks)] if ranks else []
    command = [sys.executable, "-m", "ddp_mlp", *launch, "train", "c.toml", "--resume", "--progress", "none", *_RULES]
    restless = {"PYTHONPATH": str(INJECT), "DDP_MLP_TEST_FAULT": "0|while loading the data|restless"}
    return Job(folder, command, restless, name)
