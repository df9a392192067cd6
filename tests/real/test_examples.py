"""The example notebooks find what they promise about on the stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real import fraud, notebooks
from tests.real.servers import wait_for
from tests.real.stage import EXAMPLES, Stage
from triage.notebook.load import Notebook, load_all
from triage.notebook.selector import Selector, parse_selector
from triage.notebook.slis import HistogramSli, MeasuredSli

Ask = Callable[..., list[tuple[dict[str, str], float]]]
NOT_DUE = {("churn-ranker", "lift")}
"""Labels take eight weeks, so there is nothing yet, as the manifest says."""
_FIELDS = ("good", "bad", "total", "gauge", "freshness", "cold_starts", "invocations", "throughput", "average_sum",
           "average_count")

def test_the_notebooks_of_the_known_models_load(tmp_path: Path) -> None:
    loaded = load_all([notebooks.write(tmp_path)])
    assert loaded.broken == ()
    assert {book.name for book in loaded.notebooks} == set(notebooks.SLOS)


NOTEBOOKS: tuple[Notebook, ...] = load_all([EXAMPLES]).notebooks
OBJECTIVES = [(book, objective) for book in NOTEBOOKS for objective in book.objectives]


def _selectors(sli: MeasuredSli) -> list[Selector]:
    if isinstance(sli, HistogramSli):
        histogram = parse_selector(sli.histogram)
        return [histogram.suffixed("_bucket"), histogram.suffixed("_count")]
    return [parse_selector(text) for field in _FIELDS if (text := getattr(sli, field, None))]


def test_all_three_examples_load() -> None:
    assert [book.name for book in NOTEBOOKS] == ["chat-assistant", "churn-ranker", "fraud-scorer"]


@pytest.mark.parametrize(("book", "objective"), OBJECTIVES, ids=[f"{b.name}-{o.slo.name}" for b, o in OBJECTIVES])
def test_an_objective_has_series(ask: Ask, book: Notebook, objective: object) -> None:
    from triage.notebook.resolve import Objective
    assert isinstance(objective, Objective)

    def has_data(sli: MeasuredSli, labels: dict[str, str]) -> bool:
        selectors = [s.where(labels) for s in _selectors(sli)]
        assert selectors
        return all(ask(f"count({s})") for s in selectors)

    found = any(has_data(c.sli, dict(c.labels)) for c in objective.candidates)
    assert found is ((book.name, objective.slo.name) not in NOT_DUE)


def test_a_threshold_of_the_examples_is_a_bucket(ask: Ask) -> None:
    checked = 0
    for _, objective in OBJECTIVES:
        candidate = objective.candidates[0]
        if isinstance(candidate.sli, HistogramSli) and candidate.sli.threshold is not None:
            bucket = parse_selector(candidate.sli.histogram).suffixed("_bucket").where(candidate.labels)
            bounds = {float(labels["le"]) for labels, _ in ask(f"count by (le) ({bucket})")}
            assert candidate.sli.threshold in bounds, objective.slo.name
            checked += 1
    assert checked == 5


def test_the_failing_canary_is_seen_in_its_own_requests_only(ask: Ask) -> None:
    bad = 'sum by (model_version) (increase(fraud_requests_total{code=~"5.."}[30m]))'
    ratios = {labels["model_version"]: value for labels, value in
              ask(f"{bad} / sum by (model_version) (increase(fraud_requests_total[30m]))")}
    assert ratios["8"] == pytest.approx(fraud.FAILING_ERROR_RATIO, rel=0.25)
    assert ratios["7"] == pytest.approx(fraud.ERROR_RATIO, rel=0.5)
    slow = "fraud_request_duration_seconds"
    within = {labels["model_version"]: value for labels, value in
              ask(f'sum by (model_version) (increase({slow}_bucket{{le="0.5"}}[30m])) / '
                  f"sum by (model_version) (increase({slow}_count[30m]))")}
    assert within["8"] == pytest.approx(fraud.SLOW_LATENCY.share_within(0.5), rel=1e-6)
    assert within["7"] == pytest.approx(fraud.LATENCY.share_within(0.5), rel=1e-6)


@pytest.mark.parametrize("series", [
    "slo:sli_error:ratio_rate1d", "slo:sli_error:ratio_rate30d", "http_requests:burnrate1d"])
def test_recording_rules_go_on_with_what_history_recorded(ask: Ask, stage: Stage, series: str) -> None:
    [(_, past)] = ask(series)
    since = f"{series} and timestamp({series}) > {stage.epoch!r}"
    wait_for(lambda: ask(since, at=None) != [], "a first evaluation of the recording rules", stage.prometheus)
    [(_, present)] = ask(since, at=None)
    assert present == pytest.approx(past, rel=0.05)
