"""Verdicts of half of the facts wait; what nobody knows now is no deployment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.incident.stories import ANN
from tests.tui import snapshots
from triage.facts.outcome import SourceState
from triage.incident.entries import Kind
from triage.incident.incident import Incident
from triage.incident.session import IncidentSession
from triage.incident.steady import is_whole
from triage.live.snapshot import Snapshot
from triage.signals.canary_words import WAITING
from triage.signals.reading import Quality, Urgency, Verdict
from triage.state_dir import StateDir

Shown = Callable[..., Incident]


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """The incident after these snapshots, opened at the first of them."""
    def show(first: Snapshot, *more: Snapshot) -> Incident:
        session = IncidentSession(StateDir(tmp_path / "state"), ANN)
        board = session.open(first, first.models[0], first.at, "slower")
        for snapshot in more:
            board = session.look(snapshot, snapshot.models[0])
        assert board.incident is not None
        return board.incident
    return show


def at(seconds: float, snapshot: Snapshot, *, answered: float | None = None, **changes: object) -> Snapshot:
    """``snapshot`` so much later, with everything answered ``answered`` seconds after the beginning (then, by
    default)."""
    known = snapshots.NOW + (seconds if answered is None else answered)
    made = snapshots.with_model(snapshot, data_at=known, **changes)
    return replace(made, at=snapshots.NOW + seconds, sources=tuple(
        replace(source, last_ok_at=known) if source.state is SourceState.OK else source for source in made.sources))


def late(snapshot: Snapshot) -> Snapshot:
    """One answer is late, although nobody is gone."""
    slo, *others = snapshot.models[0].slos
    old = replace(slo, now=replace(slo.now, quality=Quality.STALE), verdict=Verdict.UNKNOWN)
    return snapshots.with_model(snapshot, slos=(old, *others), verdict=Verdict.UNKNOWN, urgency=Urgency.TICKET)


def verdicts(incident: Incident) -> list[tuple[float, str]]:
    return [(row.at - snapshots.NOW, row.entry.state) for row in incident.rows if row.entry.about == "verdict"]


FAILING = snapshots.canary_failing()


def test_a_verdict_that_lasts_until_the_rest_is_answered_is_no_change(shown: Shown) -> None:
    found = shown(at(0, FAILING), at(5, late(FAILING), answered=0), at(6, FAILING))
    assert verdicts(found) == [(0, "fail, page")]


def test_a_verdict_that_stands_once_everything_was_asked_anew_changed_when_it_was_first_seen(shown: Shown) -> None:
    found = shown(at(0, FAILING), at(5, late(FAILING), answered=0), at(6, late(FAILING), answered=4),
                  at(11, late(FAILING)))
    assert verdicts(found) == [(0, "fail, page"), (5, "unknown, ticket")]


def test_a_verdict_of_all_facts_is_told_at_once(shown: Shown) -> None:
    found = shown(at(0, FAILING), at(5, snapshots.healthy()))
    assert verdicts(found) == [(0, "fail, page"), (5, "pass")]


def test_a_source_that_stays_away_makes_the_verdict_unknown(shown: Shown) -> None:
    lost = snapshots.prometheus_lost()
    found = shown(at(0, FAILING), at(5, lost, answered=0), at(6, lost, answered=0), at(11, lost))
    assert verdicts(found) == [(0, "fail, page"), (5, "unknown")]


def test_at_the_start_nothing_is_told_of_half_the_answers(shown: Shown) -> None:
    half, asked = snapshots.half_answered(), snapshots.with_model(snapshots.healthy(), asked=("drift",))
    found = shown(snapshots.waiting(), at(1, half, answered=0.5), at(2, asked, answered=0.5), at(3, FAILING))
    assert verdicts(found) == [(3, "fail, page")]


@pytest.mark.parametrize("half", [
    snapshots.half_answered(), snapshots.waiting(), snapshots.prometheus_lost(), snapshots.just_lost(),
    snapshots.partial(), late(FAILING), snapshots.with_model(FAILING, asked=("drift",))])
def test_what_was_not_answered_in_full_is_not_whole(half: Snapshot) -> None:
    assert not is_whole(half, half.models[0])


def test_what_was_answered_in_full_is_whole_also_where_a_source_is_not_configured() -> None:
    off = tuple(replace(source, state=SourceState.OFF) if source.name == "alertmanager" else source
                for source in FAILING.sources)
    assert is_whole(FAILING, FAILING.models[0])
    assert is_whole(replace(FAILING, sources=off), FAILING.models[0])


def moved() -> Snapshot:
    """The canary is gone."""
    versions = FAILING.models[0].versions
    return snapshots.with_model(FAILING, versions=replace(
        versions, items=tuple(v for v in versions.items if v.arm == "stable")))


def deployments(incident: Incident) -> list[str]:
    return [row.text for row in incident.rows if row.entry.kind in (Kind.DEPLOYMENT, Kind.ALIAS)]


def test_a_canary_that_is_gone_is_told(shown: Shown) -> None:
    assert "v8 is no longer on trial" in deployments(shown(at(0, FAILING), at(5, moved())))


@pytest.mark.parametrize("why", ["the controller", "its first word", "prometheus", "the shares", "somebody new"])
def test_a_canary_is_not_gone_because_nobody_knows(shown: Shown, why: str) -> None:
    gone = moved()
    match why:
        case "the controller":
            gone = snapshots.with_model(gone, rollout_is_old=True)
        case "its first word":
            gone = snapshots.with_model(gone, versions=replace(gone.models[0].versions, known_from=WAITING))
        case "the shares":
            versions = gone.models[0].versions
            gone = snapshots.with_model(gone, versions=replace(versions, items=tuple(
                replace(v, share=replace(v.share, quality=Quality.STALE)) for v in versions.items)))
        case _:
            state = SourceState.DOWN if why == "prometheus" else SourceState.WAITING
            name = "prometheus" if why == "prometheus" else "alertmanager"
            gone = replace(gone, sources=tuple(replace(source, state=state) if source.name == name else source
                                               for source in gone.sources))
    assert "v8 is no longer on trial" not in deployments(shown(at(0, FAILING), at(5, gone, answered=0)))


def test_an_alias_does_not_move_while_the_registry_does_not_answer(shown: Shown) -> None:
    before = snapshots.deployed("paused")
    lineage = before.models[0].lineage
    assert lineage is not None
    other = replace(lineage, rows=tuple(replace(row, aliases=("champion",) if "champion" not in row.aliases else ())
                                        for row in lineage.rows))
    after = snapshots.with_model(before, lineage=other)
    down = replace(snapshots.sources()[0], name="registry", state=SourceState.DOWN)
    lost = replace(after, sources=(*after.sources, down))
    assert not any("moved" in text for text in deployments(shown(at(0, before), at(5, lost))))
    assert any("alias champion moved" in text for text in deployments(shown(at(6, after))))
