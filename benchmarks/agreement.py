"""``python -m benchmarks agreement``: do our optimisers do what PyTorch's of the same name do?

20 steps in float64 of one network from the same weights on the same batches, at a constant
rate, for the optimisers whose definitions agree (docs/optimizers.md says where they do
not); printed is the largest difference between the parameters, and the bound that rounding
allows. Exits with 1 if a difference is above its bound.

RMSProp: ours divides by ``sqrt(eps + r)``, PyTorch by ``sqrt(r) + eps``; with an eps far below
every r the two are the same. Nesterov: PyTorch stores the point ahead, so our point ahead
is what is compared. AdamW: biases do not decay here, so there they are told not to.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.machine import description, installed
from benchmarks.reporting import markdown, save

if TYPE_CHECKING:
    from ddp_mlp.catalog.optimizers import OPTIMIZERS
    from ddp_mlp.core.network import Network

SIZES, BATCH, STEPS, N_ROWS = (20, 24, 16, 5), 64, 20, 320
TINY = 1e-30

#: Ours, its configuration, and the class of PyTorch with its arguments.
CASES: tuple[tuple[str, dict[str, float], str, dict[str, Any]], ...] = (
    ("sgd", {"learning_rate": 0.1}, "SGD", {"lr": 0.1}),
    ("momentum", {"learning_rate": 0.05, "momentum": 0.9}, "SGD", {"lr": 0.05, "momentum": 0.9}),
    ("nesterov", {"learning_rate": 0.05, "momentum": 0.9}, "SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("adagrad", {"learning_rate": 0.02, "eps": 1e-7}, "Adagrad", {"lr": 0.02, "eps": 1e-7}),
    ("rmsprop", {"learning_rate": 0.002, "rho": 0.9, "eps": TINY}, "RMSprop", {"lr": 0.002, "alpha": 0.9, "eps": TINY}),
    ("adam", {"learning_rate": 0.005}, "Adam", {"lr": 0.005}),
    ("adamw", {"learning_rate": 0.005, "weight_decay": 0.1}, "AdamW", {"lr": 0.005, "weight_decay": 0.1}),
)


def problem() -> tuple[np.ndarray, np.ndarray]:
    """Return features (N, F) and labels (N, 1), float64."""
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (N_ROWS, SIZES[0])), rng.integers(0, SIZES[-1], (N_ROWS, 1)).astype(float)


def train_ours(network: Network, name: str, keys: dict[str, float], start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the parameters after all steps (Nesterov: the point ahead), and the moments."""
    from ddp_mlp.comm import SingleProcess
    from ddp_mlp.config import OptimizerConfig
    from ddp_mlp.data.resident import Resident
    from ddp_mlp.engine.engine import Engine

    x, t = problem()
    resident = Resident(x.view(np.uint8).reshape(N_ROWS, -1), 0, 0 * x[0], 0 * x[0] + 1, t, (0, N_ROWS))
    engine = Engine(
        network, name, resident, SingleProcess(),
        micro_batches=4, threads=1, n_train=N_ROWS, global_batch_size=BATCH, start=start,
    )  # fmt: skip
    engine.order[:] = np.arange(N_ROWS)
    config = OptimizerConfig(name=name, **{**OPTIMIZERS[name].defaults, **keys})
    batches = [(i * BATCH % N_ROWS, i * BATCH % N_ROWS + BATCH) for i in range(STEPS)]
    engine.run(batches, [OPTIMIZERS[name].coefficients(config, keys["learning_rate"], i) for i in range(STEPS)])
    engine.close()
    return engine.gradient_at.copy(), engine.moments.copy()


