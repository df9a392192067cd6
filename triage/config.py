"""``triage.yaml``: contexts, endpoints, credentials by reference. Read-only: triage never writes it.

Where it lies: ``--config``, else ``$TRIAGE_CONFIG``, else ``$XDG_CONFIG_HOME/triage/triage.yaml``. Environment
variables override single values (``ENVIRONMENT``); command-line options override those.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    Tag,
    ValidationError,
    model_validator,
)

from triage import strict_yaml
from triage.errors import TriageError
from triage.overrides import Overrides as Overrides
from triage.quantities import Bytes, Duration, parse_duration
from triage.text import clean

ENVIRONMENT: Mapping[str, str] = {
    "TRIAGE_CONFIG": "path of triage.yaml",
    "TRIAGE_CONTEXT": "context to use",
    "TRIAGE_NOTEBOOKS": "folders of model notebooks, separated as in PATH",
    "TRIAGE_PROMETHEUS_URL": "URL of Prometheus, in place of the context's",
    "TRIAGE_ALERTMANAGER_URL": "URL of Alertmanager, in place of the context's",
    "TRIAGE_REGISTRY_URL": "URL of an MLflow server, in place of the context's registry",
    "TRIAGE_INTERVAL": "refresh interval, such as 5s",
}
MIN_INTERVAL = 1.0
_COMMAND_TIMEOUT = 10.0
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET_BYTES = 64_000


class ConfigError(TriageError):
    """The configuration cannot be used, or asks for something that is not there."""


class _Strict(BaseModel):
    # Whoever writes a secret in clear must not find it in a message.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _http_url(text: str) -> str:
    # urlsplit() drops line breaks and tabs silently, so what it checks would not be what is sent.
    if text != text.strip() or not text.isprintable() or " " in text:
        raise ValueError("holds a space or a control character\nsuch as https://prometheus.example:9090")
    try:
        parts = urlsplit(text)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        port_ok, parts = False, urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_ok:
        # What cannot be taken apart may hold a password anywhere before the last "@".
        raise ValueError(f'is not an http or https URL: "{text.rpartition("@")[2]}"\n'
                         "such as https://prometheus.example:9090")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password in clear\nuse basic_auth with a secret by reference")
    if parts.query or parts.fragment:
        raise ValueError("has a query or fragment\ngive the base URL only, with the path prefix if there is one")
    return text.rstrip("/")


def without_userinfo(url: str) -> str:
    """``url`` without user name and password, for messages."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(unreadable URL)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, parts.fragment))


def _proxy_url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("http", "https", "socks5", "socks5h"):
        raise ValueError("is no http, https or socks5 URL\nsuch as http://proxy.example:3128")
    _http_url(f"http://{rest}")
    return text


def _header_text(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("holds a control character, or spaces around it\na header is one line")
    return text


def _header_name(text: str) -> str:
    if not _HEADER.fullmatch(text):
        raise ValueError(f'is not a header name: "{clean(text, limit=80)}"\nsuch as X-Scope-OrgID')
    return text


HttpUrl = Annotated[str, AfterValidator(_http_url)]
ProxyUrl = Annotated[str, AfterValidator(_proxy_url)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderText = Annotated[str, AfterValidator(_header_text)]
_REFERENCE = "write {file: ...}, {env: ...} or {command: [...]}"
_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key",
                                 "x-auth-token", "private-token"})


