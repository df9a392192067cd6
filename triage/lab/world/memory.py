"""Memory of a version's pods: full ones are killed, come back empty, fill up and are killed again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triage.lab.world.grid import Floats

_FILLING_SECONDS = 390.0
_DOWN_SECONDS = 75.0
_CYCLE = _FILLING_SECONDS + _DOWN_SECONDS
_NONE = np.zeros(1)
_ALL = np.ones(1)


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one version in a window."""

    need: Floats
    """Share of the limit that a process needs; above 1 it cannot live."""
    stressed: Floats | None
    """Seconds of need above 1 until each time, (T,); None when there have been none."""
    pods: int
    available: Floats
    """Share of its pods that are not down."""
    lost: Floats
    """Share of requests that die with a process."""
    stress_seconds: float
    """At the end of the window."""

    def share(self, pod: int) -> Floats:
        """Share of the limit that a pod uses, (T,)."""
        if self.stressed is None:
            return self.need
        position = self._position(pod)
        filling = 0.5 + 0.5 * np.minimum(position / _FILLING_SECONDS, 1.0)
        return np.where(self.need > 1, np.where(position < _FILLING_SECONDS, filling, 0.04), np.minimum(self.need, 1.0))

    def kills(self, pod: int) -> Floats:
        """How often a pod has been killed, (T,)."""
        if self.stressed is None:
            return _NONE
        killed: Floats = np.floor((self.stressed + self._phase(pod) + _DOWN_SECONDS) / _CYCLE)
        return killed

    def _phase(self, pod: int) -> float:
        """Seconds by which a pod is ahead of the first one: they do not fall together."""
        return _FILLING_SECONDS * 0.8 * pod / max(self.pods, 1)

    def _position(self, pod: int) -> Floats:
        stressed = _NONE if self.stressed is None else self.stressed
        return np.mod(stressed + self._phase(pod), _CYCLE)


def occupied(need: Floats, step: float, stress_seconds: float, pods: int) -> Memory:
    """Memory for a ``need`` (T,) or (1,), share of the limit, after ``stress_seconds`` of too much of it before."""
    over = need > 1
    if stress_seconds == 0 and not over.any():
        return Memory(need, None, pods, _ALL, _NONE, 0.0)
    stressed = stress_seconds + np.cumsum(over * step)
    positions = np.mod(stressed[:, None] + _FILLING_SECONDS * 0.8 * np.arange(pods) / pods, _CYCLE)
    down = (positions >= _FILLING_SECONDS) & over[:, None]
    falling = down & (positions < _FILLING_SECONDS + 20.0)
    return Memory(need, stressed, pods, 1 - down.mean(axis=1), 0.5 * falling.mean(axis=1), float(stressed[-1]))
