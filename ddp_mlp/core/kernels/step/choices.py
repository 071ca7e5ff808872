"""Phases and parts of a step, and the tables that say how to update."""

from __future__ import annotations

#: Phases, see `phases`.
GRADIENT, REDUCE, UPDATE, STEPS, LEAVE = range(5)

#: Columns of `Arena.blocks`; the last is where a block begins in `Arena.moments` and `Arena.top`.
START, STOP, SEGMENT, IS_WEIGHT, PLACE = range(5)

#: Parts of an update: all at once, or one after the other, where nodes exchange what they found
#: in between: the sums folded, the norm limited, the steps of layers scaled, the norms reported.
ALL, FOLD, LIMIT, TRUST, REPORT = range(5)

#: Fields of `Arena.update_choices`: a code, the coefficient by which gradients are taken ahead or -1, and 0 or 1.
OPTIMIZER, LOOKS_AHEAD_BY, IN_PASSES, SCALES_LAYERS, HAS_PENALTY, LAYER_NORMS = range(6)
UPDATE_CHOICES = 6

#: Rows of `Arena.block_norms`: squares of the mean gradient, penalties, squares of parameters and of directions.
SQUARES, PENALTIES, OF_PARAMETERS, OF_DIRECTION = range(4)

#: Fields of the settings of penalties: the limit of the norm, the factors of the penalties, the power.
CLIP_NORM, L1, L2, LQ, Q = range(5)
SETTINGS = 5
