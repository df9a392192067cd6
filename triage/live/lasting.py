"""Asks since when what the manifest rolls a canary back for has held: one range query, while it holds.

Every past moment is judged as the present is, from what the same expressions gave then. So nothing is remembered: a
first look says the same as an hour of looking. A moment without data is one at which it did not hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from triage.facts.arrangement import COUNTED, ArrangedReplies, arranged
from triage.facts.outcome import Failure
from triage.facts.replies import MODEL, Part, Question, Replies, Reply
from triage.facts.samples import Series
from triage.live.arms import on_trial
from triage.live.channel import Channel, by_question, combined
from triage.live.expressions import counted, questions
from triage.live.pacing import Turn
from triage.live.retrain import MOST_POINTS, Past, columns
from triage.notebook.resolve import Objective, requests_selectors
from triage.signals.burn import HOUR, MINUTE
from triage.signals.deployed import Deployed, settled
from triage.signals.health import rollout_rule_reasons
from triage.signals.lasting import ROLLOUT_RULE, SLO_BREACH, Lasting, held_since
from triage.signals.model import SloState, Versions
from triage.signals.objectives import Surroundings, slo_state
from triage.signals.reading import Urgency, Verdict
from triage.signals.versions import versions

if TYPE_CHECKING:
    from triage.notebook.load import Notebook

LASTING = "lasting"
_STEPS = 10
"""Moments in the time that it must last, where that is short."""
_SHOWN_ONLY = frozenset({Part.GROUPS, Part.P50, Part.P95, Part.P99})


@dataclass(frozen=True, slots=True)
class Broken:
    """For what a rollback would be due now, if it lasted."""

    rule: tuple[str, ...] = ()
    """Objectives of which the canary breaks the rollout rule."""
    breached: tuple[tuple[str, bool], ...] = ()
    """Required objectives that fail, and whether their burn rate pages: then the long windows do not matter."""

    @property
    def by_trigger(self) -> Mapping[str, frozenset[str]]:
        """The objectives for which each trigger is met; without those that are not."""
        found = {ROLLOUT_RULE: frozenset(self.rule), SLO_BREACH: frozenset(name for name, _ in self.breached)}
        return {trigger: names for trigger, names in found.items() if names}

    @property
    def objectives(self) -> frozenset[str]:
        """Those that are looked at."""
        return frozenset({*self.rule, *(name for name, _ in self.breached)})


def lasting_past(notebook: Notebook, now: float) -> Past:
    """The moments up to ``now``, at full steps."""
    need, scrape = notebook.manifest.spec.canary.sustained, notebook.manifest.spec.metrics.scrape_interval
    step = max(scrape, min(MINUTE, need / _STEPS), need / MOST_POINTS)
    # One moment more than the time holds: the oldest must lie at its beginning or before.
    return Past(math.floor(now / step) * step, step, math.ceil(need / step) + 2)


def broken_now(notebook: Notebook, replies: Replies, seen: Versions, now: float) -> Broken:
    """What is broken at ``now``, of what the manifest rolls back for."""
    when = notebook.manifest.spec.rollback.when
    slos = tuple(slo_state(objective, replies, _around(notebook, now)) for objective in notebook.objectives)
    rule = (dict.fromkeys(reason.subject for reason in rollout_rule_reasons(notebook, slos, seen, replies, now))
            if ROLLOUT_RULE in when else ())
    breached = tuple((slo.name, slo.urgency is Urgency.PAGE) for slo in slos if _breaks(slo)) if (
        SLO_BREACH in when) else ()
    return Broken(tuple(rule), breached)


def lasting_questions(notebook: Notebook, broken: Broken) -> tuple[tuple[Question, str], ...]:
    """What is asked over the moments: what the broken objectives are judged by, and whether the canary is there."""
    return tuple(_questions(notebook, broken))


def _questions(notebook: Notebook, broken: Broken) -> Iterator[tuple[Question, str]]:
    breached, rule = dict(broken.breached), notebook.manifest.spec.rollout_rule.window
    slos = {objective.slo.name: objective.slo for objective in notebook.objectives}
    for asked in questions(notebook):
        question = asked.question
        if question.objective not in broken.objectives or question.part in _SHOWN_ONLY:
            continue
        slo, window = slos[question.objective], question.window_seconds
        needed = question.objective in breached and (window <= 6 * HOUR or not breached[question.objective])
        if question.objective in broken.rule:
            own = question.part in COUNTED and window in (5 * MINUTE, slo.reading_window, rule)
            needed = needed or own or question.part is Part.SAMPLED_AT
        if needed:
            yield question, asked.expression
    if broken.rule:
        # The rule reads a day: that the canary was silent meanwhile shows only in a short window.
        short = max(MINUTE, 4 * notebook.manifest.spec.metrics.scrape_interval)
        for index, traffic in enumerate(requests_selectors(notebook.manifest)):
            each = [counted(selector, traffic.version_label, short) for selector in traffic.selectors]
            yield Question(MODEL, index, Part.REQUESTS, short), f"({' or '.join(each)})"


def lasting(notebook: Notebook, series: Mapping[Question, Sequence[Series]], at: Past, broken: Broken,
            seen: Versions) -> tuple[Lasting, ...]:
    """How long each trigger has held, from what was answered to :func:`lasting_questions`."""
    arrangement, version = arranged(tuple(series)), on_trial(seen)
    chosen = [objective for objective in notebook.objectives if objective.slo.name in broken.objectives]
    moments: dict[str, list[tuple[float, bool]]] = {ROLLOUT_RULE: [], SLO_BREACH: []}
    for time, found in zip(at.times, columns(series, at), strict=True):
        replies = ArrangedReplies({question: Reply(time, math.inf, tuple(samples))
                                   for question, samples in found.items()}, arrangement)
        slos = _judged(notebook, chosen, replies, time)
        breached = {name for name, _ in broken.breached}
        moments[SLO_BREACH].append((time, any(slo.name in breached and _breaks(slo) for slo in slos)))
        halts = any(reason.subject in broken.rule
                    for reason in rollout_rule_reasons(notebook, slos, seen, replies, time))
        there = version is not None and _is_there(notebook, replies, version.version)
        moments[ROLLOUT_RULE].append((time, halts and there))
    met = {ROLLOUT_RULE: bool(broken.rule), SLO_BREACH: bool(broken.breached)}
    return tuple(Lasting(trigger, held_since(each), at.end, at.step) for trigger, each in moments.items()
                 if met[trigger])


def _judged(notebook: Notebook, chosen: Sequence[Objective], replies: Replies, at: float) -> tuple[SloState, ...]:
    return tuple(slo_state(objective, replies, _around(notebook, at)) for objective in chosen)


def _around(notebook: Notebook, at: float) -> Surroundings:
    spec = notebook.manifest.spec
    due = spec.quality.feedback.expected_delay if spec.quality is not None else None
    return Surroundings(at, spec.metrics.scrape_interval, None, due)


def _breaks(slo: SloState) -> bool:
    return slo.required and slo.verdict is Verdict.FAIL


def _is_there(notebook: Notebook, replies: Replies, version: str) -> bool:
    """Whether there are samples of the version; a model without counters of requests does not say."""
    known = requests_selectors(notebook.manifest)
    return not known or any(
        sample.labels.get(known[question.candidate].version_label) == version and math.isfinite(sample.value)
        for question, reply in replies.items() if question.part is Part.REQUESTS for sample in reply.samples)


class LastingAsker:
    """Asks for the past of what is broken, once for each step of its grid, while a version is on trial."""

    def __init__(self, notebook: Notebook, channel: Channel) -> None:
        self.found: tuple[Lasting, ...] = ()
        """A past for each trigger that is met; () while none is, or before the first answer."""
        self.failure: Failure | None = None
        self._notebook = notebook
        self._channel = channel
        self._traffic = requests_selectors(notebook.manifest)
        self._turn = Turn()
        self._asked: tuple[Past, Broken] | None = None
        self._broken = Broken()
        """At the newest refresh."""
        self._read_for: Mapping[str, frozenset[str]] = {}
        """By trigger, the objectives whose past :attr:`found` tells."""

    def forget_pace(self) -> None:
        """Ask at the next refresh, whatever is known."""
        self._turn, self._asked = Turn(), None

    def hurry(self) -> None:
        """Ask at the next refresh what failed."""
        if self._turn.failures:
            self._turn.give_up()

    def begin(self, replies: Replies, deployed: Deployed, *, may_ask: bool = True) -> None:
        """Ask when another step is full and something is broken that has to last; not yet without ``may_ask``."""
        manifest, clock = self._notebook.manifest, self._channel.clock
        if not {ROLLOUT_RULE, SLO_BREACH} & set(manifest.spec.rollback.when):
            return
        now = clock.now()
        seen = settled(versions(self._traffic, manifest.spec.canary.arm, replies, now, manifest.metadata.version),
                       deployed, manifest, now)
        broken = broken_now(self._notebook, replies, seen, now) if on_trial(seen) is not None else Broken()
        at = lasting_past(self._notebook, now)
        self._broken = broken
        self._drop_what_recovered()
        if not broken.objectives:
            self.found, self.failure, self._asked = (), None, None
        elif may_ask and (at, broken) != self._asked and self._turn.is_due(clock.monotonic(), self._channel.interval):
            self._channel.flights.start(LASTING, partial(self._ask, at, broken, seen))

    async def _ask(self, at: Past, broken: Broken, seen: Versions) -> None:
        asked = lasting_questions(self._notebook, broken)
        expression, addresses = combined(asked)
        outcome = await self._channel.query_range(expression, start=at.start, end=at.end, step=at.step)
        if isinstance(outcome, Failure):
            self.failure = outcome
            self._turn.failed(outcome, self._channel.clock.monotonic(), at.step, self._channel.interval)
            known = {each.trigger: each for each in self.found}
            self.found = tuple(replace(known.get(trigger, Lasting(trigger, None, at.end, at.step)),
                                       trouble=outcome.sentence()) for trigger in broken.by_trigger)
            self._read_for = {**broken.by_trigger, **{trigger: names for trigger, names in self._read_for.items()
                                                      if trigger in known}}
        else:
            series = by_question([question for question, _ in asked], addresses, outcome.series)
            self.found, self._read_for = lasting(self._notebook, series, at, broken, seen), broken.by_trigger
            self._asked, self.failure, self._turn = (at, broken), None, Turn()
        # Another refresh may have come before the answer.
        self._drop_what_recovered()

    def _drop_what_recovered(self) -> None:
        """Since when an objective was broken says nothing of the one that broke when it recovered."""
        now = self._broken.by_trigger
        self.found = tuple(each for each in self.found
                           if self._read_for[each.trigger] <= now.get(each.trigger, frozenset()))
