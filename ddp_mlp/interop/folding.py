"""Folding the normalisations of features and targets into the first and the last layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ddp_mlp.interop.portable import Affine, Layer, Portable

#: Part of a number that rounding may cost where weights are folded.
_MOST_LOST = 2e-6


def digits_lost(model: Portable, dtype: np.dtype[np.floating]) -> float:
    """Return the part of an answer that folding costs in a dtype: offsets that are large against spreads cancel."""
    ratios = [np.abs(affine.offset * affine.scale).max() for affine in (model.inputs, model.targets) if affine]
    return float(np.finfo(dtype).eps * max([1.0, *ratios]))


def folded(model: Portable) -> Portable:
    """Return the same model without normalisations, which its weights do instead.

    Weights are of the model's dtype, and float64 where folding would cost digits in that.
    """
    if model.inputs is None and model.targets is None:
        return model
    dtype = model.dtype if digits_lost(model, model.dtype) <= _MOST_LOST else np.dtype(np.float64)
    layers = [_as_float64(layer) for layer in model.layers]
    if model.inputs is not None:
        layers[0] = _after(layers[0], model.inputs)
    if model.targets is not None:
        layers[-1] = _before(layers[-1], model.targets)
    rounded = tuple(
        replace(layer, weight=layer.weight.astype(dtype), bias=layer.bias.astype(dtype)) for layer in layers
    )
    return replace(model, layers=rounded, inputs=None, targets=None)


def _as_float64(layer: Layer) -> Layer:
    return replace(layer, weight=layer.weight.astype(np.float64), bias=layer.bias.astype(np.float64))


def _after(layer: Layer, inputs: Affine) -> Layer:
    """Return a layer that normalises its inputs itself."""
    weight = inputs.scale[:, None] * layer.weight
    return replace(layer, weight=weight, bias=layer.bias - inputs.offset @ weight)


def _before(layer: Layer, targets: Affine) -> Layer:
    """Return a linear layer that answers in units of the data."""
    return replace(layer, weight=layer.weight / targets.scale, bias=layer.bias / targets.scale + targets.offset)
