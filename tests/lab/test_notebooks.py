"""What the manifests and the alert rules name is there in the lab's world, with the labels that they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import triage.lab
from tests.lab.notebook_data import NOTEBOOKS
from tests.notebook.example_data import EXAMPLES
from triage.lab.clock import LabClock
from triage.lab.promql.results import Vector
from triage.lab.world.scenario import load
from triage.lab.world.world import World
from triage.notebook.load import Notebook, load_all
from triage.notebook.resolve import Objective, requests_selectors, selectors
from triage.notebook.selector import Selector, parse_selector
from triage.notebook.slis import HistogramSli

NOW = 1_795_788_300.0
BOOKS: tuple[Notebook, ...] = load_all([EXAMPLES, NOTEBOOKS]).notebooks
OBJECTIVES = [pytest.param(objective, id=f"{book.name}-{objective.slo.name}")
              for book in BOOKS for objective in book.objectives]
RULES = sorted((Path(triage.lab.__file__).parent / "rules").glob("*.yaml"))


@pytest.fixture(scope="module")
def world() -> World:
    scenario = load("healthy")
    made = World(scenario, scenario.seed, LabClock(NOW, 0.0, 0.0))
    made.begin()
    return made


def there(world: World, selector: Selector | str) -> bool:
    """Whether the world has had a series of it in the last hours."""
    found = world.engine.instant(f"count(last_over_time({selector}[6h]))", NOW).value
    assert isinstance(found, Vector)
    return bool(found.samples)


def _series(objective: Objective) -> Iterator[tuple[Selector, ...]]:
    """For each way to measure it, all the series that this way needs."""
    for candidate in objective.candidates:
        names = selectors(candidate.sli)
        if isinstance(candidate.sli, HistogramSli):
            names = tuple(name.suffixed(suffix) for name in names for suffix in ("_bucket", "_count"))
        yield tuple(name.where(candidate.labels) for name in names)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_objective_has_series(world: World, objective: Objective) -> None:
    assert any(all(there(world, name) for name in names) for names in _series(objective))


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_a_threshold_is_a_bucket(world: World, book: Notebook) -> None:
    for objective in book.objectives:
        for candidate in objective.candidates:
            sli = candidate.sli
            if isinstance(sli, HistogramSli) and sli.threshold is not None:
                bucket = parse_selector(sli.histogram).suffixed("_bucket").where(candidate.labels)
                found = world.engine.instant(f"count by (le) ({bucket})", NOW).value
                assert isinstance(found, Vector)
                bounds = {float(labels["le"]) for labels, _ in found.samples}
                assert not bounds or sli.threshold in bounds, objective.slo.name


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_requests_are_counted_by_version(world: World, book: Notebook) -> None:
    for traffic in requests_selectors(book.manifest):
        total = " + ".join(f"sum by ({traffic.version_label}) ({selector})" for selector in traffic.selectors)
        found = world.engine.instant(total, NOW).value
        assert isinstance(found, Vector)
        if found.samples:
            versions = {labels.get(traffic.version_label) for labels, _ in found.samples}
            assert book.manifest.metadata.version in versions
            return
    pytest.fail("no counter of requests has data")


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_quality_and_proxies_have_series(world: World, book: Notebook) -> None:
    quality = book.manifest.spec.quality
    assert quality is not None
    own = book.manifest.spec.metrics.selector
    names = [*(metric.metric for metric in quality.metrics), *(proxy.metric for proxy in quality.proxies)]
    if quality.feedback.labels is not None:
        names.append(quality.feedback.labels)
    missing = {name for name in names if not there(world, parse_selector(name).where(own))}
    assert missing == set()


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_drift_is_exported_in_the_buckets_of_the_reference(world: World, book: Notebook) -> None:
    drift = book.manifest.spec.drift
    assert drift is not None
    own = book.manifest.spec.metrics.selector
    for feature in (*drift.features, *([drift.prediction] if drift.prediction else [])):
        if feature.categories is not None:
            continue
        assert feature.histogram is not None
        assert feature.reference is not None
        selector = parse_selector(feature.histogram).suffixed("_bucket").where(own)
        if feature in drift.features and book.name != "chat-assistant":
            selector = selector.where({drift.feature_label: feature.name})
        found = world.engine.instant(f"count by (le) (last_over_time({selector}[6h]))", NOW).value
        assert isinstance(found, Vector)
        bounds = {float(labels["le"]) for labels, _ in found.samples}
        assert set(feature.reference.edges or ()) <= bounds, feature.name


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_a_rule_reads_series_that_exist(world: World, path: Path) -> None:
    groups = yaml.safe_load(path.read_text("utf-8"))["groups"]
    read = {found for group in groups for rule in group["rules"]
            for found in re.findall(r"[a-zA-Z_:][\w:]*\{[^}]*\}", rule["expr"])}
    assert read
    dead = {selector for selector in read if not there(world, selector)}
    assert dead == set()


def test_no_alert_fires_when_nothing_is_wrong(world: World) -> None:
    found = world.engine.instant('ALERTS{alertstate="firing"}', NOW).value
    assert isinstance(found, Vector)
    assert [labels["alertname"] for labels, _ in found.samples] == []
