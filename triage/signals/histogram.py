"""Classic histograms from counts by ``le``: thresholds on real buckets, and percentiles that admit what they hide."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from triage.facts.frozen import frozen
from triage.facts.samples import Sample
from triage.facts.units import UNIT_SECONDS
from triage.signals.wording import duration


@frozen(frozen=True, slots=True)
class Buckets:
    """Cumulative counts at ascending upper bounds in seconds; the last bound is infinity."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def total(self) -> float:
        return self.counts[-1] if self.counts else 0.0


class Snapped(NamedTuple):
    """The bucket that stands for a threshold, or why none does."""

    bound: float | None
    """Upper bound in seconds; None when the threshold is refused."""
    note: str = ""


def buckets_from(samples: Iterable[Sample], unit: str) -> Buckets | None:
    """Buckets from samples with an ``le`` label in ``unit``, summed over everything else; None without ``+Inf``.

    Counts that fall with a rising bound (scrapes that straddle an increment) are raised to be monotonic, as Prometheus
    does since 2.46. Samples whose ``le`` is no number, or whose value is not finite, are left out.
    """
    found = [*samples]
    indices, bounds, distinct = _order(tuple([sample.labels.get("le", "") for sample in found]), UNIT_SECONDS[unit])
    values = [found[index].value for index in indices]
    # A sum is finite only where everything in it is.
    if not (distinct and math.isfinite(sum(values))):
        sums: dict[float, float] = {}
        for bound, value in zip(bounds, values, strict=True):
            if math.isfinite(value):
                sums[bound] = sums.get(bound, 0.0) + value
        bounds, values = tuple(sums), list(sums.values())
    if not bounds or bounds[-1] != math.inf:
        return None
    rising = values[0] >= 0.0 and values == sorted(values)
    return Buckets(bounds, tuple(values) if rising else tuple(accumulate(values, max, initial=0.0))[1:])


@lru_cache(maxsize=4096)
def _order(bounds: tuple[str, ...], scale: float) -> tuple[tuple[int, ...], tuple[float, ...], bool]:
    """Indices and bounds of those that are numbers, bounds ascending, and whether no bound is there twice.

    Kept, because a fleet's histograms share them.
    """
    known = [(index, bound) for index, text in enumerate(bounds) if (bound := _bound(text, scale)) is not None]
    known.sort(key=lambda each: each[1])
    found = tuple([bound for _, bound in known])
    return tuple([index for index, _ in known]), found, len(set(found)) == len(found)


@lru_cache(maxsize=4096)
def _bound(text: str, scale: float) -> float | None:
    """An ``le`` as a number; None when it is none. Kept, because hundreds of series share a few bounds."""
    try:
        bound = float(text) * scale
    except ValueError:
        return None
    if math.isnan(bound):
        return None
    # le="1" and le="1.0" are one bucket; so are 0.3 and 0.30000000000000004.
    return math.inf if math.isinf(bound) else float(f"{bound:.12g}")


def merged(parts: Sequence[Buckets]) -> Buckets | None:
    """The sum of histograms of several versions; bounds that one of them lacks are left out. None for none."""
    if len(parts) < 2:
        return parts[0] if parts else None
    common = set(parts[0].bounds).intersection(*(p.bounds for p in parts[1:]))
    bounds = tuple(sorted(common))
    tables: list[Mapping[float, float]] = [dict(zip(p.bounds, p.counts, strict=True)) for p in parts]
    return Buckets(bounds, tuple(sum(t[b] for t in tables) for b in bounds))


def snap(threshold_seconds: float, bounds: Sequence[float], how: str) -> Snapped:
    """The bucket for a threshold. ``exact`` refuses one that is no bucket and names the nearest ones."""
    finite = [b for b in bounds if math.isfinite(b)]
    for bound in finite:
        if math.isclose(bound, threshold_seconds, rel_tol=1e-9):
            return Snapped(bound)
    below = max((b for b in finite if b < threshold_seconds), default=None)
    above = min((b for b in finite if b > threshold_seconds), default=None)
    if how == "lower" and below is not None:
        return Snapped(below, f"read at {duration(below)}, the bucket below {duration(threshold_seconds)}")
    if how == "upper" and above is not None:
        return Snapped(above, f"read at {duration(above)}, the bucket above {duration(threshold_seconds)}")
    near = " and ".join(duration(b) for b in (below, above) if b is not None) or "none"
    return Snapped(None, f"{duration(threshold_seconds)} is not a bucket; nearest: {near}")


def count_at_most(buckets: Buckets, bound: float) -> float:
    """Observations at or under ``bound``, which must be one of the bounds."""
    return buckets.counts[buckets.bounds.index(bound)]


def quantile(buckets: Buckets, q: float) -> tuple[float, bool] | None:
    """The ``q``-quantile in seconds by linear interpolation within its bucket, as ``histogram_quantile`` computes it.

    The second value is True when it lies beyond the last finite bound: then the first is that bound and the truth is
    *at least* that. None when there are no observations or no finite bound.
    """
    total = buckets.total
    if total <= 0 or len(buckets.bounds) < 2:
        return None
    rank = q * total
    index = bisect_left(buckets.counts, rank)
    if math.isinf(buckets.bounds[index]):
        return buckets.bounds[-2], True
    upper = buckets.bounds[index]
    lower = buckets.bounds[index - 1] if index else min(0.0, upper)
    before = buckets.counts[index - 1] if index else 0.0
    inside = buckets.counts[index] - before
    if index == 0 and upper <= 0:
        return upper, False
    return (upper if inside <= 0 else lower + (upper - lower) * (rank - before) / inside), False
