"""The line between a process and the one that started it: when that ends, this ends too, whatever it is doing.

The kernel kills a child at its parent's end if the child has asked for it, stopped and busy
ones too. Between ranks and their launcher stands a process of the launcher's own, which asks
for nothing; a rank therefore also looks at what stands above that one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import select
import signal
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ddp_mlp.comm.launcher import place_of
from ddp_mlp.errors import DdpMlpError

_PR_SET_PDEATHSIG = 1
#: Names of processes that a launcher puts between itself and the ranks of one machine.
_PROXIES = ("hydra_pmi_proxy",)
#: How long such a process may take to end its ranks once its launcher is gone.
_PATIENCE_S = 1.0


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends; a new program in its place keeps that, a child does not.

    Only Linux knows that; elsewhere processes go on.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def bound_to_this_process() -> Callable[[], None]:
    """Return a `preexec_fn` for a new child, so that it ends with this process; call it on the main thread.

    The kernel means the thread that starts the child, not the process.
    """
    parent = os.getpid()

    def bind() -> None:
        end_with_parent()
        if os.getppid() != parent:  # it has ended before it could be asked for
            os._exit(DdpMlpError.exit_code)

    return bind


def end_with_launcher(environment: Mapping[str, str] = os.environ) -> None:
    """Let this process, if it is a rank, end with what started it; call it before anything that takes time."""
    place = place_of(environment)
    if place and place.is_answered is not False:
        end_with_parent()
        if has_hung_up(launcher_socket(environment)):
            os._exit(DdpMlpError.exit_code)


def launcher_socket(environment: Mapping[str, str]) -> int:
    """Return the descriptor of the socket through which MPICH's launcher speaks to this rank; -1 without one."""
    number = environment.get("PMI_FD", "")
    with contextlib.suppress(OSError):
        if re.fullmatch(r"[0-9]{1,9}", number) and stat.S_ISSOCK(os.fstat(int(number)).st_mode):
            return int(number)
    return -1


def has_hung_up(descriptor: int) -> bool:
    """Tell whether the other end of a socket is closed."""
    if descriptor < 0:
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def parent_of(process: int) -> int:
    """Return the parent of a process, 0 where it is not known."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


class Lifeline:
    """The processes above a rank; `look` ends it when they are gone."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._parent = os.getppid()
        self._socket = launcher_socket(environment)
        self._above = parent_of(self._parent) if _name_of(self._parent) in _PROXIES else 0
        self._alone_since: float | None = None

    def look(self, now: float) -> None:
        """End this process if the one that started it is gone: it has no hearer, and nobody else would end it.

        A proxy whose launcher is gone ends its ranks. If it does not, since it is stopped, it is killed.
        """
        if os.getppid() != self._parent or has_hung_up(self._socket):
            os._exit(DdpMlpError.exit_code)
        if not self._above or parent_of(self._parent) == self._above:
            return
        self._alone_since = self._alone_since or now
        if now - self._alone_since > _PATIENCE_S:
            with contextlib.suppress(OSError):
                os.kill(self._parent, signal.SIGKILL)

    def wake_launcher(self) -> None:
        """Let the processes above go on if they are stopped, so that they can end the other ranks."""
        for process in (self._parent, self._above):
            if process > 1:
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGCONT)

    def forget_socket(self) -> None:
        """Look no longer at the socket of the launcher, which MPI is about to close."""
        self._socket = -1


def _name_of(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text().strip()
    return ""
