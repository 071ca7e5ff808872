"""Tables that are sent: imported as data sets, or answered by the model of a run."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from ddp_mlp.config.loading import HDF5_SUFFIXES
from ddp_mlp.errors import OutputError, UsageError, printable
from ddp_mlp.plain_files import open_own
from ddp_mlp.service.orders.commands import file_name
from ddp_mlp.service.orders.importing import ImportRequest, import_arguments, suffix_of
from ddp_mlp.service.security.places import name_of
from ddp_mlp.service.settings import Settings
from ddp_mlp.service.web.answers import as_json, in_thread, job_of, service_of
from ddp_mlp.service.web.children import CommandError
from ddp_mlp.service.web.problems import MediaTypeError
from ddp_mlp.service.web.results import need_model, sent_on

_SHOWN_ROWS = 100
_PIECE = 2**20
#: Directories below a root in which data are looked for, and files that are listed.
_DEEPEST, _MOST_FILES = 4, 2000


@asynccontextmanager
async def _sent(request: Request) -> AsyncIterator[tuple[Path, UploadFile, str]]:
    """Provide the file that was sent, under a name of the service's own, its part of the form, and the options."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise MediaTypeError("the body is to be multipart/form-data, with the table as file")
    async with request.app.state.uploads, request.form(max_files=1, max_fields=4, max_part_size=2**16) as form:
        part, options = form.get("file"), form.get("options", "")
        if not isinstance(part, UploadFile) or not isinstance(options, str):
            raise UsageError("file: send the table as the field file, and options as JSON in a field of text")
        async with request.app.state.children.file(suffix_of(part.filename or "")) as path:
            descriptor = await in_thread(open_own, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                while piece := await part.read(_PIECE):
                    await in_thread(os.write, descriptor, piece)
            finally:
                os.close(descriptor)
            try:
                yield path, part, options
            except CommandError as error:  # by the name that its sender knows
                text = str(error).replace(str(path), printable(part.filename or "the file"))
                raise CommandError(text, error.code, error.status) from None


async def predict(request: Request) -> Response:
    """Return the answers of a run's model for the rows of a table that is sent."""
    service = service_of(request)
    job = await in_thread(service.store.get, job_of(request))
    run_dir = service.settings.directory / job.run_dir
    children = request.app.state.children
    async with _sent(request) as (table, _, _options), children.file(".csv") as out:
        await in_thread(need_model, run_dir, job)
        await children.run("predict", str(run_dir), str(table), "--out", str(out))
        if "text/csv" in request.headers.get("accept", ""):
            headers = {"Content-Disposition": f'attachment; filename="{file_name(job)}-predictions.csv"'}
            return await sent_on(out, "text/csv; charset=utf-8", headers)
        return as_json(await in_thread(_first_rows, out))


def _first_rows(path: Path) -> dict[str, Any]:
    with path.open(newline="") as file:
        rows = csv.reader(file)
        columns = next(rows, [])
        first = [[_value(cell) for cell in row] for row in itertools.islice(rows, _SHOWN_ROWS)]
        return {"columns": columns, "rows": first, "n_rows": len(first) + sum(1 for _ in rows)}


def _value(cell: str) -> float | int | str | None:
    if not cell:
        return None
    for kind in (int, float):
        with suppress(ValueError):
            return kind(cell)
    return cell


async def import_table(request: Request) -> Response:
    """Make a data set of a table that is sent."""
    settings, children = service_of(request).settings, request.app.state.children
    async with _sent(request) as (table, part, text):
        options = msgspec.json.decode(text, type=ImportRequest) if text.strip() else ImportRequest()
        arguments = import_arguments(options)
        name = name_of(options.name or Path(part.filename or "").name.partition(".")[0], "data")
        await in_thread(lambda: settings.imported.mkdir(exist_ok=True))
        async with request.app.state.naming:
            out = await in_thread(_free, settings, name)
            summary, told = await children.run("data", "import", str(table), "--out", str(out), *arguments)
    path = str(out.relative_to(settings.directory))
    said = summary.strip().removeprefix(f"{out}: ")
    return as_json({"path": path, "summary": said, "notes": told.splitlines()}, 201)


def _free(settings: Settings, name: str) -> Path:
    for number in itertools.count(1):
        path = settings.imported / (f"{name}-{number}.h5" if number > 1 else f"{name}.h5")
        if not os.path.lexists(path):
            return path
    raise OutputError("no name is free")


async def list_data(request: Request) -> Response:
    """Return the files that can be trained on."""
    settings = service_of(request).settings
    return as_json(await in_thread(lambda: list(itertools.islice(_data_files(settings), _MOST_FILES))))


def _data_files(settings: Settings) -> Iterator[dict[str, Any]]:
    for number, root in enumerate(settings.roots):
        for path, status in _below(root, _DEEPEST, settings):
            name = str(path.relative_to(root)) if number == 0 else str(path)
            yield {"path": name, "bytes": status.st_size, "modified_utc": _utc(status.st_mtime)}


def _below(folder: Path, depth: int, settings: Settings) -> Iterator[tuple[Path, os.stat_result]]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            path = Path(entry.path)
            if entry.name.startswith(".") or not entry.name.isprintable() or path == settings.runs:
                continue
            if entry.is_file(follow_symlinks=False) and path.suffix.lower() in HDF5_SUFFIXES:
                with suppress(OSError):
                    yield path, entry.stat(follow_symlinks=False)
            elif depth and entry.is_dir(follow_symlinks=False):
                yield from _below(path, depth - 1, settings)


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
