"""When a watchdog warns, whom it names, and when it ends the job; on a clock of its own."""

from __future__ import annotations

import faulthandler
import threading
from collections.abc import Sequence

import pytest

from ddp_mlp.comm.liveness.rank_status import RankStatus
from ddp_mlp.comm.liveness.watchdog import Watchdog


class Answers:
    """A roll call with prepared answers."""

    def __init__(self, answers: dict[int, str]) -> None:
        self.answers = answers
        self.asked_stacks: list[int] = []

    def serve(self) -> None:
        pass

    def call(self, _within_s: float) -> dict[int, str]:
        return self.answers

    def ask_stacks(self, ranks: Sequence[int], _within_s: float) -> None:
        self.asked_stacks += ranks


class Rank:
    """A rank of four with its watchdog; `ended` holds the codes of aborts."""

    def __init__(self, rank: int, answers: dict[int, str], timeout_s: float = 60.0) -> None:
        self.ended: list[int] = []
        self.reasons: list[str] = []
        self.rank_status = RankStatus()
        self.rank_status.at_step(812)
        self.watchdog = Watchdog(self.rank_status, rank, 4, self.ended.append)
        self.watchdog.set_timeout(timeout_s, self.reasons.append)
        self.roll_call = Answers(answers)
        self.watchdog.ask_with(self.roll_call, ["n1", "n1", "n2", "n2"], rank)
        self.watchdog.look(0.0)


WAITS = "the sum of the gradients"


def test_a_silent_rank_is_named_with_host_collective_and_step(capsys):
    rank = Rank(0, {1: WAITS, 2: WAITS})
    with rank.rank_status.waiting(WAITS):
        rank.watchdog.look(0.0)
        rank.watchdog.look(29.9)
        assert capsys.readouterr().err == ""
        rank.watchdog.look(30.1)
        warning = capsys.readouterr().err
        assert warning.startswith("warning [rank 0/4 on n1]: waited 30 s in the sum of the gradients at step 812")
        rank.watchdog.look(59.9)
        assert (capsys.readouterr().err, rank.ended) == ("", [])
        rank.watchdog.look(60.1)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error [rank 0/4 on n1]: waited 60 s in the sum of the gradients at step 812; ")
    assert "rank 3 on n2 never entered it (it gives no sign of life)" in error
    assert "rank 1" not in error
    assert rank.ended == [80]
    assert len(rank.reasons) == 1
    assert rank.reasons[0] in error
    assert rank.roll_call.asked_stacks == []


def test_a_busy_rank_is_named_and_asked_for_its_stack(capsys):
    rank = Rank(0, {1: "", 2: WAITS, 3: WAITS})
    with rank.rank_status.waiting(WAITS):
        rank.watchdog.look(0.0)
        rank.watchdog.look(61.0)
    assert "rank 1 on n1 never entered it (it is busy, see its stack)" in capsys.readouterr().err
    assert rank.roll_call.asked_stacks == [1]


def test_only_the_lowest_rank_that_waits_speaks(capsys):
    second = Rank(1, {0: WAITS, 2: WAITS})
    with second.rank_status.waiting(WAITS):
        second.watchdog.look(0.0)
        second.watchdog.look(70.0)
    assert (capsys.readouterr().err, second.ended) == ("", [])
    second = Rank(1, {2: WAITS, 3: WAITS})  # rank 0 is the one that is missing
    with second.rank_status.waiting(WAITS):
        second.watchdog.look(0.0)
        second.watchdog.look(70.0)
    assert "rank 0 on n1 never entered it" in capsys.readouterr().err
    assert second.ended == [80]


def test_a_rank_that_goes_on_starts_the_clock_anew(capsys):
    rank = Rank(0, {})
    for start in (0.0, 50.0, 100.0):
        with rank.rank_status.waiting("a barrier"):
            rank.watchdog.look(start)
            rank.watchdog.look(start + 25.0)
    rank.watchdog.look(1000.0)  # busy for as long as it likes
    assert (capsys.readouterr().err, rank.ended) == ("", [])


def test_nobody_is_missing_where_all_wait(capsys):
    rank = Rank(0, {1: "a barrier", 2: "a barrier", 3: "a barrier"})
    with rank.rank_status.waiting("a barrier"):
        rank.watchdog.look(0.0)
        rank.watchdog.look(61.0)
    assert "all ranks have entered a collective" in capsys.readouterr().err


def test_many_missing_ranks_are_counted():
    rank_status = RankStatus()
    ended: list[int] = []
    watchdog = Watchdog(rank_status, 0, 100, ended.append)
    reasons: list[str] = []
    watchdog.set_timeout(10, reasons.append)
    watchdog.ask_with(Answers({}), [f"n{rank}" for rank in range(100)], 0)
    with rank_status.waiting("a barrier"):
        watchdog.look(0.0)
        watchdog.look(11.0)
    assert "rank 4 on n4 never entered it (it gives no sign of life), and 95 more" in reasons[0]


@pytest.mark.parametrize("timeout_s", [0.0, 1e9])
def test_it_can_be_switched_off(timeout_s, capsys):
    rank = Rank(0, {}, timeout_s)
    with rank.rank_status.waiting("a barrier"):
        rank.watchdog.look(0.0)
        rank.watchdog.look(1e8)
    assert (capsys.readouterr().err, rank.ended) == ("", [])


def test_before_mpi_is_up_nobody_can_be_asked(capsys):
    rank_status = RankStatus()
    ended: list[int] = []
    watchdog = Watchdog(rank_status, 2, 4, ended.append)
    watchdog.set_timeout(10)
    with rank_status.waiting("the start of MPI"):
        watchdog.look(0.0)
        watchdog.look(11.0)
    assert "some rank did not start, or cannot be reached" in capsys.readouterr().err
    assert ended == [80]


def test_a_timer_that_cannot_be_had_costs_stacks_and_no_more(monkeypatch):
    def refuse(_seconds):
        raise RuntimeError("unable to start watchdog thread")

    monkeypatch.setattr(faulthandler, "dump_traceback_later", refuse)
    aborted = threading.Event()
    status = RankStatus()
    watchdog = Watchdog(status, 0, 2, lambda _code: aborted.set())
    watchdog.start(0.3)
    with status.waiting("allreduce"):
        assert aborted.wait(10)
    watchdog.stop()
