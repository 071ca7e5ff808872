"""The examples of real work come to what their first lines promise."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.runs import Finished, run
from tests.slurm.cluster import require_slurm, running_cluster
from tests.tiers import THOROUGH

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Programs of the environment that runs the tests, ddp-mlp and python among them.
SEARCHED = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def start(example: str, folder: Path, searched: str = SEARCHED, **environment: str) -> Finished:
    """Run a script as its first lines say, in an empty folder."""
    program = sys.executable if example.endswith(".py") else "bash"
    return run([program, str(EXAMPLES / example)], folder, PATH=searched, **environment)


def percentages(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"([\d.]+)%", text)]


def test_all_are_listed_and_tested():
    folders = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    listed = re.findall(r"^\| \[([\w-]+)\]", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert folders == sorted(listed)
    tests = Path(__file__).read_text()
    assert [name for name in folders if f'"{name}' not in tests] == []


@THOROUGH
def test_five_networks_stand_for_a_simulation(tmp_path):
    done = start("surrogate/run.sh", tmp_path)
    assert done.code == 0, done.err
    *quantities, doubt = done.out.splitlines()[-4:]
    for line in quantities:
        one, together = percentages(line)
        assert together < one < 9, line
    within = [float(number) for number in re.findall(r"^within_._std +([\d.]+)$", done.out, re.MULTILINE)]
    assert 0.5 < within[0] < within[1] < 1, "the spread is about as large as the errors"
    assert "largest difference from predict" in done.err
    assert (tmp_path / "runs" / "surrogate" / "report.html").exists()
    inside, outside = percentages(doubt)
    assert outside > 4 * inside
    assert "far outside the range" in done.err


@THOROUGH
def test_weights_find_more_rare_events(tmp_path):
    done = start("rare-events/run.sh", tmp_path)
    assert done.code == 0, done.err
    balanced, plain = (
        [float(number) for number in row]
        for row in re.findall(r"^failing +([\d.]+) +([\d.]+) ", done.out, re.MULTILINE)
    )
    assert balanced[1] > plain[1] + 0.15, "of the failing valves more are found"
    assert balanced[0] < plain[0] - 0.3, "of the answers failing fewer are right"


def test_an_autoencoder_finds_faults(tmp_path):
    done = start("anomalies/anomalies.py", tmp_path)
    assert done.code == 0, done.err
    assert percentages(done.out)[0] > 90


@THOROUGH
def test_particles_are_told_from_a_compound_table(tmp_path):
    done = start("detector/run.sh", tmp_path)
    assert done.code == 0, done.err
    *_, accuracy = re.findall(r"^accuracy +([\d.]+)$", done.out, re.MULTILINE)
    assert float(accuracy) > 0.88


def study(folder: Path) -> Path:
    """Copy the study, with two trials only, which are enough to see it work."""
    shutil.copytree(EXAMPLES / "slurm-study", folder / "study")
    script = folder / "study" / "study.sbatch"
    whole = script.read_text()
    assert "--trials 8" in whole
    script.write_text(whole.replace("--trials 8", "--trials 2"))
    return script


def test_a_study_runs_without_slurm(tmp_path):
    script = study(tmp_path)
    done = run(["bash", script.name], script.parent, PATH=SEARCHED, SLURM_JOB_ID="")
    assert done.code == 0, done.err
    assert done.out.count("trial-00") == 3
    assert "best by valid_accuracy" in done.out


def test_a_study_that_was_stopped_goes_back_into_the_queue(tmp_path):
    script = study(tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, line in (("srun", "exit 75"), ("scontrol", 'echo "scontrol $*"'), ("ddp-mlp", "exit 0")):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    done = run(["bash", script.name], script.parent, PATH=f"{programs}:{SEARCHED}", SLURM_JOB_ID="41")
    assert (done.code, done.out) == (75, "scontrol requeue 41\n")


@pytest.mark.slurm
@pytest.mark.mpi
def test_a_study_is_a_job_of_slurm(tmp_path):
    require_slurm()
    script = study(tmp_path)
    with running_cluster(tmp_path / "cluster") as cluster:
        cluster.environment["PATH"] = SEARCHED
        job = cluster.call("sbatch", "--parsable", script.name, cwd=script.parent)
        assert job.code == 0, job.err
        fields = cluster.wait_for_end(job.out.strip())
    log = "\n".join(path.read_text() for path in script.parent.glob("study-*.out"))
    assert fields["JobState"] == "COMPLETED", log
    assert "best by valid_accuracy" in log
    assert (script.parent / "runs/study/trials.csv").read_text().count("\n") == 3
