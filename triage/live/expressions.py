"""The questions about a model, written in PromQL: one expression per objective, part and window.

Numerators and denominators are asked apart and by version; division is done in ``signals``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from triage.facts.replies import LAST_SEEN, MODEL, VALUE, Part, Question
from triage.facts.units import UNIT_SECONDS
from triage.notebook.load import Notebook
from triage.notebook.resolve import Candidate, Objective, Traffic, requests_selectors, selectors
from triage.notebook.selector import Matcher, Selector, parse_selector, quote, regex_quote
from triage.notebook.slis import (
    AverageSli,
    ColdStartSli,
    FreshnessSli,
    GaugeSli,
    HistogramSli,
    QuerySli,
    RatioSli,
    ThroughputSli,
)
from triage.quantities import format_duration
from triage.signals.burn import DAY, HOUR, MINUTE, WINDOWS
from triage.signals.level import point_step_seconds, rate_window
from triage.signals.versions import share_windows

_RECORDED = {DAY: "1d", 3 * DAY: "3d", 7 * DAY: "7d|1w", 28 * DAY: "28d|4w", 30 * DAY: "30d"}


class _Ask(Protocol):
    def __call__(self, part: Part, expression: str, window: float = 0.0) -> Asked: ...


class Pace(StrEnum):
    """How often a group of questions is asked; each group is one request."""

    FAST = "fast"
    """Every refresh: windows up to an hour, levels, ages of samples."""
    MID = "mid"
    """Every refresh, apart because it costs more: 2 and 6 hours."""
    DAY = "day"
    """Once a minute: a day and more, versions seen."""
    LONG = "long"
    """Every five minutes: the windows of error budgets."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with its expression and pace."""

    question: Question
    expression: str
    pace: Pace


def pace_of(window_seconds: float) -> Pace:
    """The pace of a question over this window."""
    if window_seconds <= HOUR:
        return Pace.FAST
    if window_seconds <= 6 * HOUR:
        return Pace.MID
    return Pace.DAY if window_seconds <= 3 * DAY else Pace.LONG


def windows_of(objective: Objective, rollout_window: float) -> tuple[float, ...]:
    """Every window that this objective is read over, ascending, in seconds."""
    slo = objective.slo
    found = {slo.reading_window, 5 * MINUTE}
    if slo.objective is not None:
        found.update(w for w in WINDOWS if w <= slo.window)
        found.update((slo.window, rollout_window))
    return tuple(sorted(found))


def questions(notebook: Notebook) -> tuple[Asked, ...]:
    """Everything that is asked about a model at present."""
    out: list[Asked] = []
    rollout_window = notebook.manifest.spec.rollout_rule.window
    for objective in notebook.objectives:
        for index, candidate in enumerate(objective.candidates):
            out.extend(_of_candidate(objective, index, candidate, rollout_window))
        out.extend(_recorded(notebook, objective))
    out.extend(_versions(notebook))
    out.extend(_last_seen(notebook))
    out.extend(_value(notebook))
    return tuple(out)


