"""``ddp-mlp import-model``."""

from __future__ import annotations

from pathlib import Path

import click

from ddp_mlp.cli.options import tell


def _names(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(","))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model file to write, such as model.h5.")
@click.option("--activation", metavar="NAME", help="Of weights alone: after each hidden layer.")
@click.option("--output", metavar="NAME", help="Of weights alone: after the last layer [default: that of the task].")
@click.option("--task", type=click.Choice(["regression", "binary", "multiclass"]), help="Of weights alone.")
@click.option("--features", callback=_names, metavar="A,B,...", help="Of weights alone: names of the features.")
@click.option("--targets", callback=_names, metavar="A,B,...", help="Of weights alone: names of the quantities.")
@click.option("--classes", callback=_names, metavar="A,B,...", help="Of weights alone: names of the classes.")
@click.option("--force", is_flag=True, help="Replace the output if it is there.")
def import_model(
    file: Path,
    out: Path,
    activation: str | None,
    output: str | None,
    task: str | None,
    features: tuple[str, ...] | None,
    targets: tuple[str, ...] | None,
    classes: tuple[str, ...] | None,
    force: bool,
) -> None:
    """Make a model of FILE, which another program has trained.

    FILE is F.safetensors with the state dict of a torch.nn.Sequential, F.skops with an MLP of scikit-learn, or an
    export of this program. The model answers as it did there; `[model] start` goes on training it.

    \b
    ddp-mlp import-model net.safetensors --activation relu --task multiclass --out net.h5
    ddp-mlp import-model mlp.skops --out mlp.h5
    """  # noqa: D301 - a sign for click
    from ddp_mlp.checkpoint.model import model_image
    from ddp_mlp.durable import refuse_existing, write_chosen
    from ddp_mlp.interop.importing import import_file
    from ddp_mlp.interop.incoming import Naming

    refuse_existing(out, force=force)
    model = import_file(file, Naming(task, features, targets, classes), activation, output)
    write_chosen(out, model_image(model))
    sizes = " -> ".join(map(str, model.network.layout.sizes))
    units = ", ".join(dict.fromkeys((*model.network.activations[:-1], model.network.output)))
    tell(f"{out}: {model.schema.task}, {sizes}, {units}")
