"""What a model is fed, what is wrong with it, and what that does to scores and decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from triage.lab.world.curves import Curve, mixed
from triage.lab.world.effects import Effects
from triage.lab.world.grid import HOUR, Floats

_STALE_GROWTH = 4 * HOUR
"""Seconds after which 63 % of what will go wrong with stale features has gone wrong."""
UNKNOWN_WHEN_STALE = 0.35
"""Share of the entities that a view that is long stale does not know."""


@dataclass(frozen=True, slots=True)
class Numeric:
    """A numeric input, observed as a histogram with the edges of its reference."""

    name: str
    edges: tuple[float, ...]
    counts: tuple[float, ...]
    """Of training rows, one more than edges."""
    weight: float
    """How much a decision depends on it: share of decisions that turn wrong when it is nonsense."""
    pull: float = 0.3
    """Exponent with which scores follow its values."""
    store: str | None = None
    """Feature view that it comes from."""


@dataclass(frozen=True, slots=True)
class Categorical:
    """A categorical input; the last category is the rarest."""

    name: str
    shares: Mapping[str, float]
    weight: float


def gone_stale(effects: Effects, times: Floats) -> Floats:
    """How far gone the values of a feature view are, 0 to the fault's magnitude; (1,) or (T,)."""
    faults = effects.of("stale_features")
    if not faults:
        return np.zeros(1)
    share = max(fault.magnitude for fault in faults)
    gone: Floats = share * (1 - np.exp(-effects.age("stale_features", times) / _STALE_GROWTH))
    return gone


class Inputs:
    """The inputs of one model under its faults. Results are (1,) where time does not matter, else (T,)."""

    def __init__(self, effects: Effects, numeric: Sequence[Numeric], categorical: Sequence[Categorical] = ()) -> None:
        self._effects = effects
        self.numeric = tuple(numeric)
        self.categorical = tuple(categorical)
        self._curves = {item.name: Curve.counted(item.edges, item.counts) for item in numeric}
        # What stands in for a value that is missing or invalid: a lump at the lower end.
        self._defaults = {item.name: np.array([1.0] + [0.0] * len(item.edges)) for item in numeric}

    def factor(self, item: Numeric, times: Floats, version: str) -> Floats:
        """What its values are multiplied by."""
        factor = self._effects.factor("feature_shift", times, version, feature=item.name)
        stale = self._stale(item, times)
        return factor * (1 - 0.45 * stale)

    def invalid(self, feature: str, times: Floats, version: str) -> Floats:
        """Share of requests in which it violates the schema and is replaced by its default."""
        return self._effects.share("schema_break", times, version, feature=feature)

    def _stale(self, item: Numeric, times: Floats) -> Floats:
        return np.zeros(1) if item.store is None else gone_stale(self._effects, times)

    def attribution(self, item: Numeric | Categorical, times: Floats, version: str) -> Floats:
        """How much it moves the scores: its weight, and more the further its values are from the usual ones."""
        if isinstance(item, Categorical):
            return np.full(1, item.weight)
        distance = np.minimum(np.abs(np.log(self.factor(item, times, version))), 2.0)
        moved: Floats = item.weight * (1 + 0.8 * distance)
        return moved

    def missing(self, item: Numeric, times: Floats, version: str) -> Floats:
        """Share of requests that get the default: invalid ones, and those whose entity an old view does not know."""
        return 1 - (1 - self.invalid(item.name, times, version)) * (1 - UNKNOWN_WHEN_STALE * self._stale(item, times))

    def shares(self, item: Numeric, times: Floats, version: str) -> Floats:
        """Shares by bucket, (K + 1,) or (T, K + 1)."""
        shares = self._curves[item.name].shares(np.array(item.edges), self.factor(item, times, version))
        missing = self.missing(item, times, version)
        return mixed(shares, self._defaults[item.name], missing) if missing.any() else shares

    def categories(self, item: Categorical, times: Floats, version: str) -> Floats:
        """Shares by category, (K,) or (T, K)."""
        usual = np.array(list(item.shares.values()))
        moved = self._effects.share("category_shift", times, version, feature=item.name)
        if not moved.any():
            return usual
        rarest = np.zeros(len(usual))
        rarest[-1] = 1.0
        return mixed(usual, rarest, moved)

    def score_factor(self, times: Floats, version: str) -> Floats:
        """What scores are multiplied by: the inputs' doing, and the fault of the scores' own."""
        logarithm = np.zeros(1)
        for item in self.numeric:
            missing = self.missing(item, times, version)
            logarithm = logarithm + item.pull * (np.log(self.factor(item, times, version)) * (1 - missing)
                                                 - math.log(3.0) * missing)
        return np.exp(logarithm) * self._effects.factor("score_shift", times, version)

    def wrong(self, times: Floats, version: str, subgroup: str | None = None) -> Floats:
        """Share of decisions that turn wrong, of a subgroup or (None) of all where no subgroup is meant."""
        harm = np.zeros(1)
        for item in self.numeric:
            distance = np.minimum(np.abs(np.log(self.factor(item, times, version))), 2.0) / 2
            harm = harm + item.weight * np.maximum(distance, self.missing(item, times, version))
        for other in self.categorical:
            moved = self._effects.share("category_shift", times, version, feature=other.name)
            harm = harm + other.weight * np.maximum(moved, self.invalid(other.name, times, version))
        scored = np.minimum(np.abs(np.log(self._effects.factor("score_shift", times, version))), 1.0) * 0.2
        spared = (1 - np.minimum(harm, 0.6)) * (1 - scored)
        # Without a subgroup, only faults that hit all of them count: the others are for the caller to weigh.
        worse = self._effects.share("quality", times, version, subgroup=subgroup or "")
        return 1 - spared * (1 - worse)
