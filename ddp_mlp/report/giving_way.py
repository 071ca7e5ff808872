"""Giving way to a run that needs every core: at the lowest priority, in a session of its own.

Linux shares processor time between sessions first, then between the processes of one (autogroup, as most desktops and
servers have it): there a low priority counts among the processes of one terminal alone. So a session is needed too, of
which the whole has the lowest priority.

Source: sched(7), "The autogroup feature".
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

_LEAST_PRIORITY = 19
_HAS_GROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")


def give_way() -> None:
    """Go on only while nobody else has use for a core.

    Where that takes a session of its own, a new process goes on, and this one ends with it, with its exit code. There
    are no threads yet.
    """
    if _needs_session():
        _enter_session()
        lower_session(os.getpid(), _LEAST_PRIORITY)
    os.nice(_LEAST_PRIORITY)
    with suppress(OSError, AttributeError):  # not on every system
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def lower_session(leader: int, nice: int) -> None:
    """Lower the priority of the session that a process leads, where Linux shares time between these."""
    with suppress(OSError):
        Path(f"/proc/{leader}/autogroup").write_text(str(nice))


def _needs_session() -> bool:
    try:
        return _HAS_GROUPS.read_text().strip() == "1"
    except OSError:
        return False


def _enter_session() -> None:
    """Enter a session; the leader of a group of processes, such as a command of a shell, sends a child of it there."""
    if os.getsid(0) == os.getpid():  # that which started this process has given it one
        return
    try:
        os.setsid()
    except PermissionError:
        sys.stdout.flush(), sys.stderr.flush()
        if child := os.fork():
            os._exit(_ended(child))
        os.setsid()


def _ended(child: int) -> int:
    """Return the exit code of a child once it has ended; Ctrl-C ends both."""
    while True:
        try:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        except KeyboardInterrupt:
            with suppress(ProcessLookupError):
                os.kill(child, 2)
        else:
            return code if code >= 0 else 128 - code
