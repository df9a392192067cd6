"""JSON of the servers into facts: the awkward numbers, and any shape whatever."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.facts.alerts import AlertState
from triage.facts.outcome import Failure, FailureKind
from triage.facts.samples import Answer, NativeHistogram
from triage.sources import alertmanager
from triage.sources.decode import clean_tree, parse_time
from triage.sources.prometheus_answers import OtherShape, open_envelope, parse_alerts, parse_answer

NOW = 1_795_400_000.0


def answered(document: Any, *, at: float | None = None, is_range: bool = False) -> Answer | Failure:
    try:
        return parse_answer(open_envelope(document, lambda text: text), NOW, at, is_range=is_range)
    except OtherShape as error:
        return Failure(FailureKind.BROKEN, str(error))


def success(kind: str, result: Any, **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}, **more}


def vector(value: Any, metric: Any = None) -> dict[str, Any]:
    return success("vector", [{"metric": metric or {}, "value": value}])


@pytest.mark.parametrize(("text", "value"), [
    ("1", 1.0), ("0.001", 0.001), ("1e-9", 1e-9), ("+Inf", math.inf), ("-Inf", -math.inf), ("1e400", math.inf),
    ("-0", 0.0),
])
def test_numbers_come_as_text(text: str, value: float) -> None:
    answer = answered(vector([NOW, text]))
    assert isinstance(answer, Answer)
    assert answer.samples[0].value == value


def test_not_a_number_is_kept_as_such() -> None:
    answer = answered(vector([NOW, "NaN"]))
    assert isinstance(answer, Answer)
    assert math.isnan(answer.samples[0].value)


@pytest.mark.parametrize("value", [
    [NOW], [NOW, "one"], [NOW, None], ["x", "1"], [NOW, True], [float("nan"), "1"], [True, "1"], {}, "1", None,
    [NOW, ["1"]], [10**400, 1],
])
def test_a_value_of_another_shape_is_a_broken_answer(value: Any) -> None:
    failure = answered(vector(value))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.BROKEN


_METRICS = st.lists(st.one_of(st.none(), st.dictionaries(st.sampled_from(("a", "b", "\x1b", "c\n")), st.sampled_from(
    ("x", "y\u202e", "z\x00", "")), max_size=2)), max_size=6)


@given(before=_METRICS, now=_METRICS)
def test_labels_of_an_earlier_answer_are_used_again_only_where_they_are_the_same(before: Any, now: Any) -> None:
    def result(metrics: Any) -> Any:
        return success("vector", [{"metric": metric, "value": [NOW, "1"]} for metric in metrics])

    first, anew = answered(result(before)), answered(result(now))
    known = tuple(sample.labels for sample in first.samples) if isinstance(first, Answer) else ()
    again = parse_answer(open_envelope(result(now), lambda text: text), NOW, None, is_range=False, known=known)
    assert again == anew


def test_labels_that_are_as_they_were_are_the_very_same_object() -> None:
    first = answered(vector([NOW, "1"], {"model": "one"}))
    assert isinstance(first, Answer)
    [known] = [sample.labels for sample in first.samples]
    later = open_envelope(vector([NOW + 15.5, "2"], {"model": "one"}), lambda text: text)
    again = parse_answer(later, NOW, None, is_range=False, known=(known,))
    assert isinstance(again, Answer)
    [sample] = again.samples
    assert sample.labels is known
    assert (sample.value, sample.at) == (2.0, NOW + 15.5)


def test_a_scalar_is_one_sample_without_labels() -> None:
    answer = answered(success("scalar", [NOW, "3"]))
    assert isinstance(answer, Answer)
    assert [(dict(s.labels), s.value) for s in answer.samples] == [({}, 3.0)]


def test_a_string_is_named_as_one() -> None:
    failure = answered(success("string", [NOW, "hello"]))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.BROKEN
    assert "string" in failure.message


def test_an_empty_answer_is_empty_and_not_zero() -> None:
    answer = answered(success("vector", []))
    assert isinstance(answer, Answer)
    assert answer.samples == ()
    assert answer.evaluated_at == NOW


def test_the_time_of_evaluation_is_the_one_asked_for_or_the_servers() -> None:
    asked, chosen = answered(vector([NOW - 5, "1"]), at=NOW - 7), answered(vector([NOW - 5, "1"]))
    assert isinstance(asked, Answer)
    assert isinstance(chosen, Answer)
    assert (asked.evaluated_at, chosen.evaluated_at) == (NOW - 7, NOW - 5)


def test_a_native_histogram_gives_its_totals() -> None:
    item = {"metric": {"model": "m"}, "histogram": [NOW, {"count": "7", "sum": "2.5", "buckets": [[0, "0", "1", "7"]]}]}
    answer = answered(success("vector", [item]))
    assert isinstance(answer, Answer)
    assert answer.samples == ()
    assert answer.native == (NativeHistogram({"model": "m"}, NOW, 7.0, 2.5),)


def test_native_histograms_in_a_range_are_kept_apart() -> None:
    item = {"metric": {}, "values": [[NOW, "1"]], "histograms": [[NOW + 1, {"count": "7", "sum": "2.5"}]]}
    answer = answered(success("matrix", [item]), is_range=True)
    assert isinstance(answer, Answer)
    assert answer.series[0].times == (NOW,)
    assert answer.native[0].count == 7.0


def test_a_range_of_histograms_alone_has_no_series() -> None:
    item = {"metric": {}, "histograms": [[NOW, {"count": "7", "sum": "2.5"}]]}
    answer = answered(success("matrix", [item]), is_range=True)
    assert isinstance(answer, Answer)
    assert answer.series == ()


def test_times_of_a_range_ascend_and_stand_once() -> None:
    points = [[NOW + 60, "2"], [NOW, "1"], [NOW + 60, "3"], [NOW + 30, "NaN"]]
    answer = answered(success("matrix", [{"metric": {}, "values": points}]), is_range=True)
    assert isinstance(answer, Answer)
    assert answer.series[0].times == (NOW, NOW + 30, NOW + 60)
    assert answer.series[0].values[-1] == 3.0


def test_infos_sent_as_warnings_are_sorted_out() -> None:
    info = "PromQL info: metric might not be a counter"
    answer = answered(success("vector", [], warnings=[info, "store down", "store down"], infos=["other"]))
    assert isinstance(answer, Answer)
    assert answer.warnings == ("store down",)
    assert answer.infos == ("other", info)
    assert answer.partial


def test_infos_alone_do_not_make_an_answer_partial() -> None:
    answer = answered(success("vector", [], infos=["PromQL info: x"]))
    assert isinstance(answer, Answer)
    assert not answer.partial


def test_a_server_that_says_partial_is_believed() -> None:
    answer = answered({**success("vector", []), "isPartial": True})
    assert isinstance(answer, Answer)
    assert answer.partial


@given(st.lists(st.tuples(
    st.dictionaries(st.text(max_size=4), st.one_of(st.text(max_size=4), st.integers()), max_size=3),
    st.one_of(st.floats().map(str), st.text(max_size=3), st.integers(), st.none())), max_size=4))
def test_what_is_read_on_the_short_way_is_what_the_long_way_says(items: list[tuple[dict[str, Any], Any]]) -> None:
    def read(at: float) -> Answer | Failure:
        return answered(success("vector", [{"metric": labels, "value": [at, value]} for labels, value in items]))

    # A whole number of seconds is looked at closely.
    assert repr(read(5.0)) == repr(read(5))


def test_labels_are_cleaned_and_cannot_be_changed() -> None:
    answer = answered(vector([NOW, "1"], {"model": "a\x1b]0;x\x07", "b\u202e": "c"}))
    assert isinstance(answer, Answer)
    labels = answer.samples[0].labels
    assert dict(labels) == {"model": "a␛]0;x␇", "b{u+202e}": "c"}
    with pytest.raises(TypeError):
        labels["model"] = "x"  # type: ignore[index]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["success", "vector", "matrix", "scalar", "firing", "NaN", "2026-11-23T10:00:00Z", "active"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["status", "data", "resultType", "result", "metric", "value", "values", "histogram",
                         "histograms", "count", "sum", "alerts", "labels", "annotations", "state", "activeAt",
                         "warnings", "infos", "startsAt", "silencedBy", "receiver", "matchers", "name", "isRegex",
                         "id"]) | st.text(max_size=4),
        inner, max_size=5),
    max_leaves=12)
NEAR_RESULT = st.sampled_from(["vector", "matrix", "scalar", "string", "x"]).flatmap(
    lambda kind: JSON.map(lambda result: success(kind, result)))
NEAR_VECTOR = st.lists(st.fixed_dictionaries({}, optional={"metric": JSON, "value": JSON, "values": JSON,
                                                          "histogram": JSON, "histograms": JSON}), max_size=3)


@given(JSON | NEAR_RESULT, st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_json_whatever_makes_the_reader_of_answers_raise(document: Any, is_range: bool) -> None:
    assert isinstance(answered(document, is_range=is_range), Answer | Failure)


@given(st.sampled_from(["vector", "matrix"]), NEAR_VECTOR)
@settings(max_examples=150, deadline=None)
def test_no_near_miss_makes_the_reader_of_answers_raise(kind: str, result: Any) -> None:
    assert isinstance(answered(success(kind, result)), Answer | Failure)


@given(JSON)
@settings(max_examples=150, deadline=None)
def test_no_json_whatever_makes_the_readers_of_alerts_raise(document: Any) -> None:
    for reader in (alertmanager.parse_alerts, alertmanager.parse_groups, alertmanager.parse_silences):
        reader(document)
        reader([document])
    envelope = open_envelope({"status": "success", "data": {"alerts": [document]}}, str)
    parse_alerts(envelope)
    clean_tree(document)


@pytest.mark.parametrize(("status", "state"), [
    ({"state": "active", "silencedBy": [], "inhibitedBy": []}, AlertState.FIRING),
    ({"state": "unprocessed"}, AlertState.FIRING),
    ({"state": "suppressed", "silencedBy": ["id"], "inhibitedBy": []}, AlertState.SILENCED),
    ({"state": "suppressed", "silencedBy": [], "inhibitedBy": ["fp"]}, AlertState.INHIBITED),
    ({"state": "suppressed", "silencedBy": ["id"], "inhibitedBy": ["fp"]}, AlertState.SILENCED),
    ({"state": "suppressed", "mutedBy": ["weekend"]}, AlertState.SILENCED),
    ({"state": "suppressed"}, AlertState.SILENCED),
])
def test_the_state_of_an_alert_says_who_holds_it_back(status: dict[str, Any], state: AlertState) -> None:
    alerts = alertmanager.parse_alerts([{"labels": {"alertname": "A"}, "status": status, "fingerprint": "f"}])
    assert not isinstance(alerts, Failure)
    assert alerts[0].state is state


def test_a_silence_of_an_old_server_has_equality_matchers() -> None:
    silences = alertmanager.parse_silences([{
        "id": "1", "status": {"state": "active"}, "matchers": [{"name": "a", "value": "b.*", "isRegex": True}],
        "startsAt": "2026-11-23T10:00:00.000Z", "endsAt": "2026-11-23T11:00:00+01:00"}])
    assert not isinstance(silences, Failure)
    assert silences[0].matchers == (("a", "b.*", True, True),)
    assert silences[0].starts_at == silences[0].ends_at


def test_prometheus_alerts_keep_their_value_and_time() -> None:
    envelope = open_envelope({"status": "success", "data": {"alerts": [
        {"labels": {"alertname": "A"}, "state": "pending", "activeAt": "2026-11-23T10:39:44.022988199Z",
         "value": "1e+00"},
        {"labels": {"alertname": "B"}, "state": "inactive"}]}}, str)
    alerts = parse_alerts(envelope)
    assert not isinstance(alerts, Failure)
    assert [(a.name, a.state, a.value) for a in alerts] == [("A", AlertState.PENDING, 1.0)]
    assert alerts[0].started_at == pytest.approx(1795430384.022988)


@pytest.mark.parametrize(("text", "seconds"), [
    ("1970-01-01T00:00:00Z", 0.0), ("1970-01-01T01:00:00+01:00", 0.0), ("1970-01-01T00:00:00.25Z", 0.25),
    ("1970-01-01t00:00:01z", 1.0), ("1970-01-01T00:00:00.123456789Z", 0.123456), ("2016-12-31T23:59:60Z", 1483228799.0),
    ("1969-12-31T23:59:59Z", -1.0), ("0001-01-01T00:00:00Z", None), ("", None), ("yesterday", None), (None, None),
    (12, None), ("2026-13-01T00:00:00Z", None), ("9" * 70, None),
])
def test_times_of_go_programs(text: object, seconds: float | None) -> None:
    assert parse_time(text) == (None if seconds is None else pytest.approx(seconds))


def test_five_thousand_samples_are_read_cheaply() -> None:
    import time
    result = [{"metric": {"__name__": "m", "instance": f"10.0.{i // 250}.{i % 250}:9090", "job": "serve",
                          "model": "fraud", "model_version": "8", "le": "0.5", "code": "200"}, "value": [NOW, "1234.5"]}
              for i in range(5000)]
    document = success("vector", result)
    best = 1.0
    for _ in range(3):
        began = time.perf_counter()
        answered(document)
        best = min(best, time.perf_counter() - began)
    # About 20 ms on a slow core; the bound only catches a slip by an order of magnitude.
    assert best < 0.3
