"""The sources of a context besides Prometheus and Alertmanager: registry, Kubernetes, logs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from triage.config_identity import WHO_SAYS, AnyIdentity, OtherIdentity
from triage.endpoints import BasicAuth, ConfigError, Endpoint, SecretRef, Settings, Tls
from triage.quantities import Bytes, Duration
from triage.text import clean


class MlflowRegistry(Endpoint):
    """A registry that is an MLflow tracking server."""

    kind: Literal["mlflow"] = Field(description="What it is.")
    concurrency: int = Field(4, ge=1, le=32, description="Requests under way at once; MLflow answers slowly.")
    mlflow_environment: bool = Field(False, description="Whether the credential is that of MLflow's own clients: "
                                     "MLFLOW_TRACKING_USERNAME and _PASSWORD, else MLFLOW_TRACKING_TOKEN, and "
                                     "MLFLOW_TRACKING_SERVER_CERT_PATH and _CLIENT_CERT_PATH. They are not read "
                                     "otherwise; MLFLOW_TRACKING_INSECURE_TLS never is.")
    identity: AnyIdentity | None = Field(None, description=f"{WHO_SAYS} Not needed where MLflow has users.")

    @model_validator(mode="after")
    def _one_credential(self) -> MlflowRegistry:
        if self.mlflow_environment and (self.bearer_token is not None or self.basic_auth is not None):
            raise ValueError("has mlflow_environment beside a credential\nkeep one")
        return self

    def endpoint(self, environ: Mapping[str, str] = os.environ) -> Endpoint:
        """How it is asked, MLflow's variables included where they are meant.

        Raises :class:`ConfigError` when they are meant and hold no credential.
        """
        if not self.mlflow_environment:
            return self
        changes: dict[str, Any] = {}
        username = environ.get("MLFLOW_TRACKING_USERNAME")
        # MLflow's own order: a user name with a password goes before a token.
        if username and environ.get("MLFLOW_TRACKING_PASSWORD"):
            changes["basic_auth"] = BasicAuth(username=username, password=SecretRef(env="MLFLOW_TRACKING_PASSWORD"))
        elif environ.get("MLFLOW_TRACKING_TOKEN"):
            changes["bearer_token"] = SecretRef(env="MLFLOW_TRACKING_TOKEN")
        ca, cert = (environ.get(f"MLFLOW_TRACKING_{name}_CERT_PATH") or None for name in ("SERVER", "CLIENT"))
        if ca or cert:
            changes["tls"] = Tls(ca=ca or self.tls.ca, cert=cert or self.tls.cert, key=self.tls.key)
        if "basic_auth" not in changes and "bearer_token" not in changes and not cert:
            raise ConfigError("registry.mlflow_environment is set, and MLflow's variables hold no credential",
                              "export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; "
                              "or drop mlflow_environment")
        return self.model_copy(update=changes)


def _git_ref(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w./-]*", text, re.ASCII) or ".." in text:
        raise ValueError(f'is no branch, tag or commit: "{clean(text, limit=80)}"\nsuch as origin/main')
    return text


class FolderRegistry(Settings):
    """A registry that is a folder: with a registry.yaml in it, or a clone with git tags in the style of GTO."""

    kind: Literal["folder"] = Field(description="What it is.")
    path: str = Field(min_length=1, description="The folder; relative to this file.")
    ref: Annotated[str, AfterValidator(_git_ref)] | None = Field(
        None, description="Branch, tag or commit that registry.yaml is read from, such as origin/main; by default the "
        "file as it lies in the folder. triage never fetches.")


class Impersonate(Settings):
    """Acting as somebody else, which the server allows to those who may impersonate. It then records both."""

    user: str = Field(min_length=1, description="User name.")
    groups: list[str] = Field([], description="Groups.")
    uid: str = Field("", description="Unique id of the user.")
    extra: dict[str, list[str]] = Field({}, description="Further fields of the user, such as scopes.")


class KubernetesEndpoint(Endpoint):
    """A cluster by its URL."""

    impersonate: Impersonate | None = Field(None, description="Whom to act as.")


class Kubeconfig(Settings):
    """A cluster, and who we are to it, as a kubeconfig says. A credential plugin in it is run, without a terminal."""

    union_tag: ClassVar[str] = "<kubeconfig>"
    kubeconfig: str = Field(min_length=1, description="The kubeconfig, such as ~/.kube/config (mode 0600); relative to "
                            "this file.")
    context: str = Field(min_length=1, description="Context in it. Its current-context does not count: kubectl moves "
                         "it.")
    bearer_token: SecretRef | None = Field(None, description="Token in place of the user's own credential, such as "
                                           "{command: [gcloud, auth, print-access-token]} where the plugin that the "
                                           "kubeconfig names needs a terminal.")
    impersonate: Impersonate | None = Field(None, description="Whom to act as, in place of what the kubeconfig says.")
    timeout: Duration = Field(10.0, validate_default=False, description="Longest wait for one answer.")


def _kubernetes_kind(value: Any) -> str | None:
    if isinstance(value, BaseModel):
        return str(getattr(value, "union_tag", ""))
    if isinstance(value, dict):
        return "<kubeconfig>" if "kubeconfig" in value or "url" not in value else "<endpoint>"
    return None


KubernetesAccess = Annotated[
    Annotated[Kubeconfig, Tag("<kubeconfig>")] | Annotated[KubernetesEndpoint, Tag("<endpoint>")],
    Discriminator(_kubernetes_kind, custom_error_type="kubernetes_kind",
                  custom_error_message="must be a mapping\nuse kubeconfig with context, or url")]


def _host_and_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"[\w.:\[\]-]+", host, re.ASCII) or not (port.isascii() and port.isdigit()
                                                                           and 0 < int(port) < 65536):
        raise ValueError(f'is no host with its port: "{clean(text, limit=80)}"\nsuch as 127.0.0.1:9999')
    return text


class HaproxySocket(Settings):
    """The runtime API of an HAProxy (``stats socket ... level admin``). Whoever reaches it may do what its level says:
    it asks nobody who they are."""

    socket: str | None = Field(None, min_length=1, description="Unix socket; relative to this file.")
    address: Annotated[str, AfterValidator(_host_and_port)] | None = Field(
        None, description="In place of socket: host and port, such as 127.0.0.1:9999 (over ssh -L).")
    timeout: Duration = Field(5.0, validate_default=False, description="Longest wait for one answer.")
    identity: OtherIdentity | None = Field(None, description=WHO_SAYS)

    @model_validator(mode="after")
    def _one_place(self) -> HaproxySocket:
        if (self.socket is None) == (self.address is None):
            raise ValueError("needs exactly one of socket and address")
        return self


def _field_name(text: str) -> str:
    if not text.isprintable() or text != text.strip() or not 0 < len(text) <= 100:
        raise ValueError("is no name of a field\nsuch as model_version or service.version")
    return text


def _label_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII):
        raise ValueError(f'is no label name: "{clean(text, limit=80)}"\nsuch as service_name')
    return text


FieldName = Annotated[str, AfterValidator(_field_name)]
LokiLabel = Annotated[str, AfterValidator(_label_name)]


class LogFields(Settings):
    """What log lines call things; the first name that a line has counts. OpenTelemetry's names and common ones."""

    model: list[FieldName] = Field(["model", "model_name", "service.name", "app", "kubernetes.labels.app"],
                                   min_length=1, description="Name of the model.")
    version: list[FieldName] = Field(["model_version", "model.version", "service.version", "version"], min_length=1,
                                     description="Version of the model.")
    request_id: list[FieldName] = Field(["request_id", "req_id", "requestId", "x_request_id", "correlation_id"],
                                        min_length=1, description="Id of the request.")
    trace_id: list[FieldName] = Field(["trace_id", "traceId", "trace.id"], min_length=1,
                                      description="Id of the trace; searched together with the request's.")


