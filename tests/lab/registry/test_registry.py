"""What the world writes into the registry; what clients do with it is in the contract with MLflow."""

from __future__ import annotations

import pytest

from triage.lab.clock import LabClock
from triage.lab.registry import Metric, Registry, RegistryError, Run

NOW = 1_795_400_000.0


@pytest.fixture
def registry() -> Registry:
    registry = Registry(LabClock(NOW, 0.0, speed=0.0))
    registry.add_model("fraud-scorer", {"team": "payments"}, "card fraud", created_at=NOW - 86_400)
    return registry


def test_a_version_may_have_a_number_and_a_past(registry: Registry) -> None:
    added = registry.add_version("fraud-scorer", "7", "s3://models/fraud/7", "run-7", {"validation_status": "approved"},
                                 created_at=NOW - 3_600)
    assert (added.number, added.created_ms) == (7, 1_795_396_400_000)
    assert registry.add_version("fraud-scorer", source="s3://models/fraud/8").number == 8
    assert registry.model("fraud-scorer").updated_ms == 1_795_400_000_000


def test_a_version_from_the_past_does_not_make_its_model_older(registry: Registry) -> None:
    registry.add_version("fraud-scorer", "8", "s3://models/fraud/8", created_at=NOW)
    registry.add_version("fraud-scorer", "7", "s3://models/fraud/7", created_at=NOW - 3_600)
    model = registry.model("fraud-scorer")
    assert model.updated_ms == 1_795_400_000_000
    assert [version.number for version in model.latest()] == [8]


def test_a_number_is_given_once(registry: Registry) -> None:
    registry.add_version("fraud-scorer", "7", "s3://models/fraud/7")
    with pytest.raises(RegistryError, match="version=7") as caught:
        registry.add_version("fraud-scorer", "7", "s3://models/fraud/7")
    assert caught.value.code == "RESOURCE_ALREADY_EXISTS"


def test_an_alias_that_is_not_there_names_nothing(registry: Registry) -> None:
    assert registry.alias("fraud-scorer", "champion") is None
    registry.add_version("fraud-scorer", "7", "s3://models/fraud/7")
    registry.set_alias("fraud-scorer", "champion", "7")
    assert registry.alias("fraud-scorer", "champion") == "7"


def test_what_was_handed_out_does_not_change(registry: Registry) -> None:
    before = registry.model("fraud-scorer")
    registry.add_version("fraud-scorer", "7", "s3://models/fraud/7")
    registry.set_tag("fraud-scorer", "team", "risk")
    registry.set_alias("fraud-scorer", "champion", "7")
    assert (before.tags, before.aliases, before.versions) == ({"team": "payments"}, {}, {})


def test_the_last_value_of_a_metric_is_that_of_the_highest_step() -> None:
    run = Run("r", "nightly", 0, metrics=(Metric("auc", 0.9, 50, 2), Metric("auc", 0.8, 60, 1), Metric("loss", 0.1, 1)))
    assert [(metric.key, metric.value) for metric in run.latest_metrics()] == [("auc", 0.9), ("loss", 0.1)]
