"""Checks of a value against the type of its key, in the words of a person."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from ddp_mlp.catalog.keys import LEAST


def in_words(kind: Any) -> str:
    """Return the values that a type of the schema allows, in words.

    Examples
    --------
    >>> in_words(Annotated[int, Meta(ge=1, le=10**9)] | Literal["full"])
    'a whole number from 1 to 1,000,000,000, or full'
    >>> in_words(Annotated[float, Meta(ge=0, lt=1)] | None)
    'a number from 0 to below 1'
    >>> in_words(Literal["relu", "tanh"] | Annotated[list[Literal["relu", "tanh"]], Meta(max_length=1000)])
    'relu, tanh, or a list of at most 1,000 of them'
    """
    first, *others = _alternatives(kind, Meta())
    return ", or ".join([first, *(other.replace(f"of: {first}", "of them") for other in others)])


def words(kind: Any) -> Iterator[str]:
    """Yield all words that a type allows, however deep its choices lie."""
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    else:
        for part in get_args(kind):
            yield from words(part)


def parts(kind: Any) -> Iterator[Any]:
    """Yield a type and all types that it is made of."""
    yield kind
    for part in get_args(kind):
        yield from parts(part)


def objection(value: Any, kind: Any) -> str:
    """Return why a value cannot be of a type, as "must be ..."; empty where it can."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return f"must be {in_words(kind)}"
    if 0 < _as_number(value) < _least(kind):
        return f"must be {in_words(kind)}"
    texts = value if isinstance(value, list) else [value]
    return next((reason for text in texts if isinstance(text, str) and (reason := _no_text(text))), "")


def _no_text(text: str) -> str:
    """Return why a text cannot be kept in a configuration."""
    if "\0" in text:
        return "must not hold a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "must be text in UTF-8, which is how a run keeps it; rename the file, or make a link to it"
    return ""


def _as_number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0


def _least(kind: Any) -> float:
    return max((meta.extra[LEAST] for meta in metas(kind) if meta.extra and LEAST in meta.extra), default=0)


def metas(kind: Any) -> Iterator[Meta]:
    """Yield the bounds in a type, however deep they lie."""
    for part in get_args(kind):
        yield from [part] if isinstance(part, Meta) else metas(part)


def _alternatives(kind: Any, meta: Meta) -> Iterator[str]:
    """Yield the words for each of the types that a type allows, None apart."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _alternatives(parts[0], parts[1])
    elif origin in (Union, UnionType):
        for part in parts:
            yield from _alternatives(part, meta)
    elif origin is Literal:
        yield ", ".join(parts)
    elif origin is list:
        most = f"of at most {meta.max_length:,} " if meta.max_length else ""
        yield f"a list {most}of: {in_words(parts[0])}"
    elif kind is str:
        yield f"text of {meta.min_length or 0:,} to {meta.max_length:,} characters" if meta.max_length else "text"
    elif kind in (int, float):
        number = f"a{' whole' if kind is int else ''} number{_range(meta)}"
        yield f"0, or {number}" if meta.extra and LEAST in meta.extra else number
    elif kind is not NoneType:
        yield "true or false" if kind is bool else "a table of keys"


def _range(meta: Meta) -> str:
    least = (meta.extra or {}).get(LEAST, meta.ge)
    below = f"below {_number(meta.lt)}" if meta.lt is not None else ""
    upper = below or ("" if meta.le is None else _number(meta.le))
    if meta.gt is not None:
        return f" above {_number(meta.gt)}" + (f" and up to {upper}" if upper else "")
    if least is None:
        return f" up to {upper}" if upper else ""
    return f" from {_number(least)} to {upper}" if upper else f" of {_number(least)} or more"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
