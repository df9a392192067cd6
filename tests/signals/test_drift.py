"""The verdict on drift: effect size, significance and enough data; and the traps that others have walked into."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.signals.building import SUCCESS
from tests.signals.building import notebook as notebook_with
from tests.signals.drifting import (
    AROUND,
    COUNTRIES,
    COUNTS,
    NOW,
    buckets,
    categorical,
    categories,
    numeric,
    of_categories,
    of_counts,
    of_one,
)
from triage import notebook
from triage.notebook.load import load_all
from triage.signals.binning import Smoothing
from triage.signals.drift import drift_state
from triage.signals.drift_model import Kind, Seen, bin_shares, contract, watched
from triage.signals.drift_verdicts import DriftVerdict, LineKind, told
from triage.signals.reading import Quality
from triage.signals.reference_windows import design_effect, usual_limit

SAME = [c / 5 for c in COUNTS]
"""4,000 events just as in the reference."""
SHIFTED = [c / 5 for c in (100.0, 300.0, 900.0, 2100.0, 3800.0, 4900.0, 4300.0, 2500.0, 900.0, 200.0)]
SLIGHT = [c / 5 for c in (340.0, 950.0, 2300.0, 3800.0, 4700.0, 4200.0, 2500.0, 1050.0, 280.0, 60.0)]


def test_equal_shares_are_ok_and_say_on_how_many_events() -> None:
    found = of_counts(SAME)
    assert found.verdict is DriftVerdict.OK
    assert (found.n_reference, found.bins, found.method) == (20_000, 10, "psi")
    assert found.n_current == pytest.approx(4_000)
    assert "n 20,000 and 4,000, 10 bins" in found.sentence


def test_a_large_and_certain_shift_is_drift() -> None:
    found = of_counts(SHIFTED)
    assert found.verdict is DriftVerdict.DRIFT
    assert found.score is not None
    assert found.score > 0.25
    assert found.sentence.startswith("PSI ")
    assert "p <0.0001" in found.sentence


def test_between_the_limits_it_is_watched() -> None:
    found = of_counts(SLIGHT)
    assert found.verdict is DriftVerdict.WATCH
    assert found.score is not None
    assert 0.1 <= found.score < 0.25


def test_a_certain_but_small_difference_is_no_drift() -> None:
    # With a million events everything differs; the effect decides.
    many = [c * 50 for c in COUNTS]
    many[3] *= 1.12
    found = of_counts(many)
    assert found.p_value is not None
    assert found.p_value < 1e-5
    assert found.verdict is DriftVerdict.OK


@pytest.mark.parametrize("times", [1, 10, 100, 1000, 10_000])
def test_a_feature_that_collapses_into_one_bin_is_drift_however_busy_the_model_is(times: int) -> None:
    reference = numeric(edges=(1.0, 2.0, 3.0), counts=(250.0,) * 4)
    seen = Seen(buckets([2400.0 * times, times, times, times], (1.0, 2.0, 3.0)), newest_at=NOW - 10)
    [found] = drift_state([reference], {("amount", False): seen}, AROUND).features
    assert found.verdict is DriftVerdict.DRIFT
    assert "p <0.0001" in found.sentence


def test_a_large_score_of_few_events_is_insufficient_and_says_what_is_needed() -> None:
    found = of_counts([c / 60 for c in SHIFTED])
    assert found.score is not None
    assert found.score > 0.1
    assert found.verdict is DriftVerdict.INSUFFICIENT
    assert "of 200 events needed in 1h; a window of 3h would hold them" in found.sentence


def test_few_events_are_insufficient_even_when_they_look_alike() -> None:
    assert of_counts([c / 40 for c in SAME]).verdict is DriftVerdict.INSUFFICIENT


def test_a_score_over_its_limit_that_may_be_chance_is_not_called_ok() -> None:
    few = [3.0, 3.0, 8.0, 12.0, 13.0, 12.0, 7.0, 4.0, 1.0, 0.0]
    found = of_counts(few, numeric(min_samples=50))
    assert found.score is not None
    assert found.score >= found.warning
    assert found.p_adjusted is not None
    assert found.p_adjusted > 0.01
    assert found.verdict is DriftVerdict.INSUFFICIENT
    assert "may be chance" in found.sentence


def test_a_reference_of_few_rows_is_insufficient_too() -> None:
    found = of_counts(SAME, numeric(counts=tuple(c / 200 for c in COUNTS)))
    assert found.verdict is DriftVerdict.INSUFFICIENT
    assert "the reference holds 100 of 200 events needed" in found.sentence


def test_min_samples_of_the_manifest_replaces_the_rule() -> None:
    assert of_counts(SAME, numeric(min_samples=5000)).verdict is DriftVerdict.INSUFFICIENT


def test_events_that_come_in_fives_count_for_a_fifth() -> None:
    assert of_counts([c / 5 for c in SLIGHT], numeric(design_effect=5.0)).verdict is DriftVerdict.INSUFFICIENT
    assert of_counts([c / 5 for c in SLIGHT]).verdict is DriftVerdict.WATCH


@pytest.mark.parametrize("method", ["psi", "kl", "js", "hellinger", "tv", "ks"])
def test_every_method_finds_the_shift_and_names_itself(method: str) -> None:
    found = of_counts(SHIFTED, numeric(method=method, warning=0.05, critical=0.1))
    assert found.verdict is DriftVerdict.DRIFT
    assert found.method == method
    assert found.test == ("kolmogorov-smirnov" if method == "ks" else "chi-square")


def test_ks_needs_an_order_which_categories_have_not() -> None:
    found = of_categories(COUNTRIES, categorical(method="ks"))
    assert found.verdict is DriftVerdict.NOT_COMPARABLE
    assert "categories have no order" in found.sentence


def test_no_series_is_stale_not_no_drift() -> None:
    found = of_one(numeric(), Seen())
    assert found.verdict is DriftVerdict.STALE
    assert found.score is None


def test_no_events_are_insufficient_not_no_drift() -> None:
    found = of_counts([0.0] * 10)
    assert found.verdict is DriftVerdict.INSUFFICIENT
    assert "no events in 1h" in found.sentence


@pytest.mark.parametrize(("seen", "said"), [
    ({"covered": 0.4}, "60.00 % of the window's scrapes are missing"),
    ({"resets": 30.0, "series": 2}, "30 counter resets in the window: up to 6.25 % of the events are lost"),
    ({"trouble": (Quality.ERROR, "bad query: parse error")}, "bad query: parse error"),
])
def test_counts_that_do_not_describe_the_present_are_stale(seen: dict[str, Any], said: str) -> None:
    found = of_counts(SAME, **seen)
    assert found.verdict is DriftVerdict.STALE
    assert said in found.sentence


def test_samples_that_stopped_are_stale_with_their_age() -> None:
    found = of_one(numeric(), Seen(buckets(SAME), newest_at=NOW - 900))
    assert found.verdict is DriftVerdict.STALE
    assert found.sentence == "newest sample is 15 min old"
    assert found.age_seconds(NOW) == 900


def test_a_single_restart_among_many_pods_is_only_a_note() -> None:
    found = of_counts(SAME, resets=1.0, series=20)
    assert found.verdict is DriftVerdict.OK
    assert found.notes == ("1 counter reset in the window: up to 0.02 % of the events are lost",)


def test_a_partial_answer_may_prove_drift_but_never_its_absence() -> None:
    partial = (Quality.PARTIAL, "1 of 2 stores did not answer")
    assert of_counts(SAME, trouble=partial).verdict is DriftVerdict.STALE
    assert of_counts(SHIFTED, trouble=partial).verdict is DriftVerdict.DRIFT


def test_a_native_histogram_is_reported_as_unsupported() -> None:
    found = of_one(numeric(), Seen((), native=True, newest_at=NOW))
    assert found.verdict is DriftVerdict.NOT_COMPARABLE
    assert "native histogram" in found.sentence


def test_other_buckets_are_not_comparable_and_named() -> None:
    found = of_one(numeric(), Seen(buckets([10.0] * 4, (5.0, 11.0, 21.0)), newest_at=NOW))
    assert found.verdict is DriftVerdict.NOT_COMPARABLE
    assert "10, 20, 40, 80 …" in found.sentence


def test_a_sum_that_is_not_a_number_betrays_values_that_are_none() -> None:
    found = of_counts(SAME, value_sum=float("nan"))
    assert found.mean is None
    assert "the sum is NaN" in found.notes[0]


def test_the_mean_of_the_present_stands_beside_that_of_the_reference() -> None:
    found = of_counts(SAME, numeric(mean=60.0), value_sum=4000 * 75.0)
    assert found.mean == pytest.approx(75)
    assert found.reference_mean == 60


# Traps: drift-registry-cells 1.4, one test each.


def test_the_chi_square_knows_that_the_reference_is_noisy_too() -> None:
    # A goodness-of-fit test of these counts says p = 0.012; both samples are of 1,000 events.
    reference = (100.0,) * 10
    present = (120.0, 80.0, 118.0, 88.0, 104.0, 96.0, 121.0, 91.0, 99.0, 83.0)
    found = of_counts(present, numeric(counts=reference))
    fit = sum((b - 100) ** 2 / 100 for b in present)
    assert fit > 21.1
    assert found.p_value is not None
    assert found.p_value > 0.1


def test_two_bins_are_tested_without_yates_correction() -> None:
    found = of_categories({"yes": 75.0, "no": 175.0},
                          categorical(categories={"yes": 80.0, "no": 320.0}, min_samples=10))
    assert found.p_value == pytest.approx(0.003607, rel=1e-3)  # with Yates': 0.0050


def test_a_score_on_its_limit_counts_as_over_it() -> None:
    score = of_counts(SHIFTED).score
    assert score is not None
    assert of_counts(SHIFTED, numeric(critical=score)).verdict is DriftVerdict.DRIFT
    assert of_counts(SHIFTED, numeric(critical=score * 1.0001)).verdict is DriftVerdict.WATCH


def test_the_score_does_not_mind_unequal_totals() -> None:
    assert of_counts([c * 7 for c in COUNTS]).score == pytest.approx(0, abs=1e-4)


def test_a_feature_that_turned_forty_percent_null_is_drift_although_its_distance_is_zero() -> None:
    found = of_counts(SAME, numeric(null_share=0.0), nulls=4000 * 40 / 60)
    assert found.score == pytest.approx(0, abs=1e-3)
    assert found.distribution is DriftVerdict.OK
    assert found.verdict is DriftVerdict.DRIFT
    assert found.sentence.startswith("40.00 % have no value, 0 % in the reference; n 6,667")


def test_nulls_without_a_reference_are_shown_but_not_judged() -> None:
    found = of_counts(SAME, nulls=400.0)
    [nulls] = found.lines
    assert nulls.verdict is None
    assert nulls.share == pytest.approx(400 / 4400)
    assert found.verdict is DriftVerdict.OK


def test_a_null_category_is_a_line_and_no_bin() -> None:
    found = of_categories({**{k: v / 10 for k, v in COUNTRIES.items()}, "__null__": 500.0},
                          categorical(categories={**COUNTRIES, "__null__": 200.0}))
    [nulls] = found.lines
    assert nulls.kind is LineKind.NULLS
    assert nulls.reference_share == pytest.approx(0.0099, abs=1e-4)
    assert nulls.share == pytest.approx(0.2)
    assert nulls.low < 0.2 < nulls.high
    assert found.score == pytest.approx(0, abs=1e-3)
    assert found.verdict is DriftVerdict.DRIFT


def test_the_fill_for_an_empty_bin_stays_under_what_the_bin_then_holds() -> None:
    rare = of_counts([*SAME[:-1], 0.4], numeric(counts=(*COUNTS[:-1], 0.0)))
    part = bin_shares(rare)[-1]
    assert part.reference < part.current
    assert part.psi_part < 0.001


def test_a_new_category_makes_up_the_score_and_has_its_own_line() -> None:
    now = {k: v / 10 * 0.94 for k, v in COUNTRIES.items()} | {"XK": 120.0}
    found = of_categories(now)
    assert found.score is not None
    parts = {b.label: b.psi_part for b in bin_shares(found)}
    assert parts["__unseen__"] / found.score > 0.95
    [unseen] = [item for item in found.lines if item.kind is LineKind.UNSEEN]
    assert unseen.share == pytest.approx(0.06)
    assert unseen.names == ("XK",)
    assert unseen.sentence == "6.00 % are values that the reference does not have (XK); n 2,000"
    assert unseen.verdict is DriftVerdict.DRIFT


def test_a_vanished_category_has_its_own_line_with_what_it_was() -> None:
    found = of_categories({k: v / 10 for k, v in COUNTRIES.items() if k != "PT"})
    [gone] = [item for item in found.lines if item.kind is LineKind.VANISHED]
    assert gone.share == pytest.approx(0.06)
    assert gone.verdict is DriftVerdict.DRIFT
    assert "6.00 % of the reference do not come any more (PT)" in gone.sentence


def test_a_rare_category_that_happens_not_to_come_is_no_drift() -> None:
    found = of_categories({k: v / 10 for k, v in COUNTRIES.items()}, categorical(categories={**COUNTRIES, "LU": 10.0}))
    [gone] = found.lines
    assert gone.verdict is DriftVerdict.OK


def test_values_outside_of_the_valid_range_are_counted_where_an_edge_shows_them() -> None:
    found = of_counts([*SAME[:-1], SAME[-1] + 300], numeric(highest=1000.0))
    [outside] = found.lines
    assert outside.kind is LineKind.OUT_OF_RANGE
    assert outside.names == ("> 1280",)
    assert outside.share == pytest.approx(304.2 / 4300)
    assert outside.verdict is DriftVerdict.DRIFT


def test_a_bucket_is_outside_only_when_all_of_it_is() -> None:
    # The highest valid value is in the bucket that it bounds, the lowest one too.
    assert of_counts([*SAME[:-1], SAME[-1] + 300], numeric(highest=1280.0)).lines[0].names == ("> 1280",)
    assert of_counts([SAME[0] + 300, *SAME[1:]], numeric(lowest=5.0)).lines == ()
    assert of_counts([SAME[0] + 300, *SAME[1:]], numeric(lowest=6.0)).lines[0].names == ("≤ 5",)


def test_a_share_of_few_events_is_not_judged() -> None:
    found = of_counts([c / 80 for c in SAME], numeric(null_share=0.0), nulls=20.0)
    assert found.lines[0].verdict is DriftVerdict.INSUFFICIENT
    assert of_counts(SAME, numeric(null_share=0.0, design_effect=60.0), nulls=800.0).lines[0].verdict is \
        DriftVerdict.INSUFFICIENT


def test_ks_counts_dependent_events_once() -> None:
    plain = of_counts(SLIGHT, numeric(method="ks"))
    told = of_counts(SLIGHT, numeric(method="ks", design_effect=10.0))
    assert plain.score == told.score
    assert plain.p_value is not None
    assert told.p_value is not None
    assert told.p_value > 1000 * plain.p_value


def test_limits_rise_to_what_reference_windows_reach_by_themselves() -> None:
    scores = (0.05, 0.12, 0.2, 0.11, 0.3, 0.08)
    limit = usual_limit(scores)
    assert limit is not None
    assert limit == pytest.approx(float(np.mean(scores) + 3 * np.std(scores)))
    found = of_counts(SHIFTED, numeric(window_scores=scores))
    assert found.warning == found.critical == pytest.approx(limit)
    assert any("limits raised" in note for note in found.notes)


def test_five_reference_windows_make_no_limit_and_quiet_ones_lower_none() -> None:
    assert usual_limit((0.3,) * 5) is None
    found = of_counts(SHIFTED, numeric(window_scores=(0.001,) * 8))
    assert (found.warning, found.critical) == (0.1, 0.25)


def test_the_design_effect_is_found_in_reference_windows() -> None:
    source = np.random.default_rng(3)
    single = source.multinomial(400, [0.1] * 10, size=12).astype(float)
    found = design_effect((single * 5).tolist())
    assert found == pytest.approx(5, rel=0.25)
    assert design_effect(single[:4].tolist()) is None


def test_one_model_has_one_verdict_and_one_sentence() -> None:
    items = [numeric("a"), numeric("b"), numeric("c"), numeric("d")]
    state = drift_state(items, {("a", False): Seen(buckets(SHIFTED)), ("b", False): Seen(buckets(SAME)),
                                ("c", False): Seen(buckets(SAME))}, AROUND)
    assert state.verdict is DriftVerdict.DRIFT
    assert told([f.verdict for f in state.features]) == "1 drifting, 1 not known of 4 features"
    assert told([DriftVerdict.OK, DriftVerdict.WATCH]) == "1 watched of 2 features"
    assert told([DriftVerdict.OK]) == "1 feature without drift"


def test_what_is_not_known_is_never_summed_up_as_ok() -> None:
    state = drift_state([numeric("a"), numeric("b")], {("a", False): Seen(buckets(SAME))}, AROUND)
    assert state.verdict is DriftVerdict.STALE


def test_p_values_are_adjusted_for_the_number_of_features() -> None:
    weak = [c / 10 for c in COUNTS]
    weak[7] += 60
    alone = drift_state([numeric("a")], {("a", False): Seen(buckets(weak))}, AROUND).features[0]
    many = [numeric(f"f{i}") for i in range(40)]
    seen = {(w.name, False): Seen(buckets(SAME)) for w in many}
    state = drift_state([numeric("a"), *many], {("a", False): Seen(buckets(weak)), **seen}, AROUND)
    among = state.feature("a")
    assert among is not None
    assert alone.p_adjusted == alone.p_value == among.p_value
    assert among.p_adjusted == pytest.approx(41 * (among.p_value or 0.0), rel=1e-6)
    assert state.tested == 41


def test_the_prediction_comes_first_then_the_worst_then_the_weightiest() -> None:
    items = [numeric("plain"), numeric("light"), numeric("heavy", importance=5.0),
             numeric("score", is_prediction=True)]
    state = drift_state(items, {("plain", False): Seen(buckets(SAME)), ("light", False): Seen(buckets(SHIFTED)),
                                ("heavy", False): Seen(buckets(SHIFTED)), ("score", True): Seen(buckets(SAME))}, AROUND)
    assert [f.feature for f in state.features] == ["score", "heavy", "light", "plain"]
    assert state.prediction is state.features[0]


def test_the_overlay_shows_both_distributions_in_plain_shares() -> None:
    found = of_counts(SHIFTED)
    rows = bin_shares(found)
    assert [r.label for r in rows][:2] == ["≤ 5", "5 … 10"]
    assert sum(r.reference for r in rows) == pytest.approx(1)
    assert sum(r.current for r in rows) == pytest.approx(1)
    assert sum(r.psi_part for r in rows) == pytest.approx(found.score)


def test_the_row_in_json_carries_the_contract_and_nothing_that_json_lacks() -> None:
    for found in (of_counts(SHIFTED), of_counts([0.0] * 10), of_one(numeric(), Seen()),
                  of_categories({"XX": 500.0, "__null__": 20.0})):
        row = json.loads(json.dumps(contract(found), allow_nan=False))
        assert {"feature", "method", "score", "n", "verdict"} <= set(row)
        assert row["n"] == found.n_current


def test_every_manifest_is_read_into_what_is_watched() -> None:
    books = load_all([Path(notebook.__file__).parent / "examples"]).notebooks
    assert books
    for book in books:
        drift = book.manifest.spec.drift
        assert drift is not None
        found = watched(drift, book.manifest.spec.inputs)
        assert [w.name for w in found if not w.is_prediction] == [f.name for f in drift.features]
        assert [w.name for w in found if w.is_prediction] == ([drift.prediction.name] if drift.prediction else [])
        for item in found:
            events = [c / 5 for c in item.counts] if item.kind is Kind.HISTOGRAM else []
            seen = Seen(buckets(events, item.edges) if events else
                        categories({k: v / 5 for k, v in item.categories.items()}))
            assert of_one(item, seen).verdict is DriftVerdict.OK


def test_the_window_is_told_with_the_figures() -> None:
    found = of_one(numeric(), Seen(buckets([c / 30 for c in SAME]), window_seconds=6 * 3600.0))
    assert found.window_seconds == 21600
    assert "needed in 6h" in found.sentence


def test_no_watched_feature_is_not_called_ok() -> None:
    state = drift_state([], {}, AROUND)
    assert state.verdict is not DriftVerdict.OK
    assert told([]) == "no feature is watched for drift"


def test_slow_scrapes_are_given_more_time() -> None:
    old = replace(AROUND, scrape_interval=600.0)
    assert of_one(numeric(), Seen(buckets(SAME), newest_at=NOW - 1200), old).verdict is DriftVerdict.OK


def test_what_the_manifest_says_of_its_data_is_used() -> None:
    book = notebook_with(SUCCESS, more="""\
drift:
  design_effect: 4
  features:
    - {name: age, histogram: v, smoothing: laplace, reference: {edges: [10, 20], counts: [1, 2, 3], null_share: 0.2,
       mean: 15, window_scores: [0.1, 0.2]}}
    - {name: amount, histogram: v, reference: {edges: [10, 20], counts: [1, 2, 3]}}
inputs:
  - {name: amount, type: float, required: true, min: 0, max: 500}
""")
    drift = book.manifest.spec.drift
    assert drift is not None
    age, amount = watched(drift, book.manifest.spec.inputs)
    assert (age.design_effect, age.smoothing, age.null_share, age.mean) == (4, Smoothing.LAPLACE, 0.2, 15)
    assert age.window_scores == (0.1, 0.2)
    assert (amount.null_share, amount.lowest, amount.highest) == (0, 0, 500)
