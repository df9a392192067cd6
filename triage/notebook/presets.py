"""Presets: which series an inference server exports for which indicator, read from ``presets/*.yaml``.

Names, units and labels differ between servers and between releases of one server, so every indicator is an ordered
list of candidates, each with its unit written out. Nothing is guessed from names or values.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from triage import strict_yaml
from triage.notebook.selector import valid_label
from triage.notebook.serving import BatchSize
from triage.notebook.slis import HistogramSli, Measured, SelectorText, Strict


def _label_or_none(text: str) -> str:
    if text and not valid_label(text):
        raise ValueError(f'is not a label name: "{text}"\nletters, digits and _, or empty for none')
    return text


LabelOrNone = Annotated[str, AfterValidator(_label_or_none)]


class Labelled(Strict):
    """What tells the series of one model and version apart; empty fields fall back to the preset's."""

    model_label: LabelOrNone | None = Field(
        None, description='Label with the model, where it is not the preset\'s; "" when these series carry none, so '
        "that the labels of the manifest's selector must tell servers apart.")
    model_value: str = Field("{name}", description="Value of the model label; {name} stands for metadata.name.")
    version_label: LabelOrNone | None = Field(None, description="Label with the version, where it is not the preset's.")


class PresetCandidate(Labelled):
    """One spelling of an indicator."""

    sli: Measured = Field(description="What is measured; units are written out.")
    buckets: list[float] = Field([], description="Upper bounds of the histogram, in its unit, where the server fixes "
                                 "them.")

    @model_validator(mode="after")
    def _buckets_belong(self) -> PresetCandidate:
        if self.buckets and not isinstance(self.sli, HistogramSli):
            raise ValueError("has buckets, but no histogram")
        if self.buckets != sorted(set(self.buckets)):
            raise ValueError("has buckets that do not ascend")
        return self


class PresetRequests(Labelled):
    """One spelling of the counter of requests."""

    selector: SelectorText = Field(description="Counter (vector selector).")
    plus: SelectorText | None = Field(None, description="Counter to be added, for servers that only count successes "
                                      "and failures.")


class PresetBatch(Labelled):
    """One spelling of the size of batches."""

    size: BatchSize = Field(description="Counters or gauge.")


class Indicator(Strict):
    """Something worth watching, in every spelling known."""

    title: str = Field(description="Words for the screen.")
    source: str = Field(description="Documentation or source file the names were taken from.")
    show: bool = Field(False, description="Shown even when no SLO names it.")
    candidates: list[PresetCandidate] = Field(min_length=1, description="In order; the first that has data counts.")

    @model_validator(mode="after")
    def _one_kind(self) -> Indicator:
        # A threshold means different things for a histogram and an average; they never stand in for each other.
        if len({type(c.sli) for c in self.candidates}) != 1:
            raise ValueError("has candidates of different kinds\nmake them two indicators")
        return self


class Preset(Strict):
    """One inference server."""

    apiVersion: Literal["triage/v1alpha1"] = Field(description="Version of this format.")
    kind: Literal["Preset"] = Field(description="What the document is.")
    name: str = Field(description="Name used in metrics.preset.")
    title: str = Field(description="Name of the server.")
    source: str = Field(description="Where its names are documented.")
    model_label: LabelOrNone = Field(description='Label with the model; "" when the server sets none.')
    version_label: LabelOrNone = Field(description="Label with the version; a label of the pod where the server sets "
                                       "none.")
    requests: list[PresetRequests] = Field([], description="Counters that traffic shares are read from.")
    batch_size: list[PresetBatch] = Field([], description="How many inferences are computed at once.")
    indicators: dict[str, Indicator] = Field(min_length=1, description="By name.")


@cache
def preset_names() -> tuple[str, ...]:
    """Names of the presets that are there, sorted."""
    folder = resources.files(__package__) / "presets"
    return tuple(sorted(e.name.removesuffix(".yaml") for e in folder.iterdir() if e.name.endswith(".yaml")))


@cache
def preset(name: str) -> Preset:
    """The preset ``name``. Raises KeyError when there is none."""
    if name not in preset_names():
        raise KeyError(name)
    file = f"{name}.yaml"
    text = (resources.files(__package__) / "presets" / file).read_text("utf-8")
    return strict_yaml.validate(strict_yaml.parse(text, f"presets/{file}"), Preset)
