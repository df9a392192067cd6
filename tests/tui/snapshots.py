"""Snapshots as the screens are shown them: one builder per state of the world."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace

from tests.tui import deploys, drifts, trials
from triage.facts.alerts import Alert, AlertState
from triage.facts.outcome import SourceHealth, SourceState
from triage.live.snapshot import BrokenNotebook, Snapshot
from triage.signals.canary_reading import CanaryReading
from triage.signals.model import (
    AlertGroup,
    Budget,
    Burn,
    GroupCount,
    Marker,
    ModelState,
    Quantiles,
    Reason,
    SloKind,
    SloState,
    Tier,
    Trend,
    Versions,
    VersionState,
)
from triage.signals.reading import Quality, Reading, Urgency, Verdict
from triage.text import clean

NOW = 1_795_444_380.0
"""23 November 2026, 14:33 UTC."""
MINUTE = 60.0
WINDOWS = (300.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0, 259200.0)


def ratio(value: float | None, n: float | None = 37_800, quality: Quality = Quality.OK, note: str = "") -> Reading:
    return Reading(value, "ratio", quality, n, 3600, NOW - 3, note=note)


def seconds(value: float | None, n: float | None = 37_800, *, at_least: bool = False) -> Reading:
    return Reading(value, "s", Quality.OK if value is not None else Quality.NO_DATA, n, 300, NOW - 3, at_least=at_least)


def burns(*rates: float | None, quality: Quality = Quality.OK) -> tuple[Burn, ...]:
    padded = (*rates, *([rates[-1]] * (len(WINDOWS) - len(rates))))
    return tuple(Burn(w, r, None if r is None else 10.5 * w, quality) for w, r in zip(WINDOWS, padded, strict=True))


def tiers(firing: Urgency = Urgency.NONE) -> tuple[Tier, ...]:
    return (Tier(Urgency.PAGE, 3600, 300, 14.4, firing is Urgency.PAGE, True),
            Tier(Urgency.PAGE, 21600, 1800, 6.0, False, True),
            Tier(Urgency.TICKET, 86400, 7200, 3.0, firing is Urgency.TICKET, True),
            Tier(Urgency.TICKET, 259200, 21600, 1.0, False, True, "only 40 of 1,000 events"))


def budget(remaining: float, total: float = 27_216_000, objective: float = 99.0) -> Budget:
    allowed = total * (1 - objective / 100)
    return Budget(2_592_000, (1 - remaining) * allowed, total, allowed, remaining, Quality.OK,
                  None if remaining > 0.9 else 0.0 if remaining < 0 else 410_000.0, 1_900_000.0)


def slo(name: str, kind: SloKind = SloKind.RATIO, objective: float | None = 99.9, value: float | None = 0.9994,
        verdict: Verdict = Verdict.PASS, sentence: str = "", left: float | None = 0.87, **more: object) -> SloState:
    made = SloState(
        name,
        kind,
        True,
        objective,
        None,
        "",
        "request",
        ratio(value),
        burns(0.6, 0.6, 0.6, 0.5, 0.5),
        tiers(),
        None if left is None else budget(left, objective=objective or 99),
        verdict,
        Urgency.NONE,
        sentence or f"{name}: 99.94 % of 37,800 good in the last hour, 87 % of the budget left",
    )
    return replace(made, **more)  # type: ignore[arg-type]


def curve(count: int, base: float, swing: float, jump_at: int | None = None, jump: float = 0.0) -> tuple[float, ...]:
    return tuple(base + swing * math.sin(i / 5) * math.cos(i / 17)
                 + (jump * min(1.0, (i - jump_at) / 6) if jump_at is not None and i >= jump_at else 0.0)
                 for i in range(count))


def trend(name: str, version: str | None, values: tuple[float | None, ...], slo_name: str = "latency",
          step: float = MINUTE) -> Trend:
    end = NOW - NOW % step
    return Trend(
        name, version, end - step * (len(values) - 1), step, values, "s" if name != "errors" else "ratio", slo_name
    )


def latency(**more: object) -> SloState:
    values: dict[str, object] = {
        "objective": 99.0, "kind": SloKind.LATENCY, "threshold": 0.5, "threshold_side": "at_most",
        "now": ratio(0.9962), "burns": burns(0.4, 0.4, 0.4, 0.4, 0.5), "budget": budget(0.91),
        "quantiles": (Quantiles(None, seconds(0.118), seconds(0.441), seconds(0.603)),),
        "sentence": "latency: 99.6 % of 37,800 under 500 ms, 91 % of the budget left",
        "findings": ("the tier 14.4x over 1 h needs 14.4 % slow requests",)}
    return replace(slo("latency"), **(values | more))  # type: ignore[arg-type]


def alert(name: str, state: AlertState = AlertState.FIRING, minutes: float = 14, severity: str = "page",
          version: str = "v8", **labels: str) -> Alert:
    marks = {"alertname": name, "model": "fraud-scorer", "severity": severity, "model_version": version, **labels}
    return Alert(f"{abs(hash_of(name)):016x}", marks, {"summary": f"{name} on {version}", "runbook_url": "https://runbooks.example/x"},
                 state, NOW - minutes * 60, "http://prometheus.example/graph?g0.expr=up%20%3D%3D%200&g0.tab=1",
                 ("7d2b1c0e-0000-4000-8000-000000000001",) if state is AlertState.SILENCED else ())


def hash_of(name: str) -> int:
    value = 7
    for character in name:
        value = (value * 131 + ord(character)) % (1 << 60)
    return value


def group(*alerts: Alert, urgency: Urgency = Urgency.PAGE, deployment: str = "") -> AlertGroup:
    return AlertGroup(alerts[0].name, alerts[0].labels.get("model_version", ""), deployment, urgency, alerts)


def schema(bad: float = 0) -> SloState:
    groups = (
        GroupCount("amount", bad, 37_800),
        GroupCount("country", 0, 37_800),
        GroupCount("merchant_age", 0, 37_800),
    )
    return slo("schema", objective=100.0, value=1 - bad / 37_800, left=None, burns=(), tiers=(), by_label="feature",
               by_group=groups, verdict=Verdict.WARN if bad else Verdict.PASS,
               sentence=f"schema: {bad:.0f} bad of 37,800, zero tolerance")


def accuracy() -> SloState:
    return slo("accuracy", SloKind.GAUGE, None, None, Verdict.PENDING, left=None, burns=(), tiers=(), threshold=0.92,
               threshold_side="at_least", required=False,
               now=Reading(None, "", Quality.PENDING, note="12 % of labels in, due after 18:00"),
               sentence="accuracy: 12 % of labels in, due after 18:00")


def healthy() -> Snapshot:
    latency_trends = tuple(trend(n, None, curve(61, b, s)) for n, b, s in
                           (("p50", 0.118, 0.01), ("p95", 0.44, 0.03), ("p99", 0.603, 0.05)))
    model = ModelState(
        "fraud-scorer",
        "8",
        ("payments-ml", "platform-sre"),
        "revenue",
        Verdict.PASS,
        Urgency.NONE,
        "",
        (
            Reason(
                Verdict.PASS,
                Urgency.NONE,
                "burn rate",
                "latency",
                "4 of 4 objectives met: latency 99.6 % under 500 ms, success 99.94 %, n 37,800",
            ),
        ),
        (latency(), slo("success"), schema(), accuracy()),
        Versions(
            "traffic", (VersionState("v7", "stable", Reading(1.0, "ratio", Quality.OK, 3150, 300, NOW - 3), None, NOW),)
        ),
        (),
        (*latency_trends, trend("errors", None, curve(61, 0.0006, 0.0002), "success")),
        (),
        NOW - 3,
        "runbook.md",
    )
    return Snapshot(NOW, "prod-eu", True, (model,), (), sources(), ("churn-ranker", "chat-assistant"))


def sources(
    prometheus: SourceState = SourceState.OK, alertmanager: SourceState = SourceState.OK
) -> tuple[SourceHealth, ...]:
    return (SourceHealth("prometheus", prometheus, NOW - 7000, NOW - 3, None, "", 0.08),
            SourceHealth("alertmanager", alertmanager, NOW - 7000, NOW - 3, None, "", 0.02))


def with_model(snapshot: Snapshot, **changes: object) -> Snapshot:
    return replace(snapshot, models=(replace(snapshot.models[0], **changes), *snapshot.models[1:]))  # type: ignore[arg-type]


def canary_failing() -> Snapshot:
    share = {v: Reading(s, "ratio", Quality.OK, 3150, 300, NOW - 3) for v, s in (("v7", 0.9), ("v8", 0.1))}
    slow = latency(
        verdict=Verdict.WARN, urgency=Urgency.TICKET, now=ratio(0.989), burns=burns(2.4, 1.6, 1.1, 0.9, 0.5),
        budget=budget(0.58), sentence="latency: 98.9 % of 37,800 under 500 ms, objective 99 %",
        quantiles=(Quantiles("v7", seconds(0.118), seconds(0.441), seconds(0.603)),
                   Quantiles("v8", seconds(0.201), seconds(0.622), seconds(10.0, at_least=True))))
    trends = (trend("p95", "v7", curve(61, 0.42, 0.03)),
              trend("p95", "v8", (*[None] * 38, *curve(23, 0.44, 0.01, 8, 0.19))),
              trend("errors", "v7", curve(61, 0.0006, 0.0002), "success"),
              trend("errors", "v8", (*[None] * 38, *curve(23, 0.0007, 0.0003)), "success"))
    reasons = (
        Reason(
            Verdict.FAIL,
            Urgency.PAGE,
            "rollout rule",
            "latency",
            "canary v8 is slower: 80.0 % under 500 ms against 99.6 % on v7 (allowed -0.5 points), burns 20x, n 1,386",
        ),
        Reason(Verdict.WARN, Urgency.PAGE, "alert", "CanaryLatency", "CanaryLatency fires on v8 for 13 min"),
        Reason(
            Verdict.WARN,
            Urgency.TICKET,
            "zero tolerance",
            "schema",
            "schema: 4 bad of 37,800, amount of the wrong type",
        ),
    )
    return with_model(
        healthy(), verdict=Verdict.FAIL, urgency=Urgency.PAGE, urgency_rule="rollout rule", reasons=reasons,
        slos=(slow, slo("success"), schema(4), accuracy()), trends=trends,
        markers=(Marker(NOW - 23 * 60, "v8"),),
        versions=Versions("traffic", (VersionState("v7", "stable", share["v7"], None, NOW),
                                      VersionState("v8", "canary", share["v8"], NOW - 1380, NOW))),
        alerts=(group(alert("CanaryLatency")),
                group(alert("FeatureAge", minutes=41, severity="ticket", version="v7"), urgency=Urgency.TICKET),
                group(alert("HighMemory", AlertState.SILENCED, 190, "ticket", "v7"), urgency=Urgency.TICKET)),
        canary=trials.failing(NOW))


def prometheus_lost() -> Snapshot:
    seen = canary_failing()
    gone_at = NOW - 252
    stale = tuple(replace(s, verdict=Verdict.UNKNOWN if s.verdict is not Verdict.PENDING else s.verdict,
                          now=replace(s.now, quality=Quality.STALE if s.now.value is not None else s.now.quality,
                                      sampled_at=gone_at))
                  for s in seen.models[0].slos)
    shares = tuple(replace(v, share=replace(v.share, quality=Quality.STALE)) for v in seen.models[0].versions.items)
    trends = tuple(replace(t, start=t.start - 300) for t in seen.models[0].trends)
    lost = with_model(
        seen,
        verdict=Verdict.UNKNOWN,
        urgency=Urgency.NONE,
        urgency_rule="",
        slos=stale,
        data_at=gone_at,
        trends=trends,
        versions=replace(seen.models[0].versions, items=shares),
        last_verdict=Verdict.FAIL,
        last_urgency=Urgency.PAGE,
        last_verdict_at=gone_at,
        canary=trials.stale(NOW, NOW - gone_at),
        reasons=(Reason(Verdict.UNKNOWN, Urgency.NONE, "source", "prometheus", "Prometheus does not answer"),),
    )
    health = (
        SourceHealth("prometheus", SourceState.DOWN, gone_at, gone_at, NOW + 8, "connect timeout", None),
        sources()[1],
    )
    return replace(lost, sources=health)


def just_lost() -> Snapshot:
    """Prometheus did not answer a moment ago; its figures are seconds old and the verdict still stands."""
    down = SourceHealth("prometheus", SourceState.DOWN, NOW - 2, NOW - 9, NOW + 4, "timeout: no answer within 10 s")
    return replace(with_model(healthy(), data_at=NOW - 9), sources=(down, sources()[1]))


def waiting() -> Snapshot:
    state = Verdict.UNKNOWN
    asking = tuple(
        replace(
            s,
            verdict=state,
            budget=None,
            burns=(),
            tiers=(),
            by_group=(),
            sentence="asked, not answered yet",
            now=Reading(None, s.now.unit, Quality.WAITING),
        )
        for s in healthy().models[0].slos
    )
    return replace(
        with_model(
            healthy(),
            verdict=state,
            slos=asking,
            trends=(),
            data_at=None,
            versions=Versions("traffic", ()),
            reasons=(Reason(state, Urgency.NONE, "unknown", "latency", "asked, not answered yet"),),
        ),
        sources=tuple(
            replace(s, since=None, last_ok_at=None) for s in sources(SourceState.WAITING, SourceState.WAITING)
        ),
    )


def half_answered() -> Snapshot:
    """A second after the start: the hour has been answered, the longer windows are still asked."""
    asked = slo(
        "success",
        verdict=Verdict.UNKNOWN,
        left=None,
        burns=tuple(replace(b, rate=None, quality=Quality.WAITING) if b.window_seconds >= 86400 else b
                    for b in burns(0.6, 0.6, 0.6, 0.5, 0.5)),
        sentence="the 24h window: asked, not answered yet",
        asked=(86400.0, 259200.0, 2592000.0),
    )
    reason = Reason(Verdict.UNKNOWN, Urgency.NONE, "unknown", "success", f"success {asked.sentence}")
    return with_model(healthy(), slos=(latency(), asked, schema(), accuracy()), verdict=Verdict.UNKNOWN, trends=(),
                      reasons=(reason,))


def idle() -> Snapshot:
    quiet = tuple(
        replace(
            s,
            verdict=Verdict.UNKNOWN,
            budget=None,
            burns=burns(None, quality=Quality.NO_TRAFFIC),
            by_group=(),
            sentence=f"{s.name}: no requests in the last hour",
            now=Reading(None, "ratio", Quality.NO_TRAFFIC, 0, 3600, NOW - 3, note="0 of 0 requests in 1 h"),
        )
        for s in healthy().models[0].slos[:3]
    )
    trends = (trend("p95", None, (None,) * 61), trend("errors", None, (None,) * 61, "success"))
    return with_model(healthy(), verdict=Verdict.UNKNOWN, slos=quiet, trends=trends, versions=Versions("traffic", ()),
                      reasons=(Reason(Verdict.UNKNOWN, Urgency.NONE, "unknown", "latency",
                                      "latency is required and has no traffic: 0 of 0 requests in 1 h"),))


def partial() -> Snapshot:
    half = latency(
        now=replace(ratio(0.9962), quality=Quality.PARTIAL, note="store eu-2 did not answer"), verdict=Verdict.UNKNOWN
    )
    few = slo(
        "success", now=replace(ratio(0.98, 50), quality=Quality.LOW_N, note="50 of 200 events"), verdict=Verdict.UNKNOWN
    )
    health = (replace(sources(SourceState.PARTIAL)[0], since=NOW - 600, error="store eu-2 did not answer"),
              SourceHealth("alertmanager", SourceState.OFF))
    return replace(
        with_model(
            healthy(),
            verdict=Verdict.UNKNOWN,
            slos=(half, few, schema(), accuracy()),
            notes=("the combined query was rejected (422): asked one by one",),
            reasons=(
                Reason(
                    Verdict.UNKNOWN,
                    Urgency.NONE,
                    "unknown",
                    "latency",
                    "latency is required and partial: store eu-2 did not answer",
                ),
            ),
        ),
        sources=health,
    )


def too_few() -> Snapshot:
    """A quiet hour of one objective, and a server too young for another's budget."""
    quiet = slo(
        "success",
        value=1.0,
        now=replace(ratio(1.0, 40), quality=Quality.LOW_N, note="40 events, 70 needed"),
        verdict=Verdict.LOW_N,
        sentence="100 % good, n 40 in 1h: too few to judge 1h (40 events, 70 needed); 87 % of the budget of 30d left",
    )
    note = "0.5 bad events allowed so far, 0 bad, all events in the last 5m: too few to judge a 30d budget"
    young = slo(
        "tokens",
        value=1.0,
        now=ratio(1.0, 546),
        verdict=Verdict.LOW_N,
        required=False,
        budget=Budget(2_592_000, 0, 546, 0.546, 1.0, Quality.LOW_N, None, 300, note),
        sentence=f"100 % good, n 546 in 1h; {note}",
    )
    said = "2 objectives met, 2 with too few events, n 37,800 in 1h; least budget: latency 91 % left"
    reasons = [Reason(Verdict.PASS, Urgency.NONE, "objectives", "objectives", said),
               Reason(Verdict.LOW_N, Urgency.NONE, "few events", "success", f"success {quiet.sentence}"),
               Reason(Verdict.LOW_N, Urgency.NONE, "few events", "tokens", f"tokens {young.sentence} (not required)")]
    return with_model(healthy(), slos=(latency(), quiet, young, schema(), accuracy()), reasons=tuple(reasons))


