"""``Plan``: an action before it is carried out: every request it will send, and a digest two people can compare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter

PLAN_SECONDS = 120.0
"""How long a plan may be carried out after it was made: what it rests on grows old."""
JsonValue = str | int | float | bool | None
UNLISTED = "you may not list pods"
"""Why the digest of an image is not known, where another person may know it."""


class Action(StrEnum):
    """What can be done; the words of ``triage act``."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    """One step further."""
    PROMOTE_FULL = "promote-full"
    """All remaining steps at once."""
    ABORT = "abort"
    """All traffic back to stable; the specification still asks for the canary."""
    ROLLBACK = "rollback"
    """To a named version."""
    RETRY = "retry"
    """Start an aborted canary again."""
    SCALE = "scale"
    RETRAIN = "retrain"
    SILENCE = "silence"
    EXPIRE_SILENCE = "expire-silence"
    CELL = "cell"
    """Run a diagnostic cell that changes something."""

    @property
    def safe(self) -> bool:
        """Whether it is the safe direction, which missing evidence never blocks."""
        return self in _SAFE


_SAFE = frozenset({Action.PAUSE, Action.ABORT, Action.ROLLBACK})


@dataclass(frozen=True, slots=True)
class Target:
    """What an action changes, named so that nobody takes it for something else."""

    context: str
    """Of triage.yaml."""
    production: bool
    model: str
    system: str
    """``argo``, ``deployment``, ``haproxy``, ``mlflow``, ``webhook``, ``alertmanager``, ``cells``."""
    kind: str
    """As it is shown: ``Argo Rollout``, ``alias``, ``backend``."""
    cluster: str
    """Where it is: name of the cluster or URL of the server, without credentials."""
    namespace: str
    """"" where the system has none."""
    name: str

    @property
    def key(self) -> str:
        """What tells it from every other; leases and cool-downs go by it."""
        return "/".join((self.system, self.cluster, self.namespace, self.name))

    @property
    def called(self) -> str:
        """What is typed to confirm a change of it: its own name, which need not be the model's; of an alias the
        registered model's, whose alias moves."""
        return (self.name.rpartition("@")[0] or self.name) if self.system == "mlflow" else self.name

    def sentence(self) -> str:
        """``Argo Rollout ml/fraud-scorer, cluster prod-eu``."""
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {name}, {self.cluster}"


