"""What Feast's server exports about one feature view: how fresh it is, its materialisations, lookups by outcome."""

from __future__ import annotations

import numpy as np

from triage.lab.world.draws import Source
from triage.lab.world.effects import Effects
from triage.lab.world.grid import HOUR, Floats, Window
from triage.lab.world.inputs import UNKNOWN_WHEN_STALE, gone_stale
from triage.lab.world.rows import Sheet, counter, gauge

PROJECTS = {"payments_profile": "payments", "customers": "growth", "credit_bureau": "credit"}
_UPDATED_EVERY = 30.0
"""Seconds between two updates of the freshness gauge."""
_LOOKUPS_PER_HOUR = {"payments_profile": 144_000.0, "customers": 830.0, "credit_bureau": 180.0}
_USUALLY_UNKNOWN = 0.004
_RUNS_PER_HOUR = {"customers": 1 / 24}
_USUAL_RUNS_PER_HOUR = 2.0


class FeastView:
    """The series of one view."""

    def __init__(self, view: str, effects: Effects) -> None:
        labels = {"job": "feast", "instance": "feast:8000", "namespace": "features", "project": PROJECTS[view],
                  "feature_view": view}
        self._view = view
        self._effects = effects
        self._freshness = gauge("feast_feature_freshness_seconds",
                                "Seconds since the end of the last materialised interval.", labels)
        self._results = counter("feast_materialization_result_total", "Materialisations by result.", labels,
                                [{"status": "success"}, {"status": "failure"}])
        self._lookups = counter("feast_online_features_status_total", "Feature values looked up by outcome.", labels,
                                [{"status": "PRESENT"}, {"status": "NOT_FOUND"}])

    def show(self, sheet: Sheet, window: Window, materialized: Floats, source: Source) -> None:
        """Fill them; ``materialized`` (T,): when the view was last filled."""
        times = window.times
        looked = np.floor(times / _UPDATED_EVERY) * _UPDATED_EVERY
        sheet.level(self._freshness, np.maximum(looked - materialized, 0.0))
        tried = source.events(f"feast/{self._view}/runs", np.full(
            len(times), _RUNS_PER_HOUR.get(self._view, _USUAL_RUNS_PER_HOUR) * window.step / HOUR))
        failing = np.broadcast_to(self._effects.age("stale_features", times) > 0, times.shape)
        sheet.count(self._results, np.stack([tried * ~failing, tried * failing], axis=1))
        asked = source.events(f"feast/{self._view}/lookups",
                              np.full(len(times), _LOOKUPS_PER_HOUR[self._view] * window.step / HOUR))
        unknown = _USUALLY_UNKNOWN + UNKNOWN_WHEN_STALE * gone_stale(self._effects, times)
        shares = np.stack([1 - unknown, unknown], axis=-1)
        sheet.count(self._lookups, source.split(f"feast/{self._view}/status", asked,
                                                shares[0] if len(shares) == 1 else shares))
