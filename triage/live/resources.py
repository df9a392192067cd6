"""Asks Prometheus what a model's pods use and how they work: one request for the present, one for the pods over time.

Names are cAdvisor's, kube-state-metrics' and those of NVIDIA's DCGM exporter, unless the manifest has others. Where an
exporter's own labels were kept (``honor_labels: false``), what it tells of stands in ``exported_pod``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from triage.facts.outcome import Failure
from triage.facts.pod_series import PodAnswers, PodPart, PodQuestion
from triage.facts.replies import PODS, Part, Question
from triage.facts.units import UNIT_SECONDS
from triage.live.channel import Channel, by_question, combined
from triage.live.expressions import Asked, Pace
from triage.live.pacing import Turn
from triage.live.trends import Grid, grid
from triage.notebook.resolve import batch_sizes, queue_times, requests_selectors
from triage.notebook.selector import Matcher, Selector, parse_selector, quote, regex_quote
from triage.notebook.serving import PodSeries
from triage.notebook.slis import AverageSli, HistogramSli
from triage.quantities import format_duration
from triage.signals.killed import KILLED_SECONDS, OUT_OF_MEMORY

if TYPE_CHECKING:
    from triage.notebook.load import Notebook
    from triage.notebook.manifest import Manifest

RESOURCES_SECONDS = 15.0
"""How often the pods are asked about: their exporters are scraped no more often."""
NOW = "pods now"
REPLICAS = "pods over time"
_REPLICAS_SCRAPE = 30.0
"""Shortest step of the pods over time, in seconds."""
_NAMES: Mapping[PodSeries, str] = {
    "cpu_seconds": "container_cpu_usage_seconds_total", "cpu_periods": "container_cpu_cfs_periods_total",
    "cpu_throttled_periods": "container_cpu_cfs_throttled_periods_total",
    "memory_bytes": "container_memory_working_set_bytes", "limits": "kube_pod_container_resource_limits",
    "requests": "kube_pod_container_resource_requests", "restarts": "kube_pod_container_status_restarts_total",
    "last_end": "kube_pod_container_status_last_terminated_reason",
    "waiting": "kube_pod_container_status_waiting_reason", "gpu_percent": "DCGM_FI_DEV_GPU_UTIL",
    "gpu_memory_used": "DCGM_FI_DEV_FB_USED", "gpu_memory_free": "DCGM_FI_DEV_FB_FREE"}
_CADVISOR: frozenset[PodSeries] = frozenset({"cpu_seconds", "cpu_periods", "cpu_throttled_periods", "memory_bytes"})
_Kinds = tuple[tuple[PodPart, PodSeries], ...]
_PERIODS: _Kinds = ((PodPart.PERIODS, "cpu_periods"), (PodPart.THROTTLED, "cpu_throttled_periods"))
_AMOUNTS: _Kinds = ((PodPart.LIMITS, "limits"), (PodPart.REQUESTS, "requests"))
_REASONS: _Kinds = ((PodPart.LAST_END, "last_end"), (PodPart.WAITING, "waiting"))
_GPUS: _Kinds = ((PodPart.GPU, "gpu_percent"), (PodPart.GPU_USED, "gpu_memory_used"),
                 (PodPart.GPU_FREE, "gpu_memory_free"))
_WITHOUT_PODS = frozenset({"none", "haproxy", "mlflow", "webhook"})
"""Kinds of rollouts that do not say what pods there are."""
_MOVED: Mapping[str, str] = {"pod": "exported_pod", "namespace": "exported_namespace",
                             "container": "exported_container"}


def pod_selector(manifest: Manifest, series: PodSeries) -> Selector:
    """The series of this kind about the model's pods."""
    resources, rollout = manifest.spec.resources, manifest.spec.rollout
    written = resources.series.get(series) if resources is not None else None
    labels = dict(resources.pods) if resources is not None else {}
    if not labels and rollout is not None and rollout.kind != "none":
        labels["namespace"] = rollout.namespace
    elif not labels:
        labels = {name: value for name, value in manifest.spec.metrics.selector.items() if name == "namespace"}
    selector = parse_selector(written or _NAMES[series]).where(labels)
    if all(matcher.label != "pod" for matcher in selector.matchers):
        name = rollout.name if rollout is not None else manifest.metadata.name
        names = resources.pod_names if resources is not None else None
        selector = selector.with_matcher(Matcher("pod", "=~", names or f"{regex_quote(name)}-.+"))
    if series in _CADVISOR and written is None:
        # cAdvisor counts the pod as a whole once more, without a container, and its pause container.
        selector = selector.with_matcher(Matcher("container", "!~", "|POD"))
    return selector


def pod_questions(notebook: Notebook) -> tuple[tuple[PodQuestion, str], ...]:
    """Everything that is asked about the present, each with its expression."""
    return (*_of_pods(notebook.manifest), *_of_work(notebook.manifest))


