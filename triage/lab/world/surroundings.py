"""What stands around a model and has series of its own: its feature views, and the secret that opens its weights."""

from __future__ import annotations

import numpy as np

from triage.lab.world.draws import Source
from triage.lab.world.effects import Effects
from triage.lab.world.feast import FeastView
from triage.lab.world.grid import DAY, Floats, Window
from triage.lab.world.pipelines import MATERIALIZING_SECONDS
from triage.lab.world.plan import Plan
from triage.lab.world.rows import Sheet, counter, gauge

_MATERIALIZED_EVERY = {"customers": DAY}
_USUALLY_EVERY = 1800.0
_READS_PER_HOUR = {"pipeline": 4.0, "service-account": 12.0, "unknown": 40.0}


class Surroundings:
    """Of one model."""

    def __init__(self, plan: Plan, effects: Effects) -> None:
        member = self._member = plan.member
        self._zone = plan.zone
        self._effects = effects
        features = {"job": "feature-store", "instance": "feature-store:6566", "namespace": "features",
                    "model": member.name}
        self._views = [(store, gauge("feature_store_updated_timestamp_seconds", "When the view was last materialised.",
                                     {**features, "store": store})) for store in member.stores]
        self._feast = {store: FeastView(store, effects) for store in member.stores}
        self._opening = plan.opening
        self._reads = {reader: counter("secret_reads_total", "Reads of a secret by reader.", {
            "job": "secret-store", "instance": "secret-store:8200", "namespace": "security",
            "secret": f"{member.name}-weights", "reader": reader}) for reader in _READS_PER_HOUR}

    def simulate(self, window: Window, source: Source) -> list[Sheet]:
        """Their sheets: the usual ones, and an unknown reader's while there is one."""
        sheet = Sheet(window)
        for store, rows in self._views:
            materialized = self._materialized(store, window.times)
            sheet.level(rows, materialized)
            self._feast[store].show(sheet, window, materialized, source)
        for reader in ("pipeline", "service-account"):
            means = np.full(len(window), _READS_PER_HOUR[reader] * window.step / 3600)
            sheet.count(self._reads[reader], source.events(f"{self._member.name}/reads/{reader}", means))
        return [sheet, *self._unknown(window, source)]

    def _materialized(self, store: str, times: Floats) -> Floats:
        """When a view was last filled: by its schedule, but not while its job fails, and once more as soon as that
        is over."""
        period = _MATERIALIZED_EVERY.get(store, _USUALLY_EVERY)
        late = MATERIALIZING_SECONDS - self._zone

        def scheduled(at: Floats) -> Floats:
            when: Floats = np.floor((at - late) / period) * period + late
            return when

        filled = scheduled(times)
        for fault in self._effects.of("stale_features"):
            since = np.full(1, self._opening + fault.onset)
            until = np.inf if fault.end is None else self._opening + fault.end
            failing = (times >= since) & (times < until)
            filled = np.where(failing, np.minimum(filled, scheduled(since)), filled)
            filled = np.where(times >= until, np.maximum(filled, until), filled)
        return filled

    def _unknown(self, window: Window, source: Source) -> list[Sheet]:
        found = self._effects.of("secret_exposed")
        there = np.flatnonzero(self._effects.age("secret_exposed", window.times) > 0)
        if not found or not len(there):
            return []
        sheet = Sheet(window.cut(int(there[0]), int(there[-1]) + 1))
        per_hour = _READS_PER_HOUR["unknown"] * found[0].magnitude
        means = np.full(len(sheet.window), per_hour * window.step / 3600)
        sheet.count(self._reads["unknown"], source.events(f"{self._member.name}/reads/unknown", means))
        return [sheet]
