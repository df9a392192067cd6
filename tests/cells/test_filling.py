"""What triage fills into parameters: of the present from its facts, of a capture from what its status document says."""

from __future__ import annotations

import json

import pytest

from tests.tui import snapshots
from triage.cells.filling import filled, versions_then
from triage.report.json import status_json


def test_of_the_present_the_versions_are_those_that_the_facts_name() -> None:
    values = filled(snapshots.ALL["canary"]().models[0], start=1.0, end=2.0, incident="INC-0001")
    assert values == {"WINDOW_START": 1.0, "WINDOW_END": 2.0, "LIVE_VERSION": "v8", "LIVE_STABLE": "v7",
                      "INCIDENT": "INC-0001", "CAPTURE": None}


def test_of_a_capture_they_are_those_of_then() -> None:
    facts = status_json(snapshots.ALL["canary"]())
    then = versions_then(facts, "fraud-scorer")
    assert then == ("v7", "v8")
    values = filled(None, start=1.0, end=2.0, capture="/captures/INC-0412", then=then)
    assert (values["LIVE_VERSION"], values["LIVE_STABLE"], values["CAPTURE"]) == ("v8", "v7", "/captures/INC-0412")
    assert filled(None, start=1.0, end=2.0, then=("v7", None))["LIVE_VERSION"] == "v7"


@pytest.mark.parametrize("facts", ["", "{", "[]", "{}", '{"models": [{"model": "fraud-scorer"}]}',
                                   json.dumps({"models": [{"model": "other", "versions": {"stable": "1"}}]})])
def test_a_document_that_does_not_say_gives_none(facts: str) -> None:
    assert versions_then(facts, "fraud-scorer") == (None, None)
