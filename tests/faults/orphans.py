"""Processes of a job are killed and stopped at random moments of its life: five seconds later nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.jobs import TIMEOUT_S, Job, job, make_folder, marked_processes
from tests.faults.table import Row

#: Seconds after which nothing may be left of a job of which a process was killed.
NOTHING_LEFT_S = 5.0
ROLES = ("launch", "mpiexec", "proxy", "rank")
_NO_FAULT = "9|never|kill"
_LAUNCHERS = ("mpiexec", "mpirun", "prterun")
_PROXIES = ("hydra_pmi_proxy", "prted")


@dataclass(frozen=True)
class Attack:
    """Processes, by role, that are stopped and then killed, so many seconds after the job was started.

    `stopped` are only stopped; a "rank" is one of them at random, "ranks" are all. `cold` jobs have no kernels yet.
    """

    after_s: float
    killed: tuple[str, ...]
    stopped: tuple[str, ...] = ()
    cold: bool = False

    def __str__(self) -> str:
        stopped = f", {'+'.join(self.stopped)} stopped" if self.stopped else ""
        return f"{'+'.join(self.killed)} killed{stopped} after {self.after_s:.2f} s{' (cold)' if self.cold else ''}"


@dataclass(frozen=True)
class Outcome:
    """What was killed, how long it took until nothing was left, and what stayed; no victim says nothing."""

    victims: int
    seconds: float
    left: tuple[str, ...]
    files: tuple[str, ...]


def role_of(process: int) -> str:
    """Return what a process of a job is; empty for one that is gone, or that we know nothing of."""
    with contextlib.suppress(OSError):
        words = _words(process)
        name = Path(words[0]).name
        if "ddp_mlp.cluster.launch.keeper" in words:
            return "keeper"
        if name.startswith(_LAUNCHERS) and "--version" not in words:
            return "mpiexec"
        if name in _PROXIES:
            return "proxy"
        if name.startswith("python"):
            is_copy = words == _words(_parent(process))  # of a rank, which writes its report
            return "launch" if "launch" in words else "rank" if "ddp_mlp" in words and not is_copy else "helper"
    return ""


def _words(process: int) -> list[str]:
    return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")


def _parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def roles(started: Job) -> set[str]:
    """Return what processes a job has."""
    return {role_of(process) for process in marked_processes(started.mark)}


def attack(
    folder: Path,
    plan: Attack,
    rng: random.Random,
    *arguments: str,
    until: Callable[[Job], bool] = lambda _: True,
    **start: Any,
) -> Outcome:
    """Start a job of two ranks, attack it when it is there and `until` returns True, and see what is left.

    `start` are more options of `job`.
    """
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-cold-") as cold:
        # Before the configuration is in force, another time-out is; kernels take longer to compile than either.
        # What is not in the chosen cache is looked for in that of the user.
        nothing = {"DDP_MLP_CACHE_DIR": cold, "XDG_CACHE_HOME": cold}
        environment = nothing if plan.cold else {"DDP_MLP_TRAIN_TIMEOUT_S": f"{TIMEOUT_S}"}
        with job(folder, _NO_FAULT, *arguments, **environment, **start) as started:
            started.wait_for("the moment of the attack", lambda: until(started))
            time.sleep(plan.after_s)
            return _strike(started, plan, rng)


def _strike(started: Job, plan: Attack, rng: random.Random) -> Outcome:
    by_role = {role: _with_role(started, role, rng) for role in {*plan.killed, *plan.stopped}}
    victims = [process for role in plan.killed for process in by_role[role]]
    if started.process.poll() is not None or not victims:
        return Outcome(0, 0.0, (), ())
    stopped = [process for role in plan.stopped for process in by_role[role] if process not in victims]
    for number, processes in ((signal.SIGSTOP, stopped), (signal.SIGSTOP, victims), (signal.SIGKILL, victims)):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
    struck, paused = time.monotonic(), {started.process.pid} & set(stopped)
    if paused:  # which lives, and so its keeper does
        paused |= set(_with_role(started, "keeper", rng))
    limit = NOTHING_LEFT_S + (TIMEOUT_S if stopped else 0)
    left = _wait(started, struck + limit, but=paused)
    seconds = time.monotonic() - struck
    if paused:  # somebody lets the job pause; when it goes on it finds that it has ended
        started.process.send_signal(signal.SIGCONT)
        left = _wait(started, time.monotonic() + limit)
    started.process.poll()
    return Outcome(len(victims), seconds, tuple(left), started.files_left() if not left else ())


def _with_role(started: Job, role: str, rng: random.Random) -> list[int]:
    wanted = "rank" if role == "ranks" else role
    found = [process for process in marked_processes(started.mark) if role_of(process) == wanted]
    return rng.sample(found, 1) if role == "rank" and found else found


def _wait(started: Job, until: float, but: Iterable[int] = ()) -> list[str]:
    """Wait until nothing but these processes is left of a job; return the roles of what is."""
    while True:
        started.process.poll()
        left = [process for process in marked_processes(started.mark) if process not in but]
        if not left or time.monotonic() > until:
            return [f"{role_of(process)} {process}" for process in left]
        time.sleep(0.02)


def life_s(folder: Path, *arguments: str) -> float:
    """Return how long a job takes that nobody disturbs."""
    began = time.monotonic()
    with job(folder, _NO_FAULT, *arguments) as started:
        started.process.wait(timeout=120)
    return time.monotonic() - began


def random_attack(rng: random.Random, life: float, *, cold: bool = False) -> Attack:
    """Draw who is killed, who is stopped before, and when."""
    killed = tuple(rng.sample(ROLES, rng.choice((1, 1, 1, 2, 3))))
    stopped = tuple(rng.sample((*ROLES, "ranks"), rng.choice((0, 0, 1, 2))))
    # Kernels take half a minute or more to compile; it begins after a second.
    return Attack(rng.uniform(1.0, 12.0) if cold else rng.uniform(0.0, life), killed, stopped, cold)


def outliving(n: int, seed: int = 0) -> list[Row]:
    """Attack `n` jobs at random moments, every tenth while it compiles."""
    rng = random.Random(seed)  # noqa: S311
    warm = Row("processes of a job killed and stopped", note=f"seed {seed}")
    cold = Row("the same while kernels are compiled", note=f"seed {seed}")
    arguments = ("--set", "train.epochs=1500")
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-") as name:
        folder = make_folder(Path(name))
        life = life_s(folder, *arguments)
        for i in range(n):
            row, plan = (cold, random_attack(rng, life, cold=True)) if i % 10 == 9 else (warm, random_attack(rng, life))
            outcome = attack(folder, plan, rng, *arguments)
            if not outcome.victims:
                continue
            row.trials += 1
            row.seconds.append(outcome.seconds)
            row.check(good=not outcome.left, otherwise=f"{plan}: left {outcome.left}")
            row.check(good=not outcome.files, otherwise=f"{plan}: files {outcome.files}")
            sys.stderr.write(f"{plan}: {outcome}\n" if outcome.left or outcome.files else "")
    return [warm, cold]
