"""``ddp-mlp submit`` and ``ddp-mlp jobs list|show|logs|stop|resume|remove|wait``."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddp_mlp.cli.options import RANKS, THREADS, json_option, print_json, print_result, shown, tell

if TYPE_CHECKING:
    from ddp_mlp.service.client.client import Client

_LIVE = ("queued", "running", "stopping")
server_option = click.option(
    "--server",
    metavar="URL|DIR",
    help="The service, or the directory that it serves [default: DDP_MLP_SERVER, this directory or one above it].",
)


def _client(server: str | None, *, patient: bool = False) -> Client:
    from ddp_mlp.service.client.client import PATIENCE_S, Client
    from ddp_mlp.service.client.finding import find_server

    return Client(lambda: find_server(server, os.environ, Path.cwd()), PATIENCE_S if patient else 0.0)


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTION...]")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key of CONFIG.")
@click.option("--name", default="", help="Name of the job and its run directory [default: that of CONFIG].")
@click.option(
    "--kind",
    type=click.Choice(["train", "search", "cross-validate", "ensemble"]),
    default="train",
    show_default=True,
    help="Command of the job; its own options follow after --.",
)
@click.option("--ranks", type=RANKS, default=1, show_default=True, help="Ranks to train on.")
@click.option("--threads-per-rank", "threads", type=THREADS, default=1, show_default=True, help="Threads of each.")
@click.option(
    "--priority", type=click.IntRange(-(10**6), 10**6), default=0, show_default=True, help="Higher ones start earlier."
)
@click.option("--after", multiple=True, type=click.IntRange(1), metavar="ID", help="Start when that job has finished.")
@click.option("--wait", "waits", is_flag=True, help="Show its output, and end with its exit code.")
@server_option
@json_option
def submit(
    config: Path,
    arguments: tuple[str, ...],
    overrides: tuple[str, ...],
    name: str,
    kind: str,
    ranks: int,
    threads: int,
    priority: int,
    after: tuple[int, ...],
    waits: bool,
    server: str | None,
    as_json: bool,
) -> None:
    """Submit a job that trains CONFIG to a service of `ddp-mlp serve`.

    \b
    ddp-mlp submit c.toml --ranks 2 --wait
    ddp-mlp submit c.toml --kind search -- --try 'optimizer.learning_rate=[0.1, 0.01]'
    """  # noqa: D301 - click's sign for lines that stay as they are
    from ddp_mlp.service.client.requests import request_of

    client = _client(server, patient=waits)
    body = request_of(
        config,
        overrides,
        kind=kind,
        arguments=list(arguments),
        name=name or config.stem,
        ranks=ranks,
        threads=threads,
        priority=priority,
        after=list(after),
    )
    job = client.ask("POST", "/api/v1/jobs", body, {"Idempotency-Key": uuid.uuid4().hex})
    tell(f"job {job['id']} is in the queue; its run directory: {job['run_dir']}")
    if waits:
        _wait(client, job["id"], as_json=as_json)
    elif as_json:
        print_json(job)
    else:
        click.echo(job["id"])


def _wait(client: Client, number: int, *, as_json: bool) -> None:
    """Show the output of a job until it is over, and end with its exit code."""
    from ddp_mlp.service.client.requests import code_of

    try:
        for piece in client.lines_of(f"/api/v1/jobs/{number}/log?follow=1"):
            click.echo(piece, nl=False, err=True)  # as bytes: a letter may come in two pieces
        job = client.ask("GET", f"/api/v1/jobs/{number}")
    except KeyboardInterrupt:
        tell(f"job {number} goes on; look at it: ddp-mlp jobs show {number}")
        sys.exit(130)
    if as_json:
        print_json(job)
    tell(f"job {number} is {job['state']}" + (f": {job['reason']}" if job["reason"] else ""))
    sys.exit(code_of(job))


@click.group()
def jobs() -> None:
    """List, follow, stop, resume and remove jobs of a service."""


def _job_command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    def decorated(function: Callable[..., None]) -> click.Command:
        command = jobs.command(name)
        for option in (json_option, server_option, click.argument("number", type=click.IntRange(1), metavar="ID")):
            function = option(function)
        return command(function)

    return decorated


@jobs.command("list")
@click.option("--state", default="", metavar="STATE,...", help="Only jobs in these states.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The newest ones.")
@server_option
@json_option
def list_jobs(state: str, limit: int, server: str | None, as_json: bool) -> None:
    """List jobs, the newest first."""
    from urllib.parse import urlencode

    found = _client(server).ask("GET", f"/api/v1/jobs?{urlencode({'state': state, 'limit': limit})}")
    if as_json:
        print_json(found)
        return
    header = ("id", "name", "kind", "state", "cores", "epoch", "best", "why")
    rows = [header, *map(_line, found["jobs"])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    if found["total"] > len(found["jobs"]):
        tell(f"{found['total'] - len(found['jobs'])} older ones: --limit")


def _line(job: dict[str, Any]) -> tuple[str, ...]:
    progress, best = job["progress"] or {}, job["best"]
    epoch = f"{progress['epoch']}/{shown(progress['epochs'])}" if progress else "-"
    score = f"{shown(best['value'])} ({best['epoch']})" if best else "-"
    cores = str(job["ranks"] * job["threads"])
    why = shown(job["reason"] or (f"waits for {job['waits_for']}" if job["waits_for"] else ""))
    return (str(job["id"]), shown(job["name"]), job["kind"], job["state"], cores, epoch, score, why)


@_job_command("show")
def show(number: int, server: str | None, as_json: bool) -> None:
    """Show all that is known of a job."""
    job = _client(server).ask("GET", f"/api/v1/jobs/{number}")
    hidden = () if as_json else ("config", "resolved", "log_tail", "sparkline")
    print_result({key: value for key, value in job.items() if key not in hidden}, as_json=as_json)


@jobs.command()
@click.argument("number", type=click.IntRange(1), metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job is over.")
@server_option
def logs(number: int, follow: bool, server: str | None) -> None:
    """Print the output of a job."""
    follows = int(follow)
    for piece in _client(server, patient=follow).lines_of(f"/api/v1/jobs/{number}/log?follow={follows}"):
        click.echo(piece, nl=False)


@jobs.command()
@click.argument("number", type=click.IntRange(1), metavar="ID")
@click.option("--force", is_flag=True, help="Kill it: what it computed since its last checkpoint is lost.")
@server_option
@json_option
def stop(number: int, force: bool, server: str | None, as_json: bool) -> None:
    """Ask a job to save its state and leave; resume lets it go on."""
    _told(_client(server).ask("POST", f"/api/v1/jobs/{number}/stop", {"force": force}), as_json=as_json)


@jobs.command()
@click.argument("number", type=click.IntRange(1), metavar="ID")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Such as train.epochs=20.")
@server_option
@json_option
def resume(number: int, overrides: tuple[str, ...], server: str | None, as_json: bool) -> None:
    """Let a job go on from its newest checkpoint."""
    from ddp_mlp.service.client.requests import overrides_of

    body = {"overrides": overrides_of(overrides)}
    _told(_client(server).ask("POST", f"/api/v1/jobs/{number}/resume", body), as_json=as_json)


@jobs.command()
@click.argument("number", type=click.IntRange(1), metavar="ID")
@click.option("--files", is_flag=True, help="Remove its run directory too.")
@server_option
def remove(number: int, files: bool, server: str | None) -> None:
    """Forget a job that is over; its run directory stays."""
    _client(server).ask("DELETE", f"/api/v1/jobs/{number}?files={str(files).lower()}")
    tell(f"job {number} is removed{' with its files' if files else ''}")


@_job_command("wait")
def wait(number: int, server: str | None, as_json: bool) -> None:
    """Show the output of a job until it is over, and end with its exit code."""
    _wait(_client(server, patient=True), number, as_json=as_json)


def _told(job: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        tell(f"job {job['id']} is {job['state']}")
