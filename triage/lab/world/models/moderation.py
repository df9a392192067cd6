"""image-moderation: a classifier on Triton with a GPU in each pod; Triton counts averages, the gateway measures."""

from __future__ import annotations

import numpy as np

from triage.lab.world.behaviour import Run
from triage.lab.world.curves import Curve
from triage.lab.world.draws import Source
from triage.lab.world.effects import Effects
from triage.lab.world.exported_inputs import InputSeries
from triage.lab.world.gpu import GpuSeries
from triage.lab.world.grid import DAY, Floats
from triage.lab.world.inputs import Inputs, Numeric
from triage.lab.world.labels import Feedback, LabelJob, Measure
from triage.lab.world.online import Online, Traits
from triage.lab.world.plan import Plan
from triage.lab.world.rows import Sheet, counter, gauge, histogram

_KINDS = {"photo": 0.71, "drawing": 0.12, "screenshot": 0.17}
_BOUNDS = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0)
_DURATION = Curve.lognormal(0.085, 0.45)
_NUMERIC = (
    Numeric("brightness", (20, 40, 70, 100, 130, 160, 190, 220), (241, 517, 2088, 4120, 5248, 4456, 2345, 766, 219),
            weight=0.25, pull=-2.4),
    Numeric("width_px", (240, 480, 720, 1080, 1440, 2160, 3240), (187, 2013, 3681, 5241, 3493, 3478, 1468, 439),
            weight=0.05, pull=0.0),
)
_SCORE_EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.95)
_SCORE = Curve.counted(_SCORE_EDGES, (12783, 3221, 2493, 721, 330, 88, 130, 168, 66))

_HIDDEN_AS = np.array([0.46, 0.22, 0.12, 0.2])
"""Shares of adult, violence, hate and spam among hidden pictures."""
_FEEDBACK = Feedback(
    delay=2 * DAY, period=DAY, labelled=0.15, counter="moderation_labels_total", subgroups=_KINDS,
    subgroup_label="image_kind", outcomes="moderation_labelled_total", positive=0.02, recall=0.88, false_alarms=0.0018,
    measures=(Measure("moderation_recall", "Share of pictures that break the rules that were hidden.", 0.88, -0.9,
                      0.006, by_subgroup=True),
              Measure("moderation_precision", "Share of hidden pictures that break the rules.", 0.92, -0.6, 0.006,
                      by_subgroup=True)))
_MICROSECONDS = 1e6


def _own(version: str) -> dict[str, str]:
    return {"model": "image-moderation", "version": version, "deployment": "image-moderation", "namespace": "vision"}


class _Version:
    """The series of one version: Triton's, the gateway's and the application's."""

    def __init__(self, version: str, inputs: Inputs) -> None:
        own = {**_own(version), "job": "image-moderation", "instance": f"image-moderation-{version}:8002"}

        reasons = [{"reason": reason} for reason in ("CANCELED", "BACKEND", "REJECTED", "OTHER")]
        self.answered = counter("nv_inference_request_success", "Requests answered.", own)
        self.unanswered = counter("nv_inference_request_failure", "Requests that failed.", own, reasons)
        self.inferences = counter("nv_inference_count", "Inferences; a batch of n counts n.", own)
        self.executions = counter("nv_inference_exec_count", "Batches run.", own)
        self.spent = [counter(f"nv_inference_{part}_duration_us", f"Summed time: {part}.", own) for part in
                      ("request", "queue", "compute_input", "compute_infer", "compute_output")]
        self.pending = gauge("nv_inference_pending_request_count", "Requests in the queue.", own)
        self.duration = histogram("moderation_request_duration_seconds", "Time to answer, seen by the gateway.", own,
                                  _BOUNDS)
        self.inputs = InputSeries("moderation", own, inputs, version)
        self.classes = counter("moderation_predictions_total", "Decisions by class.", own,
                               [{"class": name} for name in ("allowed", "adult", "violence", "hate", "spam")])
        self.score = histogram("moderation_confidence", "Scores of the worst class.", own, _SCORE_EDGES)
        self.invalid = counter("moderation_invalid_scores_total", "Scores that are no number between 0 and 1.", own,
                               [{"reason": reason} for reason in ("nan", "range")])
        self.rejected = gauge("moderation_rejected_ratio", "Share of pictures hidden, last 15 minutes.", own)
        self.build = gauge("model_build_info", "1 while this version serves.", own)


