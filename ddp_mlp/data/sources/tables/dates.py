"""Dates as features: parts that repeat become points on a circle, so that December is next to January."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Parts of a date, each with the feature columns that it makes.
_YEAR, _YEARDAY, _WEEKDAY, _CLOCK = "year", "yearday", "weekday", "clock"
_DAY_S = 86400
_YEAR_DAYS = 365.2425


def date_features(name: str, form: str, *, has_clock: bool) -> tuple[str, ...]:
    """Return the names of the feature columns of a date.

    Examples
    --------
    >>> date_features("t", "%H:%M", has_clock=True)
    ('t.clock_sin', 't.clock_cos')
    """
    has_date = not form.startswith(("%H", "%I"))
    parts = [_YEARDAY, _WEEKDAY] * has_date + [_CLOCK] * has_clock
    circles = tuple(f"{name}.{part}_{wave}" for part in parts for wave in ("sin", "cos"))
    return (f"{name}.{_YEAR}", *circles) if has_date else circles


def encode_dates(times: Any, features: tuple[str, ...]) -> NDArray[np.float64]:
    """Return timestamps as features: shape (n, number of `features`); NaN where one is null."""
    missing = times.is_null().to_numpy(zero_copy_only=False)
    seconds = times.to_numpy(zero_copy_only=False).astype("datetime64[s]")
    days = seconds.astype("datetime64[D]")
    years = days.astype("datetime64[Y]")
    turns = {
        _YEARDAY: (days - years.astype("datetime64[D]")).astype(np.float64) / _YEAR_DAYS,
        _WEEKDAY: (days.astype(np.int64) + 3) % 7 / 7.0,  # 1970 began on a Thursday; Monday is 0
        _CLOCK: (seconds - days).astype(np.float64) / _DAY_S,
    }
    out = np.empty((len(seconds), len(features)))
    for i, feature in enumerate(features):
        part, _, wave = feature.rpartition(".")[2].partition("_")
        if part == _YEAR:
            out[:, i] = years.astype(np.int64) + 1970
        else:
            out[:, i] = (np.sin if wave == "sin" else np.cos)(2 * np.pi * turns[part])
    out[missing] = np.nan
    return out
