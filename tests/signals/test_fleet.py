"""What a fleet's rows say of their models, and what they add up to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.tui import deploys, snapshots
from triage.facts.outcome import Failure, FailureKind
from triage.facts.replies import LAST_SEEN, VALUE, Part, Question, Reply
from triage.facts.samples import Sample
from triage.facts.versions import RegisteredModel, RegisteredVersion
from triage.notebook.manifest import Manifest
from triage.signals.burn import DAY
from triage.signals.deployed import Deployed
from triage.signals.fleet import FleetRow, broken_row, fleet_row, fleet_state
from triage.signals.fleet_seen import LastSeen, last_seen, seen_reasons
from triage.signals.fleet_value import value_reading
from triage.signals.model import ModelState, Versions, VersionState
from triage.signals.quality import Expected, elsewhere, judge
from triage.signals.quality_reading import QualityReading, VersionFigure
from triage.signals.reading import Quality, Reading, Urgency, Verdict

NOW = snapshots.NOW


def manifest(**spec: Any) -> Manifest:
    return Manifest.model_validate({
        "apiVersion": "triage/v1alpha1", "kind": "ModelNotebook",
        "metadata": {"name": "m", "version": "8", "owners": [{"name": "t", "role": "on-call"}]},
        "spec": {"slos": [{"name": "success", "sli": {"good": "g", "total": "t"}}]} | spec})


def healthy() -> ModelState:
    return snapshots.healthy().models[0]


def row(model: ModelState | None = None, promised: Manifest | None = None, said: Deployed | None = None) -> FleetRow:
    return fleet_row(promised or manifest(), model or healthy(), said or Deployed(), NOW)


def with_budgets(**left: float | None) -> ModelState:
    """A model with these required objectives; None: of too few events."""
    slos = []
    for name, remaining in left.items():
        budget = snapshots.budget(remaining if remaining is not None else 0.99)
        if remaining is None:
            budget = replace(budget, quality=Quality.LOW_N, note="3 d of 30 d")
        slos.append(replace(snapshots.slo(name), budget=budget, required=True))
    return replace(healthy(), slos=tuple(slos))


def test_health_is_the_lowest_budget_of_the_required_objectives_and_says_which() -> None:
    model = with_budgets(latency=0.5, success=0.2)
    optional = replace(snapshots.slo("schema"), budget=snapshots.budget(-3.0), required=False)
    found = row(replace(model, slos=(*model.slos, optional)))
    assert (found.health.value, found.health.slo) == (0.2, "success")
    assert (found.budget.value, found.budget.slo) == (-3.0, "schema")


def test_without_a_required_objective_health_is_of_all() -> None:
    model = with_budgets(latency=0.5, success=0.2)
    found = row(replace(model, slos=tuple(replace(slo, required=False) for slo in model.slos)))
    assert found.health.value == 0.2


def test_a_budget_of_too_few_events_is_no_health_and_is_named() -> None:
    assert row(with_budgets(latency=None)).health.value is None
    assert row(with_budgets(latency=None)).health.quality is Quality.LOW_N
    found = row(with_budgets(latency=None, success=0.4)).health
    assert (found.value, found.why) == (0.4, "that of latency cannot be told yet: 3 d of 30 d")


def test_an_objective_that_cannot_be_read_is_named_beside_the_others() -> None:
    model = with_budgets(latency=0.5, success=0.2)
    unread = replace(model.slos[1], budget=None, verdict=Verdict.UNKNOWN, sentence="no such series")
    found = row(replace(model, slos=(model.slos[0], unread))).health
    assert (found.value, found.why) == (0.5, "success cannot be read: no such series")
    alone = row(replace(model, slos=(unread,))).health
    assert (alone.value, alone.slo, alone.why) == (None, "success", "no such series")


def test_a_model_without_budgets_says_so() -> None:
    found = row(replace(healthy(), slos=())).health
    assert (found.value, found.why) == (None, "no objective has a budget")
    assert row(replace(healthy(), slos=())).burn.value is None


def test_burn_is_the_highest_of_the_last_hour() -> None:
    slow = replace(snapshots.latency(), burns=snapshots.burns(9.0, 9.0, 4.5))
    found = row(replace(healthy(), slos=(slow, snapshots.slo("success")))).burn
    assert (found.value, found.slo) == (4.5, "latency")


def test_stale_readings_make_stale_scores() -> None:
    slos = tuple(replace(slo, now=replace(slo.now, quality=Quality.STALE)) for slo in with_budgets(latency=0.5).slos)
    found = row(replace(healthy(), slos=slos))
    assert found.health.quality is Quality.STALE
    assert found.burn.quality is Quality.STALE


def test_the_last_deploy_is_the_first_request_of_the_youngest_version() -> None:
    share = Reading(0.5, "ratio", Quality.OK)
    seen = Versions("traffic", (VersionState("7", "stable", share, NOW - 9000, NOW),
                                VersionState("8", "canary", share, NOW - 600, NOW),
                                VersionState("6", "", share, NOW - 60, NOW)))
    found = row(replace(healthy(), versions=seen))
    assert (found.deploy.version, found.deploy.at, found.deploy.source) == ("8", NOW - 600, "traffic")
    assert found.trial is not None
    assert (found.trial.version, found.trial.verdict) == ("8", "")


def test_a_version_that_was_there_before_the_last_day_is_older_than_that() -> None:
    found = row().deploy
    assert (found.at, found.before, found.version) == (None, NOW - DAY, "v7")
    assert row(replace(healthy(), versions=Versions("traffic", ()))).deploy.before is None


def registered(*versions: RegisteredVersion) -> Deployed:
    return Deployed(RegisteredModel("m", versions, {}, NOW))


def test_activity_is_counted_from_the_registry_over_thirty_days() -> None:
    promised = manifest(registry={"kind": "mlflow", "name": "m"})
    approved = {"validation_status": "approved"}
    said = registered(RegisteredVersion("9", NOW - DAY, run_id="r9", tags=approved),
                      RegisteredVersion("8", NOW - 29 * DAY, run_id="r8"),
                      # Registered twice from one run, and once from none.
                      RegisteredVersion("8a", NOW - 28 * DAY, run_id="r8"), RegisteredVersion("8b", NOW - 28 * DAY),
                      RegisteredVersion("7", NOW - 31 * DAY, run_id="r7", tags=approved),
                      RegisteredVersion("6", None, run_id="r6", tags=approved))
    found = row(promised=promised, said=said).activity
    assert (found.approvals, found.approvals_from, found.deploys, found.retrains) == (1, "registry", None, 2)
    # When the older ones were approved, nobody says.
    assert found.at_least == {"approvals"}


def test_approvals_are_counted_by_their_own_time_where_it_is_recorded() -> None:
    promised = manifest(registry={"kind": "mlflow", "name": "m"})

    def approved(name: str, given: str, **more: Any) -> RegisteredVersion:
        tags = {"validation_status": "approved", **({"approved_at": given} if given else {})}
        return RegisteredVersion(name, NOW - 90 * DAY, tags=tags, **more)

    lately = str(int(NOW - 2 * DAY))
    found = row(promised=promised, said=registered(
        approved("5", lately), approved("4", f"{lately}000"), approved("3", "2020-01-31"),
        approved("2", "", tagged_at={"validation_status": NOW - DAY}),
        approved("1", "", tagged_at={"validation_status": NOW - 60 * DAY}))).activity
    assert (found.approvals, found.at_least) == (3, frozenset())
    unreadable = row(promised=promised, said=registered(approved("5", "last week"), approved("4", lately))).activity
    assert (unreadable.approvals, unreadable.at_least) == (1, frozenset({"approvals"}))


@pytest.mark.parametrize("changes", [{"complete": False}, {"as_of": NOW - 5 * DAY}, {"fetch_failed_at": NOW - 60}])
def test_what_was_not_read_in_full_is_a_lower_bound(changes: dict[str, Any]) -> None:
    promised = manifest(registry={"kind": "mlflow", "name": "m"})
    assert row(promised=promised, said=registered()).activity.at_least == frozenset()
    part = Deployed(RegisteredModel("m", (), {}, NOW, **changes))
    assert row(promised=promised, said=part).activity.at_least == {"approvals", "retrains"}


def rolled_out(*revisions: tuple[float, int, tuple[int, ...]], incomplete: Failure | None = None) -> FleetRow:
    """A rollout with kept ReplicaSets: (made so many days ago, number, earlier numbers)."""
    facts = deploys.rollout(NOW)
    one = deploys.revision("8", 1, 1)
    kept = tuple(replace(one, created_at=NOW - days * DAY, number=number, earlier_numbers=earlier)
                 for days, number, earlier in revisions)
    return row(said=Deployed(rollout=replace(facts, revisions=kept, incomplete=incomplete)))


@pytest.mark.parametrize(("revisions", "expected", "is_bound"), [
    # Three templates, and the one before them from before.
    ([(1, 9, ()), (2, 8, ()), (20, 7, ()), (40, 6, ())], 3, False),
    # The first of all is of this time.
    ([(1, 2, ()), (2, 1, ())], 2, False),
    # ReplicaSets between are no longer kept: their numbers are.
    ([(1, 9, ()), (20, 5, ()), (40, 4, ())], 5, False),
    # What came before the oldest of this time is not kept: it may have been of this time too.
    ([(1, 9, ()), (2, 8, ()), (40, 3, ())], 2, True),
    # Gone back to what is older than this time: its number is new.
    ([(40, 10, (7,)), (1, 9, ()), (2, 8, ())], 3, False),
    # The same, with nothing else of this time: when it was gone back to is not kept.
    ([(40, 10, (8,)), (45, 9, ())], 0, True),
    ([(40, 10, ()), (45, 9, ())], 0, False)])
def test_deploys_are_the_numbers_that_the_controller_gave(revisions: list[tuple[float, int, tuple[int, ...]]],
                                                          expected: int, is_bound: bool) -> None:
    found = rolled_out(*revisions).activity
    assert (found.deploys, "deploys" in found.at_least) == (expected, is_bound)


def test_deploys_of_a_rollout_that_was_not_read_in_full_are_a_lower_bound() -> None:
    missing = Failure(FailureKind.TOO_LARGE, "there are more")
    assert "deploys" in rolled_out((1, 2, ()), (2, 1, ()), incomplete=missing).activity.at_least
    unnumbered = replace(deploys.rollout(NOW), revisions=(replace(deploys.revision("8", 1, 1), number=None),))
    assert row(said=Deployed(rollout=unnumbered)).activity.deploys is None


def test_a_sum_with_a_lower_bound_in_it_is_one() -> None:
    exact, bound = rolled_out((1, 2, ()), (2, 1, ())), rolled_out((1, 9, ()), (40, 3, ()))
    state = fleet_state([exact, replace(bound, name="other")], 5.0)
    assert (state.activity.deploys, state.activity.at_least) == (3, frozenset({"deploys"}))
    assert fleet_state([exact], 5.0).activity.at_least == frozenset()


def test_without_a_registry_approvals_are_the_notebooks_and_retrain_runs_are_not_known() -> None:
    promised = manifest(approvals=[{"role": "risk", "by": "x", "at": "2026-11-20", "status": "approved"},
                                   {"role": "risk", "by": "x", "at": "2026-11-21", "status": "pending"},
                                   {"role": "risk", "by": "x", "at": "2026-09-01", "status": "approved"}])
    found = row(promised=promised).activity
    assert (found.approvals, found.approvals_from, found.retrains) == (1, "notebook", None)
    assert row().activity.approvals is None


def test_health_that_is_not_known_comes_before_health_that_is() -> None:
    known, lower = (replace(row(with_budgets(latency=left)), name=name) for name, left in (("a", 0.9), ("b", 0.2)))
    unknown = replace(row(with_budgets(latency=None)), name="c")
    assert [r.name for r in fleet_state((known, lower, unknown), 5.0).rows] == ["c", "b", "a"]


def test_a_fleet_is_sorted_worst_first() -> None:
    base = row()
    rows = [replace(base, name="well"), replace(base, name="to-see", verdict=Verdict.WARN),
            broken_row("broken", ()), replace(base, name="ticket", verdict=Verdict.FAIL, urgency=Urgency.TICKET),
            replace(base, name="page", verdict=Verdict.FAIL, urgency=Urgency.PAGE)]
    state = fleet_state(rows, 5.0)
    assert [r.name for r in state.rows] == ["page", "ticket", "broken", "to-see", "well"]
    assert state.verdicts == {Verdict.FAIL: 2, Verdict.UNKNOWN: 1, Verdict.WARN: 1, Verdict.PASS: 1}


def test_a_fleet_sums_what_is_known_and_says_of_how_many() -> None:
    known = row(promised=manifest(registry={"kind": "mlflow", "name": "m"}),
                said=registered(RegisteredVersion("9", NOW - DAY, run_id="r")))
    state = fleet_state([known, replace(known, name="other"), broken_row("b", ("e",))], 5.0)
    assert (state.activity.approvals, state.activity.deploys, state.activity.retrains) == (0, None, 2)
    assert state.told == {"approvals": 2, "deploys": 0, "retrains": 2}


def test_only_models_that_burn_are_among_the_top() -> None:
    burning = [replace(row(), name=f"m{n}", burn=replace(row().burn, value=float(n))) for n in range(8)]
    assert [r.name for r in fleet_state(burning, 5.0).top] == ["m7", "m6", "m5", "m4", "m3"]


PUSHED = manifest(metrics={"last_seen": {"metric": "push_time_seconds", "within": "1d"}})


def replies(name: str, part: Part, *values: float | None, window: float = 0.0) -> dict[Question, Reply]:
    return {Question(name, n, part, window): Reply(NOW - 1, 15.0, () if value is None else (Sample({}, value, NOW),))
            for n, value in enumerate(values)}


@pytest.mark.parametrize(("newest", "quality"), [(NOW - 60, Quality.OK), (NOW - 2 * DAY, Quality.STALE),
                                                 (None, Quality.NO_DATA)])
def test_the_last_word_is_judged_by_how_long_silence_may_last(newest: float | None, quality: Quality) -> None:
    found = last_seen(PUSHED, replies(LAST_SEEN, Part.SAMPLED_AT, newest, NOW - 9 * DAY), NOW)
    assert found is not None
    assert (found.newest_at, found.quality) == (newest, quality)
    reasons = seen_reasons(found)
    assert [r.verdict for r in reasons] == ([] if quality is Quality.OK else [Verdict.UNKNOWN])


def test_the_last_word_that_is_not_answered_is_not_known() -> None:
    failure = Failure(FailureKind.EXECUTION, "no")
    asked = {q: Reply(None, 15.0, failure=failure) for q in replies(LAST_SEEN, Part.SAMPLED_AT, None, None)}
    found = last_seen(PUSHED, asked, NOW)
    assert found is not None
    assert found.quality is Quality.ERROR
    assert seen_reasons(found)[0].text == "whether it still runs is not known: execution: no"


def test_silence_without_a_limit_is_only_shown() -> None:
    seen = LastSeen(NOW - 9 * DAY, None, None, Quality.STALE, "not answered for 20 s")
    assert seen_reasons(seen) == ()
    assert last_seen(manifest(), {}, NOW) is None
    assert seen_reasons(None) == ()


WORTH = manifest(value={"name": "saved", "counter": "saved_total", "unit": "EUR", "quality": "success"})


def test_a_value_is_shown_with_its_change_in_a_week_and_against_quality() -> None:
    found = value_reading(WORTH, replies(VALUE, Part.TOTAL, 820.0, 1000.0, window=DAY), None,
                          (snapshots.slo("success"),), NOW)
    assert found is not None
    assert (found.now.value, found.now.unit) == (820.0, "EUR")
    assert found.change == pytest.approx(-0.18)
    assert (found.quality_name, found.quality_text, found.quality_verdict) == ("success", "99.94 %", Verdict.PASS)


def test_a_value_that_is_not_there_is_not_zero() -> None:
    found = value_reading(WORTH, replies(VALUE, Part.TOTAL, None, None, window=DAY), None, (), NOW)
    assert found is not None
    assert (found.now.value, found.now.quality, found.change) == (None, Quality.NO_DATA, None)
    assert (found.quality_text, found.quality_verdict) == ("not known yet", Verdict.UNKNOWN)
    assert value_reading(manifest(), {}, None, (), NOW) is None


@pytest.mark.parametrize(("figures", "age", "text", "verdict"), [
    ([(0.9, Verdict.PASS), (0.5, Verdict.FAIL)], 10.0, "0.500 (1)", Verdict.FAIL),
    ([(0.9, Verdict.PASS), (None, Verdict.UNKNOWN)], 10.0, "not known (1)", Verdict.UNKNOWN),
    ([(0.9, Verdict.PASS), (None, Verdict.PENDING)], 10.0, "0.900", Verdict.PASS),
    ([(None, Verdict.PENDING)], 10.0, "not known yet", Verdict.UNKNOWN),
    ([(0.9, Verdict.PASS)], 200.0, "0.900, old", Verdict.UNKNOWN)])
def test_what_a_value_is_set_against_is_of_the_present_and_of_the_version_that_does_worst(
        figures: list[tuple[float | None, Verdict]], age: float, text: str, verdict: Verdict) -> None:
    told = tuple(VersionFigure(str(number), replace(
        judge(elsewhere("recall", value, 900.0, ""), Expected()), verdict=its))
        for number, (value, its) in enumerate(figures))
    promised = manifest(value={"name": "saved", "counter": "saved_total", "unit": "EUR", "quality": "recall"},
                        quality={"feedback": {"regime": "instant"}, "metrics": [{"name": "recall", "metric": "r"}]})
    found = value_reading(promised, {}, QualityReading(told, (), NOW - age, 180.0), (), NOW)
    assert found is not None
    assert (found.quality_text, found.quality_verdict) == (text, verdict)


@pytest.mark.parametrize("value", [{"name": "v"}, {"name": "v", "counter": "c", "gauge": "g"},
                                   {"name": "v", "counter": "c", "quality": "nothing"}])
def test_a_value_needs_one_metric_and_a_quality_that_is_measured(value: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"exactly one of counter and gauge|which nothing here measures"):
        manifest(value=value)
