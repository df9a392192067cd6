"""How a manifest names what its pods use and how they work: series that are not the usual ones, queue, batches."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from triage.notebook.slis import AverageSli, HistogramSli, Measured, SelectorText, Strict

PodSeries = Literal["cpu_seconds", "cpu_periods", "cpu_throttled_periods", "memory_bytes", "limits", "requests",
                    "restarts", "last_end", "waiting", "gpu_percent", "gpu_memory_used", "gpu_memory_free"]
"""What a series about pods tells; the names that exporters give them are those of cAdvisor, kube-state-metrics and
NVIDIA's DCGM exporter."""


def _duration(sli: object) -> object:
    if not isinstance(sli, HistogramSli | AverageSli):
        raise ValueError("is no time in the queue\nname a histogram, or average_sum and average_count")
    return sli


QueueTime = Annotated[Measured, AfterValidator(_duration)]


class BatchSize(Strict):
    """How many inferences are computed at once."""

    items: SelectorText | None = Field(None, description="Counter of inferences (vector selector).")
    batches: SelectorText | None = Field(None, description="Counter of the batches they were computed in.")
    gauge: SelectorText | None = Field(None, description="Size of the present batch, where there are no counters.")

    @model_validator(mode="after")
    def _one_way(self) -> BatchSize:
        counted = (self.items is not None, self.batches is not None)
        if counted[0] != counted[1] or counted[0] == (self.gauge is not None):
            raise ValueError("needs items and batches, or a gauge\nfor example items: nv_inference_count, batches: "
                             "nv_inference_exec_count")
        return self
