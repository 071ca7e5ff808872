"""``python -m tests.faults.configurations --count N``: random configurations under guards, with equal bits.

Each runs on one rank of one thread and on two other layouts, every array at a guarded page (see
`guarded_memory`). Ranks are threads; some configurations also run on ranks of a launcher. What
crashes, hangs, raises, or differs in a bit is made smaller while it still fails, and printed.
Exit code 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from select import select
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from msgspec import to_builtins

from tests.faults.cases import Case, Layout, case_from, random_case
from tests.faults.forked import Forked
from tests.faults.shrinking import shrink
from tests.faults.table import Row, as_table

#: Seconds that one configuration may take on all its layouts, where others want the cores too.
DEADLINE_S = 120.0
#: Failures that are made smaller; more would be of the same few kinds.
_MOST_SHRUNK = 3


@dataclass
class Found:
    """What has come of the configurations so far."""

    n_cases: int = 0
    layouts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[Case, str]] = field(default_factory=list)

    def note(self, case: Case, failure: str, where: str = "threads of one process") -> None:
        self.n_cases += 1
        self.layouts.update(f"{where}: {kind_of(layout)}" for layout in case.layouts[1:])
        if failure:
            self.failures.append((case, f"{where}: {failure}"))
            sys.stderr.write(f"seed {case.seed}: {self.failures[-1][1]}\n")


def kind_of(layout: Layout) -> str:
    """Return which kind of layout it is, for the table."""
    n_nodes, words = len(layout.node_sizes), []
    words.append(f"{n_nodes} nodes" if n_nodes > 1 else "ranks of a node" if layout.node_sizes[0] > 1 else "a rank")
    words += ["threads"] if layout.threads > 1 else []
    words += [name for name in ("shards", "overlaps") if getattr(layout, name)]
    return ", ".join(words)


def ready() -> None:
    """Load the kernels, compiled where that was never done, so that their own arrays are guarded too."""
    from ddp_mlp.comm import SingleProcess
    from ddp_mlp.engine.compilation import ready_kernels
    from tests.faults.guarded_memory import guard_kernels

    guard_kernels()
    for dtype in ("float32", "float64"):
        ready_kernels(dtype, SingleProcess(), _say)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def failure_of(raw: Any) -> str:
    """Run one case, from its JSON; the work of a child."""
    from tests.faults.case_runs import differences

    return differences(case_from(raw))


def run_cases(cases: Iterator[Case], n_jobs: int, found: Found) -> None:
    """Run cases in children, so many at once, each of which is replaced when it is gone."""
    busy: dict[Forked, Case] = {}
    idle = [Forked(failure_of) for _ in range(n_jobs)]
    for case in cases:
        if not idle:
            idle.append(_one_done(busy, found))
        child = idle.pop()
        child.give(to_builtins(case))
        busy[child] = case
    while busy:
        idle.append(_one_done(busy, found))
    for child in idle:
        child.end()


def _one_done(busy: dict[Forked, Case], found: Found) -> Forked:
    """Wait for one of the children, note what came of its case, and return a child that is free."""
    readable, _, _ = select(list(busy), [], [], DEADLINE_S)
    child = readable[0] if readable else next(iter(busy))
    case = busy.pop(child)
    try:
        found.note(case, child.result(DEADLINE_S if readable else 0.0))
    except ChildProcessError as failure:
        found.note(case, str(failure))
        return Forked(failure_of)
    return child


def fails(case: Case, times: int = 1) -> str:
    """Run a case in a child of its own, so many times; return how it failed."""
    child = Forked(failure_of)
    try:
        for _ in range(times):
            child.give(to_builtins(case))
            if failure := child.result(DEADLINE_S / 4):
                break
    except ChildProcessError as failure:
        return str(failure)
    child.end()
    return failure


def smallest(case: Case, failure: str) -> tuple[Case, str]:
    """Return the smallest case that was seen to fail, and how; what fails at times only is given a few."""

    def still_fails(candidate: Case) -> bool:
        nonlocal failure
        seen = fails(candidate, 3)
        failure = seen or failure
        return bool(seen)

    return (shrink(case, still_fails) if still_fails(case) else case), failure


def tell(found: Found) -> None:
    """Print the smallest failing configurations, with what reproduces them."""
    for case, failure in found.failures[:_MOST_SHRUNK]:
        small, how = smallest(case, failure)
        sys.stdout.write(
            f"FAILURE of seed {case.seed}: {failure[:400]}\n  smallest: {how[:400]}\n"
            f"  on {'; '.join(map(str, small.layouts))}\n"
            f"  python -m tests.faults.configurations --case '{json.dumps(to_builtins(small))}'\n"
        )


def row_of(count: int, seed: int) -> Row:
    """Run so many in a process of their own, where no kernel was loaded before; return a row for the table of all."""
    command = [sys.executable, "-m", "tests.faults.configurations", "--json", "--count", str(count)]
    command += ["--seed", str(seed), "--jobs", str(len(os.sched_getaffinity(0)))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return Row(**json.loads(done.stdout.splitlines()[0])[-1])


def main() -> int:
    """Run what was asked for, and print figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first; the others follow")
    parser.add_argument("--jobs", type=int, default=1, help="configurations at once")
    parser.add_argument("--launched", type=int, default=0, help="so many of them on ranks of a launcher, too")
    parser.add_argument("--bounds", action="store_true", help="with Numba's own checks of indices; compiles them first")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--case", help="run this one, as JSON")
    options = parser.parse_args()
    if options.bounds and os.environ.get("NUMBA_BOUNDSCHECK") != "1":
        os.environ["NUMBA_BOUNDSCHECK"] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "tests.faults.configurations", *sys.argv[1:]])  # noqa: S606 - Numba reads it when it is imported
    ready()
    if options.case:
        failure = fails(case_from(json.loads(options.case)), 3)
        sys.stdout.write(f"{failure or 'good'}\n")
        return 1 if failure else 0
    found, started = Found(), time.monotonic()
    seeds = range(options.seed, options.seed + options.count)
    run_cases(_told(map(random_case, seeds), options.count), options.jobs, found)
    if options.launched:
        from tests.faults.launched import run_launched

        run_launched(seeds[: options.launched], found)
    seconds = time.monotonic() - started
    rows = [Row(kind, count) for kind, count in sorted(found.layouts.items())]
    note = f"{seconds:.0f} s, {found.n_cases / seconds:.1f} a second; seeds {seeds[0]} to {seeds[-1]}"
    failures = [f"{case.seed}: {text}" for case, text in found.failures]
    rows.append(Row("all configurations, guarded, equal bits", found.n_cases, failures=failures, note=note))
    sys.stdout.write((json.dumps([row.as_dict() for row in rows]) if options.json else as_table(rows)) + "\n")
    tell(found)
    return 1 if found.failures else 0


def _told(cases: Iterator[Case], count: int) -> Iterator[Case]:
    """Say now and then how far it is."""
    started = time.monotonic()
    for number, case in enumerate(cases):
        if number and number % 1000 == 0:
            sys.stderr.write(f"{number} of {count} after {time.monotonic() - started:.0f} s\n")
        yield case


if __name__ == "__main__":
    sys.exit(main())
