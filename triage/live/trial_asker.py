"""``TrialAsker``: asks about both arms of a trial, what is past of it once, and has them judged."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from triage.facts.outcome import Failure
from triage.facts.replies import Question, Reply
from triage.facts.samples import Series
from triage.live.arms import Arms, Span, arms, on_trial
from triage.live.births import Births
from triage.live.channel import Channel, by_question, combined
from triage.live.expressions import seen_window
from triage.live.pacing import Turn
from triage.live.trial import trial, trial_questions
from triage.notebook.load import Notebook
from triage.notebook.resolve import requests_selectors
from triage.signals.burn import MINUTE
from triage.signals.canary import CanaryState
from triage.signals.canary_reading import CanaryReading
from triage.signals.deployed import NOTHING_SAID, Deployed, Weight, settled, weight
from triage.signals.intervals import FIRST_INTERVALS
from triage.signals.judge import judge
from triage.signals.model import Versions
from triage.signals.reading import Quality
from triage.signals.versions import versions

TRIAL = "trial"
AT_FIRST = 1
"""Requests in the refresh that finds a trial: everything else is asked in it too."""
AT_ONCE = 4
"""In each refresh after it."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What was answered about one span of the intervals."""

    series: Mapping[Question, Sequence[Series]]
    warnings: tuple[str, ...]


