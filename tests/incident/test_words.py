"""Timelines in sentences, the status update, and impact now against before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.incident.stories import BOB, T0, alert, entry, opened
from tests.incident.whole import LOG, incident
from tests.tui import snapshots
from triage.incident.entries import Entry, Kind, Source
from triage.incident.impact import changes, impact
from triage.incident.incident import Incident, replay
from triage.incident.update import actions, conditions, handoff_text, known_fields, phase, status_update
from triage.incident.words import sentence, told
from triage.signals.reading import Quality, Reading, Verdict

FAILING = snapshots.canary_failing()
MODEL = FAILING.models[0]


def made(*more: Entry) -> Incident:
    return replay("INC-0001", [opened(), *more])


def said(one: Entry, *before: Entry) -> str:
    found = made(*before, one)
    return sentence(next(row for row in found.rows if row.entry == one), found)


def test_every_kind_is_a_sentence_that_says_who() -> None:
    guess = entry(Kind.HYPOTHESIS, 1, "skewed", id="h")
    need = entry(Kind.NEED, 1, "payments", id="n")
    assert said(guess) == "hypothesis 1: skewed, ann"
    assert said(entry(Kind.SETTLED, 2, "seen", about="h", state="confirmed", by=BOB), guess) == (
        "hypothesis 1 confirmed: seen, bob")
    assert said(need) == "need 1: payments, ann"
    assert said(entry(Kind.MET, 2, "cy is here", about="n"), need) == "need 1 met: cy is here, ann"
    assert said(entry(Kind.DECISION, 1, "roll back")) == "decided: roll back, ann"
    assert said(entry(Kind.JOINED, 1, "bob is on", by=BOB)) == "bob is on"
    assert said(alert(1)) == "CanaryLatency firing"
    assert said(opened()) == "INC-0001 opened: v8 is slower, ann"


def test_what_comes_and_goes_is_told_once_with_how_often() -> None:
    flaps = [alert(n, "firing" if n % 2 else "ended") for n in range(1, 8)]
    found = made(*flaps, entry(Kind.NOTE, 3.5, "it flaps"))
    rows = told(found)
    assert [row.text for row in rows] == ["INC-0001 opened: v8 is slower, ann",
                                          "CanaryLatency changed 7 times, at last: CanaryLatency firing",
                                          "it flaps, ann"]
    assert rows[1].until == T0 + 7 * 60
    assert len(told(found, whole=True)) == 9


def test_changes_far_apart_are_told_each() -> None:
    found = made(*[alert(n * 20, "firing" if n % 2 else "ended") for n in range(1, 6)])
    assert len(told(found)) == 6


def test_what_was_found_at_the_opening_is_only_in_the_whole_timeline_but_for_the_verdict() -> None:
    alias = entry(Kind.ALIAS, 0, "alias champion is on 7", about="alias champion", state="7", source=Source.FACTS,
                  details={"baseline": "yes"})
    assert len(told(made(alias))) == 1
    assert [row.text for row in told(made(alias), whole=True)][1] == "found: alias champion is on 7"
    verdict = entry(Kind.VERDICT, 0, "FAIL, page: slow", about="verdict", state="fail, page", source=Source.FACTS,
                    details={"baseline": "yes"})
    assert [row.text for row in told(made(verdict))][1] == "found: FAIL, page: slow"


@pytest.mark.parametrize(("until", "expected"), [
    (Kind.STEP, "open"), (Kind.UPDATE, "mitigated"), (Kind.TIME, "resolved"), (None, "closed")])
def test_an_incident_goes_from_open_to_closed(until: Kind | None, expected: str) -> None:
    kinds = [each.kind for each in LOG]
    assert phase(replay("INC-0001", LOG[:None if until is None else kinds.index(until)])) == expected


def test_impact_names_the_worst_first_with_what_was_before() -> None:
    found = impact(MODEL)
    assert [item.verdict for item in found[:2]] == [Verdict.FAIL, Verdict.FAIL]
    first = found[0]
    assert (first.name, first.now, first.n, first.what_before, first.before) == (
        "v8 latency <500ms", "80.00 %", "1,386", "v7", "99.60 %")


def test_a_model_that_is_well_shows_all_its_objectives() -> None:
    well = snapshots.healthy().models[0]
    assert len(impact(well)) == len(well.slos)


def test_a_value_that_is_not_of_the_present_is_said_to_be_none() -> None:
    slo = replace(MODEL.slos[0], now=Reading(0.98, "ratio", Quality.STALE, 10, 3600))
    stale = replace(MODEL, slos=(slo,), canary=None)
    assert not impact(stale)[0].fresh
    assert "(not of the present)" in conditions(FAILING, stale, FAILING.at)[1]


def test_versions_that_nobody_told_of_are_changes_too() -> None:
    assert [change.text for change in changes(None, MODEL, FAILING.at)] == ["v8 takes its first traffic"]
    assert changes(None, MODEL, FAILING.at + 86400) == ()


def test_a_status_update_has_conditions_actions_and_needs() -> None:
    open_one = replay("INC-0001", LOG[:16])
    text = status_update(open_one, FAILING, MODEL, T0 + 600)
    for expected in ("commander ann@bastion", "Conditions\n- FAIL, page", "Needs\n- somebody of the",
                     "ROLL BACK fraud-scorer to v7: sent 12:20 UTC, ann@bastion", "confirmed: amounts are skewed",
                     "Next update 12:43 UTC"):
        assert expected in text


def test_an_update_says_which_sources_do_not_answer() -> None:
    lost = snapshots.prometheus_lost()
    assert any("not answering in full: prometheus" in text for text in conditions(lost, lost.models[0], lost.at))
    assert conditions(None, None, T0) == ["the model's facts are not here yet"]


def test_without_actions_the_update_says_so() -> None:
    assert actions(made()) == ["nothing was changed yet"]


def test_a_handoff_holds_what_the_incident_knows() -> None:
    fields = known_fields(replay("INC-0001", LOG[:16]), FAILING, MODEL, T0 + 600, "frozen until 18:00: audit")
    assert fields["locks, freezes and leases"] == "frozen until 18:00: audit"
    assert fields["in flight"] == "ROLL BACK fraud-scorer to v7: sent 12:20 UTC, ann@bastion"
    assert "cell compare-amount" in fields["what was tried"]
    assert fields["silences"] == "HighMemory"
    text = handoff_text(incident(), incident().handoffs[0])
    assert "do not touch: the store's backfill" in text
    assert text.endswith("accepted by bob, 12:28 UTC\n")
