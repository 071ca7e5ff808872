"""The answers of a model, written as they come: neither rows nor answers need to fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ddp_mlp.comm import Communicator, agreed
from ddp_mlp.data.prediction_files import predictions_file
from ddp_mlp.data.predictions import Answers, Beside
from ddp_mlp.training.inference.application import Application

#: Rows whose answers become texts, or columns of objects, at a time.
_ROWS_AT_ONCE = 2**14


def write_answers(applied: Application, out: Path, wanted: Sequence[str], comm: Communicator) -> None:
    """Collective. Write the answers for all rows in their order, on rank 0; the file appears when it is whole.

    Parameters
    ----------
    out : Path
        As `check_target` has found it good.
    wanted : sequence of str
        Further columns: "row", "target", or columns of a table.

    Raises
    ------
    UsageError
        If there is no such column.
    DataError, StorageError
        If rows cannot be read, or answers not written; what was there stays.
    """
    model, leads = applied.model, comm.rank == 0
    with ExitStack() as stack:
        with agreed(comm):
            if leads:
                beside = Beside(model.schema, wanted, applied.targets_of, applied.location.texts)
                file = stack.enter_context(predictions_file(out, len(applied.ids)))
        for ids, found in applied.predict_pieces():
            with agreed(comm):
                for at in range(0, len(ids) if leads else 0, _ROWS_AT_ONCE):
                    part = slice(at, at + _ROWS_AT_ONCE)
                    columns = beside.of(ids[part])
                    spread = {name: values[part] for name, values in found.spread.items()}
                    outputs, threshold = found.outputs[part], model.network.output_threshold
                    file.append(Answers(outputs, model.schema, threshold, columns, spread))
        with agreed(comm):
            stack.close()
