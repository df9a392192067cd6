"""Which product answers the Prometheus API: told by ``/api/v1/status/buildinfo`` and the headers. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from triage.text import clean

_VICTORIA_VERSION = "2.24.0"
"""What VictoriaMetrics says in every release, to please Grafana (VictoriaMetrics#5370)."""


class BackendKind(StrEnum):
    """A product that speaks the Prometheus API."""

    PROMETHEUS = "Prometheus"
    THANOS = "Thanos"
    MIMIR = "Mimir"
    CORTEX = "Cortex"
    VICTORIA_METRICS = "VictoriaMetrics"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Backend:
    """Who answers."""

    kind: BackendKind
    version: str = ""
    """Cleaned; "" when it does not say, or says a constant."""

    @property
    def release(self) -> tuple[int, int] | None:
        """(major, minor) of its own numbering; None when it is not known."""
        match = re.match(r"v?(\d{1,4})\.(\d{1,4})", self.version)
        return (int(match[1]), int(match[2])) if match else None


def fingerprint(build_info: Any, headers: Mapping[str, str]) -> Backend:
    """Who answered with ``build_info`` (``data`` of the endpoint, None when it has none) and ``headers``."""
    if "x-server-hostname" in headers:
        # VictoriaMetrics puts it on every answer.
        return Backend(BackendKind.VICTORIA_METRICS)
    if not isinstance(build_info, dict):
        return Backend(BackendKind.UNKNOWN)
    said = build_info.get("version")
    version = clean(said, limit=60) if isinstance(said, str) else ""
    application = build_info.get("application")
    if isinstance(application, str) and application:
        known = application.lower()
        for kind in (BackendKind.MIMIR, BackendKind.CORTEX, BackendKind.THANOS, BackendKind.VICTORIA_METRICS):
            if kind.value.lower() in known:
                return Backend(kind, version)
        return Backend(BackendKind.UNKNOWN, version)
    if build_info == {"version": _VICTORIA_VERSION}:
        return Backend(BackendKind.VICTORIA_METRICS)
    if isinstance(build_info.get("features"), dict):
        # Cortex and Mimir before 2.1 name no application.
        return Backend(BackendKind.CORTEX, version)
    backend = Backend(BackendKind.PROMETHEUS, version)
    if backend.release is None:
        return Backend(BackendKind.UNKNOWN, version)
    if backend.release[0] == 0 and build_info.get("revision") is not None:
        return Backend(BackendKind.THANOS, version)
    if any(isinstance(build_info.get(key), str) for key in ("revision", "branch", "goVersion")):
        return backend
    return Backend(BackendKind.UNKNOWN, version)
