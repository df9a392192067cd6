"""MLflow's own Python client, at the lab and at MLflow: it understands both, and understands them alike."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.real.conftest import installed
from tests.real.servers import ServerMissing
from tests.real.tracking import Tracking
from triage.lab.registry import Metric, Run

Refused = type[Exception]


@contextmanager
def client_classes() -> Iterator[tuple[Callable[..., Any], Refused]]:
    """``MlflowClient`` and the exception that it raises for a refusal."""
    try:
        # Importing it warns of what its own dependencies deprecate.
        with warnings.catch_warnings(action="ignore"):
            from mlflow.exceptions import RestException
            from mlflow.tracking import MlflowClient
    except ModuleNotFoundError as error:
        raise ServerMissing(f"MLflow's client is not installed ({error}; pip install -e '.[dev,real]')") from error
    yield MlflowClient, RestException


@pytest.fixture(scope="session")
def classes() -> Iterator[tuple[Callable[..., Any], Refused]]:
    """See :func:`client_classes`; without telemetry, and without repeating what failed."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    with pytest.MonkeyPatch.context() as patch, installed(client_classes()) as found:
        for name, value in quiet.items():
            patch.setenv(name, value)
        yield found


@pytest.fixture
def client(tracking: Tracking, classes: tuple[Callable[..., Any], Refused]) -> Any:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    return classes[0](tracking_uri=tracking.url, registry_uri=tracking.url)


@pytest.fixture
def refused(classes: tuple[Callable[..., Any], Refused]) -> Refused:
    return classes[1]


@pytest.fixture
def name(client: Any, request: pytest.FixtureRequest) -> str:
    """A registered model with two versions, the second one approved."""
    name = f"{request.node.originalname}-model"
    client.create_registered_model(name, tags={"team": "payments"}, description="card fraud")
    client.create_model_version(name, "s3://models/1", await_creation_for=0)
    client.create_model_version(name, "s3://models/2", run_id="abc", tags={"validation_status": "approved"},
                                description="retrained", await_creation_for=0)
    return name


def test_it_reads_a_registered_model(client: Any, name: str) -> None:
    client.set_registered_model_alias(name, "champion", "1")
    model = client.get_registered_model(name)
    assert (model.description, model.tags, model.aliases) == ("card fraud", {"team": "payments"}, {"champion": "1"})
    assert [version.version for version in model.latest_versions] == ["2"]


def test_it_reads_a_version(client: Any, name: str) -> None:
    version = client.get_model_version(name, "2")
    assert (version.source, version.run_id, version.status, version.description) == (
        "s3://models/2", "abc", "READY", "retrained")
    assert (version.tags, version.aliases) == ({"validation_status": "approved"}, [])
    assert client.get_model_version_download_uri(name, "2") == "s3://models/2"


def test_it_moves_an_alias_and_resolves_it(client: Any, name: str) -> None:
    for number in ("1", "2"):
        client.set_registered_model_alias(name, "champion", number)
        found = client.get_model_version_by_alias(name, "champion")
        assert (found.version, found.aliases) == (number, ["champion"])


def test_it_raises_for_an_alias_that_is_not_there(client: Any, name: str, refused: Refused) -> None:
    client.set_registered_model_alias(name, "champion", "1")
    client.delete_registered_model_alias(name, "champion")
    client.delete_registered_model_alias(name, "champion")
    with pytest.raises(refused, match="Registered model alias champion not found") as caught:
        client.get_model_version_by_alias(name, "champion")
    assert getattr(caught.value, "error_code", "") == "INVALID_PARAMETER_VALUE"


def test_it_sets_and_deletes_tags(client: Any, name: str) -> None:
    client.set_model_version_tag(name, "1", "validation_status", "rejected")
    client.set_registered_model_tag(name, "tier", "gold")
    client.delete_model_version_tag(name, "2", "validation_status")
    client.delete_registered_model_tag(name, "team")
    assert client.get_model_version(name, "1").tags == {"validation_status": "rejected"}
    assert client.get_model_version(name, "2").tags == {}
    assert client.get_registered_model(name).tags == {"tier": "gold"}


def test_it_searches_models_and_versions_page_by_page(client: Any, name: str) -> None:
    assert [model.name for model in client.search_registered_models(f"name = '{name}'")] == [name]
    condition = f"name = '{name}'"
    first = client.search_model_versions(condition, max_results=1, order_by=["version_number DESC"])
    second = client.search_model_versions(condition, max_results=1, order_by=["version_number DESC"],
                                          page_token=first.token)
    assert [version.version for version in [*first, *second]] == ["2", "1"]
    assert not second.token
    approved = client.search_model_versions(f"{condition} AND tags.validation_status = 'approved'")
    assert [version.version for version in approved] == ["2"]


def test_it_updates_renames_and_deletes(client: Any, name: str, refused: Refused) -> None:
    client.update_registered_model(name, "words")
    client.update_model_version(name, "1", "more words")
    client.rename_registered_model(name, f"{name}-renamed")
    assert client.get_registered_model(f"{name}-renamed").description == "words"
    assert client.get_model_version(f"{name}-renamed", "1").description == "more words"
    client.delete_model_version(f"{name}-renamed", "1")
    client.delete_registered_model(f"{name}-renamed")
    with pytest.raises(refused, match="not found"):
        client.get_registered_model(f"{name}-renamed")


def test_it_reads_the_run_behind_a_version(tracking: Tracking, client: Any) -> None:
    run_id = tracking.add_run(Run(
        "c0ffee", "nightly", 1_795_000_000_000, 1_795_000_009_000, params={"depth": "6"}, tags={"git": "abc"},
        metrics=(Metric("auc", 0.91, 1_795_000_001_000, 0), Metric("auc", 0.93, 1_795_000_002_000, 1),
                 Metric("loss", float("nan"), 1_795_000_002_000, 1))))
    run = client.get_run(run_id)
    assert (run.info.run_name, run.info.status, run.data.params) == ("nightly", "FINISHED", {"depth": "6"})
    assert run.data.metrics["auc"] == 0.93
    assert math.isnan(run.data.metrics["loss"])
    assert run.data.tags["git"] == "abc"
    assert [metric.value for metric in client.get_metric_history(run_id, "auc")] == [0.91, 0.93]
