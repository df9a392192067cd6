"""Feature views are read by Feast's own metrics, in the same request as drift and quality."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.signals.building import SUCCESS, notebook
from triage.facts.replies import Part, Question
from triage.facts.samples import Sample
from triage.live.feature_store import STORE, WINDOW, feature_store_questions, feature_store_reading
from triage.signals.feature_freshness import ViewState
from triage.signals.reading import Quality, Verdict

NOW = 1_795_400_100.0
VIEWS = ("dependencies: {feature_store: {project: pay, selector: {cluster: eu}, feature_views: "
         "[{name: profile, max_staleness: 2h, max_missing: 2%}, {name: a.b, max_staleness: 1h}]}}")


def asked() -> dict[Part, str]:
    return {q.part: text for q, text in feature_store_questions(notebook(SUCCESS, more=VIEWS))}


def of(view: str, value: float, **labels: str) -> Sample:
    return Sample({"feature_view": view, **labels}, value, NOW)


def views(found: Mapping[Part, list[Sample]]) -> dict[str, ViewState]:
    windows = {Part.CHANGES: 300.0, Part.GROUPS: WINDOW, Part.CATEGORIES: WINDOW}
    questions = {Question(STORE, 0, part, windows.get(part, 0.0)): samples for part, samples in found.items()}
    reading = feature_store_reading(notebook(SUCCESS, more=VIEWS), questions, (), NOW, 180.0)
    assert reading is not None
    return {view.view: view for view in reading.views}


def test_nothing_is_asked_where_the_manifest_names_no_store() -> None:
    assert feature_store_questions(notebook(SUCCESS)) == ()
    assert feature_store_reading(notebook(SUCCESS), {}, (), NOW, 180.0) is None


def test_a_view_is_asked_by_the_stores_labels_and_not_by_those_of_the_model() -> None:
    said = asked()
    assert said[Part.LEVEL] == ('max by (feature_view) (feast_feature_freshness_seconds{cluster="eu",project="pay",'
                                'feature_view=~"profile|a\\\\.b"})')
    assert 'model="m"' not in "".join(said.values())


def test_both_names_of_materialisations_are_asked_for() -> None:
    said = asked()[Part.GROUPS]
    assert "feast_materialization_result_total{" in said
    assert " or " in said
    assert "(feast_materialization_total{" in said


def test_a_view_is_fresh_while_its_gauge_moves_and_finds_what_is_looked_up() -> None:
    found = views({Part.LEVEL: [of("profile", 600.0)], Part.CHANGES: [of("profile", 9.0)],
                   Part.SAMPLED_AT: [of("profile", NOW - 5)],
                   Part.GROUPS: [of("profile", 2.0, status="success")],
                   Part.CATEGORIES: [of("profile", 995.0, status="PRESENT"), of("profile", 5.0, status="NOT_FOUND")]})
    assert found["profile"].verdict is Verdict.PASS
    assert found["profile"].missing.value == pytest.approx(0.995)
    assert found["profile"].missing.n == 1000


def test_a_frozen_gauge_is_not_fresh() -> None:
    found = views({Part.LEVEL: [of("profile", 600.0)], Part.CHANGES: [of("profile", 0.0)],
                   Part.SAMPLED_AT: [of("profile", NOW - 5)]})
    assert (found["profile"].verdict, found["profile"].freshness.quality) == (Verdict.UNKNOWN, Quality.STALE)


def test_failed_materialisations_warn_and_lookups_that_find_nothing_fail() -> None:
    fresh = {Part.LEVEL: [of("profile", 600.0)], Part.CHANGES: [of("profile", 9.0)]}
    found = views({**fresh, Part.GROUPS: [of("profile", 3.0, status="failure"), of("profile", 1.0, status="success")]})
    assert found["profile"].verdict is Verdict.WARN
    assert found["profile"].notes == ("3 of 4 materialisations failed in 1h",)
    found = views({**fresh, Part.CATEGORIES: [of("profile", 700.0, status="PRESENT"),
                                              of("profile", 300.0, status="NOT_FOUND")]})
    assert found["profile"].verdict is Verdict.FAIL


def test_a_view_without_series_was_never_materialised_and_is_not_left_out() -> None:
    found = views({Part.LEVEL: [of("profile", 600.0)]})
    assert found["a.b"].verdict is Verdict.UNKNOWN
    assert "never materialised" in found["a.b"].sentence
