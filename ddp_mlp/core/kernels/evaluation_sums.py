"""Blocks of evaluation, and the columns of their sums."""

from __future__ import annotations

from typing import NamedTuple

#: Samples of a block.
EVALUATION_ROWS = 256

#: Columns of the sums of a block. From `PER_TARGET` on, four for each target of a regression:
#: squared error, absolute error, and the target and its square, counted from the first target
#: of all, so that the spread of large targets keeps its digits.
BLOCK_LOSS, BLOCK_SAMPLES, BLOCK_CORRECT, PER_TARGET = range(4)
SUMS_PER_TARGET = 4

#: Columns of the record of a sample of a classification: the class answered, how many classes
#: the network holds more likely than the true one, and the logit of a binary answer.
ANSWER, PLACE, SCORE = range(3)
RECORD_COLUMNS = 3


class LossChoice(NamedTuple):
    """The loss that is evaluated."""

    code: int
    parameter: float
    threshold: float  # above which a single logit answers 1
