"""``ddp-mlp report``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click

from ddp_mlp.cli.options import tell


@click.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File to write [default: report.html in the one RUN; of several, here].",
)
@click.option("--data", metavar="DATA", help="Rows to answer (F.h5 or a table) [default: those that validated].")
@click.option("--split", help="Split of DATA [default: test, else valid, else train].")
@click.option(
    "--figures", type=click.Path(path_type=Path), metavar="DIR", help="Write each chart into DIR too, as SVG and PDF."
)
@click.option("--open", "opens", is_flag=True, help="Show it in the browser.")
def report(
    runs: tuple[Path, ...], out: Path | None, data: str | None, split: str | None, figures: Path | None, opens: bool
) -> None:
    """Show RUN... as one HTML file that needs nothing else: curves, settings, how to run it again.

    Several runs are laid over each other, with a table of what differs; the directory of a study stands for its
    trials. A run may be going on: the page shows it as it is now.

    \b
    ddp-mlp report runs/mnist --open
    ddp-mlp report runs/mnist runs/mnist-2 --out both.html
    ddp-mlp report runs/mnist-search
    ddp-mlp report runs/mnist --figures paper/figures
    """  # noqa: D301 - a sign for click
    from ddp_mlp.errors import UsageError

    if split and not data:
        raise UsageError("--split is of --data, which is missing")
    _give_way_to(runs)
    from ddp_mlp.report.writing import write_report

    path = write_report(runs, out, data=data, split=split, figures=figures, tell=tell)
    tell(f"written: {path}")
    if opens:
        show_page(path)


def _give_way_to(runs: Iterable[Path]) -> None:
    """Leave the cores to a run that goes on, before much is loaded; its ranks may need every one of them."""
    from ddp_mlp.report.giving_way import give_way
    from ddp_mlp.report.records.state import goes_on, holds_record

    for path in runs:
        below = [] if holds_record(path) else path.glob("*/") if path.is_dir() else []
        if any(map(goes_on, [path, *below])):
            tell("the run goes on: its report is made in moments in which it leaves a core free")
            give_way()
            return


def show_page(path: Path) -> None:
    """Show a page in the browser, or say where it is if there is none."""
    import webbrowser

    address = path.resolve().as_uri()
    has_screen = any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
    if not (has_screen and webbrowser.open(address)):
        tell(f"no browser could be started here; open {address}")
