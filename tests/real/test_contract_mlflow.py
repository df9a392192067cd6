"""MLflow's REST API: every expectation here holds for the lab and for a real server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.real.tracking import API, Tracking
from triage.lab.registry import DataInput, Metric, Run

MISSING = "Missing value for required parameter '{}'. See the API docs for more information about request parameters."
VERSION = {"version": "1", "current_stage": "None", "description": "", "source": "s3://models/fraud", "run_id": "",
           "status": "READY", "run_link": ""}
"""A version that was created with a source and nothing else, without its name and times."""


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an error, which always says the same in two more fields."""
    body = answer.json()
    assert set(body) == {"error_code", "message", "sqlstate", "error_class"}
    return answer.status_code, body["error_code"], body["message"]


def invalid(message: str) -> tuple[int, str, str]:
    return 400, "INVALID_PARAMETER_VALUE", message


def absent(message: str) -> tuple[int, str, str]:
    return 404, "RESOURCE_DOES_NOT_EXIST", message


def untimed(thing: Any) -> Any:
    """``thing`` without its times, each of which must be milliseconds of these years."""
    if isinstance(thing, list):
        return [untimed(item) for item in thing]
    if not isinstance(thing, dict):
        return thing
    for name in ("creation_timestamp", "last_updated_timestamp"):
        assert 1.6e12 < thing.get(name, 1.7e12) < 4e12
    return {key: untimed(value) for key, value in thing.items() if not key.endswith("_timestamp")}


def pairs(things: list[dict[str, str]]) -> dict[str, str]:
    return {thing["key"]: thing["value"] for thing in things}


def model(tracking: Tracking, name: str) -> dict[str, Any]:
    return dict(tracking.get("registered-models/get", name=name).raise_for_status().json()["registered_model"])


def version(tracking: Tracking, name: str, number: str = "1") -> dict[str, Any]:
    answer = tracking.get("model-versions/get", name=name, version=number)
    return dict(answer.raise_for_status().json()["model_version"])


def set_alias(tracking: Tracking, name: str, alias: str, number: str) -> None:
    answer = tracking.post("registered-models/alias", name=name, alias=alias, version=number)
    assert (answer.status_code, answer.json()) == (200, {})


def test_health_and_version_are_plain_words(tracking: Tracking) -> None:
    assert tracking.http.get("/health").text == "OK"
    assert re.fullmatch(r"3\.\d+\.\d+", tracking.http.get("/version").text)


def test_the_pages_of_the_web_interface_use_the_same_api_under_another_root(tracking: Tracking) -> None:
    name = tracking.add_model()
    answer = tracking.http.get("/ajax-api/2.0/mlflow/registered-models/get", params={"name": name})
    assert answer.json() == {"registered_model": model(tracking, name)}


@pytest.mark.parametrize("path", ["/api/2.0/mlflow/nothing", "/api/3.0/mlflow/registered-models/search",
                                  "/api/2.0/preview/mlflow/registered-models/search"])
def test_a_route_that_does_not_exist_is_answered_with_a_web_page(tracking: Tracking, path: str) -> None:
    answer = tracking.http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<h1>Not Found</h1>" in answer.text


def test_a_wrong_method_is_answered_with_a_web_page(tracking: Tracking) -> None:
    answer = tracking.post("registered-models/get", name="fraud")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "text/html; charset=utf-8")


@pytest.mark.parametrize(("headers", "message"), [
    ({}, "Bad Request. Content-Type header is missing."),
    ({"content-type": "text/plain"}, "Bad Request. Content-Type must be one of ['application/json'].")])
def test_a_post_must_say_that_it_is_json(tracking: Tracking, headers: dict[str, str], message: str) -> None:
    answer = tracking.http.post(f"{API}/registered-models/create", content=b'{"name": "fraud"}', headers=headers)
    assert refusal(answer) == invalid(message)


def test_a_body_that_is_no_json_is_taken_for_one_without_parameters(tracking: Tracking) -> None:
    answer = tracking.http.post(f"{API}/registered-models/create", content=b"{name",
                                headers={"content-type": "application/json"})
    assert refusal(answer) == invalid(MISSING.format("name"))


def test_a_model_shows_only_what_it_was_given(tracking: Tracking) -> None:
    name = tracking.add_model()
    assert untimed(model(tracking, name)) == {"name": name}


def test_a_model_shows_its_description_and_tags(tracking: Tracking) -> None:
    name = tracking.add_model(description="card fraud", tags=[{"key": "team", "value": "payments"}, {"key": "bare"}])
    found = model(tracking, name)
    assert found["description"] == "card fraud"
    assert pairs(found["tags"]) == {"team": "payments", "bare": ""}


