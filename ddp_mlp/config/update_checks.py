"""Checks and defaults of what updates the parameters: optimiser, schedule, penalties, clipping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ddp_mlp.config.schema import OPTIMIZER_DEFAULTS, OPTIMIZER_OPTIONS, SCHEDULE_DEFAULTS

Table = dict[str, Any]

#: Part of the first rate that ``linear`` ends at by default; "Deep Learning" (2016), section 8.3.1.
_FINAL_PART = 0.01


def resolve_update(raw: Table) -> Table:
    """Fill in what an optimiser and a schedule take and the user left open."""
    optimizer, schedule = dict(raw.get("optimizer", {})), dict(raw.get("schedule", {}))
    for key, default in OPTIMIZER_DEFAULTS[optimizer.get("name", "sgd")].items():
        _fill(optimizer, key, default)
    for key, standard in SCHEDULE_DEFAULTS[schedule.get("name", "constant")].items():
        _fill(schedule, key, standard)
    if schedule.get("name") == "linear":
        _fill(schedule, "final_rate", _FINAL_PART * optimizer.get("learning_rate", 0.1))
    return raw | {"optimizer": optimizer, "schedule": schedule}


def _fill(table: Table, key: str, default: float | None) -> None:
    if table.get(key) is None:
        table[key] = default


def check_update(raw: Table) -> Iterator[str]:
    """Yield the problems between keys; all values are valid on their own, and resolved."""
    yield from _check_optimizer(raw["optimizer"])
    yield from _check_schedule(raw["schedule"])
    yield from _check_penalty(raw.get("loss", {}))
    if raw["optimizer"].get("name") == "line_search":
        yield from _check_line_search(raw)


def _takers(key: str, *tables: Mapping[str, Any]) -> str:
    return ", ".join(dict.fromkeys(name for table in tables for name, taken in table.items() if key in taken))


def _check_optimizer(optimizer: Table) -> Iterator[str]:
    name = optimizer.get("name", "sgd")
    allowed = {"name", "learning_rate", *OPTIMIZER_DEFAULTS[name], *OPTIMIZER_OPTIONS.get(name, ())}
    for key, value in optimizer.items():
        if key not in allowed and value is not None:
            takers = _takers(key, OPTIMIZER_DEFAULTS, OPTIMIZER_OPTIONS)
            yield f"[optimizer] {key} does not apply to {name!r}; it belongs to {takers}"
    final, steps = optimizer.get("momentum_final"), optimizer.get("momentum_steps")
    if (final is None) != (steps is None):
        missing = "momentum_final" if final is None else "momentum_steps"
        yield f"[optimizer] {missing} is missing: momentum_final and momentum_steps go together"


def _check_schedule(schedule: Table) -> Iterator[str]:
    name = schedule.get("name", "constant")
    allowed = {"name", "warmup_steps", *SCHEDULE_DEFAULTS[name]}
    for key, value in schedule.items():
        if key not in allowed and value is not None:
            yield f"[schedule] {key} does not apply to {name!r}; it belongs to {_takers(key, SCHEDULE_DEFAULTS)}"
    if "every_steps" in allowed and schedule["every_steps"] is None:
        yield f"[schedule] every_steps is missing: {name!r} needs it"


def _check_penalty(loss: Table) -> Iterator[str]:
    has_factor, has_power = loss.get("lq", 0.0) > 0, loss.get("q") is not None
    if has_factor and not has_power:
        yield "[loss] q is missing: the penalty lq sum |w|^q needs it"
    if has_power and not has_factor:
        yield "[loss] q applies only with lq > 0"


def _check_line_search(raw: Table) -> Iterator[str]:
    """Yield what keeps trial losses from being comparable with each other."""
    size = raw.get("train", {}).get("global_batch_size", 128)
    if size != "full":
        yield (
            f"[optimizer] name = 'line_search' needs [train] global_batch_size = \"full\", not {size}: "
            "on a mini-batch a smaller loss is no descent"
        )
    if raw.get("train", {}).get("clip_norm", 0.0) > 0:
        yield "[train] clip_norm does not apply to 'line_search', which chooses the length of each step itself"
    if raw.get("train", {}).get("on_nonfinite") == "skip":
        yield "[train] on_nonfinite = 'skip' does not go with 'line_search': without a step the next pass is the same"
    dropout = raw.get("model", {}).get("dropout", 0.0)
    if any(dropout) if isinstance(dropout, list) else dropout:
        yield "[model] dropout does not go with 'line_search': each trial must see the same loss"
    if any((raw.get("data", {}).get("augment") or {}).values()):
        yield "[data.augment] does not go with 'line_search': each trial must see the same samples"
