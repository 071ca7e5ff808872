"""The first line of a job script of the service: ``python -m ddp_mlp.service.running.batch FOLDER TOKEN``.

Exit code 0 where the start is this job's, at once or since it was put back into the queue; else 1.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ddp_mlp.comm.launcher import slurm_job_id
from ddp_mlp.service.running.claims import Claim, put, read_claim

#: Stands in a claim for a job of Slurm, whose number is its process.
BATCH = "slurm"


def claims(folder: Path, token: str, job_id: int) -> bool:
    """Claim a start for a job of Slurm; return whether it is its own."""
    if put(folder, token, Claim(job_id, 0, BATCH, BATCH)):
        return True
    claim = read_claim(folder, token)
    return claim is not None and (claim.pid, claim.boot) == (job_id, BATCH)


if __name__ == "__main__":
    number = slurm_job_id(os.environ).partition("_")[0]
    sys.exit(0 if number.isdigit() and claims(Path(sys.argv[1]), sys.argv[2], int(number)) else 1)
