"""Subgroups compared: demographic parity, equal opportunity, equalized odds and error rate, with n and intervals.

Definitions as in fairlearn 0.15 (difference: largest rate less smallest; ratio: smallest over largest; equalized odds:
the worse of the true and the false positive rates). A difference of extremes is always above zero, so a limit is judged
by Newcombe intervals of all pairs together (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from triage.facts.samples import Sample
from triage.signals import wording
from triage.signals.binning import by_label, category_counts
from triage.signals.counted import confusion
from triage.signals.proportions import ERROR, Interval, difference, wilson
from triage.signals.quality import Confusion
from triage.signals.reading import Quality, Verdict

if TYPE_CHECKING:
    from triage.notebook.quality import Slice

MIN_EVENTS = 30.0
"""Events that each subgroup's rate needs."""
FOUR_FIFTHS = 0.8
"""Ratio of selection rates under which US practice sees adverse impact (29 CFR 1607.4 D)."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate of one subgroup."""

    group: str
    of: str
    """``selection``, ``true positive``, ``false positive`` or ``error`` rate."""
    value: float | None
    """0 to 1; None without events."""
    low: float | None
    high: float | None
    """Wilson interval, 95 %."""
    n: float


@dataclass(frozen=True, slots=True)
class Disparity:
    """One definition of fairness over all subgroups."""

    definition: str
    """As the manifest names it: ``demographic_parity``, ``equal_opportunity``, ``equalized_odds``, ``error_rate``."""
    reference: str
    """The subgroup the others are told against in the sentence."""
    rates: tuple[Rate, ...]
    """In the manifest's order; for equalized odds, true positive rates first."""
    difference: float | None
    """Largest less smallest rate; None when fewer than two subgroups have one."""
    low: float | None
    high: float | None
    """The difference is between these with 95 %, all pairs together."""
    ratio: float | None
    """Smallest over largest rate; None when the largest is 0."""
    limit: float | None
    """From 0 to 1; None: shown, not judged."""
    n: float
    """Events over all subgroups."""
    quality: Quality
    verdict: Verdict
    sentence: str


@dataclass(frozen=True, slots=True)
class SubgroupCounts:
    """What was decided in one subgroup."""

    selected: float
    """Positive decisions."""
    decided: float
    """All decisions, labelled or not."""
    labelled: Confusion | None = None
    """Of matured cohorts only; None without labels."""


def subgroups(label: str, outcomes: Iterable[Sample], outcome_label: str = "outcome", decisions: Iterable[Sample] = (),
              decision_label: str = "decision", positive: Iterable[str] = ()) -> dict[str, SubgroupCounts]:
    """Counts by the value of ``label`` from increases by outcome and, where they are counted, of all decisions.

    Outcomes of unknown meaning leave a subgroup without labels. Samples without the label belong to no subgroup.
    """
    labelled = {name: confusion(category_counts(items, outcome_label))
                for name, items in by_label(outcomes, label).items() if name}
    decided = {name: category_counts(items, decision_label)
               for name, items in by_label(decisions, label).items() if name}
    chosen = set(positive)
    found = {}
    for name in sorted({*labelled, *decided}):
        known = labelled.get(name)
        if decided:
            counts = decided.get(name, {})
            found[name] = SubgroupCounts(math.fsum(c for d, c in counts.items() if d in chosen),
                                         math.fsum(counts.values()), known)
        elif known is not None:
            found[name] = SubgroupCounts(known.tp + known.fp, known.n, known)
    return found


def limit_of(sliced: Slice) -> float | None:
    """The manifest's limit, which is in percentage points, as a share from 0 to 1; None without one."""
    return None if sliced.max_difference is None else sliced.max_difference / 100


RATES: Mapping[str, tuple[str, ...]] = {
    "demographic_parity": ("selection",), "equal_opportunity": ("true positive",),
    "equalized_odds": ("true positive", "false positive"), "error_rate": ("error",)}
"""Rates that each definition compares."""