HOSTILE = (
    "\x1b]52;c;aGk=\x07",
    "\x1b[2J\x1b[31mred",
    "[@click=app.quit]x[/]",
    "[/foo]",
    "a\u202egnp.exe",
    "\u009b31m",
    "x" * 10_000,
    "日本語モデル",
    "e\u0301" * 9,
    "\U0001f468\u200d\U0001f469",
    "\r\n\ttabs",
    "$(reboot)",
    "\x00nul",
)


def hostile() -> Snapshot:
    """Names and texts as an attacker would write them, cleaned as every source cleans them."""
    words = [clean(w, limit=200) for w in HOSTILE]
    groups = tuple(AlertGroup(w, words[-n], w, Urgency.PAGE, (replace(alert("X"), labels={"alertname": w, w: w},
                                                                      annotations={"summary": w, w: w}),))
                   for n, w in enumerate(words))
    slos = tuple(
        slo(w, sentence=w, by_label=w, by_group=(GroupCount(w, 3, 9),), findings=(w,), description=w) for w in words
    )
    made = with_model(canary_failing(), name=words[7], alerts=groups, slos=slos, notes=tuple(words), runbook=words[2],
                      reasons=tuple(Reason(Verdict.FAIL, Urgency.PAGE, "alert", w, w) for w in words),
                      markers=(Marker(NOW - 900, words[7]), Marker(NOW - 600, words[0])),
                      versions=Versions(words[0], tuple(VersionState(w, "", ratio(0.1), NOW - 60, NOW) for w in words)))
    metrics = tuple(trials.share(w, 0.99, 0.9, trials.FAIL, w) for w in words)
    made = with_model(made, canary=replace(trials.reading(NOW, metrics, both_moved=words[2], split=words[4],
                                                          stable=words[7], canary=words[6]), warnings=tuple(words)))
    broken = tuple(BrokenNotebook(w, w + "/manifest.yaml", (w, w)) for w in words[:3])
    health = (replace(sources(SourceState.DOWN)[0], error=words[1], next_try_at=NOW + 4), sources()[1])
    return replace(made, context=words[7], broken=broken, sources=health, other_models=tuple(words))


