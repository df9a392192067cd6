"""Fleets as the fleet screen is shown them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.tui import snapshots
from triage.live.snapshot import Snapshot
from triage.signals.fleet import (
    Deploy,
    DriftCount,
    FleetRow,
    FleetState,
    Score,
    Trial,
    broken_row,
    fleet_state,
)
from triage.signals.fleet_activity import APPROVALS, Activity
from triage.signals.fleet_seen import LastSeen
from triage.signals.fleet_value import ValueReading
from triage.signals.reading import Quality, Reading, Urgency, Verdict

NOW = snapshots.NOW
DAY = 86400.0


def score(value: float | None, slo: str, quality: Quality = Quality.OK, n: float | None = 37_800,
          why: str = "") -> Score:
    return Score(value, slo, quality, n, why)


def row(name: str, **changes: object) -> FleetRow:
    """A healthy model."""
    base = FleetRow(
        name, Verdict.PASS, Urgency.NONE, "3 objectives met, n 37,800 in 1h; least budget: success 91 % left",
        "assist-ml", "internal", score(0.91, "success"), score(0.91, "success"), score(0.2, "success"), None,
        DriftCount(0, 0, 0, 12, Verdict.PASS), 0, 0, 0, Deploy(None, NOW - DAY, "v31", "traffic"), NOW - 4, None,
        Activity(1, "registry", 2, 1, frozenset({APPROVALS})), None, NOW - 4)
    return replace(base, **changes)  # type: ignore[arg-type]


def value(change: float = -0.18, verdict: Verdict = Verdict.FAIL) -> ValueReading:
    now = Reading(12_400.0, "EUR", Quality.OK, window_seconds=DAY)
    return ValueReading("fraud-prevented", now, 12_400.0 / (1 + change), "recall", "0.83", verdict)


def rows() -> tuple[FleetRow, ...]:
    fraud = row("fraud-scorer", verdict=Verdict.FAIL, urgency=Urgency.PAGE, owner="payments-ml",
                reason="canary v8 is slower: 80.0 % under 500 ms against 99.6 % on v7, burns 20x, n 1,386",
                health=score(0.58, "latency"), budget=score(0.58, "latency"), burn=score(1.1, "latency"),
                trial=Trial("v8", "canary", 0.1, "fail", None), drift=DriftCount(1, 0, 2, 12, Verdict.FAIL),
                pages=1, tickets=1, deploy=Deploy(NOW - 1320, None, "v8", "rollout"), value=value())
    moderation = row("image-moderation", verdict=Verdict.FAIL, urgency=Urgency.PAGE, owner="trust-ml",
                     reason="latency burns 15.1x over 1h and 16.0x over 5m (page above 14.4x)",
                     health=score(-0.04, "latency"), budget=score(-0.04, "latency"), burn=score(15.1, "latency"),
                     pages=1, deploy=Deploy(NOW - 9 * DAY, None, "5", "rollout"),
                     activity=Activity(0, "notebook", None, None))
    churn = row("churn-ranker", verdict=Verdict.WARN, urgency=Urgency.TICKET, owner="growth-ml", tickets=1,
                reason="drift of 3 features", health=score(0.62, "table-freshness"), burn=score(1.4, "run-success"),
                drift=DriftCount(0, 3, 0, 40, Verdict.WARN), trial=Trial("14", "shadow", None, "fail", None))
    ads = row("ads-pacing", verdict=Verdict.UNKNOWN, owner="ads", reason="latency: no such series",
              health=score(None, "latency", Quality.NO_DATA, None, "no such series"),
              budget=score(None, "latency", Quality.NO_DATA, None, "no such series"),
              burn=score(None, "", Quality.NO_DATA, None), drift=DriftCount(0, 0, 0, 0, None), seen_at=None,
              deploy=Deploy(None, None, "", ""), activity=Activity())
    edge = row("shelf-counter", verdict=Verdict.UNKNOWN, owner="stores", seen_at=NOW - 3 * DAY,
               reason="whether it still runs is not known: last heard of 3 d ago, 1 d allowed",
               last_seen=LastSeen(NOW - 3 * DAY, NOW - 20 * DAY, DAY, Quality.STALE, "last heard of 3 d ago"))
    chat = row("chat-assistant", trial=Trial("v31", "canary", 0.25, "insufficient", 2400.0),
               value=replace(value(0.05, Verdict.PASS), name="answered", quality_name="helpful", quality_text="0.81"))
    return fraud, moderation, churn, ads, edge, chat


def fleet(*more: FleetRow) -> FleetState:
    broken = broken_row("loan-approval", ("spec.slos[0].sli: names no metric", "another"))
    return fleet_state((*rows(), broken, *more), 5.0)


def shown(state: FleetState | None) -> Snapshot:
    return replace(snapshots.healthy(), fleet=state)


def many(count: int) -> Snapshot:
    return shown(fleet(*(row(f"model-{n:04d}", burn=score(n / 10_000, "success")) for n in range(count))))


def moving(count: int) -> list[Snapshot]:
    """``count`` snapshots of a thousand models, a second apart: the burn rate and health of every fourth are new."""
    before = many(1000)
    assert before.fleet is not None
    out = []
    for number in range(count):
        changed = [item if index % 4 or item.burn.value is None or item.health.value is None else replace(
            item, burn=replace(item.burn, value=item.burn.value + 0.1 * (number % 3)),
            health=replace(item.health, value=item.health.value - 0.01 * (number % 5)), data_at=NOW + number - 4)
            for index, item in enumerate(before.fleet.rows)]
        out.append(replace(before, at=NOW + number, fleet=fleet_state(changed, 15.0)))
    return out


def lost() -> Snapshot:
    return replace(snapshots.prometheus_lost(), fleet=fleet())


STATES: dict[str, Callable[[], Snapshot]] = {
    "fleet": lambda: shown(fleet()),
    "fleet-waiting": lambda: shown(fleet_state((), 5.0, is_complete=False)),
    "fleet-unasked": lambda: shown(None),
    "fleet-well": lambda: shown(fleet_state([row("chat-assistant"), row("fraud-scorer")], 5.0)),
    "fleet-lost": lost,
    "fleet-many": lambda: many(1000),
}
