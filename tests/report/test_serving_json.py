"""``serving`` and ``lineage`` keep the contract whatever is known, and their figures are those of the reading."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from tests.report.test_json import STATUS
from tests.tui import servings, snapshots
from tests.tui.test_pods_panel import LINKS
from triage.report.json import status_json
from triage.signals.lineage_model import Lineage


def document(state: str) -> dict[str, Any]:
    snapshot = snapshots.ALL["canary"]()
    model = replace(snapshot.models[0], serving=servings.READINGS[state](),
                    lineage=Lineage(True, (), (), None, snapshots.NOW, links=LINKS))
    found: dict[str, Any] = json.loads(status_json(replace(snapshot, models=(model,))))
    return found


@pytest.mark.parametrize("state", servings.READINGS)
def test_every_state_keeps_the_contract(state: str) -> None:
    jsonschema.Draft202012Validator(STATUS).validate(document(state))


def test_a_pod_says_its_share_of_what_and_why_it_fails() -> None:
    pod = document("mixed")["models"][0]["serving"]["pods"][0]
    assert (pod["name"], pod["version"], pod["verdict"], pod["restarts_1h"]) == (servings.NEW, "8", "fail", 3)
    assert (pod["memory"]["basis"], pod["memory"]["share"], pod["cpu"]["of"]) == ("limit", pytest.approx(0.95), 2.0)
    assert pod["why"][0] == "OOMKilled 3x in 1 h"


def test_a_pod_that_is_not_measured_has_null_and_never_zero() -> None:
    pod = next(p for p in document("mixed")["models"][0]["serving"]["pods"] if p["name"] == servings.OLD[2])
    assert (pod["cpu"]["used"], pod["cpu"]["verdict"], pod["verdict"]) == (None, "unknown", "unknown")


def test_the_cost_says_how_it_is_computed() -> None:
    cost = document("mixed")["models"][0]["serving"]["cost"]
    assert cost["per_1000_inferences"]["value"] == pytest.approx(0.38 * 4 / 144_000 * 1000)
    assert (cost["pod_hours"], cost["inferences"], cost["window_seconds"]) == (4.0, 144_000, 3600)


def test_nobody_looked_is_null() -> None:
    assert json.loads(status_json(snapshots.ALL["canary"]()))["models"][0]["serving"] is None


def test_links_that_differ_say_what_was_where() -> None:
    image = document("mixed")["models"][0]["lineage"][1]
    assert (image["kind"], image["state"], image["recorded"]) == ("image", "differs", None)
    assert image["running"].endswith(":8.0.3")
