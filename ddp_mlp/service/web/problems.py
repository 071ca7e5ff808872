"""Errors as ``application/problem+json``, with the words and the exit code of the command line."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ddp_mlp.errors import DataError, DdpMlpError, MissingInputError, OutputError, UsageError, brief, printable
from ddp_mlp.service.orders.configuration import RefusedError
from ddp_mlp.service.service import ConflictError
from ddp_mlp.service.web.children import CommandError
from ddp_mlp.unforeseen import plain_error

_TITLES = {
    400: "The request cannot be read", 401: "A token is needed", 403: "Not allowed", 404: "Not found",
    405: "Not allowed here", 408: "Too slow", 409: "Not in this state", 413: "Too large", 415: "Not this type",
    422: "Not possible", 429: "Too many tries", 500: "This program failed", 503: "Too busy", 504: "Took too long",
    507: "No room",
}  # fmt: skip
_STATUS = ((RefusedError, 422), (UsageError, 422), (DataError, 422), (MissingInputError, 404), (OutputError, 409))


class TooSlowError(Exception):
    """A body that does not come to its end in time."""


class MediaTypeError(Exception):
    """A body of another kind than the one that is taken."""


class TooLargeError(Exception):
    """A body that is larger than it may be."""


def problem(
    status: int,
    detail: str,
    *,
    exit_code: int = 2,
    errors: list[tuple[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return an error as an answer.

    Parameters
    ----------
    exit_code : int
        Of the command line for the same mistake.
    errors : list of tuple of str
        Keys, and what is wrong with each.
    """
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": brief(printable(detail)),
        "exit_code": exit_code,
        "errors": [{"key": printable(key), "message": brief(printable(message))} for key, message in errors or ()],
    }
    return Response(msgspec.json.encode(content), status, media_type="application/problem+json", headers=headers)


def answer_to(_request: Request, error: Exception) -> Response:
    """Return the answer for anything that an endpoint raises."""
    if isinstance(error, HTTPException):
        return problem(error.status_code, error.detail, headers=dict(error.headers or {}))
    if isinstance(error, TooLargeError):
        return problem(413, "the body is larger than it may be")
    if isinstance(error, MediaTypeError):
        return problem(415, str(error))
    if isinstance(error, TooSlowError):
        return problem(408, "the body did not come to its end in time", headers={"Connection": "close"})
    if isinstance(error, LookupError):
        return problem(404, str(error.args[0]) if error.args else "not found", exit_code=66)
    if isinstance(error, msgspec.ValidationError):
        message, _, path = str(error).partition(" - at `$")
        key = path.strip("`").lstrip(".") or "body"
        return problem(422, f"{key}: {message}", errors=[(key, message)])
    if isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
        return problem(400, f"the body is no JSON: {error}")
    if isinstance(error, ConflictError):
        return problem(409, str(error))
    if isinstance(error, CommandError):
        return problem(error.status, str(error), exit_code=error.code)
    plain: DdpMlpError = plain_error(error)
    status = next((status for kind, status in _STATUS if isinstance(plain, kind)), 500)
    errors = error.problems if isinstance(error, RefusedError) else None
    return problem(status, str(plain), exit_code=plain.exit_code, errors=errors)
