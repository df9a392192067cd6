"""Which version is stable and which on trial, from the traffic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.signals.building import NOW, SUCCESS, Answers, answers, model_question, notebook, reply, unanswered
from triage.facts.replies import Part
from triage.notebook.resolve import requests_selectors
from triage.signals.burn import DAY, HOUR, MINUTE
from triage.signals.model import Marker, Versions, VersionState
from triage.signals.reading import Quality
from triage.signals.versions import markers, share_windows, versions

BOOK = notebook(SUCCESS)
TRAFFIC = requests_selectors(BOOK.manifest)
REQUESTS = model_question(Part.REQUESTS, 5 * MINUTE)


def facts(shares: Mapping[str, float], first_ago: Mapping[str, float] | None = None,
          last_ago: Mapping[str, float] | None = None) -> Answers:
    """Requests by version, and how many seconds ago each was seen first and last."""
    found = answers(BOOK, versions=shares)
    for part, ago in ((Part.FIRST_SEEN, first_ago), (Part.LAST_SEEN, last_ago)):
        found[model_question(part, DAY)] = reply(*(({"model_version": v}, NOW - s) for v, s in (ago or {}).items()))
    return found


def read(replies: Answers, arm: str = "canary", now: float = NOW) -> Versions:
    return versions(TRAFFIC, arm, replies, now)


def arms(found: Versions) -> dict[str, str]:
    return {v.version: v.arm for v in found.items}


def state(found: Versions, version: str) -> VersionState:
    return next(v for v in found.items if v.version == version)


def test_the_one_version_is_stable_with_all_the_traffic() -> None:
    found = read(facts({"v1": 1.0}, {"v1": DAY}))
    assert arms(found) == {"v1": "stable"}
    assert found.items[0].share.value == 1.0


def test_the_newer_of_two_with_less_traffic_is_on_trial() -> None:
    found = read(facts({"v1": 0.9, "v2": 0.1}, {"v1": DAY, "v2": HOUR}))
    assert arms(found) == {"v1": "stable", "v2": "canary"}
    assert state(found, "v2").share.value == pytest.approx(0.1)
    assert state(found, "v2").share.n == pytest.approx(60)


@pytest.mark.parametrize("arm", ["canary", "shadow", "experiment"])
def test_what_a_second_version_is_says_the_manifest(arm: str) -> None:
    assert read(facts({"v1": 0.9, "v2": 0.1}, {"v1": DAY, "v2": HOUR}), arm).arm(arm) is not None


def test_an_old_version_running_out_is_no_canary() -> None:
    found = read(facts({"v1": 0.05, "v2": 0.95}, {"v1": DAY, "v2": HOUR}))
    assert arms(found) == {"v2": "stable", "v1": ""}


def test_of_several_the_one_seen_first_last_is_on_trial() -> None:
    found = read(facts({"v1": 0.8, "v2": 0.1, "v3": 0.1}, {"v1": DAY, "v2": 5 * HOUR, "v3": HOUR}))
    assert arms(found) == {"v1": "stable", "v2": "", "v3": "canary"}


def test_a_version_without_requests_is_on_no_arm() -> None:
    found = read(facts({"v1": 1.0, "v2": 0.0}, {"v1": DAY, "v2": HOUR}))
    assert arms(found) == {"v1": "stable", "v2": ""}


def test_a_version_seen_today_and_gone_is_still_listed_with_its_times() -> None:
    found = read(facts({"v1": 1.0}, {"v1": DAY, "v0": 6 * HOUR}, {"v1": 5, "v0": 2 * HOUR}))
    gone = state(found, "v0")
    assert (gone.arm, gone.first_seen, gone.last_seen, gone.share.value) == ("", NOW - 6 * HOUR, NOW - 2 * HOUR, None)


def test_versions_come_most_traffic_first() -> None:
    assert [v.version for v in read(facts({"a": 0.2, "b": 0.5, "c": 0.3})).items] == ["b", "c", "a"]


@pytest.mark.parametrize("ago", [DAY, DAY - 2 * MINUTE])
def test_a_version_there_from_the_start_of_the_day_has_no_first_time(ago: float) -> None:
    found = read(facts({"v1": 1.0}, {"v1": ago}))
    assert found.items[0].first_seen is None


def test_requests_without_a_version_are_neither_stable_nor_listed_beside_versions() -> None:
    found = read(facts({"": 0.6, "v1": 0.3, "v2": 0.1}, {"v1": DAY, "v2": HOUR}))
    assert arms(found) == {"v1": "stable", "v2": "canary"}


def test_a_model_without_version_labels_is_one_version() -> None:
    assert arms(read(facts({"": 1.0}))) == {"": "stable"}


def test_no_requests_have_no_shares() -> None:
    found = read(facts({"v1": 0.0}, {"v1": DAY}))
    assert arms(found) == {"v1": ""}
    assert (found.items[0].share.value, found.items[0].share.quality) == (None, Quality.NO_TRAFFIC)


def test_counts_that_are_no_numbers_are_left_out() -> None:
    replies = facts({"v1": 1.0})
    replies[REQUESTS] = reply(({"model_version": "v1"}, 10), ({"model_version": "v2"}, math.nan))
    assert arms(read(replies)) == {"v1": "stable"}


def test_shares_of_an_old_answer_are_stale() -> None:
    assert read(facts({"v1": 1.0}), now=NOW + 61).items[0].share.quality is Quality.STALE


def test_before_an_answer_there_are_no_versions() -> None:
    replies = facts({"v1": 1.0})
    replies[REQUESTS] = unanswered()
    assert read(replies).items == ()
    assert read({}).items == ()


def test_a_model_whose_requests_nothing_counts_has_no_versions() -> None:
    assert versions((), "canary", facts({"v1": 1.0}), NOW).items == ()


def test_the_first_appearance_of_each_version_of_the_day_is_a_marker() -> None:
    found = read(facts({"v1": 0.8, "v2": 0.1, "v3": 0.1}, {"v1": DAY, "v3": HOUR, "v2": 5 * HOUR}))
    assert markers(found) == (Marker(NOW - 5 * HOUR, "v2"), Marker(NOW - HOUR, "v3"))


def test_a_canary_older_than_a_day_is_dated_where_the_rollout_rule_reads_longer() -> None:
    book = notebook(SUCCESS, more="rollout_rule: {window: 72h}")
    found = answers(book, versions={"v1": 0.9, "v2": 0.1})
    found[model_question(Part.FIRST_SEEN, 3 * DAY)] = reply(*(({"model_version": v}, NOW - ago) for v, ago in
                                                             (("v1", 3 * DAY), ("v2", 40 * HOUR))))
    seen = versions(requests_selectors(book.manifest), "canary", found, NOW, "v1")
    assert arms(seen) == {"v1": "stable", "v2": "canary"}
    assert (state(seen, "v1").first_seen, state(seen, "v2").first_seen) == (None, NOW - 40 * HOUR)
    assert markers(seen) == (Marker(NOW - 40 * HOUR, "v2"),)


def test_what_an_answer_takes_does_not_move_the_first_time_of_a_version() -> None:
    found = facts({"v1": 0.9, "v2": 0.1}, {"v1": DAY, "v2": HOUR})
    question = model_question(Part.FIRST_SEEN, DAY)
    found[question] = replace(found[question], answered_at=NOW + 2)
    assert state(read(found, now=NOW + 2), "v2").first_seen == NOW - HOUR
    found[question] = replace(found[question], answered_at=NOW + 600)
    assert state(read(found, now=NOW + 600), "v2").first_seen == NOW - HOUR + 600


LATELY = model_question(Part.REQUESTS, MINUTE)


def by_version(**requests: float) -> Answers:
    return {LATELY: reply(*(({"model_version": version}, n) for version, n in requests.items()))}


def test_after_a_rollback_the_shares_are_of_the_last_minute_and_say_so() -> None:
    found = read({**facts({"v1": 0.7, "v2": 0.3}, {"v1": DAY, "v2": HOUR}), **by_version(v1=600.0, v2=0.0)})
    assert {v.version: v.share.value for v in found.items} == {"v1": 1.0, "v2": 0.0}
    assert {(v.share.window_seconds, v.share.n) for v in found.items} == {(60.0, 600.0), (60.0, 0.0)}
    # Who is on which arm does not change with a minute.
    assert arms(found) == {"v1": "stable", "v2": "canary"}


def test_a_version_that_is_gone_from_the_last_minute_takes_nothing() -> None:
    found = read({**facts({"v1": 0.7, "v2": 0.3}, {"v1": DAY, "v2": HOUR}), **by_version(v1=600.0)})
    assert state(found, "v2").share.value == 0.0


@pytest.mark.parametrize("lately", [by_version(v1=60.0, v2=39.0), by_version(), {LATELY: unanswered()}])
def test_of_too_few_requests_and_of_none_five_minutes_tell(lately: Answers) -> None:
    found = read({**facts({"v1": 0.9, "v2": 0.1}, {"v1": DAY, "v2": HOUR}), **lately})
    assert state(found, "v2").share.value == pytest.approx(0.1)
    assert state(found, "v2").share.window_seconds == 300.0


@pytest.mark.parametrize(("scrape", "windows"), [(5.0, (60.0, 300.0)), (15.0, (60.0, 300.0)), (30.0, (120.0, 300.0)),
                                                 (75.0, (300.0,)), (120.0, (300.0,))])
def test_the_shortest_window_holds_four_scrapes(scrape: float, windows: tuple[float, ...]) -> None:
    assert share_windows(scrape) == windows
