"""How often drift is cried without any: seeded simulations against the error rates that are promised."""

from __future__ import annotations

import numpy as np
import pytest

from tests.signals.drifting import AROUND, NOW, buckets, numeric
from triage.signals.binning import Smoothing
from triage.signals.distances import chi_square, merged_for_test
from triage.signals.drift import drift_state
from triage.signals.drift_model import Seen
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.reference_windows import score_of
from triage.signals.tails import chi_square_tail

EVEN = [0.1] * 10
EDGES = tuple(float(i) for i in range(9))


def draws(seed: int, n: int, runs: int, shares: list[float] = EVEN) -> list[list[float]]:
    return np.random.default_rng(seed).multinomial(n, shares, size=runs).astype(float).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(("n", "m", "mean", "over", "far_over"), [
    (10_000, 100, 0.0964, 0.38, 0.01), (10_000, 200, 0.0473, 0.026, 0.0), (100, 100, 0.191, 0.86, 0.22),
    (1000, 1000, 0.0180, 0.0, 0.0)])
def test_the_psi_without_drift_is_as_large_as_theory_says(n: int, m: int, mean: float, over: float,
                                                          far_over: float) -> None:
    scores = np.array([score_of(a, b, "psi", Smoothing.EVIDENTLY)
                       for a, b in zip(draws(1, n, 1500), draws(2, m, 1500), strict=True)])
    assert scores.mean() == pytest.approx(mean, rel=0.06)
    assert scores.mean() == pytest.approx(9 * (1 / n + 1 / m), rel=0.12)
    assert (scores > 0.1).mean() == pytest.approx(over, abs=0.04)
    assert (scores > 0.25).mean() == pytest.approx(far_over, abs=0.035)


def test_the_two_sample_test_keeps_its_level_where_a_goodness_of_fit_does_not() -> None:
    ours, fit = [], []
    for a, b in zip(draws(3, 1000, 2000), draws(4, 1000, 2000), strict=True):
        ours.append(chi_square(a, b).p_value < 0.05)
        fit.append(chi_square_tail(sum((y - x) ** 2 / x for x, y in zip(a, b, strict=True)), 9) < 0.05)
    assert np.mean(ours) == pytest.approx(0.05, abs=0.015)
    assert np.mean(fit) == pytest.approx(0.49, abs=0.05)


def test_rare_bins_do_not_break_the_level() -> None:
    skewed = [0.5, 0.25, 0.12, 0.06, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002]
    cried = 0
    for a, b in zip(draws(5, 20_000, 800, skewed), draws(6, 300, 800, skewed), strict=True):
        watched = numeric(edges=EDGES, counts=tuple(a))
        state = drift_state([watched], {("amount", False): Seen(buckets(b, EDGES))}, AROUND)
        cried += state.features[0].p_value is not None and state.features[0].p_value < 0.05
    assert cried / 800 == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(("n", "m"), [(500, 50_000), (50_000, 500), (2000, 2_000_000), (500, 2000)])
@pytest.mark.parametrize("ordered", [True, False])
def test_bins_that_stand_by_themselves_do_not_break_the_level(n: int, m: int, ordered: bool) -> None:
    # Nineteen bins in which a few events are expected: those that happen to hold more must not be picked out.
    skewed = [0.95] + [0.05 / 19] * 19
    cried = sum(chi_square(*merged_for_test(a, b, ordered=ordered)).p_value < 0.01
                for a, b in zip(draws(10, n, 3000, skewed), draws(11, m, 3000, skewed), strict=True))
    assert cried / 3000 <= 0.02


def test_the_verdict_cries_drift_at_most_as_often_as_promised() -> None:
    # Small windows let the score alone cry wolf in two of five cases; score and significance together do not.
    cried = by_score = 0
    for a, b in zip(draws(7, 10_000, 800), draws(8, 100, 800), strict=True):
        watched = numeric(edges=EDGES, counts=tuple(a), min_samples=50)
        [found] = drift_state([watched], {("amount", False): Seen(buckets(b, EDGES))}, AROUND).features
        cried += found.verdict in (DriftVerdict.DRIFT, DriftVerdict.WATCH)
        by_score += (found.score or 0.0) > 0.1
    assert by_score / 800 > 0.25
    assert cried / 800 <= 0.02


def test_a_true_shift_is_found_with_enough_events() -> None:
    # A true PSI of 0.06, watched from 0.03.
    moved = [0.06, 0.07, 0.08, 0.09, 0.1, 0.1, 0.11, 0.12, 0.13, 0.14]
    found = 0
    for b in draws(9, 1000, 200, moved):
        state = drift_state([numeric(edges=EDGES, counts=(1000.0,) * 10, warning=0.03)],
                            {("amount", False): Seen(buckets(b, EDGES))}, AROUND)
        found += state.verdict is DriftVerdict.WATCH
    assert found / 200 > 0.95


def test_dependent_events_cry_wolf_unless_the_design_effect_is_told() -> None:
    plain = told = 0
    for b in draws(10, 400, 300):
        seen = {("amount", False): Seen(buckets([c * 5 for c in b], EDGES))}
        for effect in (1.0, 5.0):
            watched = numeric(edges=EDGES, counts=(100_000.0,) * 10, design_effect=effect, warning=0.0)
            [found] = drift_state([watched], seen, AROUND).features
            cried = found.p_value is not None and found.p_value < 0.01
            plain, told = plain + (cried and effect == 1), told + (cried and effect == 5)
    assert plain / 300 > 0.8
    assert told / 300 <= 0.03


def test_a_hundred_features_without_drift_stay_quiet_together() -> None:
    # Unadjusted, a hundred features at 5 % show five red rows in every refresh.
    noisy = unadjusted = 0
    items = [numeric(f"f{i}", edges=EDGES, counts=(2000.0,) * 10, warning=0.0, critical=0.0) for i in range(100)]
    for run in range(20):
        seen = {(w.name, False): Seen(buckets(b, EDGES), newest_at=NOW)
                for w, b in zip(items, draws(100 + run, 1000, 100), strict=True)}
        state = drift_state(items, seen, AROUND, false_discovery_rate=0.05)
        noisy += state.verdict is DriftVerdict.DRIFT
        unadjusted += sum((f.p_value or 1.0) < 0.05 for f in state.features)
    assert unadjusted / 20 == pytest.approx(5, abs=2)
    assert noisy <= 4
