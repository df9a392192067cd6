"""Units that metrics come in."""

from __future__ import annotations

from collections.abc import Mapping

UNIT_SECONDS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
"""Seconds in one unit of a duration metric."""
