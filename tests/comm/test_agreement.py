"""Errors that all ranks raise together: the same kind, code and words on each of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ddp_mlp.comm import SingleProcess, agreed
from ddp_mlp.comm.agreement import is_agreed
from ddp_mlp.errors import DataError, DdpMlpError, StorageError, UsageError, error_from_code

KINDS = DdpMlpError.__subclasses__()


class Rank:
    """One of several threads that play ranks; all it can do is share texts."""

    def __init__(self, rank: int, texts: list[str], barrier: threading.Barrier) -> None:
        self.rank, self.world_size, self.host = rank, len(texts), f"node{rank}"
        self._texts, self._barrier = texts, barrier

    def share_text(self, text: str) -> list[str]:
        self._texts[self.rank] = text
        self._barrier.wait(timeout=10)
        shared = list(self._texts)
        self._barrier.wait(timeout=10)
        return shared


def on_ranks(n_ranks: int, work: Callable[[int], None]) -> list[BaseException | None]:
    """Run `work(rank)` in an `agreed` block on every rank and return what each one raised."""
    texts, barrier = [""] * n_ranks, threading.Barrier(n_ranks)
    raised: list[BaseException | None] = [None] * n_ranks

    def run(rank: int) -> None:
        comm: Any = Rank(rank, texts, barrier)
        try:
            with agreed(comm):
                work(rank)
        except BaseException as error:
            raised[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(n_ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def failing(*ranks: int, kind: type[DdpMlpError] = DataError) -> Callable[[int], None]:
    def work(rank: int) -> None:
        if rank in ranks:
            raise kind(f"file of rank {rank}: bad, very bad")

    return work


def test_nothing_is_raised_where_nobody_fails() -> None:
    assert on_ranks(3, failing()) == [None, None, None]


@pytest.mark.parametrize("kind", KINDS)
def test_one_failure_is_raised_everywhere(kind: type[DdpMlpError]) -> None:
    for error in on_ranks(3, failing(1, kind=kind)):
        assert type(error) is kind
        assert str(error) == "[rank 1 on node1] file of rank 1: bad, very bad"
        assert is_agreed(error)


def test_the_lowest_rank_that_failed_speaks() -> None:
    raised = on_ranks(4, failing(3, 2))
    assert {str(error) for error in raised} == {"[rank 2 on node2] file of rank 2: bad, very bad"}


def test_rank_0_speaks_for_all() -> None:
    """What rank 0 alone writes, or what every rank finds, needs no rank in the message."""
    for ranks in [(0,), (0, 1, 2)]:
        raised = on_ranks(3, failing(*ranks))
        assert {str(error) for error in raised} == {"file of rank 0: bad, very bad"}


def test_what_was_agreed_may_pass_another_block() -> None:
    """The outer block adds no second prefix."""

    def work(rank: int) -> None:
        error = UsageError("[rank 2 on node2] wrong")
        error.add_note("agreed by all ranks")
        raise error

    assert {str(error) for error in on_ranks(3, work)} == {"[rank 2 on node2] wrong"}


def test_an_empty_message_is_a_failure_all_the_same() -> None:
    def work(rank: int) -> None:
        if rank == 0:
            raise StorageError("")

    assert [type(error) for error in on_ranks(2, work)] == [StorageError, StorageError]


def test_other_exceptions_are_this_ranks_alone() -> None:
    """A bug must end the job at once, not be dressed as the user's mistake; nobody is asked."""

    class Silent(SingleProcess):
        def share_text(self, text: str) -> list[str]:  # noqa: ARG002
            raise AssertionError("a collective call after a bug")

    for kind in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(kind) as caught, agreed(Silent()):
            raise kind("a bug")
        assert not is_agreed(caught.value)


def test_a_single_process_keeps_its_message() -> None:
    with pytest.raises(DataError) as caught, agreed(SingleProcess()):
        raise DataError("train.h5: line 1\nline 2")
    assert str(caught.value) == "train.h5: line 1\nline 2"
    assert is_agreed(caught.value)
    with agreed(SingleProcess()):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_known_by_its_code(kind: type[DdpMlpError]) -> None:
    error = error_from_code(kind.exit_code, "words")
    assert (type(error), str(error)) == (kind, "words")


def test_codes_are_distinct_and_no_success() -> None:
    codes = [kind.exit_code for kind in [DdpMlpError, *KINDS]]
    assert len(set(codes)) == len(codes)
    assert all(0 < code < 126 for code in codes), "above are those of the shell"
    assert type(error_from_code(99, "words")) is DdpMlpError
