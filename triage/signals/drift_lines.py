"""What a distance does not show, as lines of their own: nulls, impossible values, new ones and vanished ones.

Every drift library drops nulls before it computes, so a feature that turned 40 % null can have a distance of zero; and
one new category can make up all of a PSI, so that its share says more than the score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from triage.signals import wording
from triage.signals.binning import UNSEEN, Binned, Categories
from triage.signals.drift_model import Line, Seen, Watched
from triage.signals.drift_verdicts import DriftVerdict, LineKind
from triage.signals.proportions import same_share, wilson

WARNING, CRITICAL = 0.01, 0.05
"""Rise of a share, from 0 to 1, from which it is watched, and from which it is drift."""
MIN_EVENTS = 100.0
"""Independent events that a share needs to be judged."""


@dataclass(frozen=True, slots=True)
class LineDraft:
    """A share measured, before the p-values of all lines are adjusted."""

    kind: LineKind
    events: float
    n: float
    reference_share: float | None
    p_value: float | None
    rise: float | None
    """How much worse than the reference, 0 to 1; None where there is nothing to compare with."""
    independent_n: float
    names: tuple[str, ...] = ()
    share: float | None = None
    """Where it is not ``events / n``."""


def drafts(watched: Watched, seen: Seen, binned: Binned | None, categories: Categories | None) -> tuple[LineDraft, ...]:
    """The lines of one feature that its series allow. Shares of 0 that are expected to be 0 make no line."""
    return tuple(_nulls(watched, seen, binned, categories)) + tuple(_range(watched, binned)) + \
        tuple(_moved(watched, binned, categories))


def _nulls(watched: Watched, seen: Seen, binned: Binned | None, categories: Categories | None) -> Iterator[LineDraft]:
    counted = seen.nulls if categories is None else (seen.nulls or 0.0) + categories.nulls
    if counted is None or binned is None:
        return
    total = binned.n_current + counted
    expected, reference_n = watched.null_share, binned.n_reference
    if categories is not None and categories.reference_nulls is not None:
        reference_n += categories.reference_nulls
        expected = categories.reference_nulls / reference_n if reference_n else None
    if total > 0 and (counted > 0 or expected):
        yield _against(LineKind.NULLS, counted, total, expected, reference_n, watched.design_effect)


def _range(watched: Watched, binned: Binned | None) -> Iterator[LineDraft]:
    """Values outside of the valid range, as far as the buckets' bounds show it."""
    if binned is None or (watched.lowest is None and watched.highest is None) or binned.n_current <= 0:
        return
    edges = binned.edges or ()
    outside = [i for i, edge in enumerate(edges) if watched.lowest is not None and edge < watched.lowest]
    outside += [i + 1 for i, edge in enumerate(edges) if watched.highest is not None and edge >= watched.highest]
    now = math.fsum(binned.current[i] for i in outside)
    if now > 0:
        before = math.fsum(binned.reference[i] for i in outside)
        yield _against(LineKind.OUT_OF_RANGE, now, binned.n_current, before / binned.n_reference, binned.n_reference,
                       watched.design_effect, tuple(binned.labels[i] for i in outside if binned.current[i] > 0))


def _moved(watched: Watched, binned: Binned | None, categories: Categories | None) -> Iterator[LineDraft]:
    if binned is None or (min(binned.reference) > 0 and min(binned.current) > 0):
        return
    if binned.n_current <= 0 or binned.n_reference <= 0:
        return
    fresh = [i for i, count in enumerate(binned.reference) if count <= 0 < binned.current[i]]
    gone = [i for i, count in enumerate(binned.current) if count <= 0 < binned.reference[i]]
    if fresh:
        names = tuple(categories.unseen) if categories is not None else ()
        names += tuple(binned.labels[i] for i in fresh if binned.labels[i] != UNSEEN)
        yield _against(LineKind.UNSEEN, math.fsum(binned.current[i] for i in fresh), binned.n_current, 0.0,
                       binned.n_reference, watched.design_effect, names)
    if gone:
        effect = max(1.0, watched.design_effect)
        share = math.fsum(binned.reference[i] for i in gone) / binned.n_reference
        p_value = same_share(0.0, binned.n_current / effect, share * binned.n_reference / effect,
                             binned.n_reference / effect)
        names = tuple(categories.vanished) if categories is not None else tuple(binned.labels[i] for i in gone)
        yield LineDraft(LineKind.VANISHED, 0.0, binned.n_current, share, p_value, share, binned.n_current / effect,
                        names, share)


def _against(kind: LineKind, events: float, n: float, expected: float | None, reference_n: float,
             design_effect: float, names: tuple[str, ...] = ()) -> LineDraft:
    effect = max(1.0, design_effect)
    if expected is None:
        return LineDraft(kind, events, n, None, None, None, n / effect, names)
    p_value = same_share(events / effect, n / effect, expected * reference_n / effect, reference_n / effect)
    return LineDraft(kind, events, n, expected, p_value, events / n - expected, n / effect, names)


def judged(draft: LineDraft, p_adjusted: float | None, rate: float) -> Line:
    """The line with its verdict: a rise of a share that is large, not chance, and measured on enough events."""
    share = draft.events / draft.n if draft.share is None else draft.share
    around = wilson(share * draft.independent_n, draft.independent_n)
    verdict: DriftVerdict | None = DriftVerdict.OK
    if draft.rise is None or p_adjusted is None:
        verdict = None
    elif draft.independent_n < MIN_EVENTS:
        verdict = DriftVerdict.INSUFFICIENT
    elif p_adjusted < rate and draft.rise >= WARNING:
        verdict = DriftVerdict.DRIFT if draft.rise >= CRITICAL else DriftVerdict.WATCH
    return Line(draft.kind, share, around.low, around.high, draft.events, draft.n, draft.reference_share, p_adjusted,
                verdict, draft.names, _sentence(draft, share))


def _sentence(draft: LineDraft, share: float) -> str:
    named = ", ".join(draft.names[:3]) + (f" and {len(draft.names) - 3} more" if len(draft.names) > 3 else "")
    about = f" ({named})" if named else ""
    n = f"n {wording.count(draft.n)}"
    if draft.kind is LineKind.VANISHED:
        return f"values that were {wording.percent(share)} of the reference do not come any more{about}; {n}"
    if draft.kind is LineKind.UNSEEN:
        return f"{wording.percent(share)} are values that the reference does not have{about}; {n}"
    what = "have no value" if draft.kind is LineKind.NULLS else f"are outside of the valid range{about}"
    usual = "the reference does not say how many had" if draft.reference_share is None else \
        f"{wording.percent(draft.reference_share)} in the reference"
    return f"{wording.percent(share)} {what}, {usual}; {n}"
