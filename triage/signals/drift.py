"""Whether the world has moved: each feature against its reference, by effect size and significance and enough data.

A score alone says nothing (at 100 events against 100, PSI is over 0.1 in 86 of 100 windows without any drift), and
neither does a p-value (with enough events everything differs). So a verdict needs both, adjusted for the number of
features, and where they cannot be had it says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from triage.signals import wording
from triage.signals.binning import Binned, Categories, Refused, category_bins, category_counts, histogram_bins
from triage.signals.distances import METHOD_WORDS, NEEDS_SMOOTHING, benjamini_hochberg, chi_square, merged_for_test
from triage.signals.drift_gauges import gauge_drift
from triage.signals.drift_lines import LineDraft, drafts, judged
from triage.signals.drift_model import NOTHING, Around, DriftState, FeatureDrift, Kind, Line, Seen, Watched
from triage.signals.drift_verdicts import SEVERITY, DriftVerdict, worst
from triage.signals.reading import Quality
from triage.signals.reference_windows import score_of, usual_limit
from triage.signals.tails import kolmogorov_tail

EVENTS_PER_TEN_BINS = 200
"""Events at which a PSI of 0.1 over ten bins is beyond chance (95 % point under no drift: 0.086 to 0.09)."""
MIN_COVERED = 0.8
"""Share of a window's scrapes that must exist."""
MAX_LOST_TO_RESETS = 0.05
"""Share of a window's events that resets may have swallowed."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A feature measured, before the p-values of all are adjusted."""

    watched: Watched
    seen: Seen
    blocked: tuple[DriftVerdict, str] | None
    """Why it cannot be judged."""
    binned: Binned | None = None
    n_reference: float | None = None
    n_current: float | None = None
    score: float | None = None
    p_value: float | None = None
    test: str = ""
    needed: float | None = None
    lines: tuple[LineDraft, ...] = ()
    notes: tuple[str, ...] = ()


def drift_state(watched: Sequence[Watched], seen: Mapping[tuple[str, bool], Seen], around: Around,
                false_discovery_rate: float = 0.01) -> DriftState:
    """All features of a model at ``around.now``. ``seen`` is by (name, is_prediction); absent: no such series.

    Adjusted are the p-values of the features among themselves, and those of their lines among themselves.
    """
    measured = [_measured(w, seen.get((w.name, w.is_prediction), NOTHING), around)
                for w in watched if w.kind is not Kind.GAUGE]
    p_values = [d.p_value for d in measured if d.blocked is None and d.p_value is not None]
    adjusted = iter(benjamini_hochberg(p_values))
    line_ps = iter(benjamini_hochberg([line.p_value for d in measured for line in d.lines if line.p_value is not None]))
    features = []
    for draft in measured:
        tested = draft.blocked is None and draft.p_value is not None
        p_adjusted = next(adjusted) if tested else None
        lines = tuple(judged(line, None if line.p_value is None else next(line_ps), false_discovery_rate)
                      for line in draft.lines)
        features.append(_with_lines(_feature(draft, p_adjusted, false_discovery_rate, len(p_values), lines)))
    features.extend(gauge_drift(w, seen.get((w.name, w.is_prediction), NOTHING), around)
                    for w in watched if w.kind is Kind.GAUGE)
    return _state(features, false_discovery_rate, len(p_values))


def _measured(watched: Watched, seen: Seen, around: Around) -> _Draft:
    blocked, notes = _staleness(seen, around)
    if blocked is None and not watched.has_reference:
        blocked = DriftVerdict.NOT_COMPARABLE, f"nothing to compare with: {watched.reference_from}"
    if blocked is not None:
        return _Draft(watched, seen, blocked, notes=notes)
    categories: Categories | None = None
    result: Binned | Refused
    if watched.kind is Kind.CATEGORIES:
        found = category_bins(watched.categories, category_counts(seen.samples, watched.category_label))
        categories = found if isinstance(found, Categories) else None
        result = found.binned if isinstance(found, Categories) else found
    else:
        result = histogram_bins(watched.edges, watched.counts, seen.samples)
    lines = drafts(watched, seen, result if isinstance(result, Binned) else None, categories)
    if isinstance(result, Refused):
        return _Draft(watched, seen, (DriftVerdict.NOT_COMPARABLE, result.reason), lines=lines, notes=notes)
    return _scored(watched, seen, result, lines, (*notes, *((result.note,) if result.note else ())))


