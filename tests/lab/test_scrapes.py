"""``triage doctor`` on the lab: models are scraped every 15 seconds, whatever their manifests say."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.conftest import Standing
from tests.notebook.example_data import EXAMPLES
from triage.config import activate
from triage.overrides import Overrides
from triage.sources.checkup import Capability, check_up


def told(standing: Standing, notebooks: Path) -> Capability:
    lab = standing("healthy")
    active = replace(activate(Overrides(config=str(lab.config)), {}), notebooks=(notebooks,))
    prometheus = asyncio.run(check_up(active, lab.clock)).sources[0]
    return next(c for c in prometheus.capabilities if c.what == "scrape intervals")


def test_manifests_that_say_how_often_they_are_scraped_are_well(standing: Standing) -> None:
    said = told(standing, EXAMPLES)
    assert said.state == "ok"
    assert re.fullmatch(r"\d models at least as often as promised", said.detail)


@pytest.mark.parametrize(("promised", "state"), [("5s", "missing"), ("10s", "missing"), ("12s", "ok"), ("30s", "ok")])
def test_a_manifest_that_promises_more_scrapes_than_there_are_is_named_with_what_to_write(
        standing: Standing, tmp_path: Path, promised: str, state: str) -> None:
    shutil.copytree(EXAMPLES / "fraud-scorer", tmp_path / "fraud-scorer")
    manifest = tmp_path / "fraud-scorer" / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("scrape_interval: 15s", f"scrape_interval: {promised}"))
    said = told(standing, tmp_path)
    assert said.state == state
    if state == "missing":
        assert f"fraud-scorer every 15s, its manifest says {promised}" in said.detail
        assert f"scrape_interval: 15s under spec.metrics in {manifest}" in said.fix
