"""Errors that all ranks raise together, so that nobody waits for a rank that left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from ddp_mlp.comm.protocol import Communicator
from ddp_mlp.errors import DdpMlpError, error_from_code

_Error = TypeVar("_Error", bound=BaseException)
_MARK = "agreed by all ranks"


def known_to_all(error: _Error) -> _Error:
    """Mark an error that every rank raises by itself, from what all of them know.

    Not collective: use it only where the reason is the same on all ranks, such as a sum
    that has been reduced.
    """
    error.add_note(_MARK)
    return error


def is_agreed(error: BaseException) -> bool:
    """Tell whether every rank has raised this error."""
    return _MARK in getattr(error, "__notes__", ())


@contextmanager
def agreed(comm: Communicator) -> Iterator[None]:
    """Collective. Raise on every rank what any rank raises in this block.

    The block must not contain a collective call after a point where a rank can fail.

    Raises
    ------
    DdpMlpError
        The error of the lowest rank that failed. It names that rank unless it is rank 0.
    """
    own: DdpMlpError | None = None
    try:
        yield
    except DdpMlpError as error:
        own = error
    texts = comm.share_text(f"{own.exit_code} {comm.host} {own}" if own else "")
    failed = [rank for rank, text in enumerate(texts) if text]
    if not failed:
        return
    code, host, message = texts[failed[0]].split(" ", 2)
    if failed[0] != 0:  # rank 0 stands for all, or for the files that it alone writes
        message = f"[rank {failed[0]} on {host}] {message}"
    raise known_to_all(error_from_code(int(code), message)) from None
