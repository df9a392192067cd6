"""Drift as it is scored: readings for the snapshots of ``snapshots``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tests.signals.drifting import COUNTRIES, COUNTS, buckets, categorical, categories, numeric
from triage.facts.outcome import Failure, FailureKind
from triage.signals.drift import drift_state
from triage.signals.drift_model import Around, DriftState, Kind, Seen, Watched
from triage.signals.drift_reading import DriftReading

GONE = Failure(FailureKind.TIMEOUT, "no answer within 5 s")
SHIFTED = tuple(float(count) for count in (220, 500, 1100, 1900, 2400, 2600, 2100, 1300, 600, 280))
SCORE = numeric("score", edges=(0.01, 0.05, 0.1, 0.3), counts=(2500.0, 7800.0, 4100.0, 3700.0, 1900.0),
                is_prediction=True)
SCORES = (1250.0, 3900.0, 2050.0, 1850.0, 950.0)
STALE_AFTER = 180.0


def state(now: float, amount: Sequence[float], *, nulls: float = 0.0, scores: Sequence[float] = SCORES) -> DriftState:
    watched = [numeric("amount", importance=3.0, null_share=0.0, mean=88.0), categorical(), SCORE,
               numeric("merchant_age"), Watched("embedding", Kind.GAUGE)]
    at = now - 12
    total = sum(amount)
    seen = {("amount", False): Seen(buckets(amount), newest_at=at, nulls=nulls, value_sum=total * 143.5),
            ("country", False): Seen(categories({k: v / 2.2 for k, v in COUNTRIES.items()} | {"CH": 40.0}),
                                     newest_at=at),
            ("merchant_age", False): Seen(buckets([count / 240 for count in COUNTS]), newest_at=at),
            ("score", True): Seen(buckets(scores, SCORE.edges), newest_at=at)}
    return drift_state(watched, seen, Around(now))


def moved(now: float) -> DriftReading:
    """One feature moved and has empty values; one has too few events, and one that nobody exports any more."""
    return DriftReading(state(now, SHIFTED, nulls=20.0), (), now - 20, STALE_AFTER)


def both(now: float) -> DriftReading:
    """It moved in both arms of a trial."""
    half = [count / 2 for count in SHIFTED]
    return DriftReading(state(now, SHIFTED), (("v7", state(now, half)), ("v8", state(now, half))), now - 20,
                        STALE_AFTER)


def apart(now: float) -> DriftReading:
    """All versions together look well; the version on trial moved in one feature, and lost the series of another."""
    watched = [numeric("amount"), numeric("merchant_age"), numeric("basket")]
    few = [count / 240 for count in COUNTS]

    def one(**counts: Sequence[float]) -> DriftState:
        seen = {(name, False): Seen(buckets(own), newest_at=now - 12) for name, own in counts.items()}
        return drift_state(watched, seen, Around(now))

    stable = one(amount=COUNTS, merchant_age=COUNTS, basket=COUNTS)
    return DriftReading(stable, (("v7", stable), ("v8", one(amount=SHIFTED, basket=few))), now - 20, STALE_AFTER)


def quiet(now: float) -> DriftReading:
    """Nothing moved."""
    watched = [numeric("amount"), SCORE]
    seen: Mapping[tuple[str, bool], Seen] = {("amount", False): Seen(buckets(COUNTS), newest_at=now - 12),
                                             ("score", True): Seen(buckets(SCORES, SCORE.edges), newest_at=now - 12)}
    return DriftReading(drift_state(watched, seen, Around(now)), (), now - 20, STALE_AFTER)


def stale(now: float) -> DriftReading:
    """The last answer is four minutes old, and the server did not give another."""
    return replace(moved(now - 240), failure=GONE)


def unread(now: float) -> DriftReading:
    """Asked, and never answered."""
    return DriftReading(None, (), None, STALE_AFTER, GONE)


READINGS: dict[str, Callable[[float], DriftReading]] = {
    "moved": moved, "both": both, "apart": apart, "quiet": quiet, "stale": stale, "unread": unread}
