"""Quality figures against NumPy, and the verdict of a baseline plus or minus its tolerance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.signals.proportions import wilson
from triage.signals.quality import (
    SHARES,
    Confusion,
    Expected,
    click_through,
    elsewhere,
    from_confusion,
    judge,
    lift,
    per_class_accuracy,
    regression,
)
from triage.signals.reading import Quality, Verdict

COUNTS = Confusion(tp=420, fp=180, fn=140, tn=9260)


def test_figures_are_those_of_the_labels_themselves() -> None:
    source = np.random.default_rng(5)
    truth, said = source.random(4000) < 0.2, source.random(4000) < 0.3
    counts = Confusion(*(float(x.sum()) for x in (truth & said, ~truth & said, truth & ~said, ~truth & ~said)))
    expected = {"precision": truth[said].mean(), "recall": said[truth].mean(), "specificity": (~said)[~truth].mean(),
                "false_positive_rate": said[~truth].mean(), "accuracy": (truth == said).mean()}
    for name, value in expected.items():
        assert from_confusion(name, counts).value == pytest.approx(float(value))
    precision, recall = expected["precision"], expected["recall"]
    assert from_confusion("f1", counts).value == pytest.approx(float(2 * precision * recall / (precision + recall)))


def test_n_is_that_of_the_denominator() -> None:
    assert from_confusion("precision", COUNTS).n == 600
    assert from_confusion("recall", COUNTS).n == 560
    assert from_confusion("false_positive_rate", COUNTS).n == 9440


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1e6), min_size=4, max_size=4), st.floats(0.1, 100))
def test_figures_do_not_mind_the_scale_of_the_counts(counts: list[float], factor: float) -> None:
    plain, scaled = Confusion(*counts), Confusion(*(c * factor for c in counts))
    for name in SHARES:
        a, b = from_confusion(name, plain), from_confusion(name, scaled)
        if a.value is not None and b.value is not None and a.n is not None and a.n > 1e-6:
            assert a.value == pytest.approx(b.value, abs=1e-9)
            assert 0 <= a.value <= 1


def test_no_labels_make_no_figure_rather_than_zero() -> None:
    for name in SHARES:
        assert from_confusion(name, Confusion(0, 0, 0, 0)).value is None


def test_an_unknown_figure_and_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="known are precision"):
        from_confusion("gini", COUNTS)
    with pytest.raises(ValueError, match="finite numbers"):
        Confusion(-1, 0, 0, 0)


def test_a_class_without_a_right_decision_is_zero_and_not_absent() -> None:
    found = per_class_accuracy({"cat": 90.0}, {"cat": 100.0, "dog": 40.0})
    assert [(f.name, f.value, f.n) for f in found] == [("accuracy of cat", 0.9, 100), ("accuracy of dog", 0.0, 40)]


def test_click_through_is_a_share_with_its_interval() -> None:
    found, expected = click_through(30, 2000), wilson(30, 2000)
    assert (found.value, found.low, found.high) == (0.015, expected.low, expected.high)


def test_lift_compares_the_chosen_with_everyone() -> None:
    found = lift(hits=240, chosen=1000, all_hits=800, everyone=10_000)
    assert found.value == pytest.approx(3.0)
    assert found.low is not None
    assert found.high is not None
    assert 2.5 < found.low < 3.0 < found.high < 3.4


def test_the_interval_of_lift_covers_the_truth() -> None:
    source = np.random.default_rng(6)
    hits, rest = source.binomial(500, 0.2, 800), source.binomial(4500, 0.1, 800)
    found = [lift(float(a), 500, float(a + b), 5000) for a, b in zip(hits, rest, strict=True)]
    covered = sum(f.low is not None and f.high is not None and f.low <= 0.2 / 0.11 <= f.high for f in found)
    assert covered / 800 == pytest.approx(0.95, abs=0.025)


def test_lift_of_nobody_is_unknown() -> None:
    assert lift(0, 0, 10, 100).value is None
    assert lift(5, 10, 0, 100).value is None
    assert lift(0, 10, 5, 100).value == 0


def test_regression_errors_are_those_of_numpy() -> None:
    errors = np.random.default_rng(8).normal(0.4, 2.0, 5000)
    absolute, squared = float(np.abs(errors).sum()), float((errors ** 2).sum())
    mae = regression("mae", 5000, absolute=absolute, squared=squared, unit="min")
    assert mae.value == pytest.approx(float(np.abs(errors).mean()))
    assert mae.high is not None
    assert mae.value is not None
    half = 1.959964 * float(np.abs(errors).std(ddof=1)) / math.sqrt(5000)
    assert mae.high - mae.value == pytest.approx(half, rel=1e-6)
    assert regression("rmse", 5000, squared=squared).value == pytest.approx(float(np.sqrt((errors ** 2).mean())))
    assert regression("bias", 5000, signed=float(errors.sum())).value == pytest.approx(float(errors.mean()))


def test_a_sum_that_is_not_exported_makes_no_error() -> None:
    assert regression("mae", 100, squared=5.0).value is None
    assert regression("mae", 0, absolute=0.0).value is None


@pytest.mark.parametrize(("tp", "verdict"), [(700, Verdict.PASS), (660, Verdict.PASS), (500, Verdict.FAIL),
                                             (640, Verdict.WARN), (900, Verdict.WARN)])
def test_recall_is_judged_by_its_baseline_and_tolerance(tp: float, verdict: Verdict) -> None:
    found = judge(from_confusion("recall", Confusion(tp, 10, 1000 - tp, 50)), Expected(baseline=0.7, tolerance=0.05))
    assert found.verdict is verdict


def test_what_lies_beyond_by_chance_is_only_a_warning() -> None:
    found = judge(from_confusion("recall", Confusion(64, 10, 36, 50)), Expected(baseline=0.7, tolerance=0.05))
    assert found.verdict is Verdict.WARN
    assert "its interval reaches back" in found.sentence


def test_better_than_it_should_be_is_doubted() -> None:
    found = judge(from_confusion("recall", Confusion(900, 10, 100, 50)), Expected(baseline=0.7, tolerance=0.05))
    assert "better than it should be, so look whether labels are missing" in found.sentence


def test_of_a_rate_that_should_be_low_the_upper_limit_is_the_harmful_one() -> None:
    expected = Expected(baseline=0.02, tolerance=0.01)
    assert judge(from_confusion("false_positive_rate", Confusion(1, 500, 1, 9500)), expected).verdict is Verdict.FAIL
    assert judge(from_confusion("false_positive_rate", Confusion(1, 10, 1, 9990)), expected).verdict is Verdict.WARN


@pytest.mark.parametrize("signed", [-900.0, 900.0])
def test_bias_is_bad_on_either_side(signed: float) -> None:
    found = judge(regression("bias", 1000, signed=signed, squared=1500.0), Expected(baseline=0.0, tolerance=0.2))
    assert found.verdict is Verdict.FAIL


def test_limits_of_the_manifest_hold_as_well() -> None:
    figure = elsewhere("auc", 0.71, 2000)
    assert judge(figure, Expected(at_least=0.74)).verdict is Verdict.FAIL
    assert judge(figure, Expected(at_least=0.70)).verdict is Verdict.PASS
    assert judge(figure, Expected(baseline=0.71, tolerance=0.02, at_least=0.72)).verdict is Verdict.FAIL
    assert judge(figure, Expected()).verdict is Verdict.NOT_JUDGED


def test_few_labels_are_unknown_and_say_how_many_are_needed() -> None:
    found = judge(from_confusion("recall", Confusion(5, 1, 20, 50)), Expected(at_least=0.6, min_labels=100))
    assert found.verdict is Verdict.UNKNOWN
    assert found.quality is Quality.LOW_N
    assert "25 of 100 labels needed" in found.sentence


def test_labels_that_are_not_due_leave_it_pending() -> None:
    nothing = from_confusion("recall", Confusion(0, 0, 0, 0))
    assert judge(nothing, Expected(at_least=0.6), pending="labels are due in 9 d").verdict is Verdict.PENDING
    assert judge(nothing, Expected(at_least=0.6)).verdict is Verdict.UNKNOWN


def test_a_gauge_that_is_not_a_number_is_no_figure() -> None:
    assert judge(elsewhere("auc", math.nan, 2000), Expected(at_least=0.74)).verdict is Verdict.UNKNOWN
