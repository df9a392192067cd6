"""What a closer look found, for the snapshots of ``logbooks``: computed by the product from counts made up here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.tui import logbooks, snapshots
from triage.facts.closer_look import CloserLook
from triage.facts.log_reading import Told
from triage.facts.outcome import Failure, FailureKind
from triage.live.snapshot import Snapshot
from triage.signals.attributions import attributions
from triage.signals.closer_reading import CloserReading, ScoreHistory
from triage.signals.cohorts import Waiting
from triage.signals.estimated import NotEstimated, estimate
from triage.signals.feature_freshness import ViewExpected, ViewSeen, view_state
from triage.signals.feature_store_reading import FeatureStoreReading
from triage.signals.histogram import Buckets
from triage.signals.labels_reading import Counted, LabelHistory, Promised, label_history
from triage.signals.quality import Confusion, Expected, elsewhere, from_confusion, judge
from triage.signals.quality_reading import QualityReading, VersionEstimate, VersionFigure, VersionSlice
from triage.signals.retrain import Trigger, TriggerState
from triage.signals.slices import SubgroupCounts, disparity

NOW = snapshots.NOW
DAY = 86400.0
GONE = Failure(FailureKind.TIMEOUT, "no answer within 10 s", "narrow the range with -")
REGIONS = ("DE", "FR", "PL")


def quality() -> QualityReading:
    """One figure beyond its limit, one that is awaited, one stand-in, one subgroup that is worse."""
    recall = judge(from_confusion("recall", Confusion(5100.0, 900.0, 4900.0, 900_000.0), 7 * DAY),
                   Expected(at_least=0.6))
    precision = judge(from_confusion("precision", Confusion(5100.0, 900.0, 4900.0, 900_000.0), 7 * DAY),
                      Expected(0.84, 0.05))
    awaited = judge(elsewhere("recall", None, None, ""), Expected(at_least=0.6), pending="labels are awaited")
    review = judge(elsewhere("review-rate", 0.0041, 900.0, ""), Expected(at_most=0.008))
    groups = {name: SubgroupCounts(wrong + 500.0, 40_000.0, Confusion(500.0, wrong, 120.0, 39_000.0))
              for name, wrong in zip(REGIONS, (380.0, 400.0, 4100.0), strict=True)}
    thin = {name: SubgroupCounts(9.0, 20.0, Confusion(8.0, 1.0, 2.0, 9.0)) for name in REGIONS}
    scores = Buckets((0.1, 0.3, 0.5, 1.0, float("inf")), (6000.0, 8200.0, 9000.0, 9600.0, 9600.0))
    return QualityReading(
        (VersionFigure("v7", recall), VersionFigure("v7", precision), VersionFigure("v8", awaited),
         VersionFigure("v7", review, is_proxy=True)),
        (VersionSlice("v7", "region", disparity("error_rate", groups, REGIONS, 0.05)),
         VersionSlice("v7", "region", disparity("equalized_odds", groups, REGIONS, 0.2)),
         VersionSlice("v8", "region", disparity("equal_opportunity", thin, REGIONS, 0.05)),
         VersionSlice("v8", "region", disparity("error_rate", {}, REGIONS, 0.05, pending="labels are awaited"))),
        NOW - 20, 180.0, estimates=(
            VersionEstimate("v7", estimate(scores, 0.5, calibrated=True), 3600.0),
            VersionEstimate("v8", NotEstimated("64 of 100 scores needed"), 3600.0)))


def labels(*, share: float = 0.97) -> LabelHistory:
    """Thirty days of predictions, and labels that come after a fortnight; of the newest ones fewer are right."""
    starts = [NOW - NOW % DAY - number * DAY for number in range(30, 0, -1)]
    known = starts[:16]

    def outcomes(number: int) -> Confusion:
        return Confusion(680.0 - 9 * number, 200.0 + 4 * number, 320.0 + 9 * number, 95_800.0 - 4 * number)

    return label_history(
        Counted({start: 100_000.0 + 900 * number for number, start in enumerate(starts)},
                {start + 14 * DAY: (100_000 + 900 * number) * share for number, start in enumerate(known)},
                {start + 14 * DAY: outcomes(number) for number, start in enumerate(known)}, {}),
        Promised(DAY, Waiting(14 * DAY, 0.95), figures=("recall", "precision")), NOW)


def scores(feature: str = "amount") -> ScoreHistory:
    """It began to rise two hours ago; half an hour is missing."""
    step, count = 360.0, 61
    start = NOW - NOW % step - step * (count - 1)
    values = tuple(None if 20 <= n < 25 else 0.02 + max(0.0, n - 40) * 0.0225 for n in range(count))
    return ScoreHistory(feature, False, "psi", start, step, values, 0.1, 0.25, False, 3600.0)


def closer(feature: str = "amount") -> CloserReading:
    """Everything was answered."""
    worth = attributions({"amount": 0.5, "country": 0.11, "merchant_age": 0.12},
                         {"amount": 0.22, "country": 0.1, "merchant_age": 0.12})
    return CloserReading(CloserLook(feature), 3600.0, None, 180.0, Told(scores(feature), NOW - 15),
                         Told(worth, NOW - 15), Told(labels(), NOW - 90), labels_counted=True, attributions_named=True)


def store() -> FeatureStoreReading:
    """One view is old, one gauge stands still, one is fresh."""
    expected = ViewExpected(7200.0)
    seen = (ViewSeen("payments_profile", 13_680.0, NOW - 5, 9.0, failures=4.0, runs=4.0, lookups=198.0, found=163.0),
            ViewSeen("devices", 600.0, NOW - 5, 0.0), ViewSeen("merchants", 840.0, NOW - 5, 8.0))
    return FeatureStoreReading(tuple(view_state(item, expected, NOW) for item in seen), NOW - 20, 180.0)


def triggers() -> tuple[Trigger, ...]:
    """One asks, one builds up, one cannot be judged."""
    owner = "model-owner payments-ml"
    return (Trigger("drift critical", TriggerState.ASKED, ("amount", "score"), 21_600.0, NOW - 23_000, owner,
                    f"drift critical on 2 features for 6 h: retrain asked, needs approval by {owner}"),
            Trigger("recall beyond its limit", TriggerState.BUILDING, ("recall",), 3 * DAY, NOW - 90_000, owner,
                    "recall beyond its limit for 1 d 1 h of 3 d"),
            Trigger("drift warning", TriggerState.UNKNOWN, (), 3 * DAY, None, owner,
                    "drift warning: not known at present"))


def whole(*, reading: CloserReading | None = None, drift: str = "moved") -> Snapshot:
    """Everything that the debug screen can show, but pods."""
    made = logbooks.debugged(drift)
    [model] = made.models
    return replace(made, models=(replace(model, quality=quality(), retrain=triggers(), feature_store=store(),
                                         closer=closer() if reading is None else reading),))


def asked() -> Snapshot:
    """The first answers of the closer look are on their way."""
    empty = CloserReading(CloserLook("amount"), 3600.0, None, 180.0, labels_counted=True, attributions_named=True)
    return whole(reading=empty)


def refused() -> Snapshot:
    """Nothing of the closer look was answered."""
    told = CloserReading(CloserLook("amount"), 3600.0, None, 180.0, Told(failure=GONE), Told(failure=GONE),
                         Told(failure=GONE), labels_counted=True, attributions_named=True)
    return whole(reading=told)


def old() -> Snapshot:
    """What was answered four minutes ago, and was not renewed."""
    made = whole(drift="stale")
    [model] = made.models
    before = closer()
    late = replace(before, scores=Told(scores(), NOW - 240, GONE),
                   attributions=Told(before.attributions.answer, NOW - 2000, GONE),
                   labels=Told(labels(share=0.6), NOW - 240, GONE))
    return replace(made, models=(replace(
        model, quality=replace(quality(), answered_at=NOW - 240, failure=GONE),
        feature_store=replace(store(), answered_at=NOW - 240, failure=GONE), closer=late),))


def calm() -> Snapshot:
    """Everything is as it should be."""
    made = logbooks.debugged("quiet", logbooks.reading(()), state="healthy")
    [model] = made.models
    fine = judge(from_confusion("recall", Confusion(7100.0, 900.0, 2900.0, 900_000.0), 7 * DAY),
                 Expected(at_least=0.6))
    groups = {name: SubgroupCounts(900.0, 40_000.0, Confusion(500.0, 380.0, 120.0, 39_000.0)) for name in REGIONS}
    view = view_state(ViewSeen("merchants", 840.0, NOW - 5, 8.0), ViewExpected(7200.0), NOW)
    quiet = Trigger("drift critical", TriggerState.QUIET, (), 21_600.0, None, "", "drift critical: not so now")
    flat = replace(scores(), values=(0.02,) * 61)
    return replace(made, models=(replace(
        model, quality=QualityReading((VersionFigure("v7", fine),), (VersionSlice(
            "v7", "region", disparity("error_rate", groups, REGIONS, 0.05)),), NOW - 20, 180.0),
        retrain=(quiet,), feature_store=FeatureStoreReading((view,), NOW - 20, 180.0),
        closer=replace(closer(), scores=Told(flat, NOW - 15))),))


def lost() -> Snapshot:
    """Prometheus has fallen silent."""
    made, silent = whole(drift="stale"), snapshots.ALL["lost"]()
    return replace(made, sources=silent.sources)


STATES: dict[str, Callable[[], Snapshot]] = {"whole": whole, "asked": asked, "refused": refused, "old": old,
                                             "calm": calm, "lost": lost}
