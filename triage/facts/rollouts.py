"""What the controller that moves traffic between versions said: a rollout, its versions, and their pods."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from triage.facts.outcome import Failure


class Phase(StrEnum):
    """Where a rollout stands, in the words of Argo Rollouts; for a Deployment by the same meaning."""

    HEALTHY = "Healthy"
    """The wanted version takes everything, and all its replicas serve."""
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    DEGRADED = "Degraded"
    """Aborted, timed out, or done and not serving."""
    UNKNOWN = "Unknown"
    """The controller has said nothing yet, or a word that is not known here."""


class VersionFrom(StrEnum):
    """Where a version was read from."""

    LABEL = "label"
    ANNOTATION = "annotation"
    IMAGE_TAG = "image tag"
    MANIFEST = "manifest"
    """The manifest names the servers of each version."""
    NONE = "nothing"
    """Nothing names it: the version is ""."""


class WeightFrom(StrEnum):
    """What a weight is that is in force."""

    ROUTER = "router"
    """What the controller told the mesh, the ingress or the service."""
    PODS = "pods"
    """No traffic routing: each serving pod gets the same share."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One pod template, with the ReplicaSet that runs it."""

    version: str
    """"" when nothing names it."""
    version_from: VersionFrom
    version_key: str
    """The label or annotation it was read from; "" for others."""
    pod_hash: str
    """The controller's name for the template; "" when it has not seen the template yet."""
    number: int | None
    """The revision that an undo names; None when there is no ReplicaSet to go back to."""
    earlier_numbers: tuple[int, ...] = ()
    """Numbers the same template had before it was gone back to, ascending."""
    image: str = ""
    """Reference of the model server's container, as the template spells it."""
    image_digest: str = ""
    """``sha256:...`` when the reference is pinned; "" when only its tag is named (pods tell what really runs)."""
    replica_set: str = ""
    """Name; "" when there is none or they could not be read."""
    desired: int | None = None
    """Replicas asked for; None when the ReplicaSets could not be read."""
    current: int | None = None
    ready: int | None = None
    available: int | None = None
    """Replicas that have been ready for long enough."""
    created_at: float | None = None
    """Unix seconds of the ReplicaSet: when this template was first rolled out."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a canary."""

    text: str
    """``setWeight 10``, ``pause 10m``, ``pause until resumed``, ``analysis success-rate``."""
    weight: float | None = None
    """Percent for the canary that the step sets; None when it sets none."""
    pause_seconds: float | None = None
    """How long a pause lasts; None for other steps and for a pause that ends by a person only."""
    until_resumed: bool = False
    """Somebody has to resume it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a rollout stands still."""

    reason: str
    """The controller's word (``CanaryPauseStep``, ``InconclusiveAnalysisRun``), or ``manual`` for ``spec.paused``."""
    since: float | None = None
    """Unix seconds; None where it is not recorded, as for a manual pause."""
    until: float | None = None
    """Unix seconds when it goes on by itself; None when a person has to resume it."""


@dataclass(frozen=True, slots=True)
class RolloutCondition:
    """One entry of ``status.conditions``."""

    type: str
    status: str
    """``True``, ``False`` or ``Unknown``."""
    reason: str
    message: str
    since: float | None
    """Unix seconds of its last change of status."""


