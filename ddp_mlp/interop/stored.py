"""Layers from what a file says beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ddp_mlp.interop.portable import Layer


def layers_of(about: Mapping[str, str], weights: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> tuple[Layer, ...]:
    """Return the layers of `weights`, pairs of weight (n_in, width) and bias, by the texts of `Portable.about`."""
    names, parameters, pieces = (json.loads(about[key]) for key in ("activations", "activation_parameters", "pieces"))
    told = zip(weights, names, parameters, pieces, strict=True)
    return tuple(Layer(weight, bias, str(name), float(p), int(n)) for (weight, bias), name, p, n in told)
