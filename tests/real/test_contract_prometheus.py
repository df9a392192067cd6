"""One contract for Prometheus' HTTP API: the same expectations of Debian's server and of the lab in its dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.real.conftest import installed
from tests.real.contract import Peer, lab_prometheus, real_prometheus

Answer = dict[str, Any]
TEXT = "text/plain; charset=utf-8"


@pytest.fixture(scope="module", params=["lab", "real"])
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    if request.param == "lab":
        with lab_prometheus() as lab:
            yield lab
    else:
        with installed(real_prometheus(tmp_path_factory.mktemp("contract"))) as real:
            yield real


@pytest.fixture(scope="module")
def http(peer: Peer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=peer.url, trust_env=False) as client:
        yield client


def digits(response: httpx.Response) -> Any:
    """The JSON with every number as it was written."""
    assert response.headers["content-type"] == "application/json"
    return json.loads(response.text, parse_float=str, parse_int=str)


def succeeded(response: httpx.Response) -> Any:
    document = response.json()
    assert response.status_code == 200, document
    assert set(document) == {"status", "data"}
    assert document["status"] == "success"
    return document["data"]


@pytest.mark.parametrize(("query", "kind", "result"), [
    ("temperature", "vector", [{"metric": {"__name__": "temperature", "model": "fraud"}, "value": ["END", "1.5"]}]),
    ("vector(1.5)", "vector", [{"metric": {}, "value": ["END", "1.5"]}]),
    ("nothing", "vector", []),
    ('odd{kind="nan"}', "vector", [{"metric": {"__name__": "odd", "kind": "nan"}, "value": ["END", "NaN"]}]),
    ('odd{kind="inf"}', "vector", [{"metric": {"__name__": "odd", "kind": "inf"}, "value": ["END", "+Inf"]}]),
    ('odd{kind="ninf"}', "vector", [{"metric": {"__name__": "odd", "kind": "ninf"}, "value": ["END", "-Inf"]}]),
    ("big", "vector", [{"metric": {"__name__": "big"}, "value": ["END", "1e+21"]}]),
    ("wide", "vector", [{"metric": {"__name__": "wide"}, "value": ["END", "123456789012345680"]}]),
    ("small", "vector", [{"metric": {"__name__": "small"}, "value": ["END", "1e-07"]}]),
    ("thin", "vector", [{"metric": {"__name__": "thin"}, "value": ["END", "0.00001"]}]),
    ("long", "vector", [{"metric": {"__name__": "long", "text": 'a"b\\c\nd <é>'},
                         "value": ["END", "0.30000000000000004"]}]),
    ("-temperature * 0", "vector", [{"metric": {"model": "fraud"}, "value": ["END", "-0"]}]),
    ("1", "scalar", ["END", "1"]),
    ("1 / 0", "scalar", ["END", "+Inf"]),
    ("0 / 0", "scalar", ["END", "NaN"]),
    ("-1 / 4", "scalar", ["END", "-0.25"]),
    ("1e21", "scalar", ["END", "1000000000000000000000"]),
    ("1e-7", "scalar", ["END", "0.0000001"]),
    ("time() - time() + 2.5", "scalar", ["END", "2.5"]),
    ('"a text"', "string", ["END", "a text"]),
    ("temperature[30s]", "matrix", [{"metric": {"__name__": "temperature", "model": "fraud"},
                                     "values": [["END-30", "1.5"], ["END-15", "1.5"], ["END", "1.5"]]}]),
    ("nothing[30s]", "matrix", []),
    ("sum by (model) (increase(calls_total[5m])) > 250", "vector",
     [{"metric": {"model": "fraud"}, "value": ["END", "660"]},
      {"metric": {"model": "churn"}, "value": ["END", "300"]}]),
    ("sort(sum by (model) (increase(calls_total[5m])))", "vector",
     [{"metric": {"model": "churn"}, "value": ["END", "300"]},
      {"metric": {"model": "fraud"}, "value": ["END", "660"]}]),
])
def test_an_instant_query_is_answered_to_the_digit(http: httpx.Client, peer: Peer, query: str, kind: str,
                                                   result: list[Any]) -> None:
    text = json.dumps(result)
    for back in (30, 15, 0):
        text = text.replace(f"END-{back}" if back else "END", str(peer.end - back))
    answer = digits(http.get("/api/v1/query", params={"query": query, "time": str(peer.end)}))
    assert (answer["status"], answer["data"]["resultType"]) == ("success", kind)
    got, expected = answer["data"]["result"], json.loads(text)
    if kind == "vector" and not query.startswith("sort"):
        got, expected = sorted(got, key=str), sorted(expected, key=str)
    assert got == expected


def test_times_are_written_to_the_millisecond(http: httpx.Client, peer: Peer) -> None:
    answer = digits(http.get("/api/v1/query", params={"query": "temperature", "time": f"{peer.end}.25"}))
    assert answer["data"]["result"][0]["value"][0] == f"{peer.end}.250"


def test_a_time_can_be_written_as_rfc_3339(http: httpx.Client) -> None:
    answer = digits(http.get("/api/v1/query", params={"query": "time()", "time": "2026-11-23T14:09:54.5+01:00"}))
    assert answer["data"]["result"] == ["1795439394.5", "1795439394.5"]


def test_without_a_time_the_present_is_meant(http: httpx.Client, peer: Peer) -> None:
    for form in ({"query": "time()"}, {"query": "time()", "time": ""}):
        at, value = succeeded(http.post("/api/v1/query", data=form))["result"]
        assert peer.end <= at == float(value) <= peer.end + 300


@pytest.mark.parametrize("step", ["30", "30s", "30.0", "0m30s"])
def test_a_range_query_is_answered_on_its_steps(http: httpx.Client, peer: Peer, step: str) -> None:
    form = {"query": "halves", "start": str(peer.end - 60), "end": str(peer.end), "step": step}
    expected = {"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"__name__": "halves"}, "values": [[str(peer.end - 60), "118"], [str(peer.end - 30), "119"],
                                                      [str(peer.end), "120"]]}]}}
    assert digits(http.get("/api/v1/query_range", params=form)) == expected
    assert digits(http.post("/api/v1/query_range", data=form)) == expected


def test_a_scalar_over_a_range_is_a_series_without_labels(http: httpx.Client, peer: Peer) -> None:
    form = {"query": "1.5", "start": str(peer.end - 15), "end": str(peer.end), "step": "15"}
    assert succeeded(http.get("/api/v1/query_range", params=form)) == {"resultType": "matrix", "result": [
        {"metric": {}, "values": [[peer.end - 15, "1.5"], [peer.end, "1.5"]]}]}


def test_gaps_are_left_out(http: httpx.Client, peer: Peer) -> None:
    form = {"query": "halves and (halves % 2 == 0)", "start": str(peer.end - 60), "end": str(peer.end), "step": "15"}
    [series] = succeeded(http.get("/api/v1/query_range", params=form))["result"]
    assert [value for _, value in series["values"]] == ["118", "120"]


def test_parameters_may_be_in_the_body_and_in_the_url(http: httpx.Client, peer: Peer) -> None:
    answer = http.post("/api/v1/query_range?query=halves&step=60", data={
        "start": str(peer.end - 60), "end": str(peer.end)})
    assert len(succeeded(answer)["result"][0]["values"]) == 2
    twice = http.post("/api/v1/query?query=1", data={"query": "2", "time": "5"})
    assert succeeded(twice)["result"] == [5, "2"]


@pytest.mark.parametrize("body", [b'{"query": "1"}', b"query=1"])
def test_a_body_of_another_type_holds_no_parameters(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/api/v1/query", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")


ERRORS: tuple[tuple[str, Mapping[str, str], int, str, str], ...] = (
    ("query", {}, 400, "bad_data", 'invalid parameter "query":'),
    ("query", {"query": "sum(("}, 400, "bad_data", 'invalid parameter "query":'),
    ("query", {"query": "temperature{"}, 400, "bad_data", 'invalid parameter "query":'),
    ("query", {"query": "nofunction(1)"}, 400, "bad_data", 'invalid parameter "query":'),
    ("query", {"query": "rate(temperature)"}, 400, "bad_data", 'invalid parameter "query":'),
    ("query", {"query": "1", "time": "x"}, 400, "bad_data",
     "invalid parameter \"time\": Invalid time value for 'time': cannot parse \"x\" to a valid timestamp"),
    ("query", {"query": "1", "time": "2026-11-23T12:00:00"}, 400, "bad_data", 'invalid parameter "time":'),
    ("query", {"query": "1", "timeout": "x"}, 400, "bad_data",
     'invalid parameter "timeout": cannot parse "x" to a valid duration'),
    ("query", {"query": "1", "timeout": "1ns"}, 400, "bad_data",
     'invalid parameter "timeout": cannot parse "1ns" to a valid duration'),
    ("query", {"query": "1", "timeout": "0"}, 503, "timeout", "query timed out in query"),
    ("query", {"query": "temperature", "timeout": "0.0000001"}, 503, "timeout", "query timed out in query"),
    ("query", {"query": "temperature * on () calls_total"}, 422, "execution",
     "found duplicate series for the match group"),
    ("query", {"query": "calls_total * on () group_left () calls_total"}, 422, "execution",
     "found duplicate series for the match group {} on the right hand-side of the operation: "),
    ("query_range", {"query": "1"}, 400, "bad_data",
     'invalid parameter "start": cannot parse "" to a valid timestamp'),
    ("query_range", {"query": "1", "start": "1"}, 400, "bad_data",
     'invalid parameter "end": cannot parse "" to a valid timestamp'),
    ("query_range", {"query": "1", "start": "1", "end": "2"}, 400, "bad_data",
     'invalid parameter "step": cannot parse "" to a valid duration'),
    ("query_range", {"query": "1", "start": "1", "end": "2", "step": "x"}, 400, "bad_data",
     'invalid parameter "step": cannot parse "x" to a valid duration'),
    ("query_range", {"query": "1", "start": "1", "end": "2", "step": "0.5m"}, 400, "bad_data",
     'invalid parameter "step": cannot parse "0.5m" to a valid duration'),
    ("query_range", {"query": "1", "start": "1", "end": "2", "step": "0"}, 400, "bad_data",
     'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
     "Try a positive integer"),
    ("query_range", {"query": "1", "start": "1", "end": "2", "step": "-5"}, 400, "bad_data",
     'invalid parameter "step": zero or negative'),
    ("query_range", {"query": "1", "start": "2", "end": "1", "step": "1"}, 400, "bad_data",
     'invalid parameter "end": end timestamp must not be before start time'),
    ("query_range", {"query": "1", "start": "0", "end": "11001", "step": "1"}, 400, "bad_data",
     "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"),
    ("query_range", {"query": "sum((", "start": "0", "end": "1", "step": "1"}, 400, "bad_data", ""),
    ("query_range", {"query": '"s"', "start": "0", "end": "1", "step": "1"}, 400, "bad_data",
     'invalid expression type "string" for range query, must be Scalar or instant Vector'),
    ("query_range", {"query": "temperature[1m]", "start": "0", "end": "1", "step": "1"}, 400, "bad_data",
     'invalid expression type "range vector" for range query, must be Scalar or instant Vector'),
    ("series", {}, 400, "bad_data", "no match[] parameter provided"),
    ("series", {"match[]": "temperature{"}, 400, "bad_data", 'invalid parameter "match[]":'),
    ("series", {"match[]": "rate(temperature[5m])"}, 400, "bad_data", 'invalid parameter "match[]":'),
    ("series", {"match[]": "{}"}, 400, "bad_data", ""),
    ("series", {"match[]": '{a=""}'}, 400, "bad_data", ""),
    ("series", {"match[]": "temperature", "start": "x"}, 400, "bad_data", 'invalid parameter "start":'),
    ("labels", {"match[]": "temperature{"}, 400, "bad_data", ""),
    ("labels", {"end": "x"}, 400, "bad_data", 'invalid parameter "end":'),
    ("label/model/values", {"start": "x"}, 400, "bad_data", 'invalid parameter "start":'),
    ("label/a-b/values", {}, 400, "bad_data", 'invalid label name: "a-b"'),
    ("metadata", {"limit": "x"}, 400, "bad_data", "limit must be a number"),
    ("rules", {"type": "x"}, 400, "bad_data", 'invalid parameter "type": not supported value "x"'),
)


@pytest.mark.parametrize(("path", "params", "status", "kind", "said"), ERRORS)
def test_an_error_has_its_status_its_type_and_its_words(http: httpx.Client, path: str, params: dict[str, str],
                                                        status: int, kind: str, said: str) -> None:
    answer = http.get(f"/api/v1/{path}", params=params)
    document = answer.json()
    assert (answer.status_code, set(document)) == (status, {"status", "errorType", "error"})
    assert (document["status"], document["errorType"]) == ("error", kind)
    assert said in document["error"]
    assert answer.headers["content-type"] == "application/json"


def test_eleven_thousand_and_one_points_are_answered(http: httpx.Client, peer: Peer) -> None:
    form = {"query": "1", "start": str(peer.end - 11_000), "end": str(peer.end), "step": "1"}
    assert len(succeeded(http.get("/api/v1/query_range", params=form))["result"][0]["values"]) == 11_001


@pytest.mark.parametrize(("path", "allowed"), [
    ("/api/v1/query", "GET, OPTIONS, POST"), ("/api/v1/labels", "GET, OPTIONS, POST"),
    ("/api/v1/label/model/values", "GET, OPTIONS"), ("/api/v1/alerts", "GET, OPTIONS"),
    ("/api/v1/status/buildinfo", "GET, OPTIONS"), ("/-/ready", "GET, HEAD, OPTIONS")])
def test_another_method_is_refused(http: httpx.Client, path: str, allowed: str) -> None:
    answer = http.put(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert (answer.text, answer.headers["content-type"]) == ("Method Not Allowed\n", TEXT)


def test_head_is_another_method(http: httpx.Client) -> None:
    assert http.head("/api/v1/query", params={"query": "1"}).status_code == 405


def test_options_are_answered(http: httpx.Client) -> None:
    assert http.options("/api/v1/query").status_code == 204


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/nothing", "/api/v1/", "/api/v1/status", "/api/v1/query/"])
def test_an_unknown_path_is_plain_text(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    if path == "/api/v1/query/":
        assert answer.status_code in (301, 404)
        return
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (404, "404 page not found\n", TEXT)


@pytest.mark.parametrize(("path", "said"), [("/-/ready", "Prometheus Server is Ready.\n"),
                                            ("/-/healthy", "Prometheus Server is Healthy.\n")])
def test_probes_are_answered(http: httpx.Client, path: str, said: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.text) == (200, said)
    assert http.head(path).status_code == 200


def test_series_are_listed_by_selectors(http: httpx.Client) -> None:
    selectors = ['calls_total{model="fraud"}', "temperature", 'odd{kind="nan"}', '{kind=~"inf|nan"}']
    expected = [{"__name__": "calls_total", "code": "200", "model": "fraud", "model_version": "v1"},
                {"__name__": "calls_total", "code": "500", "model": "fraud", "model_version": "v1"},
                {"__name__": "odd", "kind": "inf"}, {"__name__": "odd", "kind": "nan"},
                {"__name__": "temperature", "model": "fraud"}]
    answers = [http.get("/api/v1/series", params={"match[]": selectors}),
               http.post("/api/v1/series", data={"match[]": selectors})]
    for answer in answers:
        assert sorted(succeeded(answer), key=str) == expected
    assert succeeded(http.get("/api/v1/series", params={"match[]": "nothing"})) == []


def test_series_of_another_time_are_not_listed(http: httpx.Client) -> None:
    for start, end in (("5", "10"), ("10", "5")):
        params = {"match[]": "temperature", "start": start, "end": end}
        assert succeeded(http.get("/api/v1/series", params=params)) == []


def test_label_names_are_listed(http: httpx.Client) -> None:
    every = succeeded(http.get("/api/v1/labels"))
    assert every == sorted(every)
    assert {"__name__", "alertname", "alertstate", "code", "kind", "model", "severity"} <= set(every)
    assert succeeded(http.get("/api/v1/labels", params={"match[]": "calls_total"})) == [
        "__name__", "code", "model", "model_version"]
    assert succeeded(http.post("/api/v1/labels", data={"start": "5", "end": "10"})) == []


def test_label_values_are_listed(http: httpx.Client) -> None:
    assert succeeded(http.get("/api/v1/label/code/values")) == ["200", "500"]
    assert succeeded(http.get("/api/v1/label/nothing/values")) == []
    selected = http.get("/api/v1/label/code/values", params={"match[]": 'calls_total{model="churn"}'})
    assert succeeded(selected) == ["200"]
    names = succeeded(http.get("/api/v1/label/__name__/values"))
    assert {"ALERTS", "ALERTS_FOR_STATE", "contract:value", "calls_total", "temperature"} <= set(names)


def test_metadata_is_listed_by_metric(http: httpx.Client) -> None:
    found = succeeded(http.get("/api/v1/metadata"))
    assert all(set(entry) == {"type", "help", "unit"} for entries in found.values() for entry in entries)
    assert found["requests_total"][0]["type"] == "counter"
    assert list(succeeded(http.get("/api/v1/metadata", params={"metric": "requests_total"}))) == ["requests_total"]
    assert succeeded(http.get("/api/v1/metadata", params={"metric": "nothing"})) == {}
    assert len(succeeded(http.get("/api/v1/metadata", params={"limit": "1"}))) == 1


TARGET_KEYS = {"discoveredLabels", "labels", "scrapePool", "scrapeUrl", "globalUrl", "lastError", "lastScrape",
               "lastScrapeDuration", "health", "scrapeInterval", "scrapeTimeout"}


def test_targets_say_how_they_are(http: httpx.Client) -> None:
    found = succeeded(http.get("/api/v1/targets", params={"state": "active"}))
    assert set(found) == {"activeTargets", "droppedTargets"}
    assert found["droppedTargets"] == []
    up, down = sorted(found["activeTargets"], key=lambda target: str(target["health"]), reverse=True)
    assert set(up) == set(down) == TARGET_KEYS
    assert (up["health"], up["lastError"], up["scrapePool"]) == ("up", "", "up")
    assert up["labels"] == {"instance": up["discoveredLabels"]["__address__"], "job": "up", "zone": "eu"}
    assert up["scrapeUrl"] == f"http://{up['labels']['instance']}/steady/metrics"
    assert set(up["discoveredLabels"]) == {"__address__", "__metrics_path__", "__scheme__", "__scrape_interval__",
                                           "__scrape_timeout__", "job", "zone"}
    assert (down["health"], down["scrapePool"]) == ("down", "down")
    assert "connection refused" in down["lastError"]


def test_targets_can_be_chosen(http: httpx.Client) -> None:
    dropped = succeeded(http.get("/api/v1/targets", params={"state": "dropped"}))
    assert dropped == {"activeTargets": [], "droppedTargets": []}
    one = succeeded(http.get("/api/v1/targets", params={"scrapePool": "down"}))["activeTargets"]
    assert [target["scrapePool"] for target in one] == ["down"]


ALERT_KEYS = {"labels", "annotations", "state", "activeAt", "value"}


def test_alerts_are_pending_or_firing(http: httpx.Client) -> None:
    always, held = sorted(succeeded(http.get("/api/v1/alerts"))["alerts"], key=lambda alert: str(alert["labels"]))
    assert set(always) == set(held) == ALERT_KEYS
    assert always["labels"] == {"alertname": "Always", "severity": "page"}
    assert (always["annotations"], always["state"], always["value"]) == ({"summary": "at 150%"}, "firing", "1.5e+00")
    assert (held["labels"], held["state"], held["value"]) == ({"alertname": "Held"}, "pending", "1e+00")


def test_rules_say_how_they_are(http: httpx.Client) -> None:
    [group] = succeeded(http.get("/api/v1/rules"))["groups"]
    assert set(group) == {"name", "file", "rules", "interval", "limit", "evaluationTime", "lastEvaluation"}
    assert (group["name"], group["interval"], group["limit"]) == ("contract", 1, 0)
    assert group["file"].endswith("contract.yaml")
    always, held, never, value, plain, broken = group["rules"]
    alerting = {"state", "name", "query", "duration", "keepFiringFor", "labels", "annotations", "alerts", "health",
                "evaluationTime", "lastEvaluation", "type"}
    recording = {"name", "query", "health", "evaluationTime", "lastEvaluation", "type"}
    assert set(always) == set(held) == set(never) == alerting
    assert (set(value), set(plain), set(broken)) == (recording | {"labels"}, recording, recording | {"lastError"})
    assert (always["state"], held["state"], never["state"]) == ("firing", "pending", "inactive")
    assert (held["duration"], held["keepFiringFor"], never["duration"]) == (3600, 300, 90)
    assert always["annotations"] == {"summary": "at {{ $value | humanizePercentage }}"}
    assert [set(alert) for alert in always["alerts"]] == [ALERT_KEYS]
    assert never["alerts"] == []
    assert always["query"] == "vector(1.5) > 1"
    assert (value["type"], value["labels"], value["health"]) == ("recording", {"a": "b"}, "ok")
    assert (broken["health"], always["type"]) == ("err", "alerting")
    assert broken["lastError"].startswith("found duplicate series for the match group {} on the right hand-side")


@pytest.mark.parametrize(("kind", "count"), [("alert", 3), ("record", 3)])
def test_rules_can_be_chosen_by_kind(http: httpx.Client, kind: str, count: int) -> None:
    [group] = succeeded(http.get("/api/v1/rules", params={"type": kind}))["groups"]
    assert len(group["rules"]) == count


def test_what_rules_write_can_be_asked(http: httpx.Client) -> None:
    def now(query: str) -> list[tuple[dict[str, str], str]]:
        found = succeeded(http.get("/api/v1/query", params={"query": query}))["result"]
        return sorted(((item["metric"], item["value"][1]) for item in found), key=str)
    assert now("ALERTS") == [
        ({"__name__": "ALERTS", "alertname": "Always", "alertstate": "firing", "severity": "page"}, "1"),
        ({"__name__": "ALERTS", "alertname": "Held", "alertstate": "pending"}, "1")]
    assert now("contract:value") == [({"__name__": "contract:value", "a": "b"}, "3")]
    assert now("ALERTS_FOR_STATE % 1") == [({"alertname": "Always", "severity": "page"}, "0"),
                                           ({"alertname": "Held"}, "0")]


def test_the_server_says_what_it_is(http: httpx.Client) -> None:
    build = succeeded(http.get("/api/v1/status/buildinfo"))
    assert set(build) == {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}
    assert build["version"].startswith("2.42.0")
    runtime = succeeded(http.get("/api/v1/status/runtimeinfo"))
    assert set(runtime) == {"startTime", "CWD", "reloadConfigSuccess", "lastConfigTime", "corruptionCount",
                            "goroutineCount", "GOMAXPROCS", "GOGC", "GODEBUG", "storageRetention"}
    assert runtime["storageRetention"] == "400d"


def test_the_server_says_how_it_was_started(http: httpx.Client) -> None:
    flags = succeeded(http.get("/api/v1/status/flags"))
    assert (flags["query.lookback-delta"], flags["query.timeout"], flags["storage.tsdb.retention.time"]) == (
        "5m", "2m", "400d")
    assert {flags["web.enable-admin-api"], flags["web.enable-lifecycle"]} <= {"true", "false"}
    config = succeeded(http.get("/api/v1/status/config"))
    assert set(config) == {"yaml"}
    assert "scrape_configs:" in config["yaml"]