def _of_candidate(objective: Objective, index: int, candidate: Candidate, rollout_window: float) -> Iterator[Asked]:
    slo, sli = objective.slo, candidate.sli
    windows = windows_of(objective, rollout_window)

    def ask(part: Part, expression: str, window: float = 0.0) -> Asked:
        return Asked(Question(slo.name, index, part, window), expression, pace_of(window))

    if isinstance(sli, RatioSli | ColdStartSli):
        counters = _counters(sli)
        for window in windows:
            for part, text in counters.items():
                yield ask(part, counted(_where(text, candidate), candidate.version_label, window), window)
        last = counters.get(Part.TOTAL) or counters[Part.GOOD]
        yield ask(Part.SAMPLED_AT, _sampled_at(_where(last, candidate)))
        if slo.by is not None and Part.BAD in counters:
            bad = _where(counters[Part.BAD], candidate)
            yield ask(Part.GROUPS, f"topk(20, sum by ({slo.by}) (increase({bad}[1h])) > 0)", HOUR)
    elif isinstance(sli, HistogramSli):
        if sli.native:
            yield from _native(ask, sli, candidate, windows)
            return
        selector = _where(sli.histogram, candidate).suffixed("_bucket")
        for window in windows:
            narrowed = selector if window in (5 * MINUTE, slo.reading_window) else _narrowed(selector, sli)
            yield ask(Part.BUCKETS, counted(narrowed, candidate.version_label, window, "le"), window)
        yield ask(Part.SAMPLED_AT, _sampled_at(selector.with_matcher(Matcher("le", "=", "+Inf"))))
    elif isinstance(sli, QuerySli):
        for window in windows:
            for part, query in ((Part.GOOD, sli.good_query), (Part.BAD, sli.bad_query), (Part.TOTAL, sli.total_query)):
                if query is not None:
                    text = query.replace("$window", format_duration(window))
                    yield ask(part, f"sum by ({candidate.version_label}) ({text})", window)
    else:
        yield from _level(ask, objective, candidate, windows)


def _counters(sli: RatioSli | ColdStartSli) -> dict[Part, str]:
    if isinstance(sli, ColdStartSli):
        return {Part.BAD: sli.cold_starts, Part.TOTAL: sli.invocations}
    named = {Part.GOOD: sli.good, Part.BAD: sli.bad, Part.TOTAL: sli.total}
    return {part: text for part, text in named.items() if text is not None}


def _level(ask: _Ask, objective: Objective, candidate: Candidate, windows: tuple[float, ...]) -> Iterator[Asked]:
    sli, slo = candidate.sli, objective.slo
    expression, selector = level_expression(objective, candidate)
    yield ask(Part.LEVEL, expression)
    yield ask(Part.SAMPLED_AT, _sampled_at(selector))
    if isinstance(sli, ThroughputSli):
        yield ask(Part.TOTAL, counted(selector, candidate.version_label, slo.reading_window), slo.reading_window)
    if isinstance(sli, AverageSli):
        count = _where(sli.average_count, candidate)
        yield ask(Part.TOTAL, counted(count, candidate.version_label, slo.reading_window), slo.reading_window)
    least, most = limits(candidate)
    if slo.objective is None or (least is None and most is None):
        return
    # Comparisons drop NaN and these two infinities: what is not a number is neither good nor bad.
    known = f"({expression} > -Inf < +Inf)"
    wrong = f"{known} < {least!r}" if least is not None else f"{known} > {most!r}"
    for window in sorted({*windows, slo.sustained}):
        step = format_duration(point_step_seconds(window))
        span = f"[{format_duration(window)}:{step}]"
        yield ask(Part.LEVEL_TOTAL, f"count_over_time({known}{span})", window)
        yield ask(Part.LEVEL_BAD, f"count_over_time(({wrong}){span})", window)


def limits(candidate: Candidate) -> tuple[float | None, float | None]:
    """(at least, at most) of a level in the unit of its expression (seconds, per second, or the metric's own)."""
    sli = candidate.sli
    if isinstance(sli, GaugeSli | ThroughputSli):
        return sli.at_least, sli.at_most
    if isinstance(sli, FreshnessSli | AverageSli):
        return None, sli.at_most
    return None, None


def level_expression(objective: Objective, candidate: Candidate) -> tuple[str, Selector]:
    """The present value of a level as one number (durations in seconds), and the selector whose samples date it.

    Rates and means are of five minutes, or of the reading window where the manifest asks for more than an hour.
    """
    span = format_duration(rate_window(objective.slo.reading_window))
    sli = candidate.sli
    if isinstance(sli, GaugeSli):
        selector = _where(sli.gauge, candidate)
        return f"{sli.combine}({selector})", selector
    if isinstance(sli, FreshnessSli):
        selector = _where(sli.freshness, candidate)
        return f"(time() - max({selector}))", selector
    if isinstance(sli, ThroughputSli):
        selector = _where(sli.throughput, candidate)
        return f"sum(rate({selector}[{span}]))", selector
    if isinstance(sli, AverageSli):
        total, count = _where(sli.average_sum, candidate), _where(sli.average_count, candidate)
        scale = UNIT_SECONDS[sli.unit]
        factor = "" if scale == 1 else f" * {scale!r}"
        return f"(sum(rate({total}[{span}])) / sum(rate({count}[{span}])){factor})", count
    raise TypeError(f"{type(sli).__name__} is no level")


