"""The kinds that the lab's API server knows, as discovery lists them."""

from __future__ import annotations

from dataclasses import dataclass

_READ = ("get", "list", "watch")
_CHANGE = ("patch", "update")


@dataclass(frozen=True, slots=True)
class Resource:
    """One entry of a group's resource list."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    kind: str
    verbs: tuple[str, ...]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    custom: bool = False
    """Defined by a CustomResourceDefinition: no strategic merge patch, no update without ``resourceVersion``."""
    unconditional_update: bool = True
    """Whether a PUT may leave out ``resourceVersion`` (Leases and custom resources may not)."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As messages name it: ``rollouts.argoproj.io``, ``pods``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        return self.kind.lower()


NAMESPACES = Resource("", "v1", "namespaces", "Namespace", _READ, namespaced=False, short_names=("ns",))
PODS = Resource("", "v1", "pods", "Pod", (*_READ, "delete"), short_names=("po",), categories=("all",))
EVENTS = Resource("", "v1", "events", "Event", (*_READ, "create", *_CHANGE), short_names=("ev",))
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet", _READ, short_names=("rs",), categories=("all",))
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", (*_READ, *_CHANGE), short_names=("deploy",),
                       subresources=("scale", "status"), categories=("all",))
ROLLOUTS = Resource("argoproj.io", "v1alpha1", "rollouts", "Rollout", (*_READ, *_CHANGE), short_names=("ro",),
                    subresources=("scale", "status"), custom=True, unconditional_update=False)
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler",
                       (*_READ, "create", *_CHANGE, "delete"), short_names=("hpa",), categories=("all",))
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", (*_READ, "create", *_CHANGE, "delete"),
                  unconditional_update=False)
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview",
                          ("create",), namespaced=False)
RULES_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview",
                         ("create",), namespaced=False)
SUBJECT_REVIEWS = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", ("create",),
                           namespaced=False)

RESOURCES = (NAMESPACES, PODS, EVENTS, REPLICA_SETS, DEPLOYMENTS, ROLLOUTS, AUTOSCALERS, LEASES,
             ACCESS_REVIEWS, RULES_REVIEWS, SUBJECT_REVIEWS)
REVIEWS = (ACCESS_REVIEWS, RULES_REVIEWS, SUBJECT_REVIEWS)
"""Questions in the form of objects: answered, never stored."""
WORKLOADS = (ROLLOUTS, DEPLOYMENTS)

_BY_PATH = {(each.group, each.version, each.plural): each for each in RESOURCES}
_BY_KIND = {(each.api_version, each.kind): each for each in RESOURCES}


def at_path(group: str, version: str, plural: str) -> Resource | None:
    """The resource that these parts of a URL name."""
    return _BY_PATH.get((group, version, plural))


def of_kind(api_version: object, kind: object) -> Resource | None:
    """The resource of an object's ``apiVersion`` and ``kind``."""
    return _BY_KIND.get((str(api_version), str(kind)))