class LokiLogs(Endpoint):
    """Logs in a Grafana Loki."""

    kind: Literal["loki"] = Field(description="What it is.")
    concurrency: int = Field(2, ge=1, le=32, description="Queries under way at once.")
    model_label: LokiLabel | None = Field("service_name", description="Label of the streams that names the model; null "
                                          "when the model is only a field of the lines (then selector is needed).")
    selector: dict[LokiLabel, str] = Field({}, description="Further labels of the streams, such as namespace: ml.")
    structured_metadata: bool = Field(False, description="Whether version, ids and exceptions come as structured "
                                      "metadata (OpenTelemetry) and not in lines of JSON.")
    fields: LogFields = Field(LogFields(), description="What the lines call things.")

    @model_validator(mode="after")
    def _selects_something(self) -> LokiLogs:
        if self.model_label is None and not any(self.selector.values()):
            raise ValueError("selects every stream\ngive model_label, or a selector with a label")
        return self


class VictoriaLogs(Endpoint):
    """Logs in a VictoriaLogs."""

    kind: Literal["victorialogs"] = Field(description="What it is. Tenants: headers AccountID and ProjectID.")
    concurrency: int = Field(2, ge=1, le=32, description="Queries under way at once.")
    selector: dict[FieldName, str] = Field({}, description="Fields that all lines must have, such as namespace: ml.")
    fields: LogFields = Field(LogFields(), description="What the lines call things.")


class LogFiles(Settings):
    """Logs in files of JSON lines, read from their ends."""

    kind: Literal["lines"] = Field(description="What it is.")
    path: str = Field(min_length=1, description="File, or folder of .jsonl, .ndjson, .json and .log files with their "
                      "rotated ones; relative to this file. {model} in it stands for the model's name, and then lines "
                      "need not name the model.")
    max_read: Bytes = Field(8 * 2**20, validate_default=False, description="Most that is read for one question.")
    fields: LogFields = Field(LogFields(), description="What the lines call things.")
