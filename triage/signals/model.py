"""The meaning of one model's facts as plain frozen values: what every screen and report renders."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from triage.facts.alerts import Alert
from triage.facts.frozen import frozen
from triage.signals.canary_reading import CanaryReading
from triage.signals.reading import Origin, Quality, Reading, Urgency, Verdict

if TYPE_CHECKING:
    from triage.facts.outcome import Failure
    from triage.facts.rollouts import RolloutFacts
    from triage.signals.closer_reading import CloserReading
    from triage.signals.drift_reading import DriftReading
    from triage.signals.feature_store_reading import FeatureStoreReading
    from triage.signals.fleet_seen import LastSeen
    from triage.signals.fleet_value import ValueReading
    from triage.signals.lasting import Lasting
    from triage.signals.lineage_model import Lineage
    from triage.signals.quality_reading import QualityReading
    from triage.signals.resources_model import ServingReading
    from triage.signals.retrain import Trigger


class SloKind(StrEnum):
    """What an objective measures; decides words and units, not arithmetic."""

    RATIO = "ratio"
    LATENCY = "latency"
    GAUGE = "gauge"
    FRESHNESS = "freshness"
    COLD_START = "cold start"
    THROUGHPUT = "throughput"
    AVERAGE = "average"


@frozen(frozen=True, slots=True)
class Burn:
    """Burn rate of one window: error ratio over ``1 - objective``. 1 uses the budget exactly in its window."""

    window_seconds: float
    rate: float | None
    n: float | None
    quality: Quality
    note: str = ""
    origin: Origin = Origin.RAW


@dataclass(frozen=True, slots=True)
class Tier:
    """One multiwindow burn-rate condition (Google SRE workbook, table 5-8), evaluated."""

    urgency: Urgency
    long_seconds: float
    short_seconds: float
    threshold: float
    """Burn rate that both windows must exceed."""
    firing: bool
    reachable: bool
    """False when ``1 / (1 - objective)`` is under the threshold: it can never fire."""
    blocked: str = ""
    """Why it may not fire although the rates exceed it (too few events); "" otherwise."""


@frozen(frozen=True, slots=True)
class Budget:
    """Error budget over the objective's window, in events: why the budget is what it is."""

    window_seconds: float
    bad: float
    total: float
    allowed: float
    """``(1 - objective) * total``."""
    remaining: float
    """``1 - bad / allowed``; negative when overspent, never clamped."""
    quality: Quality
    """``low_n``: too few or too early to judge the window; ``note`` says which, and it is neither spent nor left."""
    exhausted_in_seconds: float | None = None
    """Time until nothing is left at the present burn rate; 0 when overspent; None when it is not being used up."""
    covered_seconds: float | None = None
    """Where all events are known to be of the last part of the window: how long that is."""
    note: str = ""
    origin: Origin = Origin.RAW
    """``rule``: the error ratio was recorded by the server, ``bad`` is that share of ``total``."""

    @property
    def left(self) -> float:
        """Bad events still allowed; negative when overspent."""
        return self.allowed - self.bad


@frozen(frozen=True, slots=True)
class Quantiles:
    """Percentiles of a duration over one window, in seconds."""

    version: str | None
    """None: all versions together."""
    p50: Reading
    p95: Reading
    p99: Reading


@dataclass(frozen=True, slots=True)
class GroupCount:
    """Bad events by one label value, such as a feature."""

    group: str
    bad: float
    total: float | None


@frozen(frozen=True, slots=True)
class VersionCount:
    """Events of one version in one window."""

    version: str
    """"" for what carries no version, and for all of them where not every series carries one."""
    window_seconds: float
    bad: float | None
    """None when it cannot be told."""
    total: float

    @property
    def value(self) -> float | None:
        """Share of good events, 0 to 1; None without events, or when the bad ones cannot be told."""
        return None if self.bad is None or not self.total else min(1.0, max(0.0, 1 - self.bad / self.total))


