"""The fleet in ``status --format json``."""

from __future__ import annotations

import json

import jsonschema
import pytest

from tests.report.test_json import STATUS
from tests.tui import fleets, snapshots
from triage.report.json import status_json
from triage.signals.fleet import fleet_state


@pytest.mark.parametrize("state", fleets.STATES)
def test_every_state_keeps_the_contract(state: str) -> None:
    jsonschema.validate(json.loads(status_json(fleets.STATES[state]())), STATUS)


def test_a_single_model_has_no_fleet() -> None:
    assert json.loads(status_json(snapshots.healthy()))["fleet"] is None


def test_rows_stand_worst_first_with_what_the_screen_shows() -> None:
    fleet = json.loads(status_json(fleets.shown(fleets.fleet())))["fleet"]
    assert fleet["verdicts"] == {"fail": 2, "unknown": 3, "warn": 1, "pass": 1}
    assert [row["model"] for row in fleet["rows"]][:2] == ["image-moderation", "fraud-scorer"]
    assert fleet["top_burn"][0] == "image-moderation"
    assert fleet["activity_30d"] == {"approvals": 4, "deploys": 8, "retrains": 4, "at_least": ["approvals"],
                                     "known_of": {"approvals": 5, "deploys": 4, "retrains": 4}}
    fraud = next(row for row in fleet["rows"] if row["model"] == "fraud-scorer")
    assert fraud["health"] == {"value": 0.58, "slo": "latency", "quality": "ok", "n": 37_800, "note": ""}
    assert fraud["trial"] == {"version": "v8", "arm": "canary", "share": 0.1, "verdict": "fail", "more_seconds": None}
    assert fraud["alerts"] == {"page": 1, "ticket": 1, "other": 0}
    assert fraud["value"]["against"] == "recall"
    assert fraud["deployed"]["source"] == "rollout"


def test_what_is_not_known_is_null_and_says_why() -> None:
    rows = json.loads(status_json(fleets.shown(fleets.fleet())))["fleet"]["rows"]
    by_name = {row["model"]: row for row in rows}
    assert by_name["ads-pacing"]["health"] == {"value": None, "slo": "latency", "quality": "no_data", "n": None,
                                               "note": "no such series"}
    assert by_name["ads-pacing"]["seen_at"] is None
    assert by_name["shelf-counter"]["last_seen"]["quality"] == "stale"
    broken = by_name["loan-approval"]
    assert (broken["broken"], broken["verdict"], broken["owner"]) == (True, "unknown", None)


def test_an_empty_fleet_has_no_rows() -> None:
    assert json.loads(status_json(fleets.shown(fleet_state((), 5.0))))["fleet"]["rows"] == []
