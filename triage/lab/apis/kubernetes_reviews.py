"""Questions that clients ask about themselves: who am I, may I, what may I."""

from __future__ import annotations

from triage.lab.cluster import refusals
from triage.lab.cluster.access import Question, User
from triage.lab.cluster.objects import Json, new_uid
from triage.lab.cluster.resources import ACCESS_REVIEWS, RULES_REVIEWS, Resource

_URLS = ("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version")


def review(user: User, resource: Resource, body: Json) -> Json:
    """The question with its answer in ``status``. Raises a 400 :class:`Refusal` for one that asks nothing."""
    if (body.get("apiVersion"), body.get("kind")) != (resource.api_version, resource.kind):
        raise refusals.bad_request(f"the object provided is {body.get('kind')} in version {body.get('apiVersion')}, "
                                   f"not {resource.kind} in version {resource.api_version}")
    spec = body.get("spec") or {}
    answer = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"creationTimestamp": None}}
    if resource is ACCESS_REVIEWS:
        return answer | {"spec": spec, "status": _access(user, spec)}
    if resource is RULES_REVIEWS:
        rules = user.rules_in(str(spec.get("namespace", "")))
        return answer | {"spec": {}, "status": {"resourceRules": rules, "incomplete": False, "nonResourceRules": [
            {"verbs": ["get"], "nonResourceURLs": list(_URLS)}]}}
    identity = {"username": user.name, "uid": new_uid("user", user.name), "groups": list(user.groups)}
    return answer | {"status": {"userInfo": identity}}


def _access(user: User, spec: Json) -> Json:
    asked, url = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if isinstance(url, dict) and asked is None:
        path = str(url.get("path", ""))
        known = any(path == each or (each.endswith("*") and path.startswith(each[:-1])) for each in _URLS)
        return _verdict(known and url.get("verb") == "get")
    if not isinstance(asked, dict):
        raise refusals.bad_request("spec.resourceAttributes: Invalid value: exactly one of nonResourceAttributes or "
                                   "resourceAttributes must be specified")
    return _verdict(user.may(Question(
        verb=str(asked.get("verb", "")), group=str(asked.get("group", "")), resource=str(asked.get("resource", "")),
        namespace=str(asked.get("namespace", "")), name=str(asked.get("name", "")),
        subresource=str(asked.get("subresource", "")))))


def _verdict(allowed: bool) -> Json:
    return {"allowed": True, "reason": "RBAC: allowed by the roles of this user"} if allowed else {"allowed": False}