@frozen(frozen=True, slots=True)
class SloState:
    """One objective and how it stands."""

    name: str
    kind: SloKind
    required: bool
    objective: float | None
    """Percent; None: shown but not judged."""
    threshold: float | None
    """Of latency, freshness and levels, in ``now.unit`` (seconds for durations)."""
    threshold_side: str
    """``at_most``, ``at_least`` or ""."""
    measures: str
    """``request``, ``batch`` … for durations; what is counted for throughput; "" otherwise."""
    now: Reading
    """Ratio kinds: share of good events over the last hour. Levels: the present value."""
    burns: tuple[Burn, ...]
    """Ascending windows; empty for objectives of 100 and for indicators without an objective."""
    tiers: tuple[Tier, ...]
    budget: Budget | None
    verdict: Verdict
    urgency: Urgency
    sentence: str
    """The state in one sentence with its numbers; what the verdict rests on."""
    quantiles: tuple[Quantiles, ...] = ()
    by_label: str | None = None
    by_group: tuple[GroupCount, ...] = ()
    """Over the last hour, most bad first."""
    findings: tuple[str, ...] = ()
    """Feasibility findings: tiers that can never fire, a window beyond retention, less than one bad event allowed …"""
    description: str = ""
    by_version: tuple[VersionCount, ...] = ()
    """Ratio kinds: over the window of ``now``, with its quality. Levels have none."""
    asked: tuple[float, ...] = ()
    """Ratio kinds: windows, in seconds, that were asked about and have never been answered."""
    min_events: int | None = None
    """The manifest's own word on how many events are enough; None where it says nothing."""

    @property
    def is_asked(self) -> bool:
        """Whether nothing but answers that are under way keeps it from being judged."""
        if self.verdict is not Verdict.UNKNOWN:
            return False
        if self.now.quality is Quality.WAITING:
            return True
        trouble = any(b.quality not in (Quality.OK, Quality.LOW_N, Quality.WAITING, Quality.NO_TRAFFIC)
                      for b in self.burns)
        return bool(self.asked) and self.now.quality in (Quality.OK, Quality.LOW_N) and not trouble

    def burn(self, window_seconds: float) -> Burn | None:
        """The burn rate of one window, None when it is not read."""
        return next((b for b in self.burns if b.window_seconds == window_seconds), None)


@frozen(frozen=True, slots=True)
class VersionState:
    """One version of the model that has been seen."""

    version: str
    arm: str
    """``stable``, ``canary``, ``shadow``, ``experiment`` or "" (an old version without traffic)."""
    share: Reading
    """Share of the requests of the last five minutes, 0 to 1."""
    first_seen: float | None
    """Unix seconds; None when it was there before the data looked at (a day, or the rollout rule's window)."""
    last_seen: float | None


@frozen(frozen=True, slots=True)
class Versions:
    """Which version is stable, which on trial, and how that is known."""

    known_from: str
    """``rollout``, ``registry`` or ``traffic``: the first of them that says it; ``waiting`` while the rollout's
    controller has not answered for the first time, and the others are only heard meanwhile; ``unknown`` where a load
    balancer shares the traffic and nobody knows the versions' roles."""
    items: tuple[VersionState, ...]

    def arm(self, name: str) -> VersionState | None:
        """The version in this arm, None when there is none."""
        return next((v for v in self.items if v.arm == name), None)


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts of one name, version and deployment of a model, as one row."""

    name: str
    version: str
    deployment: str
    urgency: Urgency
    alerts: tuple[Alert, ...]
    """At least one; oldest first."""

    @property
    def state(self) -> str:
        """The loudest state among them."""
        order = ("firing", "pending", "inhibited", "silenced")
        return min((str(a.state) for a in self.alerts), key=order.index)

    @property
    def since(self) -> float:
        """Start of the oldest, Unix seconds."""
        return min(a.started_at for a in self.alerts)

    @property
    def silenced_until(self) -> float | None:
        """Unix seconds at which the first of them is heard again; None when none is known to be silenced till then."""
        return min((a.silenced_until for a in self.alerts if a.silenced_until is not None), default=None)


@frozen(frozen=True, slots=True)
class Reason:
    """One reason for the verdict, with its numbers."""

    verdict: Verdict
    urgency: Urgency
    rule: str
    """``alert``, ``burn rate``, ``budget``, ``rollout rule``, ``canary``, ``level``, ``pods``, ``quality``, ``drift``,
    ``features``, ``retrain``, ``zero tolerance``, ``registry``, ``rollout``, ``few events``, ``unknown``, ``source`` or
    ``objectives``."""
    subject: str
    """SLO, alert or source it is about."""
    text: str


@dataclass(frozen=True, slots=True)
class Trend:
    """One line of a chart: values on an even grid, None where there is nothing."""

    name: str
    """``p50``, ``p95``, ``p99`` or ``errors``."""
    version: str | None
    """None: all versions."""
    start: float
    """Unix seconds of the first point."""
    step: float
    """Seconds between points."""
    values: tuple[float | None, ...]
    """Seconds for percentiles, error ratio for errors; finite or None."""
    unit: str
    """``s`` or ``ratio``."""
    slo: str
    """Objective it belongs to."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A moment on the time axis."""

    at: float
    text: str


