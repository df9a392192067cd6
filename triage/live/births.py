"""``Births``: when the versions began that are older than what is looked at every time; looked for once.

A look at every full hour of two weeks tells in which hour a version came, another one at every minute of that hour
tells the minute: the very sample that the usual look finds while the version is young. So the intervals of a trial
stay where they are when it grows older than that look.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from triage.facts.outcome import REJECTED, Failure
from triage.facts.replies import MODEL, UNASKED, Part, Question, Replies, Reply
from triage.facts.samples import Sample, Series
from triage.live.arms import on_trial
from triage.live.channel import Channel, by_question, combined
from triage.live.expressions import seen_selector, seen_window
from triage.notebook.resolve import requests_selectors
from triage.signals.burn import HOUR, MINUTE
from triage.signals.model import Versions
from triage.signals.versions import OLDEST_SECONDS, counting

if TYPE_CHECKING:
    from triage.notebook.load import Notebook

_AHEAD_SECONDS = 30 * MINUTE
"""So long before a version is too old for the usual look it is looked for: nothing is unknown in between."""
_BLOCK_SECONDS = 2 * HOUR
"""What a server keeps longer than it should."""


class Births:
    """Looks for the first samples of old versions, one request after another."""

    def __init__(self, notebook: Notebook, channel: Channel) -> None:
        self.retention_seconds: float | None = None
        """How long the server keeps samples; None when it does not say."""
        self._notebook = notebook
        self._channel = channel
        self._traffic = requests_selectors(notebook.manifest)
        self._hours: Mapping[str, float | None] = {}
        """By version the full hour after its first sample, Unix seconds; None: it is older than what can be seen."""
        self._found: dict[str, float] = {}
        """By version the Unix time of its first sample."""
        self._reply: tuple[Question, Reply] | None = None

    def missing(self, seen: Versions, replies: Replies, now: float) -> tuple[str, ...]:
        """The versions whose beginning has to be looked for: those that may be on trial, and are or will soon be older
        than the usual look; with them whoever is compared."""
        trial = on_trial(seen)
        taking = [v for v in seen.items if (v.share.n or 0.0) > 0]
        asked = [trial] if trial is not None else [v for v in taking if v.arm != "stable"] if len(taking) > 1 else []
        edge = now - seen_window(self._notebook) + _AHEAD_SECONDS
        known = {*self._found, *(version for version, hour in self._hours.items() if hour is None)}
        old = {v.version for v in (*taking, *asked) if v.first_seen is None or v.first_seen < edge}
        if not any(v.version in old for v in asked):
            return ()
        return tuple(sorted(old - known))

    async def ask(self, versions: tuple[str, ...], replies: Replies) -> Failure | None:
        """One more request towards the beginning of these; None when it was answered."""
        now = self._channel.clock.now()
        unknown = [version for version in versions if version not in self._hours]
        if unknown:
            first, last = math.ceil((now - OLDEST_SECONDS) / HOUR) * HOUR, math.floor(now / HOUR) * HOUR
            outcome = await self._times(replies, first, last, HOUR)
            if isinstance(outcome, Failure) and outcome.kind in REJECTED:
                # A server that refuses to look so far back will do so again: what is older cannot be seen.
                self._hours = {**self._hours, **dict.fromkeys(unknown)}
                return None
            if isinstance(outcome, Failure):
                return outcome
            # A version that no full hour has seen is taken for one that cannot be dated.
            self._hours = {version: self._dated(outcome, version, first, now) for version in {*outcome, *unknown}}
            self._reply = None
            return None
        hour = next(hour for version in versions if (hour := self._hours[version]) is not None)
        outcome = await self._times(replies, hour - HOUR + MINUTE, hour, MINUTE)
        if isinstance(outcome, Failure):
            return outcome
        for version in versions:
            if self._hours[version] == hour:
                if version in outcome:
                    self._found[version] = outcome[version][1]
                else:
                    self._hours = {**self._hours, version: None}
        self._reply = None
        return None

    def reply(self, replies: Replies, now: float) -> tuple[Question, Reply] | None:
        """What was found, as a reply beside those that the usual look gets, without what is too old by now; None when
        nothing was looked for."""
        if not self._hours:
            return None
        oldest = now - OLDEST_SECONDS
        if self._reply is not None and all(sample.value > oldest for sample in self._reply[1].samples):
            return self._reply
        index = counting(self._traffic, replies)
        usual = self._usual(index, replies)
        at = next((sample.at for sample in usual.samples), now)
        label = self._traffic[index].version_label
        samples = tuple(Sample({label: version}, time, at) for version, time in sorted(self._found.items())
                        if time > oldest)
        self._reply = Question(MODEL, index, Part.BEGAN), Reply(usual.answered_at or now, math.inf, samples)
        return self._reply

    def is_awaited(self, replies: Replies) -> bool:
        """Whether the usual look has not been answered yet, nor failed."""
        usual = self._usual(counting(self._traffic, replies), replies)
        return usual.answered_at is None and usual.failure is None

    def _usual(self, index: int, replies: Replies) -> Reply:
        return replies.get(Question(MODEL, index, Part.FIRST_SEEN, seen_window(self._notebook)), UNASKED)

    def _dated(self, hours: Mapping[str, tuple[float, float]], version: str, first: float, now: float) -> float | None:
        if version not in hours:
            return None
        hour = hours[version][0]
        if self.retention_seconds is not None:
            edge = max(first, now - self.retention_seconds + _BLOCK_SECONDS)
        else:
            # What is as old as the oldest of all versions may be as old as what the server keeps.
            edge = max(first, min(at for at, _ in hours.values()) + HOUR)
        return hour if hour > edge else None

    async def _times(self, replies: Replies, start: float, end: float,
                     step: float) -> dict[str, tuple[float, float]] | Failure:
        """By version, the first of these moments at which it was there, and the time of its sample then."""
        index = counting(self._traffic, replies)
        traffic = self._traffic[index]
        question = Question(MODEL, index, Part.BEGAN)
        selector = seen_selector(self._notebook, traffic)
        expression, addresses = combined([(question, f"min by ({traffic.version_label}) (timestamp({selector}))")])
        outcome = await self._channel.query_range(expression, start=start, end=end, step=step)
        if isinstance(outcome, Failure):
            return outcome
        series = by_question([question], addresses, outcome.series)[question]
        return dict(_firsts(series, traffic.version_label))


def _firsts(items: tuple[Series, ...], label: str) -> Iterator[tuple[str, tuple[float, float]]]:
    for item in items:
        points = [(at, value) for at, value in zip(item.times, item.values, strict=True) if math.isfinite(value)]
        if points:
            yield item.labels.get(label, ""), points[0]
