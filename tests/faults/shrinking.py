"""From a case that fails to the smallest one that still does, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from tests.faults.cases import Case, Data, Layout

#: What a table says when nothing is asked for beyond it.
_PLAIN: dict[str, dict[str, Any]] = {
    "data": {"augment": {}, "normalize": "none", "normalize_targets": "none", "valid_fraction": 0.0},
    "model": {"dropout": 0.0, "init": "auto", "leaky_slope": 0.1, "maxout_pieces": 2},
    "train": {
        "epochs": 1, "clip_norm": 0.0, "log_layer_norms": False, "on_nonfinite": "stop", "dtype": "float32",
        "early_stopping_patience": 0, "seed": 0,
    },
}  # fmt: skip


def shrink(case: Case, fails: Callable[[Case], bool], tries: int = 300) -> Case:
    """Return the smallest case that was found to fail still; `fails` runs one, and is asked at most so often."""
    left = tries
    goes_on = True
    while goes_on:
        goes_on = False
        for candidate in smaller(case):
            if left == 0:
                return case
            left -= 1
            if fails(candidate):
                case, goes_on = candidate, True
                break
    return case


def smaller(case: Case) -> Iterator[Case]:
    """Yield cases with a part less than this one, the largest parts first."""
    if len(case.layouts) > 2:
        for layout in case.layouts[1:]:
            yield replace(case, layouts=(case.layouts[0], layout))
    if len(case.layouts) == 2:
        yield replace(case, layouts=case.layouts[:1])
        yield replace(case, layouts=case.layouts[1:])
    for at, layout in enumerate(case.layouts):
        for simpler in _layouts(layout):
            yield replace(case, layouts=(*case.layouts[:at], simpler, *case.layouts[at + 1 :]))
    for data in _data(case.data, autoencodes=case.tables["data"]["autoencode"]):
        yield replace(case, data=data)
    for tables in _tables(case.tables):
        candidate = replace(case, tables=tables)
        if all(layout.workers <= candidate.micro_batches for layout in case.layouts):
            yield candidate
    for name in ("is_warm", "predicts"):
        if getattr(case, name):
            yield replace(case, **{name: False})


def _less(n: int) -> Iterator[int]:
    """Yield smaller numbers, at least 1."""
    yield from dict.fromkeys(m for m in (1, n // 2, n - 1) if 1 <= m < n)


def _layouts(layout: Layout) -> Iterator[Layout]:
    for name in ("overlaps", "shards"):
        if getattr(layout, name):
            yield replace(layout, overlaps=False, **({"shards": False} if name == "shards" else {}))
    for name in layout.limits:
        yield replace(layout, limits={key: value for key, value in layout.limits.items() if key != name})
    for threads in _less(layout.threads):
        yield replace(layout, threads=threads)
    sizes = layout.node_sizes
    if len(sizes) > 1:
        yield replace(layout, node_sizes=sizes[:-1], shards=layout.shards and len(sizes) > 2, overlaps=False)
        yield replace(layout, node_sizes=sizes[:-1], **({} if len(sizes) > 2 else {"shards": False, "overlaps": False}))
    for at, size in enumerate(sizes):
        for less in _less(size):
            yield replace(layout, node_sizes=(*sizes[:at], less, *sizes[at + 1 :]))


def _data(data: Data, *, autoencodes: bool) -> Iterator[Data]:
    if data.valid_rows:
        yield replace(data, valid_rows=0)
    for name, plain in (("as_bytes", False), ("weighted", False), ("scale", 1.0), ("image", ())):
        if getattr(data, name) != plain:
            yield replace(data, **{name: plain})
    if autoencodes and data.task != "regression":
        yield replace(data, task="regression", outputs=1)
    for name in ("rows", "features", *(("outputs",) if data.task == "regression" else ())):
        if name == "features" and data.image:
            continue
        for less in _less(getattr(data, name)):
            yield replace(data, **{name: less})


def _tables(tables: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    model, train = tables["model"], tables["train"]
    for section, plain in (("schedule", {}), ("loss", {}), ("optimizer", {"name": "sgd"})):
        if tables[section] != plain:
            yield tables | {section: plain}
    for section, values in _PLAIN.items():
        for key, value in values.items():
            if tables[section].get(key) != value:
                yield tables | {section: tables[section] | {key: value}}
    for hidden, activation in _hidden(model["hidden"], model["activation"], is_tied=model["tied"]):
        yield tables | {"model": model | {"hidden": hidden, "activation": activation, "dropout": 0.0}}
    if model["tied"]:
        yield tables | {"model": model | {"tied": False}}
    elif tables["data"]["autoencode"]:
        yield tables | {"data": tables["data"] | {"autoencode": False}}
    if train["micro_batches"] > 1:
        yield tables | {"train": train | {"micro_batches": train["micro_batches"] // 2}}
    if train["global_batch_size"] != "full":
        for less in _less(train["global_batch_size"]):
            yield tables | {"train": train | {"global_batch_size": less}}


def _hidden(hidden: list[int], activation: list[str], *, is_tied: bool) -> Iterator[tuple[list[int], list[str]]]:
    """Yield fewer hidden layers, narrower ones, and plainer activations; a tied network stays its mirror image."""
    for at in range(len(hidden)):
        mirror = len(hidden) - 1 - at if is_tied else at
        gone = {at, mirror}
        if len(hidden) > len(gone):
            kept = [k for k in range(len(hidden)) if k not in gone]
            yield [hidden[k] for k in kept], [activation[k] for k in kept]
        elif not is_tied:
            yield [], []
        for less in _less(hidden[at]):
            yield [less if k in gone else n for k, n in enumerate(hidden)], activation
        if activation[at] != "identity":
            yield hidden, ["identity" if k == at else name for k, name in enumerate(activation)]
