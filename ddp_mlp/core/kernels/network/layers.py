"""The table of layers, int64 of shape (n_layers, LAYER_COLUMNS): one row a layer, the columns are the constants below.

Offsets into `parameters` and gradients count elements. Offsets into a row of work space count
elements *per row of capacity*, so a table fits any capacity: the rows of one quantity lie
together, ``capacity * column`` from the start.
"""

from __future__ import annotations

from typing import NamedTuple

from ddp_mlp.core.kernels.arrays import Factors1, Floats1, Floats2, Integers2

N_IN, N_OUT, WEIGHT, BIAS, ACTIVATION, INPUT_AT, OUTPUT_AT, WIDTH, LINEAR_AT, MASK_AT, TRANSPOSED, SHARED = range(12)
DELTA_AT, ROWS_AT_ONCE = 12, 13
LAYER_COLUMNS = 14
#: Columns of the settings of a layer: what its activation takes beside the value, and the dropout rate of its inputs.
ACTIVATION_PARAM, DROPOUT = range(2)
#: `WIDTH` is the number of columns of the weight, N_OUT times the pieces of a maxout unit, and
#: `LINEAR_AT` where they are computed. A `TRANSPOSED` weight is stored as (O, I), that of an
#: earlier layer, which is `SHARED` and adds to the gradient that is already there. `DELTA_AT` is
#: where the derivative by the outputs is, for the last layer in place of its logits. So many
#: `ROWS_AT_ONCE` of a weight stay in cache while all micro-batches are added to them.


class Model(NamedTuple):
    """A network and its parameters."""

    layers: Integers2  # (L, LAYER_COLUMNS)
    settings: Floats2  # (L, 2), see ACTIVATION_PARAM ..
    parameters: Floats1  # (P,)


class WorkSpace(NamedTuple):
    """Memory of the workers for features, activations and deltas."""

    workers: Floats2  # (W, capacity * columns) of each worker
    capacity: int  # rows of samples that it holds
    factors: Factors1  # (0,) an example of what the products of a step take
