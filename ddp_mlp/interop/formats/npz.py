"""NPZ: the arrays as they are, and what to do with them as JSON."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.core.layout import Floats
from ddp_mlp.interop.format import Format
from ddp_mlp.interop.forward import in_units, normalized, outputs
from ddp_mlp.interop.portable import Affine, Portable
from ddp_mlp.interop.stored import layers_of


def image(model: Portable, stem: str) -> bytes:
    """Return the bytes of an NPZ file."""
    arrays: dict[str, NDArray[Any]] = {}
    for k, layer in enumerate(model.layers):
        arrays |= {f"weight{k}": layer.weight, f"bias{k}": layer.bias}
    for name, affine in (("normalization", model.inputs), ("target_normalization", model.targets)):
        if affine is not None:
            arrays |= {f"{name}_offset": affine.offset, f"{name}_scale": affine.scale}
    if model.fill is not None:
        arrays["fill"] = model.fill
    arrays |= {f"about_{name}": np.array(text) for name, text in model.about().items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _answers(content: bytes, model: Portable, x: NDArray[np.float64]) -> Floats:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    about = {name.removeprefix("about_"): str(array) for name, array in arrays.items() if name.startswith("about_")}
    weights = [(arrays[f"weight{k}"], arrays[f"bias{k}"]) for k in range(len(arrays)) if f"weight{k}" in arrays]
    inputs, targets = (
        Affine(arrays[f"{name}_offset"], arrays[f"{name}_scale"]) if f"{name}_offset" in arrays else None
        for name in ("normalization", "target_normalization")
    )
    found = outputs(layers_of(about, weights), about["output"], normalized(x, inputs, arrays.get("fill")))
    return in_units(found, targets)


FORMAT = Format("npz", ".npz", image, _answers)
