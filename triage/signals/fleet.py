"""A fleet in rows: of each model what a commander needs, worst first, and what the rows add up to. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.facts.frozen import frozen
from triage.facts.rollouts import RolloutFacts
from triage.signals.burn import DAY, HOUR
from triage.signals.drift_reading import verdicts
from triage.signals.drift_words import STANDS_AS
from triage.signals.fleet_activity import APPROVALS, DEPLOYS, RETRAINS, Activity, activity
from triage.signals.fleet_seen import LastSeen
from triage.signals.fleet_value import ValueReading
from triage.signals.model import ModelState, SloState
from triage.signals.reading import Quality, Urgency, Verdict

if TYPE_CHECKING:
    from triage.notebook.manifest import Manifest
    from triage.signals.deployed import Deployed

TOP = 5
ON_TRIAL = ("canary", "shadow", "experiment")
_ORDER = {Verdict.FAIL: 0, Verdict.UNKNOWN: 1, Verdict.WARN: 2, Verdict.PASS: 3}
_URGENCIES = {Urgency.PAGE: 0, Urgency.TICKET: 1, Urgency.NONE: 2}


@frozen(frozen=True, slots=True)
class Score:
    """One number of an objective, and which objective."""

    value: float | None
    """Share of the budget left (negative when overspent), or a burn rate; None when it cannot be told."""
    slo: str
    """"" when no objective has one."""
    quality: Quality
    n: float | None = None
    why: str = ""
    """Why there is no value, or what it rests on; "" when nothing is to be said."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The version beside stable."""

    version: str
    arm: str
    share: float | None
    """Of the requests, 0 to 1; None when it is not known."""
    verdict: str
    """The canary's verdict as a word; "" before there is one."""
    more_seconds: float | None
    """About how much longer it takes to decide; None when that is not known, or it is decided."""


@frozen(frozen=True, slots=True)
class DriftCount:
    """Watched features by how they stand."""

    drifting: int
    warning: int
    unknown: int
    total: int
    verdict: Verdict | None
    """None where nothing is watched."""


@frozen(frozen=True, slots=True)
class Deploy:
    """The last change of what serves."""

    at: float | None
    """Unix seconds; None when it is only known to be longer ago than ``before``."""
    before: float | None
    """Unix seconds at which it was there already, where ``at`` is None; None when nothing says it at all."""
    version: str
    source: str
    """``rollout`` (when its pods were first asked for), ``traffic`` (its first request), or "" for nobody."""


@frozen(frozen=True, slots=True)
class FleetRow:
    """One model, or a notebook that cannot be used."""

    name: str
    verdict: Verdict
    urgency: Urgency
    reason: str
    """The first one."""
    owner: str
    criticality: str
    health: Score
    """The lowest budget left of the required objectives; of all, where none is required."""
    budget: Score
    """The lowest budget left of all objectives."""
    burn: Score
    """The highest burn rate of the last hour."""
    trial: Trial | None
    drift: DriftCount
    pages: int
    tickets: int
    other_alerts: int
    deploy: Deploy
    seen_at: float | None
    """Unix seconds of the last word: as the manifest's metric says, else of the newest sample."""
    last_seen: LastSeen | None
    """None where the manifest names no metric for it."""
    activity: Activity
    value: ValueReading | None
    data_at: float | None
    """Unix seconds of the oldest answer that the verdict rests on."""
    last_verdict: Verdict | None = None
    """What the last complete facts said, while facts are missing."""
    is_broken: bool = False
    """The notebook cannot be used: nothing is asked."""


@dataclass(frozen=True, slots=True)
class FleetState:
    """All models, worst first."""

    rows: tuple[FleetRow, ...]
    verdicts: Mapping[Verdict, int]
    top: tuple[FleetRow, ...]
    """Those that burn fastest, fastest first; only what burns at all."""
    activity: Activity
    """Summed over those of which each is known."""
    told: Mapping[str, int]
    """Of how many models each of ``approvals``, ``deploys`` and ``retrains`` is known."""
    asked_every_seconds: float
    is_complete: bool = True
    """False until every model has been judged once."""


def fleet_row(manifest: Manifest, model: ModelState, said: Deployed, now: float) -> FleetRow:
    """The row of one model at ``now``."""
    required = [slo for slo in model.slos if slo.required]
    of_all = _lowest(model.slos, "no objective has a budget")
    sampled = [slo.now.sampled_at for slo in model.slos if slo.now.sampled_at is not None]
    seen = model.last_seen.newest_at if model.last_seen is not None else max(sampled, default=None)
    urgencies = [group.urgency for group in model.alerts]
    return FleetRow(
        model.name, model.verdict, model.urgency, model.reasons[0].text if model.reasons else "",
        model.owners[0] if model.owners else "", model.criticality,
        _lowest(required, "no required objective has a budget") if required else of_all, of_all, _burn(model.slos),
        _trial(model, now), _drift(model),
        urgencies.count(Urgency.PAGE), urgencies.count(Urgency.TICKET), urgencies.count(Urgency.NONE),
        _deploy(model, said, now), seen, model.last_seen, activity(manifest, said, now), model.value, model.data_at,
        model.last_verdict)


def broken_row(name: str, errors: Sequence[str]) -> FleetRow:
    """A notebook that cannot be used: its model is not taken for healthy."""
    nothing = Score(None, "", Quality.ERROR, why="its notebook cannot be used")
    first = errors[0] if errors else "no error was given"
    return FleetRow(name, Verdict.UNKNOWN, Urgency.NONE, f"its model notebook cannot be used: {first}", "", "", nothing,
                    nothing, nothing, None, DriftCount(0, 0, 0, 0, None), 0, 0, 0, Deploy(None, None, "", ""), None,
                    None, Activity(), None, None, is_broken=True)


