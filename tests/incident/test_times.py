"""The named times, where they come from, and what lies between them."""

from __future__ import annotations

from dataclasses import replace

from tests.incident.stories import ANN, T0, alert, entry, opened, verdict
from triage.incident.entries import Entry, Kind, Source
from triage.incident.incident import Incident, replay
from triage.incident.times import TimeName, measures, named_times


def made(*more: Entry) -> Incident:
    return replay("INC-0001", [opened(), *more])


def minutes(incident: Incident) -> dict[str, float | None]:
    return {str(t.name): None if t.at is None else (t.at - T0) / 60 for t in named_times(incident)}


DEPLOYED = entry(Kind.DEPLOYMENT, -11, "v8 takes 10 %", about="canary", state="v8 10 %", source=Source.FACTS)


def sent(at: float) -> Entry:
    return entry(Kind.ACTION, at, "request 1 of 2 done", about="3f9a", state="sent", source=Source.ACTIONS,
                 details={"title": "ROLL BACK fraud-scorer to v7"})


def test_a_whole_incident_has_all_its_times() -> None:
    found = minutes(made(DEPLOYED, alert(-2), verdict(0, "fail, page"), sent(4), verdict(9, "warn, ticket"),
                         verdict(15, "pass")))
    assert found == {"impact started": -11, "detected": -2, "acknowledged": 0, "first action": 4, "mitigated": 9,
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
    ticket = replace(alert(-40), details={"urgency": "ticket"})
    found = named_times(made(ticket, verdict(0, "fail, page")))[1]
    assert (found.at, found.estimate) == (T0 - 2400, True)
    early = replace(alert(-400), details={"urgency": "ticket"})
    assert named_times(made(early, verdict(0, "fail, page")))[1].at == T0
