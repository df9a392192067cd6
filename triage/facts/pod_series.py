"""What time series said of a model's pods and of the work they did: questions by their parts, and the newest answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from triage.facts.outcome import Failure
from triage.facts.samples import Sample, Series


class PodPart(StrEnum):
    """What a question asks for. Per pod and container, unless it says otherwise."""

    CPU = "cpu"
    """Cores in use, mean of five minutes."""
    PERIODS = "periods"
    """Periods of the CPU quota (100 ms each) within five minutes."""
    THROTTLED = "throttled"
    """Those of them in which the container had to wait."""
    MEMORY = "memory"
    """Bytes of the working set, which is what the kernel kills by."""
    LIMITS = "limits"
    """Cores and bytes, by ``resource``."""
    REQUESTS = "requests"
    RESTARTS = "restarts"
    """Since the pod was made."""
    RESTARTED = "restarted"
    """Within the last hour."""
    LAST_END = "last-end"
    """1 by ``reason``: why it ended last, however long ago."""
    WAITING = "waiting"
    """1 by ``reason``: why it does not run."""
    SEEN = "seen"
    """Per pod: Unix seconds of the newest sample of its memory within the last hour."""
    GPU = "gpu"
    """Per pod and GPU: percent of the time in use."""
    GPU_USED = "gpu-used"
    """Per pod and GPU: MiB."""
    GPU_FREE = "gpu-free"
    INFERENCES = "inferences"
    """Of the model, within the last hour."""
    RATE = "rate"
    """Of the model: inferences per second, mean of five minutes."""
    QUEUE_SUM = "queue-sum"
    """Of the model, within five minutes: seconds waited by all requests."""
    QUEUE_COUNT = "queue-count"
    ITEMS = "items"
    """Of the model, within five minutes: inferences computed in batches."""
    BATCHES = "batches"
    BATCH = "batch"
    """Of the model: mean size of the present batches of its pods."""
    POD_MINUTES = "pod-minutes"
    """Of the model, within the last hour: pods counted once a minute, added up."""
    MINUTES = "minutes"
    """Minutes of the last hour in which there was a pod."""
    CPU_SECONDS = "cpu-seconds"
    """Of all pods together, within the last hour."""
    GPU_SECONDS = "gpu-seconds"


@dataclass(frozen=True, slots=True)
class PodQuestion:
    """The address of one question."""

    part: PodPart
    candidate: int = 0
    """Which of the possible series; they are tried in order."""
    term: int = 0
    """Which of the counters that are added up."""


@dataclass(frozen=True, slots=True)
class PodAnswers:
    """The newest answers about one model. Empty until the first has come."""

    stale_after: float
    """Seconds after an answer from which it no longer describes the present."""
    found: Mapping[PodQuestion, tuple[Sample, ...]] = field(default_factory=dict)
    answered_at: float | None = None
    """World time in Unix seconds; None without an answer."""
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    """Why the newest question was not answered; None when it was."""
    replicas: tuple[Series, ...] | None = None
    """Pods over the range of the charts, by ``set``: what stands before the last hyphen of their names. None before
    the first answer."""
    replicas_step: float = 60.0
    replicas_failure: Failure | None = None
