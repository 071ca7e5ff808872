"""Checks and defaults of the update: optimiser, schedule, penalties, clipping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.catalog.keys import Entry, keys_of, takers
from ddp_mlp.catalog.optimizers import OPTIMIZERS
from ddp_mlp.catalog.schedules import SCHEDULES
from ddp_mlp.config.schema import value_of

Table = dict[str, Any]

#: Sections of which one entry applies, and only its keys.
_FAMILIES: dict[str, Mapping[str, Entry]] = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}


def resolve_update(raw: Table) -> Table:
    """Fill in the keys of the optimiser and the schedule that the user left open."""
    rate = value_of(raw, "optimizer", "learning_rate")
    if rate == "auto":
        rate = OPTIMIZERS[value_of(raw, "optimizer", "name")].rate
    raw = raw | {"optimizer": {**raw.get("optimizer", {}), "learning_rate": rate}}
    return raw | {section: _resolve(raw, section, entries, rate) for section, entries in _FAMILIES.items()}


def _resolve(raw: Table, section: str, entries: Mapping[str, Entry], rate: float) -> Table:
    table = dict(raw.get(section, {}))
    for name, key in entries[value_of(raw, section, "name")].keys.items():
        default = key.default if key.part_of_rate is None else key.part_of_rate * rate
        if table.get(name) is None:
            table[name] = default
    return table


def check_update(raw: Table) -> Iterator[str]:
    """Yield the problems between keys; all values are valid on their own, and resolved."""
    for section, entries in _FAMILIES.items():
        yield from _check_keys(section, raw[section], value_of(raw, section, "name"), entries)
    yield from _check_penalty(raw.get("loss", {}))
    name = value_of(raw, "optimizer", "name")
    if OPTIMIZERS[name].searches_line:
        yield from _check_line_search(name, raw)


def _check_keys(section: str, table: Table, name: str, entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yield the keys that belong to other entries than the one of this name, and those that are missing."""
    for key in keys_of(entries.values()):
        if table.get(key) is not None and key not in entries[name].keys:
            belongs = ", ".join(takers(entries, key))
            yield f"[{section}] {key} does not apply to {name!r}; it belongs to {belongs}"
    for key, about in entries[name].keys.items():
        if about.goes_with and table[key] is None and table[about.goes_with] is not None:
            yield f"[{section}] {key} is missing: {about.goes_with} and {key} go together"
        if about.is_needed and table[key] is None:
            yield f"[{section}] {key} is missing: {name!r} needs it"


def _check_penalty(loss: Table) -> Iterator[str]:
    has_factor, has_power = loss.get("lq", 0.0) > 0, loss.get("q") is not None
    if has_factor and not has_power:
        yield "[loss] q is missing: the penalty lq sum |w|^q needs it"
    if has_power and not has_factor:
        yield "[loss] q applies only with lq > 0"


def _check_line_search(name: str, raw: Table) -> Iterator[str]:
    """Yield the keys that keep trial losses from being comparable with each other."""
    size = value_of(raw, "train", "global_batch_size")
    if size != "full":
        yield (
            f'[optimizer] name = {name!r} needs [train] global_batch_size = "full", not {size}: '
            "on a mini-batch a smaller loss is no descent"
        )
    if DTYPES[dtype := value_of(raw, "train", "dtype")].rounds_factors:
        yield (
            f"[train] dtype = {dtype!r} does not go with {name!r}: steps are chosen by differences of losses that are "
            "smaller than its rounding; use float32"
        )
    if value_of(raw, "train", "clip_norm") > 0:
        yield f"[train] clip_norm does not apply to {name!r}, which chooses the length of each step itself"
    if value_of(raw, "train", "on_nonfinite") == "skip":
        yield f"[train] on_nonfinite = 'skip' does not go with {name!r}: without a step the next pass is the same"
    dropout = value_of(raw, "model", "dropout")
    if any(dropout) if isinstance(dropout, list) else dropout:
        yield f"[model] dropout does not go with {name!r}: each trial must see the same loss"
    if any((raw.get("data", {}).get("augment") or {}).values()):
        yield f"[data.augment] does not go with {name!r}: each trial must see the same samples"
