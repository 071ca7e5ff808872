"""Helpers of endpoints: their service, their parameters, and JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ddp_mlp.errors import UsageError, literal
from ddp_mlp.service.service import Service
from ddp_mlp.service.web.problems import MediaTypeError

Answer = TypeVar("Answer")


async def in_thread(function: Callable[..., Answer], *given: Any) -> Answer:
    """Call a function that waits for a disk in a thread, so that the event loop goes on."""
    return await anyio.to_thread.run_sync(function, *given)


def service_of(request: Request) -> Service:
    """Return the service that a request asks."""
    return cast(Service, request.app.state.service)


def as_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON; numbers that JSON does not have are null."""
    return Response(msgspec.json.encode(content), status, dict(headers or {}), "application/json")


async def json_body(request: Request) -> bytes:
    """Return the body of a request, which says that it is JSON: forms of other pages cannot."""
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body.strip() and kind != "application/json":
        raise MediaTypeError("the body is to be JSON, with Content-Type: application/json")
    return body


def job_of(request: Request) -> int:
    """Return the number of the job in the path of a request."""
    text = request.path_params["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise LookupError(f"no job {literal(text)[1:-1]}")
    return int(text)


def number_of(request: Request, name: str, default: int, most: int = 2**53) -> int:
    """Return a whole number of the query, from 0 to `most`."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= most):
        raise UsageError(f"{name}: {literal(text)} is no whole number from 0 to {most}")
    return int(text)
