"""One contract for Alertmanager's API v2: the same expectations of Debian's server and of the lab in its dialect."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.real.conftest import installed
from tests.real.contract import Peer, lab_alertmanager, real_alertmanager
from triage.lab.alerting.book import fingerprint

Labels = dict[str, str]
UNKNOWN = "00000000-0000-4000-8000-000000000000"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ALERT_KEYS = {"annotations", "endsAt", "fingerprint", "receivers", "startsAt", "status", "updatedAt", "labels"}
SILENCE_KEYS = {"id", "status", "updatedAt", "comment", "createdBy", "endsAt", "matchers", "startsAt"}

PAGE = {"alertname": "Slow", "model": "fraud", "severity": "page"}
TICKET = {"alertname": "Stale", "model": "churn", "severity": "ticket"}
EACH = {"alertname": "Odd", "severity": "each", "text": 'a"b\\c\nd <é>'}
QUIET = {"alertname": "Quiet"}


@pytest.fixture(scope="module", params=["lab", "real"])
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    if request.param == "lab":
        with lab_alertmanager() as lab:
            yield lab
    else:
        with installed(real_alertmanager(tmp_path_factory.mktemp("contract"))) as real:
            yield real


@pytest.fixture(scope="module")
def http(peer: Peer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=peer.url, trust_env=False) as client:
        yield client


@pytest.fixture
def alerts(http: httpx.Client) -> Iterator[None]:
    """Four alerts, which are resolved afterwards."""
    began = at(-60)
    posted = [{"labels": PAGE, "annotations": {"summary": "it is slow"}, "startsAt": began,
               "generatorURL": "http://prometheus.example/graph?g0.expr=a%3E1&g0.tab=1"},
              *({"labels": labels, "startsAt": began} for labels in (TICKET, EACH, QUIET))]
    http.post("/api/v2/alerts", json=posted).raise_for_status()
    deadline = time.monotonic() + 10
    # The real server groups what it was sent a moment later.
    while len(http.get("/api/v2/alerts/groups").json()) < 5:
        assert time.monotonic() < deadline, "the alerts were not grouped"
    yield
    ended = at(-1)
    http.post("/api/v2/alerts", json=[{**alert, "endsAt": ended} for alert in posted]).raise_for_status()


def at(seconds: float) -> str:
    """RFC 3339 time so many seconds from now."""
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat().replace("+00:00", "Z")


def silence(**changes: Any) -> dict[str, Any]:
    """A silence as clients send it; a change to None leaves the field out."""
    whole = {"matchers": [{"name": "alertname", "value": "Slow", "isRegex": False, "isEqual": True}],
             "startsAt": at(0), "endsAt": at(3600), "createdBy": "on call", "comment": "known", **changes}
    return {name: value for name, value in whole.items() if value is not None}


def matcher(name: str, value: str, *, is_regex: bool = False, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "isRegex": is_regex, **more}


def created(http: httpx.Client, **changes: Any) -> str:
    answer = http.post("/api/v2/silences", json=silence(**changes))
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"silenceID"}
    return str(answer.json()["silenceID"])


def listed(http: httpx.Client, **params: str | list[str]) -> list[str]:
    """Names of the alerts that are answered."""
    answer = http.get("/api/v2/alerts", params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return sorted(alert["labels"]["alertname"] for alert in answer.json())


@pytest.mark.usefixtures("alerts")
def test_an_alert_has_its_keys_and_its_fingerprint(http: httpx.Client) -> None:
    for alert in http.get("/api/v2/alerts").json():
        assert set(alert) - {"generatorURL"} == ALERT_KEYS
        assert alert["fingerprint"] == fingerprint(alert["labels"])
        assert alert["status"] == {"inhibitedBy": [], "silencedBy": [], "state": "active"}
        assert all(TIME.fullmatch(alert[name]) for name in ("startsAt", "endsAt", "updatedAt"))
    [slow] = http.get("/api/v2/alerts", params={"filter": 'alertname="Slow"'}).json()
    assert (slow["labels"], slow["annotations"]) == (PAGE, {"summary": "it is slow"})
    assert slow["generatorURL"] == "http://prometheus.example/graph?g0.expr=a%3E1&g0.tab=1"
    assert slow["receivers"] == [{"name": "pager"}, {"name": "tickets"}]


@pytest.mark.usefixtures("alerts")
def test_alerts_come_in_order_of_their_fingerprints(http: httpx.Client) -> None:
    prints = [alert["fingerprint"] for alert in http.get("/api/v2/alerts").json()]
    assert len(prints) == 4
    assert prints == sorted(prints)


@pytest.mark.usefixtures("alerts")
@pytest.mark.parametrize(("filters", "names"), [
    (['alertname="Slow"'], ["Slow"]), (["alertname=Slow"], ["Slow"]), (['alertname=~"S.*"'], ["Slow", "Stale"]),
    (['alertname=~"S"'], []), (['alertname!~"S.*"'], ["Odd", "Quiet"]),
    (['alertname=~"S.*"', "model!=fraud"], ["Stale"]), (['model=""'], ["Odd", "Quiet"]),
    (['model!=""'], ["Slow", "Stale"]), ([" model = fraud "], ["Slow"]),
    (['text="a\\"b\\\\c\\nd <é>"'], ["Odd"]), (['alertname=~"Slow|"'], ["Slow"]),
])
def test_alerts_are_filtered_by_every_matcher(http: httpx.Client, filters: list[str], names: list[str]) -> None:
    assert listed(http, filter=filters) == names


@pytest.mark.parametrize(("text", "said"), [
    ("", "bad matcher format: "), ("alertname", "bad matcher format: alertname"),
    ('{a="b"}', 'bad matcher format: {a="b"}'), ('a="b', 'matcher value contains unescaped double quote: "b'),
    ('a="b",c="d"', 'matcher value contains unescaped double quote: "b",c="d"'), ('a=~"("', "error parsing regexp: "),
])
@pytest.mark.parametrize("path", ["alerts", "alerts/groups", "silences"])
def test_a_filter_that_is_no_matcher_is_refused_by_a_bare_string(http: httpx.Client, path: str, text: str,
                                                                 said: str) -> None:
    answer = http.get(f"/api/v2/{path}", params={"filter": text})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json().startswith(said)


@pytest.mark.usefixtures("alerts")
@pytest.mark.parametrize(("receiver", "names"), [("tickets", ["Slow", "Stale"]), ("tick", []), ("pag.*", ["Slow"]),
                                                 ("pager|quiet", ["Quiet", "Slow"])])
def test_alerts_are_chosen_by_their_receiver(http: httpx.Client, receiver: str, names: list[str]) -> None:
    assert listed(http, receiver=receiver) == names


def test_a_receiver_that_is_no_pattern_is_refused(http: httpx.Client) -> None:
    answer = http.get("/api/v2/alerts", params={"receiver": "("})
    assert answer.status_code == 400
    assert answer.json().startswith("failed to parse receiver param: error parsing regexp")


@pytest.mark.usefixtures("alerts")
def test_alerts_are_chosen_by_their_state(http: httpx.Client) -> None:
    silenced = created(http)
    try:
        assert listed(http, silenced="false") == ["Odd", "Quiet", "Stale"]
        assert listed(http, active="false") == ["Slow"]
        assert listed(http, active="false", silenced="no") == []
        assert listed(http, active="", silenced="1", inhibited="false", unprocessed="false") == [
            "Odd", "Quiet", "Slow", "Stale"]
        [slow] = http.get("/api/v2/alerts", params={"filter": "alertname=Slow"}).json()
        assert slow["status"] == {"inhibitedBy": [], "silencedBy": [silenced], "state": "suppressed"}
        assert len(http.get("/api/v2/alerts/groups", params={"silenced": "false"}).json()) == 3
    finally:
        http.delete(f"/api/v2/silence/{silenced}")
    assert listed(http, active="false") == []


@pytest.mark.usefixtures("alerts")
def test_alerts_are_grouped_by_the_routes(http: httpx.Client) -> None:
    groups = http.get("/api/v2/alerts/groups").json()
    assert all(set(group) == {"alerts", "labels", "receiver"} for group in groups)
    assert [(group["labels"], group["receiver"]["name"], [alert["labels"] for alert in group["alerts"]])
            for group in groups] == [
        ({"model": "churn"}, "tickets", [TICKET]), ({"model": "fraud"}, "tickets", [PAGE]),
        ({"alertname": "Quiet"}, "quiet", [QUIET]), ({"alertname": "Slow", "model": "fraud"}, "pager", [PAGE]),
        (EACH, "each", [EACH])]
    chosen = http.get("/api/v2/alerts/groups", params={"receiver": "pager"}).json()
    assert [group["receiver"]["name"] for group in chosen] == ["pager"]
    filtered = http.get("/api/v2/alerts/groups", params={"filter": "model=churn"}).json()
    assert [group["labels"] for group in filtered] == [{"model": "churn"}]


def test_a_resolved_alert_is_not_listed(http: httpx.Client) -> None:
    http.post("/api/v2/alerts", json=[{"labels": {"alertname": "Gone"}, "startsAt": at(-60), "endsAt": at(-5)}])
    assert listed(http, filter="alertname=Gone") == []


def test_an_alert_sent_again_keeps_its_beginning(http: httpx.Client) -> None:
    for began, text in ((-60, "old"), (-30, "new")):
        http.post("/api/v2/alerts", json=[{"labels": {"alertname": "Again"}, "startsAt": at(began),
                                           "annotations": {"text": text}}])
    [alert] = http.get("/api/v2/alerts", params={"filter": "alertname=Again"}).json()
    started = datetime.fromisoformat(alert["startsAt"]).timestamp()
    ends = datetime.fromisoformat(alert["endsAt"]).timestamp()
    assert abs(time.time() - 60 - started) < 5
    assert 290 < ends - time.time() < 301
    assert alert["annotations"] == {"text": "new"}
    http.post("/api/v2/alerts", json=[{"labels": {"alertname": "Again"}, "startsAt": at(-60), "endsAt": at(-1)}])


@pytest.mark.parametrize(("alert", "said"), [
    ({"labels": {}}, "at least one label pair required"), ({"labels": {"a": ""}}, "at least one label pair required"),
    ({"labels": {"1a": "x"}}, 'invalid label set: invalid name "1a"'),
    ({"labels": {"a": "x"}, "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z"},
     "start time must be before end time"),
])
def test_an_alert_that_makes_no_sense_is_refused(http: httpx.Client, alert: dict[str, Any], said: str) -> None:
    answer = http.post("/api/v2/alerts", json=[alert])
    assert (answer.status_code, answer.json()) == (400, said)


def test_a_silence_is_created_read_and_expired(http: httpx.Client) -> None:
    new = created(http, startsAt=at(-100), matchers=[
        matcher("alertname", "Nothing"), matcher("model", "a|b", is_regex=True),
        matcher("code", "404", isEqual=False)])
    read = http.get(f"/api/v2/silence/{new}").json()
    assert set(read) == SILENCE_KEYS
    assert (read["id"], read["status"], read["comment"], read["createdBy"]) == (
        new, {"state": "active"}, "known", "on call")
    assert read["matchers"] == [
        {"isEqual": True, "isRegex": False, "name": "alertname", "value": "Nothing"},
        {"isEqual": True, "isRegex": True, "name": "model", "value": "a|b"},
        {"isEqual": False, "isRegex": False, "name": "code", "value": "404"}]
    assert all(TIME.fullmatch(read[name]) for name in ("startsAt", "endsAt", "updatedAt"))
    assert read["startsAt"] == read["updatedAt"]
    for _ in range(2):
        ended = http.delete(f"/api/v2/silence/{new}")
        assert (ended.status_code, ended.content) == (200, b"")
    after = http.get(f"/api/v2/silence/{new}").json()
    assert (after["status"], after["startsAt"]) == ({"state": "expired"}, read["startsAt"])
    assert after["endsAt"] == after["updatedAt"] < read["endsAt"]


def test_a_silence_that_begins_later_is_pending(http: httpx.Client) -> None:
    new = created(http, startsAt=at(1000))
    assert http.get(f"/api/v2/silence/{new}").json()["status"] == {"state": "pending"}
    http.delete(f"/api/v2/silence/{new}")
    after = http.get(f"/api/v2/silence/{new}").json()
    assert (after["status"], after["startsAt"]) == ({"state": "expired"}, after["endsAt"])


def test_silences_are_listed_active_pending_expired(http: httpx.Client) -> None:
    ids = [created(http, matchers=[matcher("order", "x")], startsAt=at(start), endsAt=at(end))
           for start, end in ((0, 7200), (0, 3600), (900, 3600), (600, 3600), (0, 5000))]
    http.delete(f"/api/v2/silence/{ids[4]}")
    found = http.get("/api/v2/silences", params={"filter": "order=x"}).json()
    assert [item["id"] for item in found] == [ids[1], ids[0], ids[3], ids[2], ids[4]]
    for known in ids:
        http.delete(f"/api/v2/silence/{known}")


def test_silences_are_filtered_by_the_matchers_they_have(http: httpx.Client) -> None:
    new = created(http, matchers=[matcher("filtered", "yes"), matcher("model", "f.*", is_regex=True)])
    for filters, count in ((["filtered=yes"], 1), (["filtered=yes", "model=~f.*"], 1), (["filtered=yes", "model=x"], 0),
                           (['filtered=~"y.*"'], 0), (["filtered=yes", "model=fraud"], 0), (["filtered!=yes"], 0)):
        assert len(http.get("/api/v2/silences", params={"filter": filters}).json()) == count
    http.delete(f"/api/v2/silence/{new}")


@pytest.mark.parametrize(("changes", "same"), [
    ({}, True), ({"comment": "longer"}, True), ({"endsAt": 7200.0}, True), ({"startsAt": 600.0}, False),
    ({"matchers": [matcher("alertname", "Slow", is_regex=True)]}, False),
])
def test_a_silence_is_changed_in_place_or_replaced(http: httpx.Client, changes: Mapping[str, Any], same: bool) -> None:
    first = created(http)
    read = http.get(f"/api/v2/silence/{first}").json()
    kept = {name: read[name] for name in ("startsAt", "endsAt", "comment", "createdBy", "matchers")}
    written = {name: at(value) if isinstance(value, float) else value for name, value in changes.items()}
    second = created(http, **kept | written, id=first)
    assert (second == first) is same
    assert http.get(f"/api/v2/silence/{first}").json()["status"]["state"] == ("active" if same else "expired")
    http.delete(f"/api/v2/silence/{second}")


REFUSED: tuple[tuple[Mapping[str, Any], int, Any], ...] = (
    ({"matchers": []}, 422, {"code": 612, "message": "matchers in body should have at least 1 items"}),
    ({"matchers": None}, 422, {"code": 602, "message": "matchers in body is required"}),
    ({"comment": None}, 422, {"code": 602, "message": "comment in body is required"}),
    ({"createdBy": None}, 422, {"code": 602, "message": "createdBy in body is required"}),
    ({"startsAt": None}, 422, {"code": 602, "message": "startsAt in body is required"}),
    ({"endsAt": None}, 422, {"code": 602, "message": "endsAt in body is required"}),
    ({"matchers": [{"name": "a", "value": "x"}]}, 422,
     {"code": 602, "message": "matchers.0.isRegex in body is required"}),
    ({"matchers": [{"value": "x", "isRegex": False}]}, 422,
     {"code": 602, "message": "matchers.0.name in body is required"}),
    ({"matchers": [{"name": "a", "isRegex": False}]}, 422,
     {"code": 602, "message": "matchers.0.value in body is required"}),
    ({"matchers": [{}]}, 422, {"code": 602, "message": "matchers.0.isRegex in body is required"}),
    ({"startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-01T01:00:00Z"}, 400,
     "Failed to create silence: end time can't be in the past"),
    ({"startsAt": "2099-01-01T00:00:00Z"}, 400, "Failed to create silence: start time must be before end time"),
    ({"endsAt": ""}, 400, "Failed to create silence: start time must be before end time"),
    ({"id": UNKNOWN}, 404, "silence not found"),
    ({"id": "no uuid"}, 404, "silence not found"),
    ({"matchers": [matcher("a", ".*", is_regex=True)]}, 400,
     "silence invalid: at least one matcher must not match the empty string"),
    ({"matchers": [matcher("a", "")]}, 400, "silence invalid: at least one matcher must not match the empty string"),
    ({"matchers": [matcher("1a", "x")]}, 400, 'silence invalid: invalid label matcher 0: invalid label name "1a"'),
    ({"matchers": [matcher("", "x")]}, 400, 'silence invalid: invalid label matcher 0: invalid label name ""'),
)


@pytest.mark.parametrize(("changes", "status", "said"), REFUSED)
def test_a_silence_that_cannot_be_is_refused_in_these_words(http: httpx.Client, changes: Mapping[str, Any], status: int,
                                                            said: Any) -> None:
    answer = http.post("/api/v2/silences", json=silence(**changes))
    assert (answer.status_code, answer.json()) == (status, said)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("changes", [
    {"comment": ""}, {"createdBy": ""}, {"unknown": 1}, {"endsAt": "2099-01-01T00:00:00"},
    {"endsAt": "2099-01-01T00:00Z"}, {"endsAt": "2099-01-01T00:00:00.123456789+02:00"}])
def test_what_the_real_one_takes_is_taken(http: httpx.Client, changes: Mapping[str, Any]) -> None:
    http.delete(f"/api/v2/silence/{created(http, **changes)}")


@pytest.mark.parametrize(("body", "status", "code", "said"), [
    (b"{", 400, 400, 'parsing silence body from "" failed, because '),
    (b"", 422, 602, "silence in body is required"),
    (b"null", 422, 602, "comment in body is required"),
    (b"{}", 422, 602, "comment in body is required"),
    (b"[]", 400, 400, "json: cannot unmarshal array into Go value of type struct { ID string"),
    (json.dumps(silence(matchers="x")).encode(), 400, 400, "json: cannot unmarshal string into Go struct field "
                                                           "Silence.matchers of type models.Matchers"),
    (json.dumps(silence(matchers=[5])).encode(), 400, 400, "json: cannot unmarshal number into Go struct field "
                                                           "Silence.matchers of type models.Matcher"),
    (json.dumps(silence(comment=5)).encode(), 400, 400, "json: cannot unmarshal number into Go struct field "
                                                        "Silence.comment of type string"),
    (json.dumps(silence(matchers=[matcher("a", "x", is_regex="no")])).encode(), 400, 400,  # type: ignore[arg-type]
     "json: cannot unmarshal string into Go struct field Matcher.matchers.isRegex of type bool"),
    (json.dumps(silence(startsAt="soon")).encode(), 400, 400, 'parsing time "soon" as '),
    (json.dumps(silence(endsAt="2026-11-23")).encode(), 400, 400, 'parsing time "2026-11-23" as '),
])
def test_a_body_that_cannot_be_read_is_refused_by_an_object(http: httpx.Client, body: bytes, status: int, code: int,
                                                            said: str) -> None:
    answer = http.post("/api/v2/silences", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert said in answer.json()["message"]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_body_of_another_type_is_refused(http: httpx.Client, kind: str) -> None:
    answer = http.post("/api/v2/silences", content=b"{}", headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()) == (
        415, {"code": 415, "message": f'unsupported media type "{kind}", only [application/json] are allowed'})


def test_a_silence_nobody_knows(http: httpx.Client) -> None:
    read = http.get(f"/api/v2/silence/{UNKNOWN}")
    assert (read.status_code, read.content) == (404, b"")
    ended = http.delete(f"/api/v2/silence/{UNKNOWN}")
    assert (ended.status_code, ended.json()) == (500, "silence not found")
    for method in ("GET", "DELETE"):
        answer = http.request(method, "/api/v2/silence/nothing")
        assert (answer.status_code, answer.json()) == (
            422, {"code": 601, "message": 'silenceID in path must be of type uuid: "nothing"'})


def test_the_server_says_what_it_is(http: httpx.Client) -> None:
    status = http.get("/api/v2/status").json()
    assert set(status) == {"cluster", "config", "uptime", "versionInfo"}
    assert status["cluster"] == {"peers": [], "status": "disabled"}
    assert set(status["versionInfo"]) == {"branch", "buildDate", "buildUser", "goVersion", "revision", "version"}
    assert status["versionInfo"]["version"].startswith("0.25")
    assert TIME.fullmatch(status["uptime"])
    assert "receiver: quiet" in status["config"]["original"]
    assert "group_by:" in status["config"]["original"]


def test_receivers_are_listed(http: httpx.Client) -> None:
    assert http.get("/api/v2/receivers").json() == [
        {"name": "quiet"}, {"name": "pager"}, {"name": "tickets"}, {"name": "each"}]


@pytest.mark.parametrize("path", ["/-/ready", "/-/healthy"])
def test_probes_are_answered(http: httpx.Client, path: str) -> None:
    assert (http.get(path).status_code, http.get(path).text, http.head(path).status_code) == (200, "OK", 200)
    refused = http.post(path)
    assert (refused.status_code, refused.text) == (405, "Method Not Allowed\n")


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("PUT", "/api/v2/silences", {"GET", "POST"}), ("DELETE", "/api/v2/alerts", {"GET", "POST"}),
    ("POST", f"/api/v2/silence/{UNKNOWN}", {"GET", "DELETE"}), ("OPTIONS", "/api/v2/alerts", {"GET", "POST"}),
    ("POST", "/api/v2/status", {"GET"})])
def test_another_method_is_refused(http: httpx.Client, method: str, path: str, allowed: set[str]) -> None:
    answer = http.request(method, path)
    assert (answer.status_code, set(answer.headers["allow"].split(","))) == (405, allowed)
    assert answer.json()["code"] == 405
    assert answer.json()["message"].startswith(f"method {method} is not allowed, but [")
    assert http.head(path).status_code == 405


def test_an_unknown_path_is_an_object_in_the_api_and_text_elsewhere(http: httpx.Client) -> None:
    answer = http.get("/api/v2/nothing")
    assert (answer.status_code, answer.json()) == (404, {"code": 404, "message": "path /api/v2/nothing was not found"})
    other = http.get("/nothing")
    assert (other.status_code, other.text) == (404, "404 page not found\n")
