"""``ddp-mlp export``."""

from __future__ import annotations

from pathlib import Path

import click

from ddp_mlp.cli.options import tell


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "name",
    type=click.Choice(["onnx", "safetensors", "npz", "c", "sklearn"]),
    help="[default: that of the suffix: .onnx, .safetensors, .npz, .h, .skops]",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--check", is_flag=True, help="Compare its answers with those of predict, on rows drawn as in training.")
@click.option("--force", is_flag=True, help="Replace the output if it is there.")
def export(model: Path, name: str | None, out: Path, check: bool, force: bool) -> None:
    """Write MODEL, with its preprocessing, for other programs.

    MODEL is a run directory, a checkpoint, a model file, or, for ONNX, an ensemble. The file takes features as they are
    in the data, and answers in units of the data.

    \b
    ddp-mlp export runs/a --out a.onnx --check       ONNX Runtime and all that reads ONNX
    ddp-mlp export runs/a --out a.safetensors        a torch.nn.Sequential
    ddp-mlp export runs/a --out a.skops              a Pipeline of scikit-learn
    ddp-mlp export runs/a --out a.h                  C, C++ and Fortran, without any library
    ddp-mlp export runs/a --out a.npz                NumPy
    """  # noqa: D301 - a sign for click
    from ddp_mlp.checkpoint.ensemble import load_trained
    from ddp_mlp.durable import refuse_existing
    from ddp_mlp.interop.export import export_model

    refuse_existing(out, force=force)
    done = export_model(load_trained(model), out, name, check=check)
    tell(f"{out}: {model} as {done.format}")
    if (found := done.checked) is not None:
        said = f"{found.difference:.1e} of the spread of the answers (bound {found.bound:.1g})"
        tell(f"largest difference from predict: {said}")
    if done.remark:
        tell(f"warning: {done.remark}")