def killed_questions(notebook: Notebook) -> tuple[Asked, ...]:
    """Containers that were restarted in the last half hour, the last time because they needed too much memory.

    () where the manifest does not say which pods are the model's. Asked in the request of what is asked once a minute.
    """
    manifest = notebook.manifest
    resources, rollout = manifest.spec.resources, manifest.spec.rollout
    named = resources is not None and (resources.pods or resources.pod_names)
    if not named and (rollout is None or rollout.kind in _WITHOUT_PODS):
        return ()
    span = f"[{format_duration(KILLED_SECONDS)}]"
    restarts = _told(pod_selector(manifest, "restarts"), f"(max_over_time({{}}{span}) - min_over_time({{}}{span}))")
    ended = _told(pod_selector(manifest, "last_end").with_matcher(Matcher("reason", "=", OUT_OF_MEMORY)))
    by = "max by (pod, container)"
    return (Asked(Question(PODS, 0, Part.KILLED, KILLED_SECONDS),
                  f"({by} ({restarts}) > 0 and on (pod, container) {by} ({ended}) == 1)", Pace.DAY),)


def replicas_expression(manifest: Manifest) -> str:
    """The number of pods by ``set``: what stands before the last hyphen of a pod's name, which is its ReplicaSet."""
    memory = pod_selector(manifest, "memory_bytes")
    return f'count by (set) (label_replace(max by (pod) ({memory}), "set", "$1", "pod", "(.+)-[^-]+"))'


def _of_pods(manifest: Manifest) -> Iterator[tuple[PodQuestion, str]]:
    cpu, memory = pod_selector(manifest, "cpu_seconds"), pod_selector(manifest, "memory_bytes")
    by_container = "by (pod, container)"
    yield PodQuestion(PodPart.CPU), f"sum {by_container} (rate({cpu}[5m]))"
    yield PodQuestion(PodPart.MEMORY), f"max {by_container} ({memory})"
    yield PodQuestion(PodPart.SEEN), f"max by (pod) (max_over_time(timestamp({memory})[1h:1m]))"
    for part, named in _PERIODS:
        yield PodQuestion(part), f"sum {by_container} (increase({pod_selector(manifest, named)}[5m]))"
    for part, named in _AMOUNTS:
        selector = pod_selector(manifest, named).with_matcher(Matcher("resource", "=~", "cpu|memory"))
        yield PodQuestion(part), f"max by (pod, container, resource) ({_told(selector)})"
    restarts = pod_selector(manifest, "restarts")
    yield PodQuestion(PodPart.RESTARTS), f"max {by_container} ({_told(restarts)})"
    yield (PodQuestion(PodPart.RESTARTED),
           f"max {by_container} ({_told(restarts, '(max_over_time({}[1h]) - min_over_time({}[1h]))')})")
    for part, named in _REASONS:
        yield PodQuestion(part), f"max by (pod, container, reason) ({_told(pod_selector(manifest, named))}) == 1"
    for part, named in _GPUS:
        yield PodQuestion(part), f"max by (pod, gpu) ({_told(pod_selector(manifest, named))})"


def _of_work(manifest: Manifest) -> Iterator[tuple[PodQuestion, str]]:
    memory, cpu = pod_selector(manifest, "memory_bytes"), pod_selector(manifest, "cpu_seconds")
    pods = f"count(max by (pod) ({memory}))"
    yield PodQuestion(PodPart.POD_MINUTES), f"sum_over_time({pods}[1h:1m])"
    yield PodQuestion(PodPart.MINUTES), f"count_over_time({pods}[1h:1m])"
    yield PodQuestion(PodPart.CPU_SECONDS), f"sum(increase({cpu}[1h]))"
    # Fields that a GPU does not support are numbers near 2^63.
    gpu = f"(max by (pod, gpu) ({_told(pod_selector(manifest, 'gpu_percent'))}) <= 100)"
    yield PodQuestion(PodPart.GPU_SECONDS), f"sum(sum_over_time({gpu}[1h:1m])) * 60 / 100"
    for candidate, traffic in enumerate(requests_selectors(manifest)):
        for term, selector in enumerate(traffic.selectors):
            yield PodQuestion(PodPart.INFERENCES, candidate, term), f"sum(increase({selector}[1h]))"
            yield PodQuestion(PodPart.RATE, candidate, term), f"sum(rate({selector}[5m]))"
    for candidate, waited in enumerate(queue_times(manifest)):
        sli = waited.sli
        if isinstance(sli, AverageSli):
            total, count = parse_selector(sli.average_sum), parse_selector(sli.average_count)
        elif isinstance(sli, HistogramSli) and not sli.native:
            histogram = parse_selector(sli.histogram)
            total, count = histogram.suffixed("_sum"), histogram.suffixed("_count")
        elif isinstance(sli, HistogramSli):
            grown = f"sum(increase({parse_selector(sli.histogram).where(waited.labels)}[5m]))"
            yield PodQuestion(PodPart.QUEUE_SUM, candidate), f"histogram_sum({grown}) * {UNIT_SECONDS[sli.unit]!r}"
            yield PodQuestion(PodPart.QUEUE_COUNT, candidate), f"histogram_count({grown})"
            continue
        else:
            continue
        yield (PodQuestion(PodPart.QUEUE_SUM, candidate),
               f"sum(increase({total.where(waited.labels)}[5m])) * {UNIT_SECONDS[sli.unit]!r}")
        yield PodQuestion(PodPart.QUEUE_COUNT, candidate), f"sum(increase({count.where(waited.labels)}[5m]))"
    for candidate, (size, labels) in enumerate(batch_sizes(manifest)):
        for part, text, expression in ((PodPart.ITEMS, size.items, "sum(increase({}[5m]))"),
                                       (PodPart.BATCHES, size.batches, "sum(increase({}[5m]))"),
                                       (PodPart.BATCH, size.gauge, "avg({})")):
            if text is not None:
                yield PodQuestion(part, candidate), expression.format(parse_selector(text).where(labels))


