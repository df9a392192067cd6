"""The published JSON Schema agrees with what loads."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.notebook.conftest import WriteNotebook
from tests.notebook.example_data import EXAMPLES
from triage.notebook.load import load_notebook
from triage.notebook.schema import SCHEMA_ID, schema


def errors(content: object) -> list[str]:
    return [e.json_path for e in jsonschema.Draft202012Validator(schema()).iter_errors(content)]


def test_it_is_a_valid_schema_with_a_name() -> None:
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    assert (found["$id"], found["title"]) == (SCHEMA_ID, "triage model notebook")
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("name", ["fraud-scorer", "churn-ranker", "chat-assistant"])
def test_the_examples_are_valid(name: str) -> None:
    assert errors(load_notebook(EXAMPLES / name).document.content) == []


def test_a_small_manifest_is_valid(write_notebook: WriteNotebook) -> None:
    assert errors(load_notebook(write_notebook()).document.content) == []


@pytest.mark.parametrize(("change", "path"), [
    ({"windw": "30d"}, "$.spec.slos[0]"), ({"window": 30}, "$.spec.slos[0].window"),
    ({"window": "month"}, "$.spec.slos[0].window"), ({"objective": 101}, "$.spec.slos[0].objective"),
    ({"sli": {"god": "x"}}, "$.spec.slos[0].sli"),
])
def test_what_does_not_load_is_mostly_invalid_there_too(write_notebook: WriteNotebook, change: dict[str, object],
                                                        path: str) -> None:
    content = load_notebook(write_notebook()).document.content
    content["spec"]["slos"][0].update(change)
    assert errors(content) == [path]


def test_every_field_is_described() -> None:
    found = schema()
    # pydantic leaves the description out beside a $ref to a part that has the same one.
    undescribed = [f"{name}.{field}" for name, part in {**found["$defs"], "Manifest": found}.items()
                   for field, about in part.get("properties", {}).items() if not {"description", "$ref"} & set(about)]
    assert undescribed == []


def test_defaults_are_spelt_as_manifests_spell_them() -> None:
    assert schema()["$defs"]["Slo"]["properties"]["window"]["default"] == "30d"


def test_nothing_of_the_machine_is_in_it() -> None:
    assert str(Path.cwd()) not in json.dumps(schema())
