"""Compiling kernels ahead of their first use, for whoever reads the cache later."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.cache_directory import cache_root, is_private
from ddp_mlp.core.kernels.machine_code import check_jit
from ddp_mlp.core.kernels.numba_ext.cache import find_code, keep_code
from ddp_mlp.engine.compilers import N_FUNCTIONS, compile_apart
from ddp_mlp.errors import OutputError


@dataclass(frozen=True)
class Kept:
    """Where machine code lies, and whether it was made just now."""

    file: Path
    is_new: bool


def compile_ahead(dtype: str, tell: Callable[[str], None], watch: Callable[[float], None]) -> Kept:
    """Compile all kernels for training in `dtype` into the cache, unless they are there.

    Parameters
    ----------
    tell : callable
        Called with a line for the user if compiling will take a while.
    watch : callable
        Called, from any thread, with the share that is done.

    Raises
    ------
    UsageError
        If Numba was told to compile nothing.
    OutputError
        If the directory that was chosen cannot keep them.
    """
    check_jit()
    root = cache_root()
    if (found := find_code(dtype)) and _is_below(found, root):
        return Kept(found, is_new=False)
    if not _can_keep(root):
        raise _refused(root)
    tell(f"compiling kernels for {dtype}")
    heard = 0

    def hear() -> None:
        nonlocal heard
        heard += 1
        watch(min(heard / N_FUNCTIONS, 1.0))

    kept = keep_code(dtype, compile_apart(dtype, hear))
    if kept is None or not _is_below(kept, root):
        raise _refused(root)
    return Kept(kept, is_new=True)


def _can_keep(root: Path) -> bool:
    """Make the cache, and tell whether it can keep kernels if it has room, which shows when they are written."""
    with suppress(OSError, RuntimeError):  # Path.resolve raises the latter, before Python 3.13, of a link to itself
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return is_private(root.resolve()) and os.access(root, os.W_OK | os.X_OK)
    return False


def _refused(root: Path) -> OutputError:
    return OutputError(
        f"the kernels cannot be kept in {root}: it must have room, and let you write, and nobody else; "
        "mend that, or set DDP_MLP_CACHE_DIR to another directory"
    )


def _is_below(file: Path, root: Path) -> bool:
    return file.resolve().parent == root.resolve()
