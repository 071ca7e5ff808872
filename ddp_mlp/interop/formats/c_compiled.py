"""A C header compiled by the compiler of this machine, and called."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.layout import Floats
from ddp_mlp.durable import write_chosen
from ddp_mlp.errors import UsageError
from ddp_mlp.interop.portable import Portable

_FLAGS = ["-std=c99", "-O1", "-Wall", "-Werror", "-shared", "-fPIC"]
_DEADLINE_S = 600


def compiled_answers(content: bytes, model: Portable, x: NDArray[np.float64]) -> Floats:
    """Return the answers of the function of a header.

    Raises
    ------
    UsageError
        If there is no compiler, or it does not take the header.
    """
    with tempfile.TemporaryDirectory() as folder:
        prefix = re.findall(rb"void (\w+)_predict", content)[0].decode()
        predict = getattr(ctypes.CDLL(str(_library(content, prefix, Path(folder)))), f"{prefix}_predict")
    x, found = np.ascontiguousarray(x), np.empty((len(x), model.schema.n_outputs))
    for row, out in zip(x, found, strict=True):
        predict(ctypes.c_void_p(row.ctypes.data), ctypes.c_void_p(out.ctypes.data))
    return found


def _library(content: bytes, prefix: str, folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise UsageError("to check a C header a C compiler is needed, and there is none; install gcc, or leave --check")
    write_chosen(folder / "model.h", content)
    write_chosen(folder / "model.c", f'#define {prefix.upper()}_IMPLEMENTATION\n#include "model.h"\n'.encode())
    command = [compiler, *_FLAGS, "model.c", "-o", "model.so", "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_DEADLINE_S)
    if done.returncode:
        raise UsageError(f"{compiler} does not compile the header: {done.stderr[:300]}")
    return folder / "model.so"
