"""Tables that meet a model: imported by the model's schema into a file of their own, for as long as they are read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.data.importing import import_for_model, is_importable
from ddp_mlp.data.schema import Schema
from ddp_mlp.data.sources.source import Source
from ddp_mlp.errors import DdpMlpError, UsageError, listed

_SHOWN = 8


@dataclass(frozen=True)
class DataLocation:
    """Where the rows for a model are.

    Attributes
    ----------
    path : str
        ``F.h5`` or ``F.h5:/group``.
    source : Source or None
        The table that they were imported from, on the ranks that did it; None for HDF5.
    is_table : bool
    kept : callable or None
        Returns the columns that an HDF5 file keeps beside its features, and those of some names, where there are such.
    """

    path: str
    source: Source | None = None
    is_table: bool = False
    kept: Callable[[Sequence[str]], Mapping[str, Sequence[str]]] | None = None

    @contextmanager
    def called(self, data: str) -> Iterator[None]:
        """Let errors name the file that the user gave, in place of what it was imported to."""
        try:
            yield
        except DdpMlpError as error:
            error.args = tuple(str(part).replace(self.path, data) for part in error.args)
            raise

    def texts(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return cells of columns as they are written in the table, or kept beside the rows of an HDF5 file.

        Raises
        ------
        UsageError
            If there is no such column.
        """
        if not names:
            return {}
        if self.source is not None and self.source.texts is not None:
            return self.source.texts(names)
        found = self.kept(names) if self.kept is not None else {}
        if missing := [name for name in names if name not in found]:
            known = listed(["row", "target", *found], _SHOWN)
            raise UsageError(f"--with {missing[0]}: known are {known}; columns of a table by name, and those of --id")
        return {name: [*found[name]] for name in names}


@contextmanager
def located(
    data: str, schema: Schema, comm: Communicator, tell: Callable[[str], None], *, answers_only: bool
) -> Iterator[DataLocation]:
    """Collective. Yield where the rows of a file of any format are, as HDF5; a table is imported once on each node.

    Parameters
    ----------
    data : str
        ``F.h5``, ``F.h5:/group``, or a file that can be imported.
    schema : Schema
        Of the model.
    tell : callable
        Called on rank 0 with each line about what was decided.
    answers_only : bool
        Whether rows without targets will do.

    Raises
    ------
    MissingInputError, UsageError, DataError
        If a table is not there, damaged, or does not fit the schema.
    OutputError, StorageError
        If there is no room for it in the directory for temporary files.
    """
    with ExitStack() as stack:
        path, source, is_table = "", None, False
        with agreed(comm):
            is_table = is_importable(data)
            if is_table and comm.local_rank == 0:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ddp-mlp-table-"))
                path = str(Path(folder) / "rows.h5")
                source = import_for_model(Path(data), Path(path), schema, answers_only=answers_only)
                for note in source.notes if comm.rank == 0 else ():
                    tell(note)
        if not is_table:
            yield DataLocation(data)
            return
        named = comm.share_text(f"{comm.node} {path}")
        mine = [text.partition(" ")[2] for text in named if text.partition(" ")[0] == str(comm.node)]
        yield DataLocation(next(filter(None, mine)), source, is_table=True)
        comm.node_barrier()
