"""What Prometheus sends to Alertmanager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

_PROMETHEUS_URL = "http://prometheus.example"


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert, as Prometheus speaks of it; times in Unix seconds."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float
    ends_at: float
    """When it resolved, or when it is to be taken for resolved if nobody speaks of it again."""
    generator_url: str = ""


def generator_url(expression: str) -> str:
    """Where Prometheus shows the expression of a rule."""
    return f"{_PROMETHEUS_URL}/graph?g0.expr={quote(expression, safe='')}&g0.tab=1"
