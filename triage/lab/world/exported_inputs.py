"""The series that say what a version is fed: values of numeric inputs, categories, schema violations."""

from __future__ import annotations

import numpy as np

from triage.lab.world.draws import Source
from triage.lab.world.grid import Floats
from triage.lab.world.inputs import Inputs
from triage.lab.world.rows import Labels, Sheet, counter, histogram


class InputSeries:
    """Series of one version. ``prefix`` begins the metrics' names: ``fraud`` gives ``fraud_feature_value``."""

    def __init__(self, prefix: str, labels: Labels, inputs: Inputs, version: str, *, violations: bool = True,
                 value_metric: str | None = None) -> None:
        self._inputs = inputs
        self._version = version
        self._name = f"{prefix}/{version}"
        value = value_metric or f"{prefix}_feature_value"
        self._numeric = [
            (item, histogram(value, "Values of numeric inputs.",
                             labels if value_metric else {**labels, "feature": item.name}, item.edges))
            for item in inputs.numeric]
        self._categorical = [
            (item, counter(f"{prefix}_feature_category_total", "Values of categorical inputs.",
                           {**labels, "feature": item.name}, [{"category": name} for name in item.shares]))
            for item in inputs.categorical]
        self._features = [*(item.name for item in inputs.numeric), *(item.name for item in inputs.categorical)]
        self._violations = counter(f"{prefix}_schema_violations_total", "Inputs that violate the schema.", labels,
                                   [{"feature": feature} for feature in self._features]) if violations else None

    def show(self, sheet: Sheet, requests: Floats, source: Source) -> None:
        """Note what ``requests`` (T,) carried."""
        times = sheet.window.times
        for item, rows in self._numeric:
            shares = self._inputs.shares(item, times, self._version)
            sheet.observe(rows, source.split(f"{self._name}/{item.name}", requests, shares))
        for other, category_rows in self._categorical:
            shares = self._inputs.categories(other, times, self._version)
            sheet.count(category_rows, source.split(f"{self._name}/{other.name}", requests, shares))
        if self._violations is not None:
            sheet.count(self._violations, np.stack([self._invalid(feature, requests, times, source)
                                                    for feature in self._features], axis=1))

    def _invalid(self, feature: str, requests: Floats, times: Floats, source: Source) -> Floats:
        share = self._inputs.invalid(feature, times, self._version)
        if not share.any():
            return np.zeros(len(requests))
        invalid = np.broadcast_to(share, requests.shape)
        return source.split(f"{self._name}/invalid {feature}", requests, np.stack([invalid, 1 - invalid], axis=1))[:, 0]
