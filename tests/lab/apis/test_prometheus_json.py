"""Results as Prometheus writes them."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triage.lab.apis.prometheus_json import result_json
from triage.lab.promql.results import Matrix, Result, Vector
from triage.lab.wire.numbers import sample_text


@given(st.lists(st.floats(), min_size=1))
def test_a_series_is_written_as_its_samples_are(values: list[float]) -> None:
    times = 1_795_400_000.0 + np.arange(len(values), dtype=np.float64) * 0.25
    text, cut = result_json(Result(Matrix([({"b": "2", "a": "1"}, times, np.array(values, dtype=np.float64))])))
    [series] = json.loads(text)["result"]
    assert series["values"] == [[at, sample_text(value)] for at, value in zip(times.tolist(), values, strict=True)]
    assert (list(series["metric"]), cut) == (["a", "b"], False)


def test_whole_numbers_have_no_fraction() -> None:
    text, _ = result_json(Result(Matrix([({}, np.array([0.0, 1.0, 2.5]), np.array([10.0, -0.0, 100.05]))])))
    assert text == ('{"resultType":"matrix","result":[{"metric":{},"values":'
                    '[[0,"10"],[1,"-0"],[2.500,"100.05"]]}]}')


def test_series_of_different_times_keep_their_own() -> None:
    both = Matrix([({}, np.array([1.0]), np.array([5.0])), ({}, np.array([2.0]), np.array([6.0]))])
    text, _ = result_json(Result(both))
    assert [series["values"] for series in json.loads(text)["result"]] == [[[1, "5"]], [[2, "6"]]]


def test_an_answer_without_series_is_an_empty_list() -> None:
    assert result_json(Result(Matrix([]))) == ('{"resultType":"matrix","result":[]}', False)
    assert result_json(Result(Vector(5.0, []))) == ('{"resultType":"vector","result":[]}', False)


def test_a_limit_cuts_and_says_so() -> None:
    vector = Result(Vector(5.0, [({"a": str(n)}, float(n)) for n in range(3)]))
    text, cut = result_json(vector, limit=2)
    assert (len(json.loads(text)["result"]), cut) == (2, True)
    assert result_json(vector, limit=3)[1] is False
