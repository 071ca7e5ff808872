"""Maxout: a unit is the largest of k linear pieces.

A layer of O maxout units is a linear layer of k O columns, piece j of unit c in column
``j O + c``. Forward takes the largest piece; backward hands the delta of a unit to the
piece that won, the first of them on ties, so that one piece learns and not several.

Source: Goodfellow, Warde-Farley, Mirza, Courville, Bengio, "Maxout networks", ICML 2013,
equation 1.
"""

from __future__ import annotations

from ddp_mlp.catalog.arithmetic import like
from ddp_mlp.core.kernels.numba_ext.intrinsics import jit


@jit
def take_largest(values, pieces_start, start, n_rows, n_units, width):
    """Write the largest piece of every unit, (B, O) at `start`, from the pieces (B, k O)."""
    for r in range(n_rows):
        pieces = values[pieces_start + r * width : pieces_start + (r + 1) * width]
        out = values[start + r * n_units : start + (r + 1) * n_units]
        for c in range(n_units):
            out[c] = pieces[c]
        for first in range(n_units, width, n_units):
            for c in range(n_units):
                piece = pieces[first + c]
                # A NaN takes the place and keeps it, so that it stays visible.
                out[c] = piece if piece > out[c] or piece != piece else out[c]


@jit
def give_to_winner(values, pieces_start, delta_start, n_rows, n_units, width):
    """Replace the pieces (B, k O) by their deltas, from the deltas of the units (B, O)."""
    for r in range(n_rows):
        pieces = values[pieces_start + r * width : pieces_start + (r + 1) * width]
        delta = values[delta_start + r * n_units : delta_start + (r + 1) * n_units]
        for c in range(n_units):
            winner, largest = c, pieces[c]
            for i in range(c + n_units, width, n_units):
                if pieces[i] > largest:
                    winner, largest = i, pieces[i]
            for i in range(c, width, n_units):
                pieces[i] = delta[c] if i == winner else like(values, 0.0)
