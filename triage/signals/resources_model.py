"""What a model's pods use and how they work, as plain frozen values: what screens and reports render."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from triage.facts.outcome import Failure
from triage.signals.reading import Reading, Verdict


class Basis(StrEnum):
    """What 100 % of a resource is."""

    LIMIT = "limit"
    """The container's limit, as kube-state-metrics tells it."""
    REQUEST = "request"
    """There is no limit: what the container asked for. More than all of it is allowed."""
    MANIFEST = "manifest"
    """Neither is exported: what the manifest says of one replica."""
    WHOLE = "whole"
    """All there is: of the time, of the GPU's memory, of the periods."""
    NONE = ""
    """Nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one resource a pod uses: of its containers the one that is nearest to its limit."""

    used: float | None
    """Cores, bytes, or a share of 1; None when it is not known."""
    whole: float | None
    """What 100 % is, in the same unit; None when nothing says."""
    basis: Basis
    verdict: Verdict = Verdict.NOT_JUDGED
    """``warn`` for an exception, ``unknown`` when it cannot be told, else ``not_judged`` or ``pass``."""
    n: float | None = None
    """What a share is of (periods); None for levels."""

    @property
    def share(self) -> float | None:
        """0 to 1 and more; None when it cannot be told."""
        return None if self.used is None or not self.whole else self.used / self.whole


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod."""

    name: str
    version: str
    """"" when nothing tells which version it runs."""
    verdict: Verdict
    """``fail``, ``warn``, ``unknown``, ``pending`` (too young to be measured) or ``pass``."""
    why: tuple[str, ...]
    """What is the matter, the worst first; () for a pod that passes."""
    cpu: Use
    memory: Use
    throttled: Use
    """Share of the periods of its CPU quota in which it had to wait."""
    gpu: Use
    gpu_memory: Use
    restarts: int | None
    """Since it was made."""
    restarted: int | None
    """Within the last hour."""
    phase: str = ""
    """As Kubernetes says; "" when it was not asked."""
    ready: bool | None = None
    created_at: float | None = None
    sampled_at: float | None = None
    """Unix seconds of the newest sample; None when there was none within an hour."""
    last_end: str = ""
    """Why a container ended last; "" when none did."""
    last_end_at: float | None = None
    node: str = ""
    image_digest: str = ""
    """Of the image that really runs; "" when nobody tells."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an inference takes and costs, over one window."""

    window_seconds: float
    inferences: float | None
    """Requests within the window, of all versions; None when they cannot be counted."""
    pod_hours: float | None
    """Hours of all pods together within the window."""
    covered: float | None
    """Share of the window's minutes in which there was a pod, 0 to 1."""
    price_per_hour: float | None
    """Of one replica, as the manifest says, in whatever currency it means."""
    spent: float | None
    """``price_per_hour * pod_hours``."""
    per_1000: Reading
    """``spent / inferences * 1000``; its ``n`` is the inferences."""
    cpu_seconds: Reading
    """CPU seconds of all pods for each inference."""
    gpu_seconds: Reading
    """Seconds of full use of a GPU for each inference."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """One change of the number of pods."""

    at: float
    """Unix seconds, to the step of the series, or as the controller's event says."""
    before: int | None
    """Pods of the set before; None when only an event tells of it."""
    after: int | None
    version: str
    """Of the set that changed; its name when nothing tells its version; "" for the rollout as a whole."""
    why: str
    """The controller's words; "" when nobody says why."""


@dataclass(frozen=True, slots=True)
class ServingFinding:
    """Something about the pods that contradicts the promise."""

    verdict: Verdict
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class VariantState:
    """One way to serve the model that the manifest names."""

    name: str
    """"" for the one it is served in."""
    cpu: str
    memory_bytes: float | None
    gpu: int
    batch: int | None
    price_per_hour: float | None
    price_share: float | None
    """Its price over the present one; None when either is not known."""


@dataclass(frozen=True, slots=True)
class ServingReading:
    """The pods of a model and their work. None of it decides the model's verdict: it is asked only while somebody
    looks, and a verdict must not depend on that."""

    answered_at: float | None
    """When Prometheus answered; None before it has."""
    stale_after: float
    failure: Failure | None
    """Why the newest question to Prometheus was not answered."""
    warnings: tuple[str, ...]
    pods: tuple[PodState, ...]
    """Worst first, then by name."""
    listed_by: str
    """``kubernetes``: these are all there are; ``metrics``: those that series tell of, however they are named."""
    listed_at: float | None
    list_failure: Failure | None
    """Why Kubernetes could not tell; None also when it was not asked."""
    truncated: bool
    throughput: Reading
    queue: Reading
    """Mean time that requests waited, in seconds."""
    batch: Reading
    """Mean number of inferences computed at once."""
    batch_promised: int | None
    cost: Cost
    scaling: tuple[Scaling, ...]
    """Newest first."""
    scaling_note: str
    """Why changes, or their reasons, are not known; "" when they are."""
    findings: tuple[ServingFinding, ...]
    variants: tuple[VariantState, ...]
    """The present way first; () when the manifest names no resources."""

    def is_stale(self, now: float) -> bool:
        """Whether the figures no longer describe the present."""
        return self.answered_at is None or now - self.answered_at > self.stale_after