class SecretRef(_Strict):
    """Where a secret lies; the secret itself is never in the configuration.

    What stands in its place is never repeated in an error, keys included: it may be the secret.
    """

    env: str | None = Field(None, description="Environment variable.")
    file: str | None = Field(None, description="File that only its owner can read (mode 0600 or 0400).")
    command: list[str] | None = Field(None, min_length=1, description="Program and arguments that print it; no shell.")

    @model_validator(mode="wrap")
    @classmethod
    def _never_repeated(cls, value: Any, handler: ModelWrapValidatorHandler[SecretRef]) -> SecretRef:
        try:
            found = handler(value)
        except ValidationError:
            raise ValueError(f"is not a reference to a secret\n{_REFERENCE}") from None
        if sum(x is not None for x in (found.env, found.file, found.command)) != 1:
            raise ValueError(f"needs exactly one of env, file and command\n{_REFERENCE}")
        if found.env is not None and not re.fullmatch(r"[A-Za-z_]\w*", found.env, re.ASCII):
            raise ValueError("has an env that is no name of a variable\nsuch as {env: PROMETHEUS_TOKEN}")
        return found

    def read(self) -> str:
        """The secret, without surrounding white space. Raises :class:`ConfigError`, which never holds it."""
        if self.env is not None:
            value = os.environ.get(self.env, "").strip()
            if not value:
                raise ConfigError(f"the environment variable {self.env} is not set",
                                  "export it, or use file or command")
        elif self.file is not None:
            value = _read_secret_file(Path(self.file).expanduser())
        else:
            value = _run_secret_command(self.command or [])
        if "\n" in value or "\r" in value:
            raise ConfigError(f"the secret from {self.describe()} has more than one line", "keep only the secret in it")
        return value

    def describe(self) -> str:
        """Where it comes from, for messages: ``env TOKEN``, ``file ~/token``, ``command pass``."""
        if self.env is not None:
            return f"env {self.env}"
        if self.file is not None:
            return f"file {self.file}"
        return f"command {shlex.quote((self.command or ['?'])[0])}"


def _read_secret_file(path: Path) -> str:
    try:
        # Without O_NONBLOCK a named pipe would hold up the program for good.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"the secret file {path} cannot be read: {error.strerror}", "check the path") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(f"the secret file {path} is not a file", "check the path")
        if mode & 0o077:
            raise ConfigError(f"the secret file {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
                              f"chmod 600 {shlex.quote(str(path))}")
        try:
            raw = os.read(descriptor, _SECRET_BYTES + 1)
            value = raw.decode().strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"the secret file {path} is not a text file", "check the path") from None
    finally:
        os.close(descriptor)
    if len(raw) > _SECRET_BYTES:
        raise ConfigError(f"the secret file {path} is larger than {_SECRET_BYTES} bytes", "keep only the secret in it")
    if not value:
        raise ConfigError(f"the secret file {path} is empty", "write the secret into it")
    return value


def _run_secret_command(command: list[str]) -> str:
    name = command[0]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_COMMAND_TIMEOUT, check=False,  # noqa: S603
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = "took too long" if isinstance(error, subprocess.TimeoutExpired) else clean(error.strerror or "failed")
        raise ConfigError(f"the secret command {name} {reason}", "run it by hand to see why") from None
    if done.returncode != 0:
        raise ConfigError(f"the secret command {name} ended with status {done.returncode}", "run it by hand to see why")
    value = done.stdout[:_SECRET_BYTES].decode(errors="replace").strip()
    if not value:
        raise ConfigError(f"the secret command {name} printed nothing", "run it by hand to see why")
    return value


class BasicAuth(_Strict):
    """User name, and the password by reference."""

    username: str = Field(description="User name.")
    password: SecretRef = Field(description="Where the password lies.")

    @model_validator(mode="wrap")
    @classmethod
    def _never_repeated(cls, value: Any, handler: ModelWrapValidatorHandler[BasicAuth]) -> BasicAuth:
        if isinstance(value, dict) and not set(value) - set(cls.model_fields):
            return handler(value)
        if isinstance(value, cls):
            return value
        raise ValueError("is not a user name with a reference to a password\n"
                         "write {username: ..., password: {file: ...}}, or {env: ...} or {command: [...]}")


def _secret_headers(value: Any) -> Any:
    """``value`` when it is headers by name; what is none may be a secret, and is not repeated."""
    if not isinstance(value, dict):
        raise ValueError(f"is not a mapping of header names\nunder each name {_REFERENCE}")
    # A word alone between braces is a key without a value.
    if not all(_HEADER.fullmatch(str(name)) and item is not None for name, item in value.items()):
        raise ValueError(f"holds what is not a header name with a reference\nunder each name {_REFERENCE}")
    return value


class Tls(_Strict):
    """How the server is verified and who we are to it. Verification cannot be turned off."""

    ca: str | None = Field(None, description="PEM file with the authorities to trust in place of the system's.")
    cert: str | None = Field(None, description="PEM file with the client certificate (mTLS).")
    key: str | None = Field(None, description="PEM file with its key; by default it is in cert.")


