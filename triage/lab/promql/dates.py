"""Parts of the date in UTC, of Unix seconds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from triage.lab.promql.store import Values

_DAY = 86_400
_FARTHEST = 2.0**53


def _whole(values: Values) -> NDArray[np.int64]:
    # Go cuts the fraction off; numbers that are no time at all become the epoch, and NaN again in the answer.
    return np.trunc(np.clip(np.nan_to_num(values), -_FARTHEST, _FARTHEST)).astype(np.int64)


def _of_clock(part: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> Callable[[Values], Values]:
    return lambda values: np.where(np.isfinite(values), part(_whole(values)), np.nan)


def _days(seconds: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return (seconds // _DAY).astype("datetime64[D]")


def _since(days: NDArray[np.datetime64], begin: str) -> NDArray[np.int64]:
    return np.asarray(days - days.astype(begin).astype("datetime64[D]"), dtype=np.int64)


def _days_in_month(seconds: NDArray[np.int64]) -> NDArray[np.int64]:
    month = _days(seconds).astype("datetime64[M]")
    return np.asarray((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]"), dtype=np.int64)


DATE_PARTS: dict[str, Callable[[Values], Values]] = {
    "minute": _of_clock(lambda seconds: seconds // 60 % 60),
    "hour": _of_clock(lambda seconds: seconds // 3600 % 24),
    "day_of_week": _of_clock(lambda seconds: (seconds // _DAY + 4) % 7),
    "day_of_month": _of_clock(lambda seconds: _since(_days(seconds), "datetime64[M]") + 1),
    "day_of_year": _of_clock(lambda seconds: _since(_days(seconds), "datetime64[Y]") + 1),
    "days_in_month": _of_clock(_days_in_month),
    "month": _of_clock(lambda seconds: _days(seconds).astype("datetime64[M]").astype(np.int64) % 12 + 1),
    "year": _of_clock(lambda seconds: _days(seconds).astype("datetime64[Y]").astype(np.int64) + 1970),
}
"""0 is Sunday for ``day_of_week``."""
