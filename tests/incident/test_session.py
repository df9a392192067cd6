"""What other logs tell belongs to one incident only; one second is told in the order of causes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.incident.stories import ANN, BOB, T0, alert, entry, opened, verdict
from tests.tui import snapshots
from triage.facts.outcome import SourceHealth, SourceState
from triage.incident import by_hand
from triage.incident.entries import NO_CHANGE, OF_INCIDENT, Entry, Kind, Source
from triage.incident.incident import Incident, replay
from triage.incident.session import IncidentSession
from triage.live.snapshot import Snapshot
from triage.signals.model import ModelState
from triage.signals.reading import Urgency, Verdict
from triage.state_dir import StateDir

WELL = snapshots.healthy()
NOW = WELL.at


def step(minutes: float, name: str, of: str = "") -> Entry:
    """A step of a runbook, ``minutes`` after the first incident was opened."""
    at = NOW + 60 * minutes
    return Entry(Kind.STEP, at, at, ANN, name, Source.RUNBOOK, name, "passed", {OF_INCIDENT: of} if of else {},
                 origin=f"runbook:{name}")


def told_to(session: IncidentSession, minutes: float, *told: Entry) -> tuple[str, list[str]]:
    """Id and steps of the incident that is opened then."""
    snapshot = replace(WELL, at=NOW + 60 * minutes)
    board = session.open(snapshot, snapshot.models[0], snapshot.at, "again", told)
    assert board.incident is not None
    return board.incident.id, [row.text for row in board.incident.rows if row.entry.kind is Kind.STEP]


def closed(session: IncidentSession, minutes: float) -> None:
    snapshot = replace(WELL, at=NOW + 60 * minutes)
    board = session.look(snapshot, snapshot.models[0])
    session.write(snapshot, board, [Entry(Kind.CLOSED, snapshot.at, snapshot.at, ANN, "all was there",
                                          state=NO_CHANGE, id="c")])


def test_a_second_incident_is_told_nothing_of_the_first(tmp_path: Path) -> None:
    session = IncidentSession(StateDir(tmp_path / "state"), ANN)
    log = [step(-30, "before"), step(5, "during", "INC-0001"), step(9, "nobody's")]
    assert told_to(session, 0, log[0]) == ("INC-0001", ["before"])
    session.look(replace(WELL, at=NOW + 540), WELL.models[0], log)
    closed(session, 10)
    more = [*log, step(15, "between"), step(21, "late word of the first", "INC-0001"), step(22, "now", "INC-0002")]
    assert told_to(session, 20, *more) == ("INC-0002", ["between", "now"])


def test_what_was_written_while_it_was_open_is_its_own_however_long_ago(tmp_path: Path) -> None:
    session = IncidentSession(StateDir(tmp_path / "state"), ANN)
    assert told_to(session, 0, step(-200, "old"), step(-200, "its own", "INC-0001"))[1] == ["its own"]


def two_models() -> tuple[Snapshot, ModelState, ModelState]:
    """The model that is shown, and another one that is asked about together with the fleet."""
    shown, other = snapshots.canary_failing().models[0], replace(WELL.models[0], name="churn-ranker")
    return replace(WELL, models=(shown,), together=(shown, other)), shown, other


def test_the_incident_of_a_model_that_is_not_shown_is_told_what_is_known_anyway(tmp_path: Path) -> None:
    session = IncidentSession(StateDir(tmp_path / "state"), ANN)
    snapshot, shown, other = two_models()
    session.open(snapshot, other, NOW, "its own")
    bad = replace(other, verdict=Verdict.FAIL, urgency=Urgency.PAGE, alerts=(snapshots.group(snapshots.alert("Slow")),))
    later = replace(snapshot, at=NOW + 60, together=(shown, bad))
    boards = session.look_beside(later, shown.name, lambda incident: [step(1, incident.model, incident.id)])
    assert list(boards) == ["churn-ranker"]
    found = boards["churn-ranker"].open
    assert found is not None
    assert [row.text.partition(",")[0] for row in found.rows if row.entry.kind in (Kind.ALERT, Kind.STEP)] == [
        "Slow fires", "churn-ranker"]
    assert session.look_beside(later, shown.name, lambda incident: [step(1, incident.model, incident.id)]) == boards
    assert session.look_beside(later, "churn-ranker", lambda incident: []) == {}


def test_where_nobody_asks_about_a_model_its_incident_hears_of_lost_sources_and_of_other_logs(tmp_path: Path) -> None:
    session = IncidentSession(StateDir(tmp_path / "state"), ANN)
    snapshot, shown, other = two_models()
    before = session.open(snapshot, other, NOW, "its own").incident
    lost = replace(snapshot, at=NOW + 60, together=(), sources=(SourceHealth("prometheus", SourceState.DOWN),))
    found = session.look_beside(lost, shown.name, lambda incident: [step(1, "by the journal")])["churn-ranker"].incident
    assert before is not None
    assert found is not None
    assert [row.text for row in found.rows if row not in before.rows] == [
        "prometheus does not answer", "by the journal"]


def test_an_incident_that_is_closed_is_not_looked_at_beside_another(tmp_path: Path) -> None:
    session = IncidentSession(StateDir(tmp_path / "state"), ANN)
    assert told_to(session, 0)[0] == "INC-0001"
    assert list(session.look_beside(WELL, "another", lambda incident: [])) == ["fraud-scorer"]
    closed(session, 10)
    for _ in range(2):
        assert session.look_beside(WELL, "another", lambda incident: []) == {}


def texts(incident: Incident) -> list[str]:
    return [row.text for row in incident.rows][1:]


@pytest.mark.parametrize("turned", [False, True])
def test_in_one_second_an_alert_comes_before_the_verdict_and_a_plan_before_its_result(turned: bool) -> None:
    def acted(text: str, state: str, seconds: float) -> Entry:
        return entry(Kind.ACTION, 1 + seconds / 60, text, about="3f", state=state, source=Source.ACTIONS)
    deployed = entry(Kind.DEPLOYMENT, 1.012, "v8 takes 10 %", about="arm canary", state="v8", source=Source.FACTS)
    facts = [alert(1.01), verdict(1.005, "fail, page"), deployed]
    actions = [acted("plan", "confirmed", 0.6), acted("request", "sent", 0.5), acted("result", "done", 0.55)]
    log = [*facts, *actions]
    found = replay("INC-0001", [replace(opened(), at=T0), *(reversed(log) if turned else log)])
    assert [text for text in texts(found) if text in ("plan", "request", "result")] == ["plan", "request", "result"]
    assert [row.entry.kind for row in found.rows if row.entry.source is Source.FACTS] == [
        Kind.DEPLOYMENT, Kind.ALERT, Kind.VERDICT]


def test_what_is_a_second_apart_stays_in_the_order_of_time() -> None:
    found = replay("INC-0001", [opened(), verdict(1, "fail, page"), alert(1.02)])
    assert [row.entry.kind for row in found.rows][1:] == [Kind.VERDICT, Kind.ALERT]


def test_two_screens_of_which_one_has_lost_prometheus_tell_it_once(tmp_path: Path) -> None:
    ann, bob = (IncidentSession(StateDir(tmp_path / "state"), by) for by in (ANN, BOB))
    ann.open(WELL, WELL.models[0], NOW, "slow")

    def looks(number: int, *, lost: bool) -> list[str]:
        """What is told by then, Bob's screen looking two seconds after Ann's."""
        for each in range(number, number + 20):
            seen = replace(WELL, at=NOW + 5 * each)
            ann.look(seen, seen.models[0])
            bob.look(*of_prometheus(replace(seen, at=seen.at + 2), lost=lost, since=NOW + 5 * number))
        return [row.text.partition(":")[0] for row in ann.incident(WELL, "INC-0001").rows
                if row.entry.kind in (Kind.SOURCE, Kind.VERDICT)]

    assert looks(1, lost=True) == ["PASS", "prometheus does not answer"]
    assert looks(30, lost=False) == ["PASS", "prometheus does not answer", "prometheus answers again after 2 m 25 s"]


def test_what_was_lost_by_somebody_who_has_left_is_seen_to_answer_by_others(tmp_path: Path) -> None:
    ann, bob = (IncidentSession(StateDir(tmp_path / "state"), by) for by in (ANN, BOB))
    bob.open(WELL, WELL.models[0], NOW, "slow")
    lost, unknown = of_prometheus(replace(WELL, at=NOW + 5), lost=True, since=NOW + 5)
    board = bob.look(lost, unknown)
    ann.look(WELL, WELL.models[0])
    assert "answers again" not in whole_story(ann)
    bob.write(lost, board, [by_hand.left(BOB, NOW + 60)])
    ann.look(*of_prometheus(replace(WELL, at=NOW + 130), lost=False, since=NOW + 130))
    assert "prometheus answers again after 2 m 05 s" in whole_story(ann)


def of_prometheus(snapshot: Snapshot, *, lost: bool, since: float) -> tuple[Snapshot, ModelState]:
    """The snapshot, and its model, while Prometheus answers or not."""
    state, error = (SourceState.DOWN, "refused") if lost else (SourceState.OK, "")
    sources = tuple(replace(source, state=state, since=since, error=error) if source.name == "prometheus" else source
                    for source in snapshot.sources)
    model = snapshot.models[0]
    return replace(snapshot, sources=sources), (
        replace(model, verdict=Verdict.UNKNOWN, urgency=Urgency.NONE) if lost else model)


def whole_story(session: IncidentSession) -> str:
    return "; ".join(row.text for row in session.incident(WELL, "INC-0001").rows)
