"""The gradient check of a configuration: its network, loss and penalties on a few of its samples."""

from __future__ import annotations

import msgspec
import numpy as np

from ddp_mlp.catalog.optimizers import HOLDS
from ddp_mlp.comm import SingleProcess
from ddp_mlp.config import Config
from ddp_mlp.core.gradcheck import GradientCheck, check_gradient
from ddp_mlp.core.initializers import initial_parameters
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.sampling import permuted
from ddp_mlp.core.update_rules import UpdateRules, update_rules
from ddp_mlp.data.row_reader import rows_of
from ddp_mlp.engine.engine import Engine, StepReport
from ddp_mlp.training.problem import Problem, prepare

#: Samples of the loss that is checked.
N_ROWS = 8
#: Half-width of what is added to the start weights, so that no bias is 0 and no two units are equal.
_SPREAD = 0.1


def check_configuration(config: Config, most: int = 200) -> list[GradientCheck]:
    """Check the gradient of a configuration in float64, on one process.

    Dropout and augmentation stay as configured: their random numbers are the same at each
    evaluation of the loss.

    Raises
    ------
    DdpMlpError
        As a training run would.
    """
    config = msgspec.structs.replace(config, train=msgspec.structs.replace(config.train, dtype="float64"))
    problem, comm = prepare(config, SingleProcess()), SingleProcess()
    parameters = _start(config, problem)
    rows = permuted(problem.train_ids, "gradient check", config.train.seed)[:N_ROWS]
    resident = problem.resident
    if problem.stream is not None:
        chosen = np.sort(rows)
        resident, rows = rows_of(problem.stream.reader, chosen), np.searchsorted(chosen, rows)
        problem.stream.memory.close()
    rules = update_rules(config)
    engine = Engine(
        problem.network, HOLDS, resident, comm,
        micro_batches=1, threads=1, n_train=len(rows), global_batch_size=len(rows), start=parameters,
        rules=UpdateRules(l1=rules.l1, l2=rules.l2, lq=rules.lq, q=rules.q), augmentation=problem.augmentation,
    )  # fmt: skip
    engine.order[:] = rows
    engine.draw_for(config.train.seed, 0)

    def report_at(values: Floats) -> StepReport:
        engine.parameters[:] = values
        (report,) = engine.run([(0, len(rows))], [(0.0,)])
        return report

    def loss_at(values: Floats) -> float:
        report = report_at(values)
        return report.loss_sum / report.weight_sum + report.penalty

    report_at(parameters)
    gradient = engine.gradient.copy()
    return check_gradient(loss_at, parameters, gradient, problem.network.layout, config.train.seed, most)


def _start(config: Config, problem: Problem) -> Floats:
    model, seed = config.model, config.train.seed
    parameters = initial_parameters(problem.network, model.init, seed, "float64", model.init_scale)
    return parameters + np.random.default_rng(seed).uniform(-_SPREAD, _SPREAD, len(parameters))
