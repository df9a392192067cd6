"""A model's alerts: whose they are, how urgent, and one row for what belongs together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.signals.building import SUCCESS, notebook
from triage.facts.alerts import Alert, AlertState, Silence
from triage.signals.alerts import belongs, ending, grouped, merged, urgency
from triage.signals.reading import Urgency

FIRING, PENDING = AlertState.FIRING, AlertState.PENDING
SILENCED, INHIBITED = AlertState.SILENCED, AlertState.INHIBITED
MANIFEST = notebook(SUCCESS, more="alerts: {page: [Down], ticket: [Slow]}").manifest


def alert(name: str = "Down", state: AlertState = FIRING, *, at: float = 0.0, **labels: str) -> Alert:
    return Alert(f"{name}-{at}", {"alertname": name, "model": "m", **labels}, {}, state, at)


def test_alerts_of_one_name_version_and_deployment_are_one_row() -> None:
    (group,) = grouped([alert(pod="a", model_version="v2", deployment="d", at=9),
                        alert(pod="b", model_version="v2", deployment="d", at=5)], MANIFEST)
    assert (group.name, group.version, group.deployment, len(group.alerts)) == ("Down", "v2", "d", 2)
    assert (group.since, [a.started_at for a in group.alerts]) == (5, [5, 9])


@pytest.mark.parametrize("other", [
    alert("Other", model_version="v2", deployment="d"), alert(model_version="v1", deployment="d"),
    alert(model_version="v2", deployment="e"), alert(model_version="v2"), alert(deployment="d"),
])
def test_another_name_version_or_deployment_is_another_row(other: Alert) -> None:
    assert len(grouped([alert(model_version="v2", deployment="d"), other], MANIFEST)) == 2


def test_the_manifests_own_labels_name_version_and_deployment() -> None:
    manifest = notebook(SUCCESS).manifest
    metrics = manifest.spec.metrics.model_copy(update={"version_label": "rev", "deployment_label": "dep"})
    manifest = manifest.model_copy(update={"spec": manifest.spec.model_copy(update={"metrics": metrics})})
    (group,) = grouped([alert(rev="r1", version="x", dep="blue", service="y")], manifest)
    assert (group.version, group.deployment) == ("r1", "blue")


def test_other_peoples_alerts_are_not_in_it() -> None:
    theirs = Alert("f", {"alertname": "Down", "model": "other"}, {}, FIRING, 0)
    assert not belongs(theirs, MANIFEST)
    assert grouped([theirs], MANIFEST) == ()


def test_the_labels_that_the_manifest_names_beat_the_selector() -> None:
    manifest = notebook(SUCCESS, more="alerts: {labels: {team: fraud}}").manifest
    assert belongs(alert(team="fraud"), manifest)
    assert not belongs(alert(), manifest)


@pytest.mark.parametrize(("name", "severity", "expected"), [
    ("Down", "", Urgency.PAGE), ("Down", "warning", Urgency.PAGE), ("Slow", "critical", Urgency.TICKET),
    ("Other", "critical", Urgency.PAGE), ("Other", "PAGE", Urgency.PAGE), ("Other", "warning", Urgency.TICKET),
    ("Other", "ticket", Urgency.TICKET), ("Other", "info", Urgency.NONE), ("Other", "", Urgency.NONE),
])
def test_urgency_is_the_manifests_then_the_severitys(name: str, severity: str, expected: Urgency) -> None:
    assert urgency(alert(name, severity=severity), MANIFEST) is expected


@pytest.mark.parametrize("state", [PENDING, SILENCED, INHIBITED])
def test_only_a_firing_alert_is_urgent(state: AlertState) -> None:
    (group,) = grouped([alert("Down", state, severity="critical")], MANIFEST)
    assert (group.urgency, group.state) == (Urgency.NONE, str(state))


def test_a_row_is_as_urgent_and_as_loud_as_its_loudest() -> None:
    (group,) = grouped([alert(state=SILENCED, pod="a"), alert(state=FIRING, pod="b"), alert(state=PENDING, pod="c")],
                       MANIFEST)
    assert (group.urgency, group.state) == (Urgency.PAGE, "firing")


def test_rows_come_most_urgent_then_loudest_then_oldest_first() -> None:
    rows = grouped([alert("Quiet", PENDING, at=1), alert("Hushed", SILENCED, at=0), alert("Slow", at=2),
                    alert("Down", at=9, model_version="v2"), alert("Down", at=3, model_version="v1")], MANIFEST)
    assert [(r.name, r.version) for r in rows] == [("Down", "v1"), ("Down", "v2"), ("Slow", ""), ("Quiet", ""),
                                                   ("Hushed", "")]


def test_pending_alerts_of_prometheus_join_those_of_alertmanager() -> None:
    ours, pending = alert("Down"), alert("Slow", PENDING)
    assert merged([ours], [pending]) == (ours, pending)


def test_a_silence_is_not_undone_by_prometheus_that_knows_of_none() -> None:
    silenced = alert("Down", SILENCED)
    assert merged([silenced], [alert("Down", FIRING)]) == (silenced,)
    assert merged([silenced], [alert("Down", PENDING)]) == (silenced,)


def test_without_alertmanager_prometheus_is_all_there_is() -> None:
    firing, pending = alert("Down"), alert("Slow", PENDING)
    assert merged(None, [firing, pending]) == (firing, pending)
    assert merged([firing], None) == (firing,)
    assert merged(None, None) == ()


def test_an_alertmanager_without_alerts_is_not_a_missing_one() -> None:
    assert merged([], [alert("Slow", PENDING)]) == (alert("Slow", PENDING),)


def test_since_when_a_condition_holds_is_prometheus_word() -> None:
    fired, active = alert("Down", at=1200), replace(alert("Down", at=0), held_since=0.0)
    assert merged([fired], [active]) == (replace(fired, held_since=0.0),)


def test_a_condition_that_began_to_hold_after_the_alert_fired_is_another_time_of_it() -> None:
    fired, again = alert("Down", at=1200), replace(alert("Down", PENDING, at=1500), held_since=1500.0)
    assert merged([fired], [again]) == (fired,)


def test_an_alert_is_heard_again_when_the_last_of_its_silences_ends() -> None:
    silences = [Silence("a", "active", (), 0.0, 100.0), Silence("b", "active", (), 0.0, 300.0),
                Silence("c", "expired", (), 0.0, 900.0)]
    hidden = replace(alert(state=SILENCED), silenced_by=("a", "b", "c", "gone"))
    found = ending([hidden, alert()], silences)
    assert [each.silenced_until for each in found] == [300.0, None]
    [group] = [each for each in grouped(found, MANIFEST) if each.silenced_until is not None]
    assert group.silenced_until == 300.0
    assert ending([hidden], [])[0].silenced_until is None
