"""The losses and output units of `ddp_mlp.catalog`, chosen by their codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ddp_mlp.catalog.losses import LOSSES
from ddp_mlp.catalog.outputs import OUTPUTS
from ddp_mlp.core.kernels.arrays import Floats1, Floats2, Integers1
from ddp_mlp.core.kernels.entries import of_entry
from ddp_mlp.core.kernels.numba_ext.intrinsics import inlined, jit


def _differentiate_of(code: int, function: Callable[..., Any], otherwise: Any) -> Any:
    differentiate = of_entry(function)

    def loss_and_delta(
        chosen: int, logits: Floats1, n_columns: int, targets: Floats2, rows: Integers1, weights: Floats1, p: float
    ) -> float:
        if chosen == code:
            return differentiate(logits, n_columns, targets, rows, weights, p)
        return otherwise(chosen, logits, n_columns, targets, rows, weights, p)

    return (inlined if code else jit)(loss_and_delta, f"loss_and_delta_{code}")


@inlined
def _no_loss(chosen, logits, n_columns, targets, rows, weights, p):
    if chosen >= 0:
        raise ValueError("unknown loss code")
    return 0.0


def _output_of(code: int, function: Callable[..., Any], otherwise: Any) -> Any:
    unit = of_entry(function)

    def apply_output(chosen, logits, n_columns):
        if chosen == code:
            unit(logits, n_columns)
        else:
            otherwise(chosen, logits, n_columns)

    return (inlined if code else jit)(apply_output, f"apply_output_{code}")


@inlined
def _no_output(chosen, logits, n_columns):
    raise ValueError("unknown output code")


def _chain(link: Callable[[int, Any, Any], Any], functions: list[Callable[..., Any]], end: Any) -> Any:
    chained = end
    for code, function in reversed(list(enumerate(functions))):
        chained = link(code, function, chained)
    return chained


#: ``loss_and_delta(code, logits, n_columns, targets, rows, weights, p) -> loss_sum``; see `catalog.losses.Loss`.
loss_and_delta = _chain(_differentiate_of, [entry.differentiate for entry in LOSSES.values()], _no_loss)

#: ``apply_output(code, logits, n_columns)`` turns the logits of a batch (B * C,) into the network's answers in place.
apply_output = _chain(_output_of, list(OUTPUTS.values()), _no_output)