def many_slos() -> Snapshot:
    slos = tuple(
        slo(
            f"objective-{n:02d}",
            verdict=Verdict.FAIL if n == 33 else Verdict.WARN if n == 21 else Verdict.PASS,
            value=0.99 if n in (21, 33) else 0.9994,
        )
        for n in range(40)
    )
    return with_model(healthy(), slos=slos)


def broken_notebook() -> Snapshot:
    return replace(healthy(), broken=(BrokenNotebook(
        "ads-pacing", "notebooks/ads-pacing/manifest.yaml",
        ("manifest.yaml:14: spec.slos[0].objective: is 0.999, a fraction where percent is meant (write 99.9)",
         "manifest.yaml:20: spec.runbok: unknown field (did you mean runbook?)")),))


def broken_asked_for() -> Snapshot:
    """The notebook of the model named on the command line cannot be used: no other model is in its place."""
    made = broken_notebook()
    return replace(made, models=(), other_models=("fraud-scorer", *made.other_models))


def on_trial(canary: CanaryReading | None) -> Snapshot:
    """A healthy model with a version beside it, and what is known of that."""
    versions = canary_failing().models[0].versions
    arm = canary.state.arm if canary is not None and canary.state is not None else "canary"
    stable, trial = versions.items
    return with_model(healthy(), canary=canary, versions=replace(versions, items=(stable, replace(trial, arm=arm))))


