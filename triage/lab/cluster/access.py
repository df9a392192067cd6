"""Who may do what: bearer tokens, users and the rules of their roles (RBAC, ``rbac.authorization.k8s.io/v1``)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from triage.lab.cluster.objects import Json


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a role; ``*`` stands for everything. A subresource is named ``rollouts/status``."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    namespaces: tuple[str, ...] = ("*",)
    names: tuple[str, ...] = ()
    """Only these objects; empty means all."""

    def allows(self, question: Question) -> bool:
        return (_covers(self.verbs, question.verb) and _covers(self.groups, question.group)
                and _covers(self.resources, question.full_resource) and _covers(self.namespaces, question.namespace)
                and (not self.names or question.name in self.names))

    def entry(self) -> Json:
        """As a SelfSubjectRulesReview lists it."""
        rule: Json = {"verbs": list(self.verbs), "apiGroups": list(self.groups), "resources": list(self.resources)}
        return rule | ({"resourceNames": list(self.names)} if self.names else {})


def _covers(allowed: tuple[str, ...], asked: str) -> bool:
    return "*" in allowed or asked in allowed


@dataclass(frozen=True, slots=True)
class Question:
    """One request, as the authorizer sees it. An empty ``namespace`` means all of them or none."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    def refused(self, user: str) -> str:
        """The server's sentence for a user who may not."""
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        return f'User "{user}" cannot {self.verb} resource "{self.full_resource}" in API group "{self.group}" {where}'


_EVERYONE = Rule(("authorization.k8s.io", "authentication.k8s.io"),
                 ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"), ("create",))
"""What the role ``system:basic-user`` gives to every user."""

VIEW = (Rule(("", "apps", "argoproj.io", "autoscaling", "coordination.k8s.io"), ("*",), ("get", "list", "watch")),)
"""Reading everything and changing nothing, not even a status."""

OPERATE = (
    *VIEW,
    Rule(("argoproj.io",), ("rollouts", "rollouts/status", "rollouts/scale"), ("patch", "update")),
    Rule(("apps",), ("deployments", "deployments/scale"), ("patch", "update")),
    Rule(("",), ("events",), ("create", "patch", "update")),
    Rule(("",), ("pods",), ("delete",)),
    Rule(("coordination.k8s.io",), ("leases",), ("create", "patch", "update", "delete")),
)
"""What an on-call engineer needs: to read, to move rollouts and deployments, to hold a Lease, to leave an Event."""


@dataclass(frozen=True, slots=True)
class User:
    """Who a token belongs to."""

    name: str
    rules: tuple[Rule, ...] = VIEW
    groups: tuple[str, ...] = ("system:authenticated",)

    def may(self, question: Question) -> bool:
        return any(rule.allows(question) for rule in (_EVERYONE, *self.rules))

    def rules_in(self, namespace: str) -> list[Json]:
        """The rules that hold in a namespace."""
        return [rule.entry() for rule in (_EVERYONE, *self.rules) if _covers(rule.namespaces, namespace)]


@dataclass(frozen=True, slots=True)
class Access:
    """Users by bearer token. Nobody else gets in, not even to discovery."""

    tokens: Mapping[str, User] = field(default_factory=dict, repr=False)

    def user(self, token: str) -> User | None:
        """Whose token this is; every comparison takes the same time."""
        found = None
        for known, user in self.tokens.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                found = user
        return found

    def named(self, name: str) -> User:
        """The user of that name; one that no token belongs to may do nothing."""
        return next((user for user in self.tokens.values() if user.name == name), User(name, ()))
