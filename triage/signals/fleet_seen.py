"""When a model was last heard of whose series outlive it: on devices that sync at times, or behind a push gateway."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.facts.replies import LAST_SEEN, UNASKED, Part, Question, Replies
from triage.signals import wording
from triage.signals.counts import trouble
from triage.signals.model import Reason
from triage.signals.reading import Quality, Urgency, Verdict

if TYPE_CHECKING:
    from triage.notebook.manifest import Manifest


@dataclass(frozen=True, slots=True)
class LastSeen:
    """The newest word of a model, and the oldest of those that should all report."""

    newest_at: float | None
    """Unix seconds; None when nothing says it."""
    oldest_at: float | None
    """Of the series (devices, jobs) that were silent longest."""
    within_seconds: float | None
    """The longest silence that the manifest allows; None when it does not say."""
    quality: Quality
    """``stale``: silent for longer than allowed, or not answered for a while."""
    note: str = ""


def last_seen(manifest: Manifest, replies: Replies, now: float) -> LastSeen | None:
    """What ``metrics.last_seen`` says at ``now``; None when the manifest names no such metric."""
    promised = manifest.spec.metrics.last_seen
    if promised is None:
        return None
    newest = replies.get(Question(LAST_SEEN, 0, Part.SAMPLED_AT), UNASKED)
    oldest = replies.get(Question(LAST_SEEN, 1, Part.SAMPLED_AT), UNASKED)
    found = trouble((newest, oldest), now)
    times = [[s.value for s in reply.samples if math.isfinite(s.value)] for reply in (newest, oldest)]
    if not times[0]:
        quality, note = found or (Quality.NO_DATA, "no such series")
        return LastSeen(None, None, promised.within, quality, note)
    at, least = max(times[0]), min(times[1], default=None)
    if found is not None:
        return LastSeen(at, least, promised.within, *found)
    if promised.within is not None and now - at > promised.within:
        return LastSeen(at, least, promised.within, Quality.STALE,
                        f"last heard of {wording.age(now - at)} ago, {wording.span(promised.within)} allowed")
    return LastSeen(at, least, promised.within, Quality.OK)


def seen_reasons(seen: LastSeen | None) -> tuple[Reason, ...]:
    """What keeps the figures from speaking of the present: a gateway repeats the last push for ever."""
    if seen is None or seen.quality in (Quality.OK, Quality.WAITING):
        return ()
    if seen.within_seconds is None and seen.newest_at is not None:
        return ()
    return (Reason(Verdict.UNKNOWN, Urgency.NONE, "unknown", "last seen",
                   f"whether it still runs is not known: {seen.note}"),)
