"""A feature view that is too old, or finds too little, warns and opens a ticket; what is not known is not fine."""

from __future__ import annotations

from triage.signals.feature_freshness import ViewExpected, ViewSeen, view_state
from triage.signals.feature_store_reading import FeatureStoreReading, feature_store_reasons
from triage.signals.reading import Urgency, Verdict

NOW = 1_800_000_000.0
LIMIT = ViewExpected(7200.0)


def reading(*seen: ViewSeen, ago: float = 20.0) -> FeatureStoreReading:
    return FeatureStoreReading(tuple(view_state(item, LIMIT, NOW) for item in seen), NOW - ago, 180.0)


def test_an_old_view_warns_and_opens_a_ticket() -> None:
    [reason] = feature_store_reasons(reading(ViewSeen("profile", 9000.0), ViewSeen("other", 60.0)), NOW)
    assert (reason.verdict, reason.urgency, reason.subject) == (Verdict.WARN, Urgency.TICKET, "profile")
    assert reason.text == "feature view profile: materialised up to 2 h 30 m ago, at most 2 h 00 m"


def test_a_view_that_is_not_known_is_no_reason_and_not_fine() -> None:
    found = reading(ViewSeen("profile", None))
    assert list(feature_store_reasons(found, NOW)) == []
    assert found.views[0].verdict is Verdict.UNKNOWN


def test_a_gauge_that_stands_still_is_frozen_and_not_fresh() -> None:
    found = reading(ViewSeen("profile", 60.0, changes=0.0))
    assert found.views[0].verdict is Verdict.UNKNOWN
    [reason] = feature_store_reasons(found, NOW)
    assert (reason.verdict, reason.urgency) == (Verdict.WARN, Urgency.TICKET)
    assert reason.text.startswith("feature view profile: the gauge is frozen at 1 m 00 s")


def test_what_was_answered_too_long_ago_is_no_reason() -> None:
    assert list(feature_store_reasons(reading(ViewSeen("profile", 9000.0), ago=181.0), NOW)) == []
    assert list(feature_store_reasons(None, NOW)) == []