def test_a_name_is_given_once(tracking: Tracking) -> None:
    name = tracking.add_model()
    assert refusal(tracking.post("registered-models/create", name=name)) == (
        400, "RESOURCE_ALREADY_EXISTS", f"Registered Model (name={name}) already exists.")


@pytest.mark.parametrize(("body", "message"), [
    ({}, MISSING.format("name")), ({"name": ""}, MISSING.format("name")), ({"name": None}, MISSING.format("name")),
    ({"name": "a/b"}, "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
    ({"name": "a:b"}, "Invalid model name 'a:b'. Names cannot contain '/' or ':'."),
    ({"name": 5}, "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'. "
                  "See the API docs for more information about request parameters.")])
def test_a_name_that_cannot_be_is_refused(tracking: Tracking, body: dict[str, Any], message: str) -> None:
    assert refusal(tracking.post("registered-models/create", **body)) == invalid(message)


def test_an_unknown_model_is_not_found(tracking: Tracking) -> None:
    expected = absent("Registered Model with name=nobody not found")
    assert refusal(tracking.get("registered-models/get", name="nobody")) == expected
    assert refusal(tracking.patch("registered-models/update", name="nobody", description="x")) == expected
    assert refusal(tracking.delete("registered-models/delete", name="nobody")) == expected
    assert refusal(tracking.post("model-versions/create", name="nobody", source="s3://a/b")) == expected
    assert refusal(tracking.get("registered-models/alias", name="nobody", alias="champion")) == expected
    assert refusal(tracking.delete("registered-models/alias", name="nobody", alias="champion")) == expected
    assert refusal(tracking.post("registered-models/set-tag", name="nobody", key="k", value="v")) == expected


def test_an_update_without_a_description_takes_it_away(tracking: Tracking) -> None:
    name = tracking.add_model(description="old")
    answer = tracking.patch("registered-models/update", name=name, description="new")
    assert answer.json()["registered_model"]["description"] == "new"
    tracking.patch("registered-models/update", name=name).raise_for_status()
    assert "description" not in model(tracking, name)


def test_a_renamed_model_keeps_versions_tags_and_aliases(tracking: Tracking) -> None:
    old = tracking.add_model(tags=[{"key": "team", "value": "payments"}])
    tracking.add_version(old)
    set_alias(tracking, old, "champion", "1")
    new = f"{old}-renamed"
    tracking.post("registered-models/rename", name=old, new_name=new).raise_for_status()
    assert untimed(version(tracking, new)) == {**VERSION, "name": new, "aliases": ["champion"]}
    assert untimed(model(tracking, new)) == {
        "name": new, "latest_versions": [{**VERSION, "name": new}], "tags": [{"key": "team", "value": "payments"}],
        "aliases": [{"alias": "champion", "version": "1"}]}
    assert tracking.get("registered-models/get", name=old).status_code == 404


def test_a_model_is_not_renamed_over_another(tracking: Tracking) -> None:
    one, other = tracking.add_model(), tracking.add_model()
    status, code, message = refusal(tracking.post("registered-models/rename", name=one, new_name=other))
    # MLflow goes on with the database's own words.
    assert (status, code) == (400, "RESOURCE_ALREADY_EXISTS")
    assert message.startswith(f"Registered Model (name={other}) already exists.")


def test_a_deleted_model_is_gone_with_its_versions(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    assert tracking.delete("registered-models/delete", name=name).json() == {}
    assert tracking.get("registered-models/get", name=name).status_code == 404
    assert tracking.get("model-versions/search", filter=f"name='{name}'").json() == {}


def test_a_version_shows_empty_texts_but_no_empty_lists(tracking: Tracking) -> None:
    name = tracking.add_model()
    created = tracking.post("model-versions/create", name=name, source="s3://models/fraud").json()["model_version"]
    assert untimed(created) == {**VERSION, "name": name}
    assert version(tracking, name) == created


def test_a_version_shows_what_it_was_given(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name, run_id="abc", run_link="https://runs.example/abc", description="retrained",
                         tags=[{"key": "validation_status", "value": "approved"}])
    assert untimed(version(tracking, name)) == {
        **VERSION, "name": name, "run_id": "abc", "run_link": "https://runs.example/abc", "description": "retrained",
        "tags": [{"key": "validation_status", "value": "approved"}]}


def test_the_number_of_a_deleted_version_is_not_given_again(tracking: Tracking) -> None:
    name = tracking.add_model()
    assert [tracking.add_version(name), tracking.add_version(name)] == ["1", "2"]
    assert tracking.delete("model-versions/delete", name=name, version="2").json() == {}
    assert tracking.add_version(name) == "3"


@pytest.mark.parametrize(("number", "expected"), [
    ("99", absent("Model Version (name={}, version=99) not found")),
    ("-1", absent("Model Version (name={}, version=-1) not found")),
    ("abc", invalid("Parameter 'version' must be an integer, got 'abc'.")),
    ("1.0", invalid("Parameter 'version' must be an integer, got '1.0'.")), ("", invalid(MISSING.format("version")))])
def test_an_unknown_version_is_not_found(tracking: Tracking, number: str, expected: tuple[int, str, str]) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    answer = refusal(tracking.get("model-versions/get", name=name, version=number))
    assert answer == (*expected[:2], expected[2].format(name))


def test_a_new_version_dates_its_model(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    assert model(tracking, name)["last_updated_timestamp"] == version(tracking, name)["creation_timestamp"]


def test_an_update_of_a_version_replaces_its_description(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name, description="old")
    answer = tracking.patch("model-versions/update", name=name, version="1", description="new")
    assert answer.json()["model_version"]["description"] == "new"
    tracking.patch("model-versions/update", name=name, version="1").raise_for_status()
    assert "description" not in version(tracking, name)


@pytest.mark.parametrize("source", ["/etc/passwd", "file:///etc/passwd", "runs:/abc/model", "s3://models/../secret",
                                    "mlflow-artifacts:/0/abc/artifacts/model", "s3://bucket-alone"])
def test_a_source_that_reaches_into_the_server_is_refused(tracking: Tracking, source: str) -> None:
    name = tracking.add_model()
    status, code, message = refusal(tracking.post("model-versions/create", name=name, source=source))
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.startswith(f"Invalid model version source: '{source}'.")


def test_a_download_lies_where_the_named_version_lies(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name, source="s3://models/first")
    set_alias(tracking, name, "champion", "1")
    tracking.add_version(name, source=f"models:/{name}/1")
    tracking.add_version(name, source=f"models:/{name}@champion")
    for number in ("1", "2", "3"):
        answer = tracking.get("model-versions/get-download-uri", name=name, version=number)
        assert answer.json() == {"artifact_uri": "s3://models/first"}
    assert version(tracking, name, "2")["source"] == f"models:/{name}/1"


def test_a_source_names_a_version_that_exists(tracking: Tracking) -> None:
    name = tracking.add_model()
    assert refusal(tracking.post("model-versions/create", name=name, source=f"models:/{name}/7")) == absent(
        f"Model Version (name={name}, version=7) not found")


def test_the_latest_version_of_each_stage_is_shown(tracking: Tracking) -> None:
    name = tracking.add_model()
    for _ in range(3):
        tracking.add_version(name)
    moved = tracking.post("model-versions/transition-stage", name=name, version="1", stage="production")
    assert moved.json()["model_version"]["current_stage"] == "Production"

    def latest(**more: Any) -> dict[str, str]:
        body = tracking.post("registered-models/get-latest-versions", name=name, **more).json()
        return {found["version"]: found["current_stage"] for found in body.get("model_versions", [])}

    assert latest() == {"1": "Production", "3": "None"}
    assert latest(stages=["PRODUCTION"]) == {"1": "Production"}
    assert latest(stages=["Staging"]) == {}
    assert {found["version"] for found in model(tracking, name)["latest_versions"]} == {"1", "3"}


def test_a_stage_can_be_cleared_for_a_newcomer(tracking: Tracking) -> None:
    name = tracking.add_model()
    for number in ("1", "2"):
        tracking.add_version(name)
        tracking.post("model-versions/transition-stage", name=name, version=number, stage="Production",
                      archive_existing_versions=True).raise_for_status()
    assert version(tracking, name, "1")["current_stage"] == "Archived"
    assert refusal(tracking.post("model-versions/transition-stage", name=name, version="1", stage="live")) == invalid(
        "Invalid Model Version stage: live. Value must be one of None, Staging, Production, Archived.")


def test_an_alias_names_one_version_and_moves_when_set_again(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    tracking.add_version(name)
    for number in ("1", "2"):
        set_alias(tracking, name, "champion", number)
        found = tracking.get("registered-models/alias", name=name, alias="champion").json()["model_version"]
        assert untimed(found) == {**VERSION, "name": name, "version": number, "aliases": ["champion"]}
    assert "aliases" not in version(tracking, name, "1")
    assert model(tracking, name)["aliases"] == [{"alias": "champion", "version": "2"}]


def test_a_missing_alias_is_a_bad_request_and_not_missing(tracking: Tracking) -> None:
    name = tracking.add_model()
    assert refusal(tracking.get("registered-models/alias", name=name, alias="champion")) == invalid(
        "Registered model alias champion not found.")


def test_aliases_differ_by_case_and_come_in_order(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    for alias in ("champion", "Champion", "canary"):
        set_alias(tracking, name, alias, "1")
    assert version(tracking, name)["aliases"] == ["Champion", "canary", "champion"]


def test_moving_an_alias_leaves_no_trace(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    before = model(tracking, name)
    set_alias(tracking, name, "champion", "1")
    assert model(tracking, name) == {**before, "aliases": [{"alias": "champion", "version": "1"}]}


@pytest.mark.parametrize(("body", "expected"), [
    ({"version": 1}, invalid("Invalid value 1 for parameter 'version' supplied:  Hint: Value was of type 'int'. "
                             "See the API docs for more information about request parameters.")),
    ({"version": "one"}, invalid("Parameter 'version' must be an integer, got 'one'.")),
    ({"version": "9"}, absent("Model Version (name={}, version=9) not found")),
    ({"version": ""}, invalid(MISSING.format("version"))), ({"alias": ""}, invalid(MISSING.format("alias"))),
    ({"alias": "Latest"}, invalid("'latest' alias name (case insensitive) is reserved.")),
    ({"alias": "v12"}, invalid("Version alias name 'v12' is reserved.")),
    ({"alias": "V3"}, invalid("Version alias name 'V3' is reserved.")),
    ({"alias": "a b"}, invalid("Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and "
                               "dashes (-).")),
    ({"alias": "a" * 256}, invalid("'Registered model alias name' exceeds the maximum length of 255 characters"))])
def test_an_alias_that_cannot_be_is_refused(tracking: Tracking, body: Mapping[str, Any],
                                            expected: tuple[int, str, str]) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    answer = tracking.post("registered-models/alias", **{"name": name, "alias": "champion", "version": "1", **body})
    assert refusal(answer) == (*expected[:2], expected[2].format(name))
    assert "aliases" not in model(tracking, name)


def test_an_alias_is_deleted_by_a_body_and_a_missing_one_is_no_error(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    set_alias(tracking, name, "champion", "1")
    by_url = tracking.http.delete(f"{API}/registered-models/alias", params={"name": name, "alias": "champion"})
    assert refusal(by_url) == invalid(MISSING.format("name"))
    for _ in range(2):
        answer = tracking.delete("registered-models/alias", name=name, alias="champion")
        assert (answer.status_code, answer.json()) == (200, {})
    assert "aliases" not in model(tracking, name)


def test_a_deleted_version_takes_its_aliases_along(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    set_alias(tracking, name, "champion", "1")
    tracking.delete("model-versions/delete", name=name, version="1").raise_for_status()
    assert refusal(tracking.get("registered-models/alias", name=name, alias="champion")) == invalid(
        "Registered model alias champion not found.")


def test_a_tag_is_set_again_and_deleted_twice(tracking: Tracking) -> None:
    name = tracking.add_model()
    tracking.add_version(name)
    for value in ("pending", "approved"):
        assert tracking.post("registered-models/set-tag", name=name, key="review", value=value).json() == {}
        assert tracking.post("model-versions/set-tag", name=name, version="1", key="review", value=value).json() == {}
    assert model(tracking, name)["tags"] == [{"key": "review", "value": "approved"}]
    assert version(tracking, name)["tags"] == [{"key": "review", "value": "approved"}]
    for _ in range(2):
        assert tracking.delete("registered-models/delete-tag", name=name, key="review").json() == {}
        assert tracking.delete("model-versions/delete-tag", name=name, version="1", key="review").json() == {}
    assert "tags" not in model(tracking, name)
    assert "tags" not in version(tracking, name)


@pytest.mark.parametrize(("body", "message"), [
    ({"value": "v"}, MISSING.format("key")),
    ({"key": "k", "value": 5}, "Invalid value 5 for parameter 'value' supplied:  Hint: Value was of type 'int'. "
                               "See the API docs for more information about request parameters."),
    ({"key": "k" * 251, "value": "v"}, "'key' exceeds the maximum length of 250 characters"),
    ({"key": "k", "value": "v" * 100_001}, "'value' exceeds the maximum length of 100000 characters"),
    ({"key": "k*", "value": "v"}, "Invalid value \"k*\" for parameter 'key' supplied: Names may only contain "
     "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."),
    ({"key": "../k", "value": "v"}, "Invalid value \"../k\" for parameter 'key' supplied: Names may be treated as "
     "files in certain cases, and must not resolve to other names when treated as such. "
     "This name would resolve to '../k'")])
def test_a_tag_that_cannot_be_is_refused(tracking: Tracking, body: Mapping[str, Any], message: str) -> None:
    name = tracking.add_model()
    assert refusal(tracking.post("registered-models/set-tag", name=name, **body)) == invalid(message)


def test_a_tag_of_an_unknown_version_is_refused(tracking: Tracking) -> None:
    name = tracking.add_model()
    expected = absent(f"Model Version (name={name}, version=4) not found")
    assert refusal(tracking.post("model-versions/set-tag", name=name, version="4", key="k", value="v")) == expected
    assert refusal(tracking.delete("model-versions/delete-tag", name=name, version="4", key="k")) == expected


def test_a_run_shows_the_last_value_of_each_metric(tracking: Tracking) -> None:
    run_id = tracking.add_run(Run(
        "5f3c", "nightly", started_ms=1_795_000_000_000, ended_ms=1_795_000_009_000, params={"depth": "6"},
        tags={"git": "abc"}, metrics=(Metric("auc", 0.93, 1_795_000_002_000, 1),
                                      Metric("auc", 0.91, 1_795_000_001_000, 0),
                                      Metric("loss", float("nan"), 1_795_000_002_000, 1))))
    run = tracking.get("runs/get", run_id=run_id).json()["run"]
    shown = {"run_id": run_id, "run_uuid": run_id, "run_name": "nightly", "status": "FINISHED", "experiment_id": "0",
             "start_time": 1_795_000_000_000, "end_time": 1_795_000_009_000, "lifecycle_stage": "active", "user_id": "",
             "artifact_uri": f"mlflow-artifacts:/0/{run_id}/artifacts"}
    assert run["info"] == shown
    assert run["data"]["metrics"] == [
        {"key": "auc", "value": 0.93, "timestamp": 1_795_000_002_000, "step": 1},
        {"key": "loss", "value": "NaN", "timestamp": 1_795_000_002_000, "step": 1}]
    assert run["data"]["params"] == [{"key": "depth", "value": "6"}]
    assert pairs(run["data"]["tags"])["git"] == "abc"
    history = tracking.get("metrics/get-history", run_id=run_id, metric_key="auc").json()["metrics"]
    assert [(metric["step"], metric["value"]) for metric in history] == [(0, 0.91), (1, 0.93)]


def test_a_run_tells_which_data_sets_it_read(tracking: Tracking) -> None:
    source = '{"uri": "s3://warehouse/transactions"}'
    run_id = tracking.add_run(Run("9c2e", "nightly", started_ms=1_795_000_000_000, inputs=(
        DataInput("transactions", "snap-2026-11-02", "s3", source, "training"),
        DataInput("holdout", "7f00aa11", "local", '{"uri": "data/holdout.csv"}'))))
    assert tracking.get("runs/get", run_id=run_id).json()["run"]["inputs"] == {"dataset_inputs": [
        {"tags": [{"key": "mlflow.data.context", "value": "training"}],
         "dataset": {"name": "transactions", "digest": "snap-2026-11-02", "source_type": "s3", "source": source}},
        {"dataset": {"name": "holdout", "digest": "7f00aa11", "source_type": "local",
                     "source": '{"uri": "data/holdout.csv"}'}}]}


def test_a_run_without_data_sets_has_no_inputs(tracking: Tracking) -> None:
    run_id = tracking.add_run(Run("1d07", "nightly", started_ms=1_795_000_000_000))
    assert tracking.get("runs/get", run_id=run_id).json()["run"]["inputs"] == {}


def test_a_run_that_goes_on_has_no_end(tracking: Tracking) -> None:
    run_id = tracking.add_run(Run("7a11", "training", started_ms=1_795_000_000_000, status="RUNNING"))
    info = tracking.get("runs/get", run_id=run_id).json()["run"]["info"]
    assert info["status"] == "RUNNING"
    assert "end_time" not in info


def test_an_unknown_run_is_not_found(tracking: Tracking) -> None:
    assert refusal(tracking.get("runs/get", run_id="nobody")) == absent("Run with id=nobody not found")
    assert refusal(tracking.get("runs/get")) == invalid(MISSING.format("run_id"))
    assert tracking.get("metrics/get-history", run_id="nobody", metric_key="auc").json() == {}
