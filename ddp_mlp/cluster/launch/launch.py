"""Starting ranks with the launcher that belongs to this Python's MPI."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence

from ddp_mlp.cluster.launch.headroom import check_threads
from ddp_mlp.cluster.launch.hostfile import Host, ranks_on, still_there
from ddp_mlp.cluster.launch.keeper import kept
from ddp_mlp.cluster.launch.launchers import Launcher, find_launcher
from ddp_mlp.cluster.launch.mpi_leftovers import sweep
from ddp_mlp.cluster.launch.orphans import end_orphans
from ddp_mlp.cluster.launch.process import StopRequests, run_job
from ddp_mlp.cluster.launch.processes import sees_all_processes
from ddp_mlp.cluster.launch.restarts import Tell, explain, run_with_restarts, train_command
from ddp_mlp.comm.launcher import ranks_per_node, without_rank
from ddp_mlp.errors import LaunchError, StoppedError, counted


def launch_command(launcher: Launcher, n_ranks: int, arguments: Sequence[str], hosts: Sequence[Host] = ()) -> list[str]:
    """Return the command line that starts `n_ranks` times ``ddp-mlp ARGUMENTS``."""
    return ranks_command(launcher, n_ranks, ["-m", "ddp_mlp", *arguments], hosts)


def ranks_command(launcher: Launcher, n_ranks: int, arguments: Sequence[str], hosts: Sequence[Host] = ()) -> list[str]:
    """Return the command line that starts `n_ranks` times this Python with `arguments`."""
    options = ["-n", str(n_ranks)]
    if launcher.vendor == "openmpi":
        options += ["--bind-to", "none"]  # a rank's threads may use every core
    if hosts:
        options += _on_hosts(launcher, hosts)
    elif launcher.vendor == "openmpi":
        options += ["--oversubscribe"]  # more ranks than cores are allowed
    return [launcher.path, *options, sys.executable, *arguments]


def _on_hosts(launcher: Launcher, hosts: Sequence[Host]) -> list[str]:
    """Return the options that name the hosts; Open MPI wants to be told what of the environment goes there."""
    listed = ",".join(f"{host.name}:{host.slots}" for host in hosts)
    if launcher.vendor != "openmpi":
        return ["-hosts", listed]
    names = [name for name in os.environ if name.startswith("DDP_MLP_") or name == "PYTHONPATH"]
    return ["--host", listed, *(word for name in sorted({*names, "DDP_MLP_THREADS_PER_RANK"}) for word in ("-x", name))]


def launch_environment(launcher: Launcher, threads: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the ranks; what makes this process a rank of another job is none of theirs."""
    chosen = without_rank(environment)
    chosen["DDP_MLP_THREADS_PER_RANK"] = str(threads)
    if launcher.vendor == "openmpi":
        if os.geteuid() == 0:
            chosen["OMPI_ALLOW_RUN_AS_ROOT"] = chosen["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        chosen.setdefault("OMPI_MCA_osc", "^ucx")  # it complains about networks that are not there
    return chosen


def _without_the_gone(hosts: Sequence[Host], tell: Tell) -> Sequence[Host]:
    left = still_there(hosts)
    if gone := [host.name for host in hosts if host not in left]:
        tell(f"warning: {', '.join(gone)} cannot be reached; going on with {counted(len(left), 'host')}")
    return left


def launch(
    n_ranks: int,
    threads: int,
    arguments: Sequence[str],
    tell: Tell,
    max_restarts: int = 0,
    hosts: Sequence[Host] = (),
) -> int:
    """Run ``ddp-mlp ARGUMENTS`` on `n_ranks` ranks and return its exit code.

    One rank of this machine needs no launcher, and no MPI.

    Parameters
    ----------
    tell : callable
        Gets lines for the user.
    max_restarts : int
        How often a ``train`` that fails is started again, from its last good checkpoint, without
        the hosts that are gone.
    hosts : sequence of Host
        Where; none means this machine.

    Raises
    ------
    UsageError
        If the environment asks for nodes of no size.
    LaunchError
        If the limits of this user leave no room for the ranks, or there is no launcher.
    """
    ranks_per_node(os.environ)  # said once, and not by each rank
    with StopRequests() as requests, kept():
        _clear_up_after_others(tell)
        launcher = find_launcher() if n_ranks > 1 or hosts else None
        if launcher and not hosts:
            check_threads(n_ranks, threads)
        is_first = True

        def start(arguments: Sequence[str]) -> int:
            nonlocal is_first
            if requests.wait(0):
                return StoppedError.exit_code
            started = time.time()
            if launcher:
                left = hosts if is_first else _without_the_gone(hosts, tell)
                ranks = min(n_ranks, ranks_on(left, None)) if hosts else n_ranks
                command = launch_command(launcher, ranks, arguments, left)
                environment = launch_environment(launcher, threads, os.environ)
            else:
                command = [sys.executable, "-m", "ddp_mlp", *arguments]
                environment = {**without_rank(os.environ), "DDP_MLP_THREADS_PER_RANK": str(threads)}
            is_first = False
            code = explain(_code_of(command, environment, requests, tell), train_command(arguments), started, tell)
            if code:
                sweep(started)
            return code

        return run_with_restarts(start, arguments, max_restarts, requests, tell)


def _code_of(command: Sequence[str], environment: Mapping[str, str], requests: StopRequests, tell: Tell) -> int:
    """Run a job and return its exit code, that of an error where it cannot be started."""
    try:
        return run_job(command, environment, requests)
    except LaunchError as error:
        tell(f"error: {error}")
        return error.exit_code


def _clear_up_after_others(tell: Tell) -> None:
    """End and remove what earlier starts on this machine have left that were killed together with their keepers."""
    if ended := end_orphans():
        tell(f"ended {counted(ended, 'process')} of a job whose launcher had been killed")
    if sees_all_processes():
        sweep(0.0)
