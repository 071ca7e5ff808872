"""The service about itself: the session, events, and descriptions of its interface and of configurations."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ddp_mlp.errors import UsageError
from ddp_mlp.service.service import Service
from ddp_mlp.service.web.answers import as_json, in_thread, service_of
from ddp_mlp.service.web.openapi import document
from ddp_mlp.service.web.problems import problem


async def session(request: Request) -> Response:
    """Return who is asked, and what a form has to send along."""
    cookie = request.scope["session"]
    csrf = request.app.state.keys.csrf_of(cookie) if cookie else None
    return as_json({"csrf": csrf, **await in_thread(_about, service_of(request))})


def _about(service: Service) -> dict[str, Any]:
    settings = service.settings
    busy = sum(job.cores for job in service.store.active())
    return {
        "version": version("ddp-mlp"),
        "directory": str(settings.directory),
        "data_directories": [str(root) for root in settings.data],
        "cores": settings.cores,
        "cores_free": max(settings.cores - busy, 0),
        "memory_bytes": settings.memory_bytes,
        "read_only": settings.read_only,
        "slurm": settings.slurm,
    }


async def events(request: Request) -> Response:
    """Send news of jobs as they come."""
    hub = request.app.state.hub
    last = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    if last is not None and not (last.isascii() and last.isdigit() and len(last) < 17):
        raise UsageError("Last-Event-ID: the number of an event")
    if hub.is_full:
        return problem(503, "there are as many viewers as can be; try again later", headers={"Retry-After": "10"})
    stream = hub.follow(None if last is None else int(last))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def config_schema(_request: Request) -> Response:
    """Return the JSON Schema of the configuration."""
    from ddp_mlp.config.reference import json_schema

    return as_json(await in_thread(json_schema))


async def openapi(_request: Request) -> Response:
    """Return the description of this interface."""
    return as_json(document())