def _native(ask: _Ask, sli: HistogramSli, candidate: Candidate, windows: tuple[float, ...]) -> Iterator[Asked]:
    selector = _where(sli.histogram, candidate)
    for window in windows:
        grown = counted(selector, candidate.version_label, window)
        yield ask(Part.TOTAL, f"histogram_count({grown})", window)
        if sli.threshold is not None:
            limit = sli.threshold / UNIT_SECONDS[sli.unit]
            yield ask(Part.GOOD, f"histogram_fraction(0, {limit!r}, {grown}) * histogram_count({grown})", window)
    grown = counted(selector, candidate.version_label, HOUR)
    for part, q in ((Part.P50, 0.5), (Part.P95, 0.95), (Part.P99, 0.99)):
        yield ask(part, f"histogram_quantile({q}, {grown})", HOUR)
    yield ask(Part.SAMPLED_AT, _sampled_at(selector))


def _recorded(notebook: Notebook, objective: Objective) -> Iterator[Asked]:
    """Error ratios that Sloth or Pyrra recorded, for windows of a day and more."""
    slo = objective.slo
    if slo.objective is None or slo.objective >= 100:
        return
    service = slo.recorded.service if slo.recorded and slo.recorded.service else notebook.name
    name = slo.recorded.slo if slo.recorded else slo.name
    pyrra = _pyrra(notebook, objective)
    for window in sorted({DAY, 3 * DAY, slo.window}):
        spelt = _RECORDED.get(window)
        if spelt is None or window > slo.window:
            continue
        sloth = (f'max({{__name__=~"slo:sli_error:ratio_rate({spelt})",sloth_service={quote(service)},'
                 f"sloth_slo={quote(name)}}})")
        expression = sloth
        if pyrra is not None:
            matchers = ",".join(str(m) for m in (Matcher("__name__", "=~", f".+:burnrate({spelt})"), *pyrra))
            expression = f"({sloth} or max({{{matchers}}}))"
        yield Asked(Question(slo.name, 0, Part.RECORDED, window), expression, pace_of(window))


def _pyrra(notebook: Notebook, objective: Objective) -> tuple[Matcher, ...] | None:
    """What Pyrra's series of this objective carry; None when the manifest names a service, which is Sloth's word.

    Pyrra knows no service: its rules carry ``slo`` and the equality matchers of the indicator. A label value that the
    manifest names may be another model's too, so those matchers must be there; the default name holds the model's.
    """
    recorded = objective.slo.recorded
    if recorded is not None and recorded.service is not None:
        return None
    candidate = objective.candidates[0]
    written = [selector.where(candidate.labels) for selector in selectors(candidate.sli)]
    common = set.intersection(*({m for m in s.matchers if m.operator == "="} for s in written)) if written else {
        Matcher(label, "=", value) for label, value in candidate.labels.items()}
    own = sorted(common, key=lambda m: m.label)
    if recorded is not None:
        return Matcher("slo", "=", recorded.slo), *own
    return (Matcher("slo", "=", f"{notebook.name}-{objective.slo.name}"),
            *(Matcher(m.label, "=~", f"|{regex_quote(m.value)}") for m in own))


def seen_window(notebook: Notebook) -> float:
    """How far back the first appearance of a version is looked for: a day, or as far as the rollout rule reads."""
    return max(DAY, notebook.manifest.spec.rollout_rule.window)


