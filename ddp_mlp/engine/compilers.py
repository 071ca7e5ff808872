"""Compiling in processes beside this one, which share the work, and leave this one small and free to stop."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import ddp_mlp
from ddp_mlp.core.kernels.machine_code import CODE, PART, TOGETHER
from ddp_mlp.core.kernels.numba_ext.cache import file_name

#: Functions that are compiled in all, about, and as many more as LLVM, which comes last, takes the time of.
N_FUNCTIONS = 300


def compile_apart(dtype: str, heard: Callable[[], None]) -> bytes:
    """Compile all kernels for training in `dtype`, in two processes where there are two cores.

    Where that fails, say because no process can be started, they are compiled here.

    Parameters
    ----------
    heard : callable
        Called, from any thread, after each of almost `N_FUNCTIONS` functions.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    units = TOGETHER if cores > 1 else (sum(TOGETHER, ()),)
    parts = _from_processes(dtype, units, heard)
    return b"".join(parts) if all(parts) else _compile_here(dtype)


def _compile_here(dtype: str) -> bytes:
    from ddp_mlp.core.kernels.compiling import compile_kernels  # with Numba, which takes long to load

    return compile_kernels(dtype)


def _from_processes(dtype: str, units: Sequence[Sequence[str]], heard: Callable[[], None]) -> list[bytes]:
    """Return the machine code of each unit; empty where it could not be had."""
    found = [b""] * len(units)
    with ExitStack() as stack:
        try:
            processes = [stack.enter_context(_start(dtype, unit)) for unit in units]
        except OSError:
            return found

        def listen(place: int) -> None:
            found[place] = _code_of(processes[place].stdout, file_name(dtype), heard)

        listeners = [threading.Thread(target=listen, args=(place,)) for place in range(len(units))]
        for listener in listeners:
            listener.start()
        for listener in listeners:
            listener.join()
    return found


def _start(dtype: str, unit: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process that compiles a unit, and imports what this one does."""
    places = [str(Path(ddp_mlp.__file__).parents[1]), *(path for path in sys.path if Path(path).is_absolute())]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "ddp_mlp.core.kernels.unit_compiler", dtype, *unit],
        stdin=subprocess.PIPE,  # it ends with this process, whose end of the pipe is then closed
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )


def _code_of(out: IO[bytes] | None, name: str, heard: Callable[[], None]) -> bytes:
    """Return the machine code that a process prints, if it was made for the same file of the cache."""
    for line in out or ():
        if line.rstrip() == PART:
            heard()
        elif line.startswith(CODE):
            made_for, length = line.removeprefix(CODE).decode().split()
            code = out.read(int(length)) if out else b""
            return code if (made_for, len(code)) == (name, int(length)) else b""
    return b""