def disparity(definition: str, groups: Mapping[str, SubgroupCounts], expected: Sequence[str],
              limit: float | None = None, *, pending: str = "", design_effect: float = 1.0) -> Disparity:
    """One definition over the subgroups ``expected`` (the first is the reference).

    ``pending`` says why labels may be absent for now; "" when they should be there. A subgroup of the manifest without
    counts is never left out silently: the verdict is unknown and the sentence names it.
    """
    names = list(expected) + sorted(set(groups) - set(expected))
    rates = tuple(_rate(of, name, groups.get(name)) for of in RATES[definition] for name in names)
    n = sum(rate.n for rate in rates)
    missing = [r.group for r in rates if r.value is None and r.group in expected]
    thin = sorted({r.group for r in rates if r.value is not None and r.n / design_effect < MIN_EVENTS})
    found = _extremes(rates, RATES[definition], design_effect)
    if found is None:
        quality = Quality.PENDING if pending else Quality.NO_DATA
        verdict = Verdict.PENDING if pending else Verdict.UNKNOWN
        return Disparity(definition, names[0], rates, None, None, None, None, limit, n, quality, verdict,
                         pending or f"no counts of {', '.join(dict.fromkeys(missing)) or 'two subgroups'}")
    value, ratio, (high_rate, low_rate) = found
    low, high = value.low, value.high
    words = (f"{wording.percent(value.value)} between {high_rate.group} ({wording.percent(high_rate.value or 0.0)}, n "
             f"{wording.count(high_rate.n)}) and {low_rate.group} ({wording.percent(low_rate.value or 0.0)}, n "
             f"{wording.count(low_rate.n)}) in the {high_rate.of} rate; 95 %: {wording.percent(low)} to "
             f"{wording.percent(high)}")
    if definition == "demographic_parity" and ratio is not None and ratio < FOUR_FIFTHS:
        words += f"; ratio {ratio:.2f}, under four fifths"
    quality, verdict = Quality.OK, Verdict.PASS
    if missing:
        quality, verdict = Quality.PARTIAL, Verdict.UNKNOWN
        words = f"no counts of {', '.join(dict.fromkeys(missing))}; {words}"
    elif limit is None:
        verdict = Verdict.NOT_JUDGED
    elif thin:
        quality, verdict = Quality.LOW_N, Verdict.UNKNOWN
        words = f"too few events of {', '.join(thin)}; {words}"
    elif low > limit:
        verdict = Verdict.FAIL
    elif high > limit:
        quality, verdict = Quality.LOW_N, Verdict.UNKNOWN
        words += f"; too few events to tell from the limit of {wording.percent(limit)}"
    # What is proven over the limit stays so when another subgroup cannot be read.
    if limit is not None and low > limit and not thin:
        verdict = Verdict.FAIL
    return Disparity(definition, names[0], rates, value.value, low, high, ratio, limit, n, quality, verdict, words)


def _rate(of: str, group: str, counts: SubgroupCounts | None) -> Rate:
    if counts is None:
        return Rate(group, of, None, None, None, 0.0)
    labelled = counts.labelled
    if of == "selection":
        events, n = counts.selected, counts.decided
    elif labelled is None:
        return Rate(group, of, None, None, None, 0.0)
    elif of == "true positive":
        events, n = labelled.tp, labelled.tp + labelled.fn
    elif of == "false positive":
        events, n = labelled.fp, labelled.fp + labelled.tn
    else:
        events, n = labelled.fp + labelled.fn, labelled.n
    if n <= 0:
        return Rate(group, of, None, None, None, 0.0)
    around = wilson(events, n)
    return Rate(group, of, around.value, around.low, around.high, n)


def _extremes(rates: Sequence[Rate], kinds: Sequence[str],
              design_effect: float) -> tuple[Interval, float | None, tuple[Rate, Rate]] | None:
    """(largest difference with simultaneous limits, smallest ratio, the two rates); None without a pair."""
    pairs = [(a, b) for of in kinds
             for a, b in combinations([r for r in rates if r.of == of and r.value is not None], 2)]
    if not pairs:
        return None
    error = ERROR / len(pairs)
    wide = {id(r): wilson((r.value or 0.0) * r.n / design_effect, r.n / design_effect, error)
            for r in rates if r.value is not None}
    best: tuple[float, tuple[Rate, Rate]] = (-1.0, pairs[0])
    low = high = 0.0
    ratios = []
    for a, b in pairs:
        if (a.value or 0.0) < (b.value or 0.0):
            a, b = b, a
        gap = difference(wide[id(a)], wide[id(b)])
        low, high = max(low, gap.low), max(high, gap.high)
        best = max(best, (gap.value, (a, b)), key=lambda item: item[0])
        if a.value:
            ratios.append((b.value or 0.0) / a.value)
    return Interval(best[0], low, high), min(ratios, default=None), best[1]
