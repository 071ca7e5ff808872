"""Random configurations: a run that takes milliseconds, and the layouts that must all give its bits."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from msgspec import Struct, convert

from ddp_mlp.catalog.losses import losses_of
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.catalog.schedules import SCHEDULES
from ddp_mlp.config import Config, from_builtins
from ddp_mlp.errors import UsageError

ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu", "arctan", "leaky_relu", "elu", "softplus", "maxout")
INITS = ("auto", "zeros", "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "normal", "uniform")
#: Workers of a layout: more would only wait for each other on few cores.
MOST_WORKERS = 6


class Layout(Struct, frozen=True, forbid_unknown_fields=True):
    """Who computes: the ranks of each node, threads of a rank, and how nodes share the work.

    Attributes
    ----------
    side : int
        Which end of arrays lies at a guarded page, see `guarded_memory`.
    limits : dict of str to float
        Other values of limits that change who computes what, and no bit; see `case_runs.LIMITS`.
    """

    node_sizes: tuple[int, ...] = (1,)
    threads: int = 1
    shards: bool = False
    overlaps: bool = False
    side: int = 0
    limits: dict[str, float] = {}

    @property
    def workers(self) -> int:
        return sum(self.node_sizes) * self.threads

    def __str__(self) -> str:
        nodes = "+".join(map(str, self.node_sizes))
        extras = [name for name in ("shards", "overlaps") if getattr(self, name)]
        extras += [f"{name}={value:g}" for name, value in self.limits.items()]
        return " ".join([f"{nodes} ranks x {self.threads} threads", *extras, ("end", "beginning")[self.side]])


class Data(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to make up: so many to train and to validate, of a task, with so many columns.

    Attributes
    ----------
    image : tuple of int, or empty
        Height, width and channels of the features.
    scale : float
        Magnitude of the features; large ones overflow.
    """

    task: Literal["regression", "binary", "multiclass"] = "regression"
    rows: int = 8
    valid_rows: int = 0
    features: int = 3
    outputs: int = 1
    image: tuple[int, ...] = ()
    as_bytes: bool = False
    weighted: bool = False
    scale: float = 1.0


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """One configuration: data, the tables of its TOML file, and layouts; the first is one rank on one thread.

    Attributes
    ----------
    is_warm : bool
        Start from random moments of the optimiser, as a resume does.
    predicts : bool
        Evaluate in detail and predict at the end.
    """

    seed: int
    data: Data
    tables: dict[str, Any]
    layouts: tuple[Layout, ...]
    is_warm: bool = False
    predicts: bool = False

    @property
    def micro_batches(self) -> int:
        return int(self.tables["train"]["micro_batches"])

    def config(self, layout: Layout) -> Config:
        """Return the configuration as a layout has it.

        Raises
        ------
        UsageError
            If the tables do not go together.
        """
        ways = {"shard_optimizer": layout.shards, "overlap": layout.overlaps}
        return from_builtins({**self.tables, "train": {**self.tables["train"], **ways}}, "case")


def case_from(raw: Any) -> Case:
    """Rebuild a case from its JSON."""
    return convert(raw, Case)


def random_case(seed: int) -> Case:
    """Return the case of a seed; the tables go together."""
    draw = _Draw(seed)
    while True:
        tables, data = _tables_and_data(draw)
        micro_batches = tables["train"]["micro_batches"]
        layouts = (Layout(), random_layout(draw, micro_batches), random_layout(draw, micro_batches))
        case = Case(seed, data, tables, layouts, draw.chance(0.3), draw.chance(0.2))
        try:
            case.config(layouts[0])
        except UsageError:  # such as a dropout with a line search
            continue
        return case


