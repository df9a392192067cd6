"""review-sentiment: serverless on Knative. Traffic comes in bursts, at night there is none, and pods go away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from triage.lab.world.behaviour import Run
from triage.lab.world.curves import Curve, mixed
from triage.lab.world.draws import Source, Wander
from triage.lab.world.effects import Effects
from triage.lab.world.exported_inputs import InputSeries
from triage.lab.world.grid import DAY, FINE, HOUR, Floats, Window
from triage.lab.world.inputs import Inputs, Numeric
from triage.lab.world.labels import Feedback, LabelJob, Measure
from triage.lab.world.online import Online, Traits
from triage.lab.world.plan import Plan, Traffic
from triage.lab.world.rows import Sheet, counter, gauge, histogram

_LANGUAGES = {"en": 0.58, "de": 0.27, "fr": 0.15}
# OpenTelemetry's default buckets, which Knative's queue proxy uses.
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_STEP_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_COLD_BOUNDS = (1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0)
_COLD_MEDIAN = 3.4
_INVOCATION = Curve.lognormal(0.11, 0.55)
_COLD = Curve.lognormal(_COLD_MEDIAN, 0.3)
_STEPS = {"predict": Curve.lognormal(0.085, 0.5), "preprocess": Curve.lognormal(0.012, 0.4),
          "postprocess": Curve.lognormal(0.004, 0.4)}
_STAY_SECONDS = 90.0
"""An idle pod is taken away after Knative's window of 60 s and a grace period of 30 s."""
KNOWN_SECONDS = 1.5 * HOUR
"""What the autoscaler did is known for so long before the opening: a cluster keeps events no longer."""
_REQUESTS_PER_POD = 4.0
_LENGTH = Numeric("review_length", (20, 60, 140, 280, 500, 900, 1500), (281, 2526, 5860, 5584, 3333, 1693, 533, 190),
                  weight=0.3, pull=0.15)
_SCORE_EDGES = (0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95)
_SCORE = Curve.counted(_SCORE_EDGES, (946, 1188, 1046, 1378, 1997, 2807, 4908, 5730))
_FEEDBACK = Feedback(
    delay=3 * DAY, period=DAY, labelled=0.02, counter="review_labels_total", subgroups=_LANGUAGES,
    subgroup_label="language",
    measures=(Measure("review_accuracy", "Share of reviews that editors sort as the model did.", 0.905, -0.9, 0.004,
                      by_subgroup=True),))


def _own(version: str) -> dict[str, str]:
    return {"model_name": "review-sentiment", "revision_name": version, "namespace": "reviews"}


class _Version:
    """The series of one revision: the queue proxy's, KServe's, the autoscaler's and the application's."""

    def __init__(self, version: str, inputs: Inputs) -> None:
        target = {"job": "review-sentiment", "instance": f"{version}:9091"}
        own = {**_own(version), **target}
        knative = {"kn_service_name": "review-sentiment-predictor", "kn_revision_name": version, "namespace": "reviews",
                   **target}
        self.invocation = [histogram("kn_serving_invocation_duration_seconds", "Time of an invocation.",
                                     {**knative, "http_response_status_code": code}, _BOUNDS)
                           for code in ("200", "400", "500", "503")]
        self.depth = gauge("kn_serving_queue_depth", "Requests waiting in the queue proxy.", knative)
        self.steps = [histogram(f"request_{step}_seconds", f"Time of the step {step}.", own, _STEP_BOUNDS)
                      for step in _STEPS]
        self.invocations = counter("review_invocations_total", "Invocations.", own)
        self.cold = counter("review_cold_starts_total", "Invocations that had to wait for a pod.", own)
        self.cold_time = histogram("review_cold_start_duration_seconds", "Time until the pod was ready.", own,
                                   _COLD_BOUNDS)
        self.inputs = InputSeries("review", own, inputs, version)
        self.classes = counter("review_predictions_total", "Reviews by class.", own,
                               [{"class": name} for name in ("negative", "neutral", "positive")])
        self.score = histogram("review_score", "Scores, 0 is negative and 1 positive.", own, _SCORE_EDGES)
        self.negative = gauge("review_negative_ratio", "Share of negative reviews, last 6 hours.", own)
        self.build = gauge("model_build_info", "1 while this version serves.", own)
        scaler = {"configuration_name": "review-sentiment-predictor", "revision_name": version,
                  "namespace_name": "reviews", "job": "knative-autoscaler", "instance": "autoscaler:9090"}
        self.desired = gauge("autoscaler_desired_pods", "Pods that the autoscaler wants.", scaler)
        self.actual = gauge("autoscaler_actual_pods", "Pods that are ready.", scaler)


