"""Feature views, labels by prediction time, attributions and estimates in the status document, and views in text."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from tests.report.test_json import STATUS
from tests.tui import logbooks, looks
from triage.live.snapshot import Snapshot
from triage.report.characters import Characters
from triage.report.console import as_text, console
from triage.report.json import status_json
from triage.report.text import status_text


def document(snapshot: Snapshot) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(status_json(snapshot))
    jsonschema.Draft202012Validator(STATUS).validate(found)
    model: dict[str, Any] = found["models"][0]
    return model


@pytest.mark.parametrize("state", looks.STATES)
def test_every_state_follows_the_contract(state: str) -> None:
    document(looks.STATES[state]())


def test_labels_are_told_by_cohort_and_week_with_what_is_mature() -> None:
    found = document(looks.whole())["labels"]
    assert [cohort["maturity"] for cohort in found["cohorts"]] == ["mature"] * 16 + ["pending"] * 14
    assert found["cohorts"][0]["figure"] == "recall"
    assert found["cohorts"][-1]["value"] is None
    assert (found["coverage"], found["expected_delay_seconds"]) == (pytest.approx(0.97), 14 * 86400)
    assert found["gap"]["predicted_by"] == "positive decisions"
    assert len(found["gap"]["weeks"]) == 3
    assert {item["name"] for item in found["figures"]} == {"recall", "precision"}


def test_what_nobody_asked_for_is_null_and_what_was_not_answered_says_why() -> None:
    assert document(logbooks.debugged())["labels"] is None
    assert document(logbooks.debugged())["feature_store"] is None
    assert document(logbooks.debugged())["attributions"] == []
    refused = document(looks.refused())["labels"]
    assert (refused["answered_at"], refused["sentence"], refused["cohorts"]) == (None, None, [])
    assert refused["failure"] == "timeout: no answer within 10 s"


def test_views_say_how_fresh_they_are_and_how_that_is_known() -> None:
    views = {view["view"]: view for view in document(looks.whole())["feature_store"]["views"]}
    assert views["payments_profile"]["verdict"] == "fail"
    assert views["payments_profile"]["freshness_seconds"] == 13_680
    assert (views["devices"]["verdict"], views["devices"]["quality"]) == ("unknown", "stale")
    assert document(looks.old())["feature_store"]["quality"] == "stale"


def test_an_estimate_names_its_assumptions_or_why_there_is_none() -> None:
    known, none = document(looks.whole())["quality"]["estimates"]
    assert len(known["assumptions"]) == 3
    assert {figure["name"] for figure in known["figures"]} >= {"accuracy", "precision", "recall"}
    assert (none["reason"], none["figures"]) == ("64 of 100 scores needed", [])


def test_attributions_are_shares_beside_the_usual_ones() -> None:
    first = document(looks.whole())["attributions"][0]
    assert first["feature"] == "amount"
    assert first["usual_share"] == pytest.approx(0.5)
    assert first["share"] == pytest.approx(0.5 / 0.73)


def text(snapshot: Snapshot) -> str:
    return as_text(status_text(snapshot, Characters(False)), console(io.StringIO(), 160))


def test_text_counts_fresh_views_and_tells_the_others() -> None:
    said = " ".join(text(looks.whole()).split())
    assert "features 1 of 3 views fresh" in said
    assert "payments_profile: materialised up to 3 h 48 m ago, at most 2 h 00 m" in said
    assert "devices: the gauge is frozen" in said
    assert "estimated accuracy 87.40 %" in said


def test_text_brackets_what_is_old_and_says_what_was_never_answered() -> None:
    assert "(1 of 3 views fresh) 4 m 00 s old" in " ".join(text(looks.old()).split())
    whole = looks.whole()
    store = whole.models[0].feature_store
    assert store is not None
    never = replace(whole, models=(replace(whole.models[0], feature_store=replace(
        store, views=(), answered_at=None, failure=looks.GONE)),))
    assert "features not known: timeout: no answer within 10 s" in " ".join(text(never).split())