def _scored(watched: Watched, seen: Seen, binned: Binned, lines: tuple[LineDraft, ...],
            notes: tuple[str, ...]) -> _Draft:
    n, m = binned.n_reference, binned.n_current
    needed = float(watched.min_samples or EVENTS_PER_TEN_BINS * (len(binned.labels) - 1) / 9)
    refused: tuple[DriftVerdict, str] | None = None
    if watched.method == "ks" and not binned.ordered:
        refused = (DriftVerdict.NOT_COMPARABLE, "categories have no order, which KS needs; choose psi, js or tv in the "
                   "manifest")
    elif m <= 0:
        refused = DriftVerdict.INSUFFICIENT, f"no events in {wording.window(seen.window_seconds)}"
    elif n <= 0:
        refused = DriftVerdict.NOT_COMPARABLE, "the reference holds no events"
    if refused is not None:
        return _Draft(watched, seen, refused, binned, n, m, needed=needed, lines=lines, notes=notes)
    score = score_of(binned.reference, binned.current, watched.method, watched.smoothing)
    effect = max(1.0, watched.design_effect)
    reference, current = binned.reference, binned.current
    if effect > 1:
        reference = tuple(count / effect for count in reference)
        current = tuple(count / effect for count in current)
    pooled = merged_for_test(reference, current, ordered=binned.ordered)
    p_value: float | None
    if watched.method == "ks":
        p_value, test = kolmogorov_tail(score, n / effect, m / effect), "kolmogorov-smirnov"
    else:
        outcome = chi_square(*pooled)
        p_value, test = (outcome.p_value if outcome.dof else None), "chi-square"
    blocked = _too_few(seen, n / effect, m / effect, needed, effect)
    if blocked is None and (p_value is None or len(pooled[0]) < 2):
        blocked = DriftVerdict.INSUFFICIENT, "fewer than two bins hold five events"
    return _Draft(watched, seen, blocked, binned, n, m, score, p_value, test, needed, lines, notes)


def _too_few(seen: Seen, n: float, m: float, needed: float, effect: float) -> tuple[DriftVerdict, str] | None:
    """What is missing of ``needed`` independent events; None when nothing is."""
    independent = f" independent ones ({wording.significant(effect)} events stand for one)" if effect > 1 else ""
    if m < needed:
        window = wording.window(math.ceil(seen.window_seconds * needed / m / 3600) * 3600)
        return (DriftVerdict.INSUFFICIENT, f"{wording.count(m)}{independent} of {wording.count(needed)} events needed "
                f"in {wording.window(seen.window_seconds)}; a window of {window} would hold them")
    if n < needed:
        return (DriftVerdict.INSUFFICIENT, f"the reference holds {wording.count(n)}{independent} of "
                f"{wording.count(needed)} events needed")
    return None


def _staleness(seen: Seen, around: Around) -> tuple[tuple[DriftVerdict, str] | None, tuple[str, ...]]:
    """(why the counts do not describe the present, notes)."""
    notes: list[str] = []
    if seen.value_sum is not None and math.isnan(seen.value_sum):
        notes.append("the sum is NaN: values that are no number were observed, and are in the last bin or in none")
    if seen.trouble is not None and seen.trouble[0] is Quality.PARTIAL:
        notes.append(f"partial answer: {seen.trouble[1]}")
    elif seen.trouble is not None:
        return (DriftVerdict.STALE, seen.trouble[1]), tuple(notes)
    if seen.native:
        return (DriftVerdict.NOT_COMPARABLE, "a native histogram; its buckets are not in the answer: scrape classic "
                "histograms too"), tuple(notes)
    if not seen.samples:
        return (DriftVerdict.STALE, "no such series"), tuple(notes)
    if seen.newest_at is not None and around.now - seen.newest_at > around.stale_after:
        return (DriftVerdict.STALE, f"newest sample is {wording.age(around.now - seen.newest_at)} old"), tuple(notes)
    if seen.covered is not None and seen.covered < MIN_COVERED:
        return (DriftVerdict.STALE, f"{wording.percent(1 - seen.covered)} of the window's scrapes are missing"), \
            tuple(notes)
    if seen.resets > 0:
        lost = seen.resets * around.scrape_interval / (max(1, seen.series) * seen.window_seconds)
        said = f"{wording.count(seen.resets)} counter reset{'' if seen.resets == 1 else 's'} in the window"
        if lost > MAX_LOST_TO_RESETS:
            return (DriftVerdict.STALE, f"{said}: up to {wording.percent(min(1.0, lost))} of the events are lost"), \
                tuple(notes)
        notes.append(f"{said}: up to {wording.percent(lost)} of the events are lost")
    return None, tuple(notes)


