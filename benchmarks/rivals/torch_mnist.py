"""MNIST in PyTorch, a whole process: import, read, train, test, and print one JSON object.

python -m benchmarks.rivals.torch_mnist mnist.h5 --threads 2

The data are read from the same HDF5 file, converted to float32 once, and batches are
gathered by `index_select` as in `torch_steps`: no `DataLoader`, which would cost more than the
training. In a world of several processes each takes its part of every global batch.
"""

from __future__ import annotations

import argparse
import json
import os

import h5py
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional

SIZES, BATCH, EPOCHS, RATE, MOMENTUM = (784, 128, 10), 128, 5, 0.1, 0.9


def load(path: str, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features (N, 784) float32 in [0, 1] and labels (N,)."""
    with h5py.File(path) as file:
        features = torch.from_numpy(file[f"{split}/features"][:])
        labels = torch.from_numpy(file[f"{split}/targets"][:])
    return features.reshape(len(features), -1).float().div_(255), labels.long().reshape(-1)


def train(path: str, rank: int, world_size: int) -> nn.Module:
    """Collective. Train for all epochs."""
    torch.manual_seed(0)
    model: nn.Module = nn.Sequential(nn.Linear(*SIZES[:2]), nn.ReLU(), nn.Linear(*SIZES[1:]))
    if world_size > 1:
        model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)
    features, labels = load(path, "train")
    for epoch in range(EPOCHS):
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(epoch))
        for batch in order.split(BATCH):
            ids = batch[len(batch) * rank // world_size : len(batch) * (rank + 1) // world_size]
            loss = functional.cross_entropy(model(features.index_select(0, ids)), labels.index_select(0, ids))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def main() -> None:
    """Train, test on rank 0, and print the accuracy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # as in `torch_steps`
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world_size > 1:
        dist.init_process_group("gloo")
    model = train(options.data, rank, world_size)
    if rank == 0:
        features, labels = load(options.data, "test")
        with torch.no_grad():
            found = model.module if world_size > 1 else model
            accuracy = (found(features).argmax(1) == labels).float().mean().item()
        print(json.dumps({"accuracy": accuracy}))
    if world_size > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
