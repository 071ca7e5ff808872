"""One start of a job is held where a test says so, until the test lets it go on.

``DDP_MLP_TEST_HOLD`` is ``spawn`` (in the server), ``claim``, ``claimed`` or ``end`` (in the process of the job), and
``DDP_MLP_TEST_GATE`` a folder: ``reached`` comes into being there, and names the process; it goes on with ``open``.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

_JOB = "ddp_mlp.service.running.job_process"


def _is_reached(event: str, arguments: tuple[Any, ...]) -> bool:
    where = os.environ["DDP_MLP_TEST_HOLD"]
    if where == "spawn":
        return event == "subprocess.Popen" and _JOB in arguments[1]
    if _JOB not in sys.orig_argv:
        return False
    if where == "claim":
        return event == "os.link" and "/start-" in str(arguments[1])
    if where == "claimed":
        return event == "import" and arguments[0] == "ddp_mlp.cluster.launch.launch"
    return event == "os.rename" and str(arguments[1]).startswith("end-")


def _hold(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("subprocess.Popen", "os.link", "os.rename", "import") and _is_reached(event, arguments):
        gate = Path(os.environ["DDP_MLP_TEST_GATE"])
        try:
            (gate / "reached").symlink_to(str(os.getpid()))
        except FileExistsError:  # an earlier start is the one
            return
        while not (gate / "open").exists():
            time.sleep(0.02)


if "DDP_MLP_TEST_GATE" in os.environ:
    sys.addaudithook(_hold)
