"""Faults from outside: with this directory on PYTHONPATH, one rank fails where it is told to.

``DDP_MLP_TEST_FAULT="1|step 40|sleep"``: rank 1, as soon as it stands at step 40 or later, sleeps.
The place is "start" (before anything else), "step N", or a part of a phrase of `RankStatus.at`.
An action that ends with " when saved" waits until the run has a checkpoint on disk.
``DDP_MLP_TEST_COMPILE_S=6``: no kernels are kept, and compiling takes rank 0 so many seconds, rank 1 twice as many.
With ``DDP_MLP_TEST_FAULT_COUNT=FILE`` each fault takes a byte from that file, and without one none comes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import Any


def _rank() -> str:
    return os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK", "0"))


def _may_fail() -> bool:
    count = os.environ.get("DDP_MLP_TEST_FAULT_COUNT")
    if count is None:
        return True
    left = os.path.getsize(count)  # noqa: PTH202 - before anything is imported
    os.truncate(count, max(0, left - 1))
    return left > 0


def _wait_for_checkpoint() -> None:
    from pathlib import Path

    checkpoints, until = Path(sys.orig_argv[sys.orig_argv.index("--out") + 1], "checkpoints"), time.monotonic() + 60
    while not [*checkpoints.glob("step-*.h5")] and time.monotonic() < until:
        time.sleep(0.01)


def _act(action: str) -> None:
    if not _may_fail():
        return
    what, *waits = action.split(" when saved")
    if waits:
        _wait_for_checkpoint()
    name, _, amount = what.partition("=")
    seconds = float(amount or 1000)
    os.write(2, f"fault {name} at {time.time():.3f}\n".encode())
    if name == "raise":
        raise RuntimeError("injected")
    if name == "memory":
        raise MemoryError("injected")
    if name == "exit":
        sys.exit(7)
    if name == "leave":
        os._exit(int(amount or 7))
    if name == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if name == "segfault":
        ctypes.string_at(0)
    if name == "sleep":
        time.sleep(seconds)
    if name == "restless":  # saves follow each other without a pause
        from ddp_mlp.run import recorder

        recorder.REST, recorder.LOOK_EVERY_S = 0.0, 0.001
    if name == "hold":  # with the interpreter held, as by a library that reads from a dead file system
        ctypes.PyDLL(None).sleep(int(seconds))


def _arm(place: str, action: str) -> None:
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from ddp_mlp.comm.liveness.rank_status import RankStatus

    rank_status: Any = RankStatus  # its methods are replaced
    at, at_step = rank_status.at, rank_status.at_step
    wanted = int(place.removeprefix("step ")) if place.startswith("step ") else None
    armed = [True]

    def act_once() -> None:
        if armed.pop() if armed else False:
            _act(action)

    def fail_at(self: RankStatus, phrase: str) -> None:
        at(self, phrase)
        if wanted is None and place in phrase:
            act_once()

    def fail_at_step(self: RankStatus, step: int) -> None:
        at_step(self, step)
        if wanted is not None and step >= wanted:
            act_once()

    rank_status.at, rank_status.at_step = fail_at, fail_at_step


def _compile_slowly(seconds: float) -> None:
    from ddp_mlp.core.kernels import compiling
    from ddp_mlp.core.kernels.numba_ext import cache

    read, rank = cache.read_code, int(_rank())

    def compile_kernels(dtype: str) -> bytes | None:
        time.sleep(seconds * (1 + rank))
        return read(dtype)

    patched: Any = (cache, compiling)
    patched[0].read_code = lambda _dtype: None
    patched[1].compile_kernels = compile_kernels


def _install() -> None:
    rank, place, action = os.environ["DDP_MLP_TEST_FAULT"].split("|")
    if _rank() != rank:
        return
    if place == "start":
        _act(action)
    else:
        _arm(place, action)


if "ddp_mlp" in " ".join(sys.orig_argv) and "launch" not in sys.orig_argv:
    if "DDP_MLP_TEST_COMPILE_S" in os.environ:
        _compile_slowly(float(os.environ["DDP_MLP_TEST_COMPILE_S"]))
    if "DDP_MLP_TEST_FAULT" in os.environ:
        _install()