def train_torch(network: Network, name: str, keys: dict[str, Any], start: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the parameters after all steps in our layout, and the largest component of any gradient."""
    import torch
    from torch import nn

    features, labels = (torch.from_numpy(part) for part in problem())
    linears = [nn.Linear(n_in, n_out, dtype=torch.float64) for n_in, n_out in pairwise(SIZES)]
    model = nn.Sequential(*[unit for linear in linears for unit in (linear, nn.Tanh())][:-1])
    for k, linear in enumerate(linears):
        linear.weight.data = torch.from_numpy(network.layout.weight(k).view(start).T.copy())
        linear.bias.data = torch.from_numpy(network.layout.bias(k).view(start).copy())
    biases = {"params": [linear.bias for linear in linears], "weight_decay": 0.0}
    optimizer = getattr(torch.optim, name)([{"params": [linear.weight for linear in linears]}, biases], **keys)
    largest = 0.0
    for i in range(STEPS):
        rows = slice(i * BATCH % N_ROWS, i * BATCH % N_ROWS + BATCH)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(features[rows]), labels[rows, 0].long()).backward()
        largest = max(largest, *(float(p.grad.abs().max()) for p in model.parameters()))
        optimizer.step()
    found = [part for linear in linears for part in (linear.weight.T.reshape(-1), linear.bias)]
    return torch.cat(found).detach().numpy(), largest


def bound(name: str, keys: dict[str, float], moments: np.ndarray, largest: float) -> float:
    """Return how far apart rounding alone can bring the parameters.

    With u = 2^-53, a component of the gradient comes from sums of at most n = BATCH + all
    widths terms, one after the other, and as many functions, so on each side it is off by at
    most about ``2 n u G``, where G is the largest component. A plain step multiplies that by
    the rate, momentum by ``rate / (1 - mu)`` in the course of the steps after it, and an
    adaptive one by ``rate / sqrt(r)``, at worst that of the smallest r. r is the kept one,
    which is smaller than the corrected one of Adam, so this errs on the safe side. The errors
    of STEPS steps add up. Each also moves later gradients by itself times the curvature,
    about 1 here, times the rates that follow, which add up to less than 1: a factor e. The
    parameters' own roundings, u each step, vanish beside this.
    """
    u, n = 2.0**-53, BATCH + sum(SIZES)
    gain = keys["learning_rate"] / (1 - keys.get("momentum", 0.0))
    if name in ("adagrad", "rmsprop", "adam", "adamw"):
        gain = keys["learning_rate"] / math.sqrt(moments[-1].min())
    return 2 * math.e * STEPS * gain * 2 * n * u * largest


def main(arguments: Sequence[str]) -> None:
    """Compare, print and save the table; exit with 1 if something is off."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks agreement", description=__doc__)
    parser.parse_args(arguments)
    if not installed("torch"):
        sys.exit("PyTorch is not installed: nothing to compare with")
    from ddp_mlp.comm import SingleProcess
    from ddp_mlp.core.initializers import initial_parameters
    from ddp_mlp.core.layout import Layout
    from ddp_mlp.core.network import Network
    from ddp_mlp.engine.compilation import ready_kernels

    ready_kernels("float64", SingleProcess(), partial(print, file=sys.stderr))
    network = Network(Layout(SIZES), (*("tanh",) * (len(SIZES) - 2), "identity"), "cross_entropy", "softmax")
    start = initial_parameters(network, "auto", 0, "float64")
    rows, figures = [], {}
    for name, keys, torch_name, torch_keys in CASES:
        ours, moments = train_ours(network, name, keys, start)
        theirs, largest = train_torch(network, torch_name, torch_keys, start)
        difference, moved = float(np.abs(ours - theirs).max()), float(np.abs(ours - start).max())
        allowed = bound(name, keys, moments, largest)
        is_good = difference <= allowed
        figures[name] = {"difference": difference, "bound": allowed, "moved": moved, "ok": is_good}
        verdict = "yes" if is_good else "NO"
        rows.append([name, torch_name, f"{moved:.2g}", f"{difference:.1e}", f"{allowed:.1e}", verdict])
    head = [f"{STEPS} steps, float64", "PyTorch", "moved by", "largest difference", "bound", "agree"]
    save("agreement", "\n".join([description(), "", markdown(head, rows)]), figures)
    if not all(found["ok"] for found in figures.values()):
        sys.exit(1)
