"""The lab's evaluator against a real Prometheus 2: the same samples, the same question, the same answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tests.real import remote_write
from tests.real.conftest import installed
from tests.real.promql_answers import (
    EVERY,
    INSTANTS,
    RANGES,
    Found,
    Refused,
    Reply,
    When,
    ask_lab,
    ask_prometheus,
    difference,
    report,
    store_of,
)
from tests.real.promql_expressions import EXPRESSIONS, ORDERED
from tests.real.promql_grammar import expressions, moments
from tests.real.promql_samples import columns
from tests.real.promql_spelling import SPELLING
from tests.real.stage import EXAMPLES
from tests.real.test_questions import KINDS, written
from triage.lab.promql.engine import Engine, Semantics
from triage.live.channel import combined
from triage.live.expressions import Pace, questions
from triage.live.trends import trend_questions
from triage.notebook.load import Notebook, load_all

ONCE = (INSTANTS[0], RANGES[0])
"""For what does not depend on when one asks."""
TABLE = [pytest.param(expression, times, id=f"{theme}: {expression}")
         for themes, times in ((EXPRESSIONS, EVERY), (SPELLING, ONCE))
         for theme, rows in themes.items() for expression in rows]
MODELS = ("chat-assistant", "churn-ranker", "fraud-scorer")


@dataclass(frozen=True, slots=True)
class Both:
    """Two evaluators that hold the same samples."""

    client: httpx.Client
    engine: Engine

    def ask(self, expression: str, when: When) -> tuple[Reply, Reply]:
        """(What Prometheus says, what the lab says)."""
        return ask_prometheus(self.client, expression, when), ask_lab(self.engine, expression, when)

    def agree(self, expression: str, when: When, *, worded: bool = True, absolute: float = 0.0) -> Reply:
        """The answer of both; fails with both answers when they differ."""
        expected, got = self.ask(expression, when)
        ordered = when.step is not None or expression.startswith(ORDERED)
        what = difference(expected, got, ordered=ordered, worded=worded, absolute=absolute)
        assert what is None, report(expression, when, expected, got, what)
        return expected


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    samples = columns()
    engine = Engine(store_of(samples), semantics=Semantics.V2)
    with (installed(remote_write.holding(tmp_path_factory.mktemp("promql"), samples)) as server,
          httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as client):
        yield Both(client, engine)


def test_the_table_is_large_and_says_nothing_twice() -> None:
    rows = [expression for theme in {**EXPRESSIONS, **SPELLING}.values() for expression in theme]
    assert len(rows) == len(set(rows))
    assert len(rows) >= 300


@pytest.mark.parametrize(("expression", "times"), TABLE)
def test_an_expression_means_the_same(both: Both, expression: str, times: tuple[When, ...]) -> None:
    for when in times:
        both.agree(expression, when)


@pytest.mark.parametrize("name", MODELS)
def test_every_question_of_an_example_is_answered_the_same(both: Both, name: str) -> None:
    notebook = next(n for n in load_all([EXAMPLES]).notebooks if n.name == name)
    asked = [a.expression for a in questions(notebook)]
    found = [both.agree(expression, INSTANTS[0]) for expression in asked]
    answered = sum(isinstance(reply, Found) and bool(reply.series) for reply in found)
    # Nobody recorded most of the recorded ratios, and some counters are spelt in a way that this world does not have.
    assert answered > len(asked) / 2


@pytest.mark.parametrize("name", MODELS)
def test_the_questions_of_an_example_are_answered_the_same_together(both: Both, name: str) -> None:
    check_together(both, next(n for n in load_all([EXAMPLES]).notebooks if n.name == name))


@pytest.mark.parametrize("label", ["steady", 'a"} or vector(1) or x{y="', "back\\slash"])
def test_every_kind_of_indicator_is_answered_the_same(both: Both, tmp_path: Path, label: str) -> None:
    check_together(both, written(tmp_path, {"selector": {"model": label}, "version_info": "model_build_info"}, KINDS))


@pytest.mark.parametrize("expression", [
    'sum by (model) (increase(requests_total{model="reset"}[1d]))', 'nan_gauge or requests_total{model="nan"}',
    'count by (job) ({job!=""})', 'count by (__name__) ({job="chat-assistant"})', "count(up) by (job)",
    'sum by (model_version) (rate(fraud_requests_total[30d]))',
    'histogram_quantile(0.99, sum by (le) (rate(fraud_request_duration_seconds_bucket[6h])))',
])
def test_a_month_of_history_is_read_the_same(both: Both, expression: str) -> None:
    for when in (*INSTANTS, When(0.0, -30 * 86400.0, 6 * 3600.0), When(0.0, -86400.0, 720.0)):
        both.agree(expression, when)


@pytest.mark.parametrize("when", [When(0.0, -60.0, 0.0), When(0.0, -60.0, -5.0), When(-60.0, 0.0, 5.0),
                                  When(0.0, -11_001.0, 1.0), When(0.0, 0.0, 15.0), When(0.0, -10.0, 60.0)], ids=str)
def test_a_range_at_the_limits_is_taken_or_refused_in_the_same_words(both: Both, when: When) -> None:
    reply = both.agree("capacity", when)
    if isinstance(reply, Refused):
        assert both.ask("capacity", when) == (reply, reply)


# Rates and means of the grammar's expressions may be differences of almost equal numbers.
@settings(max_examples=300, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large])
@given(expression=expressions(), when=moments())
def test_whatever_the_grammar_allows_means_the_same(both: Both, expression: str, when: When) -> None:
    both.agree(expression, when, worded=False, absolute=1e-9)


def check_together(both: Both, notebook: Notebook) -> None:
    for pace in Pace:
        group = [(a.question, a.expression) for a in questions(notebook) if a.pace is pace]
        if group:
            both.agree(combined(group)[0], INSTANTS[0])
    charts = trend_questions(notebook, "2m")
    if charts:
        for when in RANGES:
            both.agree(combined(charts)[0], when)
