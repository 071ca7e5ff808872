"""A rank that leaves waits for ranks that are busy, and learns of one that waits for it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ddp_mlp.comm.liveness import leaving
from ddp_mlp.comm.liveness.leaving import THE_END, awaited_in

Answers = dict[int, str] | None


def asked(answers: Iterator[Answers], monkeypatch: pytest.MonkeyPatch) -> tuple[str, float]:
    """Return the finding, and the seconds after which it came."""
    clock = [0.0]
    monkeypatch.setattr(leaving.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(leaving.time, "sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    found = awaited_in(lambda: next(answers), 2)
    return found, clock[0]


def test_busy_ranks_are_waited_for_until_all_are_about_to_leave(monkeypatch):
    answers: list[Answers] = [*[{0: "", 2: THE_END}] * 100, {2: THE_END}, {0: THE_END, 2: THE_END}]
    found, seconds = asked(iter(answers), monkeypatch)
    assert found == ""
    assert seconds > 4


def test_a_rank_that_waits_elsewhere_is_named_once_it_has_not_moved_for_a_moment(monkeypatch):
    passing: list[Answers] = [{0: "a sum", 2: ""}, {0: "", 2: ""}, {0: "a barrier", 2: ""}, {0: "a sum", 2: ""}]
    stuck: list[Answers] = [{0: "", 2: "a sum"}] * 50
    found, seconds = asked(iter([*passing * 3, *stuck]), monkeypatch)
    assert found == "rank 2 waits for it in a sum"
    assert 1.0 < seconds < 1.5


def test_where_nobody_can_be_asked_a_rank_leaves_as_it_is(monkeypatch):
    assert asked(iter([{0: ""}, None]), monkeypatch)[0] == ""
