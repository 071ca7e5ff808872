"""``python -m tests.faults [--long] [NAME]...``: let things fail, and print one table of what came of it.

Exit code 1 if anything was lost, hung or was left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from tests.faults import configurations
from tests.faults.directories import hostile_directories
from tests.faults.disks import damaged_caches, full_disks
from tests.faults.files import hostile_files
from tests.faults.inputs import mutated_inputs
from tests.faults.models import killed_models
from tests.faults.orphans import outliving
from tests.faults.ranks import failing_ranks
from tests.faults.saves import bit_flips, kills, system_calls, truncations
from tests.faults.service import killed_jobs_of_services, killed_services
from tests.faults.stops import killed_jobs, stops
from tests.faults.studies import killed_studies
from tests.faults.table import Row, as_table
from tests.faults.values import hostile_values

#: What one machine with two cores cannot show, and why; docs/reliability-cases.md has all cases.
LEFT_OUT = (
    "power loss on a real disk: no file system here can be made to forget; a model of a disk is tested",
    "NFS and Lustre, their locks and caches: no network file system here; a lock that is refused is tested",
    "four ranks with a cold cache, fifty times: half a minute of compiling each; one rank of a node compiles for all",
    "a node that dies, a network that is cut: one machine; nodes are emulated, ranks that are gone or silent tested",
    "a roll call of thousands of ranks: two cores; it costs one message a rank, in emergencies only",
)


def rows(name: str, *, is_long: bool, seed: int) -> list[Row]:
    """Return the rows of one kind of fault."""
    if name == "kills":
        return [kills(1000 if is_long else 40, seed)]
    if name == "jobs":
        return [killed_jobs(40 if is_long else 4, seed)]
    if name == "models":
        return [killed_models(500 if is_long else 6, seed)]
    if name == "calls":
        return [system_calls(1 if is_long else 5)]
    if name == "bits":
        return [bit_flips(10_000 if is_long else 1_000, seed), truncations()]
    if name == "disks":
        return full_disks()
    if name == "ranks":
        return failing_ranks(10 if is_long else 1)
    if name == "orphans":
        return outliving(100 if is_long else 8, seed)
    if name == "stops":
        return [stops(20 if is_long else 2, seed)]
    if name == "study":
        return [killed_studies(200, 20, seed) if is_long else killed_studies(16, 3, seed)]
    if name == "directories":
        return [hostile_directories(500 if is_long else 40, seed)]
    if name == "files":
        return hostile_files(2_000 if is_long else 150, seed)
    if name == "inputs":
        return mutated_inputs(10_000 if is_long else 200, seed)
    if name == "values":
        return [hostile_values(2000 if is_long else 80, seed)]
    if name == "configurations":
        return [configurations.row_of(20_000 if is_long else 200, seed)]
    if name == "service":
        n_kills, n_jobs = (200, 30) if is_long else (12, 4)
        return [killed_services(n_kills, n_jobs, seed), killed_jobs_of_services(50 if is_long else 4, seed)]
    return [damaged_caches(4)]


#: What there is; the caches are compiled anew each time, which takes minutes.
NAMES = (
    "kills",
    "jobs",
    "models",
    "calls",
    "bits",
    "disks",
    "ranks",
    "orphans",
    "stops",
    "study",
    "files",
    "inputs",
    "directories",
    "values",
    "configurations",
    "service",
    "caches",
)


def main() -> int:
    """Run what was asked for; print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, help=f"of {', '.join(NAMES)}")
    parser.add_argument("--long", action="store_true", help="as often as it takes to believe it: about an hour")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: list[Row] = []
    for name in options.names:
        started = time.monotonic()
        found += rows(name, is_long=options.long, seed=options.seed)
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")
    if options.json:
        sys.stdout.write(json.dumps([row.as_dict() for row in found]) + "\n")
    else:
        sys.stdout.write(as_table(found) + "\n\n")
        sys.stdout.write("".join(f"left out: {text}\n" for text in LEFT_OUT))
        sys.stdout.write("".join(f"FAILURE: {row.name}: {text}\n" for row in found for text in row.failures[:5]))
    return 1 if any(row.failures for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
