"""Which endings of a job put it back into the queue, and what is said of the others."""

from __future__ import annotations

import json
import os

import pytest

from ddp_mlp.cluster.slurm.controller import parse_job
from ddp_mlp.cluster.slurm.record import Record, read_record
from ddp_mlp.cluster.slurm.requeue import Ending, end_own_job, why_not
from ddp_mlp.cluster.slurm.status import statuses
from ddp_mlp.errors import MissingInputError


@pytest.mark.parametrize(
    ("code", "asked", "goes_on"),
    [
        (75, False, True),
        (75, True, True),
        (138, False, True),  # killed by SIGUSR1 before it listened
        (143, False, True),
        (137, False, False),
        (137, True, True),  # a launcher that kills the rest of its ranks
        (1, True, True),
        (1, False, False),
        (139, False, False),
        *((code, True, False) for code in (2, 65, 66, 70, 73, 74, 76, 78, 79, 80)),
    ],
)
def test_what_counts_as_stopped(code, asked, goes_on):
    assert (why_not(Ending(code, asked, 0, (5,)), 10) == "") is goes_on


def test_not_for_ever():
    assert why_not(Ending(75, True, 9, (5,)), 10) == ""
    assert "--max-restarts 10" in why_not(Ending(75, True, 10, (5,)), 10)


def test_not_without_progress():
    assert why_not(Ending(75, True, 2, (0, 5, 5)), 10) == ""
    assert "stopped 3 times at step 5" in why_not(Ending(75, True, 3, (0, 5, 5, 5)), 10)


@pytest.fixture
def slurm(monkeypatch, tmp_path):
    """A Slurm that knows job 7 and writes down what it is asked to do."""

    def install(state="RUNNING", denied=False, preempted="None"):
        answer = "echo 'scontrol: error: Access denied' >&2; exit 1" if denied else f'echo "$@" >> {tmp_path}/asked'
        fields = f"JobId=7 JobName=a b JobState={state} Reason=None Restarts=2 RunTime=00:01:00 TimeLimit=01:00:00"
        fields += f" PreemptTime={preempted}"
        (tmp_path / "scontrol").write_text(
            f'#!/bin/sh\ncase $1 in show) echo "{fields} NodeList=n[1-2]";; *) {answer};; esac\n'
        )
        (tmp_path / "scontrol").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        return tmp_path

    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    return install


def end(run, code=75, restarts=0, **status):
    run.mkdir(exist_ok=True)
    (run / "status.json").write_text(json.dumps({"state": "stopped", "steps": 40, "slurm_job_id": "7", **status}))
    return end_own_job(run, code, asked=code == 75, restarts=restarts, max_restarts=100)


@pytest.mark.parametrize("state", ["RUNNING", "SIGNALING"])
def test_a_stopped_job_is_requeued_once_and_remembered(slurm, state):
    folder = slurm(state=state)
    assert end(folder / "run") == (75, "job 7 is requeued at step 40")
    assert (folder / "asked").read_text() == "requeue 7\n"
    assert read_record(folder / "run") == Record("7", (40,))


@pytest.mark.parametrize("code", [0, 75, 137])
def test_a_finished_run_is_not_requeued_whatever_its_launcher_says(slurm, code):
    folder = slurm()
    assert end(folder / "run", code, state="early-stopped") == (0, "job 7: the run is early-stopped")
    assert not (folder / "asked").exists()


def test_a_study_is_over_when_it_says_so_and_goes_on_by_the_steps_of_its_runs(slurm):
    folder = slurm()
    study = folder / "study"
    for run, steps in (("trial-001", 30), ("trial-002/fold-0", 9), ("trial-002/fold-1", 3)):
        (study / run).mkdir(parents=True)
        (study / run / "status.json").write_text(json.dumps({"state": "stopped", "steps": steps, "slurm_job_id": "7"}))
    for ended_in in ("", "-", "6"):
        (study / "study.json").write_text(json.dumps({"at_once": 1, "micro_batches": 8, "ended_in": ended_in}))
        code, line = end_own_job(study, 0, asked=False, restarts=0, max_restarts=9)
        assert (code, "not requeued" in line) == (70, True)
        assert end_own_job(study, 75, asked=True, restarts=0, max_restarts=9) == (75, "job 7 is requeued at step 42")
    (study / "study.json").write_text(json.dumps({"at_once": 1, "micro_batches": 8, "ended_in": "7"}))
    assert end_own_job(study, 137, asked=True, restarts=0, max_restarts=9) == (0, "job 7: the study is over")


def test_a_launcher_without_complaint_does_not_make_a_run_finished(slurm):
    code, line = end(slurm() / "run", 0, state="running")
    assert (code, "not requeued" in line) == (70, True)


def test_one_that_was_finished_by_another_job_is_not_either(slurm):
    assert end(slurm() / "run", 65, state="finished", slurm_job_id="6")[0] == 65


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_preempted_job_goes_on_though_only_its_daemons_were_asked(slurm, code):
    folder = slurm(preempted="2026-11-21T11:19:13")
    assert end(folder / "run", code, state="running") == (75, "job 7 is requeued at step 40")


def test_of_an_array_only_this_task(slurm, monkeypatch):
    folder = slurm()
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "6")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    end(folder / "run")
    assert (folder / "asked").read_text() == "requeue 6_3\n"


def test_three_stops_at_the_same_step_are_enough(slurm):
    folder = slurm()
    lines = [end(folder / "run", restarts=n)[1] for n in range(3)]
    assert ["is requeued" in line for line in lines] == [True, True, False]
    assert "is requeued" in end(folder / "run", restarts=0)[1]  # submitted anew, it has its chances again


def test_one_that_is_preempted_early_again_and_again_may_come_back(slurm):
    folder = slurm(preempted="2026-11-21T11:19:13")
    lines = [end(folder / "run", restarts=n)[1] for n in range(5)]
    assert all("is requeued" in line for line in lines)


def test_without_rights_the_command_is_said(slurm):
    folder = slurm(denied=True)
    (folder / "run").mkdir()
    (folder / "run" / "job.sbatch").write_text("")
    code, line = end(folder / "run")
    assert (code, "Access denied" in line) == (75, True)
    assert f"sbatch {folder}/run/job.sbatch" in line


@pytest.mark.parametrize("state", ["CANCELLED", "COMPLETING", "TIMEOUT"])
def test_a_cancelled_job_stays_cancelled(slurm, state):
    folder = slurm(state=state)
    assert f"Slurm says it is {state}" in end(folder / "run")[1]
    assert not (folder / "asked").exists()


def test_how_a_run_stands(slurm):
    folder = slurm()
    end(folder / "run")
    (status,) = statuses(folder / "run")
    assert (status.job_id, status.job_state, status.restarts, status.nodes) == ("7", "RUNNING", 2, "n[1-2]")
    assert (status.state, status.step, status.time_left_s, status.reason) == ("stopped", 40, 3540, "")
    with pytest.raises(MissingInputError):
        statuses(folder / "none")


def test_fields_of_a_job():
    fields = parse_job("JobId=7 ArrayJobId=6 JobName=a = b JobState=PENDING Reason=BeginTime Dependency=(null)\n")
    assert fields["JobName"] == "a = b"
    assert fields["Reason"] == "BeginTime"
    assert parse_job("") == {}
