"""Jobs over HTTP: list, show, submit, stop, resume, remove, and what they are doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec
import tomli_w
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ddp_mlp.durable import write_whole
from ddp_mlp.errors import UsageError
from ddp_mlp.plain_files import read_whole
from ddp_mlp.service.orders.commands import command_text
from ddp_mlp.service.orders.configuration import RefusedError
from ddp_mlp.service.orders.submission import check_request
from ddp_mlp.service.running.endings import tail_of_output
from ddp_mlp.service.running.epoch_rows import MOST_ROWS, rows_of_all, rows_since
from ddp_mlp.service.running.local import output_of
from ddp_mlp.service.service import Service, decoded
from ddp_mlp.service.store.job import LIVE, STATES, Job, public
from ddp_mlp.service.web.answers import as_json, in_thread, job_of, json_body, number_of, service_of
from ddp_mlp.service.web.bodies import Resume, Stop

_MOST_CONFIG_BYTES = 2**20
#: Bytes of a log that are sent before it is followed, and at a time.
_LOG_BYTES, _PIECE = 2**20, 2**16
_FOLLOW_S = 0.3
_MOST_KEY = 200
#: Seconds for a look at data.
_LOOK_S = 60.0


async def list_jobs(request: Request) -> Response:
    """Return the jobs of some states whose name holds a text."""
    given = request.query_params
    state = given.get("state", "")
    if unknown := [one for one in state.split(",") if one and one not in STATES]:
        raise UsageError(f"state: {unknown[0]!r} is none of {', '.join(STATES)}")
    limit, offset = number_of(request, "limit", 100, most=1000), number_of(request, "offset", 0)
    jobs, total = await in_thread(
        service_of(request).store.page, state, given.get("search", "")[:200], given.get("sort", "-id"), limit, offset
    )
    return as_json({"jobs": [public(job) for job in jobs], "total": total})


async def show_job(request: Request) -> Response:
    """Return all that is known of a job."""
    return as_json(await in_thread(_details, service_of(request), job_of(request)))


def _details(service: Service, job_id: int) -> dict[str, Any]:
    job, settings = service.store.get(job_id), service.settings
    resolved = None
    with suppress(OSError, UnicodeDecodeError):
        resolved = read_whole(settings.directory / job.run_dir / "config.toml", _MOST_CONFIG_BYTES).decode()
    lines = tail_of_output(job, settings)
    return {
        **public(job), "config": job.config, "resolved": resolved, "overrides": job.overrides,
        "arguments": job.arguments, "command": command_text(job, settings),
        "understood": next((line for line in lines if line.startswith("data: ")), None), "log_tail": lines[-50:],
    }  # fmt: skip


async def submit(request: Request) -> Response:
    """Add a job."""
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= _MOST_KEY and key.isprintable()):
        raise UsageError(f"Idempotency-Key: 1 to {_MOST_KEY} characters that can be printed")
    body = await json_body(request)
    job, is_new = await in_thread(service_of(request).submit, decoded(body), key, body)
    return as_json(public(job), 201 if is_new else 200, {"Location": f"/api/v1/jobs/{job.id}"})


async def check(request: Request) -> Response:
    """Tell whether a job could be made, and what its configuration means; nothing is made."""
    asked, service = decoded(await json_body(request)), service_of(request)
    checked = await in_thread(check_request, asked, service.settings, service.store)
    understood = await _understood(request, checked.table)
    return as_json({"understood": understood, "resolved": checked.resolved})


async def _understood(request: Request, table: dict[str, Any]) -> str:
    """Return the values that the data give to keys that are left open.

    Raises
    ------
    CommandError
        If the data cannot be read.
    """
    children = request.app.state.children
    async with children.file(".toml") as path:
        await in_thread(write_whole, path, tomli_w.dumps(table).encode())
        shown, told = await children.run("config", "show", str(path), "--json", longest_s=_LOOK_S, gives_way=False)
    guessed = {key: one["guessed"] for key, one in msgspec.json.decode(shown).items() if "guessed" in one}
    for line in told.splitlines():
        if line.startswith("warning: "):
            raise RefusedError(line.removeprefix("warning: "), [("data.train", line.removeprefix("warning: "))])
    return "; ".join(f"{key} = {value}" for key, value in guessed.items())


async def stop(request: Request) -> Response:
    """Ask a job to stop, or end it at once."""
    body = await json_body(request)
    asked = msgspec.json.decode(body, type=Stop) if body.strip() else Stop()
    job = await in_thread(lambda: service_of(request).stop(job_of(request), force=asked.force))
    return as_json(public(job), 202)


async def resume(request: Request) -> Response:
    """Let a job go on."""
    body = await json_body(request)
    asked = msgspec.json.decode(body, type=Resume) if body.strip() else Resume()
    return as_json(public(await in_thread(service_of(request).resume, job_of(request), asked.overrides)), 202)


async def remove(request: Request) -> Response:
    """Forget a job."""
    files = request.query_params.get("files", "false")
    if files not in ("true", "false"):
        raise UsageError("files: true or false")
    await in_thread(lambda: service_of(request).remove(job_of(request), files=files == "true"))
    return Response(status_code=204)


async def metrics(request: Request) -> Response:
    """Return rows of epochs: the first after one, or those that stand for all."""
    service = service_of(request)
    job = await in_thread(service.store.get, job_of(request))
    path = service.settings.directory / job.run_dir / "metrics.csv"
    limit, thin = number_of(request, "limit", MOST_ROWS, most=MOST_ROWS), request.query_params.get("thin", "false")
    if thin not in ("true", "false"):
        raise UsageError("thin: true or false")
    if thin == "true":
        columns, rows = await in_thread(rows_of_all, path, limit)
        return as_json({"columns": columns, "rows": rows, "more": False})
    columns, rows, more = await in_thread(rows_since, path, number_of(request, "since", 0), limit)
    return as_json({"columns": columns, "rows": rows, "more": more})


async def log(request: Request) -> Response:
    """Return what a job has printed; with ``follow=1`` also what it prints until it ends."""
    service = service_of(request)
    job = await in_thread(service.store.get, job_of(request))
    follows = request.query_params.get("follow", "0") in ("1", "true")
    start = number_of(request, "offset", 0) if "offset" in request.query_params else None
    return StreamingResponse(_log(service, job, start, follows=follows), media_type="text/plain; charset=utf-8")


async def _log(service: Service, job: Job, offset: int | None, *, follows: bool) -> AsyncIterator[bytes]:
    """Yield the output of a job from a byte on; without one, the last part of it."""
    path = output_of(service.settings.job_folder(job.id))
    while True:
        is_over = not follows or await in_thread(_is_over, service, job.id)
        while True:
            piece, offset = await in_thread(_piece, path, offset)
            if not piece:
                break
            yield piece
        if is_over:
            return
        await asyncio.sleep(_FOLLOW_S)


def _is_over(service: Service, job_id: int) -> bool:
    return service.store.states_of([job_id]).get(job_id) not in LIVE


def _piece(path: Any, offset: int | None) -> tuple[bytes, int]:
    """Return bytes of a log from a place on, and where they end; None is a line near its end."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(size - _LOG_BYTES, 0) if offset is None else min(offset, size)
            file.seek(start)
            piece = file.read(_PIECE)
            end = start + len(piece)
            if start and offset is None and b"\n" in piece[:-1]:  # the rest of a line may read as another number
                piece = piece[piece.index(b"\n") + 1 :]
            return piece, end
    except OSError:
        return b"", offset or 0
