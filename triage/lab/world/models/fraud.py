"""fraud-scorer: 40 payments a second, five countries, chargebacks that come after two weeks."""

from __future__ import annotations

import numpy as np

from triage.lab.world.behaviour import Run
from triage.lab.world.curves import Curve
from triage.lab.world.draws import Source
from triage.lab.world.effects import Effects
from triage.lab.world.grid import DAY
from triage.lab.world.inputs import Categorical, Inputs, Numeric
from triage.lab.world.labels import Feedback, LabelJob, Measure
from triage.lab.world.models.scorer import Exported, ScorerSeries
from triage.lab.world.online import Online, Traits
from triage.lab.world.plan import Plan
from triage.lab.world.rows import Sheet, gauge

COUNTRIES = {"DE": 0.42, "FR": 0.27, "NL": 0.14, "PL": 0.11, "PT": 0.06}
# The references of the notebook's manifest: what it was trained on is what it gets on a good day.
_NUMERIC = (
    Numeric("amount", (5, 10, 20, 40, 80, 160, 320, 640, 1280),
            (589, 1428, 3177, 4723, 4739, 3253, 1485, 483, 102, 21), weight=0.22, pull=0.4),
    Numeric("merchant_age_days", (7, 30, 90, 180, 365, 730, 1460), (319, 1103, 2465, 3142, 4665, 4820, 2876, 610),
            weight=0.12, pull=-0.25, store="payments_profile"),
)
_SCORE_EDGES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3)
_EXPORTED = Exported(
    "fraud", requests="Requests by HTTP status.", scores="Scores given out.",
    bounds=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0), duration=Curve.lognormal(0.1, 0.62),
    edges=_SCORE_EDGES, score=Curve.counted(_SCORE_EDGES, (2469, 4375, 3484, 4147, 3785, 1410, 255, 75)))
_FEEDBACK = Feedback(
    delay=14 * DAY, period=DAY, labelled=0.97, counter="fraud_labels_total", subgroups=COUNTRIES,
    subgroup_label="region", outcomes="fraud_labelled_total", positive=0.006, recall=0.68, false_alarms=0.0058,
    measures=(Measure("fraud_accuracy", "Share of right decisions among labelled payments.", 0.951, -0.9, 0.0015),
              Measure("fraud_precision", "Share of frauds among payments held.", 0.41, -0.4, 0.008),
              Measure("fraud_recall", "Share of frauds that were held.", 0.68, -0.6, 0.008)))


def _own(version: str) -> dict[str, str]:
    return {"model": "fraud-scorer", "model_version": version, "deployment": "fraud-scorer", "namespace": "ml"}


class _Version:
    """The series of one version."""

    def __init__(self, version: str, inputs: Inputs) -> None:
        own = {**_own(version), "job": "fraud-scorer", "instance": f"fraud-scorer-{version}:8000"}
        self.scorer = ScorerSeries(_EXPORTED, own, version, inputs)
        self.review = gauge("fraud_review_ratio", "Share of payments held for review in the last 15 minutes.", own)
        self.explained: tuple[Numeric | Categorical, ...] = (*inputs.numeric, *inputs.categorical)
        self.attribution = gauge("fraud_feature_attribution", "Mean absolute SHAP value by feature, last 15 minutes.",
                                 own, [{"feature": item.name} for item in self.explained])


class FraudScorer(Online):
    """Requests carry the amount and the country; the merchant's age comes from a feature view."""

    traits = Traits(per_second=40.0, amplitude=0.35, peak_hour=14.0, per_replica=14.0,
                    median_seconds=0.1, failing=0.0005, rejected=0.002, queue_seconds=4.0)

    def __init__(self, plan: Plan, effects: Effects, seed: int) -> None:
        inputs = Inputs(effects, _NUMERIC, (Categorical("country", COUNTRIES, weight=0.1),))
        super().__init__(plan, effects, inputs, seed)
        self._rows = {version: _Version(version, inputs) for version in plan.member.versions}
        self.label_job = LabelJob(plan, inputs, _FEEDBACK, seed, _own)

    def show(self, run: Run, source: Source) -> Sheet:
        rows, sheet = self._rows[run.version], Sheet(run.window)
        _, scores = rows.scorer.show(sheet, run, source, self.outcomes(run), self.durations(run))
        held = np.atleast_2d(scores)[:, -1]
        times = run.window.times
        sheet.level(rows.review, held * (1 + self.swing(times, 0.03, run.version)))
        worth = [np.broadcast_to(self.inputs.attribution(item, times, run.version), times.shape)
                 for item in rows.explained]
        sheet.level(rows.attribution, np.stack(worth, axis=1) * (1 + self.swing(times, 0.02, run.version))[:, None])
        return sheet