class Endpoint(_Strict):
    """One server and how it is asked."""

    union_tag: ClassVar[str] = "<endpoint>"
    url: HttpUrl = Field(description="Base URL with the path prefix, if any (Mimir: /prometheus).")
    bearer_token: SecretRef | None = Field(None, description="Token for Authorization: Bearer.")
    basic_auth: BasicAuth | None = Field(None, description="User name and password.")
    tls: Tls = Field(Tls(), description="Certificates.")
    headers: dict[HeaderName, HeaderText] = Field({}, description="Further headers, such as X-Scope-OrgID. No secrets.")
    secret_headers: Annotated[dict[HeaderName, SecretRef], BeforeValidator(_secret_headers)] = Field(
        {}, description="Further headers with secret values.")
    proxy: ProxyUrl | None = Field(None, description="Proxy URL; the proxies of the environment are not used.")
    timeout: Duration = Field(10.0, validate_default=False, description="Longest wait for one query.")
    concurrency: int = Field(10, ge=1, le=32, description="Queries under way at once; by default as many as one "
                             "refresh of a model may need.")
    max_body: Bytes = Field(32 * 2**20, validate_default=False, description="Largest answer that is read.")

    @model_validator(mode="after")
    def _auth_once(self) -> Endpoint:
        if self.bearer_token is not None and self.basic_auth is not None:
            raise ValueError("has both bearer_token and basic_auth\nkeep one")
        for name in self.headers:
            if name.lower() in _CREDENTIAL_HEADERS:
                raise ValueError(f"holds a credential in the header {name}\n"
                                 "use secret_headers, bearer_token or basic_auth")
        names = [name.lower() for name in (*self.headers, *self.secret_headers)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"sets the header {twice} twice\nkeep one")
        if "authorization" in names and (self.bearer_token is not None or self.basic_auth is not None):
            raise ValueError("sets Authorization twice\nkeep bearer_token, basic_auth or the secret header")
        return self


class MlflowRegistry(Endpoint):
    """A registry that is an MLflow tracking server."""

    kind: Literal["mlflow"] = Field(description="What it is.")
    concurrency: int = Field(4, ge=1, le=32, description="Requests under way at once; MLflow answers slowly.")
    mlflow_environment: bool = Field(False, description="Whether the credential is that of MLflow's own clients: "
                                     "MLFLOW_TRACKING_USERNAME and _PASSWORD, else MLFLOW_TRACKING_TOKEN, and "
                                     "MLFLOW_TRACKING_SERVER_CERT_PATH and _CLIENT_CERT_PATH. They are not read "
                                     "otherwise; MLFLOW_TRACKING_INSECURE_TLS never is.")

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


class FolderRegistry(_Strict):
    """A registry that is a folder: with a registry.yaml in it, or a clone with git tags in the style of GTO."""

    kind: Literal["folder"] = Field(description="What it is.")
    path: str = Field(min_length=1, description="The folder; relative to this file.")
    ref: Annotated[str, AfterValidator(_git_ref)] | None = Field(
        None, description="Branch, tag or commit that registry.yaml is read from, such as origin/main; by default the "
        "file as it lies in the folder. triage never fetches.")


class Kubeconfig(_Strict):
    """A cluster, and who we are to it, as a kubeconfig says. Credential plugins in it are not run."""

    union_tag: ClassVar[str] = "<kubeconfig>"
    kubeconfig: str = Field(min_length=1, description="The kubeconfig, such as ~/.kube/config (mode 0600); relative to "
                            "this file.")
    context: str = Field(min_length=1, description="Context in it. Its current-context does not count: kubectl moves "
                         "it.")
    bearer_token: SecretRef | None = Field(None, description="Token in place of the user's own credential, such as "
                                           "{command: [gcloud, auth, print-access-token]} where the kubeconfig names "
                                           "a plugin.")
    timeout: Duration = Field(10.0, validate_default=False, description="Longest wait for one answer.")


def _kubernetes_kind(value: Any) -> str | None:
    if isinstance(value, BaseModel):
        return str(getattr(value, "union_tag", ""))
    if isinstance(value, dict):
        return "<kubeconfig>" if "kubeconfig" in value or "url" not in value else "<endpoint>"
    return None


