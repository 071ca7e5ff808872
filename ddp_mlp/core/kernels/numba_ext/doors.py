"""Functions that call a kernel with what lies behind one address, in LLVM's language: see `entry_points`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from numba import types

#: What is added to the symbol of a kernel.
DOOR = ".door"


def door_to(symbol: str, arguments: Sequence[types.Type]) -> str:
    """Return a module with the door to a kernel: it reads words, and returns Numba's status, 0 where all went well."""
    kinds = [word for argument in arguments for word in _words_of(argument)]
    lines, values = [], []
    for place, kind in enumerate(kinds):
        lines += [
            f"  %a{place} = getelementptr i64, ptr %words, i64 {place}",
            f"  %w{place} = load {kind}, ptr %a{place}",
        ]
        values.append(f"{kind} %w{place}")
    return f"""
declare i32 @"{symbol}"({", ".join(["ptr", "ptr", *kinds])})

define i32 @"{symbol}{DOOR}"(ptr %words) {{
  %result = alloca ptr
  %error = alloca ptr
{chr(10).join(lines)}
  %status = call i32 @"{symbol}"({", ".join(["ptr %result", "ptr %error", *values])})
  ret i32 %status
}}
"""


def _words_of(kind: types.Type) -> Iterator[str]:
    """Yield LLVM's types of the words that Numba takes for a value."""
    if isinstance(kind, types.BaseNamedTuple):
        for field in kind:
            yield from _words_of(field)
    elif isinstance(kind, types.Array):
        yield from ("ptr", "ptr", "i64", "i64", "ptr", *["i64"] * (2 * kind.ndim))
    else:
        yield {types.int64: "i64", types.uint64: "i64", types.float64: "double"}[kind]
