"""A diagnosis of the doctor, and how children are asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ddp_mlp.cluster.launch.process import ask_job
from ddp_mlp.comm.launcher import outside_any_job

OK, WARNING, ERROR = "ok", "warning", "error"


@dataclass(frozen=True)
class Diagnosis:
    """One line: the thing that was looked at, its level, the finding, and the fix.

    `level` is ok, warning or error; `fix` is empty where all is well.
    """

    name: str
    level: str
    found: str
    fix: str = ""


#: A check looks at one thing and yields one finding or more.
Check = Callable[[], Iterator[Diagnosis]]


def ask(command: Sequence[str], timeout_s: float = 60.0) -> tuple[int, str, str]:
    """Run a child that is no rank of this job; return exit code, output and last error line.

    A command that is not there or does not end is exit code -1.
    """
    try:
        child = ask_job(command, outside_any_job(os.environ), timeout_s)
    except OSError as error:
        return -1, "", error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return -1, "", f"no answer within {timeout_s:.0f} s"
    said = child.stderr.strip().splitlines()
    return child.returncode, child.stdout, said[-1] if said else f"exit code {child.returncode}"
