"""MLflow's searches: every expectation here holds for the lab and for a real server."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from tests.real.tracking import Tracking

MODELS: Mapping[str, Mapping[str, str]] = {
    "alpha": {"team": "x"}, "beta": {"team": "y", "mlflow.prompt.is_prompt": "false"}, "Gamma": {"team": "X"},
    "delta_1": {"tier.of": "gold"}, "delta%2": {}}
VERSIONS = {"alpha": ("s3://models/one", "s3://models/two", "gs://other/three"), "beta": ("s3://models/one",)}
ONLY_NUMBERED = ["alpha/1", "alpha/2", "alpha/3", "beta/1"]


@pytest.fixture(scope="module")
def prefix(tracking: Tracking) -> str:
    """Of the names of the models above, which share a server with those of other tests."""
    prefix = tracking.add_model()
    for name, tags in MODELS.items():
        fields = [{"key": key, "value": value} for key, value in tags.items()]
        tracking.post("registered-models/create", name=prefix + name, tags=fields).raise_for_status()
    for name, sources in VERSIONS.items():
        for number, source in enumerate(sources, 1):
            tracking.add_version(prefix + name, source, run_id=f"run-{number}",
                                 tags=[{"key": "validation_status", "value": "approved" if number > 1 else "rejected"}])
    tracking.post("registered-models/alias", name=f"{prefix}alpha", alias="champion", version="2").raise_for_status()
    return prefix


def models(tracking: Tracking, prefix: str, condition: str = "", **parameters: Any) -> list[str]:
    filters = f"{condition.replace('~', prefix)} AND name LIKE '{prefix}_%'".removeprefix(" AND ")
    body = tracking.get("registered-models/search", filter=filters, **parameters).raise_for_status().json()
    return [model["name"].removeprefix(prefix) for model in body.get("registered_models", [])]


def versions(tracking: Tracking, prefix: str, condition: str = "", **parameters: Any) -> list[str]:
    filters = f"{condition.replace('~', prefix)} AND name LIKE '{prefix}_%'".removeprefix(" AND ")
    body = tracking.get("model-versions/search", filter=filters, **parameters).raise_for_status().json()
    return [f"{found['name'].removeprefix(prefix)}/{found['version']}" for found in body.get("model_versions", [])]


@pytest.mark.parametrize(("condition", "found"), [
    ("", ["Gamma", "alpha", "beta", "delta%2", "delta_1"]), ("name = '~alpha'", ["alpha"]),
    ('name="~alpha"', ["alpha"]), ("attribute.name = '~alpha'", ["alpha"]),
    ("name != '~alpha'", ["Gamma", "beta", "delta%2", "delta_1"]),
    ("name LIKE '~delta_%'", ["delta%2", "delta_1"]), ("name like '~g%'", []), ("name ILIKE '~g%'", ["Gamma"]),
    ("name IN ('~alpha', \"~beta\", 'other')", ["alpha", "beta"]), ("tags.team = 'y'", ["beta"]),
    ("tag.team = 'y'", ["beta"]), ("tags.`team` = 'y'", ["beta"]), ('tags."team" = \'y\'', ["beta"]),
    ("tags.tier.of = 'gold'", ["delta_1"]), ("tags.team != 'y'", ["Gamma", "alpha"]), ("tags.team LIKE 'X'", ["Gamma"]),
    ("tags.team ILIKE 'X'", ["Gamma", "alpha"]), ("tags.team = 'x' AND name != '~alpha'", []),
    ("tags.team = 'y' and tags.`mlflow.prompt.is_prompt` = 'false'", ["beta"]),
    ("tags.`mlflow.prompt.is_prompt` != 'true'", ["Gamma", "alpha", "beta", "delta%2", "delta_1"])])
def test_models_are_found_by_name_and_tags(tracking: Tracking, prefix: str, condition: str, found: list[str]) -> None:
    assert models(tracking, prefix, condition) == found


@pytest.mark.parametrize(("condition", "found"), [
    ("", ONLY_NUMBERED), ("name = '~beta'", ["beta/1"]), ("version_number = 2", ["alpha/2"]),
    ("version_number = '2'", ["alpha/2"]), ("version_number != 1", ["alpha/2", "alpha/3"]),
    ("version_number > 1", ["alpha/2", "alpha/3"]), ("version_number >= 3", ["alpha/3"]),
    ("version_number < 2", ["alpha/1", "beta/1"]), ("version_number <= 1 and name='~beta'", ["beta/1"]),
    ("run_id = 'run-3'", ["alpha/3"]), ("run_id IN ('run-2', 'run-3')", ["alpha/2", "alpha/3"]),
    ("source_path = 's3://models/one'", ["alpha/1", "beta/1"]), ("source_path LIKE 'gs%'", ["alpha/3"]),
    ("tags.validation_status = 'approved'", ["alpha/2", "alpha/3"]),
    ("tag.validation_status != 'approved'", ["alpha/1", "beta/1"]), ("name = 'nobody'", [])])
def test_versions_are_found_by_name_number_run_source_and_tags(tracking: Tracking, prefix: str, condition: str,
                                                               found: list[str]) -> None:
    assert sorted(versions(tracking, prefix, condition)) == found


@pytest.mark.parametrize(("order", "found"), [
    (["name DESC"], ["delta_1", "delta%2", "beta", "alpha", "Gamma"]),
    (["name"], ["Gamma", "alpha", "beta", "delta%2", "delta_1"])])
def test_models_come_in_the_order_asked_for(tracking: Tracking, prefix: str, order: list[str],
                                            found: list[str]) -> None:
    assert models(tracking, prefix, order_by=order) == found


def test_the_newest_model_comes_first_when_asked_for(tracking: Tracking, prefix: str) -> None:
    tracking.patch("registered-models/update", name=f"{prefix}delta_1", description="touched").raise_for_status()
    assert models(tracking, prefix, order_by=["last_updated_timestamp DESC", "name"])[0] == "delta_1"
    assert models(tracking, prefix, order_by=["timestamp ASC"])[-1] == "delta_1"


@pytest.mark.parametrize(("order", "found"), [
    (["version_number DESC"], ["alpha/3", "alpha/2", "alpha/1", "beta/1"]),
    (["version_number ASC"], ["alpha/1", "beta/1", "alpha/2", "alpha/3"]),
    (["name desc"], ["beta/1", "alpha/3", "alpha/2", "alpha/1"]),
    (["name", "version_number"], ONLY_NUMBERED),
    (["creation_timestamp"], ONLY_NUMBERED), ([], ["beta/1", "alpha/3", "alpha/2", "alpha/1"])])
def test_versions_come_in_the_order_asked_for_or_the_newest_first(tracking: Tracking, prefix: str, order: list[str],
                                                                  found: list[str]) -> None:
    assert versions(tracking, prefix, order_by=order) == found


def test_pages_follow_each_other_by_an_offset_in_the_token(tracking: Tracking, prefix: str) -> None:
    parameters = {"filter": f"name LIKE '{prefix}_%'", "max_results": 2}
    first = tracking.get("registered-models/search", **parameters).json()
    assert base64.b64decode(first["next_page_token"]) == b'{"offset": 2}'
    seen = [model["name"] for model in first["registered_models"]]
    token = first["next_page_token"]
    while token:
        body = tracking.get("registered-models/search", **parameters, page_token=token).json()
        seen += [model["name"] for model in body["registered_models"]]
        token = body.get("next_page_token")
    assert [name.removeprefix(prefix) for name in seen] == ["Gamma", "alpha", "beta", "delta%2", "delta_1"]


def test_pages_of_versions_end_without_a_token(tracking: Tracking, prefix: str) -> None:
    parameters = {"filter": f"name = '{prefix}alpha'", "max_results": 2, "order_by": "version_number"}
    first = tracking.get("model-versions/search", **parameters).json()
    second = tracking.get("model-versions/search", **parameters, page_token=first["next_page_token"]).json()
    assert [found["version"] for found in first["model_versions"] + second["model_versions"]] == ["1", "2", "3"]
    assert "next_page_token" not in second


def test_what_a_search_finds_has_the_aliases_of_models_but_not_of_versions(tracking: Tracking, prefix: str) -> None:
    filters = f"name = '{prefix}alpha'"
    [model] = tracking.get("registered-models/search", filter=filters).json()["registered_models"]
    assert model["aliases"] == [{"alias": "champion", "version": "2"}]
    found = tracking.get("model-versions/search", filter=filters).json()["model_versions"]
    assert all("aliases" not in version for version in [*found, *model["latest_versions"]])


def test_a_search_that_finds_nothing_is_an_empty_object(tracking: Tracking) -> None:
    assert tracking.get("registered-models/search", filter="name = 'nobody'").json() == {}
    assert tracking.get("model-versions/search", filter="name = 'nobody'").json() == {}


@pytest.mark.parametrize(("path", "most"), [("registered-models/search", 1_000), ("model-versions/search", 200_000)])
def test_a_page_is_not_larger_than_it_may_be(tracking: Tracking, path: str, most: int) -> None:
    assert tracking.get(path, max_results=most).status_code == 200
    answer = tracking.get(path, max_results=most + 1)
    assert (answer.status_code, answer.json()["message"]) == (
        400, f"Invalid value \"{most + 1}\" for parameter 'max_results' supplied:  Hint: Value was of type 'str'. "
             "See the API docs for more information about request parameters.")


UNQUOTED = ("Parameter value is either not quoted or unidentified quote types used for string value alpha. Use either "
            "single or double quotes.")
LISTS = "Only ['name', 'run_id'] attributes support comparison with a list of quoted string values."
EMPTY_LIST = "While parsing a list in the query, expected a non-empty list of string values, but got empty list"


@pytest.mark.parametrize(("path", "parameters", "message"), [
    ("registered-models", {"filter": "name = alpha"}, UNQUOTED),
    ("registered-models", {"filter": "name > 'a'"}, "Invalid comparator for attribute: >"),
    ("registered-models", {"filter": "tags.team > 'a'"}, "Invalid comparator for tag: >"),
    ("registered-models", {"filter": "tags.team = 5"},
     "Expected a quoted string value for tag (e.g. 'my-value'). Got value 5"),
    ("registered-models", {"filter": "name = 'a' OR name = 'b'"}, "Invalid clause(s) in filter string: OR"),
    ("registered-models", {"filter": "garbage"}, "Invalid clause(s) in filter string: garbage"),
    ("registered-models", {"filter": "   "}, "Invalid filter '   '. Could not be parsed."),
    ("registered-models", {"filter": "description = 'x'"},
     "Invalid attribute key 'description' specified. Valid keys are '{'name'}'"),
    ("registered-models", {"filter": "aliases.x = '1'"},
     "Invalid entity type 'aliases'. Valid entity types are ('attribute', 'tag', 'tags')"),
    ("registered-models", {"filter": "name IN ()"}, EMPTY_LIST),
    ("registered-models", {"order_by": "name DOWN"}, "Invalid ordering key in order_by clause 'name DOWN'."),
    ("registered-models", {"order_by": ""}, "Invalid order_by clause ''. Could not be parsed."),
    ("registered-models", {"page_token": "x"}, "Invalid page token, could not base64-decode"),
    ("registered-models", {"page_token": "aGVsbG8="}, "Invalid page token, decoded value=b'hello'"),
    ("registered-models", {"page_token": "eyJ4IjogMX0="}, "Invalid page token, parsed value={'x': 1}"),
    ("model-versions", {"filter": "version_number LIKE '2'"}, "Invalid comparator for attribute version_number: LIKE"),
    ("model-versions", {"filter": "version_number = 'x'"},
     "Invalid value for numeric attribute 'version_number': 'x'"),
    ("model-versions", {"filter": "version_number IN (1, 2)"}, LISTS),
    ("model-versions", {"filter": "source_path IN ('a')"}, LISTS),
    ("model-versions", {"max_results": 0},
     "Invalid value for max_results. It must be a positive integer, but got 0")])
def test_a_search_that_is_not_understood_says_so(tracking: Tracking, path: str, parameters: dict[str, Any],
                                                 message: str) -> None:
    answer = tracking.get(f"{path}/search", **parameters)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert answer.json()["message"] == message


@pytest.mark.parametrize(("path", "parameters"), [
    # In these MLflow names its keys in no order, or speaks of tokens.
    ("registered-models", {"filter": "version = '1'"}), ("registered-models", {"filter": "alias = 'champion'"}),
    ("registered-models", {"filter": "name = 5"}), ("registered-models", {"filter": "name = 'a"}),
    ("registered-models", {"order_by": "creation_timestamp"}), ("model-versions", {"filter": "alias = 'champion'"}),
    ("model-versions", {"filter": "current_stage = 'Production'"}), ("model-versions", {"filter": "name = 5"}),
    ("model-versions", {"order_by": "run_id"}), ("model-versions", {"order_by": "name DESC now"})])
def test_what_cannot_be_searched_for_is_refused(tracking: Tracking, path: str, parameters: dict[str, str]) -> None:
    answer = tracking.get(f"{path}/search", **parameters)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
