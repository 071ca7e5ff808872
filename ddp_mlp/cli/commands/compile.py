"""``ddp-mlp compile``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
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
    multiple=True,
    default=["native"],
    show_default=True,
    help="Type of CPU, as in [train] isa; it need not be that of this machine. May be repeated.",
)
@click.option(
    "--wheel",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write them into a wheel in DIR too; those that are in it stay, so each type of machine can add its own.",
)
@json_option
def compile(  # noqa: A001 - the name of the command
    dtype: tuple[str, ...], isa: tuple[str, ...], wheel: Path | None, as_json: bool
) -> None:
    """Compile the kernels ahead of time, for images, and for all users of a site.

    They go to DDP_MLP_CACHE_DIR, or ~/.cache/ddp-mlp. Whoever can list that directory can use what is there,
    if it belongs to root, or to who has installed this program, and nobody else can write to it.
    """
    done = _compile(dtype or _DTYPES, isa[0]) if len(isa) == 1 else [made for one in isa for made in _apart(dtype, one)]
    if not as_json:
        for made in done:
            kind = made["dtype"] if made["isa"] == "native" else f"{made['dtype']}, {made['isa']}"
            tell(f"{kind}: {made['file']}{'' if made['compiled'] else ', which was there'}")
    found = _written(wheel, done) if wheel else {}
    if as_json:
        print_json({"kernels": done, **found})
    elif found:
        tell(f"wheel: {found['wheel']}")


def _compile(dtypes: Sequence[str], isa: str) -> list[dict[str, Any]]:
    """Compile for one type of CPU in this process."""
    pin(isa)  # before LLVM is loaded
    from ddp_mlp.cli.progress import make_progress
    from ddp_mlp.comm import SingleProcess
    from ddp_mlp.engine.ahead import compile_ahead

    done: list[dict[str, Any]] = []
    with make_progress("auto", SingleProcess()) as shown:
        for name in dtypes:
            kept = compile_ahead(name, shown.tell, shown.watch)
            done.append({"dtype": name, "isa": isa, "file": str(kept.file), "compiled": kept.is_new})
    return done


def _apart(dtypes: Sequence[str], isa: str) -> list[dict[str, Any]]:
    """Compile for one of several types of CPU, in a process of its own: LLVM is loaded for one."""
    options = [option for name in dtypes for option in ("--dtype", name)]
    command = [sys.executable, "-P", "-m", "ddp_mlp", "compile", "--isa", isa, *options, "--json"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if ended.returncode:  # it has said why
        sys.exit(ended.returncode)
    done: list[dict[str, Any]] = json.loads(ended.stdout)["kernels"]
    return done


def _written(directory: Path, done: Sequence[dict[str, Any]]) -> dict[str, Any]:
    from ddp_mlp.cli.kernel_wheel import write_wheel
    from ddp_mlp.durable import writing_errors

    with writing_errors(directory):
        return {"wheel": str(write_wheel(directory, [Path(made["file"]) for made in done]))}
