"""One incident from page to closing, as its log holds it."""

from __future__ import annotations

from dataclasses import replace

from tests.incident.stories import ANN, BOB, alert, entry, opened, verdict
from triage.incident.entries import NO_CHANGE, Entry, Kind, Source
from triage.incident.incident import Incident, replay

NUMBERS = {"latency": "98.9 %, n 37,800, objective 99.0 %", "success": "99.94 %, n 37,800, objective 99.9 %"}
AFTER = {"latency": "99.5 %, n 38,100, objective 99.0 %", "success": "99.95 %, n 38,100, objective 99.9 %"}


def _step(minutes: float, name: str, state: str, text: str, query: str = "") -> Entry:
    details = {"runbook": "canary-slow", **({"query": query} if query else {})}
    return entry(Kind.STEP, minutes, text, about=name, state=state, source=Source.RUNBOOK,
                 origin=f"runbook:{name}{state}", details=details)


def _action(minutes: float, state: str, text: str, over: str = "") -> Entry:
    return entry(Kind.ACTION, minutes, text, about="3f9ac21e", state=state, source=Source.ACTIONS,
                 origin=f"action:{state}", details={"title": "ROLL BACK fraud-scorer to v7",
                                                    **({"over": over} if over else {})})


LOG = (
    replace(opened(), text="canary v8 is slower: 80.0 % under 500 ms against 99.6 % on v7"),
    entry(Kind.DEPLOYMENT, -11, "v8 takes its first traffic, as canary", about="arm canary", state="v8",
          source=Source.FACTS),
    entry(Kind.ALIAS, 0, "alias champion is on 7", about="alias champion", state="7", source=Source.FACTS,
          details={"baseline": "yes"}),
    alert(-2),
    replace(verdict(0, "fail, page"), details=NUMBERS),
    entry(Kind.NOTE, -5, "support hears of declined cards | see `#payments` @channel <b>now</b>",
          written_at=1763900060.0, id="n1"),
    entry(Kind.ROLE, 1, "commander is ann", about="commander", state=ANN),
    _step(2, "canary", "passed", "step 1 Is it the canary only? passed: v8 80.0 %, v7 99.6 %",
          'histogram_quantile(0.95, sum by (le) (rate(latency_bucket{model="fraud-scorer"}[5m])))'),
    _step(3, "store", "failed", "step 2 Is the feature store fresh? failed: age 41 min, limit 30"),
    entry(Kind.HYPOTHESIS, 4, "amounts are skewed by the stale store", id="h1"),
    entry(Kind.CELL, 5, "cell compare-amount: fail: 19.7 % take over 500 ms", about="compare-amount", state="fail",
          source=Source.CELLS, origin="cell:run-1", details={"run": "run-1"}),
    entry(Kind.SETTLED, 5.5, "the cell shows it", about="h1", state="confirmed", by=BOB),
    entry(Kind.DECISION, 6, "roll back to v7", id="d1"),
    entry(Kind.NEED, 6.5, "somebody of the feature store", id="w1"),
    _action(7, "confirmed", "ROLL BACK fraud-scorer to v7, confirmed: canary v8 is slower"),
    _action(7.1, "sent", "abort the rollout: done"),
    entry(Kind.SOURCE, 8, "prometheus does not answer: connect timeout", about="source prometheus", state="down",
          source=Source.FACTS),
    entry(Kind.SOURCE, 9, "prometheus answers again after 1 m 00 s", about="source prometheus", state="ok",
          source=Source.FACTS),
    _action(12, "done", "ROLL BACK fraud-scorer to v7: v7 takes everything, latency recovered", over="yes"),
    verdict(12, "warn, ticket"),
    entry(Kind.UPDATE, 13, "status update given, the next one in 30 min", details={"next_seconds": "1800"}),
    entry(Kind.HANDOFF, 14, "hands the incident to bob", about="bob", id="ho",
          details={"state": "mitigated", "do not touch": "the store's backfill", "next check": "15:00"}),
    entry(Kind.ACCEPTED, 15, "bob has the incident now", about="ho", by="bob"),
    entry(Kind.MET, 16, "cy is on it", about="w1", by="bob"),
    _step(17, "verify", "skipped", "step 6 Verify skipped: the dashboard of the team shows it"),
    alert(18, "ended"),
    replace(verdict(20, "pass"), details=AFTER),
    entry(Kind.TIME, -20, "first complaint in the ticket", about="impact started", written_at=1763900000.0 + 1300),
    entry(Kind.EDITED, -5, "support hears of declined cards since 13:55", about="n1", written_at=1763900000.0 + 1320),
    entry(Kind.CLOSED, 25, "every step was there; the store gets an alert of its own", state=NO_CHANGE, by="bob"),
)


def incident() -> Incident:
    return replay("INC-0001", LOG)
