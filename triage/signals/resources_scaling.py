"""When the number of pods changed, and why: from the number of pods over time, and the controllers' events. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from triage.facts.rollouts import RolloutFacts
from triage.facts.samples import Series
from triage.facts.scaling import ScalingEvent
from triage.signals.resources_model import Scaling

MOST = 50
_NEAR_SECONDS = 90.0
"""A change is seen when its pods are measured for the first time, up to a scrape of a minute and a half after it."""


def scalings(replicas: Sequence[Series], step: float, events: Sequence[ScalingEvent],
             rollout: RolloutFacts | None) -> tuple[Scaling, ...]:
    """Changes of the number of pods, newest first, each with the words of the event that explains it.

    ``replicas`` are the pods of each set over an even grid of ``step`` seconds. Where a set has no pods it has no
    samples; where no set has any, nothing is known, and no change is told. Events that explain no change seen stand for
    themselves.
    """
    version = _versions(rollout)
    told = sorted({at for series in replicas for at in series.times})
    changes = [(series.labels.get("set", ""), *change) for series in replicas
               for change in _changes(series, step, told)]
    used: set[int] = set()
    found = []
    for name, at, before, after in sorted(changes, key=lambda change: change[1]):
        # Pods are measured after they were asked for, and no longer are when they have gone.
        near = [n for n, event in enumerate(events) if n not in used and name and name in event.message
                and -step - _NEAR_SECONDS <= event.at - at <= step + _NEAR_SECONDS]
        chosen = min(near, key=lambda n: abs(events[n].at - at), default=None)
        why = ""
        if chosen is not None:
            used.add(chosen)
            why = events[chosen].message
        found.append(Scaling(at, before, after, version(name), why))
    found += [Scaling(event.at, None, None, "", event.message) for n, event in enumerate(events) if n not in used]
    return tuple(sorted(found, key=lambda change: -change.at)[:MOST])


def _changes(series: Series, step: float, told: Sequence[float]) -> Iterator[tuple[float, int, int]]:
    """(when, pods before, pods after) of one set; ``told`` are the times at which any set had pods."""
    points = [(at, round(value)) for at, value in zip(series.times, series.values, strict=True)
              if math.isfinite(value)]
    if not points:
        return
    if told[0] < points[0][0]:
        yield points[0][0], 0, points[0][1]
    for (earlier, before), (later, after) in pairwise(points):
        gone = told[bisect_right(told, earlier)]
        if gone < later:
            yield gone, before, 0
            yield later, 0, after
        elif before != after:
            yield later, before, after
    if points[-1][0] < told[-1]:
        yield told[bisect_right(told, points[-1][0])], points[-1][1], 0


def _versions(rollout: RolloutFacts | None) -> Callable[[str], str]:
    known = {r.replica_set: r.version for r in rollout.revisions if r.version} if rollout is not None else {}
    return lambda name: known.get(name, name)
