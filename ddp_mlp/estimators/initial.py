"""First weights as scikit-learn draws them, so that one `random_state` begins at the same weights there and here."""

from __future__ import annotations

import math

import numpy as np

from ddp_mlp.comm import Communicator
from ddp_mlp.core.layout import Floats
from ddp_mlp.core.network import Network


def first_parameters(network: Network, dtype: str, random: np.random.RandomState, comm: Communicator) -> Floats:
    """Collective. Return weights and biases drawn on rank 0, evenly within the bound of Glorot and Bengio (2010).

    Parameters
    ----------
    network : Network
    dtype : str
        Of the arithmetic; numbers are drawn in float64.
    random : RandomState
        Of which the stream of numbers never changes with the version of NumPy.
    """
    drawn = np.zeros(network.layout.n_parameters)
    if comm.rank == 0:
        factor = 2.0 if network.activations[0] == "sigmoid" else 6.0
        bound = 0.0
        for part in network.layout.segments():  # of each layer the weight, then the bias
            if len(part.shape) == 2:
                bound = math.sqrt(factor / sum(part.shape))
            part.view(drawn)[...] = random.uniform(-bound, bound, part.shape)
    comm.broadcast(drawn)
    return drawn.astype(dtype)
