"""What a real Prometheus answers about the models of known truth is what their formulas say."""

from __future__ import annotations

import math
from collections.abc import Callable

import httpx
import pytest

from tests.real import known, rules
from tests.real.known import V1_LATENCY, V1_PER_SECOND, V2_BORN, V2_LATENCY
from tests.real.servers import wait_for
from tests.real.stage import Stage
from tests.real.truth import DAY, HOUR

Ask = Callable[..., list[tuple[dict[str, str], float]]]
EXACT = 1e-9
"""Relative. The formulas are linear in time, so Prometheus' extrapolation changes nothing."""

V1 = 'requests_total{model="steady",model_version="v1"}'
V2 = 'requests_total{model="steady",model_version="v2"}'


def _ratio(model: str, version: str, window: str) -> str:
    own = f'model="{model}",model_version="{version}"'
    return (f'sum(increase(requests_total{{{own},code=~"5.."}}[{window}])) / '
            f"sum(increase(requests_total{{{own}}}[{window}]))")


def _within(version: str, le: str) -> str:
    own = f'model="steady",model_version="{version}"'
    return (f'sum(increase(request_duration_seconds_bucket{{{own},le="{le}"}}[1h])) / '
            f"sum(increase(request_duration_seconds_count{{{own}}}[1h]))")


@pytest.mark.parametrize(("query", "expected"), [
    (f"sum(increase({V1}[1h]))", V1_PER_SECOND * HOUR),
    (f"sum(increase({V1}[1d]))", V1_PER_SECOND * DAY),
    (f"sum(increase({V1}[30d]))", V1_PER_SECOND * 30 * DAY),
    (_ratio("steady", "v1", "5m"), 0.001),
    (_ratio("steady", "v1", "30d"), 0.001),
    (_ratio("steady", "v2", "5m"), 0.05),
    (_ratio("steady", "v2", "1h"), 0.05),
    (f"sum(rate({V2}[5m])) * 60", 60.0),
    ("min(min_over_time(timestamp(" + V2 + ")[1d:1m])) - time()", V2_BORN),
    (_within("v1", "0.5"), V1_LATENCY.share_within(0.5)),
    (_within("v2", "0.5"), V2_LATENCY.share_within(0.5)),
    ('sum(increase(schema_violations_total{feature="amount"}[1h]))', 72.0),
    ('sum(increase(schema_violations_total{feature="age"}[1h]))', 0.0),
    ('sum(increase(requests_total{model="idle"}[30d]))', 0.0),
    ('sum(requests_total{model="idle",code="200"})', 1234.0),
    ('resets(requests_total{model="reset"}[1h])', 1.0),
    ('requests_total{model="born",code="500"}', known.BORN_ERRORS),
    ('increase(requests_total{model="born",code="500"}[5m])', 0.0),
    ('histogram_quantile(0.999, sum by (le) (rate(request_duration_seconds_bucket{model="saturated"}[5m])))', 1.0),
    ('max_over_time(drift_score[1h])', 0.1),
    ('up{job="stopped"}', 0.0),
    ('count(count by (feature) (schema_violations_total{model="hostile"}))', float(len(known.HOSTILE_LABELS))),
])
def test_an_answer_is_what_the_formulas_say(ask: Ask, query: str, expected: float) -> None:
    [(_, value)] = ask(query)
    assert value == pytest.approx(expected, rel=EXACT, abs=1e-6)


@pytest.mark.parametrize("query", [
    _ratio("idle", "v1", "5m"), "avg_over_time(drift_score[1h])", "always_nan"])
def test_some_answers_are_not_a_number(ask: Ask, query: str) -> None:
    [(_, value)] = ask(query)
    assert math.isnan(value)


@pytest.mark.parametrize("query", [
    _ratio("clean", "v1", "5m"), _ratio("stopped", "v1", "5m"), 'requests_total{model="stopped"}',
    'request_duration_seconds_bucket{model="steady",le="0.3"}'])
def test_some_answers_are_empty(ask: Ask, query: str) -> None:
    assert ask(query) == []


