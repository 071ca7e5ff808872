"""A study over the nodes of a real Slurm: preempted, it goes on, and each trial has run to its end once."""

from __future__ import annotations

import json
import sys
import time

import pytest

from tests.runs import ddp_mlp, make_long_run

pytestmark = [pytest.mark.slurm, pytest.mark.mpi]

N_EPOCHS = 500  # seconds for all trials, so that the study is not over before it is disturbed
TRIES = ("--try", "train.seed=[1, 2, 3, 4]")
SCRIPT = """#!/bin/bash
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --time=10
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=study.out
code=0
srun -K1 --mpi=pmi2 {python} -m ddp_mlp search c.toml --try 'train.seed=[1, 2, 3, 4]' --parallel 2 --out study \\
  --resume || code=$?
if [ "$code" = 75 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
"""


def test_a_study_over_both_nodes_is_preempted_and_goes_on(cluster, tmp_path):
    make_long_run(tmp_path, N_EPOCHS)
    done = ddp_mlp("search", "c.toml", *TRIES, "--parallel", "1", "--out", "undisturbed", "--json", cwd=tmp_path)
    expected = {trial["name"]: trial["weights_sha256"] for trial in done.result["trials"]}
    (tmp_path / "job.sbatch").write_text(SCRIPT.format(python=sys.executable))
    submitted = cluster.call("sbatch", "--parsable", "job.sbatch", cwd=tmp_path)
    assert submitted.code == 0, submitted.err
    job = submitted.out.strip()
    until = time.monotonic() + 90
    while not all((tmp_path / f"study/trial-00{k}/metrics.csv").exists() for k in (1, 2)):
        assert time.monotonic() < until, (tmp_path / "study.out").read_text()
        time.sleep(0.05)
    cluster.preempt()
    fields = cluster.wait_for_end(job, 240)
    log = (tmp_path / "study.out").read_text()
    assert (fields["JobState"], fields["Restarts"]) == ("COMPLETED", "1"), log
    for name, weights in expected.items():
        status = json.loads((tmp_path / "study" / name / "status.json").read_text())
        assert (status["weights_sha256"], status["world_size"]) == (weights, 1), log
        epochs = [line.split(",")[0] for line in (tmp_path / f"study/{name}/metrics.csv").read_text().splitlines()[1:]]
        assert epochs == [str(n) for n in range(1, N_EPOCHS + 1)]
    hosts = {json.loads((tmp_path / f"study/{name}/status.json").read_text())["pid"] for name in expected}
    assert len(hosts) >= 2