def fleet_state(rows: Iterable[FleetRow], asked_every_seconds: float, *, is_complete: bool = True) -> FleetState:
    """What the rows add up to."""
    ordered = tuple(sorted(rows, key=_worst_first))
    burning = sorted((row for row in ordered if row.burn.value), key=lambda row: -(row.burn.value or 0.0))
    told = {name: [row.activity for row in ordered if getattr(row.activity, name) is not None]
            for name in (APPROVALS, DEPLOYS, RETRAINS)}
    summed = {name: sum(getattr(each, name) for each in known) if known else None for name, known in told.items()}
    bounds = frozenset(name for name, known in told.items() if any(name in each.at_least for each in known))
    return FleetState(ordered, Counter(row.verdict for row in ordered), tuple(burning[:TOP]),
                      Activity(summed[APPROVALS], "", summed[DEPLOYS], summed[RETRAINS], bounds),
                      {name: len(known) for name, known in told.items()}, asked_every_seconds, is_complete)


def _worst_first(row: FleetRow) -> tuple[int, int, float, float, str]:
    # What is not known is not 100 %: it comes before what is.
    health = row.health.value if row.health.value is not None else -math.inf
    return _ORDER[row.verdict], _URGENCIES[row.urgency], -(row.burn.value or 0.0), health, row.name


def _lowest(slos: Sequence[SloState], none: str) -> Score:
    """The least budget left. One that cannot be read is named: the others do not speak for it."""
    known = [(slo.budget.remaining, slo) for slo in slos
             if slo.budget is not None and slo.budget.quality is not Quality.LOW_N]
    unread = next((slo for slo in slos if slo.budget is None and slo.verdict is Verdict.UNKNOWN), None)
    young = next((slo for slo in slos if slo.budget is not None and slo.budget.quality is Quality.LOW_N), None)
    if not known:
        if young is not None and young.budget is not None:
            return Score(None, young.name, Quality.LOW_N, young.budget.total, young.budget.note)
        if unread is not None:
            return Score(None, unread.name, unread.now.quality, why=unread.sentence)
        return Score(None, "", Quality.NO_DATA, why=none)
    remaining, slo = min(known, key=lambda pair: pair[0])
    budget = slo.budget
    quality = slo.now.quality if slo.now.quality is Quality.STALE else Quality.OK if budget is None else budget.quality
    why = ""
    if unread is not None:
        why = f"{unread.name} cannot be read: {unread.sentence}"
    elif young is not None and young.budget is not None:
        why = f"that of {young.name} cannot be told yet: {young.budget.note}"
    return Score(remaining, slo.name, quality, budget.total if budget is not None else None, why)


def _burn(slos: Sequence[SloState]) -> Score:
    """The highest burn rate of the last hour, or of the shortest window that there is."""
    found = [(burn.rate, slo, burn) for slo in slos
             if (burn := slo.burn(HOUR) or (slo.burns[0] if slo.burns else None)) is not None
             and burn.rate is not None and burn.quality is not Quality.SUSPECT]
    if not found:
        unread = next((slo for slo in slos if slo.burns), None)
        return Score(None, "", unread.now.quality if unread is not None else Quality.NO_DATA,
                     why=unread.sentence if unread is not None else "no objective has a burn rate")
    rate, slo, burn = max(found, key=lambda item: item[0])
    return Score(rate, slo.name, slo.now.quality if slo.now.quality is Quality.STALE else burn.quality, burn.n)


def _trial(model: ModelState, now: float) -> Trial | None:
    version = next((v for v in model.versions.items if v.arm in ON_TRIAL), None)
    if version is None:
        return None
    reading = model.canary
    state = reading.state if reading is not None else None
    if state is None or reading is None:
        return Trial(version.version, version.arm, version.share.value, "", None)
    word = "stale" if reading.is_stale(now) else str(state.verdict)
    return Trial(version.version, version.arm, version.share.value, word,
                 state.more_seconds if word == "insufficient" else None)


def _drift(model: ModelState) -> DriftCount:
    reading = model.drift
    if reading is None:
        return DriftCount(0, 0, 0, 0, None)
    stands = [STANDS_AS[verdict] for verdict in verdicts(reading, model.versions)]
    order = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN, Verdict.PENDING, Verdict.LOW_N)
    worst = next((verdict for verdict in order if verdict in stands), Verdict.PASS if stands else Verdict.UNKNOWN)
    unknown = sum(map(stands.count, (Verdict.UNKNOWN, Verdict.PENDING, Verdict.LOW_N)))
    return DriftCount(stands.count(Verdict.FAIL), stands.count(Verdict.WARN), unknown, len(stands), worst)


def _deploy(model: ModelState, said: Deployed, now: float) -> Deploy:
    rollout = said.rollout
    if isinstance(rollout, RolloutFacts):
        born = [(revision.created_at, revision.version) for revision in (rollout.stable, rollout.canary)
                if revision is not None and revision.created_at is not None]
        if born:
            at, version = max(born)
            return Deploy(at, None, version, "rollout")
    serving = [v for v in model.versions.items if v.arm]
    begun = [(v.first_seen, v.version) for v in serving if v.first_seen is not None]
    if begun:
        at, version = max(begun)
        return Deploy(at, None, version, "traffic")
    if serving:
        return Deploy(None, now - DAY, serving[0].version, "traffic")
    return Deploy(None, None, "", "")