KubernetesAccess = Annotated[
    Annotated[Kubeconfig, Tag("<kubeconfig>")] | Annotated[Endpoint, Tag("<endpoint>")],
    Discriminator(_kubernetes_kind, custom_error_type="kubernetes_kind",
                  custom_error_message="must be a mapping\nuse kubeconfig with context, or url")]


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


class LogFields(_Strict):
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


class LogFiles(_Strict):
    """Logs in files of JSON lines, read from their ends."""

    kind: Literal["lines"] = Field(description="What it is.")
    path: str = Field(min_length=1, description="File, or folder of .jsonl, .ndjson, .json and .log files with their "
                      "rotated ones; relative to this file. {model} in it stands for the model's name, and then lines "
                      "need not name the model.")
    max_read: Bytes = Field(8 * 2**20, validate_default=False, description="Most that is read for one question.")
    fields: LogFields = Field(LogFields(), description="What the lines call things.")


class Context(_Strict):
    """One environment that is looked at."""

    production: bool = Field(False, description="Marks every screen with PRODUCTION.")
    allow_write: bool = Field(False, description="Whether guarded actions may change this environment.")
    notebooks: list[str] = Field([], description="Model notebooks, or folders of them, in place of the common ones.")
    prometheus: Endpoint = Field(description="Prometheus, or a server that speaks its API.")
    alertmanager: Endpoint | None = Field(None, description="Alertmanager, API v2.")
    registry: Annotated[MlflowRegistry | FolderRegistry, Field(discriminator="kind")] | None = Field(
        None, description="Model registry: an MLflow server, or a folder.")
    kubernetes: KubernetesAccess | None = Field(None, description="Kubernetes API that rollouts are read from: "
                                                "kubeconfig and context, or url with token and certificates.")
    logs: Annotated[LokiLogs | VictoriaLogs | LogFiles, Field(discriminator="kind")] | None = Field(
        None, description="Where the models' logs are: Loki, VictoriaLogs or files.")
    interval: Duration = Field(5.0, validate_default=False, description="Time between refreshes, at least 1s.")

    @model_validator(mode="after")
    def _interval_long_enough(self) -> Context:
        if self.interval < MIN_INTERVAL:
            raise ValueError("has an interval under 1s\nthe servers need their rest")
        return self


class Config(_Strict):
    """The whole file."""

    apiVersion: Literal["triage/v1alpha1"] = Field(description="Version of this format.")
    kind: Literal["Config"] = Field(description="What the document is.")
    current_context: str | None = Field(None, description="Context used when none is named; not needed when there is "
                                        "one.")
    notebooks: list[str] = Field([], description="Model notebooks, or folders of them; relative to this file.")
    contexts: dict[str, Context] = Field(min_length=1, description="Environments by name.")

    @model_validator(mode="after")
    def _current_exists(self) -> Config:
        if self.current_context is not None and self.current_context not in self.contexts:
            raise ValueError(f"names the context {self.current_context}, which is not there\nthere are: "
                             f"{', '.join(self.contexts)}")
        return self


@dataclass(frozen=True, slots=True)
class Active:
    """The context in force after all overrides."""

    name: str
    context: Context
    notebooks: tuple[Path, ...]
    config_path: Path | None
    """None when everything came from options and the environment."""
    notebooks_named: bool = False
    """Whether the notebooks were named by an option or the environment: then each must be there."""

    def beside_config(self, text: str) -> Path:
        """A path of the configuration: relative to its file, or to the working folder where there is no file."""
        path = _expanded(text)
        return path if self.config_path is None else self.config_path.parent / path


def config_path(explicit: str | None = None, environ: Mapping[str, str] = os.environ) -> tuple[Path, bool]:
    """Where the file is looked for, and whether somebody named that place (then it must exist)."""
    named = explicit or environ.get("TRIAGE_CONFIG")
    if named:
        return _expanded(named), True
    base = environ.get("XDG_CONFIG_HOME", "")
    # The XDG specification wants relative paths ignored.
    return _expanded(base if base.startswith("/") else "~/.config") / "triage" / "triage.yaml", False


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(f"there is no home folder for {clean(text, limit=200)}", "write the whole path") from None


