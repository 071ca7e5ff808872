"""Values as the text of TOML, each in one line."""

from __future__ import annotations

from typing import Any

import tomli_w


def inline(value: Any) -> str:
    """Return a value as TOML writes it, in one line.

    Examples
    --------
    >>> inline([1, 2.5]), inline("relu"), inline(True), inline(1e-08)
    ('[1, 2.5]', '"relu"', 'true', '1e-08')
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline, value))}]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").rstrip("\n")
