"""The pause of a run after a number of epochs, to go on later as if there had been none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ddp_mlp.checkpoint.state import Progress
from ddp_mlp.config import Config
from ddp_mlp.training.epoch_stats import status_of
from ddp_mlp.training.report import Report

#: Status of a run that pauses.
PAUSED = "paused"


def is_paused(progress: Progress, config: Config, until_epoch: int | None) -> bool:
    """Tell whether a run has come to the epoch after which it is to pause, and is not over."""
    return until_epoch is not None and progress.epoch >= until_epoch and not status_of(progress, config)


def up_to_pause(
    reports: Iterable[Report], progress: Progress, config: Config, until_epoch: int | None
) -> Iterator[Report]:
    """Yield reports up to that after which a run pauses, which says that it stops; none where it pauses already."""
    if is_paused(progress, config, until_epoch):
        return
    for report in reports:
        pauses = report.finished_epoch is not None and is_paused(progress, config, until_epoch)
        yield replace(report, stop=True) if pauses else report
        if pauses:
            return
