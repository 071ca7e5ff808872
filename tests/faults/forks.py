"""Children of a warm process: started in milliseconds, with limits, killed at will."""

from __future__ import annotations

import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

#: Exit code of a child whose action let an exception through.
ESCAPED = 99


@dataclass(frozen=True)
class Child:
    """How a child ended: its exit code, or minus the signal; what it wrote; if it was too slow; its most memory."""

    code: int
    said: str
    timed_out: bool
    peak_bytes: int = 0


def in_child(
    action: Callable[[int], int],
    *,
    kill_after_s: float | None = None,
    deadline_s: float = 10.0,
    memory_bytes: int = 0,
) -> Child:
    """Run an action in a forked child.

    Parameters
    ----------
    action : callable
        Gets a descriptor to write to, and returns the exit code.
    kill_after_s : float
        Kill it so long after it first wrote something.
    deadline_s : float
        Kill it after so long in any case; then it counts as too slow.
    memory_bytes : int
        Limit of its address space; 0 for none.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os._exit(_run(action, writer, memory_bytes))
    os.close(writer)
    said, timed_out = _listen(pid, reader, kill_after_s, deadline_s)
    os.close(reader)
    _, status, usage = os.wait4(pid, 0)
    return Child(os.waitstatus_to_exitcode(status), said, timed_out, usage.ru_maxrss * 1024)


def _run(action: Callable[[int], int], writer: int, memory_bytes: int) -> int:
    try:
        if memory_bytes:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        return action(writer)
    except BaseException:
        os.write(writer, traceback.format_exc()[-3000:].encode(errors="backslashreplace"))
        return ESCAPED


def _listen(pid: int, reader: int, kill_after_s: float | None, deadline_s: float) -> tuple[str, bool]:
    """Return what a child says until it ends or is killed, and whether it was too slow."""
    until, said, timed_out = time.monotonic() + deadline_s, b"", False
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            timed_out = kill_after_s is None or not said
            os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + deadline_s
            continue
        part = os.read(reader, 65536)
        if not part:
            return said.decode(errors="replace"), timed_out
        if not said and kill_after_s is not None:
            until = time.monotonic() + kill_after_s
        said += part