def _told(selector: Selector, function: str = "{}") -> str:
    """What an exporter tells of pods that are not its own; ``function`` is applied to the series before anything."""
    moved = replace(selector, matchers=tuple(replace(m, label=_MOVED.get(m.label, m.label))
                                             for m in selector.matchers))
    if moved == selector:
        return function.replace("{}", str(selector))
    back = function.replace("{}", str(moved))
    for label in ("pod", "container"):
        back = f"label_replace({back}, {quote(label)}, \"$1\", {quote(_MOVED[label])}, \"(.+)\")"
    return f"({function.replace('{}', str(selector))} or {back})"


class ResourcesAsker:
    """Asks about the pods of one model while somebody looks at them."""

    def __init__(self, notebook: Notebook, channel: Channel) -> None:
        self.answers: PodAnswers | None = None
        """What is known; None while nobody looks."""
        self._notebook = notebook
        self._channel = channel
        self._asked = pod_questions(notebook)
        self._pace = max(RESOURCES_SECONDS, channel.interval)
        self._turns: dict[Literal["now", "replicas"], Turn] = {"now": Turn(), "replicas": Turn()}
        self._grid: Grid | None = None

    def failures(self) -> list[Failure]:
        """Why what is not renewed at present is not."""
        answers = self.answers
        if answers is None:
            return []
        return [failure for failure in (answers.failure, answers.replicas_failure) if failure is not None]

    def forget_pace(self) -> None:
        """Ask at the next refresh, whatever is known."""
        self._turns = {"now": Turn(), "replicas": Turn()}
        self._grid = None

    def hurry(self) -> None:
        """Ask at the next refresh, also after failures."""
        for turn in self._turns.values():
            turn.give_up()

    def begin(self, range_seconds: float, end: float | None, *, wanted: bool) -> None:
        """Ask what is due and not under way; the pods over ``range_seconds`` up to ``end`` (None: the present).

        ``wanted`` False: nobody looks, what is under way is given up and nothing is known.
        """
        if not wanted:
            self._forget()
            return
        self.answers = self.answers or PodAnswers(3 * self._pace)
        channel, now = self._channel, self._channel.clock.monotonic()
        if self._turns["now"].is_due(now, channel.interval) and NOW not in channel.flights.under_way():
            self._turns["now"].begin(now, self._pace)
            channel.flights.start(NOW, self._ask)
        at = grid(range_seconds, channel.clock.now() if end is None else end, _REPLICAS_SCRAPE)
        if at != self._grid and self._turns["replicas"].is_due(now, channel.interval):
            channel.flights.start(REPLICAS, partial(self._ask_replicas, at))

    def _forget(self) -> None:
        if self.answers is not None:
            for name in (NOW, REPLICAS):
                self._channel.flights.cancel(name)
            self.answers = None
            self.forget_pace()

    async def _ask(self) -> None:
        expression, addresses = combined(self._asked)
        try:
            outcome = await self._channel.query(expression)
        except asyncio.CancelledError:
            self._turns["now"].give_up()
            raise
        if self.answers is None:
            return
        if isinstance(outcome, Failure):
            self._turns["now"].failed(outcome, self._channel.clock.monotonic(), self._pace, self._channel.interval)
            self.answers = replace(self.answers, failure=outcome)
            return
        self._turns["now"].failures = 0
        found = by_question([question for question, _ in self._asked], addresses, outcome.samples)
        self.answers = replace(self.answers, found=found, answered_at=self._channel.clock.now(),
                               warnings=outcome.warnings, failure=None)

    async def _ask_replicas(self, at: Grid) -> None:
        outcome = await self._channel.query_range(replicas_expression(self._notebook.manifest), start=at.start,
                                                  end=at.end, step=at.step)
        if self.answers is None:
            return
        if isinstance(outcome, Failure):
            self._turns["replicas"].failed(outcome, self._channel.clock.monotonic(), max(at.step, self._pace),
                                           self._channel.interval)
            self.answers = replace(self.answers, replicas_failure=outcome)
            return
        self._grid = at
        self._turns["replicas"] = Turn()
        self.answers = replace(self.answers, replicas=outcome.series, replicas_step=at.step, replicas_failure=None)
