"""What snapshots tell an incident."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.incident.stories import ANN
from tests.tui import snapshots
from triage.facts.outcome import SourceHealth, SourceState
from triage.incident.entries import Entry, Kind
from triage.incident.incident import Incident, replay
from triage.incident.times import TimeName, named_times
from triage.incident.watching import (
    BY_ALERTMANAGER,
    BY_PROMETHEUS,
    HELD_SINCE,
    KNOWN_BY,
    news,
    title_of,
    wants_incident,
)
from triage.incident.words import sentence
from triage.live.snapshot import Snapshot

OPENED = Entry(Kind.OPENED, snapshots.NOW, snapshots.NOW, ANN, "slower", about="fraud-scorer", state="prod-eu", id="o")


def after(*shown: Snapshot) -> Incident:
    """An incident opened at the first of the snapshots."""
    log: tuple[Entry, ...] = (OPENED,)
    for snapshot in shown:
        log = (*log, *news(replay("INC-0001", log), snapshot, snapshot.models[0], ANN))
    return replay("INC-0001", log)


def texts(incident: Incident, kind: Kind) -> list[str]:
    return [row.text for row in incident.rows if row.entry.kind is kind]


def later(snapshot: Snapshot, minutes: float) -> Snapshot:
    return replace(snapshot, at=snapshot.at + 60 * minutes)


def test_an_incident_begins_with_what_is_known_when_it_is_opened() -> None:
    found = after(snapshots.canary_failing())
    assert any("CanaryLatency fires, page, v8" in text for text in texts(found, Kind.ALERT))
    assert texts(found, Kind.VERDICT)[0].startswith("FAIL, page: ")
    assert "v8 takes its first traffic, as canary" in texts(found, Kind.DEPLOYMENT)


def test_an_alert_stands_where_it_began_to_fire_and_says_whose_word_that_is() -> None:
    snapshot = snapshots.canary_failing()
    alert = next(row for row in after(snapshot).rows if "CanaryLatency fires" in row.text)
    assert alert.at == next(g.since for g in snapshot.models[0].alerts if g.name == "CanaryLatency")
    assert alert.entry.details == {"urgency": "page", KNOWN_BY: BY_ALERTMANAGER}


def test_an_alert_brings_along_since_when_its_condition_holds() -> None:
    failing = snapshots.canary_failing()
    (group, *_) = failing.models[0].alerts
    told = replace(group.alerts[0], fingerprint="", held_since=group.since)
    held = snapshots.with_model(failing, alerts=(replace(group, alerts=(told,)),))
    alert = next(row for row in after(held).rows if row.entry.kind is Kind.ALERT)
    assert (alert.entry.details[KNOWN_BY], alert.entry.details[HELD_SINCE]) == (BY_PROMETHEUS, f"{group.since:.0f}")


def test_what_is_so_at_the_opening_is_told_as_found_and_not_as_happened() -> None:
    before = snapshots.deployed("paused")
    found = after(before)
    rows = {row.entry.about: sentence(row, found) for row in found.rows}
    assert rows["verdict"].startswith("found: ")
    assert rows["rollout"].startswith("found: the rollout stands at ")
    assert rows["arm stable"].startswith("found: ")
    assert rows["arm stable"].endswith(" has the main traffic")
    assert rows["alias champion"].startswith("found: alias champion is on ")
    aborted = after(before, later(snapshots.deployed("aborted"), 3))
    assert any(sentence(row, aborted).startswith("rollout: v8, ") for row in aborted.rows)


def test_a_version_that_comes_on_trial_later_was_not_found_at_the_opening() -> None:
    trial = snapshots.canary_failing()
    known = trial.models[0].versions
    stable = replace(known, items=tuple(v for v in known.items if v.arm == "stable"))
    old = replace(known, items=tuple(replace(v, first_seen=None) for v in known.items))
    found = after(snapshots.with_model(trial, versions=stable), later(snapshots.with_model(trial, versions=old), 3))
    row = next(row for row in found.rows if row.entry.about == "arm canary")
    assert sentence(row, found) == "v8 is on trial, as canary"


def test_the_verdict_brings_its_numbers_along() -> None:
    row = next(row for row in after(snapshots.canary_failing()).rows if row.entry.about == "verdict")
    assert row.entry.details["latency"].startswith("98.9 %, n 37,800")


def test_the_same_snapshot_tells_nothing_twice() -> None:
    snapshot = snapshots.canary_failing()
    assert after(snapshot, snapshot, later(snapshot, 1)) == after(snapshot)


def test_an_alert_that_is_gone_has_ended() -> None:
    failing = snapshots.canary_failing()
    over = later(snapshots.with_model(failing, alerts=()), 5)
    assert "CanaryLatency has ended" in texts(after(failing, over), Kind.ALERT)


@pytest.mark.parametrize("lost", ["alertmanager", "prometheus"])
def test_an_alert_does_not_end_because_nobody_answers(lost: str) -> None:
    failing = snapshots.canary_failing()
    down = tuple(replace(s, state=SourceState.DOWN) if s.name == lost else s for s in failing.sources)
    over = replace(later(snapshots.with_model(failing, alerts=()), 5), sources=down)
    assert not any("has ended" in text for text in texts(after(failing, over), Kind.ALERT))


def test_a_source_that_answers_again_says_how_long_it_did_not() -> None:
    failing = snapshots.canary_failing()
    ok = SourceHealth("prometheus", SourceState.OK, since=failing.at + 372)
    down = SourceHealth("prometheus", SourceState.DOWN, since=failing.at + 120, error="connect timeout")
    found = after(failing, replace(later(failing, 2), sources=(down,)), replace(later(failing, 6.2), sources=(ok,)))
    assert texts(found, Kind.SOURCE) == ["prometheus does not answer: connect timeout",
                                         "prometheus answers again after 4 m 12 s"]


def test_an_unanswered_model_has_no_verdict_to_tell() -> None:
    waiting = snapshots.waiting()
    assert texts(after(waiting), Kind.VERDICT) == []


def test_an_aborted_rollout_and_an_approval_of_aliases_are_told() -> None:
    before, aborted = snapshots.deployed("paused"), snapshots.deployed("aborted")
    found = after(before, later(aborted, 3))
    assert any("aborted" in text for text in texts(found, Kind.DEPLOYMENT))
    assert any(text.startswith("alias champion is on") for text in texts(found, Kind.ALIAS))


def test_the_times_of_the_incident_are_known_at_once() -> None:
    times = {t.name: t for t in named_times(after(snapshots.canary_failing()))}
    started, detected = times[TimeName.IMPACT_STARTED], times[TimeName.DETECTED]
    assert started.estimate
    assert started.at is not None
    assert detected.at is not None
    assert started.at <= detected.at <= snapshots.NOW


def test_only_a_failing_model_that_pages_asks_for_an_incident() -> None:
    assert wants_incident(snapshots.canary_failing().models[0])
    assert not wants_incident(snapshots.healthy().models[0])
    assert not wants_incident(snapshots.prometheus_lost().models[0])


def test_an_incident_is_called_after_the_beginning_of_the_first_reason() -> None:
    model = snapshots.canary_failing().models[0]
    assert model.reasons[0].text.startswith(f"{title_of(model)}, ")


def test_hostile_names_are_told_without_their_escapes() -> None:
    found = after(snapshots.hostile())
    assert not any("\x1b" in row.text for row in found.rows)
