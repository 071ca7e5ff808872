"""The dtypes of training: numbers are held in one of NumPy's, and factors of products may be rounded further."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingDtype:
    """A dtype that ``[train] dtype`` names.

    Attributes
    ----------
    held : str
        NumPy's name of the dtype of weights, moments, activations, sums, and whatever else is kept.
    factors : str
        That of the factors of the matrix products of a step. NumPy has no bfloat16: its bits are an uint16.
    """

    held: str
    factors: str

    @property
    def rounds_factors(self) -> bool:
        """Whether products see fewer digits than are held."""
        return self.factors != self.held


DTYPES = {
    "float32": TrainingDtype("float32", "float32"),
    "float64": TrainingDtype("float64", "float64"),
    "bfloat16": TrainingDtype("float32", "uint16"),
}


def held_dtype(dtype: str) -> str:
    """Return NumPy's name of the dtype in which training in `dtype` holds weights, and all but factors of products."""
    return DTYPES[dtype].held
