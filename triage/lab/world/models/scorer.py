"""What every scorer with a metrics page of its own exports: requests by status, durations, inputs, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triage.lab.world.behaviour import Run
from triage.lab.world.curves import Curve
from triage.lab.world.draws import Source
from triage.lab.world.exported_inputs import InputSeries
from triage.lab.world.grid import Floats
from triage.lab.world.inputs import Inputs
from triage.lab.world.rows import Sheet, counter, gauge, histogram


@dataclass(frozen=True, slots=True)
class Exported:
    """How a scorer names and buckets what it exports."""

    prefix: str
    """Of its metrics, and of its streams of chance."""
    requests: str
    """Help text of its requests."""
    scores: str
    """Help text of its scores."""
    bounds: Sequence[float]
    """Of its durations, seconds."""
    duration: Curve
    """Seconds on a good day."""
    edges: Sequence[float]
    """Of its scores."""
    score: Curve
    """Scores on a good day."""


class ScorerSeries:
    """The series of one version."""

    def __init__(self, exported: Exported, own: Mapping[str, str], version: str, inputs: Inputs) -> None:
        """``own``: the labels of the version's target."""
        self._exported = exported
        self._inputs = inputs
        self._version = version
        prefix = exported.prefix
        self.requests = counter(f"{prefix}_requests_total", exported.requests, own,
                                [{"code": code} for code in ("200", "422", "500", "503")])
        self.duration = histogram(f"{prefix}_request_duration_seconds", "Time to answer.", own, exported.bounds)
        self.inputs = InputSeries(prefix, own, inputs, version)
        self.score = histogram(f"{prefix}_score", exported.scores, own, exported.edges)
        self.build = gauge("model_build_info", "1 while this version serves.", own)

    def show(self, sheet: Sheet, run: Run, source: Source, outcomes: Floats,
             durations: Floats) -> tuple[Floats, Floats]:
        """Fill them, and say how many requests were answered, (T,), and how their scores are spread, (K,) or (T, K).

        ``outcomes``: shares of 200, 4xx, 500 and 503; ``durations``: factor on those of a good day.
        """
        name = f"{self._exported.prefix}/{run.version}"
        codes = source.split(f"{name}/codes", run.requests, outcomes)
        sheet.count(self.requests, codes)
        spent = self._exported.duration.shares(self.duration.bounds, durations)
        sheet.observe(self.duration, source.split(f"{name}/duration", run.requests, spent))
        self.inputs.show(sheet, run.requests, source)
        answered = codes[:, 0]
        factor = self._inputs.score_factor(run.window.times, self._version)
        scores = self._exported.score.shares(self.score.bounds, factor)
        poisoned = source.events(f"{name}/nan", answered * run.nan / 2) if run.nan.any() else None
        sheet.observe(self.score, source.split(f"{name}/score", answered, scores), poisoned=poisoned)
        sheet.level(self.build, 1.0)
        return answered, scores
