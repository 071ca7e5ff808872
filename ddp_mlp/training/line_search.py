"""Gradient descent with a line search: each step as long as still goes downhill.

The step is halved until it satisfies Armijo's condition of sufficient decrease,
``f(theta - eta g) <= f(theta) - c1 eta |g|^2``. Source: Nocedal and Wright, "Numerical
Optimization" (2006), equation 3.4 and algorithm 3.1.
"""

from __future__ import annotations

import numpy as np

from ddp_mlp.comm import Communicator
from ddp_mlp.engine.engine import Engine, StepReport

#: Part of the decrease that the slope promises which a step must bring.
SUFFICIENT = 1e-4
HALVINGS = 30


def objective(report: StepReport) -> float:
    """Return the objective: the mean loss and the penalty."""
    return report.loss_sum / max(report.weight_sum, 1e-300) + report.penalty


def search(engine: Engine, comm: Communicator, batch: tuple[int, int], first: StepReport, rate: float) -> float:
    """Collective. Move the parameters along the negative gradient and return the rate that was taken.

    Each trial is a whole pass whose loss is summed in the tree, so that all ranks have the
    same bits and decide alike.

    Parameters
    ----------
    batch : (start, stop)
        All samples, in `engine.order`.
    first : StepReport
        Of the pass at the present parameters; its gradient is in the engine.
    rate : float
        The longest step to try.

    Returns
    -------
    float
        0 if no step brought a decrease; then the parameters are what they were.
    """
    leads = comm.local_rank == 0
    start, downhill = (engine.parameters.copy(), -engine.gradient) if leads else (None, None)
    before, slope = objective(first), first.grad_norm**2
    for _ in range(HALVINGS + 1 if slope > 0 else 0):
        if leads:
            engine.parameters[:] = start + engine.parameters.dtype.type(rate) * downhill
        comm.node_barrier()
        (trial,) = engine.run([batch], [(rate,)])
        after = objective(trial) if trial.is_finite else np.inf
        if after < before and after <= before - SUFFICIENT * rate * slope:
            return rate
        rate /= 2
    if leads:
        engine.parameters[:] = start
    comm.node_barrier()
    return 0.0
