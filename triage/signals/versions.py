"""Which version is stable and which on trial, read from the traffic itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from triage.facts.arrangement import arrangement
from triage.facts.replies import MODEL, UNASKED, Part, Question, Replies, Reply
from triage.facts.samples import Sample
from triage.signals.burn import DAY, MINUTE
from triage.signals.counts import trouble
from triage.signals.model import Marker, Versions, VersionState
from triage.signals.reading import Quality, Reading

if TYPE_CHECKING:
    from triage.notebook.resolve import Traffic

OLDEST_SECONDS = 14 * DAY
"""How far back the beginning of a version is looked for at most."""
_EDGE = 3 * MINUTE
"""A version seen this close to the start of what was looked at was there before."""
_LEAST_REQUESTS = 100.0
"""Requests of all versions from which a window tells shares: of fewer, a tenth is chance."""
_LATENCY = 15.0
"""Seconds between the time an answer is about and its coming that are taken for the way it had to go."""


def share_windows(scrape_interval: float) -> tuple[float, ...]:
    """Seconds over which requests are counted for shares: the shortest that holds four scrapes, and five minutes.

    After a rollback five minutes show for five minutes who served before it.
    """
    short = max(MINUTE, 4 * scrape_interval)
    return (short, 5 * MINUTE) if short < 5 * MINUTE else (5 * MINUTE,)


def versions(traffic: Sequence[Traffic], arm: str, replies: Replies, now: float, described: str = "") -> Versions:
    """The versions seen in the last day (or as far back as the rollout rule reads), most traffic first.

    Stable is the version with most requests; of the others with requests, the one first seen last is on trial
    (``arm``: ``canary``, ``shadow`` or ``experiment``), by the last five minutes; shares are of the shortest window
    (:func:`share_windows`) that has requests enough. When both are older than what was looked at, the notebook
    decides: beside the version that it describes (``described``) another one is a leftover, not a trial. More than a
    day was looked at where it was asked when older ones began (``Part.BEGAN``).
    """
    index = counting(traffic, replies)
    if not traffic:
        return Versions("traffic", ())
    label = traffic[index].version_label
    asked = replies.get(Question(MODEL, index, Part.REQUESTS, 5 * MINUTE), UNASKED)
    seen = arrangement(replies).seen
    beside = [replies[question] for part in (Part.FIRST_SEEN, Part.LAST_SEEN)
              if (question := seen.get((index, part))) is not None]
    beside.append(replies.get(Question(MODEL, index, Part.BEGAN), UNASKED))
    lately = arrangement(replies).lately.get(index)
    short = None if lately is None or trouble((replies[lately],), now) is not None else lately
    found = trouble((asked,), now)
    if found is not None:
        return _versions(index, label, arm, replies, asked, short, found, described)
    # Read more than once before the next answers come.
    also = [replies[short]] if short is not None else []
    return asked.derived(("versions", index, label, arm, described, short),
                         lambda _: _versions(index, label, arm, replies, asked, short, None, described), *also, *beside)


def counting(traffic: Sequence[Traffic], replies: Replies) -> int:
    """Which of the counters of requests is read: the first that counts any."""
    return next((i for i in range(len(traffic))
                 if replies.get(Question(MODEL, i, Part.REQUESTS, 5 * MINUTE), UNASKED).samples), 0)


def _versions(index: int, label: str, arm: str, replies: Replies, asked: Reply, short: Question | None,
              found: tuple[Quality, str] | None, described: str) -> Versions:
    requests = _by_version(asked.samples, label)
    first = _first_times(replies, index, label)
    last = _times(replies, index, Part.LAST_SEEN, label)
    total = sum(requests.values())
    quality, note = found if found is not None else (Quality.OK, "")
    if found is None and total <= 0:
        quality, note = Quality.NO_TRAFFIC if requests else Quality.NO_DATA, "no requests in 5m"
    known = {*requests, *first} - {""} or {""}
    taking = [v for v, n in requests.items() if n > 0 and v in known]
    stable = max(taking, key=lambda v: requests[v], default=None)
    trial = [v for v in taking if v != stable]
    newest = max(trial, key=lambda v: (first.get(v) or 0.0, -requests[v]), default=None)
    if newest is not None and first and stable is not None and (first.get(newest) or 0.0) < (first.get(stable) or 0.0):
        newest = None
    if newest is not None and first.get(newest) is None and described and stable == described:
        newest = None
    shown, window, answered_at = requests, 5 * MINUTE, asked.answered_at
    if short is not None and found is None:
        lately = _by_version(replies[short].samples, label)
        if sum(lately.values()) >= _LEAST_REQUESTS:
            shown, window, answered_at = lately, short.window_seconds, replies[short].answered_at
    whole = sum(shown.values())
    items = []
    for version in sorted(known & {*requests, *first}, key=lambda v: (-requests.get(v, 0.0), v)):
        # Who took requests five minutes ago and takes none any more has none, and is no version without traffic of old.
        n = shown.get(version, 0.0 if version in requests else None)
        share = n / whole if n is not None and whole > 0 else None
        role = "stable" if version == stable else arm if version == newest else ""
        items.append(VersionState(version, role, Reading(share, "ratio", quality, n, window, answered_at,
                                                         note=note), first.get(version), last.get(version)))
    return Versions("traffic", tuple(items))


def _by_version(samples: Sequence[Sample], label: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for sample in samples:
        if math.isfinite(sample.value):
            version = sample.labels.get(label, "")
            found[version] = found.get(version, 0.0) + sample.value
    return found


def _first_times(replies: Replies, index: int, label: str) -> dict[str, float | None]:
    """As :func:`_times`; of what is older than was looked at every time, what was found when it was looked for."""
    found = _times(replies, index, Part.FIRST_SEEN, label)
    if None in found.values():
        older = replies.get(Question(MODEL, index, Part.BEGAN), UNASKED)
        began = {sample.labels.get(label, ""): _ours(older, sample) for sample in older.samples}
        found = {version: began.get(version) if at is None else at for version, at in found.items()}
    return found


def _times(replies: Replies, index: int, part: Part, label: str) -> dict[str, float | None]:
    """First or last seen by version on our clock; None for a first time at the edge of what was looked at."""
    found: dict[str, float | None] = {}
    question = arrangement(replies).seen.get((index, part))
    if question is None:
        return found
    reply = replies[question]
    for sample in reply.samples:
        if not math.isfinite(sample.value) or reply.answered_at is None:
            continue
        early = part is Part.FIRST_SEEN and sample.at - sample.value >= question.window_seconds - _EDGE
        found[sample.labels.get(label, "")] = None if early else _ours(reply, sample)
    return found


def _ours(reply: Reply, sample: Sample) -> float:
    """The time that is the value of a sample, on our clock."""
    # What an answer takes is no difference of clocks, and would move the grid of a trial from look to look.
    skew = (reply.answered_at or sample.at) - sample.at
    return sample.value + min(0.0, sample.at - sample.value) + (skew if abs(skew) > _LATENCY else 0.0)


def markers(state: Versions) -> tuple[Marker, ...]:
    """Deployments on the time axis: the first appearance of each version, where it was seen."""
    return tuple(sorted((Marker(v.first_seen, v.version) for v in state.items if v.first_seen is not None),
                        key=lambda m: m.at))