def load_config(path: Path) -> Config:
    """Read and check the file at ``path``.

    Raises :class:`ConfigError` when others may write it, :class:`~triage.errors.InvalidDocument` with every error in
    it.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "check --config and $TRIAGE_CONFIG") from None
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path} is not a file", "name the file triage.yaml itself")
    if mode & 0o022:
        raise ConfigError(f"{path} can be written by others (mode {stat.S_IMODE(mode):04o})",
                          f"whoever writes it decides where your credentials go: chmod go-w {shlex.quote(str(path))}")
    return strict_yaml.validate(strict_yaml.load(path), Config)


def activate(overrides: Overrides, environ: Mapping[str, str] = os.environ) -> Active:
    """The context to work in, after all overrides.

    Raises :class:`ConfigError` or :class:`~triage.errors.InvalidDocument`, saying what to do.
    """
    path, named = config_path(overrides.config, environ)
    config = load_config(path) if named or os.path.lexists(path) else None
    prometheus_url = overrides.prometheus_url or environ.get("TRIAGE_PROMETHEUS_URL")
    wanted = overrides.context or environ.get("TRIAGE_CONTEXT")
    if config is None:
        if not prometheus_url:
            raise ConfigError(f"no configuration: {path} does not exist",
                              "write one, or name a server: triage --prometheus http://localhost:9090 "
                              "--notebooks FOLDER")
        if wanted:
            raise ConfigError(f"there is no context {clean(wanted)}: {path} does not exist",
                              "write it, or drop --context")
        url = checked_url(prometheus_url)
        name, context = urlsplit(url).netloc, Context(prometheus=Endpoint(url=url))
    else:
        name, context = _chosen(config, wanted, path)
    changes: dict[str, Any] = {}
    if config is not None and prometheus_url:
        # Another server must not be handed this one's credentials.
        changes["prometheus"] = Endpoint(url=checked_url(prometheus_url))
    alertmanager_url = overrides.alertmanager_url or environ.get("TRIAGE_ALERTMANAGER_URL")
    if alertmanager_url:
        changes["alertmanager"] = Endpoint(url=checked_url(alertmanager_url))
    if environ.get("TRIAGE_REGISTRY_URL"):
        changes["registry"] = MlflowRegistry(kind="mlflow", url=checked_url(environ["TRIAGE_REGISTRY_URL"]))
    interval = overrides.interval
    if interval is None and environ.get("TRIAGE_INTERVAL"):
        try:
            interval = parse_duration(environ["TRIAGE_INTERVAL"])
        except ValueError as error:
            raise ConfigError(f"$TRIAGE_INTERVAL {str(error).partition(chr(10))[0]}", "such as 5s") from None
    if interval is not None:
        if interval < MIN_INTERVAL:
            raise ConfigError(f"an interval of {interval:g} s is too short", "at least 1s")
        changes["interval"] = interval
    context = context.model_copy(update=changes)
    return Active(name, context, _notebook_paths(overrides, environ, context, config, path),
                  path if config is not None else None,
                  notebooks_named=bool(overrides.notebooks or environ.get("TRIAGE_NOTEBOOKS")))


def _chosen(config: Config, wanted: str | None, path: Path) -> tuple[str, Context]:
    names = list(config.contexts)
    name = wanted or config.current_context or (names[0] if len(names) == 1 else None)
    if name is None:
        raise ConfigError(f"{path} has {len(names)} contexts and no current_context",
                          f"set it, or use --context {' or '.join(names)}")
    if name not in config.contexts:
        raise ConfigError(f"there is no context {clean(name)} in {path}", f"there are: {', '.join(names)}")
    return clean(name), config.contexts[name]


def _notebook_paths(overrides: Overrides, environ: Mapping[str, str], context: Context, config: Config | None,
                    path: Path) -> tuple[Path, ...]:
    if overrides.notebooks:
        return tuple(_expanded(p) for p in overrides.notebooks)
    if environ.get("TRIAGE_NOTEBOOKS"):
        return tuple(_expanded(p) for p in environ["TRIAGE_NOTEBOOKS"].split(os.pathsep) if p)
    named = context.notebooks or (config.notebooks if config is not None else [])
    return tuple(path.parent / _expanded(p) for p in named)


def checked_url(url: str) -> str:
    """``url`` as endpoints take it; raises :class:`ConfigError` that says what is wrong with it."""
    try:
        return _http_url(url)
    except ValueError as error:
        message, _, hint = str(error).partition("\n")
        raise ConfigError(f"the URL {message}", hint) from None


