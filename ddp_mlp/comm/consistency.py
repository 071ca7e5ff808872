"""Things that must be the same on all ranks, compared before they are relied on."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ddp_mlp.comm.agreement import known_to_all
from ddp_mlp.comm.protocol import Communicator
from ddp_mlp.errors import LaunchError

#: Most differences that a message lists.
_SHOWN = 3


def require_same(comm: Communicator, facts: Mapping[str, str] | None, advice: str) -> None:
    """Collective. Raise on every rank unless all ranks know the same facts.

    Parameters
    ----------
    facts : mapping of name to value
        None on ranks that have nothing to compare; rank 0 always has.
    advice : str
        What the user can do about a difference.

    Raises
    ------
    LaunchError
        Naming the first rank that differs from rank 0, and in what.
    """
    if comm.world_size == 1:
        return
    texts = comm.share_text("" if facts is None else json.dumps([comm.host, dict(facts)]))
    expected = json.loads(texts[0])[1]
    for rank, text in enumerate(texts):
        host, found = json.loads(text) if text else (comm.host, expected)
        if found != expected:
            raise known_to_all(
                LaunchError(f"rank {rank} on {host} does not match rank 0: {_differences(found, expected)}; {advice}")
            )


def _differences(found: Mapping[str, str], expected: Mapping[str, str]) -> str:
    names = [name for name in {**expected, **found} if found.get(name) != expected.get(name)]
    shown = [f"{name} is {found.get(name)}, on rank 0 {expected.get(name)}" for name in names[:_SHOWN]]
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(shown) + more