TRIALS = {"few": trials.few, "pass": trials.passing, "shadow": trials.shadow, "both": trials.both,
          "stale": trials.stale, "partial": trials.partial, "unread": trials.unread, "unreadable": trials.unreadable}


def on_trial_at(made: Callable[[float], CanaryReading]) -> Snapshot:
    return on_trial(made(NOW))


def trial_begun() -> Snapshot:
    """The version is there, and no interval of the comparison is full."""
    return on_trial(None)


ALL: dict[str, Callable[[], Snapshot]] = {
    "healthy": healthy, "canary": canary_failing, "lost": prometheus_lost, "waiting": waiting, "idle": idle,
    "few": too_few, "just-lost": just_lost, "half": half_answered,  "partial": partial,
    "hostile": hostile, "many": many_slos, "broken": broken_notebook, "broken-asked": broken_asked_for,
    "trial-begun": trial_begun,
    **{f"trial-{name}": functools.partial(on_trial_at, made) for name, made in TRIALS.items()}}


def drifted(name: str) -> Snapshot:
    """A model whose features are watched; the trial of ``canary`` where arms are told apart."""
    made = healthy() if name not in ("both", "apart") else canary_failing()
    return with_model(made, drift=drifts.READINGS[name](NOW))


def deployed(name: str) -> Snapshot:
    """A healthy model with a version beside it, and what registry and controller say of them."""
    made = on_trial(trials.passing(NOW))
    gone = SourceHealth("kubernetes", SourceState.DOWN, NOW - 240, NOW - 240, None, "connect: connection refused")
    extra = (gone,) if name == "stale" else ()
    model = deploys.STATES["paused" if name == "stale" else name](made.models[0], NOW)
    return replace(made, models=(model,), sources=(*made.sources, *extra))


ALL |= {f"deployed-{name}": functools.partial(deployed, name) for name in (*deploys.STATES, "stale")}
ALL |= {f"drift-{name}": functools.partial(drifted, name) for name in drifts.READINGS}


def moving(count: int, interval: float = 1.0) -> list[Snapshot]:
    """``count`` snapshots, ``interval`` seconds apart; in each two values are new, and charts move too."""
    out = []
    for number in range(count):
        at = NOW + number * interval
        made = canary_failing()
        first, second, *rest = made.models[0].slos
        slow = replace(first, now=replace(first.now, value=0.989 - 0.0011 * (number % 7)))
        fine = replace(second, burns=tuple(replace(b, rate=0.6 + 0.1 * (number % 5)) if b.window_seconds == 300 else b
                                           for b in second.burns))
        trends = tuple(replace(t, start=t.start + t.step * int((at - t.start) // t.step - len(t.values) + 1))
                       for t in made.models[0].trends)
        out.append(replace(with_model(made, slos=(slow, fine, *rest), trends=trends, data_at=at - 1), at=at))
    return out
