"""Quality in reports: counted where it is fine, told in full where it is not."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import jsonschema

from tests.report.test_json import STATUS
from tests.tui import snapshots
from triage.facts.outcome import Failure, FailureKind
from triage.live.snapshot import Snapshot
from triage.report.characters import Characters
from triage.report.console import as_text, console
from triage.report.json import status_json
from triage.report.text import status_text
from triage.signals.quality import Expected, elsewhere, judge
from triage.signals.quality_reading import QualityReading, VersionFigure, VersionSlice, gauge_disparity
from triage.signals.retrain import Trigger, TriggerState
from triage.signals.slices import disparity

FINE = VersionFigure("v7", judge(elsewhere("recall", 0.68, 900.0, ""), Expected(at_least=0.6)))
POOR = VersionFigure("v7", judge(elsewhere("precision", 0.2, 900.0, ""), Expected(at_least=0.35)))
APART = VersionSlice("v7", "region", gauge_disparity("recall", {"DE": 0.7, "FR": 0.4}, ["DE", "FR"], 0.05))
READING = QualityReading((FINE, POOR), (APART,), snapshots.NOW - 20, 180.0)


def shown(reading: QualityReading) -> Snapshot:
    return snapshots.with_model(snapshots.healthy(), quality=reading)


def document(reading: QualityReading) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(status_json(shown(reading)))
    jsonschema.Draft202012Validator(STATUS).validate(found)
    quality: dict[str, Any] = found["models"][0]["quality"]
    return quality


def text(reading: QualityReading) -> str:
    return as_text(status_text(shown(reading), Characters(False)), console(io.StringIO(), 160))


def test_every_figure_and_comparison_is_in_the_document() -> None:
    found = document(READING)
    assert [(f["name"], f["verdict"]) for f in found["figures"]] == [("recall", "pass"), ("precision", "fail")]
    [slice_] = found["slices"]
    assert (slice_["label"], slice_["verdict"], slice_["quality"]) == ("region", "fail", "ok")
    assert {rate["group"]: rate["value"] for rate in slice_["rates"]} == {"DE": 0.7, "FR": 0.4}
    assert (found["quality"], found["age_seconds"]) == ("ok", 20.0)


def test_the_text_counts_what_is_fine_and_tells_what_is_not() -> None:
    said = text(READING)
    assert "quality   1 of 3 figures as expected" in said
    assert "! v7: precision 0.200" in said
    assert "! v7: by region, recall 40.00 % in FR" in said
    assert "recall 0.680" not in said


def test_that_of_which_nothing_is_expected_is_not_counted_as_fine() -> None:
    free = VersionFigure("v7", judge(elsewhere("refusals", 0.99, 900.0, ""), Expected()), is_proxy=True)
    assert "quality   1 of 2 figures as expected, 1 not judged" in text(replace(READING, figures=(FINE, POOR, free),
                                                                                 slices=()))
    assert "quality   none of 2 judged" in text(replace(READING, figures=(free, free), slices=()))


def test_comparisons_without_a_value_are_told_apart_by_what_they_compare() -> None:
    waiting = [VersionSlice("v7", "region", disparity(name, {}, ["DE", "FR"], pending="labels are awaited"))
               for name in ("equal_opportunity", "error_rate")]
    said = text(replace(READING, slices=tuple(waiting)))
    assert "v7: equal opportunity by region, labels are awaited" in said
    assert "v7: error rate by region, labels are awaited" in said


def test_an_old_answer_is_in_brackets_with_its_age() -> None:
    old = replace(READING, answered_at=snapshots.NOW - 240,
                  failure=Failure(FailureKind.TIMEOUT, "no answer within 5 s"))
    said = text(old)
    assert "(1 of 3 figures as expected) 4 m 00 s old" in said
    assert "not renewed: timeout: no answer within 5 s" in said
    assert document(old)["quality"] == "stale"


def test_nothing_known_says_why() -> None:
    unread = QualityReading((), (), None, 180.0, Failure(FailureKind.TIMEOUT, "no answer within 5 s"))
    assert "quality   not known: timeout: no answer within 5 s" in text(unread)
    assert document(unread)["quality"] == "error"


def test_a_retrain_trigger_that_holds_is_told_and_a_quiet_one_is_not() -> None:
    asked = Trigger("drift critical", TriggerState.ASKED, ("amount",), 21600.0, snapshots.NOW - 30_000,
                    "model-owner me",
                    "drift critical on 1 feature for 6 h: retrain asked, needs approval by model-owner me")
    quiet = Trigger("recall beyond its limit", TriggerState.QUIET, (), 21600.0, None, "", "recall: not so now")
    shown_ = snapshots.with_model(snapshots.healthy(), retrain=(asked, quiet))
    said = as_text(status_text(shown_, Characters(False)), console(io.StringIO(), 160))
    assert "retrain   drift critical on 1 feature for 6 h: retrain asked, needs approval by model-owner me" in said
    assert "not so now" not in said
    found = json.loads(status_json(shown_))
    jsonschema.Draft202012Validator(STATUS).validate(found)
    assert [t["state"] for t in found["models"][0]["retrain"]] == ["asked", "quiet"]
