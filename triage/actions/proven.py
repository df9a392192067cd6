"""Whether versions have proven themselves: how long each had enough of the traffic in the past days, with how many
requests, and whether they met the objectives meanwhile. One question to Prometheus when a rollback is planned.

That a ReplicaSet is old is no proof of that: it may never have had a request. Every past stretch of the grid is judged
by the expressions that the present is judged by, so nothing is remembered from look to look.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from triage.config import Active
from triage.endpoints import ConfigError
from triage.facts.arrangement import COUNTED, ArrangedReplies, arranged
from triage.facts.outcome import Failure
from triage.facts.replies import MODEL, Part, Question, Replies, Reply
from triage.facts.samples import Series
from triage.live.channel import by_question, combined
from triage.live.expressions import questions, requests_within
from triage.live.retrain import Past, columns
from triage.notebook.resolve import Objective, requests_selectors
from triage.signals.burn import DAY, WINDOWS
from triage.signals.counts import chosen_candidate, window_counts
from triage.signals.reading import Quality

if TYPE_CHECKING:
    from triage.clock import Clock
    from triage.notebook.load import Notebook
    from triage.sources.prometheus import PrometheusClient

LOOK_BACK_SECONDS = 7 * DAY
"""How far back is looked at least; further where the manifest asks for more."""
_MOST_SECONDS = 30 * DAY
_MOST_POINTS = 2016
"""Seven days of the shortest window. A stretch is as long as its step: more of them read no more samples."""
_STRETCHES = 6
"""Into how many stretches the time that a version must have served is divided at least, where the windows allow it."""
_SCRAPES = 4
"""Scrapes in a stretch at least."""


@dataclass(frozen=True, slots=True)
class Met:
    """The events of one version that one objective counts, while the version served."""

    name: str
    objective: float
    """Percent of good events that the manifest asks for."""
    bad: float
    total: float

    @property
    def good_share(self) -> float:
        """0 to 1."""
        return 1.0 - self.bad / self.total


@dataclass(frozen=True, slots=True)
class Service:
    """The time in which one version had enough of the traffic."""

    seconds: float
    requests: float
    """Of the version, in that time."""
    objectives: tuple[Met, ...]
    """Those with events; empty when none counts events by version."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What the past days say of every version."""

    versions: Mapping[str, Service]
    """Those that had enough of the traffic at some time, by the label of the metrics; "" where they carry none."""
    looked_back_seconds: float
    trouble: str = ""
    """Why nothing is known, in a few words; "" when something is."""


NOT_ASKED = Proven({}, 0.0, "it was not looked for")
NOTHING_COUNTS = Proven({}, 0.0, "the manifest names no counter of requests")


def proven_past(needed_seconds: float, scrape_seconds: float, now: float) -> Past:
    """The stretches up to ``now`` that are looked at for a version that must have served ``needed_seconds``, where
    metrics are scraped every ``scrape_seconds``."""
    looked_back = min(_MOST_SECONDS, max(LOOK_BACK_SECONDS, 2 * needed_seconds))
    least = min(DAY, max(looked_back / _MOST_POINTS, _SCRAPES * scrape_seconds))
    fitting = [window for window in WINDOWS if least <= window <= DAY]
    step = max((window for window in fitting if window <= needed_seconds / _STRETCHES), default=fitting[0])
    return Past(math.floor(now / step) * step, step, math.floor(looked_back / step))


def proven_questions(notebook: Notebook, step: float) -> tuple[tuple[Question, str], ...]:
    """What is asked over the stretches: requests by version, and the events of every objective; () when nothing counts
    requests."""
    traffic = requests_selectors(notebook.manifest)
    wanted = {each.slo.name for each in _judged(notebook)}
    found = [(Question(MODEL, index, Part.REQUESTS, step), requests_within(each, step))
             for index, each in enumerate(traffic)]
    return (*found, *((asked.question, asked.expression) for asked in questions(notebook) if traffic
                      and asked.question.part in COUNTED and asked.question.window_seconds == step
                      and asked.question.objective in wanted))


