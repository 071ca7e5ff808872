"""``ddp-mlp predict``."""

from __future__ import annotations

from pathlib import Path

import click

from ddp_mlp.cli.options import tell
from ddp_mlp.errors import counted


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="F.h5, F.csv, F.npy or F.parquet.")
@click.option("--split", help="Split of DATA [default: test, else valid, else train].")
@click.option(
    "--with",
    "beside",
    multiple=True,
    metavar="COL",
    help="Also write row, target, a column of a table, or one that --id kept in F.h5.",
)
@click.option("--features", metavar="PATHS", help="Arrays of the features, if not named as in training.")
@click.option("--targets", metavar="PATHS", help="Arrays of the targets, likewise; none are needed.")
@click.option("--force", is_flag=True, help="Replace the output if it is there.")
def predict(
    model: Path,
    data: str,
    out: Path,
    split: str | None,
    beside: tuple[str, ...],
    features: str | None,
    targets: str | None,
    force: bool,
) -> None:
    """Write the answers of MODEL for DATA: values, or classes and probabilities.

    DATA is F.h5, F.h5:/group, or a table as `data import` reads it, whose columns are found by name.
    No targets are needed. Answers for a table begin with the number of the row. An ensemble answers with mean and
    standard deviation, or with mean probabilities, their entropy, and the part of its members that disagree.
    """
    from ddp_mlp.comm import agreed, connect
    from ddp_mlp.data.prediction_files import check_target
    from ddp_mlp.training.inference.files import Rows, apply_model
    from ddp_mlp.training.inference.written_answers import write_answers

    with connect() as comm:
        with agreed(comm):
            check_target(out, force=force, beside=beside)
        rows = Rows(data, split, features, targets, answers_only=True)
        with apply_model(model, rows, comm, tell) as applied:
            wanted = tuple(dict.fromkeys((*["row"] * applied.location.is_table, *beside)))
            write_answers(applied, out, wanted, comm)
        if comm.rank == 0:
            tell(f"{out}: {counted(len(applied.ids), 'answer')}, {applied.split} of {data}")
