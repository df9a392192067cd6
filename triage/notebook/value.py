"""The part of a manifest that says what a model's answers are worth to the business."""

from __future__ import annotations

from pydantic import Field, model_validator

from triage.notebook.names import Name
from triage.notebook.slis import SelectorText, Strict


class Value(Strict):
    """What the answers are worth, beside how good they are: for those who decide, not for verdicts."""

    name: Name = Field(description="What is counted, such as fraud-prevented.")
    counter: SelectorText | None = Field(None, description="Counter of it; what the last day brought is shown, and the "
                                         "same day a week before.")
    gauge: SelectorText | None = Field(None, description="Gauge of it, summed over all series; shown as it is, and as "
                                       "it was a week before.")
    unit: str = Field("", description="Unit, such as EUR.")
    quality: str | None = Field(None, description="Quality metric, proxy or SLO that it is shown against.")

    @model_validator(mode="after")
    def _one_metric(self) -> Value:
        if (self.counter is None) == (self.gauge is None):
            raise ValueError("needs exactly one of counter and gauge")
        return self
