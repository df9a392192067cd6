"""The ruler over a store: what it writes, when, and what it sends on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from triage.lab.alerting.notices import Notice
from triage.lab.alerting.ruler import Ruler
from triage.lab.alerting.rules import parse_rules
from triage.lab.alerting.states import Phase
from triage.lab.promql.engine import Engine, Matrix, Vector
from triage.lab.promql.store import Store

T0 = 1_795_400_000.0 // 300 * 300
RULES = """
groups:
  - name: records
    interval: 15s
    rules:
      - {record: twice, expr: errors * 2}
  - name: alerts
    interval: 15s
    rules:
      - {alert: Many, expr: twice > 10, for: 1m, annotations: {s: "{{ $value }}"}}
"""


class Lab:
    """A store, an engine, a ruler, and what the ruler sent."""

    def __init__(self, rules: str = RULES) -> None:
        self.store = Store()
        self.engine = Engine(self.store)
        self.sent: list[Notice] = []
        self.ruler = Ruler(self.engine, self.store, parse_rules(rules, "r.yaml"), send=self._take)

    def _take(self, notices: Sequence[Notice]) -> None:
        self.sent += notices

    def add(self, start: float, values: Sequence[float], step: float = 15.0) -> None:
        times = np.array([round((start + step * n) * 1000) for n in range(len(values))], dtype=np.int64)
        self.store.append({"__name__": "errors", "model": "fraud"}, times, np.array(values, dtype=np.float64))

    def value(self, expression: str, at: float) -> list[tuple[dict[str, str], float]]:
        answer = self.engine.instant(expression, at).value
        assert isinstance(answer, Vector)
        return answer.samples

    def series(self, selector: str, start: float, end: float) -> list[list[float]]:
        """Times after T0 of the steps at which each series has a value."""
        answer = self.engine.range(selector, start, end, 15.0).value
        assert isinstance(answer, Matrix)
        return [(times - T0).tolist() for _, times, _ in answer.series]


def test_an_alert_that_has_been_firing_for_an_hour_says_so_after_the_backfill() -> None:
    lab = Lab()
    lab.add(T0 - 7200, [0.0] * 240 + [9.0] * 241)
    lab.ruler.backfill(T0 - 7200, T0)
    [alert] = lab.ruler.alerts()
    assert (alert.phase, alert.active_at, alert.fired_at) == (Phase.FIRING, T0 - 3600, T0 - 3540)
    [notice] = lab.sent
    assert (notice.starts_at, notice.ends_at) == (T0 - 3540, T0 + 240)
    assert notice.annotations == {"s": "18"}


def test_a_backfill_sees_what_an_earlier_group_recorded() -> None:
    lab = Lab()
    lab.add(T0, [1.0, 2.0, 3.0])
    lab.ruler.backfill(T0, T0 + 30)
    assert lab.value("twice", T0 + 30) == [({"__name__": "twice", "model": "fraud"}, 6.0)]


def test_backfill_and_single_steps_tell_the_same() -> None:
    pattern = [0.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 0.0, 9.0, 9.0, 0.0]
    stepwise, at_once = Lab(), Lab()
    for lab in (stepwise, at_once):
        lab.add(T0, pattern)
    for n in range(len(pattern)):
        stepwise.ruler.advance(T0 + 15 * n)
    at_once.ruler.backfill(T0, T0 + 150)
    for selector in ('ALERTS{alertstate="pending"}', 'ALERTS{alertstate="firing"}', "ALERTS_FOR_STATE", "twice"):
        assert stepwise.series(selector, T0, T0 + 150) == at_once.series(selector, T0, T0 + 150)


def test_alerts_are_pending_then_firing_then_gone() -> None:
    lab = Lab()
    lab.add(T0, [0.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 0.0, 0.0])
    lab.ruler.backfill(T0, T0 + 120)
    assert lab.series('ALERTS{alertstate="pending"}', T0, T0 + 120) == [[15.0, 30.0, 45.0, 60.0]]
    assert lab.series('ALERTS{alertstate="firing"}', T0, T0 + 120) == [[75.0, 90.0]]
    assert {value for _, value in lab.value("ALERTS_FOR_STATE", T0 + 90)} == {T0 + 15}


def test_a_recorded_series_ends_when_its_source_ends() -> None:
    lab = Lab("groups: [{name: g, interval: 15s, rules: [{record: high, expr: errors > 1}]}]")
    lab.add(T0, [5.0, 5.0, 0.0, 0.0])
    lab.ruler.backfill(T0, T0 + 45)
    assert lab.series("high", T0, T0 + 45) == [[0.0, 15.0]]


def test_groups_are_evaluated_at_multiples_of_their_interval() -> None:
    lab = Lab("groups: [{name: g, interval: 30s, rules: [{record: r, expr: vector(1)}]}]")
    for late in (7, 22, 40, 100):
        lab.ruler.advance(T0 + late)
    assert [column.times.tolist() for column in lab.store.select([], 0, 2**62)] == [
        [round((T0 + n) * 1000) for n in (0, 30, 60, 90)]]


def test_what_was_missed_is_made_up_for() -> None:
    lab = Lab()
    lab.add(T0, [9.0] * 20)
    lab.ruler.advance(T0)
    lab.ruler.advance(T0 + 285)
    [alert] = lab.ruler.alerts()
    assert (alert.active_at, alert.fired_at) == (T0, T0 + 60)


def test_a_firing_alert_is_sent_again_once_a_minute() -> None:
    lab = Lab("groups: [{name: g, interval: 15s, rules: [{alert: A, expr: vector(1)}]}]")
    for n in range(9):
        lab.ruler.advance(T0 + 15 * n)
    assert [notice.ends_at - T0 for notice in lab.sent] == [240.0, 300.0, 360.0]
    assert {notice.starts_at for notice in lab.sent} == {T0}


def test_an_alert_does_not_run_out_between_two_calls_that_are_far_apart() -> None:
    lab = Lab("groups: [{name: g, interval: 15s, rules: [{alert: A, expr: vector(1)}]}]")
    for n in range(3):
        lab.ruler.advance(T0 + 600 * n)
    assert [notice.ends_at - T0 for notice in lab.sent] == [240.0, 3000.0, 3600.0]


def test_a_resolved_alert_is_sent_once_with_its_end() -> None:
    lab = Lab("groups: [{name: g, interval: 15s, rules: [{alert: A, expr: errors > 1}]}]")
    lab.add(T0, [5.0, 0.0, 0.0])
    for n in range(3):
        lab.ruler.advance(T0 + 15 * n)
    assert [(notice.starts_at - T0, notice.ends_at - T0) for notice in lab.sent] == [(0.0, 240.0), (0.0, 15.0)]


def test_a_pending_alert_is_not_sent() -> None:
    lab = Lab("groups: [{name: g, rules: [{alert: A, expr: vector(1), for: 1h}]}]")
    lab.ruler.advance(T0)
    assert lab.ruler.alerts()[0].phase is Phase.PENDING
    assert lab.sent == []


def test_the_place_of_the_expression_is_sent_along() -> None:
    lab = Lab("groups: [{name: g, rules: [{alert: A, expr: 'vector(1) > 0'}]}]")
    lab.ruler.advance(T0)
    assert lab.sent[0].generator_url == "http://prometheus.example/graph?g0.expr=vector%281%29%20%3E%200&g0.tab=1"


def test_a_rule_that_fails_keeps_its_alerts_and_says_why() -> None:
    lab = Lab("groups: [{name: g, interval: 15s, rules: [{alert: A, expr: errors * on () group_right () other}]}]")
    lab.add(T0, [5.0, 5.0])
    lab.store.append_point({"__name__": "other"}, round(T0 * 1000), 1.0)
    lab.ruler.advance(T0)
    [rule] = lab.ruler.groups[0].rules
    assert (rule.error, len(lab.ruler.alerts())) == ("", 1)
    lab.store.append_point({"__name__": "errors", "model": "churn"}, round((T0 + 15) * 1000), 1.0)
    lab.ruler.advance(T0 + 15)
    assert "many-to-many matching not allowed" in rule.error
    assert len(lab.ruler.alerts()) == 1


def test_two_rules_that_write_one_series_are_an_error_of_the_second() -> None:
    lab = Lab("groups: [{name: g, rules: [{record: r, expr: vector(1)}, {record: r, expr: vector(2)}]}]")
    lab.ruler.advance(T0)
    assert [bool(rule.error) for rule in lab.ruler.groups[0].rules] == [False, True]
    assert lab.value("r", T0) == [({"__name__": "r"}, 1.0)]


def test_the_older_past_is_written_before_what_is_there() -> None:
    lab = Lab()
    lab.add(T0 - 3600, [9.0] * 241)
    lab.ruler.backfill(T0 - 3600, T0)
    times = np.array([round((T0 - 86400 + 300 * n) * 1000) for n in range(276)], dtype=np.int64)
    values = np.where(times < (T0 - 43200) * 1000, 0.0, 9.0)
    lab.store.prepend({"__name__": "errors", "model": "fraud"}, times, values)
    lab.ruler.prepend_past(T0 - 86400, 300.0)
    assert lab.value("twice", T0 - 50000) == [({"__name__": "twice", "model": "fraud"}, 0.0)]
    assert lab.value('ALERTS{alertstate="firing"}', T0 - 40000)
    [alert] = lab.ruler.alerts()
    assert (alert.active_at, alert.fired_at) == (T0 - 43200, T0 - 42900)


def test_the_older_past_needs_a_present() -> None:
    with pytest.raises(RuntimeError, match="call backfill first"):
        Lab().ruler.prepend_past(T0 - 86400, 300.0)
