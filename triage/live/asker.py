"""Asks Prometheus about one model: few combined requests, each at its own pace, none waiting for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from triage.clock import Clock
from triage.facts.arrangement import ArrangedReplies, arranged
from triage.facts.closer_look import CloserLook
from triage.facts.frozen import frozen
from triage.facts.outcome import GONE, REJECTED, SILENT, Failure
from triage.facts.pod_series import PodAnswers
from triage.facts.replies import Question, Reply
from triage.facts.samples import Answer
from triage.live.channel import Channel, Combined, answering, by_question, combined
from triage.live.closer import CloserAsker
from triage.live.expressions import Asked, Pace, questions
from triage.live.flights import Flights
from triage.live.judging import WORLD, RetrainAsker, WorldAsker
from triage.live.lasting import LastingAsker
from triage.live.pacing import APART_SECONDS, TOGETHER_AGAIN_SECONDS, Turn, period, stale_after
from triage.live.resources import ResourcesAsker, killed_questions
from triage.live.trends import Grid, grid, trend_questions, trends
from triage.live.trial_asker import TrialAsker
from triage.quantities import format_duration
from triage.signals.canary_reading import CanaryReading
from triage.signals.closer_reading import CloserReading
from triage.signals.deployed import NOTHING_SAID, Deployed
from triage.signals.drift_reading import DriftReading
from triage.signals.feature_store_reading import FeatureStoreReading
from triage.signals.lasting import Lasting
from triage.signals.model import Trend
from triage.signals.quality_reading import QualityReading
from triage.signals.retrain import Trigger

if TYPE_CHECKING:
    from triage.notebook.load import Notebook
    from triage.signals.references import Registered
    from triage.sources.prometheus import PrometheusClient

CHARTS = "charts"
_CROWDED = 7
"""Requests about one model in one refresh, when what can wait does: with what is asked about the server, and a trial
that begins when they are answered, they are ten."""
Key = tuple[Pace, str | None]
"""What one request is about: a pace, and one objective of it, or None for all that the server does not refuse."""
Outcome = tuple[Answer, dict[str, Question]] | Failure


@dataclass(frozen=True, slots=True)
class Look:
    """What the charts show: how far back, and up to when (None: the present)."""

    range_seconds: float = 3600.0
    end: float | None = None


@frozen(frozen=True, slots=True)
class ModelFacts:
    """Everything that Prometheus said about one model."""

    replies: Mapping[Question, Reply]
    trends: tuple[Trend, ...]
    notes: tuple[str, ...]
    canary: CanaryReading | None = None
    """The version on trial against stable; None while there is none, or nothing has been asked yet."""
    drift: DriftReading | None = None
    """Features against their references; None where none is watched, or nothing has been asked yet."""
    quality: QualityReading | None = None
    """Figures and subgroups; None where the manifest names none, or nothing has been asked yet."""
    retrain: tuple[Trigger, ...] = ()
    """The manifest's triggers; () without any, or before the first answer."""
    deployed: Deployed = NOTHING_SAID
    """What the registry and the rollout's controller said."""
    feature_store: FeatureStoreReading | None = None
    """The feature views; None where the manifest names none, or nothing has been asked yet."""
    closer: CloserReading | None = None
    """What is asked only for a closer look; None while nobody takes one."""
    pods: PodAnswers | None = None
    """What series tell of its pods; None while nobody looks at them."""
    lasting: tuple[Lasting, ...] = ()
    """Since when what the manifest rolls back for has held; () while nothing of it is met."""


