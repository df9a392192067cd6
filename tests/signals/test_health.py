"""One verdict, one urgency with its rule, and the reasons in order of importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.building import NOW, Answers, answers, changed, notebook, reply, with_reply
from triage.facts.alerts import Alert, AlertState
from triage.facts.outcome import Failure, FailureKind, SourceHealth, SourceState
from triage.facts.replies import Part
from triage.notebook.load import Notebook
from triage.notebook.resolve import requests_selectors
from triage.signals.alerts import grouped
from triage.signals.burn import DAY, HOUR, MINUTE
from triage.signals.health import Health, health
from triage.signals.objectives import Surroundings, slo_state
from triage.signals.reading import Urgency, Verdict
from triage.signals.versions import versions

ONE = """{name: one, sli: {good: 'one_total{code!~"5.."}', total: one_total}, objective: 99.9, required: true}"""
TWO = """{name: two, sli: {good: 'two_total{code!~"5.."}', total: two_total}, objective: 99.9}"""
QUEUE = "{name: queue, sli: {gauge: queue_length, at_most: 20}, objective: 99}"
ZERO = "{name: schema, sli: {bad: invalid_total, total: checked_total}, objective: 100}"
BOOK = notebook(ONE, TWO)
REFUSED = Failure(FailureKind.CONNECT, "refused")
PROMETHEUS_DOWN = SourceHealth("prometheus", SourceState.DOWN, error="connect: refused")
ALERTMANAGER_DOWN = SourceHealth("alertmanager", SourceState.DOWN, error="connect: refused")
LEFT_OUT = (Part.GOOD, Part.BAD, Part.TOTAL, Part.SAMPLED_AT)


def concluded(book: Notebook, replies: Answers, *, alerts: Sequence[Alert] = (),
              sources: Sequence[SourceHealth] = (), now: float = NOW) -> Health:
    """The health that these replies give, by the way that the program takes."""
    around = Surroundings(now, 15.0, None, None)
    slos = [slo_state(objective, replies, around) for objective in book.objectives]
    seen = versions(requests_selectors(book.manifest), book.manifest.spec.canary.arm, replies, now)
    return health(book, slos, seen, grouped(alerts, book.manifest), sources, replies, now)


def errors_of(replies: Answers, objective: str, ratio: float | Mapping[float, float]) -> Answers:
    """The replies with this share of errors for one objective."""
    return {q: fresh if q.objective == objective else r for q, r in replies.items()
            for fresh in [answers(BOOK, errors=ratio).get(q, r)]}


def without(replies: Answers, objective: str) -> Answers:
    """The replies with no series for one objective."""
    return with_reply(replies, reply(), *LEFT_OUT, objective=objective)


def alert(name: str, severity: str, state: AlertState = AlertState.FIRING, **labels: str) -> Alert:
    return Alert(name, {"alertname": name, "model": "m", "severity": severity, **labels}, {"summary": "it is bad"},
                 state, NOW - 60)


def canary(*, stable_errors: float = 0.0, canary_errors: float = 0.05, share: float = 0.01, per_hour: float = 36_000,
           age: float = 2 * HOUR, book: Notebook = BOOK) -> Answers:
    """Two versions over the rollout rule's window: the younger with its own share of errors."""
    found: Answers = answers(book, per_hour=per_hour, versions={"v1": 1 - share, "v2": share})
    total = per_hour * age / HOUR
    old = ({"model_version": "v1"}, total * (1 - share))
    good = ({"model_version": "v1"}, total * (1 - share) * (1 - stable_errors))
    new, new_good = total * share, total * share * (1 - canary_errors)
    found = with_reply(found, reply(old, ({"model_version": "v2"}, new)), Part.TOTAL, window=DAY, objective="one")
    found = with_reply(found, reply(good, ({"model_version": "v2"}, new_good)), Part.GOOD, window=DAY,
                       objective="one")
    return with_reply(found, reply(({"model_version": "v1"}, NOW - DAY), ({"model_version": "v2"}, NOW - age)),
                      Part.FIRST_SEEN)


def rollout_reasons(found: Health) -> list[str]:
    return [r.text for r in found.reasons if r.rule == "rollout rule"]