class TrialAsker:
    """Asks about both arms of a trial whenever another interval of it is full.

    A trial that began long ago takes several requests: until all of them are answered nothing is said of it.
    """

    def __init__(self, notebook: Notebook, channel: Channel, *, goes_on: bool = True) -> None:
        """``goes_on`` False: there is only this one refresh, and everything is asked in it."""
        self.reading: CanaryReading | None = None
        """The version on trial against stable; None while there is none, or nothing has been asked yet."""
        self.births = Births(notebook, channel)
        self._notebook = notebook
        self._traffic = requests_selectors(notebook.manifest)
        self._channel = channel
        self._at_once: float = AT_FIRST if goes_on else math.inf
        self._arms: Arms | None = None
        self._judged: tuple[str, Weight | None] | None = None
        """Whose word and which weight the verdict on the canary rests on."""
        self._past: dict[tuple[str, Span], _Part] = {}
        """By expression, what was answered of intervals that others have followed."""
        self._series: Mapping[Question, Sequence[Series]] = {}
        self._replies: dict[Question, Reply] = {}
        self._deployed = NOTHING_SAID
        self._turn = Turn()

    def forget_pace(self) -> None:
        """Ask at the next refresh, whatever is known."""
        self._turn, self._arms = Turn(), None

    def hurry(self) -> None:
        """Ask at the next refresh, also after failures."""
        self._turn.give_up()

    def begin(self, replies: dict[Question, Reply], deployed: Deployed) -> None:
        """Ask when another interval is full; nothing while no version is on trial.

        Both are looked at again when the series are there. What is found of the beginning of old versions is put among
        the ``replies``.
        """
        self._replies, self._deployed = replies, deployed
        clock = self._channel.clock
        now, due = clock.now(), self._turn.is_due(clock.monotonic(), self._channel.interval)
        seen = self._seen()
        if self.births.missing(seen, replies, now):
            if due and not self.births.is_awaited(replies):
                self._channel.flights.start(TRIAL, self._ask)
            return
        wanted = self._arms_of(seen)
        if wanted is None:
            if not any(v.share.quality is Quality.STALE for v in seen.items):
                self._arms = self.reading = None
        elif wanted != self._arms:
            if due:
                self._channel.flights.start(TRIAL, self._ask)
        elif self._judged not in (None, (seen.known_from, weight(deployed, now))):
            # The controller spoke after the series: the same figures, its word.
            given = weight(deployed, now)
            self._say(wanted, self._judgement(wanted, seen.known_from, given, replies), seen.known_from, given)

    def _seen(self) -> Versions:
        manifest, now = self._notebook.manifest, self._channel.clock.now()
        found = self.births.reply(self._replies, now)
        if found is not None:
            question, reply = found
            self._replies[question] = reply
        seen = versions(self._traffic, manifest.spec.canary.arm, self._replies, now, manifest.metadata.version)
        return settled(seen, self._deployed, manifest, now)

    def _arms_of(self, seen: Versions) -> Arms | None:
        label = self._traffic[0].version_label if self._traffic else ""
        scrape = self._notebook.manifest.spec.metrics.scrape_interval
        return arms(seen, label, scrape, seen_window(self._notebook), self._channel.clock.now())

    async def _ask(self) -> None:
        left, self._at_once = self._at_once, max(self._at_once, AT_ONCE)
        began = self._channel.clock.monotonic()
        seen = self._seen()
        while missing := self.births.missing(seen, self._replies, self._channel.clock.now()):
            if left < 1:
                self._go_on_later(seen, began)
                return
            left -= 1
            failure = await self.births.ask(missing, self._replies)
            if failure is not None:
                self._failed(failure, seen)
                return
            seen = self._seen()
        at = self._arms_of(seen)
        if at is None:
            return
        parts: dict[tuple[str, Span], _Part] = {}
        for span in at.spans:
            asked = trial_questions(self._notebook, self._replies, at, span.step)
            expression, addresses = combined(asked)
            part = self._past.get((str(expression), span))
            if part is None:
                if left < 1:
                    self._go_on_later(seen, began)
                    return
                left -= 1
                outcome = await self._channel.query_range(expression, start=span.start, end=span.end, step=span.step)
                if isinstance(outcome, Failure):
                    self._failed(outcome, seen, at.last_step)
                    return
                part = _Part(by_question([question for question, _ in asked], addresses, outcome.series),
                             outcome.warnings)
                if span.is_past:
                    self._past[str(expression), span] = part
            parts[str(expression), span] = part
        # What was answered in part is asked again with the next interval.
        self._past = {key: part for key, part in parts.items() if key in self._past and not part.warnings}
        self._series = _joined(list(parts.values()))
        warnings = tuple(dict.fromkeys(w for part in parts.values() for w in part.warnings))
        given = weight(self._deployed, self._channel.clock.now())
        # Of days of intervals that takes a while: the screen does not wait for it, and answers go on coming in.
        judgement = partial(self._judgement, at, seen.known_from, given, dict(self._replies))
        state = await asyncio.to_thread(judgement) if at.count > FIRST_INTERVALS else judgement()
        self._say(at, state, seen.known_from, given, warnings)
        self._arms, self._turn = at, Turn()

    def _go_on_later(self, seen: Versions, began: float) -> None:
        """The rest is asked with the next refresh; ``began``: monotonic time at which this part was."""
        self._turn.begin(began, self._channel.interval)
        self._wait(seen)

    def _wait(self, seen: Versions) -> None:
        """Of what is not whole nothing is said."""
        stable, trial = seen.arm("stable"), on_trial(seen)
        if stable is not None and trial is not None and not self._is_about(stable.version, trial.version):
            self.reading = CanaryReading(stable.version, trial.version, None, None, MINUTE)

    def _failed(self, failure: Failure, seen: Versions, pace_seconds: float = MINUTE) -> None:
        self._turn.failed(failure, self._channel.clock.monotonic(), pace_seconds, self._channel.interval)
        self._wait(seen)
        if self.reading is not None:
            self.reading = replace(self.reading, failure=failure)

    def _is_about(self, stable: str, canary: str) -> bool:
        return self.reading is not None and (self.reading.stable, self.reading.canary) == (stable, canary)

    def _judgement(self, at: Arms, known_from: str, given: Weight | None,
                   replies: Mapping[Question, Reply]) -> CanaryState:
        return judge(*trial(self._notebook, replies, self._series, at, known_from, given))

    def _say(self, at: Arms, state: CanaryState, known_from: str, given: Weight | None,
             warnings: tuple[str, ...] | None = None) -> None:
        """``warnings`` None: those that came with the same series before."""
        before = self.reading.warnings if self.reading is not None else ()
        self.reading = CanaryReading(at.stable, at.canary, state, at.end, at.last_step,
                                     warnings=before if warnings is None else warnings)
        self._judged = known_from, given


def _joined(parts: Sequence[_Part]) -> dict[Question, tuple[Series, ...]]:
    found: dict[Question, tuple[Series, ...]] = {}
    for part in parts:
        for question, items in part.series.items():
            found[question] = (*found.get(question, ()), *items)
    return found
