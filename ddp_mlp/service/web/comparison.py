"""Runs beside each other: the differences of their configurations, and their metrics."""

from __future__ import annotations

import shlex
from contextlib import suppress
from typing import Any

from msgspec import MsgspecError
from starlette.requests import Request
from starlette.responses import Response

from ddp_mlp.config import as_toml, from_builtins
from ddp_mlp.config.toml import parse_toml
from ddp_mlp.errors import DdpMlpError, UsageError
from ddp_mlp.plain_files import read_whole
from ddp_mlp.report.records.differences import differing
from ddp_mlp.service.orders.commands import config_of
from ddp_mlp.service.running.epoch_rows import rows_of_all
from ddp_mlp.service.service import Service
from ddp_mlp.service.store.job import Job, public
from ddp_mlp.service.web.answers import as_json, in_thread, service_of

_FEWEST, _MOST = 2, 10
_MOST_CONFIG_BYTES = 2**20
#: Rows of each run that are sent; of more, evenly spaced ones and the last.
_MOST_ROWS = 2000


async def compare(request: Request) -> Response:
    """Return some jobs, what differs between them, and their metrics."""
    words = request.query_params.get("ids", "").split(",")
    if not all(word.isascii() and word.isdigit() and len(word) < 19 for word in words):
        raise UsageError("ids: numbers of jobs with commas between them")
    ids = list(dict.fromkeys(map(int, words)))
    if not _FEWEST <= len(ids) <= _MOST:
        raise UsageError(f"ids: {_FEWEST} to {_MOST} different jobs")
    return as_json(await in_thread(_compare, service_of(request), ids))


def _compare(service: Service, ids: list[int]) -> dict[str, Any]:
    jobs = [service.store.get(number) for number in ids]
    found = differing([{**_config(service, job), "job": _asked(job)} for job in jobs])
    return {
        "jobs": [public(job) for job in jobs],
        "differs": [{"key": key, "values": values} for key, values in found.items()],
        "metrics": {str(job.id): _metrics(service, job) for job in jobs},
    }


def _config(service: Service, job: Job) -> dict[str, Any]:
    """Return the resolved configuration of a job; that of its own run where it has begun."""
    for path in (service.settings.directory / job.run_dir / "config.toml", config_of(job, service.settings)):
        with suppress(OSError, ValueError, DdpMlpError, MsgspecError):
            table = parse_toml(read_whole(path, _MOST_CONFIG_BYTES).decode())
            return parse_toml(as_toml(from_builtins(table, "config")))
    return {}


def _asked(job: Job) -> dict[str, str]:
    """Return the kind of a job and its own options."""
    return {"kind": job.kind, "arguments": shlex.join(job.arguments)}


def _metrics(service: Service, job: Job) -> dict[str, Any]:
    columns, rows = rows_of_all(service.settings.directory / job.run_dir / "metrics.csv", _MOST_ROWS)
    return {"columns": columns, "rows": rows}
