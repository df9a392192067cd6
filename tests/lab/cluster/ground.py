"""A cluster on a clock that only the test moves, with the things that most tests need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from triage.lab.cluster import Cluster
from triage.lab.cluster.access import OPERATE, Access, User
from triage.lab.cluster.apiserver import Options, Outcome, Strategy
from triage.lab.cluster.manifests import deployment, rollout
from triage.lab.cluster.objects import Json, name_of
from triage.lab.cluster.resources import DEPLOYMENTS, EVENTS, REPLICA_SETS, ROLLOUTS, Resource

START = 1_800_000_000.0
STEPS: tuple[Json, ...] = ({"setWeight": 10}, {"pause": {"duration": "10m"}}, {"setWeight": 50}, {"pause": {}})
READY_SECONDS = 13.0
"""More than pods of a start of 10 s take."""


class Watch:
    """A clock that stands."""

    def __init__(self, at: float = START) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


class Ground:
    """A cluster and the short ways of a test."""

    def __init__(self, *, history: int = 4096, start: float = START) -> None:
        self.clock = Watch(start)
        users = {"writing": User("operator", OPERATE), "second": User("approver", OPERATE), "reading": User("viewer")}
        self.cluster = Cluster(self.clock, Access(users), history=history)
        self.cluster.advance()

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.clock.at += seconds
        self.cluster.advance()

    def with_rollout(self, version: str = "7", *, steps: Sequence[Json] = STEPS, replicas: int = 5, routed: bool = True,
                     canary: dict[str, Any] | None = None, **extra: Any) -> Ground:
        """The rollout ``ml/fraud`` of this version, ready."""
        item = rollout("ml", "fraud", version, image=f"fraud:{version}", replicas=replicas, steps=steps,
                       start_seconds=10, routed=routed, extra=extra)
        item["spec"]["strategy"]["canary"] |= canary or {}
        self.cluster.add(item)
        self.wait(READY_SECONDS)
        return self

    def with_deployment(self, version: str = "1", *, replicas: int = 4, **extra: Any) -> Ground:
        """The deployment ``ml/chat`` of this version, ready."""
        self.cluster.add(deployment("ml", "chat", version, image=f"chat:{version}", replicas=replicas, start_seconds=10,
                                    extra=extra))
        self.wait(READY_SECONDS)
        return self

    def deploy(self, version: str, name: str = "fraud") -> None:
        """A new version, as a pipeline deploys it; its first pods are ready afterwards."""
        self.cluster.deploy("ml", name, version)
        self.wait(READY_SECONDS)

    @property
    def rollout(self) -> Json:
        return self.cluster.storage.get(ROLLOUTS, "ml", "fraud")

    @property
    def status(self) -> Json:
        status: Json = self.rollout["status"]
        return status

    @property
    def deployment(self) -> Json:
        return self.cluster.storage.get(DEPLOYMENTS, "ml", "chat")

    @property
    def split(self) -> dict[str, float]:
        """Of the rollout, rounded to whole percent."""
        return {version: round(percent) for version, percent in self.cluster.split("ml", "fraud").items()}

    def pods(self, version: str, name: str = "fraud") -> int:
        """How many pods of a version exist."""
        return sum(pod.version == version for pod in self.cluster.pods("ml", name))

    def patch(self, patch: Any, *, subresource: str = "", strategy: Strategy = "merge", resource: Resource = ROLLOUTS,
              name: str = "fraud", options: Options | None = None) -> Outcome:
        """Write what a client would, and let the controller see it."""
        outcome = self.cluster.server.patch(resource, "ml", name, subresource, strategy, patch,
                                            options or Options(manager="test"))
        self.cluster.advance()
        return outcome

    def patch_status(self, **status: Any) -> None:
        self.patch({"status": status}, subresource="status")

    def undo(self, revision: int, name: str = "fraud") -> None:
        """What ``undo --to-revision`` sends: the template of that ReplicaSet."""
        resource = ROLLOUTS if name == "fraud" else DEPLOYMENTS
        annotation = {"fraud": "rollout.argoproj.io/revision"}.get(name, "deployment.kubernetes.io/revision")
        [chosen] = [each for each in self.sets(name) if each["metadata"]["annotations"][annotation] == str(revision)]
        self.patch([{"op": "replace", "path": "/spec/template", "value": chosen["spec"]["template"]}], strategy="json",
                   resource=resource, name=name)

    def sets(self, name: str = "fraud") -> list[Json]:
        """The ReplicaSets of a workload."""
        return [each for each in self.cluster.storage.all(REPLICA_SETS, "ml") if name_of(each).startswith(f"{name}-")]

    def told(self, reason: str) -> list[str]:
        """Messages of the events with this reason."""
        return [event["message"] for event in self.cluster.storage.all(EVENTS) if event["reason"] == reason]
