"""Objectives on levels: gauges, ages, rates and means that must stay on one side of a limit.

Events are points in time: the share of bad ones over a window is what burn rates are made of, and a level counts as bad
for good only when every point of ``sustained`` was bad.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from triage.facts.replies import UNASKED, Part, Question, Replies
from triage.signals import burn as burns_of
from triage.signals import wording
from triage.signals.burn import HOUR, MINUTE, WINDOWS
from triage.signals.counts import sampled_at, trouble
from triage.signals.model import Budget, Burn, SloKind, SloState, Tier
from triage.signals.reading import Quality, Reading, Urgency, Verdict

if TYPE_CHECKING:
    from triage.notebook.resolve import Objective


def point_step_seconds(window_seconds: float) -> float:
    """Distance of the points in time that a window of a level is read at: a minute, or so that they stay under 720."""
    return max(60.0, math.ceil(window_seconds / 720 / 60) * 60.0)


def rate_window(reading_window: float) -> float:
    """Seconds that present rates and means are of: five minutes, or a reading window of more than an hour."""
    return reading_window if reading_window > HOUR else 5 * MINUTE


def level_state(objective: Objective, index: int, kind: SloKind, replies: Replies, now: float) -> SloState:
    """The state of one objective on a level at ``now`` (world time)."""
    slo, sli = objective.slo, objective.candidates[index].sli
    least, most = getattr(sli, "at_least", None), getattr(sli, "at_most", None)
    limit = least if least is not None else most
    newest = sampled_at(objective, index, replies)
    reading = _present(objective, index, kind, replies, now, newest)
    burns: tuple[Burn, ...] = ()
    budget = None
    tiers: tuple[Tier, ...] = ()
    if slo.objective is not None and slo.objective < 100 and limit is not None:
        burns = tuple(_burn(objective, index, w, replies, now) for w in WINDOWS if w <= slo.window)
        by_window = {b.window_seconds: b for b in burns}
        # Points are a minute and more apart: one bad minute is no burn rate.
        tiers = tuple(burns_of.evaluate_tier(rule, by_window, slo.objective, slo.window, slo.min_events)
                      for rule in burns_of.tier_rules(slo.window))
        bad, total, quality, note = _points(objective, index, slo.window, replies, now)
        if bad is not None and total:
            covered = total * point_step_seconds(slo.window)
            budget = burns_of.budget(bad, total, slo.objective, slo.window, quality, note=note or "points in time",
                                     present_burn=next((b.rate for b in burns if b.window_seconds == 6 * HOUR), None),
                                     covered_seconds=covered if covered < 0.9 * slo.window else None)
    verdict, urgency, sentence = _verdict(objective, index, reading, least, most, replies, now)
    if verdict is Verdict.PASS:
        verdict, urgency, sentence = _with_history(sentence, tiers, budget)
    side = "at_least" if least is not None else "at_most" if most is not None else ""
    measures = str(getattr(sli, "measures", getattr(sli, "of", "")))
    return SloState(slo.name, kind, slo.required, slo.objective, limit, side, measures, reading, burns, tiers, budget,
                    verdict, urgency, sentence, (), slo.by, (), (), slo.description)


def _present(objective: Objective, index: int, kind: SloKind, replies: Replies, now: float,
             newest: float | None) -> Reading:
    sli = objective.candidates[index].sli
    unit = {SloKind.FRESHNESS: "s", SloKind.AVERAGE: "s"}.get(kind)
    if unit is None:
        unit = f"{getattr(sli, 'of', 'requests')}/s" if kind is SloKind.THROUGHPUT else str(getattr(sli, "unit", ""))
    reply = replies.get(Question(objective.slo.name, index, Part.LEVEL), UNASKED)
    n = _events(objective, index, replies)
    window = objective.slo.reading_window if n is not None else None
    found = trouble((reply,), now)
    values = [s.value for s in reply.samples]
    finite = [v for v in values if math.isfinite(v)]
    value = finite[0] if finite else None
    if found is not None:
        return Reading(value, unit, found[0], n, window, newest, note=found[1])
    if not values:
        return Reading(None, unit, Quality.NO_DATA, n, window, newest, note="no such series")
    if not finite:
        # A mean over no events is 0/0; any other NaN is the gauge's own.
        if kind is SloKind.AVERAGE and math.isnan(values[0]):
            return Reading(None, unit, Quality.NO_TRAFFIC, n, window, newest,
                           note=f"no events in {wording.window(rate_window(objective.slo.reading_window))}")
        return Reading(None, unit, Quality.SUSPECT, n, window, newest, note=f"the value is {values[0]}")
    return Reading(value, unit, Quality.OK, n, window, newest)


def _events(objective: Objective, index: int, replies: Replies) -> float | None:
    reply = replies.get(Question(objective.slo.name, index, Part.TOTAL, objective.slo.reading_window))
    if reply is None or not reply.samples:
        return None
    return sum(s.value for s in reply.samples if math.isfinite(s.value))


def _points(objective: Objective, index: int, window: float, replies: Replies,
            now: float) -> tuple[float | None, float | None, Quality, str]:
    """(bad points, known points, quality, note) of one window."""
    name = objective.slo.name
    totals = replies.get(Question(name, index, Part.LEVEL_TOTAL, window), UNASKED)
    bads = replies.get(Question(name, index, Part.LEVEL_BAD, window), UNASKED)
    found = trouble((totals, bads), now)
    total = sum(s.value for s in totals.samples) if totals.samples else None
    bad = sum(s.value for s in bads.samples) if bads.samples else 0.0 if totals.samples else None
    if found is not None:
        return bad, total, found[0], found[1]
    return (bad, total, Quality.OK, "") if total else (None, total, Quality.NO_DATA, "no points in time")


def _burn(objective: Objective, index: int, window: float, replies: Replies, now: float) -> Burn:
    bad, total, quality, note = _points(objective, index, window, replies, now)
    rate = None if bad is None or not total else burns_of.burn_rate(bad / total, objective.slo.objective or 0.0)
    return Burn(window, rate, total, quality, note)


def _with_history(said: str, tiers: Sequence[Tier], budget: Budget | None) -> tuple[Verdict, Urgency, str]:
    """A level that is fine now may have been bad for too much of its window: a ticket, nobody is woken for the past."""
    firing = [t for t in tiers if t.firing]
    if budget is not None and budget.remaining < 0 and budget.quality is Quality.OK:
        share = wording.percent(budget.bad / budget.total)
        return (Verdict.FAIL, Urgency.TICKET, f"{said}; bad for {share} of {wording.window(budget.window_seconds)}, "
                "more than the objective allows")
    if firing:
        return (Verdict.WARN, Urgency.TICKET,
                f"{said}; was bad often enough to burn over {wording.burn_rate(firing[0].threshold)}")
    return Verdict.PASS, Urgency.NONE, said


def _verdict(objective: Objective, index: int, reading: Reading, least: float | None, most: float | None,
             replies: Replies, now: float) -> tuple[Verdict, Urgency, str]:
    slo = objective.slo
    if (least is None and most is None) or slo.objective is None:
        text = wording.reading(reading)
        return Verdict.NOT_JUDGED, Urgency.NONE, f"{text}: {reading.note}" if reading.note else text
    if reading.value is None or reading.quality not in (Quality.OK, Quality.PARTIAL):
        words = wording.QUALITY_WORDS[reading.quality]
        return Verdict.UNKNOWN, Urgency.NONE, f"{words}: {reading.note}" if reading.note else words
    limit = least if least is not None else most
    wrong = reading.value < least if least is not None else most is not None and reading.value > most
    said = (f"{wording.reading(reading)}, {'at least' if least is not None else 'at most'} "
            f"{wording.value(limit, reading.unit)}")
    if not wrong:
        if reading.quality is Quality.PARTIAL:
            return Verdict.UNKNOWN, Urgency.NONE, f"partial answer, cannot be called healthy: {reading.note}"
        return Verdict.PASS, Urgency.NONE, said
    bad, total, _, _ = _points(objective, index, slo.sustained, replies, now)
    if bad is not None and total and bad >= total and total * point_step_seconds(slo.sustained) >= slo.sustained * 0.8:
        urgency = Urgency.PAGE if slo.required else Urgency.TICKET
        return Verdict.FAIL, urgency, f"{said}, for {wording.age(slo.sustained)} and more"
    seen = f"{wording.count(bad)} of {wording.count(total)} points" if bad is not None and total else "now"
    return (Verdict.WARN, Urgency.NONE, f"{said}; not for all of {wording.age(slo.sustained)} yet ({seen} bad)")