def _versions(notebook: Notebook) -> Iterator[Asked]:
    window = seen_window(notebook)
    for index, traffic in enumerate(requests_selectors(notebook.manifest)):
        label = traffic.version_label
        for share_window in share_windows(notebook.manifest.spec.metrics.scrape_interval):
            yield Asked(Question(MODEL, index, Part.REQUESTS, share_window), requests_within(traffic, share_window),
                        Pace.FAST)
        seen = seen_selector(notebook, traffic)
        span = f"[{format_duration(window)}:1m]"
        for part, outer, inner in ((Part.FIRST_SEEN, "min", "min_over_time"), (Part.LAST_SEEN, "max", "max_over_time")):
            yield Asked(Question(MODEL, index, part, window),
                        f"{outer} by ({label}) ({inner}(timestamp({seen}){span}))", Pace.DAY)


def seen_selector(notebook: Notebook, traffic: Traffic) -> Selector:
    """The series that say which versions there are."""
    metrics = notebook.manifest.spec.metrics
    return (parse_selector(metrics.version_info).where(metrics.selector) if metrics.version_info is not None
            else traffic.selectors[0])


def requests_within(traffic: Traffic, window_seconds: float) -> str:
    """The number of requests within the window by version."""
    each = [counted(selector, traffic.version_label, window_seconds) for selector in traffic.selectors]
    requests = " + ".join(each)
    # One of the counters may not exist yet: then the other alone is the number.
    return f"({requests})" if len(each) == 1 else f"(({requests}) or {' or '.join(each)})"


def _last_seen(notebook: Notebook) -> Iterator[Asked]:
    """The newest and the oldest word of what reports by itself."""
    metrics = notebook.manifest.spec.metrics
    if metrics.last_seen is not None:
        selector = parse_selector(metrics.last_seen.metric).where(metrics.selector)
        for index, operator in enumerate(("max", "min")):
            yield Asked(Question(LAST_SEEN, index, Part.SAMPLED_AT), f"{operator}({selector})", Pace.FAST)


def _value(notebook: Notebook) -> Iterator[Asked]:
    """What the answers are worth, now and a week before."""
    value = notebook.manifest.spec.value
    if value is None:
        return
    selector = parse_selector(value.counter or value.gauge or "").where(notebook.manifest.spec.metrics.selector)
    for index, offset in enumerate(("", " offset 7d")):
        if value.counter is None:
            yield Asked(Question(VALUE, index, Part.LEVEL), f"sum({selector}{offset})", Pace.DAY)
        else:
            yield Asked(Question(VALUE, index, Part.TOTAL, DAY), f"sum(increase({selector}[1d]{offset}))", Pace.DAY)


def counted(selector: Selector, version_label: str, window_seconds: float, *by: str) -> str:
    """Events within the window by version, and by further labels."""
    labels = ", ".join((version_label, *by))
    return f"sum by ({labels}) (increase({selector}[{format_duration(window_seconds)}]))"


def _where(text: str, candidate: Candidate) -> Selector:
    return parse_selector(text).where(candidate.labels)


def _sampled_at(selector: Selector) -> str:
    # Five minutes after the last sample the first half is empty, while windows still hold older events. Steps as long
    # as the server looks back miss no sample.
    return f"(max(timestamp({selector})) or max(max_over_time(timestamp({selector})[6h:5m])))"


def _narrowed(selector: Selector, sli: HistogramSli) -> Selector:
    """Only the bucket of the threshold and ``+Inf``: long windows over all buckets are what makes servers slow."""
    if sli.threshold is None:
        return selector.with_matcher(Matcher("le", "=", "+Inf"))
    if sli.snap != "exact":
        return selector
    number = sli.threshold / UNIT_SECONDS[sli.unit]
    plain = f"{number:.12f}".rstrip("0").rstrip(".")
    spelt = regex_quote(plain) + ("0*" if "." in plain else r"(\.0+)?")
    short = regex_quote(f"{number:g}")
    return selector.with_matcher(Matcher("le", "=~", rf"{spelt}|{short}|\+Inf"))

