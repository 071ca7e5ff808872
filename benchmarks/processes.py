"""Starting what is measured, each in processes of its own that print one JSON object."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

#: Seconds after which something hangs.
DEADLINE_S = 600


def run_json(command: Sequence[str], folder: Path | None = None, **environment: str) -> Any:
    """Run a command, in a folder or here, and return what it printed."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=DEADLINE_S,
        cwd=folder,
        env={**os.environ, **environment},
    )
    return json.loads(done.stdout)


def run_module(module: str, *arguments: str, **environment: str) -> Any:
    """Run ``python -m MODULE ARGUMENTS`` and return what it printed."""
    return run_json([sys.executable, "-m", module, *arguments], **environment)


def run_ranks(
    ranks: int, module: str, *arguments: str, folder: Path | None = None, more: Mapping[str, str] = MappingProxyType({})
) -> Any:
    """Run a module of ours on so many ranks and return what rank 0 printed; `more` are variables of the environment."""
    program = ["-m", module, *arguments]
    if ranks == 1:
        return run_json([sys.executable, *program], folder, **more)
    from ddp_mlp.cluster.launch.launch import launch_environment, ranks_command
    from ddp_mlp.cluster.launch.launchers import find_launcher

    launcher = find_launcher()
    environment = launch_environment(launcher, 1, os.environ)
    return run_json(ranks_command(launcher, ranks, program), folder, **{**environment, **more})


def run_torch_world(processes: int, module: str, *arguments: str) -> Any:
    """Run a module in the processes of one PyTorch world and return what its rank 0 printed.

    Started directly with the variables that `torchrun` would set, which spares the peer the
    seconds that `torchrun` needs to start by itself.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    world = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    world["GLOO_SOCKET_IFNAME"] = "lo"  # the shortest way between processes of one machine
    command = [sys.executable, "-m", module, *arguments]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **world, "RANK": str(rank)})
        for rank in range(processes)
    ]
    try:
        outputs = [process.communicate(timeout=DEADLINE_S)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    try:  # gloo sometimes aborts when it is taken down, after everything was measured
        return json.loads(outputs[0])
    except json.JSONDecodeError:
        codes = [process.returncode for process in started]
        raise RuntimeError(f"{module} failed: exit codes {codes}") from None
