"""Steps in PyTorch: one process with some threads, or DistributedDataParallel over gloo.

python -m benchmarks.rivals.torch_steps S M --threads 2

What is done to be fast: data as float32 tensors made once; `index_select` to gather, which
beats indexing; batches of ids cut in advance; gradients set to None; no `loss.item()`. Three
forms are timed and the fastest one counts: fused and foreach optimisers (the plain one never
is), and, where there is a C++ compiler, `torch.compile` over gather, forward and loss. With
``--dtype bfloat16``, forward and loss run under autocast, as PyTorch advises on CPUs. DDP
uses `gradient_as_bucket_view` (no copy into the buckets), `static_graph`, and one thread in
each of its processes, as many processes as cores.
"""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from itertools import pairwise
from time import perf_counter

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional

from benchmarks.rivals.timing import Runner, choose, options_of, rows, since
from benchmarks.works import N_ROWS, WORKS, Work

RATE, MOMENTUM = 1e-3, 0.9


def make_model(sizes: tuple[int, ...]) -> nn.Sequential:
    """Return the network of a work."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def make_optimizer(model: nn.Module, name: str, form: str) -> torch.optim.Optimizer:
    """Return an optimiser in one of its forms, "fused" or "foreach"."""
    if name == "momentum":
        return torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, **{form: True})
    return torch.optim.Adam(model.parameters(), lr=RATE, **{form: True})


def make_runner(work: Work, optimizer_name: str, form: str, dtype: str, rank: int, world_size: int) -> Runner:
    """Return what runs steps of a work, this process taking its share of each batch."""
    torch.manual_seed(0)
    features, labels, order = map(torch.from_numpy, rows(work))
    b = work.global_batch_size
    own = slice(b * rank // world_size, b * (rank + 1) // world_size)
    batches = [order[start : start + b][own] for start in range(0, N_ROWS, b)]
    model: nn.Module = make_model(work.sizes)
    if world_size > 1:
        model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=True)
    optimizer = make_optimizer(model, optimizer_name, "foreach" if form == "foreach" else "fused")

    def loss_of(ids: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            return functional.cross_entropy(model(features.index_select(0, ids)), labels.index_select(0, ids))

    forward = torch.compile(loss_of) if form == "compiled" else loss_of

    def run(n: int) -> float:
        started = perf_counter()
        for i in range(n):
            optimizer.zero_grad()
            forward(batches[i % len(batches)]).backward()
            optimizer.step()
        return since(started, n)

    return run


def from_rank_0(number: int) -> int:
    """Collective. Return the number of rank 0."""
    shared = torch.tensor(number)
    dist.broadcast(shared, 0)
    return int(shared)


def main() -> None:
    """Print one JSON object: work -> figures."""
    options = options_of(__doc__)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # moments of units that are never active would decay into slow numbers
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    names = ["fused", "foreach"]
    if world_size > 1:
        dist.init_process_group("gloo")
    elif shutil.which("g++"):
        names.append("compiled")
    result = {}
    for work in options.works:
        how = {"dtype": options.dtype, "rank": rank, "world_size": world_size}
        make = partial(make_runner, WORKS[work], options.optimizer, **how)
        forms = {name: partial(make, form=name) for name in names}
        result[work] = choose(forms, options.forms.get(work, ""), from_rank_0 if world_size > 1 else int)
    if world_size > 1:
        dist.destroy_process_group()
    if rank == 0:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
