"""Health of a model: one verdict, one urgency with the rule that made it, and the reasons in order of importance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from triage.facts.frozen import frozen
from triage.facts.outcome import SourceHealth, SourceState
from triage.facts.replies import Replies
from triage.signals import burn as burns_of
from triage.signals import wording
from triage.signals.canary_reading import CanaryReading
from triage.signals.canary_reasons import canary_reasons
from triage.signals.counts import chosen_candidate, window_counts
from triage.signals.drift_reading import DriftReading
from triage.signals.drift_reasons import drift_reasons
from triage.signals.model import AlertGroup, Reason, SloKind, SloState, Versions
from triage.signals.reading import UNHEARD, Quality, Urgency, Verdict

if TYPE_CHECKING:
    from triage.notebook.load import Notebook

_VERDICTS = {Verdict.FAIL: 0, Verdict.UNKNOWN: 1, Verdict.WARN: 2, Verdict.PASS: 3, Verdict.LOW_N: 4,
             Verdict.PENDING: 5, Verdict.NOT_JUDGED: 6}
_URGENCIES = {Urgency.PAGE: 0, Urgency.TICKET: 1, Urgency.NONE: 2}
_RULES = ("rollout rule", "canary", "burn rate", "level", "budget", "zero tolerance", "alert", "pods", "quality",
          "drift", "features", "retrain", "registry", "rollout", "source", "unknown", "few events", "objectives")
_COUNTED = frozenset({SloKind.RATIO, SloKind.LATENCY, SloKind.COLD_START})
_CANARY_ARMS = ("canary", "experiment")
_MISSED = {"alertmanager": "silences are unknown",
           "registry": "whether what serves is registered and approved is unknown",
           "kubernetes": "which version is stable and which on trial is read from the traffic",
           "haproxy": "which version is stable and which on trial is read from the traffic"}
"""What is not known while a source is silent."""


@frozen(frozen=True, slots=True)
class Health:
    """The conclusion about one model."""

    verdict: Verdict
    urgency: Urgency
    urgency_rule: str
    reasons: tuple[Reason, ...]


def health(notebook: Notebook, slos: Sequence[SloState], versions: Versions, alerts: Sequence[AlertGroup],
           sources: Sequence[SourceHealth], replies: Replies, now: float,
           canary: CanaryReading | None = None, drift: DriftReading | None = None,
           *, more: Sequence[Reason] = ()) -> Health:
    """Verdict: ``fail`` before unknown of a required objective before ``warn`` before ``pass``.

    A model of which nothing could be judged is unknown, whatever is required. An objective on too few events is never
    counted as met; it does not gate while its reading or its budget can be judged, and the first reason says it.
    """
    from_sources = tuple(_from_sources(notebook, sources, replies, now))
    # When the source itself is the reason, it is said once and not once per objective.
    silent = any(r.verdict is Verdict.UNKNOWN for r in from_sources)
    reasons = [*rollout_rule_reasons(notebook, slos, versions, replies, now), *canary_reasons(canary, now),
               *_from_slos(slos, silent),
               *_from_alerts(alerts), *more, *drift_reasons(drift, versions, now),
               *from_sources]
    required_unknown = [r for r in reasons if r.verdict is Verdict.UNKNOWN]
    known = [s for s in slos if s.verdict in (Verdict.PASS, Verdict.WARN, Verdict.FAIL)]
    if any(r.verdict is Verdict.FAIL for r in reasons):
        verdict = Verdict.FAIL
    elif required_unknown:
        verdict = Verdict.UNKNOWN
    elif not known:
        verdict = Verdict.UNKNOWN
        reasons.append(Reason(Verdict.UNKNOWN, Urgency.NONE, "unknown", "objectives", _nothing_known(slos)))
    elif any(r.verdict is Verdict.WARN for r in reasons):
        verdict = Verdict.WARN
    else:
        verdict = Verdict.PASS
    reasons.extend(_too_few(slos))
    reasons.extend(_optional_unknown([s for s in slos if not (silent and s.now.quality in UNHEARD)]))
    if verdict is Verdict.PASS:
        few = [s for s in slos if s.verdict is Verdict.LOW_N]
        reasons.insert(0, Reason(Verdict.PASS, Urgency.NONE, "objectives", "objectives", _passing(known, few)))
    reasons.sort(key=lambda r: (_URGENCIES[r.urgency], _VERDICTS[r.verdict], _RULES.index(r.rule)))
    urgent = next((r for r in reasons if r.urgency is not Urgency.NONE), None)
    return Health(verdict, urgent.urgency if urgent else Urgency.NONE, urgent.rule if urgent else "", tuple(reasons))


def _from_slos(slos: Sequence[SloState], silent: bool) -> Iterator[Reason]:
    for slo in slos:
        if silent and slo.now.quality in UNHEARD:
            continue
        if slo.verdict in (Verdict.FAIL, Verdict.WARN):
            yield Reason(slo.verdict, slo.urgency, _rule(slo), slo.name, f"{slo.name} {slo.sentence}")
        elif slo.verdict is Verdict.UNKNOWN and slo.required:
            yield Reason(Verdict.UNKNOWN, Urgency.NONE, "unknown", slo.name, f"{slo.name} {slo.sentence}")


def _rule(slo: SloState) -> str:
    if slo.objective == 100:
        return "zero tolerance"
    if slo.kind not in _COUNTED:
        return "level"
    if slo.urgency is Urgency.PAGE or (slo.urgency is Urgency.TICKET and slo.verdict is Verdict.WARN):
        return "burn rate"
    if slo.verdict is Verdict.FAIL:
        return "budget"
    return "few events" if any(t.blocked for t in slo.tiers) else "burn rate"


def _from_alerts(alerts: Sequence[AlertGroup]) -> Iterator[Reason]:
    for group in alerts:
        if group.urgency is Urgency.NONE:
            continue
        verdict = Verdict.FAIL if group.urgency is Urgency.PAGE else Verdict.WARN
        many = f" ({len(group.alerts)})" if len(group.alerts) > 1 else ""
        version = f" {group.version}" if group.version else ""
        first = group.alerts[0]
        said = first.annotations.get("summary") or first.annotations.get("description") or ""
        yield Reason(verdict, group.urgency, "alert", group.name,
                     f"alert {group.name}{many}{version} is firing{': ' + said if said else ''}")


def _from_sources(notebook: Notebook, sources: Sequence[SourceHealth], replies: Replies,
                  now: float) -> Iterator[Reason]:
    for source in sources:
        if source.state is SourceState.DOWN:
            if source.name == "prometheus":
                # One refused connection changes nothing yet: what was said a moment ago still holds.
                if not any(r.is_stale(now) or (r.answered_at is None and r.failure is not None)
                           for r in replies.values()):
                    continue
                yield Reason(Verdict.UNKNOWN, Urgency.NONE, "source", source.name,
                             f"Prometheus does not answer: {source.error}")
            else:
                missing = _MISSED.get(source.name)
                if missing is not None and _is_asked(notebook, source.name):
                    yield Reason(Verdict.WARN, Urgency.NONE, "source", source.name,
                                 f"{source.name.capitalize()} does not answer, {missing}: {source.error}")


def _is_asked(notebook: Notebook, source: str) -> bool:
    """Whether the manifest leaves anything to ask the source."""
    spec = notebook.manifest.spec
    if source == "registry":
        return spec.registry is not None and spec.registry.kind != "none"
    asked = {"kubernetes": ("argo", "deployment"), "haproxy": ("haproxy",)}.get(source)
    return asked is None or (spec.rollout is not None and spec.rollout.kind in asked)


def rollout_rule_reasons(notebook: Notebook, slos: Sequence[SloState], versions: Versions, replies: Replies,
                         now: float) -> Iterator[Reason]:
    """The rollout rule on the canary's own requests, over the window or its age: it has no requests from before.

    Objectives that ``slos`` does not hold are passed over.
    """
    rule = notebook.manifest.spec.rollout_rule
    canary = next((v for v in versions.items if v.arm in _CANARY_ARMS), None)
    stable = versions.arm("stable")
    if canary is None:
        return
    by_name = {s.name: s for s in slos}
    for objective in notebook.objectives:
        target = objective.slo.objective
        state = by_name.get(objective.slo.name)
        if state is None or target is None or target >= 100 or state.kind not in _COUNTED:
            continue
        if state.now.quality is Quality.STALE:
            # The long window is asked rarely and would outlive the facts that say the canary is still there.
            continue
        chosen = chosen_candidate(objective, replies, notebook.manifest.spec.metrics.scrape_interval)
        counts = window_counts(objective, chosen, rule.window, replies, now)
        mine = counts.by_version.get(canary.version)
        if counts.quality not in (Quality.OK, Quality.PARTIAL) or mine is None or mine.bad is None or not mine.total:
            continue
        burn = burns_of.burn_rate(mine.bad / mine.total, target)
        if burn <= rule.burn_rate or mine.total < rule.min_events or mine.bad < 2:
            continue
        threshold = (f" under {wording.duration(state.threshold)}"
                     if state.kind is SloKind.LATENCY and state.threshold else " good")
        other = counts.by_version.get(stable.version) if stable is not None else None
        against = ""
        if stable is not None and other is not None and other.bad is not None and other.total:
            against = f" against {wording.percent(1 - other.bad / other.total, target)} on {stable.version}"
        span = rule.window if canary.first_seen is None else min(rule.window, now - canary.first_seen)
        yield Reason(Verdict.FAIL, Urgency.PAGE, "rollout rule", objective.slo.name,
                     f"{canary.arm} {canary.version} {objective.slo.name}: "
                     f"{wording.percent(1 - mine.bad / mine.total, target)}{threshold}{against}, burns "
                     f"{wording.burn_rate(burn)} over {wording.age(span)} (halt above "
                     f"{wording.burn_rate(rule.burn_rate)}), n {wording.count(mine.total)}")


def _optional_unknown(slos: Sequence[SloState]) -> Iterator[Reason]:
    for slo in slos:
        if slo.verdict is Verdict.UNKNOWN and not slo.required:
            yield Reason(Verdict.UNKNOWN, Urgency.NONE, "unknown", slo.name,
                         f"{slo.name} {slo.sentence} (not required)")


def _too_few(slos: Sequence[SloState]) -> Iterator[Reason]:
    for slo in slos:
        if slo.verdict is Verdict.LOW_N:
            yield Reason(Verdict.LOW_N, Urgency.NONE, "few events", slo.name,
                         f"{slo.name} {slo.sentence}{'' if slo.required else ' (not required)'}")


def _nothing_known(slos: Sequence[SloState]) -> str:
    if not slos:
        return "the notebook names no objective"
    if all(s.now.quality is Quality.WAITING for s in slos):
        return "asking, nothing answered yet"
    few = sum(s.verdict is Verdict.LOW_N for s in slos)
    return f"none of {len(slos)} objectives can be judged{f', {few} with too few events' if few else ''}"


def _passing(known: Sequence[SloState], few: Sequence[SloState]) -> str:
    budgets = [(s.budget.remaining, s.name) for s in known
               if s.budget is not None and s.budget.quality is not Quality.LOW_N]
    least = f"; least budget: {min(budgets)[1]} {wording.budget_left(min(budgets)[0])} left" if budgets else ""
    first = next((s.now for s in known if s.now.n is not None), None)
    span = wording.window(first.window_seconds) if first is not None and first.window_seconds is not None else ""
    events = f", n {wording.count(first.n)} in {span}" if first is not None and span else ""
    plural = "objective" if len(known) == 1 else "objectives"
    too_few = f", {len(few)} with too few events" if few else ""
    if few and not any(s.required for s in few):
        too_few += " (not required)"
    return f"{len(known)} {plural} met{too_few}{events}{least}"