def proven(notebook: Notebook, series: Mapping[Question, Sequence[Series]], at: Past, share: float) -> Proven:
    """What was answered to :func:`proven_questions`; ``share`` (0 to 1) is how much of the traffic is enough.

    A stretch next to one without enough of it counts by its share of the requests: when in it the version came or went
    is not seen.
    """
    arrangement = arranged(tuple(series))
    served: dict[str, dict[int, float]] = {}
    requests: dict[str, float] = {}
    events: dict[str, dict[str, tuple[float, float]]] = {}
    for number, (time, found) in enumerate(zip(at.times, columns(series, at), strict=True)):
        replies = ArrangedReplies({question: Reply(time, math.inf, tuple(samples))
                                   for question, samples in found.items()}, arrangement)
        counted = _requests(notebook, replies, at.step)
        total = sum(counted.values())
        for version in [name for name, n in counted.items() if n > 0 and n >= share * total]:
            served.setdefault(version, {})[number] = counted[version] / total
            requests[version] = requests.get(version, 0.0) + counted[version]
            own = events.setdefault(version, {})
            for name, bad, of in _events(notebook, replies, version, at.step, time):
                known = own.get(name, (0.0, 0.0))
                own[name] = known[0] + bad, known[1] + of
    promised = {each.slo.name: each.slo.objective or 0.0 for each in _judged(notebook)}
    return Proven({version: Service(_stretches(shares, at.count) * at.step, requests[version], tuple(
        Met(name, promised[name], bad, of) for name, (bad, of) in events[version].items() if of > 0))
        for version, shares in served.items()}, at.count * at.step)


def _stretches(shares: Mapping[int, float], count: int) -> float:
    """For how many of ``count`` stretches a version served that had these ``shares`` of the requests (0 to 1), by the
    number of the stretch. What was before the first and is after the last is taken to be as in these."""
    def is_inside(number: int) -> bool:
        return all(not 0 <= beside < count or beside in shares for beside in (number - 1, number + 1))
    return sum(1.0 if is_inside(number) else share for number, share in shares.items())


def _judged(notebook: Notebook) -> list[Objective]:
    return [each for each in notebook.objectives if each.slo.objective is not None]


def _requests(notebook: Notebook, replies: Replies, step: float) -> dict[str, float]:
    """By version, from the first counter that has data."""
    for index, traffic in enumerate(requests_selectors(notebook.manifest)):
        found: dict[str, float] = {}
        for sample in replies[Question(MODEL, index, Part.REQUESTS, step)].samples:
            if math.isfinite(sample.value):
                version = sample.labels.get(traffic.version_label, "")
                found[version] = found.get(version, 0.0) + sample.value
        if found:
            return found
    return {}


def _events(notebook: Notebook, replies: Replies, version: str, step: float,
            at: float) -> Iterator[tuple[str, float, float]]:
    """(objective, bad, all) of one version in one stretch, where they can be relied on."""
    for objective in _judged(notebook):
        index = chosen_candidate(objective, replies, notebook.manifest.spec.metrics.scrape_interval)
        counts = window_counts(objective, index, step, replies, at)
        found = counts.by_version.get(version)
        if found is not None and found.bad is not None and counts.quality is Quality.OK:
            yield objective.slo.name, found.bad, found.total


@dataclass(slots=True)
class ProvenReader:
    """Asks Prometheus; connects to it when it is first asked. Close it with :meth:`aclose`."""

    notebook: Notebook
    active: Active
    clock: Clock
    _client: PrometheusClient | None = field(default=None, init=False)

    async def read(self, needed_seconds: float, share: float) -> Proven:
        """What the past says of versions that must have served ``needed_seconds`` at this ``share`` of the traffic.

        Raises nothing: what stands in the way is the :attr:`Proven.trouble`.
        """
        at = proven_past(needed_seconds, self.notebook.manifest.spec.metrics.scrape_interval, self.clock.now())
        asked = proven_questions(self.notebook, at.step)
        if not asked:
            return NOTHING_COUNTS
        try:
            client = await self._opened()
        except ConfigError as error:
            return Proven({}, 0.0, f"prometheus: {error.message}")
        expression, addresses = combined(asked)
        outcome = await client.query_range(expression, start=at.start, end=at.end, step=at.step)
        if isinstance(outcome, Failure):
            return Proven({}, 0.0, f"prometheus: {outcome.sentence()}")
        if outcome.warnings:
            return Proven({}, 0.0, f"prometheus: {outcome.warnings[0]}")
        return proven(self.notebook, by_question([question for question, _ in asked], addresses, outcome.series), at,
                      share)

    async def aclose(self) -> None:
        """Close the connection, where there is one."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _opened(self) -> PrometheusClient:
        if self._client is None:
            from triage.sources.prometheus import PrometheusClient
            # Reads secrets, and may run a command for one.
            self._client = await asyncio.to_thread(PrometheusClient, self.active.context.prometheus, self.clock)
        return self._client
