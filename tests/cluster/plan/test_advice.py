"""The choice among predicted placements."""

from __future__ import annotations

from ddp_mlp.cluster.plan.advice import advise
from ddp_mlp.cluster.plan.cost_model import Prediction


def a_prediction(ranks, threads, step_s, node_bytes=1):
    return Prediction(ranks, threads, 1, 1, step_s, 0, 0, 0, 1.0, 1.0, 1, node_bytes)


def test_advice_takes_the_least_memory_among_equals_and_says_when_more_is_slower():
    here = [a_prediction(1, 1, 10.0), a_prediction(2, 1, 6.0, 300), a_prediction(1, 2, 6.05, 200)]
    asked = [a_prediction(n, 1, step) for n, step in ((1, 10.0), (2, 6.0), (4, 4.0), (8, 5.0), (16, 9.0))]
    advice = advise(here, asked)
    assert (advice.here.ranks, advice.here.threads) == (1, 2)
    assert (advice.fastest.ranks, advice.slower_from) == (4, 8)
    assert advise(here, asked[:3]).slower_from is None
