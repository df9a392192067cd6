"""The linter's rules about labels, scores, subgroups and features: what would be shown as unknown for ever."""

from __future__ import annotations

import math
from collections.abc import Iterator

from triage.errors import Finding
from triage.notebook.load import Notebook
from triage.notebook.quality import DriftFeature
from triage.strict_yaml import PathKey


def drift_features(notebook: Notebook) -> Iterator[tuple[PathKey, DriftFeature]]:
    """Every watched feature and where it stands."""
    drift = notebook.manifest.spec.drift
    if drift is not None:
        yield from ((("spec", "drift", "features", index), feature) for index, feature in enumerate(drift.features))
        if drift.prediction is not None:
            yield ("spec", "drift", "prediction"), drift.prediction


def threshold(notebook: Notebook) -> Iterator[Finding]:
    """Whether quality can be estimated from the scores, where the manifest gives what that needs."""
    spec = notebook.manifest.spec
    quality = spec.quality
    if quality is None or (quality.decision_threshold is None and not quality.calibrated):
        return
    prediction = spec.drift.prediction if spec.drift is not None else None
    wanted = quality.decision_threshold
    if wanted is None:
        yield notebook.document.finding(("spec", "quality", "calibrated"), "says what scores mean, but not where a "
                                        "decision turns", "add decision_threshold, such as 0.5: quality is estimated "
                                        "from the scores with it", "no-decision-threshold", "warning")
    elif prediction is None or prediction.histogram is None:
        yield notebook.document.finding(("spec", "quality", "decision_threshold"), "has no scores to be used on",
                                        "add drift.prediction with the histogram of the scores", "no-scores", "warning")
    elif prediction.reference is not None and prediction.reference.edges and not any(
            math.isclose(edge, wanted) for edge in prediction.reference.edges):
        near = sorted(sorted(prediction.reference.edges, key=lambda edge: abs(edge - wanted))[:2])
        yield notebook.document.finding(
            ("spec", "quality", "decision_threshold"), "is no edge of the scores' histogram, so nobody knows who is on "
            "which side", f"nearest: {' and '.join(f'{edge:g}' for edge in near)}; or add a bucket",
            "threshold-no-bucket", "warning")


def feedback(notebook: Notebook) -> Iterator[Finding]:
    """Whether labels can be matched to predictions."""
    quality = notebook.manifest.spec.quality
    if quality is None:
        return
    path: PathKey = ("spec", "quality", "feedback")
    if quality.feedback.regime == "delayed" and quality.feedback.expected_delay is None:
        yield notebook.document.finding(path, "is delayed, but does not say how long",
                                        "add expected_delay, such as 14d", "no-expected-delay", "warning")
    for name in ("cohort", "cohort_label", "predictions", "sampled"):
        if quality.feedback.labels is None and getattr(quality.feedback, name) is not None:
            yield notebook.document.finding((*path, name), "is about labels that nobody counts",
                                            "add labels, the counter of labels that arrived", "labels-uncounted",
                                            "warning")
    for index, metric in enumerate(quality.metrics):
        if quality.feedback.labels is None and "min_labels" in metric.model_fields_set:
            yield notebook.document.finding(
                ("spec", "quality", "metrics", index, "min_labels"), "asks for labels that nobody counts: the figure "
                "is never judged", "add feedback.labels, the counter of labels that arrived, or drop min_labels",
                "labels-uncounted", "warning")


def subgroups(notebook: Notebook) -> Iterator[Finding]:
    """Whether the fairness asked for can be computed."""
    quality = notebook.manifest.spec.quality
    if quality is None:
        return
    counted = any(metric.outcomes is not None for metric in quality.counted)
    for index, item in enumerate(quality.slices):
        if counted or item.outcomes is not None or "fairness" not in item.model_fields_set:
            continue
        lacking = [name for name in item.fairness if name != "demographic_parity" or item.decisions is None]
        if lacking:
            yield notebook.document.finding(
                ("spec", "quality", "slices", index, "fairness"), f"asks for {', '.join(lacking)}, which no counter "
                "tells", "add outcomes, the counter of labelled decisions by subgroup (for demographic_parity: "
                "decisions)", "fairness-uncounted", "warning")


def references(notebook: Notebook) -> Iterator[Finding]:
    """Whether registered references can be had."""
    registry = notebook.manifest.spec.registry
    if registry is not None and registry.kind != "none":
        return
    for path, feature in drift_features(notebook):
        if feature.reference is not None and feature.reference.registered:
            yield notebook.document.finding((*path, "reference", "registered"), "names a registry, and the manifest "
                                            "has none", "add spec.registry, or give the counts here",
                                            "registered-nowhere", "warning")


def attributions(notebook: Notebook) -> Iterator[Finding]:
    """Whether usual attributions are of features that exist."""
    spec = notebook.manifest.spec
    known = {field.name for field in spec.inputs} | {feature.name for _, feature in drift_features(notebook)}
    if spec.attributions is None or not known:
        return
    for name in spec.attributions.reference:
        if name not in known:
            yield notebook.document.finding(("spec", "attributions", "reference"), f"names no feature: {name}",
                                            f"there are: {', '.join(sorted(known))}", "unknown-feature", "warning")


CHECKS = (threshold, feedback, subgroups, references, attributions)
