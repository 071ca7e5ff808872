"""Commands in forked children of this warm process: started in milliseconds, in any environment, with limits."""

from __future__ import annotations

import io
import os
import resource
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Variables that a child keeps where it is not told otherwise.
_KEPT = ("PATH", "HOME", "TMPDIR", "DDP_MLP_CACHE_DIR", "NUMBA_CACHE_DIR")


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, or minus the signal; what it printed; how long it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def error_lines(self) -> list[str]:
        """The lines on standard error that report an error."""
        return [line for line in self.err.splitlines() if line.startswith("error")]


def command(
    *arguments: str | bytes | Path,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    prepare: Callable[[], None] = lambda: None,
    stdin: str = os.devnull,
    memory_bytes: int = 0,
    deadline_s: float = 30.0,
) -> Ended:
    """Run ``ddp-mlp ARGUMENTS`` in a forked child.

    Parameters
    ----------
    environment : mapping
        Beside the few variables that are kept; an empty value takes one of these away.
    prepare : callable
        Called in the child, last of all: to close streams, change the user, set limits ...
    memory_bytes : int
        What its address space may grow by; 0 for any.
    """
    words = [os.fsdecode(word) for word in ("ddp-mlp", *arguments)]
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"DDP_MLP_PROGRESS": "none"}
    chosen = {name: value for name, value in (kept | dict(environment or {})).items() if value}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _run_as_a_command(words, cwd, chosen, prepare, stdin, memory_bytes, out.fileno(), err.fileno())
        status = _wait(pid, deadline_s)
        seconds = time.monotonic() - started
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode(errors="backslashreplace"))
    return Ended(os.waitstatus_to_exitcode(status), said[0], said[1], seconds)


def _wait(pid: int, deadline_s: float) -> int:
    descriptor = os.pidfd_open(pid)
    ready, _, _ = select.select([descriptor], [], [], deadline_s)
    os.close(descriptor)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def _run_as_a_command(
    words: list[str],
    cwd: Path,
    environment: dict[str, str],
    prepare: Callable[[], None],
    stdin: str,
    memory_bytes: int,
    out: int,
    err: int,
) -> None:
    """Make this process what a shell would have started, and end it."""
    code = 99  # whatever escapes is none of the program's codes
    try:
        os.dup2(os.open(stdin, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(cwd)
        sys.argv = words
        if memory_bytes:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes,) * 2)
        prepare()
        sys.stdin, sys.stdout, sys.stderr = _stream(0, "r"), _stream(1, "w"), _stream(2, "w")
        from ddp_mlp.__main__ import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException as error:
        with suppress(OSError):
            os.write(2, f"ESCAPED {error!r}".encode(errors="backslashreplace"))
    finally:
        with suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


def _stream(descriptor: int, mode: str) -> io.TextIOWrapper | None:
    """Return a stream as the interpreter opens it at its start; None where the descriptor is closed."""
    try:
        return open(descriptor, mode, encoding="utf-8", closefd=False)
    except OSError:
        return None