def test_a_reset_loses_at_most_one_scrape_interval(ask: Ask) -> None:
    [(_, value)] = ask('increase(requests_total{model="reset"}[1h])')
    truth = known.RESET_PER_SECOND * HOUR
    assert truth - known.RESET_PER_SECOND * 15 <= value <= truth


def test_hostile_labels_come_through_unchanged(ask: Ask) -> None:
    [(labels, _)] = ask("hostile_info")
    assert {k: labels[k] for k in known.HOSTILE_LABELS} == known.HOSTILE_LABELS


def _moved(stage: Stage, selector: str) -> tuple[float, float]:
    """Events and seconds between the first and the last raw sample of ten minutes, which span history and scrapes.

    Not ``increase``: where 15 s of history meet scrapes of 1 s it extrapolates less than the window has.
    """
    answer = httpx.get(f"{stage.prometheus.url}/api/v1/query", params={"query": f"{selector}[10m]"}, trust_env=False)
    columns = [series["values"] for series in answer.json()["data"]["result"]]
    [seconds] = {values[-1][0] - values[0][0] for values in columns}
    return sum(float(values[-1][1]) - float(values[0][1]) for values in columns), seconds


def test_live_scraping_continues_history_without_a_step(stage: Stage, ask: Ask) -> None:
    wait_for(lambda: ask(f"max(timestamp({V1}))", at=None)[0][1] > stage.epoch + 8, "eight seconds of live samples")
    assert ask(f"sum(resets({V1}[10m]))", at=None)[0][1] == 0
    counted, seconds = _moved(stage, V1)
    # The exporter counts until it answers, Prometheus dates the sample when it asked.
    assert counted == pytest.approx(V1_PER_SECOND * seconds, abs=V1_PER_SECOND * 0.5)
    assert ask(_ratio("steady", "v1", "10m"), at=None)[0][1] == pytest.approx(0.001, rel=EXACT)
    assert ask(_ratio("steady", "v2", "1m"), at=None)[0][1] == pytest.approx(0.05, rel=EXACT)


def test_live_samples_come_faster_than_history_was_written(ask: Ask) -> None:
    wait_for(lambda: ask(f"min(count_over_time({V2}[10s]))", at=None)[0][1] >= 6, "a sample a second or so")


def test_a_target_goes_away_and_comes_back(stage: Stage, ask: Ask) -> None:
    series = 'requests_total{model="clean"}'
    httpx.post(f"{stage.exporter.url}/clean/down", trust_env=False).raise_for_status()
    try:
        wait_for(lambda: ask(series, at=None) == [], "end of the series", stage.prometheus)
        assert ask('up{job="clean"}', at=None)[0][1] == 0
    finally:
        httpx.post(f"{stage.exporter.url}/clean/up", trust_env=False).raise_for_status()
    wait_for(lambda: len(ask(series, at=None)) == 1, "return of the series", stage.prometheus)
    assert ask(f"resets({series}[1m])", at=None)[0][1] == 0


def test_every_rule_is_healthy_and_in_the_state_it_was_written_for(stage: Stage) -> None:
    def states() -> dict[str, str]:
        data = httpx.get(f"{stage.prometheus.url}/api/v1/rules", trust_env=False).json()["data"]
        found = [rule for group in data["groups"] for rule in group["rules"]]
        assert {rule["health"] for rule in found} <= {"ok", "unknown"}, found
        return {rule["name"]: rule["state"] for rule in found if rule["type"] == "alerting"}

    expected = {"SteadyCanaryErrors": "firing", "SteadyInfo": "firing", rules.SILENCED_ALERT: "firing",
                "IdleWithoutTraffic": "pending", "Hostile": "firing", "NeverFires": "inactive",
                "FraudCanaryErrors": "firing", "FraudCanarySlow": "pending", "FraudSchemaViolations": "firing",
                "ChatQueueLong": "inactive", "ChatErrors": "inactive", "ChurnTableStale": "inactive"}
    # FraudCanaryErrors becomes firing after ten seconds.
    wait_for(lambda: expected.items() <= states().items(), "these states of the rules", stage.prometheus)
