"""The text of job scripts is that of `slurm/*.sbatch`, and a shell has nothing to say against it.

`python -m tests.cluster.slurm.test_script` writes them anew after a change that is meant.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ddp_mlp.cluster.slurm.job import BatchJob, limit_seconds
from ddp_mlp.cluster.slurm.script import script_text
from ddp_mlp.cluster.slurm.starters import Starter, choose_starter, srun
from ddp_mlp.errors import UsageError

TEMPLATES = Path(__file__).parents[3] / "slurm"
_OPENMPI = Starter(("mpirun", "--bind-to", "none", "-n", "$SLURM_NTASKS"), {"OMPI_MCA_osc": "^ucx"})
ONE = BatchJob(
    ("mnist.toml",), "runs/mnist", srun("pmi2"), nodes="2", ntasks_per_node=4, cpus_per_task=2, time="04:00:00"
)
JOBS = {
    "train": ONE,
    "openmpi": replace(ONE, starter=_OPENMPI, before=("module load openmpi",), nodes="2-8", account="physics"),
    "seeds": replace(ONE, seeds="0-9%4", partition="short", time="1-00:00:00", sbatch=("constraint=haswell",)),
    "configurations": replace(
        ONE, configs=("small.toml", "deep/wide one.toml"), run_directory="runs/both of them",
        overrides=("model.hidden=[64, 64]", "data.train='it'"), sbatch=("exclusive", "comment=two words; echo $HOME"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", JOBS)
def test_the_text_is_that_of_the_template(name):
    assert script_text(JOBS[name]) == (TEMPLATES / f"{name}.sbatch").read_text()


def test_a_study_is_started_with_its_options_as_they_are():
    job = replace(ONE, command="search", arguments=("--try", "optimizer.name=['adam', sgd]", "--trials", "3"))
    words = """search "$config" --try 'optimizer.name=['"'"'adam'"'"', sgd]' --trials 3 --out "$run_dir" --resume"""
    assert f"-m ddp_mlp \\\n  {words} </dev/null &\n" in script_text(job)


def test_every_template_is_made():
    assert {path.stem for path in TEMPLATES.glob("*.sbatch")} == {*JOBS}


@pytest.mark.parametrize("name", [*(f"{name}.sbatch" for name in JOBS), "test-cluster"])
def test_shellcheck_has_nothing_to_say(name):
    if not shutil.which("shellcheck"):
        assert "DDP_MLP_REQUIRE_SLURM" not in os.environ, "shellcheck is required here and not installed"
        pytest.skip("shellcheck is not installed")
    checked = subprocess.run(["shellcheck", TEMPLATES / name], capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": "two"}, "--nodes"),
        ({"nodes": "0"}, "--nodes"),
        ({"time": "4h"}, "--time"),
        ({"time": "1", "notice_s": 60}, "stop at its start"),
        ({"seeds": "0..4"}, "--seeds"),
        ({"seeds": "0-4", "configs": ("a.toml", "b.toml")}, "not over both"),
        ({"configs": ("a/c.toml", "b/c.toml")}, "different names"),
        ({"sbatch": ("--exclusive",)}, "KEY=VALUE"),
        ({"sbatch": ("comment=a\n#SBATCH --uid=0",)}, "line end"),
        ({"before": ("module load x\nrm y",)}, "line end"),
        ({"partition": "p\n"}, "line end"),
    ],
)
def test_a_job_that_means_nothing_is_refused(change, message):
    with pytest.raises(UsageError, match=message):
        script_text(replace(ONE, **change))


def test_notice_fits_the_limit():
    assert replace(ONE, time="04:00:00").notice == 180
    assert replace(ONE, time="2").notice == 30
    assert replace(ONE, time="UNLIMITED").notice == 180
    assert replace(ONE, notice_s=7).notice == 7


@pytest.mark.parametrize("text", ["", "-", "1-", "1:2:3:4", "a", "1.5", "-5"])
def test_limits_that_slurm_does_not_take(text):
    with pytest.raises(UsageError):
        limit_seconds(text)


def test_workers_on_the_largest_number_of_nodes():
    assert replace(ONE, nodes="2-8").most_workers == 8 * 4 * 2


def test_a_named_type_is_taken_as_it_is():
    assert choose_starter("auto", "pmix").words == ("srun", "-K1", "--mpi=pmix")


class FakeRanks:
    """A script run by bash, with ranks and `ddp_mlp slurm requeue` that only tell what they were given."""

    def __init__(self, folder, ranks):
        (folder / "ranks").write_text(f"#!/bin/bash\n{ranks}\n")
        (folder / "python").write_text(f'#!/bin/bash\necho "$@" >> {folder}/calls\nexit 5\n')
        for name in ("ranks", "python"):
            (folder / name).chmod(0o755)
        job = replace(ONE, starter=Starter((f"{folder}/ranks",)), python=f"{folder}/python")
        (folder / "job").write_text(script_text(job))
        self.folder = folder
        self.process = subprocess.Popen(["bash", folder / "job"], cwd=folder)

    def wait(self):
        assert self.process.wait(timeout=20) == 5  # the word of `slurm requeue` is the last
        called = (self.folder / "calls").read_text().split()
        return called[called.index("--code") + 1], "--asked" in called


@pytest.mark.parametrize("code", ["0", "65", "137"])
def test_the_code_of_the_ranks_is_handed_on(tmp_path, code):
    assert FakeRanks(tmp_path, f"exit {code}").wait() == (code, False)


@pytest.mark.parametrize("number", ["USR1", "TERM"])
def test_a_signal_reaches_the_ranks_and_their_code_comes_back(tmp_path, number):
    ranks = f"trap 'sleep 0.3; exit 75' USR1; touch {tmp_path}/up; for i in {{1..100}}; do sleep 0.1; done"
    script = FakeRanks(tmp_path, ranks)
    while not (tmp_path / "up").exists():
        assert script.process.poll() is None
    for _ in range(2):  # asked twice, it still waits for all
        subprocess.run(["kill", f"-{number}", str(script.process.pid)], check=True)
    assert script.wait() == ("75", True)


if __name__ == "__main__":
    for name, job in JOBS.items():
        (TEMPLATES / f"{name}.sbatch").write_text(script_text(job))