def test_a_passing_model_says_what_it_passes() -> None:
    found = concluded(BOOK, answers(BOOK, errors=0.0001))
    assert (found.verdict, found.urgency, found.urgency_rule) == (Verdict.PASS, Urgency.NONE, "")
    assert [(r.rule, r.text) for r in found.reasons] == [
        ("objectives", "2 objectives met, n 36,000 in 1h; least budget: one 90 % left")]


def test_a_failure_beats_a_required_unknown() -> None:
    found = concluded(BOOK, errors_of(without(answers(BOOK), "one"), "two", 0.05))
    assert (found.verdict, found.urgency, found.urgency_rule) == (Verdict.FAIL, Urgency.PAGE, "burn rate")
    assert [r.subject for r in found.reasons] == ["two", "one"]


def test_a_required_unknown_beats_a_warning() -> None:
    warned = errors_of(answers(BOOK), "two", {5 * MINUTE: 0.003, HOUR: 0.003})
    assert concluded(BOOK, warned).verdict is Verdict.WARN
    assert concluded(BOOK, without(warned, "one")).verdict is Verdict.UNKNOWN


def test_an_unknown_that_is_not_required_is_said_and_does_not_gate() -> None:
    found = concluded(BOOK, without(answers(BOOK), "two"))
    assert found.verdict is Verdict.PASS
    assert [r.verdict for r in found.reasons] == [Verdict.UNKNOWN, Verdict.PASS]
    assert found.reasons[0].text == "two no data: no such series (not required)"


def few_of(objective: str, per_hour: float = 60) -> Answers:
    """All is well, and one objective has too few events in its hour."""
    few = answers(BOOK, per_hour=per_hour)
    return {q: few[q] if q.objective == objective else r for q, r in answers(BOOK).items()}


@pytest.mark.parametrize(("objective", "said"), [("one", "1 objective met, 1 with too few events, n 36,000"),
                                                 ("two", "1 objective met, 1 with too few events (not required), n")])
def test_an_objective_on_too_few_events_is_not_counted_as_met(objective: str, said: str) -> None:
    found = concluded(BOOK, few_of(objective))
    assert found.verdict is Verdict.PASS
    assert said in found.reasons[0].text
    assert [(r.verdict, r.rule, r.subject) for r in found.reasons[1:]] == [(Verdict.LOW_N, "few events", objective)]


def test_a_required_objective_whose_hour_and_budget_cannot_be_judged_is_unknown() -> None:
    assert concluded(BOOK, few_of("one", 1)).verdict is Verdict.UNKNOWN
    optional = concluded(BOOK, few_of("two", 1))
    assert optional.verdict is Verdict.PASS
    assert sorted(r.text.partition(",")[0] for r in optional.reasons) == ["1 objective met", "two 100 % good"]
    assert "(not required)" in optional.reasons[0].text


def test_objectives_on_too_few_events_alone_make_no_healthy_model() -> None:
    found = concluded(BOOK, answers(BOOK, per_hour=60))
    assert found.verdict is Verdict.UNKNOWN
    assert "none of 2 objectives can be judged, 2 with too few events" in [r.text for r in found.reasons]


def test_nothing_judged_is_unknown_whatever_is_required() -> None:
    book = notebook(TWO)
    found = concluded(book, without(answers(book), "two"))
    assert found.verdict is Verdict.UNKNOWN
    assert "none of 1 objectives can be judged" in [r.text for r in found.reasons]


def test_before_the_first_answer_it_says_that_it_is_asking() -> None:
    book = notebook(TWO)
    found = concluded(book, {})
    assert found.verdict is Verdict.UNKNOWN
    assert found.reasons[0].text == "asking, nothing answered yet"


def test_pending_objectives_alone_are_unknown_and_beside_others_do_not_gate() -> None:
    late = "{name: late, sli: {good: 'l{ok=\"1\"}', total: l}, objective: 99, due: with-labels, required: true}"
    alone, beside = notebook(late), notebook(ONE, late)
    assert concluded(alone, without(answers(alone), "late")).verdict is Verdict.UNKNOWN
    found = concluded(beside, without(answers(beside), "late"))
    assert (found.verdict, [r.subject for r in found.reasons]) == (Verdict.PASS, ["objectives"])


