"""``triage.yaml``: contexts, endpoints, credentials by reference. Read-only: triage never writes it.

Where it lies: ``--config``, else ``$TRIAGE_CONFIG``, else ``$XDG_CONFIG_HOME/triage/triage.yaml``. Environment
variables override single values (``ENVIRONMENT``); command-line options override those.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    Field,
    model_validator,
)

from triage import strict_yaml
from triage.config_actions import ActionSettings
from triage.config_identity import KubernetesIdentity
from triage.config_sources import (
    FolderRegistry,
    HaproxySocket,
    KubernetesAccess,
    LogFiles,
    LokiLogs,
    MlflowRegistry,
    VictoriaLogs,
)
from triage.config_webhooks import Webhook
from triage.endpoints import ConfigError, Endpoint, Settings, checked_url
from triage.overrides import Overrides as Overrides
from triage.quantities import Duration, parse_duration
from triage.text import clean

ENVIRONMENT: Mapping[str, str] = {
    "TRIAGE_CONFIG": "path of triage.yaml",
    "TRIAGE_CONTEXT": "context to use",
    "TRIAGE_NOTEBOOKS": "folders of model notebooks, separated as in PATH",
    "TRIAGE_PROMETHEUS_URL": "URL of Prometheus, in place of the context's",
    "TRIAGE_ALERTMANAGER_URL": "URL of Alertmanager, in place of the context's",
    "TRIAGE_REGISTRY_URL": "URL of an MLflow server, in place of the context's registry",
    "TRIAGE_INTERVAL": "refresh interval, such as 5s",
    "TRIAGE_PERSON": "who you are in what is recorded, in place of user@host",
    "TRIAGE_READONLY": "1: nothing is executed, whatever else is said",
}
MIN_INTERVAL = 1.0


class CellSettings(Settings):
    """How diagnostic cells are run on this machine."""

    python: str | None = Field(None, description="Python that has ipykernel and the packages that cells import, such "
                               "as ~/venvs/models/bin/python; by default triage's own.")


class Context(Settings):
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
    haproxy: HaproxySocket | None = Field(None, description="Runtime API of the HAProxy that moves traffic: socket or "
                                          "address.")
    logs: Annotated[LokiLogs | VictoriaLogs | LogFiles, Field(discriminator="kind")] | None = Field(
        None, description="Where the models' logs are: Loki, VictoriaLogs or files.")
    webhooks: dict[str, Webhook] = Field({}, description="Pipelines that do actions, by the name that manifests use.")
    cells: CellSettings = Field(CellSettings(), description="How diagnostic cells are run.")
    interval: Duration = Field(5.0, validate_default=False, description="Time between refreshes, at least 1s.")
    actions: ActionSettings = Field(ActionSettings(), description="Guarded actions: journal, leases, freezes.")

    @model_validator(mode="after")
    def _interval_long_enough(self) -> Context:
        if self.interval < MIN_INTERVAL:
            raise ValueError("has an interval under 1s\nthe servers need their rest")
        return self

    @model_validator(mode="after")
    def _identities_can_be_asked(self) -> Context:
        named = {"haproxy": None if self.haproxy is None else self.haproxy.identity,
                 "registry": self.registry.identity if isinstance(self.registry, MlflowRegistry) else None,
                 **{f"webhooks.{name}": webhook.identity for name, webhook in self.webhooks.items()}}
        for place, identity in named.items():
            if isinstance(identity, KubernetesIdentity) and self.kubernetes is None:
                raise ValueError(f"names no kubernetes, which {place}.identity asks\nadd kubernetes: {{kubeconfig: "
                                 "~/.kube/config, context: ...}")
        return self


class Config(Settings):
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
