"""Silences by Alertmanager's rules."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from triage.lab.alerting.matchers import AlertMatcher, parse_matcher
from triage.lab.alerting.silences import SilenceDraft, SilenceRefused, Silences, SilenceState, UnknownSilence

NOW = 1000.0
HOUR = 3600.0
DRAFT = SilenceDraft((parse_matcher("alertname=A"), parse_matcher("model=~fraud.*")), NOW, NOW + HOUR, "me", "known")


def states(silences: Silences, now: float) -> list[tuple[SilenceState, str]]:
    return [(silence.state(now), silence.comment) for silence in silences.listed(now)]


def test_a_silence_is_active_until_its_end() -> None:
    silences = Silences()
    new = silences.get(silences.put(DRAFT, NOW))
    assert [new.state(at) for at in (NOW, NOW + HOUR - 1, NOW + HOUR)] == ["active", "active", "expired"]
    assert new.updated_at == NOW


def test_one_that_begins_later_is_pending() -> None:
    silences = Silences()
    new = silences.get(silences.put(replace(DRAFT, starts_at=NOW + 60), NOW))
    assert [new.state(at) for at in (NOW, NOW + 60)] == ["pending", "active"]


def test_one_that_began_in_the_past_begins_now() -> None:
    silences = Silences()
    assert silences.get(silences.put(replace(DRAFT, starts_at=NOW - 60), NOW)).starts_at == NOW


def test_it_silences_what_all_its_matchers_match() -> None:
    silences = Silences()
    new = silences.put(DRAFT, NOW)
    assert silences.silencing({"alertname": "A", "model": "fraud-scorer"}, NOW) == [new]
    assert silences.silencing({"alertname": "A", "model": "churn"}, NOW) == []
    assert silences.silencing({"alertname": "A", "model": "fraud-scorer"}, NOW + HOUR) == []


@pytest.mark.parametrize(("change", "said"), [
    ({"ends_at": NOW}, "start time must be before end time"),
    ({"starts_at": NOW - 20, "ends_at": NOW - 10}, "end time can't be in the past"),
    ({"matchers": (AlertMatcher("1a", "x"),)}, 'invalid label matcher 0: invalid label name "1a"'),
    ({"matchers": (AlertMatcher("a", ".*", is_regex=True),)}, "at least one matcher must not match the empty string"),
    ({"matchers": (AlertMatcher("a", "x", is_equal=False),)}, "at least one matcher must not match the empty string"),
])
def test_a_silence_that_makes_no_sense_is_refused(change: dict[str, object], said: str) -> None:
    silences = Silences()
    with pytest.raises(SilenceRefused) as caught:
        silences.put(replace(DRAFT, **change), NOW)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert silences.listed(NOW) == []


@pytest.mark.parametrize("change", [{"comment": "longer"}, {"ends_at": NOW + 2 * HOUR}, {"starts_at": NOW + 0.4}])
def test_comment_and_end_of_an_active_one_are_changed_in_place(change: dict[str, object]) -> None:
    silences = Silences()
    first = silences.put(DRAFT, NOW)
    draft = replace(DRAFT, **change)  # type: ignore[arg-type]
    assert silences.put(draft, NOW + 10, replaces=first) == first
    assert silences.get(first).updated_at == NOW + 10
    assert len(silences.listed(NOW + 10)) == 1


@pytest.mark.parametrize("change", [{"matchers": (parse_matcher("a=b"),)}, {"starts_at": NOW + 60}])
def test_other_changes_expire_it_and_make_a_new_one(change: dict[str, object]) -> None:
    silences = Silences()
    first = silences.put(DRAFT, NOW)
    second = silences.put(replace(DRAFT, comment="new", **change), NOW + 10, replaces=first)  # type: ignore[arg-type]
    assert second != first
    assert silences.get(first).state(NOW + 10) is SilenceState.EXPIRED


def test_a_change_that_is_refused_leaves_the_old_one_in_force() -> None:
    silences = Silences()
    first = silences.put(DRAFT, NOW)
    with pytest.raises(SilenceRefused):
        silences.put(replace(DRAFT, matchers=(AlertMatcher("a", ""),)), NOW + 10, replaces=first)
    assert silences.get(first).state(NOW + 10) is SilenceState.ACTIVE


def test_the_beginning_of_a_pending_one_can_be_moved() -> None:
    silences = Silences()
    first = silences.put(replace(DRAFT, starts_at=NOW + 60), NOW)
    assert silences.put(replace(DRAFT, starts_at=NOW + 120), NOW + 10, replaces=first) == first
    assert silences.get(first).starts_at == NOW + 120


def test_an_expired_one_is_not_revived_but_made_anew() -> None:
    silences = Silences()
    first = silences.put(DRAFT, NOW)
    silences.expire(first, NOW + 10)
    assert silences.put(DRAFT, NOW + 20, replaces=first) != first
    assert silences.get(first).ends_at == NOW + 10


def test_expiring_twice_changes_nothing() -> None:
    silences = Silences()
    first = silences.put(DRAFT, NOW)
    silences.expire(first, NOW + 10)
    silences.expire(first, NOW + 20)
    assert (silences.get(first).ends_at, silences.get(first).updated_at) == (NOW + 10, NOW + 10)


def test_an_expired_pending_one_never_began() -> None:
    silences = Silences()
    first = silences.put(replace(DRAFT, starts_at=NOW + 60), NOW)
    silences.expire(first, NOW + 10)
    assert (silences.get(first).starts_at, silences.get(first).ends_at) == (NOW + 10, NOW + 10)


def test_an_unknown_one_is_said_to_be_unknown() -> None:
    silences = Silences()
    for attempt in (partial(silences.get, "x"), partial(silences.expire, "x", NOW),
                    partial(silences.put, DRAFT, NOW, replaces="x")):
        with pytest.raises(UnknownSilence, match="silence not found"):
            attempt()


def test_they_are_listed_active_pending_expired() -> None:
    silences = Silences()
    for comment, starts, ends in (("a2", 0, 200), ("a1", 0, 100), ("p2", 80, 300), ("p1", 70, 300), ("e1", 0, 10),
                                  ("e2", 0, 20)):
        silences.put(replace(DRAFT, comment=comment, starts_at=NOW + starts, ends_at=NOW + ends), NOW)
    assert states(silences, NOW + 50) == [("active", "a1"), ("active", "a2"), ("pending", "p1"), ("pending", "p2"),
                                          ("expired", "e2"), ("expired", "e1")]


def test_an_expired_one_is_forgotten_after_five_days() -> None:
    silences = Silences()
    silences.put(DRAFT, NOW)
    assert len(silences.listed(NOW + HOUR + 119 * HOUR)) == 1
    assert silences.listed(NOW + HOUR + 121 * HOUR) == []


def test_the_same_seed_gives_the_same_ids() -> None:
    assert Silences(7).put(DRAFT, NOW) == Silences(7).put(DRAFT, NOW) != Silences(8).put(DRAFT, NOW)
