"""What really happened, without chance: the rates and ratios behind the samples, for tests and for scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from triage.lab.world.behaviour import Run
from triage.lab.world.grid import DAY, Floats

_KEPT_SECONDS = DAY


@dataclass(frozen=True, slots=True)
class Figures:
    """One version in a span of time."""

    requests: float
    """Expected number; what was drawn differs by chance."""
    error_ratio: float
    """Share of requests that fail with 500 or 503; NaN without requests."""
    slowdown: float
    """Mean factor on its usual durations, time in queues left out."""
    wait_seconds: float
    """Mean time in the queue."""


class TrueFigures:
    """The newest day of every model's versions."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, list[Floats]]] = {}

    def note(self, model: str, runs: Mapping[str, Run]) -> None:
        """Keep what is true of these runs, by version."""
        for version, run in runs.items():
            errors = run.refused + (1 - run.refused) * run.failed
            rows = np.broadcast_arrays(run.window.times, run.rate * run.window.step, errors, run.slowdown,
                                       run.wait_seconds)
            chunks = self._known.setdefault(model, {}).setdefault(version, [])
            chunks.append(np.stack(rows))
            while chunks[0][0, -1] < run.window.times[-1] - _KEPT_SECONDS:
                chunks.pop(0)

    def between(self, model: str, start: float, end: float) -> dict[str, Figures]:
        """By version, of the scrapes in (``start``, ``end``]; versions without any are left out."""
        found = {}
        for version, chunks in self._known.get(model, {}).items():
            table = np.concatenate(chunks, axis=1)
            table = table[:, (table[0] > start) & (table[0] <= end)]
            if table.shape[1]:
                requests = float(table[1].sum())
                means = (table[2:] @ table[1]) / requests if requests else np.full(3, np.nan)
                found[version] = Figures(requests, *means.tolist())
        return found
