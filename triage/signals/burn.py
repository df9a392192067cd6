"""Error budgets and burn rates: arithmetic on counts, nothing else.

Source: Google SRE workbook, chapter 5 ("Alerting on SLOs"), table 5-8 and iteration 6 of its code, which adds the pair
24h / 2h. ``burn = error_ratio / (1 - objective)``; ``budget_used = burn * window / period``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from triage.signals.model import Budget, Burn, Tier
from triage.signals.reading import Origin, Quality, Urgency
from triage.signals.wording import allowance, count, window

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
WINDOWS = (5 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, DAY, 3 * DAY)
"""Windows of all burn rates, in seconds."""
COVERED_SHARE = 0.1
"""Share of a budget's window under which its events are too recent for calling it overspent."""


@dataclass(frozen=True, slots=True)
class TierRule:
    """One row of the table: which part of the budget, used up how fast, is how urgent."""

    urgency: Urgency
    long_seconds: float
    short_seconds: float
    budget_fraction: float


TIERS = (
    TierRule(Urgency.PAGE, HOUR, 5 * MINUTE, 0.02),
    TierRule(Urgency.PAGE, 6 * HOUR, 30 * MINUTE, 0.05),
    TierRule(Urgency.TICKET, DAY, 2 * HOUR, 0.10),
    TierRule(Urgency.TICKET, 3 * DAY, 6 * HOUR, 0.10),
)


@lru_cache(maxsize=1024)
def allowed_ratio(objective: float) -> float:
    """Share of events that may be bad: 99.9 percent leaves 0.001. Rounded to 12 digits, so that 99.9 is exact."""
    # Under 100 something is allowed, however many nines there are: everything here divides by it.
    return max(round(1 - objective / 100, 12), 1e-12)


def burn_rate(error_ratio: float, objective: float) -> float:
    """How many times faster than sustainable the budget is used. ``objective`` in percent, under 100."""
    return error_ratio / allowed_ratio(objective)


def threshold(rule: TierRule, period_seconds: float) -> float:
    """Burn rate that uses ``budget_fraction`` of the period's budget within the long window (30 d, 1 h: 14.4)."""
    return rule.budget_fraction * period_seconds / rule.long_seconds


@lru_cache(maxsize=1024)
def tier_rules(period_seconds: float) -> tuple[TierRule, ...]:
    """The rows that fit into the period: a window longer than it cannot be judged."""
    return tuple(rule for rule in TIERS if rule.long_seconds <= period_seconds)


def highest_burn_rate(objective: float) -> float:
    """Burn rate when every event is bad: no threshold above it can ever be reached."""
    return 1 / allowed_ratio(objective)


@lru_cache(maxsize=1024)
def fewest_events(burn_threshold: float, objective: float) -> int:
    """Events that a window needs so that one bad event alone stays under the threshold (99.9 percent, 14.4: 70)."""
    return math.ceil(round(1 / (burn_threshold * allowed_ratio(objective)), 9))


def events_needed(objective: float, min_events: int | None) -> int:
    """Events that a share needs to be judged by ``objective`` (percent): as many as the manifest says, else so many
    that one bad event alone does not reach the fastest tier. 0 where every event counts."""
    return 0 if objective >= 100 else min_events or fewest_events(14.4, min(objective, 99.999))


def evaluate_tiers(burns: Mapping[float, Burn], objective: float, period_seconds: float,
                   min_events: int | None) -> tuple[Tier, ...]:
    """Every row that fits into the period, as :func:`evaluate_tier` judges it."""
    return tuple([_evaluated(quiet, burns, objective, min_events) for quiet in _all_quiet(objective, period_seconds)])


def evaluate_tier(rule: TierRule, burns: Mapping[float, Burn], objective: float, period_seconds: float,
                  min_events: int | None) -> Tier:
    """One row against the burn rates by window: fires when both windows exceed it and the long one has the events."""
    return _evaluated(_quiet(rule, objective, period_seconds), burns, objective, min_events)


def _evaluated(quiet: Tier, burns: Mapping[float, Burn], objective: float, min_events: int | None) -> Tier:
    limit = quiet.threshold
    long, short = burns.get(quiet.long_seconds), burns.get(quiet.short_seconds)
    exceeded = (long is not None and short is not None and long.rate is not None and short.rate is not None
                and long.rate > limit and short.rate > limit)
    if not exceeded or long is None:
        return quiet
    needed = min_events if min_events is not None else fewest_events(limit, objective)
    blocked = f"{long.n or 0:,.0f} events, {needed:,} needed" if (long.n or 0) < needed else ""
    return replace(quiet, firing=not blocked, blocked=blocked)


@lru_cache(maxsize=1024)
def _all_quiet(objective: float, period_seconds: float) -> tuple[Tier, ...]:
    return tuple(_quiet(rule, objective, period_seconds) for rule in tier_rules(period_seconds))


@lru_cache(maxsize=1024)
def _quiet(rule: TierRule, objective: float, period_seconds: float) -> Tier:
    """One row while it does not fire: the same for all objectives of a promise."""
    limit = threshold(rule, period_seconds)
    return Tier(rule.urgency, rule.long_seconds, rule.short_seconds, limit, firing=False,
                reachable=highest_burn_rate(objective) > limit)


def budget(bad: float, total: float, objective: float, window_seconds: float, quality: Quality, *,
           present_burn: float | None = None, covered_seconds: float | None = None, note: str = "",
           origin: Origin = Origin.RAW) -> Budget:
    """The budget over its window from counts. ``remaining = 1 - (bad / total) / (1 - objective)``, never clamped.

    Its quality is ``low_n`` while the events seen so far allow less than one bad one, and when it is overspent by
    events of a small part of its window only: neither says anything about the whole window.
    """
    allowed = allowed_ratio(objective) * total
    # In this order: of next to no events the product may be 0.
    remaining = 1 - bad / total / allowed_ratio(objective)
    # That events were too few stays true when the figures grow old.
    judgeable = quality in (Quality.OK, Quality.STALE)
    doubt = _doubt(bad, allowed, window_seconds, covered_seconds) if judgeable else ""
    if doubt:
        return Budget(window_seconds, bad, total, allowed, remaining, Quality.LOW_N, None, covered_seconds, doubt,
                      origin)
    exhausted: float | None = None
    if remaining <= 0:
        exhausted = 0.0
    elif present_burn is not None and present_burn > 1:
        exhausted = remaining * window_seconds / present_burn
    return Budget(window_seconds, bad, total, allowed, remaining, quality, exhausted, covered_seconds, note, origin)


def _doubt(bad: float, allowed: float, window_seconds: float, covered_seconds: float | None) -> str:
    """Why the events say too little about their window; "" when they say enough."""
    early = covered_seconds is not None and covered_seconds <= COVERED_SHARE * window_seconds
    few = allowed < 1 - 1e-9
    if not few and not (early and bad > allowed):
        return ""
    seen = f", all events in the last {window(covered_seconds)}" if early and covered_seconds is not None else ""
    return (f"{allowance(allowed)} bad events allowed so far, {count(bad)} bad{seen}: too {'few' if few else 'early'} "
            f"to judge a {window(window_seconds)} budget")