@dataclass(frozen=True, slots=True)
class AnalysisRun:
    """The controller's own test of the canary, as the rollout's status names it."""

    role: str
    """``step``, ``background``, ``prePromotion`` or ``postPromotion``."""
    name: str
    status: str
    """``Running``, ``Successful``, ``Failed``, ``Inconclusive``, ``Error`` ..."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """The weight that a load balancer gives to one version."""

    version: str
    weight: int
    """Of its servers together, in force, whether or not they are up."""
    configured: int
    """Of the same, as the configuration has it: what a reload brings back."""
    percent: float | None
    """Of the requests, by the weights of the servers that are up; None when none is."""


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """A rollout at one time. Every text is cleaned; weights are percent of the requests."""

    kind: str
    """``Rollout`` (of Argo), ``Deployment`` or ``Backend`` (of HAProxy)."""
    namespace: str
    name: str
    read_at: float
    """World time at which it was read, Unix seconds."""
    uid: str
    resource_version: str
    created_at: float | None
    generation: int
    observed_generation: int | None
    """The generation that the status is about; None when the controller does not say."""
    observed: bool
    """Whether the status is about the present specification. When it is not, all of it may be about to change."""
    phase: Phase
    message: str
    """Why, in the controller's words; "" when it gives none."""
    strategy: str
    """``canary``, ``blueGreen``, ``rolling`` or ``recreate``; "" when it is another."""
    desired_replicas: int
    """Of all versions together, as the specification asks."""
    ready_replicas: int
    available_replicas: int
    updated_replicas: int
    """Of the wanted version."""
    stable: Revision | None
    """The version that the traffic goes back to; None before there is one."""
    canary: Revision | None
    """The version on its way, or an aborted one; None when the wanted version is the stable one."""
    revisions: tuple[Revision, ...] = ()
    """Every version there is a ReplicaSet of, newest number first; empty when they could not be read."""
    incomplete: Failure | None = None
    """Why the ReplicaSets could not be read; None when they were."""
    weight_asked: float | None = None
    """Percent for the canary that the steps ask for now; None without steps or without a canary."""
    weight_set: float | None = None
    """Percent for the canary that is in force; None without a canary, or when it cannot be told."""
    weight_from: WeightFrom | None = None
    """None when ``weight_set`` is."""
    weight_verified: bool | None = None
    """Whether the router confirmed the weight; None when it does not say, as most do not."""
    steps: tuple[Step, ...] = ()
    step_index: int | None = None
    """Of the current step, from 0; as many as there are steps when all are done; None without steps."""
    pauses: tuple[Pause, ...] = ()
    """Empty when it is not paused."""
    aborted: bool = False
    """The traffic went back to stable, and the specification still asks for the canary."""
    aborted_at: float | None = None
    promoting_fully: bool = False
    """Somebody asked to skip the remaining steps."""
    rollback_window: int | None = None
    """How many revisions back one goes without running the steps again; None when all of them are run."""
    analyses: tuple[AnalysisRun, ...] = ()
    conditions: tuple[RolloutCondition, ...] = ()
    selector: str = ""
    """Label selector of its pods, as the API takes it; "" when it is of a form that cannot be written out."""
    workload: str = ""
    """``Deployment/name`` that the pod template is taken from (``spec.workloadRef``); "" when it is its own."""
    managed_by: str = ""
    """Who would undo a change by hand: ``Argo CD``, ``Flux``, ``Helm``; "" when nothing shows one."""
    splits: tuple[Split, ...] = ()
    """Of a load balancer, which has weights and no roles: every version that it has servers of. Empty for controllers,
    which say themselves which version is stable."""
    roles_from: str = ""
    """Of a load balancer with several versions: who says which is stable, as a phrase; "" when nobody does, or nobody
    has to."""
    roles_doubt: str = ""
    """Why it is not known which version is stable, or what contradicts :attr:`roles_from`; "" for nothing."""

    @property
    def paused(self) -> bool:
        return bool(self.pauses)

    @property
    def wanted(self) -> Revision | None:
        """The version that the specification asks for."""
        return self.canary or self.stable

    @property
    def roles_unknown(self) -> bool:
        """Whether several versions take traffic and nobody knows which of them is on trial."""
        return self.stable is None and sum(split.weight > 0 for split in self.splits) > 1

    @property
    def lag(self) -> int:
        """Generations that the controller has not seen yet; 0 when it has seen all, or does not count."""
        return 0 if self.observed_generation is None else max(0, self.generation - self.observed_generation)


@dataclass(frozen=True, slots=True)
class PodFacts:
    """One pod."""

    name: str
    pod_hash: str
    """Of the :class:`Revision` it runs."""
    phase: str
    """``Pending``, ``Running``, ``Succeeded``, ``Failed``; ``Terminating`` while it is being deleted."""
    ready: bool
    created_at: float | None
    ready_since: float | None
    """Unix seconds; None while it is not ready."""
    restarts: int
    """Of all its containers together."""
    waiting: str = ""
    """Why a container does not run (``CrashLoopBackOff``, ``ImagePullBackOff``); "" when all do."""
    last_end: str = ""
    """Why a container ended last (``OOMKilled``, ``Error``); "" when none has ended."""
    last_end_at: float | None = None
    """Unix seconds; None when none has ended, or it is not recorded."""
    oom_killed: bool = False
    """Whether the last end of any of its containers was for want of memory. Earlier ends are not recorded."""
    node: str = ""
    image_digest: str = ""
    """``sha256:...`` of the model server's image that really runs; "" until the node has told."""


@dataclass(frozen=True, slots=True)
class PodsFacts:
    """The pods of a rollout at one time."""

    read_at: float
    """World time, Unix seconds."""
    pods: tuple[PodFacts, ...]
    """By name."""
    truncated: bool = False
    """There are more: only the first few hundred are read."""