def test_the_most_urgent_reason_comes_first_then_the_worst_then_the_strongest_rule() -> None:
    book = notebook(ONE, TWO, QUEUE, ZERO)
    facts = answers(book)
    facts = errors_of(facts, "two", {6 * HOUR: 0.002, 3 * DAY: 0.002})
    facts = with_reply(facts, reply(({"model_version": "v1"}, 3)), Part.BAD, window=HOUR, objective="schema")
    facts = without(facts, "one")
    found = concluded(book, facts, alerts=[alert("Down", "critical"), alert("Slow", "warning")])
    assert [(str(r.urgency), str(r.verdict), r.rule) for r in found.reasons] == [
        ("page", "fail", "alert"),
        ("ticket", "warn", "burn rate"),
        ("ticket", "warn", "zero tolerance"),
        ("ticket", "warn", "alert"),
        ("none", "unknown", "unknown"),
        ("none", "unknown", "unknown"),
    ]
    assert (found.verdict, found.urgency, found.urgency_rule) == (Verdict.FAIL, Urgency.PAGE, "alert")


@pytest.mark.parametrize(("severity", "verdict", "urgency"), [
    ("critical", Verdict.FAIL, Urgency.PAGE), ("warning", Verdict.WARN, Urgency.TICKET),
    ("info", Verdict.PASS, Urgency.NONE),
])
def test_a_firing_alert_counts_by_its_severity(severity: str, verdict: Verdict, urgency: Urgency) -> None:
    found = concluded(BOOK, answers(BOOK), alerts=[alert("Down", severity, model_version="v2")])
    assert (found.verdict, found.urgency) == (verdict, urgency)
    if urgency is not Urgency.NONE:
        assert found.reasons[0].text == "alert Down v2 is firing: it is bad"


@pytest.mark.parametrize("state", [AlertState.PENDING, AlertState.SILENCED, AlertState.INHIBITED])
def test_an_alert_that_is_not_firing_changes_nothing(state: AlertState) -> None:
    assert concluded(BOOK, answers(BOOK), alerts=[alert("Down", "critical", state)]).verdict is Verdict.PASS


@pytest.mark.parametrize(("slo", "facts", "rule"), [
    (ONE, {HOUR: 0.02, 5 * MINUTE: 0.02}, "burn rate"),
    (ONE, {30 * DAY: 0.002}, "budget"),
])
def test_the_rule_behind_a_verdict_is_named(slo: str, facts: Mapping[float, float], rule: str) -> None:
    book = notebook(slo)
    found = concluded(book, answers(book, errors=facts))
    assert (found.verdict, found.reasons[0].rule, found.urgency_rule) == (Verdict.FAIL, rule, rule)


def test_a_burn_rate_on_too_few_events_is_named_so() -> None:
    book = notebook(ONE)
    found = concluded(book, answers(book, per_hour=20, errors={5 * MINUTE: 0.05, HOUR: 0.05}))
    assert (found.verdict, found.reasons[0].rule, found.urgency) == (Verdict.WARN, "few events", Urgency.NONE)


def test_a_silent_prometheus_is_unknown_once_its_answers_are_old() -> None:
    found = concluded(BOOK, changed(answers(BOOK), failure=REFUSED), sources=[PROMETHEUS_DOWN], now=NOW + 61)
    assert found.verdict is Verdict.UNKNOWN
    assert [r.text for r in found.reasons if r.rule == "source"] == ["Prometheus does not answer: connect: refused"]


def test_one_refused_connection_changes_nothing_yet() -> None:
    found = concluded(BOOK, changed(answers(BOOK), failure=REFUSED), sources=[PROMETHEUS_DOWN])
    assert found.verdict is Verdict.PASS


def test_a_prometheus_never_reached_is_unknown() -> None:
    never = changed(answers(BOOK), answered_at=None, samples=(), failure=REFUSED)
    found = concluded(BOOK, never, sources=[PROMETHEUS_DOWN])
    assert found.verdict is Verdict.UNKNOWN