def _feature(draft: _Draft, p_adjusted: float | None, rate: float, tested: int,
             lines: tuple[Line, ...]) -> FeatureDrift:
    watched, binned, score = draft.watched, draft.binned, draft.score
    usual = usual_limit(watched.window_scores)
    notes = list(draft.notes)
    warning, critical = max(watched.warning, usual or 0.0), max(watched.critical, usual or 0.0)
    if usual is not None and usual > watched.warning:
        notes.append(f"limits raised to {wording.significant(usual)}, which reference windows reach by themselves")
    n, m = draft.n_reference, draft.n_current
    by_chance = None
    if watched.method == "psi" and binned is not None and n and m:
        by_chance = (len(binned.labels) - 1) * (1 / n + 1 / m) * max(1.0, watched.design_effect)
    # Partial counts may prove drift, never its absence.
    partial = draft.seen.trouble is not None and draft.seen.trouble[0] is Quality.PARTIAL
    verdict, sentence = _verdict(draft, p_adjusted, warning, critical, rate, tested, partial=partial)
    mean = None
    total = draft.seen.value_sum
    if total is not None and math.isfinite(total) and m and watched.kind is Kind.HISTOGRAM:
        mean = total / m
    return FeatureDrift(
        watched.name, watched.kind, watched.is_prediction, watched.method, score, draft.p_value, p_adjusted,
        draft.test, n, m, draft.needed, None if binned is None else len(binned.labels), draft.seen.window_seconds,
        warning, critical, by_chance, verdict, verdict, sentence, lines, binned,
        str(watched.smoothing) if watched.method in NEEDS_SMOOTHING else "", max(1.0, watched.design_effect),
        watched.importance, watched.importance * score / critical if score is not None and critical > 0 else 0.0,
        draft.seen.newest_at, mean, watched.mean, False, tuple(notes), watched.reference_from)


def _verdict(draft: _Draft, p_adjusted: float | None, warning: float, critical: float, rate: float, tested: int, *,
             partial: bool) -> tuple[DriftVerdict, str]:
    binned, score = draft.binned, draft.score
    if draft.blocked is not None or score is None or p_adjusted is None or binned is None:
        verdict, reason = draft.blocked or (DriftVerdict.INSUFFICIENT, "nothing was measured")
        return verdict, reason
    counts = f"n {wording.count(draft.n_reference)} and {wording.count(draft.n_current)}, {len(binned.labels)} bins"
    chance = f"{p_text(p_adjusted)}{f' of {tested}' if tested > 1 else ''}"
    said = f"{METHOD_WORDS[draft.watched.method]} {wording.significant(score)}"
    if p_adjusted < rate and score >= critical:
        return DriftVerdict.DRIFT, f"{said}, critical from {wording.significant(critical)}; {chance}; {counts}"
    if p_adjusted < rate and score >= warning:
        return DriftVerdict.WATCH, f"{said}, watched from {wording.significant(warning)}; {chance}; {counts}"
    if score >= warning:
        return (DriftVerdict.INSUFFICIENT, f"{said} is over {wording.significant(warning)}, but may be chance: "
                f"{chance}; {counts}")
    if partial:
        return DriftVerdict.STALE, f"{said} from a partial answer, cannot be called ok; {counts}"
    return DriftVerdict.OK, f"{said}, under {wording.significant(warning)}; {counts}"


def p_text(p_value: float) -> str:
    """``p 0.032``; ``p <0.0001``."""
    return "p <0.0001" if p_value < 1e-4 else f"p {p_value:.2g}"


def _with_lines(feature: FeatureDrift) -> FeatureDrift:
    """A feature that turned 40 % null is not fine because what is left of it looks the same."""
    loud = [line for line in feature.lines if line.verdict in (DriftVerdict.DRIFT, DriftVerdict.WATCH)]
    if not loud:
        return feature
    loudest = min(loud, key=lambda line: SEVERITY[line.verdict or DriftVerdict.OK])
    verdict = loudest.verdict or feature.verdict
    if SEVERITY[verdict] >= SEVERITY[feature.verdict]:
        return feature
    return replace(feature, verdict=verdict, sentence=f"{loudest.sentence}; {feature.sentence}")


def _state(features: Sequence[FeatureDrift], rate: float, tested: int) -> DriftState:
    ordered = tuple(sorted(features, key=lambda f: (not f.is_prediction, SEVERITY[f.verdict], -f.consequence,
                                                    f.feature)))
    return DriftState(ordered, worst([f.verdict for f in ordered]), rate, tested)
