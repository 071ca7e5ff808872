"""Which placement to take, of those whose times and memory were predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ddp_mlp.cluster.plan.cost_model import Prediction

#: Time a step may exceed the fastest by and still count as equally fast.
_TIE = 1.02


@dataclass(frozen=True)
class Advice:
    """The placements to take.

    Attributes
    ----------
    here : Prediction
        The fastest placement on one node, with the fewest ranks among equals.
    fastest : Prediction
        The fastest of all that were asked for.
    slower_from : int or None
        Number of ranks from which on more of them are slower.
    """

    here: Prediction
    fastest: Prediction
    slower_from: int | None


def advise(on_one_node: Sequence[Prediction], asked: Sequence[Prediction]) -> Advice:
    """Choose among placements of one node, and among what was asked for."""
    quickest = min(prediction.step_s for prediction in on_one_node)
    equals = [prediction for prediction in on_one_node if prediction.step_s <= quickest * _TIE]
    here = min(equals, key=lambda prediction: (prediction.node_bytes, prediction.ranks * prediction.threads))
    ordered = sorted(asked, key=lambda prediction: prediction.ranks)
    fastest = min(ordered, key=lambda prediction: prediction.step_s)
    later = [prediction.ranks for prediction in ordered if prediction.ranks > fastest.ranks]
    return Advice(here, fastest, later[0] if later else None)
