"""The manifest's JSON Schema, for editors and for those who write manifests by program."""

from __future__ import annotations

from typing import Any

from triage.notebook.manifest import Manifest
from triage.quantities import format_duration

SCHEMA_ID = "urn:triage:manifest:v1alpha1"


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a manifest as it is written: durations, sizes and rates are texts with units.

    It is looser than :func:`triage.notebook.load.load_notebook`, which also checks what no schema can say.
    """
    found = _written(Manifest.model_json_schema())
    return {**found, "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID,
            "title": "triage model notebook"}


def _written(node: Any) -> Any:
    """``node`` with defaults spelt as a manifest spells them, not as they are kept in memory."""
    if isinstance(node, list):
        return [_written(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _written(value) for key, value in node.items()}
    default = result.get("default")
    if result.get("type") == "string" and isinstance(default, int | float):
        result["default"] = format_duration(default)
    return result
