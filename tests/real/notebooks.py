"""Model notebooks for the models of known truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_SUCCESS = {"name": "success", "sli": {"good": 'requests_total{code!~"5.."}', "total": "requests_total"},
            "objective": 99.9, "window": "30d", "required": True}
_LATENCY = {"name": "latency", "sli": {"histogram": "request_duration_seconds", "threshold": "500ms"},
            "objective": 99, "window": "30d"}
_SCHEMA = {"name": "schema-validity", "objective": 100, "by": "feature",
           "sli": {"bad": "schema_violations_total", "total": "requests_total", "absent": "zero"}}

_TRIED = ({**_SUCCESS, "objective": 99.5}, {**_LATENCY, "objective": 95})

SLOS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "steady": (_SUCCESS, _LATENCY, _SCHEMA),
    "idle": (_SUCCESS, _LATENCY),
    "stopped": (_SUCCESS,),
    "reset": (_SUCCESS,),
    "clean": (_SUCCESS,),
    "nan": (_SUCCESS, {"name": "drift-score", "sli": {"gauge": "always_nan", "at_most": 0.2}, "objective": 99,
                       "required": True},
            {"name": "queue-age", "sli": {"gauge": "queue_age_seconds", "at_most": 60}, "objective": 99}),
    "born": (_SUCCESS,),
    "hostile": (_SUCCESS, _SCHEMA),
    "saturated": (_SUCCESS, {**_LATENCY, "objective": 25}),
    "native": ({"name": "latency", "objective": 75,
                "sli": {"histogram": "native_duration_seconds", "threshold": "500ms", "native": True}},),
    "nobody": (_SUCCESS,),
    "equal": _TRIED,
    "worse": _TRIED,
    "tilted": _TRIED,
}
"""Objectives by model. Of ``nobody`` there is no series at all."""

TRIED: Mapping[str, Any] = {
    "classes": {"counter": "decisions_total", "label": "decision", "values": ["approve", "decline"]},
    "max_delta": [{"metric": "success", "absolute": "0.5pt"}, {"metric": "classes", "absolute": "5pt"}]}
"""How the versions of ``equal``, ``worse`` and ``tilted`` are tried."""


def write(folder: Path) -> Path:
    """Write one notebook for each model below ``folder`` and return it."""
    for model, slos in SLOS.items():
        home = folder / model
        home.mkdir(parents=True)
        manifest = {
            "apiVersion": "triage/v1alpha1", "kind": "ModelNotebook",
            "metadata": {"name": model, "version": "v1", "owners": [{"name": "tests", "role": "model-owner"}]},
            "spec": {"metrics": {"selector": {"model": model}, "scrape_interval": "15s", "requests": "requests_total",
                                 "version_info": "model_build_info"},
                     "slos": [dict(slo) for slo in slos], **({"canary": TRIED} if slos is _TRIED else {})},
        }
        (home / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
        (home / "notebook.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n')
    return folder
