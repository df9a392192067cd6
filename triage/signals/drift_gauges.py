"""Scores of drift that someone else computed and exports as a gauge: which way they read, and how old they are."""

from __future__ import annotations

import math

from triage.signals import wording
from triage.signals.drift_model import Around, FeatureDrift, Seen, Watched
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.reading import Quality

_MOST_CONSEQUENCE = 10.0
"""A p-value of zero is not infinitely worse than its limit."""


def gauge_drift(watched: Watched, seen: Seen, around: Around) -> FeatureDrift:
    """One gauge. Distances are drift *from* their limit on; p-values *under* theirs, as their exporters alert.

    Its n is not known, so only the limit decides. A gauge that is scraped can still be old: pushed values never expire,
    and a job that died leaves its last one. It is stale when it was pushed too long ago, or did not change for as long.
    """
    score, refusal = _score(watched, seen)
    blocked = refusal or _age_problem(seen, around)
    if blocked is not None:
        verdict, sentence = blocked
    else:
        verdict, sentence = _verdict(watched, score if score is not None else math.nan)
        if seen.trouble is not None and seen.trouble[0] is Quality.PARTIAL and verdict is DriftVerdict.OK:
            verdict, sentence = DriftVerdict.STALE, f"partial answer, cannot be called ok: {seen.trouble[1]}"
    consequence = 0.0
    if score is not None and watched.critical > 0:
        ratio = score / watched.critical
        consequence = watched.importance * (min(_MOST_CONSEQUENCE, 1 / ratio if ratio > 0 else math.inf)
                                            if watched.low_is_drift else ratio)
    at = seen.pushed_at if seen.pushed_at is not None else seen.newest_at
    return FeatureDrift(
        watched.name, watched.kind, watched.is_prediction, "gauge", score, None, None, "", None, None, None, None,
        seen.window_seconds, watched.warning, watched.critical, None, verdict, verdict, sentence, (), None, "", 1.0,
        watched.importance, consequence, at, None, None, watched.low_is_drift,
        ("computed elsewhere: n, window and test are not exported",))


def _score(watched: Watched, seen: Seen) -> tuple[float | None, tuple[DriftVerdict, str] | None]:
    if seen.trouble is not None and seen.trouble[0] is not Quality.PARTIAL:
        return None, (DriftVerdict.STALE, seen.trouble[1])
    if not seen.samples:
        return None, (DriftVerdict.STALE, "no such series")
    values = [s.value for s in seen.samples]
    finite = [v for v in values if math.isfinite(v)]
    if len(finite) < len(values):
        return None, (DriftVerdict.NOT_COMPARABLE, "the gauge is not a number")
    if watched.low_is_drift:
        if watched.critical > watched.warning:
            return min(finite), (DriftVerdict.NOT_COMPARABLE, "its limits read the wrong way: for low-is-drift, "
                                 "critical must not be above warning")
        if not all(0 <= v <= 1 for v in finite):
            return min(finite), (DriftVerdict.NOT_COMPARABLE, f"{wording.significant(min(finite))} is no p-value, but "
                                 "the manifest says low-is-drift")
    # Several series of one feature (pods, deployments): the worst one is the one to look at.
    return (min(finite) if watched.low_is_drift else max(finite)), None


def _age_problem(seen: Seen, around: Around) -> tuple[DriftVerdict, str] | None:
    if seen.newest_at is not None and around.now - seen.newest_at > around.stale_after:
        return DriftVerdict.STALE, f"newest sample is {wording.age(around.now - seen.newest_at)} old"
    if seen.pushed_at is not None and around.now - seen.pushed_at > around.gauge_stale_after:
        return DriftVerdict.STALE, f"pushed {wording.age(around.now - seen.pushed_at)} ago, and not since"
    if seen.changes is not None and seen.changes <= 0 and seen.pushed_at is None and \
            seen.changes_window_seconds >= around.gauge_stale_after:
        return DriftVerdict.STALE, f"has not changed for {wording.window(seen.changes_window_seconds)}"
    return None


def _verdict(watched: Watched, score: float) -> tuple[DriftVerdict, str]:
    said = wording.significant(score)
    critical, warning = wording.significant(watched.critical), wording.significant(watched.warning)
    if watched.low_is_drift:
        if score < watched.critical:
            return DriftVerdict.DRIFT, f"p-value {said}, drift under {critical}; computed elsewhere"
        if score < watched.warning:
            return DriftVerdict.WATCH, f"p-value {said}, watched under {warning}; computed elsewhere"
        return DriftVerdict.OK, f"p-value {said}, not under {warning}; computed elsewhere"
    if score >= watched.critical:
        return DriftVerdict.DRIFT, f"score {said}, critical from {critical}; computed elsewhere"
    if score >= watched.warning:
        return DriftVerdict.WATCH, f"score {said}, watched from {warning}; computed elsewhere"
    return DriftVerdict.OK, f"score {said}, under {warning}; computed elsewhere"