def test_samples_that_stopped_stay_unknown_when_prometheus_is_refused_a_moment_later() -> None:
    stopped = with_reply(answers(BOOK), reply(({}, NOW - 240)), Part.SAMPLED_AT, objective="one")
    found = concluded(BOOK, changed(stopped, failure=REFUSED), sources=[PROMETHEUS_DOWN])
    assert found.verdict is Verdict.UNKNOWN


def test_a_silent_alertmanager_warns() -> None:
    found = concluded(BOOK, answers(BOOK), sources=[ALERTMANAGER_DOWN])
    assert (found.verdict, found.urgency) == (Verdict.WARN, Urgency.NONE)


def test_a_canary_that_burns_above_the_rule_halts_the_rollout() -> None:
    found = concluded(BOOK, canary(stable_errors=0.0005))
    assert (found.verdict, found.urgency, found.urgency_rule) == (Verdict.FAIL, Urgency.PAGE, "rollout rule")
    assert found.reasons[0].text == (
        "canary v2 one: 95.00 % good against 99.95 % on v1, burns 50.0x over 2 h 00 m (halt above 5.0x), n 720")


def test_the_rollout_rule_reads_the_canary_and_not_stable() -> None:
    found = concluded(BOOK, canary(stable_errors=0.05, canary_errors=0.0))
    assert rollout_reasons(found) == []


def test_a_canary_at_the_rule_does_not_halt() -> None:
    assert rollout_reasons(concluded(BOOK, canary(canary_errors=0.0049))) == []
    assert len(rollout_reasons(concluded(BOOK, canary(canary_errors=0.0051)))) == 1


def test_a_shadow_never_pages() -> None:
    book = notebook(ONE, TWO, more="canary: {arm: shadow}")
    found = concluded(book, canary(book=book, canary_errors=0.9))
    assert (rollout_reasons(found), found.urgency) == ([], Urgency.NONE)


def test_an_experiment_is_held_to_the_rollout_rule() -> None:
    book = notebook(ONE, TWO, more="canary: {arm: experiment}")
    assert rollout_reasons(concluded(book, canary(book=book)))[0].startswith("experiment v2 one:")


@pytest.mark.parametrize(("per_hour", "halts"), [(9_900, False), (10_000, True)])
def test_the_rule_needs_its_events(per_hour: float, halts: bool) -> None:
    # One percent of two hours: 198 and 200 requests of the canary; 200 are needed.
    found = concluded(BOOK, canary(per_hour=per_hour))
    assert bool(rollout_reasons(found)) is halts


def test_one_bad_event_never_halts_a_rollout() -> None:
    facts = canary(per_hour=10_000, canary_errors=1.5 / 200)
    assert rollout_reasons(concluded(BOOK, facts)) == []


def test_without_a_canary_there_is_no_rollout_rule() -> None:
    assert rollout_reasons(concluded(BOOK, answers(BOOK, errors=0.05))) == []


def test_the_rollout_rule_says_nothing_on_old_answers() -> None:
    found = concluded(BOOK, canary(), now=NOW + 61)
    assert (found.verdict, rollout_reasons(found)) == (Verdict.UNKNOWN, [])


STATES = {
    "good": answers(BOOK), "ticket": answers(BOOK, errors={6 * HOUR: 0.002, 3 * DAY: 0.002}),
    "page": answers(BOOK, errors=0.05), "absent": with_reply(answers(BOOK), reply()),
    "partial": changed(answers(BOOK), warnings=("store x",)), "idle": answers(BOOK, per_hour=0),
    "asking": changed(answers(BOOK), answered_at=None, samples=()),
}


@given(st.sampled_from(sorted(STATES)), st.sampled_from(sorted(STATES)))
def test_a_model_passes_only_when_what_is_required_passes(one: str, two: str) -> None:
    facts = {q: STATES[two if q.objective == "two" else one][q] for q in STATES["good"]}
    found = concluded(BOOK, facts)
    assert found.reasons
    assert (found.verdict is Verdict.PASS) == (one == "good" and two not in ("ticket", "page"))
    if found.verdict is Verdict.PASS:
        assert found.urgency is Urgency.NONE
