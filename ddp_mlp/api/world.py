"""The world of a process that uses the package: joined when first needed, and left when the process ends."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
from _sitebuiltins import Quitter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from ddp_mlp.comm import Communicator, SingleProcess, connect, is_agreed
from ddp_mlp.comm.launcher import is_rank_of_several
from ddp_mlp.errors import UsageError

#: Tells processes that a rank starts, such as those of a pool, that they are none.
_MARK = "DDP_MLP_RANK_PID"


@dataclass
class _World:
    """The ranks that were joined, and how they are left; `exit_code` is that of the last ``sys.exit``."""

    pid: int = 0
    comm: Communicator | None = None
    is_busy: bool = False
    exit_code: int = 0
    leaving: ExitStack = field(default_factory=ExitStack)


_WORLD = _World()


def is_rank() -> bool:
    """Tell whether this process is one of several ranks of a launcher, and not one that a rank has started."""
    if not is_rank_of_several(os.environ) or multiprocessing.parent_process() is not None:
        return False
    return os.environ.get(_MARK, str(os.getpid())) == str(os.getpid())


@contextmanager
def joined() -> Iterator[Communicator]:
    """Collective. Yield all ranks of the launcher; in a process of its own, that alone.

    An error that all ranks agreed on leaves this block. Any other is this rank's alone and ends the job, since the
    others would wait for this one for ever.

    Raises
    ------
    UsageError
        If ranks are at work in this process already.
    LaunchError
        If the MPI library and the launcher do not belong together.
    """
    if not is_rank():
        yield SingleProcess()
        return
    comm = _join()
    if _WORLD.is_busy:
        raise UsageError("the ranks are training already, in this process; let that end before anything else begins")
    _WORLD.is_busy = True
    try:
        yield comm
        comm.release_shared()
    except BaseException as error:
        if not is_agreed(error) and not isinstance(error, GeneratorExit):
            _WORLD.leaving.__exit__(type(error), error, error.__traceback__)
        comm.release_shared()
        raise
    finally:
        _WORLD.is_busy = False


def _join() -> Communicator:
    """Collective. Return the world of this process."""
    if _WORLD.comm is None:
        _WORLD.comm, _WORLD.pid = _WORLD.leaving.enter_context(connect()), os.getpid()
        os.environ[_MARK] = str(os.getpid())
        _note_exits()
        atexit.register(_leave)
    return _WORLD.comm


def _note_exits() -> None:
    """Remember the code that ``sys.exit``, ``exit`` and ``quit`` are given, which nobody is told when Python ends."""
    leave, quit_by = sys.exit, Quitter.__call__

    def note(code: object) -> None:
        _WORLD.exit_code = code & 0xFF if isinstance(code, int) else int(code is not None)

    def noted(code: str | int | None = None) -> NoReturn:
        note(code)
        leave(code)

    def noted_quit(quitter: Quitter, code: str | int | None = None) -> NoReturn:
        note(code)
        quit_by(quitter, code)

    sys.exit = noted
    Quitter.__call__ = noted_quit  # type: ignore[assignment, method-assign]


def _leave() -> None:
    """Collective. Leave the world in order, or end it where the script of this rank has ended or failed alone."""
    comm = _WORLD.comm
    if os.getpid() != _WORLD.pid or comm is None:
        return
    if has_failed_alone():
        comm.abort(130 if isinstance(sys.last_value, KeyboardInterrupt) else 1)
    if awaited := comm.awaited():
        place = f"[rank {comm.rank}/{comm.world_size} on {comm.host}]"
        sys.stderr.write(f"error {place}: the script of this rank has ended, but {awaited}\n")
        sys.stderr.flush()
        comm.abort(_WORLD.exit_code or 1)
    _WORLD.leaving.close()


def has_failed_alone() -> bool:
    """Tell whether the script of this rank ends with an error that not all ranks have met."""
    error = getattr(sys, "last_value", None)
    return error is not None and not is_agreed(error) and is_rank()
