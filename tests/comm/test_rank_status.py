"""What a rank says of where it stands."""

from __future__ import annotations

import numpy as np
import pytest

from ddp_mlp.comm.rank_status import AT_STEP, ENTERED, LEFT, Standing


def test_the_place_is_a_phrase_or_a_step():
    standing = Standing()
    assert standing.where == "at the start"
    standing.at("while loading the data")
    assert standing.where == "while loading the data"
    standing.at_step(812)
    assert standing.where == "at step 812"


def test_a_collective_counts_as_waiting_even_if_it_fails():
    standing = Standing()
    before = standing.progress
    with standing.waiting("a barrier"):
        assert standing.waits_in == "a barrier"
        assert standing.progress != before
        inside = standing.progress
    assert standing.waits_in == ""
    assert standing.progress != inside
    with pytest.raises(ValueError, match="lost"), standing.waiting("a broadcast"):
        raise ValueError("lost")
    assert standing.waits_in == ""


def test_a_collective_within_another_gives_way_to_it():
    standing = Standing()
    with standing.waiting("outer"):
        with standing.waiting("inner"):
            assert standing.waits_in == "inner"
        assert standing.waits_in == "outer"


def test_the_words_of_a_team_tell_step_and_waiting():
    standing, words = Standing(), np.zeros(5, np.int64)
    standing.watch_team(words)
    standing.at_step(100)
    words[AT_STEP] = 7
    assert standing.where == "at step 107"
    words[ENTERED] = 1
    assert standing.waits_in == "the sum of the gradients"
    waiting = standing.progress
    words[LEFT] = 1
    assert standing.waits_in == ""
    assert standing.progress != waiting
    standing.at_step(108)
    assert standing.where == "at step 108"
