"""What is scraped, and ``up``: one series for each target, 0 while its exporter does not answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from triage.lab.world.grid import Window
from triage.lab.world.rows import Labels, Rows, Sheet, gauge

_SHARED = (("kube-state-metrics", "kube-state-metrics:8080", "monitoring"), ("kubelet", "kubelet:10250", "kube-system"),
           ("dcgm-exporter", "dcgm-exporter:9400", "monitoring"), ("feature-store", "feature-store:6566", "features"),
           ("secret-store", "secret-store:8200", "security"),
           ("knative-autoscaler", "autoscaler:9090", "knative-serving"))
_TARGET_LABELS = ("job", "instance", "namespace")
_UP = "Whether the last scrape of the target succeeded."


class Targets:
    """Every target that has been seen."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Rows] = {}
        self._shared = [self._up({"job": job, "instance": instance, "namespace": namespace})
                        for job, instance, namespace in _SHARED]
        self.states: dict[tuple[str, str], tuple[Labels, float, bool]] = {}
        """Labels, time of the last scrape and whether it succeeded, by job and instance."""

    def _up(self, labels: Labels) -> Rows:
        key = labels["job"], labels["instance"]
        if key not in self._rows:
            self._rows[key] = gauge("up", _UP, {name: labels[name] for name in _TARGET_LABELS if name in labels})
        return self._rows[key]

    def simulate(self, window: Window, sheets: Iterable[Sheet]) -> Iterator[Sheet]:
        """The sheets, and behind them those of ``up``."""
        ups = Sheet(window)
        for rows in self._shared:
            self._note(ups, rows, None)
        for sheet in sheets:
            yield sheet
            if sheet.exporter:
                yield self._beside(sheet)
            elif sheet.ended and not sheet.rows:
                yield from self._gone(sheet)
        yield ups

    def _beside(self, sheet: Sheet) -> Sheet:
        rows = self._up(sheet.rows[0].series[0])
        up = Sheet(sheet.window)
        self._note(up, rows, sheet)
        if sheet.ended:
            up.ended, up.ended_at = (rows,), sheet.ended_at
        return up

    def _gone(self, sheet: Sheet) -> Iterator[Sheet]:
        labels = sheet.ended[0].series[0]
        key = labels["job"], labels["instance"]
        if key in self.states and key in self._rows and self._rows[key] not in self._shared:
            self.states.pop(key, None)
            yield Sheet(sheet.window, ended=(self._rows[key],), ended_at=sheet.ended_at)

    def _note(self, up: Sheet, rows: Rows, sheet: Sheet | None) -> None:
        hidden = np.zeros(1) if sheet is None or sheet.hidden is None else sheet.hidden
        if len(up.window):
            up.level(rows, np.broadcast_to(1 - hidden, (len(up.window),)))
            labels = rows.series[0]
            self.states[labels["job"], labels["instance"]] = labels, float(up.window.times[-1]), not hidden[-1]
