"""Who says who we are to systems that authenticate nobody: a socket, a server without users, a pipeline with one token.

Two persons can only be told apart by something that authenticates each of them. What it is, the configuration names
in the system's own section.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from triage.endpoints import Endpoint, Settings, UrlPath


def _dotted(text: str) -> str:
    if not re.fullmatch(r"[\w@-]+(\.[\w@-]+)*", text):
        raise ValueError("is no field\nnames with dots between them, such as username or data.viewer.login")
    return text


DottedField = Annotated[str, AfterValidator(_dotted)]


class Whoami(Settings):
    """A call whose answer, JSON, names whoever's credential it came with."""

    method: Literal["GET", "POST"] = Field("GET", description="HTTP method.")
    path: UrlPath = Field(description="Path and query after url, such as /api/v4/user.")
    body: dict[str, Any] | None = Field(None, description="JSON object to POST, such as a query of GraphQL.")
    field: DottedField = Field(description="Field of the answer with the name, such as username or data.viewer.login.")

    @model_validator(mode="after")
    def _body_is_posted(self) -> Whoami:
        if self.body is not None and self.method != "POST":
            raise ValueError("has a body that a GET does not take\nadd method: POST")
        return self


class OwnIdentity(Whoami):
    """The server itself says whose the credential is that the actions go out with."""

    kind: Literal["whoami"] = Field(description="What it is.")


class ServerIdentity(Endpoint, Whoami):
    """Another server says whose its credential is, such as the userinfo of an OpenID provider."""

    kind: Literal["server"] = Field(description="What it is.")

    @model_validator(mode="after")
    def _has_a_credential(self) -> ServerIdentity:
        if self.bearer_token is None and self.basic_auth is None and not self.secret_headers and self.tls.cert is None:
            raise ValueError("has no credential, by which it could know who asks\n"
                             "add bearer_token, basic_auth, secret_headers or tls.cert")
        return self


class KubernetesIdentity(Settings):
    """The Kubernetes API of the same context says who we are (SelfSubjectReview)."""

    kind: Literal["kubernetes"] = Field(description="What it is.")


AnyIdentity = Annotated[OwnIdentity | ServerIdentity | KubernetesIdentity, Field(discriminator="kind")]
"""For servers that may know their users themselves."""
OtherIdentity = Annotated[ServerIdentity | KubernetesIdentity, Field(discriminator="kind")]
"""For systems that know none."""
WHO_SAYS = "Who says who acts, which two persons are told apart by: kind kubernetes, server or whoami."
