"""The terminal that a person reads: whether there is one, how large it is, and whether it is to have colours.

Ranks under a launcher write into a pipe. `launch`, which has the terminal, tells them of it by `TERMINAL`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

#: Variable with the size of a terminal that is behind standard error though that is a pipe: COLUMNSxLINES.
TERMINAL = "DDP_MLP_TERMINAL"
_RED, _YELLOW, _PLAIN = "\x1b[1;31m", "\x1b[33m", "\x1b[0m"


def terminal_size(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Return columns and lines of the terminal behind standard error; None where there is none."""
    if sys.stderr.isatty():
        size = shutil.get_terminal_size()
        return max(20, size.columns), max(1, size.lines)
    told = re.fullmatch(r"(\d{1,4})x(\d{1,4})", environment.get(TERMINAL, ""))
    return (max(20, int(told[1])), max(1, int(told[2]))) if told else None


def has_colours(*, is_terminal: bool, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether output is to have colours.

    NO_COLOR and CLICOLOR=0 forbid them, FORCE_COLOR and CLICOLOR_FORCE ask for them where there is no terminal too;
    the first of these that is set decides.
    """
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return is_terminal and environment.get("CLICOLOR") != "0" and environment.get("TERM") != "dumb"


def coloured(line: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a line of which "error:" or "warning:" at its start has a colour, where standard error takes colours."""
    colour = {"error:": _RED, "warning:": _YELLOW}.get(line.partition(" ")[0])
    if colour is None or not has_colours(is_terminal=terminal_size(environment) is not None, environment=environment):
        return line
    word, blank, rest = line.partition(" ")
    return f"{colour}{word}{_PLAIN}{blank}{rest}"


def size_to_draw_in(kind: str, rank: int, world_size: int) -> tuple[int, int] | None:
    """Return columns and lines to draw in on a rank; None for plain lines.

    Under a launcher standard error is often a pipe that claims to be a terminal, or the other way round, so that
    ``auto`` draws in a single process, and where ``launch`` tells of its terminal.

    Parameters
    ----------
    kind : str
        "bar" to draw in any case, "auto" where there is a terminal.
    """
    is_known = world_size == 1 or (rank == 0 and TERMINAL in os.environ)
    size = terminal_size() if is_known else None
    return (size or (80, 25)) if kind == "bar" else size if kind == "auto" else None


def make_console(columns: int, lines: int) -> Console:
    """Return a console of rich on standard error; rich itself would believe any COLUMNS."""
    from rich.console import Console

    return Console(
        stderr=True,
        highlight=False,
        width=columns,
        height=lines,
        force_terminal=TERMINAL in os.environ or None,
        no_color=not has_colours(is_terminal=True),
    )