class _Draw:
    """Random choices of one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def of(self, *values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def magnitude(self, low: float, high: float) -> float:
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def width(self) -> int:
        """Return a width: mostly small, at times one of those where kernels take other ways."""
        kind = self.rng.random()
        if kind < 0.6:
            return self.between(1, 9)
        if kind < 0.9:
            return self.between(10, 40)
        return self.between(41, 130) if kind < 0.985 else self.of(255, 256, 257, 300, 1023, 1024, 1030)


def random_layout(draw: _Draw, micro_batches: int) -> Layout:
    """Return a layout of at most as many workers as there are micro-batches."""
    most = min(micro_batches, MOST_WORKERS)
    threads = draw.of(1, 1, min(2, most), min(3, most), most)
    ranks = draw.between(1, most // threads)
    n_nodes = draw.between(1, ranks)
    cuts = sorted(draw.rng.choice(np.arange(1, ranks), n_nodes - 1, replace=False).tolist()) if n_nodes > 1 else []
    sizes = tuple(np.diff([0, *cuts, ranks]).tolist())
    limits = {}
    if draw.chance(0.5):
        limits["rows_at_once"] = draw.of(1, 3, 26, 60, 512)
    if draw.chance(0.5):
        limits["work_per_parameter"] = draw.of(-1.0, 1e9)
    if draw.chance(0.5):
        limits["group_bytes"] = draw.of(1.0, 400.0, 1e9)
    if draw.chance(0.3):
        limits["values_at_once"] = draw.of(2048, 5000)
    shards, overlaps = (len(sizes) > 1 and draw.chance(p) for p in (0.6, 0.6))
    return Layout(sizes, threads, shards, overlaps and shards, draw.of(0, 1), limits)


def _tables_and_data(draw: _Draw) -> tuple[dict[str, Any], Data]:
    task = draw.of("regression", "binary", "multiclass")
    autoencodes = draw.chance(0.25)
    image = (draw.between(1, 6), draw.between(1, 6), draw.of(1, 1, 3)) if draw.chance(0.25) else ()
    features = int(np.prod(image)) if image else draw.width()
    outputs = {"regression": min(draw.width(), 12), "binary": 1, "multiclass": draw.between(3, 11)}[task]
    train, rows, valid_rows = _train(draw)
    data = Data(
        task, rows, valid_rows, features, outputs, image, draw.chance(0.25), draw.chance(0.25),
        draw.of(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1e19, 1e37),
    )  # fmt: skip
    trained = "regression" if autoencodes else task
    scales_targets = task == "regression" and not autoencodes and draw.chance(0.3)
    tables = {
        "data": {
            "train": "rows.h5",
            "normalize": draw.of("auto", "none", "standard", "minmax"),
            "autoencode": autoencodes,
            "valid_fraction": 0.0 if valid_rows else draw.of(0.0, 0.2),
            "normalize_targets": "standard" if scales_targets else "none",
            "augment": _augment(draw, image) if draw.chance(0.25) else {},
        },
        "model": _model(draw, is_tied=autoencodes and draw.chance(0.6)),
        "loss": _loss(draw, trained, outputs, has_classes=not autoencodes and task != "regression"),
        "optimizer": _optimizer(draw),
        "schedule": _schedule(draw),
        "train": train,
    }
    if tables["optimizer"]["name"] == "line_search":
        train |= {"global_batch_size": "full", "clip_norm": 0.0, "on_nonfinite": "stop"}
        tables["model"]["dropout"], tables["data"]["augment"] = 0.0, {}
    return tables, data


def _train(draw: _Draw) -> tuple[dict[str, Any], int, int]:
    """Return ``[train]``, and rows to train and to validate; the last batch is short more often than not."""
    batch = draw.of(1, 2, 3, draw.between(4, 20), draw.between(4, 20), draw.between(20, 100), draw.between(100, 300))
    rows = max(1, batch * draw.between(0, 3) + draw.of(0, 1, 1, 2, 3, draw.between(0, batch)))
    valid_rows = draw.of(0, 0, 1, draw.between(2, 40), draw.of(255, 256, 257, 300)) if draw.chance(0.5) else 0
    table = {
        "epochs": draw.of(1, 1, 2),
        "global_batch_size": "full" if draw.chance(0.1) else batch,
        "micro_batches": 2 ** draw.between(0, 6),
        "seed": draw.between(0, 999),
        "clip_norm": draw.magnitude(1e-3, 10) if draw.chance(0.2) else 0.0,
        "log_layer_norms": draw.chance(0.2),
        "on_nonfinite": draw.of("stop", "skip"),
        "dtype": draw.of("float32", "float64"),
        "early_stopping_patience": draw.of(0, 0, 1),
    }
    return table, rows, valid_rows


def _model(draw: _Draw, *, is_tied: bool) -> dict[str, Any]:
    hidden = [draw.width() for _ in range(draw.of(0, 1, 1, 2, 2, 3, 4))]
    if is_tied:
        hidden = hidden or [draw.width()]
        hidden = [*hidden, *hidden[-2::-1]]
    known = ACTIVATIONS[:-1] if is_tied else ACTIVATIONS
    dropout: Any = 0.0
    if draw.chance(0.3):
        dropout = [draw.of(0.0, 0.0, 0.1, 0.5, 0.9) for _ in range(len(hidden) + 1)]
    return {
        "hidden": hidden,
        "activation": [draw.of(*known) for _ in hidden],
        "dropout": dropout,
        "tied": is_tied,
        "maxout_pieces": draw.between(2, 5),
        "init": draw.of(*INITS),
        "leaky_slope": draw.of(0.0, 0.1),
    }


def _loss(draw: _Draw, task: str, outputs: int, *, has_classes: bool) -> dict[str, Any]:
    loss: dict[str, Any] = {"name": draw.of(*losses_of(task))}
    if task == "multiclass" and draw.chance(0.3):
        loss["label_smoothing"] = 0.1
    if has_classes and draw.chance(0.2):
        loss["class_weights"] = "balanced" if draw.chance(0.5) else [0.5] * (2 if task == "binary" else outputs)
    if draw.chance(0.3):
        loss |= {"l1": draw.of(0.0, 0.01), "l2": draw.of(0.0, 0.01)}
    if draw.chance(0.1):
        loss |= {"lq": 0.01, "q": draw.of(1.0, 1.5, 3.0)}
    return loss


def _optimizer(draw: _Draw) -> dict[str, Any]:
    optimizer = {"name": draw.of(*OPTIMIZERS), "learning_rate": draw.of(1e-3, 0.1, 0.1, 1.0, 1e3)}
    if optimizer["name"] in ("momentum", "nesterov") and draw.chance(0.3):
        optimizer |= {"momentum_final": 0.95, "momentum_steps": draw.between(1, 9)}
    return optimizer


def _schedule(draw: _Draw) -> dict[str, Any]:
    name = draw.of("constant", *SCHEDULES)
    schedule = {"name": name, "warmup_steps": draw.of(0, 0, draw.between(1, 9))}
    if "every_steps" in SCHEDULES[name].keys:
        schedule["every_steps"] = draw.between(1, 5)
    return schedule


def _augment(draw: _Draw, image: tuple[int, ...]) -> dict[str, Any]:
    augment = {"noise": draw.of(0.0, 0.1)}
    if image:
        augment |= {"shift": draw.of(0.0, 1.5, 50.0), "rotate_deg": draw.of(0.0, 10.0, 180.0)}
        augment |= {"scale": draw.of(0.0, 0.1, 0.99), "brightness": draw.of(0.0, 0.1)}
    return augment
