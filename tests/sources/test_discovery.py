"""What ``triage discover`` finds, and the manifest that it proposes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.sources.faults import FaultServer, Handler, Request, answering, json_answer
from triage.endpoints import Endpoint
from triage.errors import TriageError
from triage.facts.outcome import Failure, FailureKind
from triage.notebook.lint import lint
from triage.notebook.load import load_notebook
from triage.notebook.slis import HistogramSli, RatioSli
from triage.sources.discovery import discover, propose_manifest
from triage.sources.found import Found, FoundCounter, FoundHistogram, FoundModel

Rows = list[tuple[dict[str, str], float]]


def vector(rows: Rows) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": labels, "value": [1795400000, str(value)]} for labels, value in rows]}}


def prometheus(names: list[str], labels: list[str], answers: Mapping[str, Rows]) -> Handler:
    """A server with these names; a query gets the rows of the first key it contains."""
    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        if request.path == "/api/v1/label/__name__/values":
            return await json_answer({"status": "success", "data": names})(request, writer)
        if request.path == "/api/v1/labels":
            return await json_answer({"status": "success", "data": labels})(request, writer)
        query = request.fields["query"][0]
        rows = next((rows for part, rows in answers.items() if part in query), [])
        return await json_answer(vector(rows))(request, writer)
    return handle


@contextlib.contextmanager
def served(handler: Handler) -> Iterator[FaultServer]:
    """The server in a thread of its own, for the caller that blocks."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = FaultServer(handler)
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(5)
        yield server
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(5)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def discovered(handler: Handler) -> Found | Failure:
    with served(handler) as server:
        return discover(Endpoint.model_validate({"url": server.url, "timeout": "2s"}))


def buckets(metric: str, label: str, model: str, counts: Mapping[str, float]) -> Rows:
    return [({"__name__": metric, label: model, "le": le}, n) for le, n in counts.items()]


LLAMA = "meta-llama/Llama-3-8B"
SERVER = prometheus(
    ["up", "request_duration_seconds_bucket", "requests_total", "vllm:e2e_request_latency_seconds_bucket",
     "vllm:num_requests_waiting", "http_requests_total", "node_disk_info"],
    ["__name__", "model", "model_name", "model_version", "code", "le"],
    {
        'count by (__name__, model_name, model_version) ({__name__=~"': [
            ({"__name__": "vllm:e2e_request_latency_seconds_bucket", "model_name": LLAMA}, 4),
            ({"__name__": "vllm:num_requests_waiting", "model_name": LLAMA}, 1)],
        'count by (__name__, model_name, model_version) ({model_name!=""': [
            ({"__name__": "vllm:e2e_request_latency_seconds_bucket", "model_name": LLAMA}, 4),
            ({"__name__": "vllm:num_requests_waiting", "model_name": LLAMA}, 1)],
        'count by (__name__, model, model_version) ({model!=""': [
            ({"__name__": "request_duration_seconds_bucket", "model": "fraud", "model_version": "v9"}, 5),
            ({"__name__": "request_duration_seconds_bucket", "model": "fraud", "model_version": "v10"}, 5),
            ({"__name__": "requests_total", "model": "fraud", "model_version": "v10"}, 2),
            ({"__name__": "node_disk_info", "model": "Samsung SSD"}, 1)],
        "sum by (__name__, model, le)": buckets(
            "request_duration_seconds_bucket", "model", "fraud",
            {"0.1": 500, "0.25": 900, "0.5": 995, "1": 600, "1.0": 400, "+Inf": 1000}),
        "sum by (__name__, model_name, le)": buckets(
            "vllm:e2e_request_latency_seconds_bucket", "model_name", LLAMA, {"0.5": 0, "1.0": 0, "2.5": 0, "+Inf": 0}),
        "count by (__name__, model, code)": [
            ({"__name__": "requests_total", "model": "fraud", "code": code}, 1) for code in ("200", "500")],
    })


@pytest.fixture(scope="module")
def found() -> Found:
    answer = discovered(SERVER)
    assert isinstance(answer, Found)
    return answer


def test_models_are_found_with_versions_in_natural_order(found: Found) -> None:
    assert [(m.name, m.label, m.versions) for m in found.models] == [
        ("fraud", "model", ("v9", "v10")), (LLAMA, "model_name", ())]


def test_a_label_of_hardware_is_no_model(found: Found) -> None:
    assert found.model("Samsung SSD") is None


def test_an_inference_server_is_told_by_its_own_metric_names(found: Found) -> None:
    assert [s.preset for s in found.servers] == ["vllm"]
    assert "http_requests_total" not in found.servers[0].metrics
    llama = found.model(LLAMA)
    assert llama is not None
    assert llama.preset == "vllm"


def test_histograms_come_with_their_buckets_once_each(found: Found) -> None:
    fraud = found.model("fraud")
    assert fraud is not None
    assert fraud.histograms == (FoundHistogram("request_duration_seconds", "s", (0.1, 0.25, 0.5, 1.0),
                                               (500.0, 900.0, 995.0, 1000.0), 1000.0),)


def test_counters_come_with_their_outcomes(found: Found) -> None:
    fraud = found.model("fraud")
    assert fraud is not None
    assert fraud.counters == (FoundCounter("requests_total", "code", ("200", "500")),)


def test_an_empty_server_has_no_models() -> None:
    answer = discovered(prometheus([], [], {}))
    assert isinstance(answer, Found)
    assert (answer.models, answer.servers, answer.notes) == ((), (), ())


