"""What a rank says of where it stands."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.comm.liveness.rank_status import AT_STEP, ENTERED, LEFT, RankStatus


def test_the_place_is_a_phrase_or_a_step():
    status = RankStatus()
    assert status.where == "at the start"
    status.at("while loading the data")
    assert status.where == "while loading the data"
    status.at_step(812)
    assert status.where == "at step 812"


def test_a_collective_counts_as_waiting_even_if_it_fails():
    status = RankStatus()
    before = status.progress
    with status.waiting("a barrier"):
        assert status.waits_in == "a barrier"
        assert status.progress != before
        inside = status.progress
    assert status.waits_in == ""
    assert status.progress != inside
    with pytest.raises(ValueError, match="lost"), status.waiting("a broadcast"):
        raise ValueError("lost")
    assert status.waits_in == ""


def test_a_collective_within_another_gives_way_to_it():
    status = RankStatus()
    with status.waiting("outer"):
        with status.waiting("inner"):
            assert status.waits_in == "inner"
        assert status.waits_in == "outer"


def test_the_words_of_a_team_tell_step_and_waiting():
    status, words = RankStatus(), np.zeros(5, np.int64)
    status.watch_team(words)
    status.at_step(100)
    words[AT_STEP] = 7
    assert status.where == "at step 107"
    words[ENTERED] = 1
    assert status.waits_in == "the sum of the gradients"
    waiting = status.progress
    words[LEFT] = 1
    assert status.waits_in == ""
    assert status.progress != waiting
    status.at_step(108)
    assert status.where == "at step 108"
