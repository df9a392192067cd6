"""What is asked about the feature store, by its own metrics, and what it becomes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from triage.facts.replies import Part, Question
from triage.facts.samples import Sample
from triage.notebook.selector import Matcher, Selector, regex_quote
from triage.quantities import format_duration
from triage.signals.feature_freshness import (
    FRESHNESS,
    LOOKUPS,
    MATERIALIZATIONS,
    PRESENT,
    UPDATE_SECONDS,
    ViewExpected,
    ViewSeen,
    view_state,
)
from triage.signals.feature_store_reading import FeatureStoreReading

if TYPE_CHECKING:
    from triage.notebook.dependencies import FeatureStore
    from triage.notebook.load import Notebook

STORE = "feature store"
"""In place of an objective's name in questions' addresses."""
VIEW, STATUS = "feature_view", "status"
"""Feast's labels."""
WINDOW = 3600.0
"""Lookups and materialisations are counted over an hour."""
_SUCCEEDED = ("success", "succeeded", "ok")
Found = Mapping[Question, Sequence[Sample]]


def _store(notebook: Notebook) -> FeatureStore | None:
    dependencies = notebook.manifest.spec.dependencies
    return None if dependencies is None else dependencies.feature_store


def feature_store_questions(notebook: Notebook) -> tuple[tuple[Question, str], ...]:
    """What is asked at once; () when the manifest names no feature store."""
    store = _store(notebook)
    return () if store is None else tuple(_questions(store, _frozen_window(notebook)))


def _frozen_window(notebook: Notebook) -> float:
    """Seconds in which the freshness gauge must have changed: at least two updates, as scrapes see them."""
    return max(300.0, 60 * math.ceil((UPDATE_SECONDS + notebook.manifest.spec.metrics.scrape_interval) / 30))


def _questions(store: FeatureStore, frozen_window: float) -> Iterator[tuple[Question, str]]:
    views = Matcher(VIEW, "=~", "|".join(regex_quote(view.name) for view in store.feature_views))
    labels = {**store.selector, **({"project": store.project} if store.project is not None else {})}

    def selector(name: str) -> Selector:
        return Selector(name, ()).where(labels).with_matcher(views)

    freshness, hour = selector(FRESHNESS), f"[{format_duration(WINDOW)}]"
    yield Question(STORE, 0, Part.LEVEL), f"max by ({VIEW}) ({freshness})"
    yield Question(STORE, 0, Part.SAMPLED_AT), f"max by ({VIEW}) (timestamp({freshness}))"
    yield (Question(STORE, 0, Part.CHANGES, frozen_window),
           f"max by ({VIEW}) (changes({freshness}[{format_duration(frozen_window)}]))")
    yield (Question(STORE, 0, Part.GROUPS, WINDOW), " or ".join(
        f"sum by ({VIEW}, {STATUS}) (increase({selector(name)}{hour}))" for name in MATERIALIZATIONS))
    yield (Question(STORE, 0, Part.CATEGORIES, WINDOW),
           f"sum by ({VIEW}, {STATUS}) (increase({selector(LOOKUPS)}{hour}))")


def feature_store_reading(notebook: Notebook, found: Found, warnings: tuple[str, ...], now: float,
                          stale_after: float) -> FeatureStoreReading | None:
    """What was answered to :func:`feature_store_questions`, judged; None when the manifest names no feature store."""
    store = _store(notebook)
    if store is None:
        return None
    scrape, frozen_window = notebook.manifest.spec.metrics.scrape_interval, _frozen_window(notebook)

    def of(part: Part, view: str, window: float = 0.0) -> list[Sample]:
        return [s for s in found.get(Question(STORE, 0, part, window), ()) if s.labels.get(VIEW) == view]

    def one(part: Part, view: str, window: float = 0.0) -> float | None:
        samples = of(part, view, window)
        return samples[0].value if samples else None

    def seen(view: str) -> ViewSeen:
        runs, lookups = of(Part.GROUPS, view, WINDOW), of(Part.CATEGORIES, view, WINDOW)
        failed = [s.value for s in runs if s.labels.get(STATUS, "").lower() not in _SUCCEEDED]
        present = [s.value for s in lookups if s.labels.get(STATUS, "").upper() == PRESENT]
        return ViewSeen(
            view, one(Part.LEVEL, view), one(Part.SAMPLED_AT, view), one(Part.CHANGES, view, frozen_window),
            frozen_window, math.fsum(failed) if runs else None, math.fsum(s.value for s in runs) if runs else None,
            math.fsum(s.value for s in lookups) if lookups else None, math.fsum(present) if lookups else None, WINDOW)

    views = tuple(view_state(seen(view.name), ViewExpected(view.max_staleness, view.max_missing), now, scrape)
                  for view in store.feature_views)
    return FeatureStoreReading(views, now, stale_after, None, warnings)
