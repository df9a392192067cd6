"""``CloserAsker``: asks what only a closer look needs, while there is one: two range requests, each at its own pace."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from triage.facts.closer_look import CloserLook
from triage.facts.log_reading import Told
from triage.facts.outcome import Failure
from triage.facts.samples import Sample
from triage.live.channel import Channel, by_question, combined
from triage.live.labels import label_past, label_questions, labels
from triage.live.pacing import Turn
from triage.live.retrain import Past
from triage.live.scores import ATTRIBUTED, attributed, attribution_questions, score_past, score_questions, scores
from triage.signals.closer_reading import CloserReading

if TYPE_CHECKING:
    from triage.notebook.load import Notebook
    from triage.signals.references import Registered

SCORES, LABELS = "closer: scores", "closer: labels"
LABELS_SECONDS = 600.0
"""How often labels are asked for: their cohorts are hours and days."""


class CloserAsker:
    """The past of one feature with what the features are worth, and labels by prediction time."""

    def __init__(self, notebook: Notebook, channel: Channel) -> None:
        self.reading: CloserReading | None = None
        """What is known; None while nobody looks closely."""
        self.registered: Registered | Failure | None = None
        """References kept with the version in the registry; the owner keeps it up to date."""
        self._notebook = notebook
        self._channel = channel
        self._label_asked = label_questions(notebook)
        self._attribution_asked = attribution_questions(notebook)
        self._scores_turn, self._labels_turn = Turn(), Turn()
        self._scores_at: Past | None = None

    def forget_pace(self) -> None:
        """Ask at the next refresh, whatever is known."""
        self._scores_turn, self._labels_turn = Turn(), Turn()
        self._scores_at = None

    def hurry(self) -> None:
        """Ask at the next refresh what failed."""
        for turn in (self._scores_turn, self._labels_turn):
            if turn.failures:
                turn.give_up()

    def failures(self) -> list[Failure]:
        """Why what is not renewed at present is not."""
        reading = self.reading
        told = () if reading is None else (reading.scores.failure, reading.attributions.failure, reading.labels.failure)
        return [failure for failure in told if failure is not None]

    def begin(self, wanted: CloserLook | None, range_seconds: float, end: float | None) -> None:
        """Ask what is due for this look; None: nobody looks, and what is under way is given up."""
        flights, clock = self._channel.flights, self._channel.clock
        if wanted is None:
            if self.reading is not None:
                flights.cancel(SCORES)
                flights.cancel(LABELS)
                self.reading = None
                self.forget_pace()
            return
        before = self.reading
        if before is None or (before.wanted, before.range_seconds, before.end) != (wanted, range_seconds, end):
            # Whoever chooses another feature does not wait for the one before; labels are the same for all of them.
            flights.cancel(SCORES)
            self._scores_turn, self._scores_at = Turn(), None
            self.reading = CloserReading(
                wanted, range_seconds, end, 3 * max(self._channel.interval, 60.0),
                attributions=before.attributions if before is not None else Told(),
                labels=before.labels if before is not None else Told(), labels_counted=bool(self._label_asked),
                attributions_named=bool(self._attribution_asked))
        now, world = clock.monotonic(), clock.now()
        at = score_past(self._notebook, range_seconds, world if end is None else end)
        if at != self._scores_at and self._scores_turn.is_due(now, self._channel.interval):
            flights.start(SCORES, partial(self._ask_scores, wanted, at))
        cohorts = label_past(self._notebook, world)
        if cohorts is not None and self._labels_turn.is_due(now, self._channel.interval):
            flights.start(LABELS, partial(self._ask_labels, cohorts))

    async def _ask_scores(self, wanted: CloserLook, at: Past) -> None:
        asked = (*score_questions(self._notebook, wanted), *self._attribution_asked)
        if not asked:
            self._scores_at = at
            return
        expression, addresses = combined(asked)
        outcome = await self._channel.query_range(expression, start=at.start, end=at.end, step=at.step)
        reading = self.reading
        if reading is None:
            return
        if isinstance(outcome, Failure):
            self._scores_turn.failed(outcome, self._channel.clock.monotonic(), at.step, self._channel.interval)
            self.reading = replace(reading, scores=replace(reading.scores, failure=outcome),
                                   attributions=replace(reading.attributions, failure=outcome)
                                   if self._attribution_asked else reading.attributions)
            return
        series = by_question([question for question, _ in asked], addresses, outcome.series)
        newest = [Sample(item.labels, item.values[-1], item.times[-1]) for question, items in series.items()
                  if question.objective == ATTRIBUTED for item in items
                  if item.times and item.times[-1] >= at.end - at.step / 2]
        past = {question: items for question, items in series.items() if question.objective != ATTRIBUTED}
        # Sixty times a score: the screen does not wait for them.
        found = await asyncio.to_thread(scores, self._notebook, wanted, past, at, self.registered)
        reading, answered_at = self.reading or reading, self._channel.clock.now()
        self.reading = replace(
            reading, scores=Told(found, answered_at),
            attributions=Told(attributed(self._notebook, newest), answered_at) if self._attribution_asked else Told())
        self._scores_at, self._scores_turn = at, Turn()

    async def _ask_labels(self, at: Past) -> None:
        expression, addresses = combined(self._label_asked)
        outcome = await self._channel.query_range(expression, start=at.start, end=at.end, step=at.step)
        reading = self.reading
        if reading is None:
            return
        if isinstance(outcome, Failure):
            self._labels_turn.failed(outcome, self._channel.clock.monotonic(), at.step, self._channel.interval)
            self.reading = replace(reading, labels=replace(reading.labels, failure=outcome))
            return
        series = by_question([question for question, _ in self._label_asked], addresses, outcome.series)
        now = self._channel.clock.now()
        self.reading = replace(reading, labels=Told(labels(self._notebook, series, at, now), now))
        self._labels_turn = Turn()
        self._labels_turn.begin(self._channel.clock.monotonic(), LABELS_SECONDS)
