"""The options of a run that do not touch its result, and its listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.checkpoint.model import Model
from ddp_mlp.config import Config
from ddp_mlp.training.inputs.rows_at_hand import RowsAtHand
from ddp_mlp.training.report import Report

#: Called on rank 0 with each report and each line worth telling.
Listener = Callable[[Report], None]
Teller = Callable[[str], None]


@dataclass(frozen=True)
class RunOptions:
    """How to run; the result is the same bits whatever stands here.

    Attributes
    ----------
    overwrite : bool
        Whether a run that is in the directory gives way to this one, once its data are loaded.
    keeps_files : bool
        Whether there is a directory at all.
    start : Model or None
        What ``[model] start`` means, where that is in memory.
    until_epoch : int or None
        After how many epochs the run pauses, its state saved, to go on later: nothing of it is shorter for that.
    first_rest_s : float
        Seconds before the first save: a run that is over by then is written once.
    at_hand : RowsAtHand or None
        Rows that other runs of a process alone have read.
    watch : callable
        Called on rank 0 while it compiles kernels, with the share that is done.
    """

    directory: Path
    resume: bool = False
    overwrite: bool = False
    threads: int = 1
    max_time_s: float | None = None
    earlier: Config | None = None  # with the defaults of earlier versions, for a run that goes on
    keeps_files: bool = True
    start: Model | None = None
    until_epoch: int | None = None
    first_rest_s: float = 0.0
    at_hand: RowsAtHand | None = None
    watch: Callable[[float], None] = lambda _share: None
