"""``python -m benchmarks regress OLD NEW [WORKS]``: which works take longer or shorter from one commit to another.

Both commits are checked out beside this tree, each with kernels of its own, and take steps in turns, each round in
the other order. A change counts where the median of the ratios new / old is off 1 by more than `--least`, and so is 1
itself off the interval that holds their median with 95 % confidence, whatever their distribution: the noise. Without
uncommitted files: what is to be measured must be committed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import Watch, description
from benchmarks.processes import run_ranks
from benchmarks.reporting import markdown, save
from benchmarks.works import WORKS

#: Label, ranks, threads of a rank, micro-batches.
LAYOUTS = (("1 rank", 1, 1, 8), ("2 ranks", 2, 1, 8), ("1 x 2 threads", 1, 2, 8))


@dataclass(frozen=True)
class Change:
    """The ratios new / old of a work: their median, and an interval that holds the true one with 95 % confidence."""

    median: float
    low: float
    high: float

    def verdict(self, least: float) -> str:
        """Say whether this is more than noise, and more than the share `least`."""
        if self.low <= 1 <= self.high or abs(self.median - 1) <= least:
            return ""
        return "SLOWER" if self.median > 1 else "faster"


def change(ratios: Sequence[float]) -> Change:
    """Return the median of ratios with its interval: of the sorted ones, as many are cut off as the sign test allows.

    Examples
    --------
    >>> change([1.1, 1.2, 1.0, 1.3, 1.1, 1.2, 5.0, 1.1, 0.2])
    Change(median=1.1, low=1.0, high=1.3)
    """
    n, ordered = len(ratios), sorted(ratios)
    tails = [2 * sum(math.comb(n, j) for j in range(k + 1)) / 2**n for k in range(n // 2)]
    cut = max(sum(tail <= 0.05 for tail in tails) - 1, 0)
    return Change(statistics.median(ordered), ordered[cut], ordered[-1 - cut])


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """Check a commit out into a new worktree, for a while."""
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], check=True)


def step_times(tree: Path, layout: tuple[str, int, int, int], works: Sequence[str], optimizer: str) -> dict[str, float]:
    """Return the microseconds of a step of each work, from the code of a tree."""
    _, ranks, threads, micro_batches = layout
    options = ["--optimizer", optimizer, "--threads", str(threads), "--micro-batches", str(micro_batches)]
    place = {"PYTHONPATH": str(tree), "DDP_MLP_CACHE_DIR": str(tree.with_suffix(".cache"))}
    found: dict[str, Any] = run_ranks(
        ranks, "benchmarks.ours", *works, *options, "--rounds", "3", folder=tree, more=place
    )
    return {work: figures["us"] for work, figures in found.items()}


def measure(trees: Sequence[Path], works: Sequence[str], optimizer: str, rounds: int) -> dict[str, list[list[float]]]:
    """Return the times of old and new, by layout and work, with one pair for each round."""
    times: dict[str, list[list[float]]] = {}
    for number in range(-1, rounds):  # the first round compiles, and does not count
        for layout in LAYOUTS:
            order = (0, 1) if number % 2 else (1, 0)
            found = {which: step_times(trees[which], layout, works, optimizer) for which in order}
            for work in works if number >= 0 else ():
                times.setdefault(f"{work}, {layout[0]}", []).append([found[0][work], found[1][work]])
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return times


def row(label: str, pairs: Sequence[Sequence[float]], least: float) -> list[str]:
    """Return a line of the table."""
    old, new = (statistics.median(pair[which] for pair in pairs) for which in (0, 1))
    found = change([pair[1] / pair[0] for pair in pairs])
    interval = f"{found.median:.3f} [{found.low:.3f}..{found.high:.3f}]"
    return [label, f"{old:.0f}", f"{new:.0f}", interval, found.verdict(least)]


def main(arguments: Sequence[str]) -> None:
    """Measure, print and save the table; exit with 1 where anything became slower."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks regress", description=__doc__)
    parser.add_argument("old", help="a commit, branch or tag")
    parser.add_argument("new")
    parser.add_argument("works", nargs="*", default=["S", "M", "L", "P"], help=f"of {', '.join(WORKS)}")
    parser.add_argument("--optimizer", default="momentum")
    parser.add_argument("--rounds", type=int, default=9, help="at least 6, for fewer say nothing [%(default)s]")
    parser.add_argument("--least", type=float, default=0.02, help="share below which no change counts [%(default)s]")
    options = parser.parse_args(arguments)
    if options.rounds < 6:
        parser.error(f"--rounds is {options.rounds}; fewer than 6 pairs cannot differ with 95 % confidence")
    watch = Watch()
    with (
        tempfile.TemporaryDirectory() as name,
        checked_out(options.old, Path(name) / "old") as old,
        checked_out(options.new, Path(name) / "new") as new,
    ):
        times = measure((old, new), options.works, options.optimizer, options.rounds)
    lines = [row(label, pairs, options.least) for label, pairs in times.items()]
    head = ["microseconds a step", f"old ({options.old})", f"new ({options.new})", "new / old", "more than the noise"]
    save("regress", "\n".join([description(), watch.verdict(), "", markdown(head, lines)]), {"times": times})
    sys.exit(any(line[-1] == "SLOWER" for line in lines))
