"""Features, their references and what their series said, for the tests of drift."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from triage.facts.samples import Sample
from triage.signals.drift import drift_state
from triage.signals.drift_model import Around, FeatureDrift, Kind, Seen, Watched

NOW = 1_800_000_000.0
AROUND = Around(NOW)
EDGES = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0)
COUNTS = (589.0, 1428.0, 3177.0, 4723.0, 4739.0, 3253.0, 1485.0, 483.0, 102.0, 21.0)
COUNTRIES = {"DE": 8400.0, "FR": 5400.0, "NL": 2800.0, "PL": 2200.0, "PT": 1200.0}


def buckets(counts: Sequence[float], edges: Sequence[float] = EDGES, **labels: str) -> tuple[Sample, ...]:
    """Cumulative increases by ``le`` of these counts per bucket, the last above all edges."""
    return tuple(Sample({**labels, "le": "+Inf" if math.isinf(edge) else f"{edge:g}"}, total, NOW)
                 for edge, total in zip((*edges, math.inf), accumulate(counts), strict=True))


def categories(counts: Mapping[str, float]) -> tuple[Sample, ...]:
    return tuple(Sample({"category": name}, count, NOW) for name, count in counts.items())


def numeric(name: str = "amount", **changed: Any) -> Watched:
    return Watched(name, Kind.HISTOGRAM, **{"edges": EDGES, "counts": COUNTS, **changed})


def categorical(name: str = "country", **changed: Any) -> Watched:
    return Watched(name, Kind.CATEGORIES, **{"categories": COUNTRIES, **changed})


def of_one(watched: Watched, seen: Seen, around: Around = AROUND) -> FeatureDrift:
    """How a feature stands that is watched alone."""
    [found] = drift_state([watched], {(watched.name, watched.is_prediction): seen}, around).features
    return found


def of_counts(counts: Sequence[float], watched: Watched | None = None, **seen: Any) -> FeatureDrift:
    """How a numeric feature stands whose buckets hold ``counts``."""
    return of_one(watched or numeric(), Seen(buckets(counts), newest_at=NOW - 10, **seen))


def of_categories(counts: Mapping[str, float], watched: Watched | None = None, **seen: Any) -> FeatureDrift:
    return of_one(watched or categorical(), Seen(categories(counts), newest_at=NOW - 10, **seen))


