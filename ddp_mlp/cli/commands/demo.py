"""``ddp-mlp demo``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ddp_mlp.cli.commands.report import show_page
from ddp_mlp.cli.options import RANKS, tell
from ddp_mlp.errors import counted

_CONFIG = """\
# Handwritten digits, 8 x 8 pixels: a network with two hidden layers.
[data]
train = "digits.h5"

[model]
hidden = [64, 64]
activation = "relu"

[optimizer]
name = "momentum"
learning_rate = 0.05

[train]
epochs = 20
global_batch_size = 64
log_layer_norms = true            # the report shows the gradient norm of each layer
"""


@click.command()
@click.option("-n", "n_ranks", type=RANKS, default=2, show_default=True, help="Number of ranks.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("ddp-mlp-demo"),
    show_default=True,
    help="Directory for data, configuration and run.",
)
@click.option("--open", "opens", is_flag=True, help="Show the report in the browser.")
def demo(n_ranks: int, out: Path, opens: bool) -> None:
    """Make a data set of handwritten digits, train on it, evaluate, write a report, and say where all is.

    Needs no network. Runs in under a minute, the first time too.
    """
    from ddp_mlp.cluster.launch.launch import launch
    from ddp_mlp.data.importing import make_dataset
    from ddp_mlp.durable import write_whole
    from ddp_mlp.errors import OutputError, shell_word
    from ddp_mlp.report.writing import write_report

    config, data, run = out / "digits.toml", out / "digits.h5", _free_directory(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}") from None
    write_whole(config, _CONFIG.encode())
    if not data.exists():
        tell(f"1. the data set of handwritten digits: {data}")
        make_dataset("digits", data)
    words = f"launch -n {n_ranks} train {shell_word(config)} --out {shell_word(run)}"
    tell(f"2. training on {counted(n_ranks, 'rank')}: ddp-mlp {words}")
    code = launch(n_ranks, 1, ["train", str(config), "--out", str(run)], tell)
    if code == 0:
        tell(f"3. digits it has never seen: ddp-mlp evaluate {shell_word(run)} {shell_word(data)}")
        code = launch(1, 1, ["evaluate", str(run), str(data)], tell)
    if code == 0:
        tell(f"4. curves and settings on one page: ddp-mlp report {shell_word(run)}")
        page = write_report([run])
        tell(f"written: {run}/ (report.html, model.h5, metrics.csv, checkpoints/), {config}, {data}")
        tell(f"next: change {config} and run: ddp-mlp train {shell_word(config)}")
        if opens:
            show_page(page)
    sys.exit(code)


def _free_directory(out: Path) -> Path:
    """Return the first of run-1, run-2 ... that is not there yet."""
    number = 1
    while (out / f"run-{number}").exists():
        number += 1
    return out / f"run-{number}"
