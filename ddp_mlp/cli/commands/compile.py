"""``ddp-mlp compile``."""

from __future__ import annotations

from typing import Any

import click

from ddp_mlp.catalog.dtypes import DTYPES
from ddp_mlp.cli.options import json_option, print_json, tell
from ddp_mlp.core.targets import TARGETS, pin

_DTYPES = tuple(DTYPES)


@click.command("compile")
@click.option(
    "--dtype", type=click.Choice(_DTYPES), multiple=True, help="May be repeated; all are compiled if none is."
)
@click.option(
    "--isa",
    type=click.Choice(["native", *TARGETS]),
    default="native",
    show_default=True,
    help="Type of CPU, as in [train] isa; it need not be that of this machine.",
)
@json_option
def compile(  # noqa: A001 - the name of the command
    dtype: tuple[str, ...], isa: str, as_json: bool
) -> None:
    """Compile the kernels ahead of time, for images, and for all users of a site.

    They go to DDP_MLP_CACHE_DIR, or ~/.cache/ddp-mlp. Whoever can list that directory can use what is there,
    if it belongs to root, or to who has installed this program, and nobody else can write to it.
    """
    pin(isa)  # before LLVM is loaded
    from ddp_mlp.cli.progress import make_progress
    from ddp_mlp.comm import SingleProcess
    from ddp_mlp.engine.ahead import compile_ahead

    done: list[dict[str, Any]] = []
    with make_progress("auto", SingleProcess()) as shown:
        for name in dtype or _DTYPES:
            kept = compile_ahead(name, shown.tell, shown.watch)
            done.append({"dtype": name, "isa": isa, "file": str(kept.file), "compiled": kept.is_new})
            if not as_json:
                tell(f"{name}: {kept.file}{'' if kept.is_new else ', which was there'}")
    if as_json:
        print_json({"kernels": done})
