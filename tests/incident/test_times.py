"""The named times, where they come from, and what lies between them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.incident.stories import ANN, T0, alert, entry, opened, verdict
from triage.incident.entries import Entry, Kind, Source
from triage.incident.incident import Incident, replay
from triage.incident.times import TimeName, measures, named_times
from triage.incident.watching import BASELINE, BY_ALERTMANAGER, BY_PROMETHEUS, HELD_SINCE, KNOWN_BY


def made(*more: Entry) -> Incident:
    return replay("INC-0001", [opened(), *more])


def minutes(incident: Incident) -> dict[str, float | None]:
    return {str(t.name): None if t.at is None else (t.at - T0) / 60 for t in named_times(incident)}


DEPLOYED = entry(Kind.DEPLOYMENT, -11, "v8 takes 10 %", about="canary", state="v8 10 %", source=Source.FACTS)


def sent(at: float) -> Entry:
    return entry(Kind.ACTION, at, "request 1 of 2 done", about="3f9a", state="sent", source=Source.ACTIONS,
                 details={"title": "ROLL BACK fraud-scorer to v7"})


def test_a_whole_incident_has_all_its_times() -> None:
    known = minutes(made(DEPLOYED, alert(-2), verdict(0, "fail, page"), sent(4), verdict(9, "warn, ticket"),
                         verdict(15, "pass")))
    assert known == {"impact started": -11, "detected": -2, "acknowledged": 0, "first action": 4, "mitigated": 9,
                     "resolved": 15}


def test_an_impact_that_is_only_likely_to_have_begun_then_is_said_to_be() -> None:
    times = named_times(made(DEPLOYED, alert(-2)))
    assert times[0].estimate
    assert times[0].source == "likely: v8 takes 10 %"
    mttd = measures(times)[0]
    assert (mttd.name, mttd.seconds, mttd.estimate) == ("MTTD", 540, True)


def test_what_a_person_says_counts_and_what_was_seen_is_kept() -> None:
    said = entry(Kind.TIME, -20, "first complaint", about="impact started", written_at=T0 + 60)
    time = named_times(made(DEPLOYED, alert(-2), said))[0]
    assert (time.at, time.by_hand, time.estimate) == (T0 - 1200, True, False)
    assert time.source == f"first complaint, {ANN}"
    assert time.automatic == T0 - 660


def test_a_relapse_takes_the_mitigation_back() -> None:
    relapse = made(alert(0), verdict(0, "fail, page"), verdict(5, "warn, ticket"), verdict(7, "fail, page"))
    assert minutes(relapse)["mitigated"] is None


def test_a_source_that_is_lost_mitigates_nothing() -> None:
    assert minutes(made(alert(0), verdict(0, "fail, page"), verdict(5, "unknown, page")))["mitigated"] is None
    assert minutes(made(alert(0), verdict(0, "fail, page"), verdict(5, "unknown")))["mitigated"] is None


def test_a_plan_that_sent_nothing_is_no_first_action() -> None:
    refused = entry(Kind.ACTION, 3, "refused", about="1", state="refused", source=Source.ACTIONS)
    assert minutes(made(alert(0), refused))["first action"] is None


def test_what_is_not_known_has_no_length() -> None:
    assert {m.seconds for m in measures(named_times(made()))} == {None}
    assert TimeName.RESOLVED in {t.name for t in named_times(made())}


def test_a_verdict_that_pages_from_the_first_look_on_was_likely_detected_when_the_first_alert_fired() -> None:
    first = named_times(made(ticket(-40), verdict(0, "fail, page")))[1]
    assert (first.at, first.estimate) == (T0 - 2400, True)
    assert named_times(made(ticket(-400), verdict(0, "fail, page")))[1].at == T0


def ticket(at: float, **details: str) -> Entry:
    return replace(alert(at, name="FeatureDrift"), details={"urgency": "ticket", **details})


def found(state: str) -> Entry:
    return replace(verdict(0, state), details={BASELINE: "yes"})


def action(at: float, kind: str, state: str = "done", about: str = "3f9a") -> Entry:
    return entry(Kind.ACTION, at, f"{kind}: v7 takes all traffic", about=about, state=state, source=Source.ACTIONS,
                 details={"title": kind, "action": kind})


def test_an_alert_that_asks_for_a_ticket_is_the_first_sign_where_nothing_pages() -> None:
    times = named_times(made(ticket(-90, **{KNOWN_BY: BY_ALERTMANAGER}), found("warn, ticket")))
    assert (times[1].at, times[1].estimate) == (T0 - 5400, False)
    assert times[1].source == "FeatureDrift firing, startsAt of Alertmanager"


def test_a_verdict_found_bad_at_the_opening_was_so_at_the_latest_then() -> None:
    detected = named_times(made(found("fail, page")))[1]
    assert (detected.at, detected.estimate) == (T0, True)
    assert detected.source.startswith("at the latest, found so when the incident was opened: ")


def test_a_verdict_that_turns_bad_is_a_sign_by_itself() -> None:
    detected = named_times(made(found("pass"), verdict(3, "warn, ticket"), ticket(5)))[1]
    assert (detected.at, detected.estimate) == (T0 + 180, False)


def test_an_alert_that_only_prometheus_knows_was_likely_detected_after_its_condition_began() -> None:
    detected = named_times(made(ticket(-90, **{KNOWN_BY: BY_PROMETHEUS})))[1]
    assert (detected.estimate, detected.source) == (True, "likely: FeatureDrift firing, activeAt of Prometheus")


def test_impact_began_at_the_latest_when_the_condition_of_an_alert_did() -> None:
    started = named_times(made(ticket(-90, **{HELD_SINCE: f"{T0 - 6600:.0f}"})))[0]
    assert (started.at, started.estimate) == (T0 - 6600, True)
    assert started.source == "at the latest: since then the condition of FeatureDrift holds, activeAt of Prometheus"


def test_a_deployment_after_the_condition_began_to_hold_did_not_begin_it() -> None:
    held = ticket(-5, **{HELD_SINCE: f"{T0 - 900:.0f}"})
    assert minutes(made(DEPLOYED, held))["impact started"] == -15
    assert minutes(made(replace(DEPLOYED, at=T0 - 1000), held))["impact started"] == pytest.approx(-1000 / 60)


@pytest.mark.parametrize("told", ["", "soon", "nan"])
def test_an_impact_that_nothing_tells_of_is_not_known_and_not_invented(told: str) -> None:
    started = named_times(made(ticket(-90, **{HELD_SINCE: told})))[0]
    assert (started.at, started.estimate) == (None, False)
    assert started.source == "not known, at the latest when it was detected"


@pytest.mark.parametrize("kind", ["rollback", "abort", "pause"])
def test_an_action_that_takes_the_harm_away_mitigates_once_it_is_verified(kind: str) -> None:
    incident = made(ticket(-90), found("warn, ticket"), action(6, kind, "sent"), action(8, kind))
    mitigated = named_times(incident)[4]
    assert (mitigated.at, mitigated.estimate) == (T0 + 480, False)
    assert mitigated.source == f"{kind}: v7 takes all traffic, verified, {ANN}"


@pytest.mark.parametrize(("kind", "state"), [("rollback", "sent"), ("rollback", "unknown"), ("rollback", "failed"),
                                             ("rollback", "done but not recovered"), ("scale", "done")])
def test_an_action_that_is_not_verified_or_takes_no_harm_away_mitigates_nothing(kind: str, state: str) -> None:
    assert minutes(made(ticket(-90), found("warn, ticket"), action(6, kind, state)))["mitigated"] is None


def test_a_verdict_that_gets_worse_after_the_action_takes_its_mitigation_back() -> None:
    worse = made(ticket(-90), found("warn, ticket"), action(6, "rollback"), verdict(9, "fail, page"))
    assert minutes(worse)["mitigated"] is None
    again = made(ticket(-90), found("warn, ticket"), action(6, "rollback"), verdict(7, "pass"),
                 verdict(9, "warn, ticket"))
    assert minutes(again)["mitigated"] is None


def test_a_verdict_that_stays_as_bad_as_it_was_takes_nothing_back() -> None:
    lost = made(ticket(-90), found("warn, ticket"), action(6, "rollback"), verdict(7, "unknown"),
                verdict(8, "warn, ticket"))
    assert minutes(lost)["mitigated"] == 6


def test_going_on_with_what_was_paused_takes_the_mitigation_back_unless_the_verdict_is_well() -> None:
    paused = (ticket(-90), found("warn, ticket"), action(6, "pause"))
    resumed = action(20, "resume", about="4a")
    assert minutes(made(*paused, resumed))["mitigated"] is None
    assert minutes(made(*paused, verdict(15, "pass"), resumed))["mitigated"] == 6


def test_where_nothing_pages_a_verdict_mitigates_when_it_passes() -> None:
    assert minutes(made(ticket(-90), found("fail, ticket"), verdict(5, "warn, ticket")))["mitigated"] is None
    assert minutes(made(ticket(-90), found("fail, ticket"), verdict(5, "pass")))["mitigated"] == 5


def test_while_the_verdict_is_unknown_nothing_is_resolved_and_knowing_it_again_is_no_relapse() -> None:
    story = [alert(-2), verdict(0, "fail, page"), verdict(15, "pass"), verdict(40, "unknown")]
    assert minutes(made(*story))["resolved"] is None
    assert minutes(made(*story, verdict(42, "pass")))["resolved"] == 15
    assert minutes(made(*story, verdict(42, "fail, page"), verdict(50, "pass")))["resolved"] == 50
