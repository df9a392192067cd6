"""The configuration in force, where it was looked for, and whether it is right. Secrets are never shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from triage import strict_yaml
from triage.config import ENVIRONMENT, Active, activate, config_path, load_config
from triage.config_sources import FolderRegistry, Kubeconfig, LogFiles, LokiLogs, MlflowRegistry, VictoriaLogs
from triage.endpoints import ConfigError, Endpoint, SecretRef
from triage.errors import InvalidDocument
from triage.overrides import Overrides
from triage.quantities import format_duration
from triage.report.json import dump
from triage.text import clean

CONFIG_SCHEMA = "triage.config/v1"


def show_json(active: Active) -> str:
    """``triage.config/v1``: the values in force."""
    return dump({"schema": CONFIG_SCHEMA, **_values(active)})


def show_lines(active: Active) -> Iterator[str]:
    """The same as YAML."""
    text = yaml.safe_dump(_values(active), sort_keys=False, allow_unicode=True, width=110)
    yield from text.splitlines()


def path_lines(overrides: Overrides) -> Iterator[str]:
    """Where the configuration and the notebooks lie, and the variables that are set. Works without a configuration."""
    path, named = config_path(overrides.config)
    there = "is there" if path.exists() else "does not exist"
    yield f"configuration  {_path(path)}  {there}{', named explicitly' if named else ''}"
    if path.exists():
        for folder in activate(overrides).notebooks:
            yield f"notebooks      {_path(folder)}  {'is there' if folder.exists() else 'does not exist'}"
    else:
        for given in overrides.notebooks:
            yield f"notebooks      {clean(given)}"
    for name, meaning in ENVIRONMENT.items():
        value = os.environ.get(name)
        yield f"${name:<23} {clean(value) if value else '-'}  ({meaning})"


def validated(overrides: Overrides) -> str:
    """One sentence on a configuration that is right, its secrets included: programs that print one are not run.

    Raises :class:`~triage.config.ConfigError` or :class:`~triage.errors.InvalidDocument` with every error.
    """
    path, _ = config_path(overrides.config)
    config = load_config(path)
    document = strict_yaml.load(path)
    findings = [document.finding(place, error.message, error.hint, "secret") for place, error in _unreadable(config)]
    if findings:
        raise InvalidDocument(findings)
    chosen = f", {activate(overrides).name} is in force" if overrides.context or config.current_context or len(
        config.contexts) == 1 else ", none is in force until --context names one"
    count = len(config.contexts)
    return f"{_path(path)}: right: {count} context{'' if count == 1 else 's'}{chosen}"


def _unreadable(item: Any, place: strict_yaml.PathKey = ()) -> Iterator[tuple[strict_yaml.PathKey, ConfigError]]:
    """Every secret at and below ``item`` that its file or variable does not give, and where it is asked for."""
    if isinstance(item, SecretRef):
        try:
            if item.command is None:
                item.read()
        except ConfigError as error:
            yield place, error
    elif isinstance(item, dict):
        for name, inner in item.items():
            yield from _unreadable(inner, (*place, name))
    elif isinstance(item, BaseModel):
        if isinstance(item, MlflowRegistry):
            try:
                item.endpoint()
            except ConfigError as error:
                yield (*place, "mlflow_environment"), error
        for name in type(item).model_fields:
            yield from _unreadable(getattr(item, name), (*place, name))


def _values(active: Active) -> dict[str, Any]:
    context = active.context
    found: dict[str, Any] = {
        "config": None if active.config_path is None else _path(active.config_path),
        "context": active.name,
        "production": context.production,
        "allow_write": context.allow_write,
        "interval": format_duration(context.interval),
        "notebooks": [_path(path) for path in active.notebooks],
        "prometheus": _endpoint(context.prometheus),
        "alertmanager": None if context.alertmanager is None else _endpoint(context.alertmanager),
        "registry": None if context.registry is None else _registry(context.registry, active),
        "logs": None if context.logs is None else _logs(context.logs, active),
        "kubernetes": None if context.kubernetes is None else _kubernetes(context.kubernetes, active),
    }
    return found


def _registry(registry: MlflowRegistry | FolderRegistry, active: Active) -> dict[str, Any]:
    if isinstance(registry, FolderRegistry):
        return {"kind": registry.kind, "path": _path(active.beside_config(registry.path)),
                **({"ref": registry.ref} if registry.ref else {})}
    environment = {"credential": "from MLflow's environment variables"} if registry.mlflow_environment else {}
    return {"kind": registry.kind, **_endpoint(registry), **environment}


def _kubernetes(access: Kubeconfig | Endpoint, active: Active) -> dict[str, Any]:
    if isinstance(access, Endpoint):
        return _endpoint(access)
    token = {} if access.bearer_token is None else {"bearer_token": _secret(access.bearer_token)}
    return {"kubeconfig": _path(active.beside_config(access.kubeconfig)), "context": clean(access.context), **token,
            "timeout": format_duration(access.timeout)}


def _logs(logs: LokiLogs | VictoriaLogs | LogFiles, active: Active) -> dict[str, Any]:
    fields = {name: [clean(each) for each in names] for name, names in logs.fields.model_dump().items()}
    if isinstance(logs, LogFiles):
        return {"kind": logs.kind, "path": _path(active.beside_config(logs.path)), "max_read_bytes": logs.max_read,
                "fields": fields}
    found = {"kind": logs.kind, **_endpoint(logs),
             "selector": {clean(name): clean(value) for name, value in logs.selector.items()}, "fields": fields}
    if isinstance(logs, LokiLogs):
        found |= {"model_label": logs.model_label, "structured_metadata": logs.structured_metadata}
    return found


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = {"url": endpoint.url}
    if endpoint.bearer_token is not None:
        found["bearer_token"] = _secret(endpoint.bearer_token)
    if endpoint.basic_auth is not None:
        found["basic_auth"] = {"username": clean(endpoint.basic_auth.username),
                               "password": _secret(endpoint.basic_auth.password)}
    tls = {name: clean(value) for name, value in endpoint.tls.model_dump(exclude_none=True).items()}
    if tls:
        found["tls"] = tls
    if endpoint.headers:
        found["headers"] = {name: clean(value) for name, value in endpoint.headers.items()}
    if endpoint.secret_headers:
        found["secret_headers"] = {name: _secret(secret) for name, secret in endpoint.secret_headers.items()}
    if endpoint.proxy is not None:
        found["proxy"] = clean(endpoint.proxy)
    return {**found, "timeout": format_duration(endpoint.timeout), "concurrency": endpoint.concurrency,
            "max_body_bytes": endpoint.max_body}


def _secret(secret: SecretRef) -> str:
    return f"from {clean(secret.describe())}"


def _path(path: Path) -> str:
    return clean(str(path))
