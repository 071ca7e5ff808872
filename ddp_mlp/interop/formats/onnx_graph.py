"""A graph of ONNX that is written node by node."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddp_mlp.interop.format import library


class Graph:
    """Nodes and constants of a graph; each value has a name."""

    def __init__(self, taken: Collection[str]) -> None:
        """`taken` are the names of the inputs."""
        self._taken = set(taken)
        self._onnx = library("onnx", "export")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._n_names = 0

    def _name(self, hint: str) -> str:
        self._n_names += 1
        return self.free(f"{hint}_{self._n_names}")

    def free(self, name: str) -> str:
        """Return a name that no value has: this one, if none has it."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def constant(self, values: Any, dtype: Any = None, name: str = "constant") -> str:
        """Return the name of a constant: numbers, or texts."""
        array: NDArray[Any] = np.array(values, dtype)
        name = self._name(name)
        if array.dtype.kind == "U":
            array = array.astype(object)
        self.constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, out: str | None = None, domain: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its value."""
        out = out or self._name(operator.lower())
        self.nodes.append(self._onnx.helper.make_node(operator, inputs, [out], domain=domain, **attributes))
        return out

    def cast(self, value: str, dtype: Any) -> str:
        """Return a value in another dtype."""
        return self.add("Cast", value, to=self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
