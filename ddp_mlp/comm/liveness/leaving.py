"""Whether all ranks come to their end, or some wait for one that is about to leave."""

from __future__ import annotations

import time
from collections.abc import Callable

#: The collective that ranks wait in which are about to leave.
THE_END = "the end of all ranks"

#: Seconds after which a rank that waits in another collective is taken to wait for one that leaves.
_SURE_S = 0.5
_PAUSE_S = 0.05

#: Returns where each other rank waits, empty for one that is busy; None where nobody can be asked.
Ask = Callable[[], dict[int, str] | None]


def awaited_in(ask: Ask, n_others: int) -> str:
    """Wait until all others are about to leave too; return a phrase as soon as some wait for this rank elsewhere.

    A rank that leaves takes part in no collective any more, so who waits in one waits for ever. Nobody is asked to
    hurry: ranks that are busy may be so for as long as they like.
    """
    since: dict[int, tuple[str, float]] = {}
    while (answers := ask()) is not None:
        now = time.monotonic()
        elsewhere = {rank: text for rank, text in answers.items() if text not in ("", THE_END)}
        since = {
            rank: since[rank] if since.get(rank, ("", 0.0))[0] == text else (text, now)
            for rank, text in elsewhere.items()
        }
        for rank, (text, began) in sorted(since.items()):
            if now - began >= _SURE_S:
                return f"rank {rank} waits for it in {text}"
        if list(answers.values()).count(THE_END) == n_others:
            break
        time.sleep(_PAUSE_S)
    return ""
