"""loan-approval: three applications a minute, credit bureau data from a feature view, labels after a month."""

from __future__ import annotations

import json

import numpy as np

from triage.lab.world.behaviour import Run
from triage.lab.world.curves import Curve
from triage.lab.world.draws import Source
from triage.lab.world.effects import Effects
from triage.lab.world.grid import DAY, Floats
from triage.lab.world.inputs import Categorical, Inputs, Numeric
from triage.lab.world.labels import Feedback, LabelJob, Measure
from triage.lab.world.models.scorer import Exported, ScorerSeries
from triage.lab.world.online import Online, Traits
from triage.lab.world.plan import Plan
from triage.lab.world.rows import Sheet, counter, gauge

_AGE_GROUPS = {"18-29": 0.27, "30-49": 0.43, "50-64": 0.22, "65+": 0.08}
_NUMERIC = (
    Numeric("income", (1000, 1500, 2000, 2500, 3000, 4000, 6000, 10000),
            (472, 2202, 3380, 3469, 3031, 3879, 2768, 756, 43), weight=0.2, pull=-0.5),
    Numeric("debt_ratio", (0.05, 0.1, 0.2, 0.3, 0.4, 0.5), (5397, 3971, 4977, 2616, 1430, 741, 868), weight=0.2,
            pull=0.5, store="credit_bureau"),
)
_EMPLOYMENT = Categorical("employment", {"salaried": 0.73, "self-employed": 0.14, "retired": 0.09, "student": 0.04},
                          weight=0.1)
_SCORE_EDGES = (0.01, 0.02, 0.04, 0.07, 0.12, 0.25)
_EXPORTED = Exported(
    "loan", requests="Applications by HTTP status.", scores="Probability of a default.",
    bounds=(0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0), duration=Curve.lognormal(0.42, 0.55),
    edges=_SCORE_EDGES, score=Curve.counted(_SCORE_EDGES, (965, 4033, 7382, 4529, 2091, 853, 147)))
_LIMITS = np.array([0.04, 0.12])
"""Up to the first score a loan is approved, above the second it is declined; a person decides between."""
_FEEDBACK = Feedback(
    delay=30 * DAY, period=7 * DAY, labelled=0.6, counter="loan_labels_total", subgroups=_AGE_GROUPS,
    subgroup_label="age_group", outcomes="loan_labelled_total", positive=0.045, recall=0.62, false_alarms=0.09,
    measures=(Measure("loan_auc", "Area under the curve of the labelled cohorts.", 0.783, -0.45, 0.004),
              Measure("loan_default_recall", "Share of defaults that were declined.", 0.62, -0.7, 0.012),
              Measure("loan_error_ratio", "Share of wrong decisions.", 0.105, 0.9, 0.004, by_subgroup=True)))


def _own(version: str) -> dict[str, str]:
    return {"model": "loan-approval", "model_version": version, "deployment": "loan-approval", "namespace": "credit"}


def references() -> str:
    """Reference distributions as they are kept with a registered version: YAML, of which JSON is a part."""
    taken = {"data": "applications", "at": "2026-08-31"}
    features = {item.name: {"edges": list(item.edges), "counts": list(item.counts), **taken} for item in _NUMERIC}
    return json.dumps({"apiVersion": "triage/v1alpha1", "kind": "References", "features": features})


class _Version:
    """The series of one version."""

    def __init__(self, version: str, inputs: Inputs) -> None:
        own = {**_own(version), "job": "loan-approval", "instance": f"loan-approval-{version}:8000"}
        self.scorer = ScorerSeries(_EXPORTED, own, version, inputs)
        self.decisions = counter("loan_decisions_total", "Decisions.", own,
                                 [{"age_group": group, "decision": decision} for group in _AGE_GROUPS
                                  for decision in ("approve", "refer", "decline")])
        self.approved = gauge("loan_approval_ratio", "Share of applications approved, last 24 hours.", own)


class LoanApproval(Online):
    """So few applications that an hour of a canary says nothing."""

    traits = Traits(per_second=0.05, amplitude=0.55, peak_hour=13.0, per_replica=1.5, median_seconds=0.42,
                    failing=0.0004, rejected=0.004, queue_seconds=8.0, memory_share=0.4)

    def __init__(self, plan: Plan, effects: Effects, seed: int) -> None:
        inputs = Inputs(effects, _NUMERIC, (_EMPLOYMENT,))
        super().__init__(plan, effects, inputs, seed)
        self._rows = {version: _Version(version, inputs) for version in plan.member.versions}
        self.label_job = LabelJob(plan, inputs, _FEEDBACK, seed, _own)

    def show(self, run: Run, source: Source) -> Sheet:
        rows, times, sheet = self._rows[run.version], run.window.times, Sheet(run.window)
        answered, _ = rows.scorer.show(sheet, run, source, self.outcomes(run), self.durations(run))
        factor = self.inputs.score_factor(times, run.version)
        decided = np.atleast_2d(_EXPORTED.score.shares(_LIMITS, factor))
        parts = [part * self._unfair(decided, times, run.version, group) for group, part in _AGE_GROUPS.items()]
        sheet.count(rows.decisions, source.split(f"loan/{run.version}/decisions", answered,
                                                 np.concatenate(np.broadcast_arrays(*parts), axis=1)))
        # A ratio of the last day moves with the day: half a day ago is the middle of what it is made of.
        then = _EXPORTED.score.shares(_LIMITS, self.inputs.score_factor(times - DAY / 2, run.version))
        sheet.level(rows.approved, np.atleast_2d(then)[:, 0] * (1 + self.swing(times, 0.01, run.version)))
        return sheet

    def _unfair(self, decided: Floats, times: Floats, version: str, group: str) -> Floats:
        """Shares of approvals, referrals and declines of a group: what goes wrong in it alone ends in declines."""
        wrong = self.effects.share("quality", times, version, subgroup=group)[:, None]
        approved, referred, declined = decided[:, :1], decided[:, 1:2], decided[:, 2:]
        parts = approved * (1 - wrong), referred, declined + approved * wrong
        return np.concatenate(np.broadcast_arrays(*parts), axis=1)
