"""Pipelines that are told by an HTTP call to do something: CI servers, workflow engines, schedulers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from triage.config_identity import WHO_SAYS, AnyIdentity
from triage.endpoints import Endpoint, HeaderName, Settings, UrlPath

VARIABLES = ("model", "action", "from", "to", "reason", "incident", "actor", "context")
"""What stands in braces in a path or in a text of a body."""
_VARIABLE = re.compile(r"\{(\w*)\}", re.ASCII)
Called = Literal["pause", "resume", "promote", "promote-full", "abort", "rollback", "retry", "retrain"]


def filled(template: str, values: dict[str, str]) -> str:
    """``template`` with ``values`` for its variables, as they are given. Raises KeyError for one that has none."""
    return _VARIABLE.sub(lambda match: values[match[1]], template)


def fills(template: str, path: str) -> bool:
    """Whether ``path`` is ``template`` with its variables filled in, percent-encoded."""
    literal = re.split(r"\{\w*\}", template, flags=re.ASCII)
    return re.fullmatch("[^/?&#]*".join(map(re.escape, literal)), path) is not None


def _known_variables(template: str, known: tuple[str, ...] = VARIABLES) -> str:
    unknown = next((match[1] for match in _VARIABLE.finditer(template) if match[1] not in known), None)
    if unknown is not None:
        raise ValueError(f"has an unknown variable: {{{unknown}}}\nthere are: {', '.join(known)}")
    return template


def _body(value: Any) -> Any:
    for text in _texts(value):
        _known_variables(text)
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


class WebhookRun(Settings):
    """How a run that a call started is looked at."""

    id: str = Field("id", min_length=1, description="Field of the answer with the id of the run.")
    path: Annotated[UrlPath, AfterValidator(lambda text: _known_variables(text, ("run",)))] = Field(
        description="Path that is read for its state, with {run} for the id.")
    state: str = Field("status", min_length=1, description="Field of that answer with the state.")
    failed: list[str] = Field(["failed", "error", "canceled", "cancelled"], description="States of runs that failed.")


class WebhookCall(Settings):
    """One call. In path and body {model}, {action}, {from}, {to} (versions), {reason}, {incident}, {actor} and
    {context} are filled in: percent-encoded in the path, as text in the body."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"] = Field("POST", description="HTTP method.")
    path: Annotated[UrlPath, AfterValidator(_known_variables)] = Field(
        description="Path and query after url, such as /projects/ml/pipeline?ref=main.")
    body: Annotated[dict[str, Any] | None, AfterValidator(_body)] = Field(
        None, description="JSON object to send; none by default.")
    effect: str = Field("", description="What it does, in a few words, for whoever has to confirm it.")
    run: WebhookRun | None = Field(None, description="How the run is looked at that it starts.")


class Webhook(Endpoint):
    """A server with calls. Credentials are its headers, by reference; none belongs into a path or a body."""

    calls: dict[Called, WebhookCall] = Field(min_length=1, description="Calls by action.")
    idempotency_header: HeaderName = Field("Idempotency-Key", description="Header with the id of the action, by which "
                                           "the server knows a call that it has seen.")
    identity: AnyIdentity | None = Field(None, description=WHO_SAYS)

    @model_validator(mode="after")
    def _key_is_ours(self) -> Webhook:
        if self.idempotency_header.lower() in {name.lower() for name in (*self.headers, *self.secret_headers)}:
            raise ValueError("sets the idempotency header itself\nits value is the id of the action")
        return self
