"""``ddp-mlp predict``."""

from __future__ import annotations

from pathlib import Path

import click

from ddp_mlp.cli.options import tell


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="F.h5, F.csv or F.npy.")
@click.option("--split", help="Split of DATA [default: test, else valid, else train].")
@click.option("--force", is_flag=True, help="Replace the output if it is there.")
def predict(model: Path, data: str, out: Path, split: str | None, force: bool) -> None:
    """Write the answers of MODEL for DATA: values, or classes and probabilities."""
    from ddp_mlp.comm import agreed, connect
    from ddp_mlp.data.predictions import check_target, write_predictions
    from ddp_mlp.training.inference import apply_model

    with connect() as comm:
        with agreed(comm):
            check_target(out, force=force)
        with apply_model(model, data, split, comm, tell) as applied:
            outputs = applied.predict()
            facts = applied.model.facts
            with agreed(comm):
                if comm.rank == 0:
                    write_predictions(
                        out, outputs, facts.task, facts.target_names, facts.class_names,
                        threshold=applied.model.network.output_threshold,
                    )  # fmt: skip
                    tell(f"{out}: {len(outputs)} answers for the {applied.split} split")
