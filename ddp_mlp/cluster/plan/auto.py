"""``launch -n auto``: ranks x threads by a short trial, remembered for the same work on the same machine."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ddp_mlp.cache_directory import cache_root
from ddp_mlp.checkpoint.checkpoint import newest_good
from ddp_mlp.cluster.launch.launchers import find_launcher
from ddp_mlp.cluster.plan.trial import try_placement
from ddp_mlp.cluster.plan.workload import describe
from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import MOST_MICRO_BATCHES, load_config
from ddp_mlp.durable import write_whole
from ddp_mlp.engine.compilation import ready_kernels
from ddp_mlp.errors import DdpMlpError, LaunchError, counted
from ddp_mlp.plain_files import read_json
from ddp_mlp.run.files.directory import RunDirectory

#: Time a step may exceed the fastest by and still count as equally fast.
_TIE = 1.03


@dataclass(frozen=True)
class Placement:
    """Ranks, threads of each, and the seconds of a step that a trial found."""

    ranks: int
    threads: int
    step_s: float

    @property
    def is_possible(self) -> bool:
        """Whether a trial can have found it."""
        return 0 < self.ranks <= MOST_MICRO_BATCHES >= self.threads > 0 and 0 < self.step_s < math.inf

    def __str__(self) -> str:
        return f"{self.ranks} x {self.threads}: {self.step_s * 1e6:,.0f} us"


def candidates(cores: int, most: int | None, *, has_mpi: bool) -> list[tuple[int, int]]:
    """Return the ranks and threads to try: one worker, two, and all cores, a few ways each.

    Parameters
    ----------
    most : int or None
        Workers that can work, the number of micro-batches; None for any number.

    Examples
    --------
    >>> candidates(8, None, has_mpi=True)
    [(1, 1), (1, 2), (2, 1), (1, 8), (2, 4), (8, 1)]
    >>> candidates(8, 2, has_mpi=False)
    [(1, 1), (1, 2)]
    """
    most = min(cores, most or cores)
    counts = sorted({1, min(2, most), most})
    tried = {(ranks, n // ranks) for n in counts for ranks in (1, 2, n) if n % ranks == 0}
    fit = [(ranks, threads) for ranks, threads in tried if has_mpi or ranks == 1]
    return sorted(fit, key=lambda placement: (placement[0] * placement[1], placement[0]))


def begun_with(run_directory: Path) -> int | None:
    """Return the micro-batches of a run that is to be resumed; None where it has no good checkpoint yet."""
    with suppress(DdpMlpError):  # the ranks will say what is wrong with it
        checkpoint, _ = newest_good(RunDirectory(run_directory).checkpoints)
        return checkpoint.micro_batches if checkpoint else None
    return None


def choose(found: Sequence[Placement]) -> Placement:
    """Return the fastest placement; of those that are about as fast the one with the fewest workers, then ranks."""
    quickest = min(placement.step_s for placement in found)
    equals = [placement for placement in found if placement.step_s <= quickest * _TIE]
    return min(equals, key=lambda placement: (placement.ranks * placement.threads, placement.ranks))


def choose_placement(
    config_path: Path,
    overrides: Sequence[str],
    most: int | None,
    tell: Callable[[str], None],
    attempt: Callable[..., float | None] = try_placement,
) -> tuple[int, int]:
    """Return ranks and threads for a configuration, from memory or by trial, and tell why.

    Parameters
    ----------
    most : int or None
        Micro-batches that the run has already begun with, where they are known.

    Raises
    ------
    LaunchError
        If not a single placement can be started.
    """
    config = load_config(config_path, overrides)
    configured = config.train.micro_batches
    if most is None and configured != "auto":
        most = configured
    cores = len(os.sched_getaffinity(0))
    memory = _memory_of(_circumstances(config_path, overrides, most, cores))
    if known := _recall(memory):
        taken = choose(known)
        tell(f"{_reason(taken, known)} (measured before; {memory} remembers it)")
        return taken.ranks, taken.threads
    ready_kernels(config.train.dtype, SingleProcess(), tell)
    found = []
    for ranks, threads in candidates(cores, most, has_mpi=_has_mpi()):
        seconds = attempt(ranks, threads, config_path, overrides)
        found += [] if seconds is None else [Placement(ranks, threads, seconds)]
    if not found:
        raise LaunchError(
            "no placement of ranks and threads could be tried; start with -n 1, which shows what is wrong"
        )
    _remember(memory, found)
    taken = choose(found)
    tell(_reason(taken, found))
    return taken.ranks, taken.threads


def _reason(taken: Placement, found: Sequence[Placement]) -> str:
    steps = ", ".join(map(str, found))
    workers = f"{counted(taken.ranks, 'rank')} x {counted(taken.threads, 'thread')}"
    return f"-n auto: {workers}; a step with ranks x threads of {steps}"


def _has_mpi() -> bool:
    try:
        find_launcher()
    except LaunchError:
        return False
    return True


def _circumstances(config_path: Path, overrides: Sequence[str], most: int | None, cores: int) -> dict[str, Any]:
    """Return all that a choice depends on: machine, versions, network, batch, optimiser, and shape of the data."""
    planned = describe(load_config(config_path, overrides))
    config = planned.config
    return {
        "machine": [platform.machine(), platform.node(), _processor(), cores],
        "versions": [version(name) for name in ("ddp-mlp", "numba", "numpy", "mpi4py")],
        "network": asdict(planned.network),
        "optimizer": config.optimizer.name,
        "workload": asdict(planned.workload) | {"data_bytes": 0},
        "augmentation": planned.augmentation.tolist(),
        "bytes": planned.stored_as_bytes,
        "dtype": config.train.dtype,
        "most": most,
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _memory_of(circumstances: dict[str, Any]) -> Path:
    """Return the file that remembers the trials of these circumstances."""
    text = json.dumps(circumstances, sort_keys=True)
    return cache_root() / f"placement-{hashlib.sha256(text.encode()).hexdigest()[:20]}.json"


def _recall(memory: Path) -> list[Placement]:
    """Return the placements that were timed before; none where the file is absent or damaged."""
    try:
        found = [Placement(*row) for row in read_json(memory, list[tuple[int, int, float]]) or []]
    except OSError:
        return []
    return [placement for placement in found if placement.is_possible]


def _remember(memory: Path, found: Sequence[Placement]) -> None:
    """Write down the placements that were timed; where that fails, the next start times them again."""
    rows = [[placement.ranks, placement.threads, placement.step_s] for placement in found]
    with suppress(OSError, DdpMlpError):
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(memory, json.dumps(rows).encode())
