"""Why the API server says no: HTTP code, reason and message as Kubernetes words them (apimachinery ``api/errors``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from triage.lab.cluster.objects import Json
from triage.lab.cluster.resources import Resource

GENERIC_CLIENT_ERROR = "the server rejected our request due to an error in our request"


class Refusal(Exception):
    """An answer of the kind ``Status``. ``code`` is the HTTP status, ``reason`` a word for programs."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> Json:
        """The body of the answer."""
        body: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                      "message": self.message, "reason": self.reason}
        if self.details is not None:
            body["details"] = self.details
        return body | {"code": self.code}


@dataclass(frozen=True, slots=True)
class Cause:
    """One finding about one field."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def entry(self) -> Json:
        return {"reason": self.reason, "message": self.message, "field": self.field}


def _details(resource: Resource, name: str, **more: Any) -> Json:
    details: Json = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return details | {"kind": resource.plural} | more


def not_found(resource: Resource, name: str) -> Refusal:
    return Refusal(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def already_exists(resource: Resource, name: str) -> Refusal:
    return Refusal(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _details(resource, name))


def conflict(resource: Resource, name: str, why: str = "") -> Refusal:
    """A write that was made from an older version of the object, or that names another one."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    return Refusal(409, "Conflict", f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}',
                   _details(resource, name))


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> Refusal:
    """The object that would result is not allowed; ``causes`` name its fields."""
    findings = [f"{cause.field}: {cause.message}" for cause in causes]
    listed = findings[0] if len(findings) == 1 else f"[{', '.join(findings)}]"
    details: Json = {"name": name} | ({"group": resource.group} if resource.group else {})
    details |= {"kind": resource.kind, "causes": [cause.entry() for cause in causes]}
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return Refusal(422, "Invalid", f'{kind} "{name}" is invalid: {listed}', details)


def patch_does_not_apply() -> Refusal:
    """A JSON patch whose ``test`` fails, or whose path leads nowhere: the server says no more than this."""
    return Refusal(422, "Invalid", GENERIC_CLIENT_ERROR, {})


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def unauthorized() -> Refusal:
    return Refusal(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, name: str, message: str) -> Refusal:
    """``message`` starts with the user: ``User "viewer" cannot patch resource ...``."""
    quoted = f'{resource.qualified} "{name}"' if name else resource.qualified
    return Refusal(403, "Forbidden", f"{quoted} is forbidden: {message}", _details(resource, name))


def method_not_allowed() -> Refusal:
    return Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def unsupported_media_type(accepted: Sequence[str]) -> Refusal:
    return Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format - accepted media "
                   f"types include: {', '.join(accepted)}")


def not_acceptable() -> Refusal:
    return Refusal(406, "NotAcceptable", "only the following media types are accepted: application/json")


def expired(asked: int, oldest: int) -> Refusal:
    """A watch that would start before the first change that is still remembered."""
    return Refusal(410, "Expired", f"too old resource version: {asked} ({oldest})")
