"""Results of a job over HTTP: its files, the report, exports, the health of its data, its ranks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from ddp_mlp.durable import remove
from ddp_mlp.errors import MissingInputError, UsageError
from ddp_mlp.plain_files import open_plain
from ddp_mlp.service.orders.commands import file_name
from ddp_mlp.service.running.standing import read_status
from ddp_mlp.service.service import Service
from ddp_mlp.service.store.job import LIVE, Job
from ddp_mlp.service.web.answers import as_json, in_thread, job_of, service_of

#: Files of a run that may be had, and their types.
_FILES = {
    "model.h5": "application/x-hdf5", "config.toml": "application/toml", "metrics.csv": "text/csv; charset=utf-8",
    "log.txt": "text/plain; charset=utf-8", "status.json": "application/json",
    "trials.csv": "text/csv; charset=utf-8",
}  # fmt: skip
_SUFFIXES = {"onnx": ".onnx", "safetensors": ".safetensors", "npz": ".npz", "c": ".h", "sklearn": ".skops"}
_PIECE = 2**18
#: A report brings its own scripts, and may do nothing with them but draw.
_REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; frame-ancestors 'self'"
)


async def _job(request: Request) -> tuple[Service, Job, Path]:
    service = service_of(request)
    job = await in_thread(service.store.get, job_of(request))
    return service, job, service.settings.directory / job.run_dir


async def file(request: Request) -> Response:
    """Return a file of a run."""
    _, job, run_dir = await _job(request)
    name = request.path_params["name"]
    if name not in _FILES:
        raise LookupError(f"no such file; there are {', '.join(_FILES)}")
    path = run_dir / name
    if not await in_thread(_is_plain, path):
        raise LookupError(f"job {job.id} has no {name} yet")
    headers = {"Content-Disposition": f'attachment; filename="{file_name(job)}-{name}"'}
    return StreamingResponse(_pieces(path), media_type=_FILES[name], headers=headers)


def _is_plain(path: Path) -> bool:
    with suppress(OSError), open_plain(path):
        return True
    return False


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    """Yield the content of a plain file; links are not followed."""
    with open_plain(path) as opened:
        while piece := await in_thread(opened.read, _PIECE):
            yield piece


async def export(request: Request) -> Response:
    """Return the model of a run in the format of another program."""
    _, job, run_dir = await _job(request)
    name = request.query_params.get("format", "onnx")
    if name not in _SUFFIXES:
        raise UsageError(f"format: one of {', '.join(_SUFFIXES)}")
    await in_thread(need_model, run_dir, job)
    children = request.app.state.children
    async with children.file(_SUFFIXES[name]) as out:
        await children.run("export", str(run_dir), "--format", name, "--out", str(out))
        headers = {"Content-Disposition": f'attachment; filename="{file_name(job)}{_SUFFIXES[name]}"'}
        return await sent_on(out, "application/octet-stream", headers)


async def sent_on(path: Path, kind: str, headers: dict[str, str]) -> Response:
    """Return a file as an answer, a piece at a time; its name may be gone by then."""
    opened = await in_thread(lambda: path.open("rb"))

    async def pieces() -> AsyncIterator[bytes]:
        with opened:
            while piece := await in_thread(opened.read, _PIECE):
                yield piece

    return StreamingResponse(pieces(), media_type=kind, headers=headers)


def need_model(run_dir: Path, job: Job) -> None:
    """Raise MissingInputError unless a job has a model, or the list of an ensemble."""
    if not _is_plain(run_dir / "ensemble.json"):
        need(run_dir / "model.h5", job, "model")


def need(path: Path, job: Job, name: str) -> None:
    """Raise MissingInputError unless a run has a file."""
    if not _is_plain(path):
        raise MissingInputError(f"job {job.id} has no {name} yet; it comes with the first checkpoint")


async def report(request: Request) -> Response:
    """Return the page about a run; it is made again when the run has changed."""
    service, job, run_dir = await _job(request)
    mark = await in_thread(_mark, job, run_dir)
    page = service.settings.job_folder(job.id) / f"report-{mark}.html"
    if not await in_thread(page.exists):
        await request.app.state.children.run("report", str(run_dir), "--out", str(page))
        await in_thread(_keep_newest, page)
    headers = {"Content-Security-Policy": _REPORT_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return FileResponse(page, media_type="text/html; charset=utf-8", headers=headers)


def _mark(job: Job, run_dir: Path) -> str:
    """Return a text that changes with the run."""
    parts = [job.state]
    for name in ("status.json", "metrics.csv", "ensemble.json"):
        with suppress(OSError):
            parts.append(str((run_dir / name).lstat().st_mtime_ns))
    return "-".join(parts)


def _keep_newest(page: Path) -> None:
    for other in page.parent.glob("report-*.html"):
        if other != page:
            with suppress(OSError):
                remove(other)


async def health(request: Request) -> Response:
    """Return the health of the data of a run that is over, and which features matter to its model."""
    _, job, run_dir = await _job(request)
    reason = "the run is not over yet" if job.state in LIVE else ""
    if job.kind != "train":  # its directory holds runs, and is none
        reason = "this job has several runs, of which its report tells; what the data are like is shown for single runs"
    if reason:
        return as_json({"features": [], "importance": [], "reason": reason})
    out, _ = await request.app.state.children.run(str(run_dir), module="ddp_mlp.service.running.health")
    return Response(out, media_type="application/json")


async def ranks(request: Request) -> Response:
    """Return the seconds of each rank by what it did."""
    _, job, run_dir = await _job(request)
    return as_json({**await in_thread(_ranks, run_dir), "ranks": job.ranks, "threads": job.threads})


def _ranks(run_dir: Path) -> dict[str, Any]:
    from ddp_mlp.report.pages.ranks_section import rank_times, straggling

    times = rank_times(read_status(run_dir))
    return {"seconds": times, "sentence": straggling(times) if times else ""}
