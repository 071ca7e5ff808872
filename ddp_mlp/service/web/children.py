"""Work that takes long, or reads files of strangers: done by commands of their own, few at a time, with an end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ddp_mlp.durable import remove
from ddp_mlp.errors import DdpMlpError, printable
from ddp_mlp.report.giving_way import lower_session
from ddp_mlp.service.running.local import job_environment

#: Commands at once, seconds for each, and bytes of their output that are kept.
_AT_ONCE, _LONGEST_S, _MOST_BYTES = 2, 600.0, 2**22
#: Nice value of commands beside training: a tenth of the share of a job where every core is wanted.
_NICE = 10

_STATUS = {66: 404, 73: 409, 74: 507}


class CommandError(DdpMlpError):
    """A command that failed, with its line, its exit code, and the status of the answer."""

    def __init__(self, message: str, code: int, status: int) -> None:
        DdpMlpError.__init__(self, message)
        self.code, self.status = code, status


@dataclass
class Children:
    """Starts the commands.

    Attributes
    ----------
    folder : Path
        Of the files that they read and write, for no one else.
    """

    directory: Path
    folder: Path
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def run(
        self, *arguments: str, module: str = "ddp_mlp", longest_s: float = _LONGEST_S, gives_way: bool = True
    ) -> tuple[str, str]:
        """Run ``python -m MODULE ARGUMENTS`` and return its output and what it told.

        Parameters
        ----------
        gives_way : bool
            Whether jobs go first where there are too few cores.

        Raises
        ------
        CommandError
            With its line and its code, if it failed.
        """
        async with self._turns:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments, cwd=self.directory, env=job_environment(os.environ),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
            if gives_way:
                _let_give_way(process.pid)
            try:
                async with asyncio.timeout(longest_s):
                    assert process.stdout is not None and process.stderr is not None  # noqa: PT018, S101
                    out, told = await asyncio.gather(_text(process.stdout), _text(process.stderr))
                    code = await process.wait()
            except TimeoutError:
                line = f"{arguments[0]} took longer than {longest_s:.0f} s and was ended"
                raise CommandError(line, 80, 504) from None
            finally:
                await _end(process)
        if code:
            line = _reason(told, arguments[0], code)
            raise CommandError(line, code if code > 0 else 70, _STATUS.get(code, 422))
        return out, told

    @asynccontextmanager
    async def file(self, suffix: str) -> AsyncIterator[Path]:
        """Provide the name of a file for commands, which is gone afterwards."""
        path = self.folder / f"{uuid.uuid4().hex}{suffix}"
        try:
            yield path
        finally:
            with suppress(FileNotFoundError):
                remove(path)


def _let_give_way(pid: int) -> None:
    """Lower the priority of a process that leads a session, and of the session."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
    lower_session(pid, _NICE)


async def _text(stream: asyncio.StreamReader) -> str:
    """Return the first part of what a stream brings, and read the rest away."""
    kept = b""
    while piece := await stream.read(2**16):
        kept += piece[: max(_MOST_BYTES - len(kept), 0)]
    return kept.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave nothing of a command behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        await process.wait()


def _reason(told: str, command: str, code: int) -> str:
    for line in reversed(told.splitlines()):
        if line.startswith("error: "):
            return printable(line.removeprefix("error: "))
    return f"{command} ended with exit code {code}"