def test_a_server_that_is_none_is_a_failure_with_its_reason() -> None:
    answer = discovered(answering(200, "<html><title>Login</title></html>", "text/html"))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.NOT_PROMETHEUS


def test_a_question_that_fails_is_a_note() -> None:
    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        if request.path == "/api/v1/query":
            error = {"status": "error", "errorType": "execution", "error": "too many samples"}
            return await json_answer(error, 422)(request, writer)
        return await SERVER(request, writer)
    answer = discovered(handle)
    assert isinstance(answer, Found)
    assert any("too many samples" in note for note in answer.notes)


def test_long_questions_are_posted_and_redirects_not_followed() -> None:
    with served(SERVER) as server:
        discover(Endpoint.model_validate({"url": server.url}))
        assert {r.method for r in server.requests if r.path == "/api/v1/query"} == {"POST"}
        assert all("?" not in r.target for r in server.requests)
    answer = discovered(answering(302, "", headers={"Location": "http://elsewhere.example/"}))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.REDIRECT


@pytest.mark.parametrize("result", [
    [{"metric": {"__name__": "a_total", "model": "m"}, "histogram": [1, {"count": "1", "sum": "1"}]}],
    [{"metric": {"__name__": "a_total", "model": "m", "value": "x", "timestamp": "y"}, "value": [1, "NaN"]}], [3], [{}],
])
def test_answers_that_the_library_does_not_take_are_survived(result: list[Any]) -> None:
    async def handle(request: Request, writer: asyncio.StreamWriter) -> object:
        if request.path == "/api/v1/query":
            return await json_answer({"status": "success", "data": {"resultType": "vector", "result": result}})(
                request, writer)
        return await prometheus(["a_total"], ["model"], {})(request, writer)
    assert isinstance(discovered(handle), Found)


def linted(text: str, folder: Path) -> list[str]:
    (folder / "manifest.yaml").write_text(text)
    return [f.code for f in lint(folder) if f.code != "missing-file"]


@pytest.mark.parametrize("name", ["fraud", LLAMA])
def test_a_proposal_passes_the_linter(name: str, found: Found, tmp_path: Path) -> None:
    assert linted(propose_manifest(found, name), tmp_path) == []


def test_a_proposed_threshold_is_a_bucket_that_most_requests_met(found: Found, tmp_path: Path) -> None:
    text = propose_manifest(found, "fraud")
    linted(text, tmp_path)
    success, latency = (slo.sli for slo in load_notebook(tmp_path).manifest.spec.slos)
    assert isinstance(latency, HistogramSli)
    assert latency.threshold == 0.5
    assert isinstance(success, RatioSli)
    assert success.good == 'requests_total{code!~"5.*"}'
    assert "99.5 % so far" in text


def one(model: FoundModel) -> Found:
    return Found("http://p.example", 1, (), (model,))


@pytest.mark.parametrize("name", [
    'quote"d', "colon: #hash", "{flow}", "back\\slash", "é", "", "-", "true", "null", "1e3", "$x", "a" * 200, "*alias"])
def test_no_name_breaks_the_yaml(name: str, tmp_path: Path) -> None:
    model = FoundModel(name, "model", None, "version", (name,), {"a_total": 1}, (), (FoundCounter("a_total", None),))
    assert linted(propose_manifest(one(model), name), tmp_path) == []
    assert load_notebook(tmp_path).manifest.spec.metrics.selector == {"model": name}


@pytest.mark.parametrize(("counters", "sli"), [
    ([FoundCounter("x_requests_total", "outcome", ("error", "ok"))], 'outcome!~\\"error\\"'),
    ([FoundCounter("x_requests_total", "status", ("2xx", "5xx"))], 'status!~\\"5.*\\"'),
    ([FoundCounter("x_requests_total", None), FoundCounter("x_errors_total", None)], 'bad: "x_errors_total"'),
    ([FoundCounter("x_requests_total", "outcome", ("blue", "red"))], "throughput"),
])
def test_what_is_bad_is_read_from_the_outcomes(counters: list[FoundCounter], sli: str, tmp_path: Path) -> None:
    model = FoundModel("m", "model", None, None, (), {"x_requests_total": 1}, (), tuple(counters))
    text = propose_manifest(one(model), "m")
    assert sli in text
    assert linted(text, tmp_path) == []


@pytest.mark.parametrize(("unit", "bounds", "threshold"), [
    ("ms", (50.0, 500.0), 0.5), ("us", (100.0, 250.0), 0.00025), ("s", (0.0025, 0.0075), 0.0075),
    ("s", (60.0, 90.0), 60.0), (None, (1.0, 2.0), None),
])
def test_a_threshold_keeps_its_exact_value_in_any_unit(unit: str | None, bounds: tuple[float, ...],
                                                       threshold: float | None, tmp_path: Path) -> None:
    histogram = FoundHistogram("latency", unit, bounds, (0.0, 0.0), 0.0)
    model = FoundModel("m", "model", None, None, (), {"latency_bucket": 3}, (histogram,))
    assert linted(propose_manifest(one(model), "m"), tmp_path) == []
    sli = load_notebook(tmp_path).manifest.spec.slos[0].sli
    assert (sli.threshold if isinstance(sli, HistogramSli) else None) == (
        None if threshold is None else pytest.approx(threshold, rel=1e-9))


def test_a_model_that_was_not_found_is_refused_with_the_ones_that_were(found: Found) -> None:
    with pytest.raises(TriageError) as raised:
        propose_manifest(found, "frod")
    assert "fraud" in raised.value.hint
