"""Errors that all ranks raise together, so that nobody waits for a rank that left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ddp_mlp.comm.protocol import Communicator
from ddp_mlp.errors import DdpMlpError, error_from_code

_MARK = "agreed by all ranks"


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
        The error of the lowest rank that failed. It names that rank unless all ranks
        failed the same way.
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
    if len(failed) < comm.world_size:
        message = f"[rank {failed[0]} on {host}] {message}"
    together = error_from_code(int(code), message)
    together.add_note(_MARK)
    raise together from None
