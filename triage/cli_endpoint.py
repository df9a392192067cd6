"""Which server ``discover`` asks, and with whose credentials."""

from __future__ import annotations

import os
from dataclasses import replace
from urllib.parse import urlsplit

from triage.config import activate, config_path
from triage.endpoints import ConfigError, Endpoint, checked_url
from triage.overrides import Overrides

_PORTS = {"http": 80, "https": 443}


def endpoint_for(url: str | None, overrides: Overrides) -> Endpoint:
    """The server at ``url`` (None: the context's Prometheus).

    The context's credentials, proxy and limits are used when it is the same server; another one is asked without.
    Raises :class:`~triage.config.ConfigError` or :class:`~triage.errors.InvalidDocument`.
    """
    wanted = url or overrides.prometheus_url
    if wanted is None:
        return activate(overrides).context.prometheus
    checked = checked_url(wanted)
    own = _configured(replace(overrides, prometheus_url=None))
    if own is not None and _server(own.url) == _server(checked):
        return own.model_copy(update={"url": checked})
    return Endpoint(url=checked)


def _configured(overrides: Overrides) -> Endpoint | None:
    """Prometheus of the context; None where there is no configuration, or none of its contexts is chosen."""
    path, named = config_path(overrides.config)
    if not named and not os.path.lexists(path):
        if overrides.context:
            activate(overrides)
        return None
    try:
        return activate(overrides).context.prometheus
    except ConfigError:
        if overrides.context or overrides.config:
            raise
        return None


def _server(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
