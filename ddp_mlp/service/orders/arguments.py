"""The options that a request may give to the command of a job: those of this list, and none that names a file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ddp_mlp.errors import UsageError, literal

_WHOLE = r"[0-9]{1,6}"
_KEY = r"(?!data\.(?:train|valid)=|model\.start=)[a-z]{1,40}(?:\.[a-z0-9_]{1,60}){1,2}"
#: Options by kind, each with the form of its value; None for one without.
ALLOWED: dict[str, dict[str, str | None]] = {
    "train": {"--max-time": r"[0-9hms.]{1,20}"},
    "search": {
        "--try": _KEY + r"=[^\0\n]{1,1900}",
        "--random": _WHOLE,
        "--folds": _WHOLE,
        "--metric": "loss|accuracy|rmse|r2",
        "--seed": r"[0-9]{1,18}",
        "--sampler": r"[a-z]{1,20}",
        "--halving": None,
        "--parallel": "auto|" + _WHOLE,
    },
    "cross-validate": {"--folds": _WHOLE, "--parallel": "auto|" + _WHOLE},
    "ensemble": {"--members": _WHOLE, "--parallel": "auto|" + _WHOLE},
}


def checked_arguments(kind: str, arguments: Sequence[str]) -> None:
    """Raise UsageError unless each argument is an option of its kind of job, with a value that it takes."""
    allowed = ALLOWED.get(kind, {})
    left = list(arguments)
    while left:
        option, equals, value = left.pop(0).partition("=")
        if option not in allowed:
            names = ", ".join(allowed) or "none"
            raise UsageError(f"{literal(option)} is no option for {kind} here; allowed are {names}")
        form = allowed[option]
        if form is None:
            if equals:
                raise UsageError(f"{option} takes no value")
            continue
        if not equals:
            if not left:
                raise UsageError(f"{option} needs a value")
            value = left.pop(0)
        if not re.fullmatch(form, value):
            raise UsageError(f"{option} {literal(value)} is no value that it takes here")
