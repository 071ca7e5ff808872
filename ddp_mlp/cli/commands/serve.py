"""``ddp-mlp serve``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ddp_mlp.cli.options import tell
from ddp_mlp.errors import MissingInputError, UsageError, literal

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("directory", type=_PATH, default=Path(), metavar="[DIR]")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; others than this machine's own need the token alone to start jobs here.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any that is free.")
@click.option(
    "--cores", type=click.IntRange(1, 2**16), help="Cores that all jobs share [default: those of this process]."
)
@click.option(
    "--memory",
    type=click.FloatRange(0.1, 2**20),
    metavar="GIB",
    help="Memory that all jobs share [default: 90 % of this machine's].",
)
@click.option("--data", multiple=True, type=_PATH, metavar="DIR", help="Further directory of data; may be repeated.")
@click.option("--slurm", is_flag=True, help="Submit jobs to Slurm instead of starting them here.")
@click.option(
    "--sbatch", "slurm_options", multiple=True, metavar="KEY=VALUE", help="Any option of sbatch, for all jobs."
)
@click.option("--read-only", is_flag=True, help="Refuse every change: for showing runs to others.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="Further name of this service: of a proxy.")
@click.option("--certificate", type=_PATH, help="Certificate in PEM, for HTTPS.")
@click.option("--key", type=_PATH, help="Its private key, if not in the same file.")
@click.option(
    "--max-upload",
    type=click.FloatRange(0.001, 1024),
    default=1.0,
    show_default=True,
    metavar="GIB",
    help="Largest file that may be sent.",
)
@click.option(
    "--max-restarts",
    type=click.IntRange(0, 1000),
    default=3,
    show_default=True,
    help="Starts after failures in a row that saved nothing new.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def serve(
    directory: Path,
    host: str,
    port: int,
    cores: int | None,
    memory: float | None,
    data: tuple[Path, ...],
    slurm: bool,
    slurm_options: tuple[str, ...],
    read_only: bool,
    hosts: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
    max_upload: float,
    max_restarts: int,
    opens: bool,
) -> None:
    """Serve the runs of DIR [default: here]: a queue of jobs, a page and an HTTP API.

    The link that is printed holds a token, and whoever has that may start jobs. Jobs are processes of
    their own: they go on when this command ends, and the next one finds them again.
    """  # fmt: skip
    if key and not certificate:
        raise UsageError("--key goes with --certificate")
    server = _server()
    from ddp_mlp.service.settings import Settings
    from ddp_mlp.training.memory_check import memory_limit

    settings = Settings(
        _resolved(directory, must_be=False), tuple(_resolved(one, must_be=True) for one in data),
        cores or len(os.sched_getaffinity(0)), int(memory * 2**30) if memory else memory_limit() * 9 // 10,
        host, port, hosts, read_only, slurm, certificate, key, max_restarts, int(max_upload * 2**30), slurm_options,
    )  # fmt: skip

    def show_link(url: str) -> None:
        click.echo(f"serving {settings.directory}: {url}")
        if opens:
            click.launch(url)

    server.serve(settings, tell, show_link=show_link)


def _server() -> Any:
    try:
        from ddp_mlp.service.web import server
    except ModuleNotFoundError as error:
        raise UsageError(f"serve needs {error.name}, which is not installed; pip install 'ddp-mlp[serve]'") from None
    return server


def _resolved(path: Path, *, must_be: bool) -> Path:
    if must_be and not path.is_dir():
        raise MissingInputError(f"--data {literal(str(path))}: no such directory")
    return path.resolve()