@dataclass(frozen=True, slots=True)
class State:
    """Where the target stands, or will stand: never "previous", always what it is."""

    version: str
    """"" when nothing names it, or the action is about no version."""
    revision: int | None = None
    """The controller's number of it."""
    image_digest: str = ""
    """``sha256:...``; "" when it is not known."""
    text: str = ""
    """The rest in a few words: ``10 %, step 1 of 4, paused``."""
    image_source: str = ""
    """Where the digest comes from, or why it is not known; "" where the system knows no images. Not in the plan's
    digest: two persons may read the same image in two ways."""


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must still be so when the request is sent; checked by re-reading, and by the server where it can."""

    name: str
    """Key in :class:`~triage.actions.system.Observed`, such as ``pod_hash``, ``uid``, ``step``, ``alias``."""
    expected: JsonValue
    sentence: str
    """``step is 1``."""


@dataclass(frozen=True, slots=True)
class Request:
    """One exact request. It is sent once and never again."""

    method: str
    """``PATCH``, ``POST``, ``DELETE``; ``RUNTIME`` for a command of HAProxy's runtime API, ``RUN`` for a cell."""
    path: str
    """Path and query after the system's base URL; the command itself for ``RUNTIME``; the cell's id for ``RUN``."""
    content_type: str
    """"" when there is no body."""
    body: str
    """The body, byte for byte; "" for none."""
    sentence: str
    """``patch rollouts/status  abort -> true``."""
    effect: str
    """What it does, in a few words: ``all traffic to v7 at once``."""
    preconditions: tuple[Precondition, ...] = ()
    dry_run_path: str = ""
    """Path that makes the server rehearse it; "" when the system has no dry run."""


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """Who feels it."""

    traffic_share: float | None
    """Share of the model's requests (0 to 1) that change version; None when it is not known."""
    replicas: int | None
    """Replicas that start, stop or change; None when it is not known."""
    capacity_ready: int | None
    """Replicas that already can serve at the goal; None when it is not known, or it is about no replicas."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What must be seen afterwards, and by when."""

    goal: str
    """State of the target, in a sentence: ``v7 takes all traffic``."""
    goal_seconds: float
    """From the last request until the target must be there."""
    readings: tuple[str, ...] = ()
    """Names of the objectives that must be met again: those that failed or could not be seen. Empty: there are none, or
    it is about none."""
    version: str = ""
    """The version whose requests the readings are about; "" for all."""
    recovery_seconds: float = 0.0
    """From the last request until the readings must have recovered."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An action, complete: what is in it is what is sent. All texts are cleaned."""

    action: Action
    target: Target
    before: State
    after: State
    requests: tuple[Request, ...]
    inverse: str
    """How to undo it, in a sentence; never "previous"."""
    blast_radius: BlastRadius
    path: str
    """What the controller will do: ``at once``, ``3 steps, about 40 min``."""
    verification: Verification
    actor: str
    """Who asks, as they were authenticated; ``unverified: NAME`` where nobody was."""
    reason: str
    incident: str
    """Id of the incident; "" without one."""
    made_at: float
    """World time, Unix seconds."""
    warnings: tuple[str, ...] = ()
    """Traps of the system that the engineer must know of, each a sentence."""
    persistent: bool = True
    """Whether the change survives a reload of the system (HAProxy's runtime weights do not)."""
    authenticated_by: str = ""
    """Who says that the actor is whom the plan names: ``Kubernetes prod-eu``; "" where nobody does. Another person is
    known by the same authority: a person may have another name at each."""

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) over everything but ``made_at`` and where the images' digests come from: the same
        plan made again, by whomever, has the same digest."""
        content = {k: v for k, v in self.content().items() if k != "made_at"}
        for end in ("before", "after"):
            content[end] = {k: v for k, v in content[end].items() if k != "image_source"}
        text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def short(self) -> str:
        """The first 8 digits, for two people to compare by voice: ``3f9a c21e``."""
        return f"{self.digest[:4]} {self.digest[4:8]}"

    @property
    def title(self) -> str:
        """``rollback fraud-scorer to v7``; the version only where it changes."""
        moves = self.after.version and self.after.version != self.before.version
        return f"{self.action} {self.target.model}" + (f" to {shown_version(self.after.version)}" if moves else "")

    @property
    def confirmation(self) -> str:
        """What has to be typed, the target's name; "" when one plain confirmation is enough, as for pausing."""
        return "" if self.action is Action.PAUSE else self.target.called

    def content(self) -> dict[str, Any]:
        """As JSON can hold it; :func:`plan_of` makes the plan of it again, with the same digest."""
        found: dict[str, Any] = _whole(asdict(self))
        return found


def shown_version(version: str) -> str:
    """A version as sentences name it: ``v8`` for ``8`` and ``v8``, other spellings as they are, ``?`` for none."""
    return f"v{version}" if version[:1].isdigit() else version or "?"


def plan_of(content: Mapping[str, Any]) -> Plan:
    """The plan whose :meth:`Plan.content` this is. Raises ValueError when it is none."""
    return _adapter().validate_python(content)


@cache
def _adapter() -> TypeAdapter[Plan]:
    # Made once, since it takes longer than reading a hundred plans; and late, since planning needs no pydantic.
    from pydantic import TypeAdapter
    return TypeAdapter(Plan)


def _whole(value: Any) -> Any:
    """Whole floats as integers: what a reader of JSON makes of a number must not change the digest."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
