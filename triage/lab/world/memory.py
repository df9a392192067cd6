"""Memory of a version's pods: full ones are killed, come back empty, fill up and are killed again."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from triage.lab.world.grid import Floats

Kills = NDArray[np.bool_]
"""Who is killed when, (T, P)."""

_FILLING_SECONDS = 390.0
DOWN_SECONDS = 75.0
"""From a kill until the pod serves again."""
DOWN_SHARE = 0.04
"""Of the limit, in use while it is down."""
_CYCLE = _FILLING_SECONDS + DOWN_SECONDS
_LOSING_SECONDS = 20.0
"""For so long half of a killed pod's requests are lost with it: nobody has noticed yet."""
_NONE = np.zeros(1)
_ALL = np.ones(1)


def _nobody() -> Kills:
    return np.zeros((0, 0), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Stress:
    """What a version's processes carry from one window into the next."""

    seconds: float = 0.0
    """How long they have needed more memory than they may have."""
    recent: Kills = field(default_factory=_nobody)
    """Kills in the last steps, of pods that may be down still."""


UNSTRESSED = Stress()


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one version in a window."""

    need: Floats
    """Share of the limit that a process needs; above 1 it cannot live."""
    stressed: Floats
    """Seconds of need above 1 until each time, (T,)."""
    killed: Kills
    """No columns when nobody has been stressed."""
    down: Kills
    """Who is down after a kill."""
    available: Floats
    """Share of its pods that are not down."""
    lost: Floats
    """Share of requests that die with a process."""
    after: Stress
    """At the end of the window."""

    def share(self, pod: int) -> Floats:
        """Share of the limit that a pod uses, (T,) or (1,)."""
        pods = self.down.shape[1]
        if pod >= pods:
            return np.minimum(self.need, 1.0)
        position = np.mod(self.stressed + _phases(pods)[pod], _CYCLE)
        filling = np.where(self.need > 1, 0.5 + 0.5 * np.minimum(position / _FILLING_SECONDS, 1.0), self.need)
        return np.where(self.down[:, pod], DOWN_SHARE, filling)

    def kills(self, pod: int) -> Floats:
        """1 where a pod is killed in the step that ends at a time, else 0: (T,) or (1,)."""
        return self.killed[:, pod].astype(np.float64) if pod < self.killed.shape[1] else _NONE


def _phases(pods: int) -> Floats:
    """Seconds by which each pod is ahead of the first one: they do not fall together."""
    ahead: Floats = _FILLING_SECONDS * 0.8 * np.arange(pods) / pods
    return ahead


def occupied(need: Floats, step: float, before: Stress, pods: int) -> Memory:
    """Memory for a ``need`` (T,) or (1,), share of the limit, of pods that begin as they were left ``before``."""
    over = need > 1
    if not before.seconds and not over.any():
        return Memory(need, _NONE, _nobody(), _nobody(), _ALL, _NONE, UNSTRESSED)
    stressed = before.seconds + np.cumsum(over * step)
    full = stressed[:, None] + _phases(pods) + DOWN_SECONDS
    killed = over[:, None] & (np.floor(full / _CYCLE) > np.floor((full - step) / _CYCLE))
    steps = max(round(DOWN_SECONDS / step), 1)
    fits = before.recent.shape == (steps - 1, pods)
    recent = np.concatenate([before.recent if fits else np.zeros((steps - 1, pods), dtype=np.bool_), killed])
    counted = np.concatenate([np.zeros((1, pods)), recent.cumsum(axis=0)])
    down = counted[steps:] > counted[:-steps]
    return Memory(need, stressed, killed, down,
                  available=1 - min(DOWN_SECONDS / step, 1.0) * down.mean(axis=1),
                  lost=0.5 * min(_LOSING_SECONDS / step, 2.0) * killed.mean(axis=1),
                  after=Stress(float(stressed[-1]), recent[len(killed):]))
