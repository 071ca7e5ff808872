"""The solver "lbfgs": SciPy's L-BFGS-B on rank 0, with the loss and gradient of all rows computed by all ranks.

Rank 0 alone decides where to look next, so that all ranks hold the same bits, and its linear algebra keeps to one
thread, so that these do not depend on how many cores it has.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.catalog.dtypes import held_dtype
from ddp_mlp.checkpoint.state import TrainState
from ddp_mlp.comm import Communicator, known_to_all
from ddp_mlp.config import Config
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.update_rules import update_rules
from ddp_mlp.engine.engine import Engine
from ddp_mlp.errors import NonFiniteError
from ddp_mlp.training.line_search import objective
from ddp_mlp.training.problem import Problem


@dataclass(frozen=True)
class Limits:
    """When the solver ends: the largest gradient that will do, the most iterations and evaluations."""

    tolerance: float
    n_iterations: int
    n_evaluations: int


@dataclass(frozen=True, eq=False)
class Found:
    """The end of the solver.

    Attributes
    ----------
    parameters : ndarray of shape (P,)
    loss : float
        With the penalty.
    n_iter : int
    has_converged : bool
    """

    parameters: Floats
    loss: float
    n_iter: int
    has_converged: bool


class _Objective:
    """The loss of all rows as a function of the weights."""

    def __init__(self, engine: Engine, comm: Communicator, n_rows: int) -> None:
        self._engine, self._comm, self._n_rows = engine, comm, n_rows
        #: Where to look, behind a 1; or the end of the search, behind a 0.
        self.message = np.zeros(1 + len(engine.parameters))

    def __call__(self, theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Rank 0. Return the loss and its gradient, with the help of all ranks."""
        self.message[0], self.message[1:] = 1.0, theta
        self._comm.broadcast(self.message)
        return self._evaluate()

    def serve(self) -> None:
        """Other ranks. Evaluate whatever rank 0 asks for, until it ends the search."""
        while True:
            self._comm.broadcast(self.message)
            if not self.message[0]:
                return
            self._evaluate()

    def end(self, theta: NDArray[np.float64]) -> None:
        """Rank 0. End the search of all ranks at these weights."""
        self.message[0], self.message[1:] = 0.0, theta
        self._comm.broadcast(self.message)

    def _evaluate(self) -> tuple[float, NDArray[np.float64]]:
        """Collective. Return the loss and gradient where the message says; the gradient on the first of each node."""
        if self._comm.local_rank == 0:
            self._engine.parameters[:] = self.message[1:]
        self._comm.node_barrier()
        (report,) = self._engine.run([(0, self._n_rows)], [(1.0,)])
        if not report.is_finite:
            raise known_to_all(NonFiniteError("the loss or gradient became non-finite in the solver lbfgs; scale X"))
        gradient = self._engine.gradient.astype(np.float64) if self._comm.local_rank == 0 else np.zeros(0)
        self._comm.node_barrier()
        return float(objective(report)), gradient


def minimize(
    config: Config,
    problem: Problem,
    state: TrainState,
    comm: Communicator,
    micro_batches: int,
    threads: int,
    limits: Limits,
) -> Found:
    """Collective. Minimise the loss over all training rows.

    Parameters
    ----------
    config : Config
        Whose optimiser leaves the weights alone.
    problem : Problem
    state : TrainState
        Where it begins.
    comm : Communicator
    micro_batches, threads : int
        Parts of all rows, and threads of this rank.
    limits : Limits

    Raises
    ------
    NonFiniteError
        If the loss is no number somewhere on the way; on all ranks.
    """
    n_rows = len(problem.train_ids)
    engine = Engine(
        problem.network, config.optimizer.name, problem.resident, comm, micro_batches=micro_batches, threads=threads,
        n_train=n_rows, global_batch_size=n_rows, start=state.parameters, rules=update_rules(config),
    )  # fmt: skip
    with closing(engine):
        engine.order[:] = problem.train_ids
        engine.draw_for(config.train.seed, 0)
        function = _Objective(engine, comm, n_rows)
        told = np.zeros(3)
        if comm.rank == 0:
            theta, told[:] = _search(function, state.parameters.astype(np.float64), limits)
            function.end(theta)
        else:
            function.serve()
        comm.broadcast(told)
    parameters = function.message[1:].astype(held_dtype(config.train.dtype))
    return Found(parameters, float(told[0]), int(told[1]), bool(told[2]))


def _search(
    function: _Objective, start: NDArray[np.float64], limits: Limits
) -> tuple[NDArray[np.float64], tuple[float, int, bool]]:
    """Rank 0. Return the weights that the solver ends at; their loss, its iterations, and whether it has converged."""
    from scipy.optimize import minimize as scipy_minimize
    from threadpoolctl import threadpool_limits

    options = {"maxfun": limits.n_evaluations, "maxiter": limits.n_iterations, "gtol": limits.tolerance}
    with threadpool_limits(1, "blas"):
        found = scipy_minimize(function, start, method="L-BFGS-B", jac=True, options=options)
    return found.x, (float(found.fun), min(int(found.nit), limits.n_iterations), found.status == 0)
