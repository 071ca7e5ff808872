"""A run directory without a run: all of its files come from a state that is a function of the step."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from ddp_mlp.checkpoint.checkpoint import Checkpoint, checkpoint_image, list_checkpoints, load_checkpoint, newest_good
from ddp_mlp.checkpoint.history import cells_of, extended
from ddp_mlp.checkpoint.model import load_model
from ddp_mlp.checkpoint.sealed_hdf5 import verify_image
from ddp_mlp.checkpoint.state import Progress, TrainState
from ddp_mlp.errors import DataError, StorageError
from ddp_mlp.run.files.directory import RunDirectory
from ddp_mlp.run.files.table_lines import read_table
from ddp_mlp.run.files.writer import RunWriter
from ddp_mlp.run.snapshot import Imprint, Snapshot
from ddp_mlp.training.problem import Problem
from tests.faults.jobs import make_folder
from tests.faults.table import Row
from tests.runs import ddp_mlp

KEEP = 3


def row_of(step: int) -> dict[str, Any]:
    """Return the row of the epoch that ends with a step; epochs are of one step."""
    return {"epoch": step, "step": step, "train_loss": 1 / step, "valid_loss": 1 / best_of(step), "wall_s": 0.5}


def best_of(step: int) -> int:
    """Return the best epoch so far: each second one is better than those before."""
    return max(1, step - step % 2)


@lru_cache(maxsize=4)
def _history(step: int) -> str:
    """Return the hash of the rows of all epochs."""
    first = step // 100 * 100
    rows = (cells_of(row_of(each)) for each in range(max(1, first), step + 1))
    return reduce(extended, rows, "" if first == 0 else _history(first - 1))


@dataclass(frozen=True)
class Store:
    """A run directory that faults happen to, and the checkpoint that all of its states are made from."""

    path: Path
    template: Checkpoint
    keep: int = KEEP

    @property
    def checkpoints(self) -> Path:
        """Where its checkpoints are."""
        return RunDirectory(self.path).checkpoints

    def parameters(self, step: int) -> Any:
        """Return the weights after a step."""
        return self.template.state.parameters + np.float32(step)

    def state(self, step: int) -> TrainState:
        """Return all that a checkpoint keeps after a step."""
        best = best_of(step)
        progress = Progress(
            step, 0, step, best_loss=1 / best, best_epoch=best,
            last_row=row_of(step), best_row=row_of(best), history_sha256=_history(step),
        )  # fmt: skip
        return TrainState(self.parameters(step), self.template.state.moments, progress, self.parameters(best))

    def image(self, step: int) -> bytes:
        """Return a checkpoint after a step."""
        return checkpoint_image(replace(self.template, state=self.state(step), metrics=(), hashes=()))

    def start(self) -> RunWriter:
        """Go on from the newest good checkpoint, as a run does; return what writes."""
        c = self.template
        rules = replace_struct(c.config.checkpoint, keep=self.keep)
        problem = SimpleNamespace(
            network=c.network,
            schema=c.schema,
            normalization=c.normalization,
            target_normalization=c.target_normalization,
            fingerprint=c.fingerprint,
            stream=None,
        )
        config = replace_struct(c.config, checkpoint=rules)
        imprint = Imprint(config, cast(Problem, problem), c.micro_batches, c.written_by)
        directory = RunDirectory(self.path)
        directory.create()
        directory.prepare()
        found, _ = newest_good(directory.checkpoints)
        state = found.state if found else TrainState(self.parameters(0), c.state.moments, Progress())
        writer = RunWriter(directory, imprint, lambda _: None)
        writer.begin(state, found)
        return writer

    def save(self, writer: RunWriter, step: int) -> None:
        """Let an epoch end, and save it."""
        snapshot = Snapshot.of(self.state(step), self.template.state.moments, ends_epoch=True)
        with suppress(StorageError):  # which a run survives, as the checkpoint carries the rows
            writer.tabulate([snapshot])
        writer.save(snapshot)

    def newest(self) -> int:
        """Return the step that a start would find, as a new process would read it."""
        found, _ = newest_good(self.checkpoints)
        assert found is not None
        assert found.path.name == f"step-{found.state.progress.step:08d}.h5"
        return found.state.progress.step

    def announced(self) -> int:
        """Return the step that was last told of."""
        return int(json.loads((self.path / "status.json").read_text())["checkpoint"][5:13])

    def n_good(self) -> int:
        """Return how many checkpoints verify."""
        count = 0
        for path in list_checkpoints(self.checkpoints):
            try:
                verify_image(path.read_bytes(), path.name)
                count += 1
            except DataError:
                pass
        return count

    def check(self, row: Row, case: str) -> None:
        """Note a failure unless the model is that of the checkpoint which was told of, and a start puts all right."""
        step, told = self.newest(), self.announced()
        epoch = load_model(self.path).epoch
        row.check(good=step >= told, otherwise=f"{case}: step {told} was told of, {step} is there")
        row.check(good=epoch in {best_of(told), best_of(step)}, otherwise=f"{case}: model of {epoch} at step {told}")
        self.start()
        model, best = load_model(self.path), best_of(step)
        same = np.array_equal(model.parameters, self.parameters(best))
        row.check(good=same and model.epoch == best, otherwise=f"{case}: model of {model.epoch}, not {best}")
        for name in ("metrics.csv", "hashes.csv"):
            epochs = [int(each["epoch"]) for each in read_table(self.path / name)]
            row.check(good=epochs[:step] == list(range(1, step + 1)), otherwise=f"{case}: {name} has {epochs[-5:]}")
        row.check(good=self.announced() == step, otherwise=f"{case}: step {step}, but {self.announced()} is told of")
        left = [path.name for path in self.path.rglob(".*.tmp")]
        row.check(good=not left, otherwise=f"{case}: {left} stay behind")


def replace_struct(struct: Any, **changes: Any) -> Any:
    """Return a configuration with other values."""
    import msgspec

    return msgspec.structs.replace(struct, **changes)


@contextmanager
def filled_store(where: Path | None = None) -> Iterator[Store]:
    """Provide a store that holds steps 1 to `KEEP`."""
    with tempfile.TemporaryDirectory(prefix="ddp-mlp-faults-", dir=where) as name:
        folder = make_folder(Path(name))
        trained = ddp_mlp("train", "c.toml", "--set", "train.epochs=1", "--out", "run", cwd=folder)
        assert trained.code == 0, trained.err
        [path] = list_checkpoints(folder / "run" / "checkpoints")
        store = Store(folder / "store", load_checkpoint(path))
        writer = store.start()
        for step in range(1, KEEP + 1):
            store.save(writer, step)
        yield store
