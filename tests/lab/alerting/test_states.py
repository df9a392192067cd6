"""Alerts from one evaluation to the next."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from triage.lab.alerting.rules import AlertingRule, RecordingRule, parse_rules
from triage.lab.alerting.states import AlertingState, EvaluationError, Phase, RecordingState

Series = tuple[dict[str, str], float]
BAD: Series = ({"__name__": "errors", "model": "fraud"}, 0.5)


def alerting(more: str = "") -> AlertingState:
    text = f"groups: [{{name: g, rules: [{{alert: A, expr: errors > 0, {more}}}]}}]"
    rule = parse_rules(text, "r.yaml")[0].rules[0]
    assert isinstance(rule, AlertingRule)
    return AlertingState(rule)


def phases(state: AlertingState, steps: Sequence[tuple[float, Sequence[Series]]]) -> list[Phase]:
    found = []
    for at, series in steps:
        list(state.step(at, series))
        found.append(state.phase)
    return found


def test_without_for_an_alert_fires_at_once() -> None:
    assert phases(alerting(), [(0, []), (15, [BAD]), (30, [])]) == ["inactive", "firing", "inactive"]


def test_with_for_an_alert_is_pending_until_it_has_held_so_long() -> None:
    state = alerting("for: 30s")
    assert phases(state, [(0, [BAD]), (15, [BAD]), (30, [BAD]), (45, [BAD])]) == [
        "pending", "pending", "firing", "firing"]
    [alert] = state.active.values()
    assert (alert.active_at, alert.fired_at) == (0, 30)


def test_a_pending_alert_that_stops_starts_over() -> None:
    assert phases(alerting("for: 30s"), [(0, [BAD]), (15, []), (30, [BAD]), (45, [BAD]), (60, [BAD])]) == [
        "pending", "inactive", "pending", "pending", "firing"]


def test_an_alert_keeps_firing_as_long_as_it_is_told_to() -> None:
    state = alerting("keep_firing_for: 30s")
    assert phases(state, [(0, [BAD]), (15, []), (30, []), (45, [])]) == ["firing", "firing", "firing", "inactive"]


def test_what_holds_again_is_no_longer_kept() -> None:
    state = alerting("keep_firing_for: 30s")
    phases(state, [(0, [BAD]), (15, [])])
    [alert] = state.active.values()
    assert alert.kept_since == 15
    assert phases(state, [(30, [BAD]), (45, []), (60, []), (75, [])]) == ["firing", "firing", "firing", "inactive"]


def test_a_pending_alert_is_not_kept() -> None:
    assert phases(alerting("for: 1m, keep_firing_for: 1h"), [(0, [BAD]), (15, [])]) == ["pending", "inactive"]


def test_only_what_fired_is_resolved() -> None:
    state = alerting("for: 15s")
    phases(state, [(0, [BAD]), (15, [])])
    assert state.take_resolved() == []
    phases(state, [(30, [BAD]), (45, [BAD]), (60, [])])
    [alert] = state.take_resolved()
    assert (alert.fired_at, alert.resolved_at) == (45, 60)
    assert state.take_resolved() == []


def test_an_alert_has_the_labels_of_the_series_and_of_the_rule() -> None:
    state = alerting("labels: {severity: page, model: '{{ $labels.model }}!', empty: '{{ $labels.nothing }}'}")
    written = dict(state.step(15, [BAD]))
    [alert] = state.active.values()
    assert alert.labels == {"alertname": "A", "model": "fraud!", "severity": "page"}
    assert [dict(key) | {"": str(value)} for key, value in written.items()] == [
        {"__name__": "ALERTS", "alertstate": "firing", **alert.labels, "": "1.0"},
        {"__name__": "ALERTS_FOR_STATE", **alert.labels, "": "15.0"}]


def test_annotations_show_the_last_value_for_which_it_held() -> None:
    state = alerting("keep_firing_for: 1h, annotations: {s: '{{ $labels.model }} {{ $value }}'}")
    phases(state, [(0, [BAD]), (15, [(BAD[0], 0.75)]), (30, [])])
    [alert] = state.active.values()
    assert alert.annotations() == {"s": "fraud 0.75"}


def test_a_value_in_a_label_makes_another_alert() -> None:
    state = alerting("labels: {value: '{{ $value }}'}")
    phases(state, [(0, [BAD]), (15, [(BAD[0], 0.75)])])
    assert [alert.labels["value"] for alert in state.active.values()] == ["0.75"]
    assert [alert.labels["value"] for alert in state.take_resolved()] == ["0.5"]


def test_two_series_that_become_one_alert_are_an_error_and_change_nothing() -> None:
    state = alerting("labels: {model: all}")
    phases(state, [(0, [BAD])])
    with pytest.raises(EvaluationError, match="same labelset after applying alert labels"):
        state.step(15, [BAD, ({"model": "churn"}, 1.0)])
    [alert] = state.active.values()
    assert alert.active_at == 0


def test_a_recording_takes_its_name_and_labels() -> None:
    state = RecordingState(RecordingRule("model:errors", "errors", {"window": "5m", "model": "all"}))
    assert dict(state.step(0, [BAD])) == {
        (("__name__", "model:errors"), ("model", "all"), ("window", "5m")): 0.5}


def test_two_series_that_become_one_recording_are_an_error() -> None:
    state = RecordingState(RecordingRule("r", "errors", {"model": "all"}))
    with pytest.raises(EvaluationError, match="same labelset after applying rule labels"):
        state.step(0, [BAD, ({"model": "churn"}, 1.0)])
