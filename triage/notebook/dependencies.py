"""The blocks of a manifest about what a model lives on: its feature store, and what its features are worth to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from triage.notebook.names import LabelName, LabelSet, refuse_twice
from triage.notebook.slis import SelectorText, Strict
from triage.quantities import Duration, Share


class FeatureView(Strict):
    """One view of the feature store that the model reads."""

    name: str = Field(description="Name; value of the label feature_view.")
    max_staleness: Duration = Field(description="Longest time since the end of the last materialised interval.")
    max_missing: Share = Field(0.05, validate_default=False, description="Share of lookups that may find no value.")


class FeatureStore(Strict):
    """The feature store, by the metrics that it exports itself."""

    kind: Literal["feast"] = Field("feast", description="Whose metric names apply: feast reads "
                                   "feast_feature_freshness_seconds, feast_materialization_result_total and "
                                   "feast_online_features_status_total.")
    project: str | None = Field(None, description="Project; value of the label project. Without it any.")
    selector: LabelSet = Field({}, description="Further labels of the store's series.")
    feature_views: list[FeatureView] = Field(min_length=1, description="Views that the model reads.")

    @model_validator(mode="after")
    def _names_unique(self) -> FeatureStore:
        refuse_twice("feature view", (view.name for view in self.feature_views))
        return self


class Dependencies(Strict):
    """What the model needs of others."""

    feature_store: FeatureStore | None = Field(None, description="Feature store.")


class Attributions(Strict):
    """How much each feature moves the scores, where that is exported."""

    gauge: SelectorText | None = Field(None, description="Gauge of the mean absolute attribution by feature, such as "
                                       "of SHAP values.")
    histogram: SelectorText | None = Field(None, description="Histogram of absolute attributions by feature (without "
                                           "_sum); their mean over the drift window is shown.")
    feature_label: LabelName = Field("feature", description="Label with the feature name.")
    method: str = Field("SHAP", description="How they are computed, for the screen.")
    reference: dict[str, float] = Field({}, description="Usual mean absolute attribution by feature, from training.")

    @model_validator(mode="after")
    def _one_source(self) -> Attributions:
        if (self.gauge is None) == (self.histogram is None):
            raise ValueError("needs exactly one of gauge and histogram")
        if any(value < 0 for value in self.reference.values()):
            raise ValueError("has a reference under zero\nabsolute attributions are zero or more")
        return self
