"""What the checks of a runbook come to, from one snapshot. Pure: the same snapshot gives the same outcome."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.facts.replies import Reply
from triage.facts.samples import Sample
from triage.runbook.criterion import Criterion, Limit
from triage.runbook.events import Outcome
from triage.runbook.observe import Observed, observe
from triage.runbook.steps import Check, Query
from triage.signals import wording

if TYPE_CHECKING:
    from triage.live.snapshot import Snapshot
    from triage.signals.model import ModelState

_SHOWN_SERIES = 3
_BESIDE_PROMETHEUS = frozenset({"alert", "registry"})
"""Signals that others than Prometheus know."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check or query came to."""

    outcome: Outcome | None
    """``passed``, ``failed`` or ``unknown``; a query passes when it has numbers. None: asked and not answered yet."""
    said: str
    """The value in a few words, or why there is none."""
    at: float | None
    """Unix seconds of what it rests on; None when that is not known."""

    def age_seconds(self, now: float) -> float | None:
        """How old that is; None when it is not known."""
        return None if self.at is None else max(0.0, now - self.at)


def look(snapshot: Snapshot, model: ModelState, does: Check | Query, now: float) -> Seen:
    """What ``does`` comes to in ``snapshot``, for its ``model``, at ``now`` (Unix seconds)."""
    if isinstance(does, Query):
        return _number(snapshot, model, does.expr, does.unit, None, now)
    if does.signal is None:
        return _number(snapshot, model, does.expr, does.unit, does.expect, now)
    if does.signal.kind not in _BESIDE_PROMETHEUS and _is_silent(snapshot):
        return Seen(Outcome.UNKNOWN, "waits for fresh data", None)
    return _judged(observe(snapshot, model, does.signal, now), does.expect)


def _judged(seen: Observed, expect: Criterion) -> Seen:
    if isinstance(expect, Limit):
        holds = None if seen.value is None else expect.holds(seen.value)
    else:
        holds = expect.holds(seen.verdict)
    outcome = Outcome.UNKNOWN if holds is None else Outcome.PASSED if holds else Outcome.FAILED
    return Seen(outcome, seen.said, seen.sampled_at)


def _is_silent(snapshot: Snapshot) -> bool:
    return any(source.name == "prometheus" and source.state == "down" for source in snapshot.sources)


def _number(snapshot: Snapshot, model: ModelState, expr: str, unit: str, expect: Criterion | None,
            now: float) -> Seen:
    asked = snapshot.expressions
    reply = asked.replies.get(expr) if asked is not None and asked.model == model.name else None
    if reply is None or (reply.answered_at is None and reply.failure is None):
        return Seen(None, "asking", None)
    trouble = _trouble(reply, now)
    if trouble:
        return Seen(Outcome.UNKNOWN, trouble, reply.answered_at)
    values = [sample.value for sample in reply.samples]
    said = _said(reply.samples, unit, expect)
    if any(not math.isfinite(value) for value in values):
        return Seen(Outcome.UNKNOWN, f"{said}: not a number" if said else "not a number", reply.answered_at)
    holds = not isinstance(expect, Limit) or all(expect.holds(value) for value in values)
    return Seen(Outcome.PASSED if holds else Outcome.FAILED, said, reply.answered_at)


def _trouble(reply: Reply, now: float) -> str:
    """Why a reply says nothing; "" when it does."""
    if reply.failure is not None:
        return reply.failure.sentence()
    if reply.is_stale(now):
        return "waits for fresh data"
    if reply.warnings:
        return f"partial: {reply.warnings[0]}"
    return "" if reply.samples else "no data"


def _said(samples: Sequence[Sample], unit: str, expect: Criterion | None) -> str:
    """The value; of several the worst first, with what tells them apart."""
    ordered = sorted((s for s in samples if math.isfinite(s.value)), key=lambda s: s.value, reverse=True)
    if isinstance(expect, Limit):
        ordered.sort(key=lambda s: expect.holds(s.value))
    if len(samples) == 1:
        return _value(ordered[0].value, unit) if ordered else ""
    # Seconds are written in the unit that fits each; any other unit stands once, at the end.
    each_unit = unit if unit == "s" else ""
    shown = [f"{' '.join(v for k, v in sorted(s.labels.items()) if k != '__name__') or '-'} "
             f"{_value(s.value, each_unit)}" for s in ordered[:_SHOWN_SERIES]]
    more = len(samples) - len(shown)
    whole = ", ".join(shown) + (f", {more} more" if more and shown else "")
    return whole if each_unit or not shown else f"{whole} {unit}".rstrip()


def _value(value: float, unit: str) -> str:
    return wording.value(value, "s") if unit == "s" else f"{wording.significant(value)} {unit}".rstrip()
