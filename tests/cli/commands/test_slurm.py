"""`ddp-mlp slurm` where there is no Slurm: scripts can be written, and the rest says what is missing."""

from __future__ import annotations

import pytest

from tests.runs import ddp_mlp


@pytest.fixture
def slurm(tmp_path):
    (tmp_path / "c.toml").write_text('[data]\ntrain = "m.h5"\n[train]\nmicro_batches = 4\n')
    (tmp_path / "nothing").mkdir()
    path = str(tmp_path / "nothing")
    return lambda *arguments: ddp_mlp("slurm", *arguments, cwd=tmp_path, PATH=path, SLURM_CONF="")


def test_a_script_is_written_for_the_library_of_this_python(slurm, tmp_path):
    done = slurm("script", "c.toml", "--nodes", "2", "--cpus-per-task", "2", "--set", "train.seed=3")
    assert done.code == 0, done.err
    assert done.out.startswith("#!/bin/bash\n#SBATCH --job-name=c\n#SBATCH --nodes=2\n")
    assert "mpiexec" in done.out
    assert 'train "$config" --out "$run_dir" --resume --set train.seed=3' in done.out
    assert "export DDP_MLP_THREADS_PER_RANK=2" in done.out
    assert "mkdir -p runs/c" in done.err
    assert not (tmp_path / "runs").exists()


def test_a_type_that_is_named_needs_no_launcher(slurm):
    assert "srun -K1 --mpi=pmix" in slurm("script", "c.toml", "--mpi", "pmix").out


@pytest.mark.parametrize(("state", "warned"), [("finished", True), ("early-stopped", True), ("stopped", False)])
def test_a_job_for_a_run_that_is_over_is_warned_of(slurm, tmp_path, state, warned):
    (tmp_path / "runs/c").mkdir(parents=True)
    (tmp_path / "runs/c/status.json").write_text(f'{{"state": "{state}"}}')
    assert ("warning: runs/c holds a run that is over" in slurm("submit", "c.toml").err) == warned


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("script", "none.toml"), 66, "none.toml"),
        (("script", "c.toml", "--set", "train.epoch=3"), 2, "epochs"),
        (("script", "c.toml", "--nodes", "4", "--cpus-per-task", "2"), 2, "8 workers"),
        (("script", "c.toml", "--time", "4h"), 2, "--time 4h"),
        (("script", "c.toml", "--launcher", "srun"), 2, "no srun"),
        (("submit", "c.toml", "--nodes", "2"), 76, "sbatch is not on PATH"),
        (("status", "runs/c"), 66, "holds no run"),
    ],
)
def test_what_cannot_be_done_is_one_line(slurm, arguments, code, says):
    done = slurm(*arguments)
    assert (done.code, len(done.error_lines)) == (code, 1), done.err
    assert says in done.error_lines[0]
