"""The long form: one job preempted many times at random moments must end in the bits of an undisturbed run.

    python -m tests.slurm.cycles --cycles 20                  # preempted by a job of more importance
    python -m tests.slurm.cycles --cycles 20 --how notice     # the signal before the time limit, sent by hand
    python -m tests.slurm.cycles --cycles 5 --how limit       # the limit itself, about a minute each

Prints one JSON object; exit 1 unless all of it is as it should be. With Open MPI in this
environment the ranks are started by its `mpirun`, with MPICH by `srun --mpi=pmi2`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.runs import make_long_run
from tests.slurm.cluster import Cluster, Submitted, running_cluster, what_is_missing

#: Seconds after its start within which a job is disturbed: while it imports, reads, trains, saves.
WITHIN_S = 8.0


def disturb(cluster: Cluster, job: Submitted, how: str, moment: random.Random) -> float:
    """Wait for the job to run, disturb it at some moment, wait until it is back in the queue; return seconds."""
    seen = int(cluster.wait(job.id, lambda fields: fields["JobState"] in ("RUNNING", "COMPLETED"))["Restarts"])
    time.sleep(moment.uniform(0, WITHIN_S) if how != "limit" else 0)
    asked = time.monotonic()
    if how == "preempt":
        cluster.preempt()
    elif how == "notice":
        cluster.call("scancel", "--signal=USR1", "--batch", str(job.id))
    over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
    cluster.wait(job.id, lambda fields: int(fields["Restarts"]) > seen or fields["JobState"] in over, 150)
    return time.monotonic() - asked


def main() -> int:
    """Run the cycles and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--how", choices=["preempt", "notice", "limit"], default="preempt")
    parser.add_argument("--epochs", type=int, default=10000, help="long enough for all cycles")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    if missing := what_is_missing():
        parser.error(missing)
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-cycles-") as name:
        folder = Path(name)
        result = run_cycles(folder, chosen)
    print(json.dumps(result, indent=1))  # noqa: T201
    return 0 if result["as_it_should_be"] else 1


def run_cycles(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Disturb one job as often as asked for, and compare it with one that was left alone."""
    moment, waits = random.Random(chosen.seed), []  # noqa: S311
    make_long_run(folder, chosen.epochs)
    limit = "1" if chosen.how == "limit" else "60"
    with running_cluster(folder / "cluster") as cluster:
        alone = Submitted(cluster, folder, "alone", "--nodes", "2", "--time", "60")
        cluster.wait_for_end(alone.id, 900)  # first, so that kernels are compiled
        job = Submitted(cluster, folder, "disturbed", "--nodes", "2", "--time", limit)
        for cycle in range(chosen.cycles):
            waits.append(disturb(cluster, job, chosen.how, moment))
            print(f"cycle {cycle + 1}: back after {waits[-1]:.1f} s", file=sys.stderr)  # noqa: T201
        cluster.call("scontrol", "update", f"JobId={job.id}", "TimeLimit=60")
        fields = cluster.wait_for_end(job.id, 900)
        same = job.status.get("weights_sha256") == alone.status.get("weights_sha256") is not None
        return summary(chosen, job, fields, waits, same_bits=same)


def summary(
    chosen: argparse.Namespace, job: Submitted, fields: dict[str, str], waits: list[float], *, same_bits: bool
) -> dict[str, Any]:
    """Return the figures: what the ranks saved, where they went on, and how often."""
    saved = [int(step) for step in re.findall(r"is requeued at step (\d+)", job.log)]
    went_on = [int(step) for step in re.findall(r"going on from step-(\d+)", job.log)]
    restarts = int(fields["Restarts"])
    return {
        "how": chosen.how,
        "launcher": "srun" if "srun -K1" in (job.run / "job.sbatch").read_text() else "mpirun",
        "cycles": chosen.cycles,
        "restarts": restarts,
        "job_state": fields["JobState"],
        "requeued_by_the_job_itself": len(saved),
        "saved_on_request": len(re.findall(r"stopped by SIG\w+ at step", job.log)),
        "resumed_from_a_checkpoint": len(went_on),
        "steps_when_requeued": saved,
        "steps_gone_on_from": went_on,
        "seconds_to_leave": {"median": sorted(waits)[len(waits) // 2], "largest": max(waits)},
        "same_bits": same_bits,
        "as_it_should_be": same_bits and restarts == chosen.cycles and fields["JobState"] == "COMPLETED",
    }


if __name__ == "__main__":
    sys.exit(main())
