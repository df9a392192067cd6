"""Asks for what is judged from many samples: drift with quality, and retrain triggers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from triage.facts.outcome import GONE, Failure
from triage.facts.replies import Question
from triage.facts.samples import Series
from triage.live.channel import Channel, by_question, combined
from triage.live.drift import Found, drift_questions, scored, wants_references, watching
from triage.live.feature_store import feature_store_questions, feature_store_reading
from triage.live.pacing import Turn
from triage.live.quality import estimates, quality_questions, quality_reading
from triage.live.retrain import Past, past, retrain, retrain_questions
from triage.signals.drift_reading import DriftReading
from triage.signals.feature_store_reading import FeatureStoreReading
from triage.signals.quality_reading import QualityReading
from triage.signals.retrain import Trigger

if TYPE_CHECKING:
    from triage.notebook.load import Notebook
    from triage.signals.references import Registered

WORLD = "world"
RETRAIN = "retrain"
WORLD_SECONDS = 60.0
"""How often it is asked whether the world has moved: its windows are long."""


class WorldAsker:
    """Asks what drift and quality are read from, in one request, and judges them once, when it is answered."""

    def __init__(self, notebook: Notebook, channel: Channel) -> None:
        self.drift: DriftReading | None = None
        """Features against their references; None where none is watched, or nothing has been asked yet."""
        self.quality: QualityReading | None = None
        """Figures and subgroups; None where the manifest names none, or nothing has been asked yet."""
        self.feature_store: FeatureStoreReading | None = None
        """The views the model reads; None where the manifest names none, or nothing has been asked yet."""
        self._registered: Registered | Failure | None = None
        """References kept with the version in the registry."""
        self._watching = watching(notebook)
        self._notebook = notebook
        self._channel = channel
        self._asked = (*drift_questions(notebook), *quality_questions(notebook), *feature_store_questions(notebook))
        self._answer: tuple[Found, tuple[str, ...], float] | None = None
        """The newest answer with its warnings and time: scored again when the registry gives other references."""
        self._turn = Turn()
        self._every = max(channel.interval, WORLD_SECONDS)

    def forget_pace(self) -> None:
        """Ask at the next refresh, whatever is known."""
        self._turn = Turn()

    def hurry(self) -> None:
        """Ask at the next refresh what failed."""
        if self._turn.failures:
            self._turn.give_up()

    def seldom(self, now: float) -> tuple[float, float] | None:
        """When it is due and at which pace, where it could wait for a later refresh; else None."""
        if self._asked and self._every > self._channel.interval and self._turn.may_wait(now, self._every):
            return self._turn.at, self._every
        return None

    def begin(self) -> None:
        """Ask when it is due and not under way."""
        channel, now = self._channel, self._channel.clock.monotonic()
        if self._asked and self._turn.is_due(now, channel.interval) and WORLD not in channel.flights.under_way():
            self._turn.begin(now, self._every)
            channel.flights.start(WORLD, self._ask)

    def know(self, registered: Registered | Failure | None) -> None:
        """Take the references kept with the version in the registry; the same counts are scored against others."""
        if registered is not self._registered:
            self._registered = registered
            self._watching = watching(self._notebook, registered)
            self._score()

    def _score(self) -> None:
        if self._answer is not None and self._watching is not None:
            found, warnings, at = self._answer
            self.drift = scored(self._watching, found, warnings, at, 3 * self._every)

    async def _ask(self) -> None:
        expression, addresses = combined(self._asked)
        clock = self._channel.clock
        try:
            outcome = await self._channel.query(expression)
        except asyncio.CancelledError:
            self._turn.give_up()
            raise
        if isinstance(outcome, Failure):
            self._turn.failed(outcome, clock.monotonic(), self._every, self._channel.interval)
            spec = self._notebook.manifest.spec
            if spec.drift is not None:
                self.drift = replace(self.drift or DriftReading(None, (), None, 3 * self._every), failure=outcome)
            if spec.quality is not None:
                self.quality = replace(self.quality or QualityReading((), (), None, 3 * self._every),
                                       failure=outcome)
            if spec.dependencies is not None and spec.dependencies.feature_store is not None:
                self.feature_store = replace(
                    self.feature_store or FeatureStoreReading((), None, 3 * self._every), failure=outcome)
            return
        self._turn.failures = 0
        found = by_question([question for question, _ in self._asked], addresses, outcome.samples)
        self._answer = found, outcome.warnings, clock.now()
        self._score()
        self.feature_store = feature_store_reading(self._notebook, found, outcome.warnings, clock.now(),
                                                   3 * self._every)
        quality = quality_reading(self._notebook, found, outcome.warnings, clock.now(), 3 * self._every)
        self.quality = None if quality is None else replace(quality, estimates=estimates(self._notebook, found))


class RetrainAsker:
    """Asks for the past that retrain triggers are judged by, once for each step of its grid."""

    def __init__(self, notebook: Notebook, channel: Channel) -> None:
        self.triggers: tuple[Trigger, ...] = ()
        """The manifest's triggers; () without any, or before the first answer."""
        self.failure: Failure | None = None
        self._notebook = notebook
        self._channel = channel
        self._asked = retrain_questions(notebook)
        self._turn = Turn()
        self._past: Past | None = None
        self._registered: Registered | Failure | None = None
        self._answer: tuple[Mapping[Question, Sequence[Series]], Past, tuple[str, ...]] | None = None
        """The newest answer with its warnings, where it may have to be judged by other references."""

    def know(self, registered: Registered | Failure | None) -> None:
        """Take the references kept with the version in the registry; the same past is judged against others."""
        if registered is not self._registered:
            self._registered = registered
            if self._answer is not None:
                self._channel.flights.start(RETRAIN, partial(self._judge, *self._answer))

    def note(self) -> str:
        """Why triggers cannot be judged, where nothing else says so; else ''."""
        if self.failure is None or self.failure.kind in GONE:
            return ""
        return f"retrain triggers cannot be judged: {self.failure.sentence()}"

    def forget_pace(self) -> None:
        """Ask at the next refresh, whatever is known."""
        self._turn, self._past = Turn(), None

    def hurry(self) -> None:
        """Ask at the next refresh what failed."""
        if self._turn.failures:
            self._turn.give_up()

    def begin(self) -> None:
        """Ask when another step of the grid is full."""
        channel = self._channel
        wanted = past(self._notebook, channel.clock.now()) if self._asked else None
        if (wanted is not None and wanted != self._past
                and self._turn.is_due(channel.clock.monotonic(), channel.interval)):
            channel.flights.start(RETRAIN, partial(self._ask, wanted))

    async def _ask(self, at: Past) -> None:
        expression, addresses = combined(self._asked)
        clock = self._channel.clock
        outcome = await self._channel.query_range(expression, start=at.start, end=at.end, step=at.step)
        if isinstance(outcome, Failure):
            self.failure, self.triggers, self._answer = outcome, (), None
            self._turn.failed(outcome, clock.monotonic(), at.step, self._channel.interval)
            return
        series = by_question([question for question, _ in self._asked], addresses, outcome.series)
        self._answer = (series, at, outcome.warnings) if wants_references(self._notebook) else None
        await self._judge(series, at, outcome.warnings)
        self._past, self.failure, self._turn = at, None, Turn()

    async def _judge(self, series: Mapping[Question, Sequence[Series]], at: Past, warnings: tuple[str, ...]) -> None:
        while True:
            registered = self._registered
            # Scores of many features at many moments: the screen does not wait for them.
            self.triggers = await asyncio.to_thread(retrain, self._notebook, series, at, self._channel.clock.now(),
                                                    registered, warnings)
            if registered is self._registered:
                return
