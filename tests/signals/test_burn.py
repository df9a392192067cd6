"""Error budgets and burn rates against the tables of the SRE workbook, Sloth, Pyrra and OpenSLO."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.signals.burn import (
    DAY,
    HOUR,
    MINUTE,
    TIERS,
    TierRule,
    allowed_ratio,
    budget,
    burn_rate,
    evaluate_tier,
    fewest_events,
    highest_burn_rate,
    threshold,
    tier_rules,
)
from triage.signals.model import Burn, Tier
from triage.signals.reading import Quality, Urgency

FIRST, SECOND, THIRD, FOURTH = TIERS


def tier(long: float | None, short: float | None, *, n: float | None = 1e6, rule: TierRule = FIRST,
         objective: float = 99.9, min_events: int | None = None) -> Tier:
    burns = {rule.long_seconds: Burn(rule.long_seconds, long, n, Quality.OK),
             rule.short_seconds: Burn(rule.short_seconds, short, n, Quality.OK)}
    return evaluate_tier(rule, burns, objective, 30 * DAY, min_events)


@pytest.mark.parametrize(("rule", "urgency", "long", "short", "budget_percent", "burn", "error_ratio"), [
    (FIRST, "page", HOUR, 5 * MINUTE, 2, 14.4, 0.0144),
    (SECOND, "page", 6 * HOUR, 30 * MINUTE, 5, 6, 0.006),
    (THIRD, "ticket", DAY, 2 * HOUR, 10, 3, 0.003),
    (FOURTH, "ticket", 3 * DAY, 6 * HOUR, 10, 1, 0.001),
])
def test_the_tiers_are_table_5_8_and_the_fourth_pair_of_its_code(
        rule: TierRule, urgency: str, long: float, short: float, budget_percent: float, burn: float,
        error_ratio: float) -> None:
    assert (rule.urgency, rule.long_seconds, rule.short_seconds) == (urgency, long, short)
    assert threshold(rule, 30 * DAY) == pytest.approx(burn)
    assert threshold(rule, 30 * DAY) * allowed_ratio(99.9) == pytest.approx(error_ratio)
    assert 100 * threshold(rule, 30 * DAY) * rule.long_seconds / (30 * DAY) == pytest.approx(budget_percent)


def test_each_short_window_is_a_twelfth_of_the_long_one() -> None:
    assert all(rule.short_seconds == rule.long_seconds / 12 for rule in TIERS)


def test_28_days_have_the_factors_that_sloth_has() -> None:
    assert [threshold(rule, 28 * DAY) for rule in TIERS] == pytest.approx([13.44, 5.6, 2.8, 0.9333], abs=5e-5)


def test_a_tier_longer_than_the_period_is_not_judged() -> None:
    assert tier_rules(30 * DAY) == TIERS
    assert tier_rules(DAY) == TIERS[:3]
    assert tier_rules(HOUR) == TIERS[:1]


@pytest.mark.parametrize(("error_ratio", "objective", "expected"), [
    (0.001, 99.9, 1), (0.0144, 99.9, 14.4), (1, 99.9, 1000), (0.05, 99, 5), (0, 99, 0), (0.5, 50, 1),
])
def test_burn_rate_is_error_ratio_over_what_is_allowed(error_ratio: float, objective: float, expected: float) -> None:
    assert burn_rate(error_ratio, objective) == pytest.approx(expected)


@pytest.mark.parametrize(("objective", "expected"), [
    (99.9, 0.001), (99.95, 0.0005), (99.99, 0.0001), (99.999, 0.00001), (95, 0.05), (0, 1.0),
])
def test_the_allowed_share_has_no_rounding_noise(objective: float, expected: float) -> None:
    assert allowed_ratio(objective) == expected


def test_more_nines_than_are_told_apart_still_allow_something() -> None:
    assert allowed_ratio(99.99999999999995) > 0
    assert math.isfinite(burn_rate(1, 99.99999999999995))


@pytest.mark.parametrize(("burn", "expected_seconds"), [
    (2, 15 * DAY), (10, 3 * DAY), (1000, 43.2 * MINUTE),
])
def test_time_to_exhaustion_of_a_full_budget_is_the_workbooks(burn: float, expected_seconds: float) -> None:
    found = budget(0, 1e6, 99.9, 30 * DAY, Quality.OK, present_burn=burn)
    assert found.exhausted_in_seconds == pytest.approx(expected_seconds)


@pytest.mark.parametrize(("rule", "limit"), [(FIRST, 93.06), (SECOND, 83.33), (THIRD, 66.67)])
def test_a_tier_is_reachable_only_above_its_limit(rule: TierRule, limit: float) -> None:
    assert not tier(100, 100, rule=rule, objective=limit - 0.01).reachable
    assert tier(100, 100, rule=rule, objective=limit + 0.01).reachable


def test_the_slowest_tier_is_reachable_for_every_objective_above_nothing() -> None:
    assert tier(0, 0, rule=FOURTH, objective=1).reachable


def test_the_highest_burn_rate_is_that_of_nothing_but_bad_events() -> None:
    assert highest_burn_rate(99.9) == burn_rate(1, 99.9) == 1000


@pytest.mark.parametrize(("objective", "expected"), [(99.9, 70), (99.5, 14), (99, 7)])
def test_fewest_events_keep_one_bad_event_from_paging(objective: float, expected: int) -> None:
    assert fewest_events(14.4, objective) == expected


@given(st.floats(0.9, 20), st.floats(50, 99.99))
def test_one_bad_event_of_the_fewest_stays_at_or_under_the_threshold(burn: float, objective: float) -> None:
    needed = fewest_events(burn, objective)
    assert burn_rate(1 / needed, objective) <= burn * (1 + 1e-6)
    assert needed == 1 or burn_rate(1 / (needed - 1), objective) > burn * (1 - 1e-6)


def test_openslo_counts_occurrences_in_two_weeks_at_95_percent() -> None:
    found = budget(0, 14 * 24_000, 95, 14 * DAY, Quality.OK)
    assert found.total == 336_000
    assert found.allowed == found.left == pytest.approx(16_800)


def test_openslos_16632_failed_requests_are_an_attack_of_the_budgets_size_at_1_percent_availability() -> None:
    failed = 0.99 * 16_800
    found = budget(failed, 336_000, 95, 14 * DAY, Quality.OK)
    assert found.bad == pytest.approx(16_632)
    assert found.left == pytest.approx(168)
    assert found.remaining == pytest.approx(0.01)


def test_openslo_allows_5m_2_4s_of_a_week_at_99_95_percent() -> None:
    found = budget(0, 7 * DAY, 99.95, 7 * DAY, Quality.OK)
    assert found.allowed == pytest.approx(302.4)


def test_an_overspent_budget_is_negative_and_never_clamped() -> None:
    found = budget(1340, 1_000_000, 99.9, 30 * DAY, Quality.OK)
    assert found.remaining == pytest.approx(-0.34)
    assert found.left == pytest.approx(-340)
    assert budget(1_000_000, 1_000_000, 99.9, 30 * DAY, Quality.OK).remaining == pytest.approx(-999)


@given(total=st.integers(1, 10**9), share=st.floats(0, 1), objective=st.floats(1, 99.99))
def test_the_budgets_of_pyrra_and_sloth_and_ours_are_one_number(total: int, share: float, objective: float) -> None:
    bad = share * total
    target = objective / 100
    pyrra = ((1 - target) - bad / total) / (1 - target)
    sloth = 1 - (bad / total) / (1 - target)
    ours = budget(bad, total, objective, 30 * DAY, Quality.OK).remaining
    assert ours == pytest.approx(pyrra, rel=1e-6, abs=1e-6)
    assert ours == pytest.approx(sloth, rel=1e-6, abs=1e-6)
    assert ours == pytest.approx(1 - burn_rate(share, objective), rel=1e-9, abs=1e-9)


@given(total=st.integers(1, 10**9), bads=st.tuples(st.floats(0, 1), st.floats(0, 1)), objective=st.floats(0, 99.99))
def test_more_bad_events_never_leave_more_budget(total: int, bads: tuple[float, float], objective: float) -> None:
    few, many = (budget(share * total, total, objective, DAY, Quality.OK) for share in sorted(bads))
    assert many.remaining <= few.remaining
    assert math.isfinite(many.remaining)


def test_exhaustion_is_forecast_from_what_remains_and_the_present_burn() -> None:
    found = budget(500, 1_000_000, 99.9, 30 * DAY, Quality.OK, present_burn=5)
    assert found.exhausted_in_seconds == pytest.approx(0.5 * 30 * DAY / 5)


@pytest.mark.parametrize("burn", [None, 0.0, 0.4, 1.0])
def test_a_budget_that_is_not_being_used_up_has_no_end(burn: float | None) -> None:
    assert budget(500, 1_000_000, 99.9, 30 * DAY, Quality.OK, present_burn=burn).exhausted_in_seconds is None


@pytest.mark.parametrize("bad", [1000, 1340])
def test_a_budget_used_up_has_ended_already(bad: float) -> None:
    assert budget(bad, 1_000_000, 99.9, 30 * DAY, Quality.OK, present_burn=0).exhausted_in_seconds == 0


def test_a_budget_of_too_few_events_stays_one_when_its_figures_grow_old() -> None:
    found = budget(17, 1692, 99.9, 30 * DAY, Quality.STALE, covered_seconds=300)
    assert (found.quality, found.exhausted_in_seconds) == (Quality.LOW_N, None)
    assert "too early to judge a 30d budget" in found.note


def test_a_tier_fires_when_both_windows_exceed_it() -> None:
    assert tier(14.5, 14.5).firing


@pytest.mark.parametrize(("long", "short"), [
    (14.5, 14.3), (14.3, 14.5), (14.4, 14.4), (None, 20), (20, None), (None, None), (0, 0),
])
def test_a_tier_does_not_fire_by_one_window_alone(long: float | None, short: float | None) -> None:
    found = tier(long, short)
    assert (found.firing, found.blocked) == (False, "")


def test_a_tier_without_its_windows_does_not_fire() -> None:
    assert not evaluate_tier(FIRST, {}, 99.9, 30 * DAY, None).firing


@pytest.mark.parametrize("n", [69, 1, 0, None])
def test_too_few_events_in_the_long_window_block_a_tier_and_are_named(n: float | None) -> None:
    found = tier(20, 20, n=n)
    assert not found.firing
    assert found.blocked == f"{n or 0} events, 70 needed"


def test_just_enough_events_let_a_tier_fire() -> None:
    assert tier(20, 20, n=70).firing


def test_the_manifests_own_minimum_replaces_the_computed_one() -> None:
    assert tier(20, 20, n=100, min_events=101).blocked == "100 events, 101 needed"
    assert tier(20, 20, n=2, min_events=1).firing


def test_urgency_is_the_rules_own() -> None:
    assert [tier(0, 0, rule=rule).urgency for rule in TIERS] == [
        Urgency.PAGE, Urgency.PAGE, Urgency.TICKET, Urgency.TICKET]
