"""How strong each fault is at each time, and what several of them do together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from triage.lab.world.grid import Floats
from triage.lab.world.scenario import Fault

_NOTHING = np.zeros(1)
_SAME = np.ones(1)


def strength(fault: Fault, opening: float, times: Floats) -> Floats:
    """0 before the onset, 1 after the ramp, 0 after its end; ``opening`` is the time that faults count from."""
    since = times - (opening + fault.onset)
    grown = np.clip(since / fault.ramp, 0.0, 1.0) if fault.ramp > 0 else (since >= 0).astype(np.float64)
    if fault.end is not None:
        grown = np.where(times >= opening + fault.end, 0.0, grown)
    return grown


class Effects:
    """The faults of one model. What does not depend on time comes as shape (1,), else (T,)."""

    def __init__(self, faults: Iterable[Fault], opening: float) -> None:
        self._opening = opening
        self._faults: dict[str, list[Fault]] = {}
        for fault in faults:
            self._faults.setdefault(fault.kind, []).append(fault)

    def begin(self, fault: Fault) -> None:
        """Add one that begins in the future."""
        self._faults.setdefault(fault.kind, []).append(fault)

    def end(self, kind: str, at: float) -> None:
        """Let the faults of a kind end at that time (epoch seconds), where they do not end before."""
        end = at - self._opening
        self._faults[kind] = [fault if fault.end is not None and fault.end <= end else replace(fault, end=end)
                              for fault in self._faults.get(kind, ())]

    def of(self, kind: str, version: str | None = None, *, feature: str | None = None,
           subgroup: str | None = None) -> Sequence[Fault]:
        """Faults of a kind that hit this version, feature and subgroup (those that name none hit all)."""
        return [fault for fault in self._faults.get(kind, ())
                if fault.version in (None, version) and fault.feature in (None, feature)
                and fault.subgroup in (None, subgroup)]

    def anywhere(self, kind: str, version: str | None = None) -> Sequence[Fault]:
        """Faults of a kind that hit this version, in whatever feature and subgroup."""
        return [fault for fault in self._faults.get(kind, ()) if fault.version in (None, version)]

    def factor(self, kind: str, times: Floats, version: str | None = None, *, feature: str | None = None) -> Floats:
        """Product of the factors; 1 where nothing is wrong. Factors grow and shrink evenly on a logarithmic scale."""
        found = self.of(kind, version, feature=feature)
        if not found:
            return _SAME
        product = np.ones(len(times))
        for fault in found:
            product = product * fault.magnitude ** strength(fault, self._opening, times)
        return product

    def share(self, kind: str, times: Floats, version: str | None = None, *, feature: str | None = None,
              subgroup: str | None = None) -> Floats:
        """Share that at least one of the faults hits, as if they were independent."""
        found = self.of(kind, version, feature=feature, subgroup=subgroup)
        if not found:
            return _NOTHING
        spared = np.ones(len(times))
        for fault in found:
            spared = spared * (1 - fault.magnitude * strength(fault, self._opening, times))
        return 1 - spared

    def multiplied(self, kind: str, times: Floats) -> Floats:
        """Product of factors that may be zero (traffic), which grow evenly."""
        product = _SAME
        for fault in self.of(kind):
            product = product * (1 + (fault.magnitude - 1) * strength(fault, self._opening, times))
        return product

    def age(self, kind: str, times: Floats) -> Floats:
        """Seconds since the first fault of the kind began; 0 before and without one."""
        found = self.of(kind)
        if not found:
            return _NOTHING
        ages = [np.where(strength(f, self._opening, times) > 0, times - (self._opening + f.onset), 0.0) for f in found]
        oldest: Floats = np.maximum.reduce(ages)
        return oldest

    def message(self, kind: str, version: str | None) -> str | None:
        """What the logs say of the first fault of a kind; None for the usual text."""
        return next((fault.message for fault in self.of(kind, version) if fault.message), None)
