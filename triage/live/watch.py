"""The state of a source over time, from what its requests came to."""

from __future__ import annotations

from collections.abc import Sequence

from triage.facts.outcome import GONE, Failure, FailureKind, SourceHealth, SourceState
from triage.facts.samples import Answer


class SourceWatch:
    """Remembers when the state of one source began and when it last answered."""

    def __init__(self, name: str, *, configured: bool) -> None:
        self._health = SourceHealth(name, SourceState.WAITING if configured else SourceState.OFF)

    def seen(self, outcomes: Sequence[object], now: float, next_try_in: float | None) -> None:
        """Take in one refresh: every outcome is a :class:`Failure` or an answer. ``now`` is world time."""
        before = self._health
        failures = [o for o in outcomes if isinstance(o, Failure)]
        answers = [o for o in outcomes if not isinstance(o, Failure)]
        if not outcomes:
            return
        warned = next((a.warnings[0] for a in answers if isinstance(a, Answer) and a.warnings), "")
        latencies = [a.elapsed_seconds for a in answers if isinstance(a, Answer)]
        real = [f for f in failures if f.kind is not FailureKind.CIRCUIT_OPEN]
        error = real[0].sentence() if real else before.error if failures else warned
        if answers:
            state = SourceState.PARTIAL if failures or warned else SourceState.OK
        elif any(f.kind in GONE for f in failures) or all(f.kind is FailureKind.TIMEOUT for f in failures):
            state = SourceState.DOWN
        else:
            state = SourceState.PARTIAL
        self._health = SourceHealth(
            before.name, state, before.since if before.state is state else max(now, before.last_ok_at or now),
            now if answers else before.last_ok_at,
            now + next_try_in if state is SourceState.DOWN and next_try_in is not None else None, error,
            max(latencies) if latencies else before.latency_seconds)

    def health(self) -> SourceHealth:
        """The state now."""
        return self._health