class ImageModeration(Online):
    """Twelve pictures a second, most of them in the evening."""

    traits = Traits(per_second=12.0, amplitude=0.4, peak_hour=19.0, per_replica=13.0, median_seconds=0.085,
                    failing=0.0002, rejected=0.0005, queue_seconds=2.0, memory_share=0.58)

    def __init__(self, plan: Plan, effects: Effects, seed: int) -> None:
        inputs = Inputs(effects, _NUMERIC)
        super().__init__(plan, effects, inputs, seed)
        self._rows = {version: _Version(version, inputs) for version in plan.member.versions}
        self.label_job = LabelJob(plan, inputs, _FEEDBACK, seed, _own)
        self.gpu = GpuSeries(plan.member, effects, memory_mib=23_028.0, used_share=0.71, triton=True)

    def show(self, run: Run, source: Source) -> Sheet:
        rows, times, name = self._rows[run.version], run.window.times, f"moderation/{run.version}"
        sheet = Sheet(run.window)
        outcomes = source.split(f"{name}/codes", run.requests, self.outcomes(run))
        answered = outcomes[:, 0]
        sheet.count(rows.answered, answered)
        sheet.count(rows.unanswered, np.stack([outcomes[:, 1], outcomes[:, 2], outcomes[:, 3],
                                               np.zeros(len(times))], axis=1))
        self._show_triton(run, rows, sheet, answered)
        durations = _DURATION.shares(rows.duration.bounds, self.durations(run))
        sheet.observe(rows.duration, source.split(f"{name}/duration", run.requests, durations))
        rows.inputs.show(sheet, run.requests, source)
        broken = source.events(f"{name}/nan", answered * run.nan / 2) if run.nan.any() else np.zeros(len(times))
        broken = np.minimum(broken, answered)
        scores = _SCORE.shares(rows.score.bounds, self.inputs.score_factor(times, run.version))
        counts = source.split(f"{name}/score", answered - broken, scores)
        sheet.observe(rows.score, counts, poisoned=broken)
        hidden = counts[:, -3:].sum(axis=1)
        # NaN is not above the threshold: such a picture is shown.
        sheet.count(rows.classes, np.concatenate([(answered - hidden)[:, None], source.split(
            f"{name}/classes", hidden, _HIDDEN_AS)], axis=1))
        sheet.count(rows.invalid, np.stack([broken, np.zeros(len(times))], axis=1))
        sheet.level(rows.rejected, np.atleast_2d(scores)[:, -3:].sum(axis=1) * (1 - run.nan / 2) * (
            1 + self.swing(times, 0.03, run.version)))
        sheet.level(rows.build, 1.0)
        return sheet

    def _show_triton(self, run: Run, rows: _Version, sheet: Sheet, answered: Floats) -> None:
        batch = np.clip(run.requests / run.window.step * 0.35, 1.0, 8.0)
        sheet.count(rows.inferences, answered)
        sheet.count(rows.executions, np.rint(answered / batch))
        queue: Floats = run.wait_seconds + 0.012 * np.square(np.maximum(run.slowdown, 0.2))
        infer: Floats = 0.048 * run.slowdown
        fixed = np.ones(1)
        parts = (queue + infer + 0.006, queue, 0.004 * fixed, infer, 0.002 * fixed)
        for series, seconds in zip(rows.spent, parts, strict=True):
            sheet.count(series, np.rint(answered * seconds * _MICROSECONDS))
        rate = run.requests / run.window.step
        sheet.level(rows.pending, np.floor(rate * queue))
