"""The reference's bins and the present's counts brought together, without inventing what no bucket says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

from triage.facts.samples import Sample
from triage.signals.histogram import Buckets, buckets_from

NULL, OTHER, UNSEEN = "__null__", "__other__", "__unseen__"
"""Categories with a meaning of their own: no value; pooled rare ones; ones that the reference does not have."""
MIN_COMMON_EDGES = 3
"""Finite edges that the reference and a histogram with other buckets must share to be compared."""


class Smoothing(StrEnum):
    """What is done about empty bins."""

    JEFFREYS = "jeffreys"
    """Half an event is added to each bin of both sides: fades with n, needs no constant."""
    LAPLACE = "laplace"
    """One event is added to each bin of both sides, as Fiddler does."""
    EVIDENTLY = "evidently"
    """A share of 0 becomes 0.0001, or a millionth of the smallest share where that is not larger; not renormalised."""


@dataclass(frozen=True, slots=True)
class Binned:
    """Counts over the same bins."""

    labels: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    """Fractional: ``increase()`` extrapolates. Never negative."""
    edges: tuple[float, ...] | None
    """Ascending upper bounds without infinity, one fewer than bins; None for categories."""
    note: str = ""
    """What the comparison gave up; "" when it is of all bins."""

    @property
    def ordered(self) -> bool:
        return self.edges is not None

    @property
    def n_reference(self) -> float:
        return math.fsum(self.reference)

    @property
    def n_current(self) -> float:
        return math.fsum(self.current)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why two distributions cannot be compared."""

    reason: str


@dataclass(frozen=True, slots=True)
class Categories:
    """Counts by category with the special ones set apart."""

    binned: Binned
    nulls: float
    """Events of the present with ``NULL`` for a category; in no bin."""
    reference_nulls: float | None
    """The same in the reference; None when it does not say."""
    unseen: Mapping[str, float]
    """Categories of the present that the reference does not have, most events first; in the bins as one."""
    vanished: Mapping[str, float]
    """Categories of the reference without any event at present, with their reference counts, largest first."""


def by_label(samples: Iterable[Sample], label: str) -> dict[str, list[Sample]]:
    """The samples of each value of ``label``; of "" those without it."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.labels.get(label, ""), []).append(sample)
    return found


def histogram_bins(edges: Sequence[float], counts: Sequence[float], samples: Iterable[Sample]) -> Binned | Refused:
    """The reference (``counts`` has one more than ``edges``) against increases of a classic histogram by ``le``.

    ``le`` is read as a number; counts that fall with a rising bound are raised to be monotonic first. Buckets that
    differ are brought to the edges both have; nothing is interpolated.
    """
    present = list(samples)
    if any(s.value < 0 for s in present):
        return Refused("a bucket's increase is negative: a counter was reset, and the difference was not taken by "
                       "increase()")
    buckets = buckets_from(present, "s")
    if buckets is None:
        return Refused("the histogram has no +Inf bucket: events above its last bound are not counted")
    return align(edges, counts, buckets)


def align(edges: Sequence[float], counts: Sequence[float], buckets: Buckets) -> Binned | Refused:
    """As :func:`histogram_bins`, from buckets."""
    cumulative = dict(zip(buckets.bounds, buckets.counts, strict=True))
    keys = _keys(tuple(edges))
    common = [key for key in keys if key in cumulative]
    note = ""
    if len(common) < len(keys):
        missing = [f"{key:g}" for key in keys if key not in cumulative]
        named = ", ".join(missing[:4]) + (" …" if len(missing) > 4 else "")
        if len(common) < MIN_COMMON_EDGES:
            found = ", ".join(f"{b:g}" for b in buckets.bounds[:4]) + (" …" if len(buckets.bounds) > 4 else "")
            return Refused(f"only {len(common)} of the reference's {len(keys)} edges are buckets: {named} are not (the "
                           f"histogram has {found}); export the same buckets, or take the reference anew")
        verb = "is" if len(missing) == 1 else "are"
        note = f"compared at {len(common)} of {len(keys)} edges: {named} {verb} no bucket"
    if not common:
        return Refused("the reference has no edges")
    totals = [cumulative[key] for key in common]
    totals.append(buckets.total)
    current = [totals[0], *(b - a for a, b in pairwise(totals))]
    reference = [float(count) for count in counts]
    if len(common) < len(keys):
        kept = set(common)
        held, reference = 0.0, []
        for index, count in enumerate(counts):
            held += count
            if index == len(keys) or keys[index] in kept:
                reference.append(held)
                held = 0.0
    return Binned(_names(tuple(common)), tuple(reference), tuple(current), tuple(common), note)


@lru_cache(maxsize=1024)
def _keys(edges: tuple[float, ...]) -> tuple[float, ...]:
    """The edges as ``buckets_from`` spells bounds."""
    return tuple(float(f"{edge:.12g}") for edge in edges)


@lru_cache(maxsize=1024)
def _names(edges: tuple[float, ...]) -> tuple[str, ...]:
    return (f"≤ {edges[0]:g}", *(f"{low:g} … {high:g}" for low, high in pairwise(edges)), f"> {edges[-1]:g}")


def category_bins(reference: Mapping[str, float], current: Mapping[str, float]) -> Categories | Refused:
    """The reference's categories against the present's; all unseen ones are one bin, so a flood of them stays one."""
    known = {name: count for name, count in reference.items() if name != NULL}
    if any(count < 0 for count in current.values()):
        return Refused("a category's increase is negative: a counter was reset, and the difference was not taken by "
                       "increase()")
    unseen = {name: count for name, count in current.items() if name != NULL and name not in known and count > 0}
    vanished = {name: count for name, count in known.items() if count > 0 and current.get(name, 0.0) <= 0}
    names = list(known)
    before = [known[name] for name in names]
    now = [current.get(name, 0.0) for name in names]
    if unseen:
        names.append(UNSEEN)
        before.append(0.0)
        now.append(math.fsum(unseen.values()))
    if len(names) < 2:
        return Refused("the reference has a single category: there is nothing to move to")
    binned = Binned(tuple(names), tuple(before), tuple(now), None)
    return Categories(binned, current.get(NULL, 0.0), reference.get(NULL), _largest_first(unseen),
                      _largest_first(vanished))


def _largest_first(counts: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def category_counts(samples: Iterable[Sample], label: str) -> dict[str, float]:
    """Counts by the value of ``label``; what is not finite is left out."""
    found: dict[str, float] = {}
    for sample in samples:
        if math.isfinite(sample.value):
            name = sample.labels.get(label, "")
            found[name] = found.get(name, 0.0) + sample.value
    return found


def shares(counts: Sequence[float]) -> tuple[float, ...]:
    """Counts over their sum, which must be positive."""
    total = math.fsum(counts)
    if total <= 0:
        raise ValueError("no events, so no shares")
    return tuple(count / total for count in counts)


def smoothed(counts: Sequence[float], how: Smoothing = Smoothing.JEFFREYS) -> tuple[float, ...]:
    """Shares without zeros. Those of ``evidently`` do not sum to 1, as there."""
    if how is Smoothing.EVIDENTLY:
        plain = shares(counts)
        smallest = min(share for share in plain if share > 0)
        filler = 0.0001 if smallest > 0.0001 else smallest / 1e6
        return tuple(share or filler for share in plain)
    extra = 0.5 if how is Smoothing.JEFFREYS else 1.0
    total = math.fsum(counts) + extra * len(counts)
    return tuple([(count + extra) / total for count in counts])
