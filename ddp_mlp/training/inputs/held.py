"""Data in memory, opened for a run as the files of a configuration are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from ddp_mlp.config import DataConfig
from ddp_mlp.data.dataset.dataset import DatasetFile
from ddp_mlp.data.dataset.meaning import Wanted
from ddp_mlp.data.dataset.split import Split
from ddp_mlp.data.memory.held import HeldData
from ddp_mlp.data.schema import Schema
from ddp_mlp.training.inputs.data_files import Opener, own_splits

#: Returns the data of a run, bound to a schema where it goes on.
Give = Callable[[DataConfig, Schema | None], HeldData]


def opening(give: Give) -> Opener:
    """Return a function that opens data in memory in place of the files of a configuration."""

    def opened(
        config: DataConfig, stack: ExitStack, schema: Schema | None = None
    ) -> tuple[list[DatasetFile], list[Split]]:
        unused = config.autoencode
        task = None if config.task == "auto" else config.task
        wanted = Wanted(task, None if unused else schema, "unused" if unused else "needed")
        file = stack.enter_context(give(config, schema).open(wanted))
        return [file], own_splits(file, config)

    return opened
