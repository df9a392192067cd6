"""What it means where a counter of a trial has no value: nothing of it has happened yet, or nobody knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from triage.live.arms import Arms, trial_part
from triage.signals.burn import MINUTE
from triage.signals.canary import Policy
from triage.signals.wording import age, clock_time

Column = Sequence[float | None]
"""One value for each interval, those before the trial first; None where there is no sample."""
_LATELY_SECONDS = 5 * MINUTE
"""At least: one scrape that failed is no loss."""


def together(*columns: Column, one_metric: bool) -> tuple[tuple[float | None, ...], ...]:
    """Counters that are read with each other: at each interval all of them are known, or none is.

    A counter has no series until it first counts something: until then it is 0 where another one is there. Later a
    missing value is unknown, not 0, except with ``one_metric``: selectors of one metric come from the same scrapes, so
    that what is missing from one of them began anew with its process and has not counted since.
    Of two metrics, that may be scraped apart, an interval beside a gap is unknown too, for one of them stopped within
    it; and the newest interval until the next one shows that all go on.
    """
    if one_metric:
        return tuple(tuple(None if all(v is None for v in row) else row[n] or 0.0 for row in zip(*columns, strict=True))
                     for n in range(len(columns)))
    firsts = [_first(column) for column in columns]
    count = len(columns[0])
    gaps = [any(column[i] is None and i >= first for column, first in zip(columns, firsts, strict=True))
            for i in range(count)]

    def known(i: int) -> bool:
        return (i + 1 < count and not any(gaps[max(0, i - 1):i + 2])
                and any(column[i] is not None for column in columns))
    return tuple(tuple((column[i] or 0.0) if known(i) else None for i in range(count)) for column in columns)


def lost(version: str, named: Mapping[str, Sequence[object | None]], at: Arms, policy: Policy) -> str:
    """What of ``version`` was there and was missing for most of the last minutes, as many as a deviation must last; ""
    when nothing was.

    ``named``: by what the series are of (``good``; "" where there is but one kind), one value for each interval, those
    before the trial first.
    """
    lately = at.newest(max(_LATELY_SECONDS, policy.sustained_seconds))
    whole = at.end - at.ends(at.count - lately - 1)
    found: dict[str, list[str]] = {}
    for name, column in named.items():
        newest = list(enumerate(trial_part(column, at)))[-lately:]
        missing = math.fsum(at.ends(n) - at.ends(n - 1) for n, value in newest if value is None)
        if 2 * missing > whole and _first(column) < len(column):
            found.setdefault(_when(trial_part(column, at), missing, whole, at), []).append(name)
    return "; ".join(f"no {' and '.join(names)} series of {version} {when}".replace("  ", " ")
                     for when, names in found.items())


def _when(trial: Sequence[object | None], missing: float, whole: float, at: Arms) -> str:
    last = next((n for n in reversed(range(len(trial))) if trial[n] is not None), -1)
    if last + 1 < len(trial):
        return f"since {clock_time(at.ends(last))}"
    return f"in {age(missing)} of the last {age(whole)}"


def _first(column: Sequence[object | None]) -> int:
    """Index of the first value; the length when there is none."""
    return next((n for n, value in enumerate(column) if value is not None), len(column))
