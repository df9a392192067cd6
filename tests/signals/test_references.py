"""What a feature is compared with, and where that comes from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.signals.drifting import buckets
from triage.facts.outcome import Failure, FailureKind
from triage.notebook.quality import Drift, DriftFeature, Reference
from triage.notebook.references import References
from triage.signals.drift import drift_state
from triage.signals.drift_model import Around, Seen, watched
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.references import Registered, reference_of

NOW = 1_800_000_000.0
KEPT = Reference(edges=[1.0], counts=[30.0, 70.0], data="training", at="2026-11-02")
COUNTED = {("amount", False): Seen(buckets([300.0, 700.0], (1.0,)), newest_at=NOW)}
GONE = Failure(FailureKind.FORBIDDEN, "HTTP 403")


def feature(**reference: Any) -> DriftFeature:
    return DriftFeature(name="amount", histogram="h", reference=Reference(**reference))


def registered(**features: Reference) -> Registered:
    return Registered("8", References(apiVersion="triage/v1alpha1", kind="References", features=features))


def test_a_reference_of_the_manifest_says_what_it_was_taken_from() -> None:
    own = feature(edges=[1.0], counts=[1.0, 2.0], data="transactions", at="2026-11-02")
    assert reference_of(own, registered(amount=KEPT), is_prediction=False) == (
        own.reference, "the manifest, from transactions, taken 2026-11-02")


def test_the_registered_one_counts_where_the_manifest_refers_to_it() -> None:
    found, where = reference_of(feature(registered=True), registered(amount=KEPT), is_prediction=False)
    assert found is KEPT
    assert where == "version 8 in the registry, from training, taken 2026-11-02"


def test_the_prediction_has_a_reference_of_its_own() -> None:
    kept = Registered("8", References(apiVersion="triage/v1alpha1", kind="References", prediction=KEPT))
    assert reference_of(feature(registered=True), kept, is_prediction=True)[0] is KEPT
    assert reference_of(feature(registered=True), kept, is_prediction=False)[0] is None


@pytest.mark.parametrize(("known", "why"), [
    (None, "the registry has given none yet"), (GONE, "the registered one cannot be read: forbidden: HTTP 403"),
    (Registered("8", None), "version 8 in the registry keeps none of it"),
    (registered(), "version 8 in the registry keeps none of it"),
    (registered(amount=Reference(categories={"x": 1.0})), "version 8 in the registry keeps none of it")])
def test_what_stands_in_the_manifest_is_used_meanwhile_and_the_reason_is_said(
        known: Registered | Failure | None, why: str) -> None:
    own = feature(registered=True, edges=[1.0], counts=[1.0, 2.0])
    assert reference_of(own, known, is_prediction=False) == (own.reference, f"the manifest; {why}")
    assert reference_of(feature(registered=True), known, is_prediction=False) == (None, why)


def test_a_feature_without_any_reference_is_not_called_fine() -> None:
    promised = Drift(features=[feature(registered=True)])
    [drift] = drift_state(watched(promised), COUNTED, Around(NOW)).features
    assert drift.verdict is DriftVerdict.NOT_COMPARABLE
    assert drift.sentence == "nothing to compare with: the registry has given none yet"


def test_what_is_scored_says_what_it_was_compared_with() -> None:
    promised = Drift(features=[feature(registered=True)])
    made = watched(promised, (), registered(amount=KEPT))
    [drift] = drift_state(made, COUNTED, Around(NOW)).features
    assert drift.reference_from.startswith("version 8 in the registry")
