"""Puts promise, facts and meaning together: the state of one model at one time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from triage.facts.alerts import Alert
from triage.facts.arrangement import arrangement
from triage.facts.outcome import SourceHealth, SourceState
from triage.facts.replies import Replies
from triage.facts.rollouts import RolloutFacts
from triage.live.asker import ModelFacts
from triage.signals.alerts import grouped
from triage.signals.canary_words import UNTOLD
from triage.signals.deployed import rollout_reasons, settled, with_roles
from triage.signals.feature_store_reading import feature_store_reasons
from triage.signals.fleet_seen import last_seen, seen_reasons
from triage.signals.fleet_value import value_reading
from triage.signals.health import Health, health
from triage.signals.killed import killed_reasons
from triage.signals.lineage import lineage
from triage.signals.lineage import reasons as lineage_reasons
from triage.signals.lineage_links import links
from triage.signals.lineage_model import Lineage
from triage.signals.model import ModelState, SloState, Versions
from triage.signals.objectives import Surroundings, slo_state
from triage.signals.quality_reasons import quality_reasons
from triage.signals.reading import Quality, Urgency, Verdict
from triage.signals.resources_model import ServingReading
from triage.signals.resources_reading import serving
from triage.signals.retrain_reasons import retrain_reasons
from triage.signals.versions import markers, versions

if TYPE_CHECKING:
    from triage.notebook.load import Notebook
    from triage.notebook.manifest import Manifest
    from triage.notebook.resolve import Traffic


def model_state(notebook: Notebook, traffic: Sequence[Traffic], facts: ModelFacts, alerts: Sequence[Alert],
                sources: Sequence[SourceHealth], retention_seconds: float | None, now: float) -> ModelState:
    """Everything known about one model at ``now`` (world time, Unix seconds)."""
    manifest = notebook.manifest
    if isinstance(facts.deployed.rollout, RolloutFacts) and facts.deployed.rollout.splits:
        told = versions(traffic, manifest.spec.canary.arm, facts.replies, now, manifest.metadata.version)
        facts = replace(facts, deployed=with_roles(told, facts.deployed, manifest))
    slos, seen, found, traced = _judged(notebook, traffic, facts, alerts, sources, retention_seconds, now)
    last, last_at = None, None
    urgency = Urgency.NONE
    if found.verdict is Verdict.UNKNOWN and any(s.now.quality is Quality.STALE for s in slos):
        last_at = newest_answer(facts.replies)
        if last_at is not None and last_at < now:
            # What the same facts said when they were fresh: nothing is remembered, it is judged again.
            fresh = [replace(s, state=SourceState.OK) for s in sources]
            replies = {q: replace(r, failure=None) for q, r in facts.replies.items()}
            _, _, before, _ = _judged(notebook, traffic, replace(facts, replies=replies), alerts, fresh,
                                      retention_seconds, last_at)
            last, urgency = before.verdict, before.urgency
            if last is Verdict.UNKNOWN:
                last, last_at = None, None
        else:
            last_at = None
    return ModelState(
        notebook.name, manifest.metadata.version, tuple(o.name for o in manifest.metadata.owners),
        manifest.metadata.criticality, found.verdict, found.urgency, found.urgency_rule, found.reasons, slos, seen,
        grouped(alerts, manifest), facts.trends, markers(seen), oldest_basis(facts.replies), manifest.spec.runbook,
        last, last_at, urgency, facts.notes, facts.canary, facts.drift, facts.quality,
        facts.retrain, lineage=traced, rollout=facts.deployed.rollout, feature_store=facts.feature_store,
        last_seen=last_seen(manifest, facts.replies, now),
        value=value_reading(manifest, facts.replies, facts.quality.present(seen) if facts.quality is not None else None,
                            slos, now),
        closer=facts.closer, serving=_serving(manifest, facts, seen, now), asked=tuple(_asked(manifest, facts)),
        rollout_is_old=isinstance(facts.deployed.rollout, RolloutFacts) and facts.deployed.rollout_at(now) is None,
        lasting=facts.lasting)


def _asked(manifest: Manifest, facts: ModelFacts) -> Iterator[str]:
    spec = manifest.spec
    if spec.drift is not None and facts.drift is None:
        yield "drift"
    if spec.quality is not None and facts.quality is None:
        yield "quality"
    if spec.dependencies is not None and spec.dependencies.feature_store is not None and facts.feature_store is None:
        yield "features"


def _serving(manifest: Manifest, facts: ModelFacts, seen: Versions, now: float) -> ServingReading | None:
    if facts.pods is None:
        return None
    said = facts.deployed
    served = [version.version for version in seen.items if version.version]
    return serving(manifest, facts.pods, served, said.rollout, said.pods, said.scaling, said.rollout_lasts, now)


def _judged(notebook: Notebook, traffic: Sequence[Traffic], facts: ModelFacts, alerts: Sequence[Alert],
            sources: Sequence[SourceHealth], retention_seconds: float | None,
            now: float) -> tuple[tuple[SloState, ...], Versions, Health, Lineage]:
    spec = notebook.manifest.spec
    due = spec.quality.feedback.expected_delay if spec.quality is not None else None
    around = Surroundings(now, spec.metrics.scrape_interval, retention_seconds, due)
    slos = tuple(slo_state(objective, facts.replies, around) for objective in notebook.objectives)
    manifest, said = notebook.manifest, facts.deployed
    told = versions(traffic, spec.canary.arm, facts.replies, now, manifest.metadata.version)
    seen = settled(told, said, manifest, now)
    # Aliases are compared with what is known apart from them.
    apart = seen if seen.known_from in ("rollout", UNTOLD) else told
    traced = lineage(manifest, said.registered, apart, now, said.promise)
    traced = replace(traced, links=links(manifest, said.registered, seen, said.rollout, said.promise, said.run))
    more = (*lineage_reasons(traced), *rollout_reasons(told, said, manifest, now),
            *quality_reasons(facts.quality, seen, now), *retrain_reasons(facts.retrain),
            *feature_store_reasons(facts.feature_store, now), *seen_reasons(last_seen(manifest, facts.replies, now)),
            *killed_reasons(facts.replies, now))
    found = health(notebook, slos, seen, grouped(alerts, manifest), sources, facts.replies, now, facts.canary,
                   facts.drift, more=more)
    return slos, seen, found, traced


def oldest_basis(replies: Replies) -> float | None:
    """Unix seconds of the oldest answer among those that every refresh renews; None before the first."""
    times = [at for q in arrangement(replies).dated if (at := replies[q].answered_at) is not None]
    return min(times) if times else newest_answer(replies)


def newest_answer(replies: Replies) -> float | None:
    """Unix seconds of the newest answer to any question."""
    return max((r.answered_at for r in replies.values() if r.answered_at is not None), default=None)