@frozen(frozen=True, slots=True)
class ModelState:
    """Everything known about one model at one time."""

    name: str
    notebook_version: str
    owners: tuple[str, ...]
    criticality: str
    verdict: Verdict
    urgency: Urgency
    urgency_rule: str
    """Which rule made the urgency; "" when there is none."""
    reasons: tuple[Reason, ...]
    """Most important first. Never empty: a passing model says what it passes."""
    slos: tuple[SloState, ...]
    versions: Versions
    alerts: tuple[AlertGroup, ...]
    """Most urgent first; other people's alerts are not in it."""
    trends: tuple[Trend, ...]
    markers: tuple[Marker, ...]
    data_at: float | None
    """Unix seconds of the oldest answer that the verdict rests on; None when nothing was answered."""
    runbook: str | None = None
    """Runbook file of the notebook, relative to it."""
    last_verdict: Verdict | None = None
    """While facts are missing: the verdict that the last complete facts gave."""
    last_verdict_at: float | None = None
    last_urgency: Urgency = Urgency.NONE
    notes: tuple[str, ...] = ()
    """What was done differently than usual: a rejected combined query asked one by one, and the like."""
    canary: CanaryReading | None = None
    """The version on trial against stable; None while there is no trial, or nothing is known of it yet."""
    drift: DriftReading | None = None
    """Features against their references; None where none is watched, or nothing is known yet."""
    quality: QualityReading | None = None
    """Figures and subgroups; None where the manifest names none, or nothing is known yet."""
    retrain: tuple[Trigger, ...] = ()
    """The manifest's retrain triggers, evaluated; triage says that one is due and never starts anything."""
    lineage: Lineage | None = None
    """What is registered, approved and aliased beside what serves; its ``known`` is False without a registry."""
    rollout: RolloutFacts | Failure | None = None
    """What the rollout's controller said last; None without one, or before it has answered."""
    feature_store: FeatureStoreReading | None = None
    """The feature views that the model reads; None where the notebook names none, or nothing is known yet."""
    closer: CloserReading | None = None
    """One feature's past, labels by prediction time, attributions; None while nobody looks that closely."""
    serving: ServingReading | None = None
    """Its pods and their work; None while nobody looks. The verdict does not rest on it."""
    last_seen: LastSeen | None = None
    """When a model was last heard of whose series outlive it; None where the manifest names no metric that tells."""
    value: ValueReading | None = None
    """What its answers are worth to the business; None where the manifest names nothing."""
    asked: tuple[str, ...] = ()
    """What the verdict would rest on as well and has never been answered: ``drift``, ``quality``, ``features``."""
    rollout_is_old: bool = False
    """Whether ``rollout`` was read too long ago to speak of the present."""
    lasting: tuple[Lasting, ...] = ()
    """Since when what the manifest rolls back for has held; () while nothing of it is met, or before it is known."""
