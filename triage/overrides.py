"""``Overrides``: what the command line says about the configuration. Imports nothing heavy: every start passes here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values from the command line; None and () leave the configuration's."""

    config: str | None = None
    context: str | None = None
    notebooks: tuple[str, ...] = ()
    prometheus_url: str | None = None
    alertmanager_url: str | None = None
    interval: float | None = None
