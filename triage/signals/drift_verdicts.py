"""The words of drift: verdicts, and the lines beside a score. Light, because the screens have them before any fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum


class DriftVerdict(StrEnum):
    """Of one feature, one of its lines, or the model. The value is the word on screen and in JSON."""

    DRIFT = "drift"
    WATCH = "watch"
    STALE = "stale"
    """The counts do not describe the present: no samples, a gap, a reset, a gauge that nobody renews."""
    NOT_COMPARABLE = "not comparable"
    INSUFFICIENT = "insufficient"
    """Too few events to tell drift from chance."""
    OK = "ok"


SEVERITY: Mapping[DriftVerdict, int] = {verdict: rank for rank, verdict in enumerate(DriftVerdict)}
"""0 is the worst; between ``watch`` and ``ok`` stands what is not known."""
JUDGED = frozenset({DriftVerdict.DRIFT, DriftVerdict.WATCH, DriftVerdict.OK})


def worst(verdicts: Sequence[DriftVerdict]) -> DriftVerdict:
    """The one verdict there is about many; nothing known where there are none."""
    return min(verdicts, key=lambda verdict: SEVERITY[verdict], default=DriftVerdict.STALE)


def told(verdicts: Sequence[DriftVerdict]) -> str:
    """``1 drifting, 1 not known of 4 features``."""
    if not verdicts:
        return "no feature is watched for drift"
    counts = ((verdicts.count(DriftVerdict.DRIFT), "drifting"), (verdicts.count(DriftVerdict.WATCH), "watched"),
              (sum(verdict not in JUDGED for verdict in verdicts), "not known"))
    noun = "feature" if len(verdicts) == 1 else "features"
    parts = [f"{count} {word}" for count, word in counts if count]
    return f"{', '.join(parts)} of {len(verdicts)} {noun}" if parts else f"{len(verdicts)} {noun} without drift"


class LineKind(StrEnum):
    """What a distribution over values does not show."""

    NULLS = "null share"
    OUT_OF_RANGE = "out-of-range share"
    UNSEEN = "unseen values"
    VANISHED = "vanished values"
