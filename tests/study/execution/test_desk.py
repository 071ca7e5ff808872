from __future__ import annotations

import json
from pathlib import Path

import pytest

from ddp_mlp.comm import SingleProcess
from ddp_mlp.errors import NonFiniteError, OutputError
from ddp_mlp.run.options import RunOptions
from ddp_mlp.study.configurations import Configurations
from ddp_mlp.study.execution.desk import Desk
from ddp_mlp.study.sampler import Listed
from ddp_mlp.study.study import Study


class Lagged:
    """Trials that see the results of all but the newest, as those of a model of the results do."""

    def __init__(self, n_trials):
        self.n_trials, self.seen = n_trials, {}

    def sees(self, number, at_once):
        return range(max(0, number - at_once + 1))

    def propose(self, number, results):
        self.seen[number] = dict(results)
        return [f"train.seed={number}"] if number < self.n_trials else None


class Office:
    """A desk, and all that it says."""

    def __init__(self, sampler, lag=2, timeout_s=0.0, on_result=lambda found: None):
        options = RunOptions(Path("study"))
        configure = Configurations(Path("c.toml"), (), SingleProcess())
        study = Study(sampler, configure, options, "t-{}".format, value=lambda summary: summary.get("loss"))
        self.told = []
        self.desk = Desk(study, lag, timeout_s, on_result, self.told.append)

    def ready(self, *groups):
        for group in groups:
            self.desk.hear(group, {"kind": "ready"})
        return self.orders()

    def orders(self):
        return [(group, order.get("name", order["kind"])) for group, order in self.desk.orders()]

    def over(self, group, **summary):
        self.desk.hear(group, {"kind": "over", "summary": {"status": "finished", **summary}})
        return self.orders()


def listed(n):
    return Listed([[f"train.seed={k}"] for k in range(n)])


def test_whoever_is_free_gets_the_next_trial():
    office = Office(listed(4))
    assert office.ready(0, 1) == [(0, "t-0"), (1, "t-1")]
    assert office.over(1) == [(1, "t-2")]
    assert office.over(1) == [(1, "t-3")]
    assert office.over(1) == []
    assert not office.desk.is_over
    assert office.over(0) == []
    assert office.desk.is_over
    assert [summary["name"] for summary in office.desk.summaries()] == ["t-0", "t-1", "t-2", "t-3"]


def test_a_trial_sees_the_same_results_whatever_ends_first():
    first, second = Lagged(4), Lagged(4)
    one, two = Office(first), Office(second)
    assert one.ready(0, 1) == [(0, "t-0"), (1, "t-1")]
    assert one.over(0, loss=1.0) == [(0, "t-2")]
    assert one.over(1, loss=2.0) == [(1, "t-3")]
    two.ready(0, 1)
    assert two.over(1, loss=2.0) == []  # t-2 waits for t-0, although a group is free
    assert two.over(0, loss=1.0) == [(1, "t-2"), (0, "t-3")]
    assert first.seen == second.seen == {0: {}, 1: {}, 2: {0: 1.0}, 3: {0: 1.0, 1: 2.0}}


def test_a_stop_reaches_all_that_run_and_nothing_is_handed_out_any_more():
    office = Office(listed(5))
    office.ready(0, 1, 2)
    office.desk.hear(2, {"kind": "stop", "by": "SIGTERM"})
    assert sorted(office.orders()) == [(0, "stop"), (1, "stop"), (2, "stop")]
    assert office.over(0, status="stopped") == []
    assert office.over(1) == []
    assert not office.desk.is_over
    office.over(2, status="stopped")
    assert office.desk.is_over
    assert [s["status"] for s in office.desk.summaries()] == ["stopped", "finished", "stopped"]


def test_a_run_that_was_stopped_by_its_own_signal_stops_the_study():
    office = Office(listed(5))
    office.ready(0, 1)
    assert office.over(0, status="stopped", stopped_by="SIGUSR1") == [(1, "stop")]
    office.over(1)
    assert (office.desk.is_over, office.desk.stopped_by) == (True, "SIGUSR1")


def test_a_study_that_is_stopped_between_trials_is_not_taken_for_whole():
    office = Office(listed(3))
    office.ready(0)
    office.desk.stop("SIGTERM")
    office.over(0)
    assert [s["status"] for s in office.desk.summaries()] == ["finished", "stopped"]


def test_a_trial_whose_process_is_killed_is_handed_out_again_but_not_for_ever():
    office = Office(listed(2))
    office.ready(0, 1)
    office.desk.lose(0, "killed by signal 9")
    assert office.orders() == []
    assert office.ready(0) == [(0, "t-0")]
    office.desk.lose(0, "killed by signal 9")
    assert office.ready(0) == []
    office.over(1)
    assert office.desk.is_over
    failed = office.desk.summaries()[0]
    assert (failed["status"], failed["exit_code"]) == ("failed", 70)
    assert "2 times: killed by signal 9" in failed["reason"]


def test_a_trial_that_came_further_before_it_was_killed_may_be_killed_more_often():
    office = Office(listed(1))
    for epoch in range(5):
        assert office.ready(0) == [(0, "t-0")]
        office.desk.hear(0, {"kind": "progress", "progress": {"epoch": epoch}})
        office.desk.lose(0, "killed by signal 9")
    assert office.ready(0) == [(0, "t-0")]


def test_a_trial_that_hangs_ends_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    office = Office(listed(3), timeout_s=10.0)
    office.ready(0, 1)
    assert list(office.desk.hung()) == []
    office.desk.running[0].moved_at -= 11.0
    assert list(office.desk.hung()) == [0]
    assert office.desk.give_up(0)["exit_code"] == 80
    told = json.loads(Path("study/t-0/status.json").read_text())  # though it hung before it had a directory
    assert (told["state"], told["exit_code"]) == ("failed", 80)
    assert office.over(1) == [(1, "t-2")]
    office.over(1)
    assert [s["status"] for s in office.desk.summaries()] == ["failed", "finished", "finished"]
    patient = Office(listed(1))
    patient.ready(0)
    patient.desk.running[0].moved_at -= 1e9
    assert list(patient.desk.hung()) == []


def test_a_failure_of_the_whole_study_stops_all_first():
    office = Office(listed(5))
    office.ready(0, 1)
    office.desk.hear(0, {"kind": "failed", "code": 73, "reason": "the disk is full"})
    assert office.orders() == [(1, "stop")]
    office.over(1, status="stopped")
    assert office.desk.is_over
    assert isinstance(office.desk.failure, OutputError)


def test_results_that_cannot_be_written_end_the_study():
    def full(found):
        raise OutputError("the disk is full")

    office = Office(listed(5), on_result=full)
    office.ready(0)
    assert office.over(0) == []
    assert isinstance(office.desk.failure, OutputError)
    assert office.desk.is_over


@pytest.mark.parametrize("code", [79, 65])
def test_a_trial_that_fails_by_itself_is_no_failure_of_the_study(code):
    office = Office(listed(2))
    office.ready(0)
    assert office.over(0, status="failed", exit_code=code) == [(0, "t-1")]
    assert office.desk.failure is None
    assert NonFiniteError.exit_code == 79
