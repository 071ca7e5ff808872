"""What the step times should be, as ratios within one run."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

#: Labels of the lines that targets are about.
OURS = ("ddp-mlp, 2 ranks", "ddp-mlp, 1 rank x 2 threads")
EIGHT = "ddp-mlp, 2 ranks, 8 micro-batches"
ADAM = "ddp-mlp, 2 ranks, "
DDP = "PyTorch DDP, 2 processes"
#: End of the labels of lines whose products are in bfloat16, ours and theirs.
IN_BFLOAT16 = ", bfloat16"

#: Times faster than PyTorch DDP, and than the fastest peer: at least. The others: at most.
AS_DDP = {"S": 40, "M": 15, "L": 5, "XL": 2.4, "P": 6}
AS_BEST_PEER = {"S": 2.5, "M": 1.45, "L": 1.18, "XL": 1.10, "P": 1.25}
AS_LIMIT = {"S": 1.7, "M": 1.3, "L": 1.10, "XL": 1.06, "P": 1.15}
AS_TWO_MICRO_BATCHES = {"S": 1.10, "M": 1.10, "L": 1.10, "XL": 1.10, "P": 1.10}
BFLOAT16_AS_FLOAT32 = {"S": math.inf, "M": 0.9, "L": 0.62, "XL": 0.55, "P": 0.65}
ADAM_AS_MOMENTUM = {"S": 1.10, "M": 1.10, "L": 1.10, "XL": 1.03, "P": 1.10}

Medians = Mapping[str, Mapping[str, float]]


def medians(samples: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, dict[str, float]]:
    """Return the median of each line and work that was measured."""
    return {label: {work: statistics.median(us) for work, us in row.items() if us} for label, row in samples.items()}


def ratios(found: Medians, limit: Mapping[str, float], work: str, optimizer: str) -> dict[str, float | None]:
    """Return what each target is about, None where a line was not measured."""
    ours = min(found[label][work] for label in OURS)
    peers = [row[work] for label, row in found.items() if label in _peers(found) and work in row]
    rounded = [found[label + IN_BFLOAT16][work] for label in OURS if work in found.get(label + IN_BFLOAT16, {})]
    two, other = found[OURS[0]][work], found[ADAM + ("adam" if optimizer == "momentum" else "momentum")][work]
    return {
        "times faster than PyTorch DDP": found[DDP][work] / ours if work in found.get(DDP, {}) else None,
        "times faster than the fastest peer": min(peers) / ours if peers else None,
        "step time / limit": ours / limit[work],
        "8 micro-batches / 2, on 2 ranks": found[EIGHT][work] / two,
        "Adam / momentum, on 2 ranks": other / two if optimizer == "momentum" else two / other,
        "bfloat16 / float32": min(rounded) / ours if rounded else None,
    }


def _peers(labels: Iterable[str]) -> list[str]:
    """Return the labels of others that compute in float32, as we do."""
    return [label for label in labels if not label.startswith("ddp-mlp") and not label.endswith(IN_BFLOAT16)]


def at_least(value: float, target: float) -> bool:
    """Tell whether a speed-up is large enough."""
    return value >= target


def at_most(value: float, target: float) -> bool:
    """Tell whether a cost is small enough."""
    return value <= target


_TARGETS: dict[str, tuple[dict[str, float], Callable[[float, float], bool]]] = {
    "times faster than PyTorch DDP": (AS_DDP, at_least),
    "times faster than the fastest peer": (AS_BEST_PEER, at_least),
    "step time / limit": (AS_LIMIT, at_most),
    "8 micro-batches / 2, on 2 ranks": (AS_TWO_MICRO_BATCHES, at_most),
    "Adam / momentum, on 2 ranks": (ADAM_AS_MOMENTUM, at_most),
    "bfloat16 / float32": (BFLOAT16_AS_FLOAT32, at_most),
}


def target_rows(
    samples: Mapping[str, Mapping[str, Sequence[float]]],
    limit: Mapping[str, float],
    works: Sequence[str],
    optimizer: str,
) -> list[list[str]]:
    """Return the lines of the table of targets."""
    found = medians(samples)
    by_work = {work: ratios(found, limit, work, optimizer) for work in works}
    lines = []
    for name, (targets, is_reached) in _TARGETS.items():
        cells = []
        for work in works:
            value, target = by_work[work][name], targets[work]
            verdict = "" if value is None else "yes" if is_reached(value, target) else "no"
            sign = ">=" if is_reached is at_least else "<="
            cells.append("-" if value is None else f"{verdict} {value:.2f} ({sign} {target:g})")
        lines.append([name, *cells])
    return lines