class ReviewSentiment(Online):
    """The autoscaler follows the requests, so there is no fixed number of replicas."""

    traits = Traits(per_second=0.3, amplitude=0.5, peak_hour=15.0, per_replica=_REQUESTS_PER_POD, median_seconds=0.11,
                    failing=0.0006, rejected=0.003, queue_seconds=10.0, memory_share=0.66)

    def __init__(self, plan: Plan, effects: Effects, seed: int) -> None:
        inputs = Inputs(effects, (_LENGTH,))
        super().__init__(plan, effects, inputs, seed)
        self._rows = {version: _Version(version, inputs) for version in plan.member.versions}
        self._bursts = Wander(seed, "review-sentiment/bursts", 240.0)
        self._asked: dict[str, float] = {}
        """When each version last had a request."""
        self.kept: Mapping[str, int] = {}
        """Pods by version that the autoscaler leaves without requests, because somebody asked for it."""
        self.scaled: list[tuple[float, str, int]] = []
        """(epoch seconds, version, pods from then on) in the last window, in the order of time."""
        self._running: dict[str, int] = {}
        self.label_job = LabelJob(plan, inputs, _FEEDBACK, seed, _own)

    def demand(self, times: Floats) -> Floats:
        hour = np.mod(times + self.plan.zone, DAY) / HOUR
        awake = np.clip(np.minimum(hour - 5.0, 22.5 - hour), 0.0, 1.0)
        rate: Floats = super().demand(times) * awake * np.exp(0.75 * self._bursts(times) - 0.3)
        return rate

    def simulate(self, window: Window, traffic: Traffic, source: Source) -> list[Sheet]:
        self.scaled = []
        sheets = super().simulate(window, traffic, source)
        for version in self.member.versions:
            if version not in self.runs:
                self._scale(version, [(float(window.times[0]), self.kept.get(version, 0))])
        self.scaled.sort()
        return sheets

    def before(self, source: Source) -> list[tuple[float, str, int]]:
        """What the autoscaler did in the hours before the opening, for which a cluster keeps events."""
        again = ReviewSentiment(self.plan, self.effects, self.seed)
        done = []
        for window in FINE.windows(self.plan.opening - KNOWN_SECONDS, self.plan.opening):
            source.enter(window.block)
            again.simulate(window, self.plan.traffic(window.times), source)
            done += again.scaled
        return done

    def _scale(self, version: str, wanted: Iterable[tuple[float, int]]) -> None:
        for at, pods in wanted:
            if pods != self._running.get(version, 0):
                self._running[version] = pods
                self.scaled.append((at, version, pods))

    def show(self, run: Run, source: Source) -> Sheet:
        rows, times, name = self._rows[run.version], run.window.times, f"review/{run.version}"
        sheet = Sheet(run.window)
        outcomes = source.split(f"{name}/codes", run.requests, self.outcomes(run))
        answered = outcomes[:, 0]
        worse = self.effects.factor("cold_starts", times, run.version)
        cold_share = self._cold_share(run, worse)
        cold_factor = worse ** 0.36
        waited = (_COLD_MEDIAN * cold_factor) / 0.11
        warm = _INVOCATION.shares(rows.invocation[0].bounds, self.durations(run))
        both = mixed(warm, _INVOCATION.shares(rows.invocation[0].bounds, self.durations(run) + waited), cold_share)
        for index, series in enumerate(rows.invocation):
            sheet.observe(series, source.split(f"{name}/duration {index}", outcomes[:, index], both))
        cold = source.split(f"{name}/cold", run.requests, np.stack([cold_share, 1 - cold_share], axis=1))[:, 0]
        sheet.count(rows.invocations, run.requests)
        sheet.count(rows.cold, cold)
        sheet.observe(rows.cold_time, source.split(f"{name}/cold time", cold, _COLD.shares(
            rows.cold_time.bounds, cold_factor)))
        for series, (step, curve) in zip(rows.steps, _STEPS.items(), strict=True):
            sheet.observe(series, source.split(f"{name}/{step}", answered, curve.shares(series.bounds, run.slowdown)))
        rows.inputs.show(sheet, run.requests, source)
        self._show_predictions(run, rows, sheet, answered, source)
        pods = self._pods(run, worse)
        self._scale(run.version, zip(times.tolist(), pods.astype(int).tolist(), strict=True))
        sheet.level(rows.depth, np.floor(run.requests / run.window.step * run.wait_seconds))
        sheet.level(rows.desired, pods)
        sheet.level(rows.actual, pods)
        sheet.level(rows.build, 1.0)
        return sheet

    def _show_predictions(self, run: Run, rows: _Version, sheet: Sheet, answered: Floats, source: Source) -> None:
        name, times = f"review/{run.version}", run.window.times
        scores = _SCORE.shares(rows.score.bounds, self.inputs.score_factor(times, run.version))
        poisoned = source.events(f"{name}/nan", answered * run.nan / 2) if run.nan.any() else None
        counts = source.split(f"{name}/score", answered, scores)
        sheet.observe(rows.score, counts, poisoned=poisoned)
        negative, positive = counts[:, :3].sum(axis=1), counts[:, 4:].sum(axis=1)
        sheet.count(rows.classes, np.stack([negative, counts[:, 3], positive], axis=1))
        then = _SCORE.shares(rows.score.bounds, self.inputs.score_factor(times - 3 * HOUR, run.version))
        sheet.level(rows.negative, np.atleast_2d(then)[:, :3].sum(axis=1) * (1 + self.swing(times, 0.02, run.version)))

    def _cold_share(self, run: Run, worse: Floats) -> Floats:
        """Share of invocations that find no pod, (T,): those that come after a longer pause than a pod stays.

        Requests come at random, so a pause of ``s`` seconds or more has the chance exp(-rate x s).
        """
        if self.kept.get(run.version):
            return np.zeros(len(run.window))
        stay = _STAY_SECONDS / worse
        return np.clip(np.exp(-run.rate * stay), 0.0, 1.0)

    def _pods(self, run: Run, worse: Floats) -> Floats:
        times = run.window.times
        asked = np.maximum.accumulate(np.where(run.requests > 0, times, self._asked.get(run.version, 0.0)))
        self._asked[run.version] = float(asked[-1])
        needed = np.ceil(run.rate / (0.7 * _REQUESTS_PER_POD))
        busy = np.where(times - asked < _STAY_SECONDS / worse, np.maximum(needed, 1.0), 0.0)
        return np.maximum(busy, self.kept.get(run.version, 0))
