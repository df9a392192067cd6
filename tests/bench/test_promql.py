"""What queries cost in the lab's evaluator and, beside it, in a real Prometheus that holds the same samples.

The lab is called in its process; the real one over HTTP, without reading its answer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pytest

from tests.bench.conftest import Figure
from tests.real.conftest import installed
from tests.real.promql_answers import When, ask_lab, ask_prometheus, difference, store_of
from tests.real.promql_samples import EPOCH, columns
from tests.real.remote_write import Column, holding
from tests.real.stage import EXAMPLES
from triage.lab.promql.engine import Engine, Semantics
from triage.live.channel import combined
from triage.live.expressions import Pace, questions
from triage.live.trends import trend_questions
from triage.notebook.load import load_all

JOBS, BOUNDS = 20, ("0.1", "0.2", "0.3", "0.5", "0.8", "1.3", "2.1", "3.4", "5.5", "+Inf")
HOUR = When(-15.0, -240 * 15.0, 15.0)
"""240 steps of 15 s."""
RUNS = 7

pytestmark = pytest.mark.bench
Evaluators = tuple[Engine, httpx.Client]


def buckets() -> Iterator[Column]:
    """200 series over six hours at 15 s; every job is scraped at its own, slightly uneven times."""
    random = np.random.default_rng(1)
    for job in range(JOBS):
        times = np.arange(-6 * 3600, 0, 15) + EPOCH + 0.7 * job + random.integers(0, 20, 1440) / 1000
        within = np.zeros(len(times))
        for bound in BOUNDS:
            within = within + np.cumsum(random.poisson(3.0, len(times)))
            yield Column({"__name__": "bench_bucket", "job": f"job-{job}", "le": bound},
                         np.round(times * 1000).astype(np.int64), within)


@pytest.fixture(scope="module")
def evaluators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluators]:
    samples = [*columns(), *buckets()]
    with (installed(holding(tmp_path_factory.mktemp("promql"), samples)) as server,
          httpx.Client(base_url=server.url, trust_env=False, timeout=60.0) as client):
        yield Engine(store_of(samples), semantics=Semantics.V2), client


def milliseconds(task: Callable[[], object]) -> float:
    """The median of some runs, after one that is not counted."""
    task()
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        task()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def compare(evaluators: Evaluators, figure: Figure, what: str, expression: str, when: When) -> None:
    engine, client = evaluators
    form = {"query": expression, "time": str(EPOCH + when.end)}
    path = "/api/v1/query"
    if when.step is not None:
        path += "_range"
        form |= {"start": str(EPOCH + when.start), "end": str(EPOCH + when.end), "step": str(when.step)}
    lab = milliseconds(lambda: engine.instant(expression, EPOCH + when.end) if when.step is None else engine.range(
        expression, EPOCH + when.start, EPOCH + when.end, when.step))
    real = milliseconds(lambda: client.post(path, data=form).raise_for_status())
    figure(f"{what}: the lab, Prometheus", f"{lab:.1f} ms, {real:.1f} ms")
    assert difference(ask_prometheus(client, expression, when), ask_lab(engine, expression, when)) is None


@pytest.mark.parametrize("expression", [
    "bench_bucket", "rate(bench_bucket[5m])", "sum by (le) (rate(bench_bucket[5m]))", "max_over_time(bench_bucket[1h])",
    "histogram_quantile(0.99, sum by (job, le) (rate(bench_bucket[5m])))", "quantile_over_time(0.9, bench_bucket[10m])",
    "bench_bucket / ignoring (le) group_left sum without (le) (bench_bucket)",
    "avg_over_time(rate(bench_bucket[1m])[10m:1m])",
])
def test_a_range_of_200_series_at_240_steps(evaluators: Evaluators, figure: Figure, expression: str) -> None:
    compare(evaluators, figure, expression, expression, HOUR)


@pytest.mark.parametrize("model", ["chat-assistant", "churn-ranker", "fraud-scorer"])
def test_the_combined_questions_about_a_model(evaluators: Evaluators, figure: Figure, model: str) -> None:
    notebook = next(n for n in load_all([EXAMPLES]).notebooks if n.name == model)
    for pace in Pace:
        group = [(a.question, a.expression) for a in questions(notebook) if a.pace is pace]
        if group:
            compare(evaluators, figure, f"{model}, {pace.value}, {len(group)} questions", combined(group)[0], When(0.0))
    charts = trend_questions(notebook, "2m")
    compare(evaluators, figure, f"{model}, charts of an hour", combined(charts)[0], When(0.0, -3600.0, 30.0))
