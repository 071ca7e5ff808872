"""``python -m benchmarks network [WORK]``: two nodes with a network of a given rate between them.

Two ranks run in network namespaces of their own, joined by a pair of virtual interfaces that
`tc` limits to a rate. It needs root, Linux, iproute2 and MPICH. Each rate is measured with all
sums to all nodes, with the update shared out, with layers that travel by themselves, and as
the product chooses.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.machine import Watch, description
from benchmarks.processes import run_json
from benchmarks.reporting import markdown, save
from benchmarks.works import WORKS

#: Label, `shard_optimizer`, `overlap`.
WAYS = (
    ("all sums to all", "false", "false"),
    ("shared out", "true", "false"),
    ("shared out, overlapped", "true", "true"),
    ("auto", "auto", "auto"),
)

_NODES = ("ddp-mlp-0", "ddp-mlp-1")
_LINK = "mlp0"
_LONGEST_WAIT_S = 20.0


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _wait_for_addresses(node: str) -> None:
    """Wait until the addresses of a node have been found to be its own: until then nobody can reach it."""
    until = time.monotonic() + _LONGEST_WAIT_S
    while b"tentative" in subprocess.run(("ip", "-n", node, "addr"), check=True, stdout=subprocess.PIPE).stdout:
        if time.monotonic() > until:
            raise TimeoutError(f"the addresses of {node} did not become usable")
        time.sleep(0.1)


@contextmanager
def network(rate: str) -> Iterator[None]:
    """Have two namespaces with a link of a rate, such as ``1gbit``, between them."""
    try:
        for node in _NODES:
            _run("ip", "netns", "add", node)
            _run("ip", "-n", node, "link", "set", "lo", "up")
        first, second = _NODES
        _run("ip", "link", "add", _LINK, "netns", first, "type", "veth", "peer", "name", _LINK, "netns", second)
        for number, node in enumerate(_NODES, 1):
            _run("ip", "-n", node, "addr", "add", f"10.77.0.{number}/24", "dev", _LINK)
            _run("ip", "-n", node, "link", "set", _LINK, "up")
            limit = ("rate", rate, "burst", "256k", "latency", "100ms")
            _run("tc", "-n", node, "qdisc", "add", "dev", _LINK, "root", "tbf", *limit)
        for node in _NODES:
            _wait_for_addresses(node)
        yield
    finally:
        for node in _NODES:
            subprocess.run(("ip", "netns", "del", node), check=False)


def time_way(work: str, optimizer: str, sharding: str, overlap: str) -> Any:
    """Return the figures of `benchmarks.ours` on two ranks, each in its namespace."""
    from ddp_mlp.cluster.launch.launchers import find_launcher

    rank_in_namespace = f'exec ip netns exec {_NODES[0][:-1]}$PMI_RANK "$@"'
    program = [sys.executable, "-m", "benchmarks.ours", work, "--optimizer", optimizer]
    choices = ["--shard-optimizer", sharding, "--overlap", overlap]
    command = [find_launcher().path, "-n", "2", "sh", "-c", rank_in_namespace, "sh", *program, *choices]
    only_tcp = {"UCX_TLS": "tcp,self", "MPIR_CVAR_NOLOCAL": "1", "DDP_MLP_RANKS_PER_NODE": "1"}
    return run_json(command, **only_tcp)[work]


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks network", description=__doc__)
    parser.add_argument("work", nargs="?", default="L", choices=list(WORKS))
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--rates", nargs="*", default=["200mbit", "1gbit", "5gbit"])
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        parser.error("network namespaces need root")
    watch, rows, figures = Watch(), [], {}
    for rate in options.rates:
        with network(rate):
            found = [time_way(options.work, options.optimizer, *choices) for _, *choices in WAYS]
        figures[rate] = found
        rows.append([rate, *(f"{way['us']:.0f}" for way in found)])
    head = [f"{options.work}, {options.optimizer}, us a step at", *(label for label, *_ in WAYS)]
    text = [description(), watch.verdict(), "", markdown(head, rows)]
    save(f"network-{options.work}-{options.optimizer}", "\n".join(text), figures)
