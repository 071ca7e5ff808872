"""The fate of jobs: which end is a failure, which goes on by itself, and when that is given up."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ddp_mlp.service.running.claims import Claim
from ddp_mlp.service.running.endings import after_death, after_end
from ddp_mlp.service.running.standing import Phase, Standing
from ddp_mlp.service.settings import Settings
from tests.service.store.test_store import job

CLAIM = Claim(1, 1, "", "")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(tmp_path)
    made.make_folders()
    made.job_folder(1).mkdir()
    return made


RUNNING = job(id=1, state="running", attempts=1)


def died(**fields: object) -> Standing:
    return replace(Standing(Phase.DIED, CLAIM), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "state", "resumes"),
    [(0, "finished", True), (75, "stopped", True), (130, "stopped", True), (79, "failed", False), (2, "failed", False),
     (74, "failed", True), (137, "failed", True)],
)  # fmt: skip
def test_an_exit_code_is_a_state(code: int, state: str, resumes: bool, settings: Settings):
    ended = after_end(RUNNING, Standing(Phase.ENDED, CLAIM, code), settings)
    assert (ended["state"], ended["exit_code"], ended["resumes"]) == (state, code, resumes)


def test_the_reason_is_the_line_of_the_command(settings: Settings):
    (settings.job_folder(1) / "output.log").write_text("error: first\nepoch 1\nerror: \x1b[2Jthe loss\nbye\n")
    ended = after_end(RUNNING, Standing(Phase.ENDED, CLAIM, 79), settings)
    assert ended["reason"] == "\\x1b[2Jthe loss"


def test_a_machine_that_goes_down_stops_its_jobs_and_they_go_on(settings: Settings):
    ended = after_end(RUNNING, Standing(Phase.ENDED, CLAIM, 75, rebooted=True), settings)
    assert (ended["state"], ended["resumes"], ended["restarts"]) == ("queued", True, 1)
    asked = after_end(replace(RUNNING, state="stopping"), Standing(Phase.ENDED, CLAIM, 75, rebooted=True), settings)
    assert asked["state"] == "stopped"


def test_a_death_is_followed_by_another_start_until_it_is_in_vain(settings: Settings):
    one, deaths = RUNNING, 0
    while (fields := after_death(one, died(rebooted=deaths == 0), settings))["state"] == "queued":
        one, deaths = replace(one, **{**fields, "state": "running"}), deaths + 1
        assert deaths < 50
    assert deaths == settings.max_restarts
    assert "without a new checkpoint" in fields["reason"]


def test_who_gets_further_may_die_as_often_as_needed(settings: Settings):
    one = RUNNING
    checkpoints = settings.directory / one.run_dir / "checkpoints"
    checkpoints.mkdir(parents=True)
    for step in range(1, 40):
        (checkpoints / f"step-{step % 5:08d}.h5").touch()  # another trial of a study may be at an earlier step
        os.utime(checkpoints / f"step-{step % 5:08d}.h5", ns=(step, step))
        fields = after_death(one, died(), settings)
        assert (fields["state"], fields["resumes"]) == ("queued", True)
        one = replace(one, **{**fields, "state": "running"})
    assert one.restarts == 39


def test_a_run_that_told_its_end_is_believed_although_its_process_was_killed(settings: Settings):
    assert after_death(RUNNING, died(code=0), settings)["state"] == "finished"
    assert after_death(RUNNING, died(code=79), settings)["state"] == "failed"
    assert after_death(replace(RUNNING, state="stopping"), died(), settings)["state"] == "stopped"


def test_a_start_that_never_happened_counts_as_none(settings: Settings):
    for _ in range(10):  # a server that is killed again and again
        assert after_death(RUNNING, Standing(Phase.REVOKED), settings) == {"state": "queued", "reason": ""}


def test_a_process_that_never_begins_is_given_up(settings: Settings):
    one = RUNNING
    for _ in range(settings.max_restarts):
        fields = after_death(one, Standing(Phase.REVOKED, code=1), settings)
        assert fields["state"] == "queued"
        one = replace(one, vain=fields["vain"], reached=fields["reached"])
    assert after_death(one, Standing(Phase.REVOKED, code=1), settings)["state"] == "failed"
