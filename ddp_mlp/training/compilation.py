"""Have all kernels compiled before training: once for each node, by one of its ranks."""

from __future__ import annotations

from collections.abc import Callable

from ddp_mlp.comm import Communicator
from ddp_mlp.core.kernels.cache import fill_cache, use_cache


def ready_kernels(dtype: str, comm: Communicator, tell: Callable[[str], None]) -> None:
    """Collective. Load the compiled kernels, or compile them where that was never done.

    Call it before any module that holds kernels is imported: they take the cache
    directory that is in force when they are decorated.

    Parameters
    ----------
    tell : callable
        Called on rank 0 with a line for the user if compiling will take a while.
    """
    comm.standing.at("while the kernels are compiled")
    is_warm = use_cache(dtype)
    cold_nodes = [text for text in comm.share_text("" if is_warm else "cold") if text]
    if not cold_nodes:
        return
    if comm.rank == 0:
        tell("compiling kernels, first run only (about a minute)")
    if comm.local_rank == 0 and not is_warm:
        fill_cache(dtype, lambda: compile_kernels(dtype))
        is_warm = True
    comm.barrier()
    if not is_warm and not use_cache(dtype):
        fill_cache(dtype, lambda: compile_kernels(dtype))


def compile_kernels(dtype: str) -> None:
    """Run every entry point once, on two workers and a network of three weights."""
    import numpy as np

    from ddp_mlp.comm import SingleProcess
    from ddp_mlp.core.initializers import initial_parameters
    from ddp_mlp.core.layout import Layout
    from ddp_mlp.core.network import Network
    from ddp_mlp.core.sampling import permuted
    from ddp_mlp.data.resident import Resident
    from ddp_mlp.training.engine import Engine
    from ddp_mlp.training.evaluation import Evaluator

    comm = SingleProcess()
    network = Network(Layout((1, 1)), ("identity",), "mse", "linear")
    column = np.zeros((2, 1), dtype)
    resident = Resident(column.view(np.uint8), 0, column[0], column[0], column, (0, 2))
    parameters = initial_parameters(network, "zeros", 0, dtype)
    engine = Engine(
        network, "sgd", resident, comm,
        micro_batches=2, threads=2, n_train=2, global_batch_size=2, start=parameters,
    )  # fmt: skip
    engine.order[:] = permuted(np.arange(2), "warm-up")
    engine.run([(0, 2)], [(0.0,)])
    engine.close()
    evaluator = Evaluator(network, "regression", resident, comm, 1)
    evaluator.evaluate(parameters, np.arange(2))
    evaluator.predict(parameters, np.arange(2))
