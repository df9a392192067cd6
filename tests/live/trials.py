"""A trial of a few hours: its notebook, its grid, and the counters behind it, answered by the lab's engine.

That engine is compared with Prometheus elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from triage.facts.replies import Question
from triage.facts.samples import Series
from triage.lab.promql.engine import Engine, Matrix
from triage.lab.promql.store import Store
from triage.live.arms import Arms, arms
from triage.live.trial import trial, trial_questions
from triage.notebook.load import Notebook, load_all
from triage.signals.canary import EventMetric, Metric, Trial
from triage.signals.model import Versions, VersionState
from triage.signals.reading import Quality, Reading

NOW = 1_795_400_160.0
"""A full minute."""
BORN = NOW - 3600
SCRAPE = 15.0


def written(folder: Path, slos: Sequence[Mapping[str, Any]], **blocks: Mapping[str, Any]) -> Notebook:
    """A notebook in ``folder`` with these objectives and further blocks of its ``spec``; empty ones are left out."""
    home = folder / "m"
    home.mkdir()
    spec = {"metrics": {"selector": {"model": "m"}, "scrape_interval": "15s", "requests": "requests_total"},
            "slos": list(slos), **{name: block for name, block in blocks.items() if block}}
    manifest = {"apiVersion": "triage/v1alpha1", "kind": "ModelNotebook",
                "metadata": {"name": "m", "version": "v2", "owners": [{"name": "t", "role": "on-call"}]}, "spec": spec}
    (home / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    (home / "notebook.ipynb").write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    found = load_all([home])
    assert not found.broken, found.broken
    return found.notebooks[0]


def seen(*, born: float | None = BORN, arm: str = "canary", n: float | None = 50.0) -> Versions:
    def share(value: float, events: float | None) -> Reading:
        return Reading(value, "ratio", Quality.OK, events, 300.0, NOW)
    return Versions("traffic", (VersionState("v1", "stable", share(0.9, 450.0), None, NOW),
                                VersionState("v2", arm, share(0.1, n), born, NOW)))


def on(now: float = NOW + 20, *, born: float | None = BORN) -> Arms:
    found = arms(seen(born=born), "model_version", SCRAPE, 86400.0, now)
    assert found is not None
    return found


Counter = tuple[Mapping[str, str], Sequence[float]]
"""Labels, and a value for each scrape, the last one at NOW."""


def counter(name: str, version: str, values: Sequence[float], **labels: str) -> Counter:
    return {"__name__": name, "model": "m", "model_version": version, **labels}, values


def stored(*counters: Counter, early: float = 0.0, until: float = NOW) -> Store:
    """Scraped at full quarters of a minute, or ``early`` seconds before them; the last time at ``until``."""
    store = Store()
    for labels, values in counters:
        times = [round(1000 * (until - early - SCRAPE * (len(values) - 1 - i))) for i in range(len(values))]
        store.append(dict(labels), np.array(times, dtype=np.int64), np.array(values, dtype=np.float64))
    return store


def answered(notebook: Notebook, store: Store, at: Arms) -> dict[Question, tuple[Series, ...]]:
    """What a server with these series says."""
    found: dict[Question, tuple[Series, ...]] = {}
    for span in at.spans:
        for question, expression in trial_questions(notebook, {}, at, span.step):
            matrix = Engine(store).range(expression, span.start, span.end, span.step).value
            assert isinstance(matrix, Matrix)
            found[question] = (*found.get(question, ()),
                               *(Series(labels, tuple(times.tolist()), tuple(values.tolist()))
                                 for labels, times, values in matrix.series))
    return found


def compared(notebook: Notebook, *counters: Counter, early: float = 0.0) -> Trial:
    grid = on()
    return trial(notebook, {}, answered(notebook, stored(*counters, early=early), grid), grid, "traffic")[0]


def metric(made: Trial, name: str) -> Metric:
    return next(m for m in made.metrics if m.name == name)


def events(made: Trial, name: str = "success") -> EventMetric:
    found = metric(made, name)
    assert isinstance(found, EventMetric)
    return found


def rising(per_scrape: float, scrapes: int = 900) -> list[float]:
    """A counter that grows evenly, for hours."""
    return [1000 + per_scrape * i for i in range(scrapes)]


def histogram(version: str, *shares: tuple[str, float], per_scrape: float = 20.0) -> list[Counter]:
    """Buckets that fill evenly: the share of events at or under each bound."""
    return [counter("duration_seconds_bucket", version, [1000 * s + per_scrape * s * i for i in range(900)], le=le)
            for le, s in shares]


def requests(version: str, good: float, bad: float) -> list[Counter]:
    return [counter("requests_total", version, rising(good), code="200"),
            counter("requests_total", version, rising(bad), code="500")]
