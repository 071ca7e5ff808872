"""The options that a request may give to the command of a job: those of this list, and none that names a file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ddp_mlp.errors import UsageError, literal

_POSITIVE, _SEVERAL = r"[1-9][0-9]{0,4}", r"[2-9]|[1-9][0-9]{1,3}"
_AT_ONCE = "auto|" + _POSITIVE
_COLUMN = r"[^\0\n]{1,200}"
_KEY = r"(?!data\.(?:train|valid)=|model\.start=)[a-z]{1,40}(?:\.[a-z0-9_]{1,60}){1,2}"
_FOLDED: dict[str, str | None] = {
    "--folds": _SEVERAL, "--by-time": _COLUMN, "--group-by": _COLUMN, "--parallel": _AT_ONCE,
}  # fmt: skip
#: Options by kind, each with the form of its value; None for one without.
ALLOWED: dict[str, dict[str, str | None]] = {
    "train": {"--max-time": r"[0-9hms.]{1,20}"},
    "search": {
        "--try": _KEY + r"=[^\0\n]{1,1900}",
        "--trials": _POSITIVE,
        "--random": _POSITIVE,
        "--metric": "loss|accuracy|rmse|r2|mae|macro_f1|roc_auc",
        "--seed": r"[0-9]{1,18}",
        "--sampler": "grid|random|tpe",
        "--halving": None,
        "--eta": r"[2-9]|[1-9][0-9]{1,2}",
        "--min-epochs": _POSITIVE,
        "--top": _POSITIVE,
        **_FOLDED,
    },
    "cross-validate": _FOLDED,
    "ensemble": {"--members": _SEVERAL, "--parallel": _AT_ONCE},
}


def checked_arguments(kind: str, arguments: Sequence[str]) -> dict[str, list[str]]:
    """Return the values of each option, in their order.

    Raises
    ------
    UsageError
        If an argument is no option of its kind of job, or has a value that it does not take.
    """
    allowed, found = ALLOWED.get(kind, {}), dict[str, list[str]]()
    left = list(arguments)
    while left:
        option, equals, value = left.pop(0).partition("=")
        if option not in allowed:
            names = ", ".join(allowed) or "none"
            raise UsageError(f"{literal(option)} is no option for {kind} here; allowed are {names}")
        form, values = allowed[option], found.setdefault(option, [])
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
        values.append(value)
    if kind == "ensemble" and "--members" not in found:
        raise UsageError("an ensemble needs --members N")
    return found
