"""The nodes' copies of the training state: equal, and finite, before anything is saved from them.

The ranks of a node share one copy. Every node updates its own from the same sums, so a
difference means a fault: memory, a processor, another program version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from ddp_mlp import __version__
from ddp_mlp.checkpoint.state import TrainState
from ddp_mlp.comm import Communicator, known_to_all, require_same
from ddp_mlp.config import Config
from ddp_mlp.core.layout import Floats, Layout, digest
from ddp_mlp.errors import LaunchError, NonFiniteError
from ddp_mlp.run.options import RunOptions

#: Keys that name files, which may lie elsewhere on every node; their content is compared.
_PATHS = {"data.train", "data.valid", "model.start"}


def check_starts(comm: Communicator, config: Config, options: RunOptions) -> None:
    """Collective. Raise LaunchError on every rank unless all were started alike."""
    facts = {
        "the version of ddp-mlp": __version__,
        "--threads-per-rank": str(options.threads),
        "--resume": str(options.resume),
        # also where rank 0 alone writes it: all ranks take part in that
        "a run directory": "given" if options.keeps_files else "not given",
    }
    for section, table in msgspec.to_builtins(config).items():
        for key, value in table.items():
            if f"{section}.{key}" not in _PATHS:
                facts[f"[{section}] {key}"] = repr(value)
    require_same(comm, facts, "start all ranks with the same program, configuration and environment")


def check_replicas(comm: Communicator, layout: Layout, state: TrainState, *, with_moments: bool = True) -> None:
    """Collective. Raise LaunchError on every rank unless all nodes hold the same weights, bit for bit.

    Parameters
    ----------
    with_moments : bool
        Whether the optimiser's vectors are compared too, where every node has them whole.
    """
    if len(comm.node_sizes) == 1:
        return
    with_moments = with_moments and state.moments.shape[1:] == state.parameters.shape
    own = hashlib.sha256(state.parameters.data) if comm.local_rank == 0 else None
    if own and with_moments:
        own.update(state.moments.data)
    texts = comm.share_text(own.hexdigest() if own else "")
    differing = [rank for rank, text in enumerate(texts) if text and text != texts[0]]
    if not differing:
        return
    vectors = [state.parameters, *(state.moments if with_moments else ())]
    described = comm.share_text(f"{comm.host} {_digests(layout, vectors)}" if own else "")
    hosts_and_layers = [text.split(" ", 1) for text in described]
    host, layers = hosts_and_layers[differing[0]]
    pairs = zip(_names(layout, len(vectors)), layers.split(), hosts_and_layers[0][1].split(), strict=True)
    layer = next(name for name, found, expected in pairs if found != expected)
    raise known_to_all(
        LaunchError(
            f"ranks differ at step {state.progress.step}: rank {differing[0]} on {host} does not hold the bits of "
            f"rank 0, first in {layer}; nothing was saved from this state; check that node, and go on with --resume"
        )
    )


def _names(layout: Layout, n_vectors: int) -> list[str]:
    parts = [part.name for part in layout.segments()]
    return parts + [f"moment {k} of {name}" for k in range(1, n_vectors) for name in parts]


def _digests(layout: Layout, vectors: Sequence[Floats]) -> str:
    return " ".join(digest(part.view(vector)) for vector in vectors for part in layout.segments())


def check_finite(comm: Communicator, state: TrainState, cure: Callable[[], str]) -> None:
    """Collective. Raise NonFiniteError on every rank if the state, which nodes may share out, is not worth saving.

    Parameters
    ----------
    cure : callable
        Returns what most probably helps, as a part of a sentence.
    """
    is_finite = bool(np.isfinite(state.parameters).all() and np.isfinite(state.moments).all())
    if any(comm.share_text("" if is_finite else "not finite")):
        raise known_to_all(
            NonFiniteError(
                f"the weights became non-finite by step {state.progress.step}; nothing was saved from them, the last "
                f"good checkpoint is as it was; {cure()}"
            )
        )