class ModelAsker:
    """Holds the replies about one model and renews those that are due."""

    def __init__(self, notebook: Notebook, client: PrometheusClient, clock: Clock, interval: float, *,
                 slots: asyncio.Semaphore, landed: Callable[[], None], alone: bool = False,
                 goes_on: bool = True) -> None:
        """``slots`` bounds what is under way besides the fast questions; ``landed`` is told of every end. ``alone``:
        somebody looks at this one model, and what would cost too much for many is asked of it. ``goes_on`` False:
        there is only one refresh, and nothing waits for another."""
        self.notebook = notebook
        self.flights = Flights(landed)
        self.channel = Channel(client, clock, interval, slots, self.flights)
        self.deployed = NOTHING_SAID
        """What others said of the model, which the arms are known from; the poller keeps it up to date."""
        self._clock = clock
        self._interval = interval
        self._asked: dict[Pace, tuple[Asked, ...]] = {}
        for asked in (*questions(notebook), *(killed_questions(notebook) if alone else ())):
            self._asked[asked.pace] = (*self._asked.get(asked.pace, ()), asked)
        unasked = {a.question: Reply(None, stale_after(a.pace, interval))
                   for every in self._asked.values() for a in every}
        self._replies = ArrangedReplies(unasked, arranged(tuple(unasked)))
        self._names = {pace: tuple(dict.fromkeys(a.question.objective for a in every))
                       for pace, every in self._asked.items()}
        self._combined: dict[Pace, tuple[Combined, dict[str, Question]]] = {}
        """Everything of a pace as one expression; made when it is first asked."""
        self._turns: dict[Key, Turn] = {}
        self._refused: set[tuple[Pace, str]] = set()
        self._apart_until: dict[Pace, float] = {}
        self._look: Look | None = None
        self._grid: Grid | None = None
        self._charts_turn = Turn()
        self._trends: tuple[Trend, ...] = ()
        self._trend_failure: Failure | None = None
        self._trial = TrialAsker(notebook, self.channel, goes_on=goes_on)
        self._world = WorldAsker(notebook, self.channel)
        self._retrain = RetrainAsker(notebook, self.channel)
        self._lasting = LastingAsker(notebook, self.channel)
        self._alone = alone
        self._has_room = True
        """Whether this refresh may ask for what can wait for the next, see :data:`_CROWDED`."""
        self._resources = ResourcesAsker(notebook, self.channel)
        self._closer = CloserAsker(notebook, self.channel)
        self.closer_look: CloserLook | None = None
        """What somebody looks at closely; None: nobody does."""

    def facts(self, *, goes_on: bool = True) -> ModelFacts:
        """What is known now, frozen. ``goes_on`` False: nothing is asked again, and nothing may say so."""
        replies = ArrangedReplies(self._replies, self._replies.arrangement)
        if not goes_on:
            replies.update({q: replace(r, retry_at=None) for q, r in replies.items() if r.retry_at is not None})
        again = "; it is asked alone once a minute" if goes_on else ""
        notes = [f"{name}: the server refuses its query{again}"
                 for name in dict.fromkeys(n for pace in Pace for n in self._names.get(pace, ())
                                           if (pace, n) in self._refused)
                 if name] if self._refused else []
        if self._apart_until:
            notes.append("the server refused combined queries: one query per objective")
        failure = self._trend_failure
        if failure is not None and failure.kind not in GONE:
            state = "are not renewed" if self._trends else "cannot be read"
            notes.append(f"charts {state}: {failure.sentence()}")
        if self._retrain.note():
            notes.append(self._retrain.note())
        return ModelFacts(replies, self._trends, tuple(notes), self._trial.reading, self._world.drift,
                          self._world.quality, self._retrain.triggers, self.deployed, self._world.feature_store,
                          self._closer.reading, self._resources.answers, self._lasting.found)

    def take_answers(self) -> list[Answer]:
        """The answers since the last call."""
        return self.channel.take_answers()

    def failures(self) -> list[Failure]:
        """Why what is not renewed at present is not, each failed request once."""
        found = [r.failure for r in self._replies.values() if r.failure is not None]
        judged = (self._trial.reading, self._world.drift, self._world.quality, self._world.feature_store)
        found += [f for f in (self._trend_failure, self._retrain.failure, self._lasting.failure,
                              *self._resources.failures(),
                              *(reading.failure for reading in judged if reading is not None)) if f is not None]
        found += self._closer.failures()
        return list({id(failure): failure for failure in found}.values())

    @property
    def is_unheard(self) -> bool:
        """Whether what is asked at every refresh failed last time, and nothing else was answered since either."""
        if self.channel.answers:
            return False
        fast = (self._replies[a.question] for a in self._asked.get(Pace.FAST, ()))
        return any(r.failure is not None and r.failure.kind in SILENT for r in fast)

    def forget_pace(self) -> None:
        """Ask everything at the next refresh, whatever its pace: after a suspend nothing is recent."""
        self._turns.clear()
        self._charts_turn, self._grid = Turn(), None
        for asker in (self._trial, self._world, self._retrain, self._lasting, self._resources, self._closer):
            asker.forget_pace()

    def hurry(self) -> None:
        """Ask at the next refresh what is asked at every one, and what failed."""
        for (pace, _), turn in self._turns.items():
            if turn.failures or period(pace, self._interval) <= self._interval:
                turn.give_up()
        self._charts_turn.give_up()
        for asker in (self._trial, self._world, self._retrain, self._lasting, self._resources, self._closer):
            asker.hurry()

    def know(self, registered: Registered | Failure | None) -> None:
        """Take the references kept with the version in the registry; None until it has answered."""
        self._world.know(registered)
        self._retrain.know(registered)
        self._closer.registered = registered

    def know_retention(self, seconds: float | None) -> None:
        """Take how long the server keeps samples; None when it does not say."""
        self._trial.births.retention_seconds = seconds

    def seldom(self, now: float) -> Iterator[tuple[Hashable, float, float]]:
        """What is not asked at every refresh and could wait for a later one: when it is due, and at which pace."""
        for pace in self._asked:
            every, turn = period(pace, self._interval), self._turns.get((pace, None))
            if turn is not None and every > self._interval and turn.may_wait(now, every):
                yield pace, turn.at, every
        world = self._world.seldom(now)
        if world is not None:
            yield WORLD, *world

    def begin(self, look: Look | None, later: Collection[Hashable] = ()) -> None:
        """Ask what is due and not under way; nothing is waited for. ``look`` None: nobody looks at charts.

        ``later``: which of :meth:`seldom` is left to a later refresh.
        """
        now = self._clock.monotonic()
        for pace in self._asked:
            every = period(pace, self._interval)
            for key in self._keys(pace, now):
                turn = self._turn(key)
                if (turn.is_due(now, self._interval) and not (pace in later and turn.may_wait(now, every))
                        and not self._is_held(key)):
                    turn.begin(now, every)
                    self.flights.start(key, partial(self._ask, key))
        if look is not None:
            self._begin_charts(look, now)
        self.begin_trial()
        if WORLD not in later or self._world.seldom(now) is None:
            self._world.begin()
        self._retrain.begin()
        closely, seen = (self.closer_look, look) if look is not None else (None, Look())
        self._has_room = len(self.flights.under_way()) < _CROWDED
        self._resources.begin(seen.range_seconds, seen.end, wanted=closely is not None and closely.pods)
        self._closer.begin(closely, seen.range_seconds, seen.end)

    def begin_trial(self) -> None:
        """Ask about both arms when another interval of the trial is full, and how long what is broken has been;
        nothing while there is none."""
        self._trial.begin(self._replies, self.deployed)
        if self._alone:
            self._lasting.begin(self._replies, self.deployed, may_ask=self._has_room)

    def _turn(self, key: Key) -> Turn:
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = Turn()
        return turn

    def _keys(self, pace: Pace, now: float) -> Iterator[Key]:
        """The requests that a pace is made of at present."""
        if not self._refused and not self._apart_until:
            yield pace, None
            return
        names = self._names[pace]
        if self._apart_until.get(pace, now) <= now:
            self._apart_until.pop(pace, None)
        alone = names if pace in self._apart_until else tuple(n for n in names if (pace, n) in self._refused)
        if len(alone) < len(names):
            yield pace, None
        yield from ((pace, name) for name in alone)

    def _is_held(self, key: Key) -> bool:
        """Whether its questions are under way: in this request, or in those they were asked in apart."""
        pace, name = key
        return any(other == key or (name is None and isinstance(other, tuple) and other[0] is pace
                                    and other not in self._refused) for other in self.flights.under_way())

    async def _ask(self, key: Key) -> None:
        pace, name = key
        try:
            if name is not None:
                await self._one(pace, name)
            else:
                await self._together(pace)
        except asyncio.CancelledError:
            self._turn(key).give_up()
            raise

    async def _together(self, pace: Pace) -> None:
        barred = {name for other, name in self._refused if other is pace}
        asked = [a for a in self._asked[pace] if a.question.objective not in barred] if barred else self._asked[pace]
        outcome = await self._send(pace, asked)
        if not isinstance(outcome, Failure) or outcome.kind not in REJECTED:
            self._keep((pace, None), asked, outcome)
            return
        names = list(dict.fromkeys(a.question.objective for a in asked))
        if len(names) == 1:
            self._refused.add((pace, names[0]))
            self._keep((pace, names[0]), asked, outcome)
            return
        refused = await asyncio.gather(*(self._one(pace, name) for name in names))
        if not any(refused):
            self._apart_until[pace] = self._clock.monotonic() + TOGETHER_AGAIN_SECONDS
            return
        # What failed apart for another reason is among the combined again, as soon as it would have been asked alone.
        whole = self._turn((pace, None))
        whole.at = min([whole.at, *(self._turn((pace, name)).at for name, no in zip(names, refused, strict=True)
                                    if not no and self._turn((pace, name)).failures)])

    async def _one(self, pace: Pace, name: str) -> bool:
        """Ask about one objective alone; True when the server refuses it."""
        own = [a for a in self._asked[pace] if a.question.objective == name]
        self._turn((pace, name)).begin(self._clock.monotonic(), period(pace, self._interval))
        outcome = await self._send(pace, own)
        refused = isinstance(outcome, Failure) and outcome.kind in REJECTED
        if refused:
            self._refused.add((pace, name))
        elif not isinstance(outcome, Failure):
            self._refused.discard((pace, name))
        self._keep((pace, name), own, outcome)
        return refused

    async def _send(self, pace: Pace, asked: Sequence[Asked]) -> Outcome:
        known = self._combined.get(pace) if asked is self._asked[pace] else None
        expression, addresses = known or combined([(a.question, a.expression) for a in asked])
        if asked is self._asked[pace]:
            self._combined[pace] = expression, addresses
        ask = self.channel.query_at_once if pace is Pace.FAST else self.channel.query
        outcome = await ask(expression)
        return outcome if isinstance(outcome, Failure) else (outcome, addresses)

    def _keep(self, key: Key, asked: Sequence[Asked], outcome: Outcome) -> None:
        pace, turn = key[0], self._turn(key)
        if isinstance(outcome, Failure):
            turn.failed(outcome, self._clock.monotonic(), period(pace, self._interval), self._interval)
            if key in self._refused and outcome.kind not in GONE:
                turn.at = self._clock.monotonic() + APART_SECONDS
            rest = max(0.0, turn.at - self._clock.monotonic())
            # Where the source is gone, it is the source's own next try that counts.
            retry_at = None if outcome.kind in GONE else self._clock.now() + rest
            for item in asked:
                self._replies[item.question] = replace(self._replies[item.question], failure=outcome, retry_at=retry_at)
            return
        turn.failures = 0
        answer, addresses = outcome
        answered_at = self._clock.now()
        limit = stale_after(pace, self._interval)
        replies, warnings = self._replies, answer.warnings
        found = answering(addresses, answer.samples)
        for item in asked:
            question = item.question
            replies[question] = Reply(answered_at, limit, found.get(question, ()), (), warnings)
        if pace is Pace.DAY:
            # Only now it is known since when each version is there, and so which one is on trial.
            self.begin_trial()

    def _begin_charts(self, look: Look, now: float) -> None:
        if look != self._look:
            # Whoever turns the page does not wait for the one before.
            self._look = look
            self._charts_turn = Turn()
            self.flights.cancel(CHARTS)
        wanted = grid(look.range_seconds, look.end if look.end is not None else self._clock.now(),
                      self.notebook.manifest.spec.metrics.scrape_interval)
        if wanted != self._grid and self._charts_turn.is_due(now, self._interval):
            self.flights.start(CHARTS, partial(self._charts, wanted))

    async def _charts(self, at: Grid) -> None:
        scrape = self.notebook.manifest.spec.metrics.scrape_interval
        asked = trend_questions(self.notebook, format_duration(max(4 * scrape, 2 * at.step, 60.0)))
        if not asked:
            self._grid = at
            return
        expression, addresses = combined(asked)
        outcome = await self.channel.query_range(expression, start=at.start, end=at.end, step=at.step)
        if isinstance(outcome, Failure):
            self._trend_failure = outcome
            self._charts_turn.failed(outcome, self._clock.monotonic(), max(at.step, self._interval), self._interval)
            return
        series = by_question([question for question, _ in asked], addresses, outcome.series)
        self._trends = trends(self.notebook, series, at)
        self._grid, self._trend_failure = at, None
        self._charts_turn = Turn()
