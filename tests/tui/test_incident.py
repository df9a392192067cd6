"""The incident on the screen: asked for, opened, written to with keys, handed over, closed, and looked at."""

from __future__ import annotations

import fcntl
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.incident.whole import LOG
from tests.runbook.test_session import NOW, world
from tests.tui import snapshots
from tests.tui.driving import press, running, screen_text
from tests.tui.scripted import ScriptedFeed
from tests.tui.test_goldens import check
from tests.tui.test_runbook import on_call
from triage.incident.entries import Entry, Kind
from triage.incident.incident import Incident, replay
from triage.incident.session import Board
from triage.incident.store import Timelines
from triage.live.snapshot import Snapshot
from triage.report.postmortem import postmortem
from triage.runbook.run import Case
from triage.signals.reading import Urgency, Verdict
from triage.state_dir import StateDir
from triage.tui.app import TriageApp
from triage.tui.incident_drafts import write_beside
from triage.tui.screens.incident import IncidentScreen

WIDE, NARROW = (120, 40), (80, 24)
MINUTE = 60.0


@pytest.fixture(autouse=True)
def one_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who works here is the same on every machine, and what they did elsewhere is not seen."""
    monkeypatch.delenv("TRIAGE_PERSON", raising=False)
    monkeypatch.setenv("LOGNAME", "ana")
    monkeypatch.setattr("socket.gethostname", lambda: "desk.example")
    monkeypatch.setenv("TRIAGE_STATE", str(tmp_path / "state"))


@asynccontextmanager
async def at_five(tmp_path: Path, size: tuple[int, int] = WIDE, snapshot: Snapshot | None = None, *,
                  begun: bool = True, **options: Any) -> AsyncIterator[tuple[TriageApp, Pilot[None], ScriptedFeed]]:
    """The incident screen, with an incident opened unless not ``begun``; time stands."""
    async with running(snapshot or snapshots.canary_failing(), size, state_home=tmp_path / "state", **options) as made:
        await press(made[1], "5")
        if begun:
            await press(made[1], "o", "enter")
        yield made


async def say(pilot: Pilot[None], key: str, *texts: str) -> None:
    """Press ``key`` and answer the dialogs that follow."""
    await press(pilot, key)
    for text in texts:
        field = pilot.app.screen.query_one("#text", Input)
        field.value += text
        await press(pilot, "enter")


async def give(app: TriageApp, pilot: Pilot[None], feed: ScriptedFeed, snapshot: Snapshot) -> None:
    feed.time = snapshot.at
    feed.give(snapshot)
    await pilot.pause()
    await app.workers.wait_for_complete()
    await pilot.pause()


def kept(tmp_path: Path, name: str = "INC-0001") -> Incident:
    """What another process sees of it."""
    return Timelines(StateDir(tmp_path / "state"), "prod-eu").get(name)


def texts(incident: Incident, kind: Kind) -> list[str]:
    return [row.text for row in incident.rows if row.entry.kind is kind]


def moved(minutes: float) -> tuple[Entry, ...]:
    """The whole story, at the time of the snapshots."""
    shift = snapshots.NOW - LOG[0].at - minutes * MINUTE
    return tuple(replace(entry, at=entry.at + shift, written_at=entry.written_at + shift) for entry in LOG)


def story(tmp_path: Path, until: Kind | None = None, minutes: float = 26) -> None:
    """Write the log of an incident, up to its first entry of a kind."""
    folder = StateDir(tmp_path / "state").folder("incidents", "prod-eu")
    for entry in moved(minutes):
        if entry.kind is until:
            return
        folder.append("INC-0001.jsonl", entry.line())


async def test_a_verdict_that_pages_asks_for_an_incident(tmp_path: Path) -> None:
    async with running(snapshots.canary_failing(), NARROW, state_home=tmp_path / "state") as (app, pilot, _):
        assert "5 open an incident" in screen_text(app)
        await press(pilot, "5")
        assert "this calls for an incident" in screen_text(app)
        await press(pilot, "o", "enter", "2")
        assert "5 open an incident" not in screen_text(app)


async def test_nothing_is_written_before_somebody_opens_one(tmp_path: Path) -> None:
    async with at_five(tmp_path, begun=False):
        assert not (tmp_path / "state" / "incidents").exists()


async def test_a_healthy_model_asks_for_none_and_can_have_one(tmp_path: Path) -> None:
    async with at_five(tmp_path, NARROW, snapshots.healthy(), begun=False) as (app, pilot, _):
        assert "no incident of fraud-scorer is open" in screen_text(app)
        await say(pilot, "o", " a drill")
        assert "INC-0001 open" in screen_text(app)


async def test_it_begins_with_what_is_known_of_the_last_two_hours(tmp_path: Path) -> None:
    async with at_five(tmp_path):
        found = kept(tmp_path)
    assert texts(found, Kind.ALERT)[1] == "CanaryLatency fires, page, v8"
    assert texts(found, Kind.DEPLOYMENT)[0] == "v8 takes its first traffic, as canary"
    assert texts(found, Kind.VERDICT)[0].startswith("FAIL, page: canary v8 is slower: 80.0 %")


async def test_what_happens_afterwards_writes_itself(tmp_path: Path) -> None:
    failing = snapshots.canary_failing()
    well = snapshots.with_model(failing, verdict=Verdict.PASS, urgency=Urgency.NONE, alerts=(), canary=None)
    async with at_five(tmp_path) as (app, pilot, feed):
        await give(app, pilot, feed, replace(well, at=failing.at + 600))
        assert "INC-0001 resolved" in screen_text(app)
    assert "CanaryLatency has ended" in texts(kept(tmp_path), Kind.ALERT)


async def test_notes_are_written_from_any_screen_and_dated_back(tmp_path: Path) -> None:
    async with at_five(tmp_path) as (app, pilot, _):
        for screen in "123":
            await press(pilot, screen)
            await say(pilot, "n", f"-{screen}m seen on screen {screen}")
        await press(pilot, "2", "z")
        await say(pilot, "n", "! roll back")
        assert "written" in screen_text(app)
    found = kept(tmp_path)
    assert texts(found, Kind.NOTE) == ["seen on screen 3", "seen on screen 2", "seen on screen 1"]
    assert texts(found, Kind.DECISION) == ["roll back"]


async def test_a_note_without_an_incident_says_how_to_open_one(tmp_path: Path) -> None:
    async with running(snapshots.healthy(), NARROW, state_home=tmp_path / "state") as (app, pilot, _):
        await press(pilot, "n")
        assert "no incident is open: 5, then o opens one" in screen_text(app)


async def test_what_is_not_understood_is_said_and_not_written(tmp_path: Path) -> None:
    async with at_five(tmp_path) as (app, pilot, _):
        await say(pilot, "m", "boss")
        assert "there is no role boss" in screen_text(app)
    assert texts(kept(tmp_path), Kind.ROLE) == []


async def test_a_hypothesis_is_settled_and_a_need_met_with_the_keyboard(tmp_path: Path) -> None:
    async with at_five(tmp_path) as (app, pilot, _):
        await say(pilot, "n", "? skewed amounts")
        await say(pilot, "n", "@ somebody of payments")
        await press(pilot, "j")
        assert "enter settles it" in screen_text(app)
        await say(pilot, "enter", "refuted: the same on v7")
        await press(pilot, "j")
        await say(pilot, "enter", "bob is here")
    found = kept(tmp_path)
    assert (found.hypotheses[0].state, found.hypotheses[0].why) == ("refuted", "the same on v7")
    assert found.needs[0].met == "bob is here"


async def test_a_note_is_put_otherwise_and_an_alert_is_only_read(tmp_path: Path) -> None:
    async with at_five(tmp_path) as (app, pilot, _):
        await say(pilot, "n", "v8 looks slow")
        await press(pilot, "G")
        await say(pilot, "enter", " for large amounts")
        assert "v8 looks slow for large amounts" in screen_text(app)
        await press(pilot, "g", "enter")
        assert "ENTRY" in screen_text(app)
        assert "facts" in screen_text(app)


async def test_roles_times_and_updates_are_said(tmp_path: Path) -> None:
    async with at_five(tmp_path) as (app, pilot, _):
        await say(pilot, "m", "commander")
        await say(pilot, "m", "scribe bob")
        await say(pilot, "t", "impact started -40m first complaint")
        await press(pilot, "u", "enter")
        shown = screen_text(app)
    assert "commander ana" in shown
    assert "scribe bob" in shown
    assert "impact started 13:53" in shown
    assert kept(tmp_path).updated_at == snapshots.NOW


async def test_y_copies_the_status_update(tmp_path: Path) -> None:
    async with at_five(tmp_path, (100, 40)) as (app, pilot, _):
        await say(pilot, "n", "@ somebody of payments")
        await press(pilot, "y")
        shown = screen_text(app)
    for expected in ("Conditions", "- FAIL, page: canary v8 is slower", "Actions", "- nothing was changed yet",
                     "Needs", "- somebody of payments (ana@desk)", "Next update 15:03 UTC"):
        assert expected in shown


async def test_a_handoff_is_accepted_by_another_person_who_has_read_it(tmp_path: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_five(tmp_path) as (app, pilot, _):
        await say(pilot, "m", "commander")
        await say(pilot, "h", "bob", "the backfill", "-", "15:00 latency", "payments")
        assert "HAND-OFF ana@desk to bob, not accepted: it stays with ana@desk" in screen_text(app)
        await press(pilot, "h")
        shown = screen_text(app)
        assert "do not touch: the backfill" in shown
        assert "impact now: FAIL, page" in shown
        assert "locks, freezes and leases: not known: no model is shown that has a notebook" in shown
        # Who gave it is asked nothing.
        await press(pilot, "escape")
        assert isinstance(app.screen, IncidentScreen)
    assert kept(tmp_path).handoffs[0].accepted_by == ""
    monkeypatch.setenv("LOGNAME", "carol")
    async with at_five(tmp_path, begun=False) as (app, pilot, _):
        await press(pilot, "h")
        assert "do not touch: the backfill" in screen_text(app)
        await say(pilot, "escape", "yes")
        assert "it stays with ana@desk" in screen_text(app)
        await press(pilot, "h")
        await say(pilot, "escape", "Accept")
        assert "commander carol" in screen_text(app)
        await say(pilot, "n", "all quiet")
    found = kept(tmp_path)
    assert found.handoffs[0].accepted_by == "carol@desk"
    assert texts(found, Kind.ACCEPTED) == ["carol@desk has the incident now; it was given to bob"]
    assert found.rows[-1].entry.by == "carol@desk"


async def test_a_handoff_needs_every_field(tmp_path: Path) -> None:
    async with at_five(tmp_path) as (app, pilot, _):
        await say(pilot, "h", "bob", "")
        assert "the hand-off needs every field" in screen_text(app)
        await press(pilot, "escape")
    assert kept(tmp_path).handoffs == ()


async def test_closing_asks_what_changes_in_the_runbook(tmp_path: Path) -> None:
    async with at_five(tmp_path) as (app, pilot, _):
        await say(pilot, "e", "done")
        assert "begin with changed" in screen_text(app)
        await say(pilot, "e", "changed: step 4 names the alias")
        assert "INC-0001 closed" in screen_text(app)
        assert "runbook changed: step 4 names the alias" in screen_text(app)


async def test_the_draft_is_written_beside_and_never_over_another(tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with at_five(tmp_path) as (app, pilot, _):
        await press(pilot, "w", "w")
        assert "written, only you can read it: " in screen_text(app)
    assert (tmp_path / "INC-0001-2.md").is_file()
    first = tmp_path / "INC-0001.md"
    assert first.read_text().startswith("# Postmortem of INC-0001: ")
    assert stat.S_IMODE(first.stat().st_mode) == 0o600


async def test_where_nothing_can_be_written_the_draft_lies_beside_the_incidents(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *asked, **how: False)
    async with at_five(tmp_path) as (_, pilot, _):
        await press(pilot, "w", "w")
    folder = tmp_path / "state" / "exports"
    assert sorted(path.name for path in folder.iterdir()) == ["INC-0001-2.md", "INC-0001.md"]
    assert (folder / "INC-0001.md").read_text().startswith("# Postmortem of INC-0001: ")


async def test_a_title_that_is_longer_than_its_field_is_shown_whole(tmp_path: Path) -> None:
    async with at_five(tmp_path, NARROW, begun=False) as (app, pilot, _):
        await press(pilot, "o")
        field = app.screen.query_one("#text", Input)
        field.value = "one two three four five six seven eight nine ten eleven twelve"
        await pilot.pause()
        shown = screen_text(app)
        assert "one two three four five six seven eight nine ten eleven" in shown
        field.value = "short"
        await pilot.pause()
        assert "one two" not in screen_text(app)


def test_a_draft_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "INC-0001.md").symlink_to(tmp_path / "victim")
    assert write_beside(tmp_path, "INC-0001", "text").endswith("INC-0001-2.md")
    assert not (tmp_path / "victim").exists()


async def test_a_second_screen_sees_the_same_incident_and_joins_it(tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_five(tmp_path) as (app, pilot, feed):
        monkeypatch.setenv("LOGNAME", "bob")
        async with at_five(tmp_path, begun=False) as (other, _, _):
            assert "INC-0001 open" in screen_text(other)
            assert set(kept(tmp_path).people) == {"ana@desk", "bob@desk"}
        await give(app, pilot, feed, snapshots.canary_failing())
        assert "bob@desk is off" in screen_text(app)


async def test_the_incident_of_a_model_that_is_not_shown_hears_of_it_while_the_fleet_is_asked_about(
        tmp_path: Path) -> None:
    Timelines(StateDir(tmp_path / "state"), "prod-eu").open("its own", "churn-ranker", "bob@desk", snapshots.NOW - 60)
    shown, other = snapshots.canary_failing(), replace(snapshots.healthy().models[0], name="churn-ranker")
    loud = replace(other, alerts=(snapshots.group(snapshots.alert("ChurnLate")),))
    async with running(replace(shown, together=(other,)), WIDE, state_home=tmp_path / "state") as (app, pilot, feed):
        await give(app, pilot, feed, replace(shown, at=shown.at + 5, together=(loud,)))
        link = app.incident
        assert (link.id("churn-ranker"), link.id("fraud-scorer"), link.id("nobody")) == ("INC-0001", "", "")
        cases = [link.case(name) for name in ("churn-ranker", "fraud-scorer", "nobody")]
        assert [None if case is None else case.id for case in cases] == ["INC-0001", "", None]
    assert texts(kept(tmp_path), Kind.ALERT) == ["ChurnLate fires, page, v8"]


async def test_who_ends_the_program_is_off_every_incident_that_they_were_on(tmp_path: Path) -> None:
    timelines = Timelines(StateDir(tmp_path / "state"), "prod-eu")
    timelines.open("its own", "churn-ranker", "ana@desk", snapshots.NOW - 60)
    async with running(snapshots.canary_failing(), WIDE, state_home=tmp_path / "state") as (_, pilot, _):
        await press(pilot, "5", "o", "enter")
        assert [set(found.people) for found in timelines.all()] == [{"ana@desk"}, {"ana@desk"}]
    assert [dict(found.people) for found in timelines.all()] == [{}, {}]


async def test_an_incident_is_open_after_a_restart_and_tells_nothing_twice(tmp_path: Path) -> None:
    async with at_five(tmp_path):
        before = kept(tmp_path)
    async with at_five(tmp_path, begun=False) as (app, _, _):
        assert "INC-0001 open" in screen_text(app)
    told = [row for row in kept(tmp_path).rows if row.entry.kind not in (Kind.JOINED, Kind.LEFT)]
    assert told == list(before.rows)


async def test_a_disk_that_cannot_be_written_is_said_and_the_screen_lives(tmp_path: Path) -> None:
    async with at_five(tmp_path) as (app, pilot, feed):
        folder = tmp_path / "state" / "incidents" / "prod-eu"
        folder.chmod(0o755)
        failing = snapshots.canary_failing()
        await give(app, pilot, feed, replace(snapshots.with_model(failing, alerts=()), at=failing.at + 60))
        assert "cannot be read" in screen_text(app)
        assert "CanaryLatency fires" in screen_text(app)
        folder.chmod(0o700)


async def test_the_timeline_of_an_open_incident_stands_under_the_runbook(tmp_path: Path) -> None:
    async with at_five(tmp_path) as (app, pilot, _):
        await press(pilot, "2")
        assert "TIMELINE INC-0001" in screen_text(app)


@pytest.mark.parametrize(("name", "size", "until", "keys"), [
    ("begun-80x24", NARROW, Kind.STEP, ()), ("begun-120x40", WIDE, Kind.STEP, ()),
    ("mitigated-80x24", NARROW, Kind.HANDOFF, ()), ("mitigated-120x40", WIDE, Kind.HANDOFF, ("j",)),
    ("handed-80x24", NARROW, Kind.ACCEPTED, ("j",)), ("closed-120x40", WIDE, None, ("G",)),
    ("closed-200x50", (200, 50), None, ()), ("update", (100, 40), Kind.HANDOFF, ("y",)),
])
async def test_the_incident_looks_as_agreed(tmp_path: Path, name: str, size: tuple[int, int], until: Kind | None,
                                            keys: tuple[str, ...]) -> None:
    story(tmp_path, until)
    shown = snapshots.canary_failing() if until is Kind.STEP else snapshots.healthy()
    async with at_five(tmp_path, size, shown, begun=False) as (app, pilot, _):
        await press(pilot, *keys)
        check(f"incident-{name}", screen_text(app))


@pytest.mark.parametrize(("name", "size", "options"), [
    ("none-80x24", NARROW, {}), ("none-120x40", WIDE, {}), ("none-ascii", NARROW, {"glyphs": "ascii"})])
async def test_without_an_incident_it_says_how_to_open_one(tmp_path: Path, name: str, size: tuple[int, int],
                                                           options: dict[str, Any]) -> None:
    async with at_five(tmp_path, size, begun=False, **options) as (app, _, _):
        check(f"incident-{name}", screen_text(app))


async def test_in_ascii_nothing_else_is_drawn(tmp_path: Path) -> None:
    story(tmp_path, Kind.ACCEPTED)
    async with at_five(tmp_path, WIDE, snapshots.healthy(), begun=False, glyphs="ascii") as (app, _, _):
        assert screen_text(app).isascii()


async def test_equal_facts_repaint_nothing(tmp_path: Path) -> None:
    async with at_five(tmp_path) as (app, pilot, feed):
        before = screen_text(app)
        assert isinstance(app.screen, IncidentScreen)
        await give(app, pilot, feed, snapshots.canary_failing())
        board = app.incident.board
        await give(app, pilot, feed, snapshots.canary_failing())
        assert app.incident.board == board
        assert screen_text(app).splitlines()[:-1] == before.splitlines()[:-1]


async def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    async with at_five(tmp_path, NARROW, snapshots.hostile()) as (app, pilot, _):
        await say(pilot, "n", "[red]x[/red] [@click=app.quit]y")
        assert "[red]x[/red] [@click=app.quit]y" in screen_text(app)
        assert "\x1b" not in screen_text(app)


def test_a_board_knows_whether_it_is_open() -> None:
    found = replay("INC-0001", moved(26))
    assert Board("m", found).open is None
    assert Board("m", replay("INC-0001", moved(26)[:5])).open is not None


def churn(now: float) -> Snapshot:
    seen = world(now)
    return replace(seen, models=(replace(seen.models[0], name="churn-ranker"),))


async def test_a_handoff_goes_to_the_incident_that_it_was_asked_about(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[Callable[[str], None]] = []
    async with on_call(tmp_path) as (app, pilot, feed):
        Timelines(StateDir(tmp_path / "state"), "prod-eu").open("its own", "churn-ranker", "bob@x", NOW - 60)
        await press(pilot, "5", "o", "enter")
        monkeypatch.setattr(app.actions, "locks", held.append)
        await say(pilot, "h", "bob", "-", "-", "-", "-")
        app._wanted = "churn-ranker"
        await give(app, pilot, feed, churn(NOW + 5))
        held[0]("none")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.incident.board is not None
        assert app.incident.board.model == "churn-ranker"
    assert [(each.model, [given.receiver for given in each.handoffs]) for each in Timelines(
        StateDir(tmp_path / "state"), "prod-eu").all()] == [("churn-ranker", []), ("fraud-scorer", ["bob"])]


async def test_an_incident_is_not_opened_for_a_model_that_came_meanwhile(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (app, pilot, feed):
        await press(pilot, "5", "o")
        app._wanted = "churn-ranker"
        await give(app, pilot, feed, churn(NOW + 5))
        await press(pilot, "enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "nothing was opened: fraud-scorer is not shown any more" in screen_text(app)
    assert not (tmp_path / "state" / "incidents").exists()


async def test_a_step_right_before_the_end_of_an_incident_is_in_its_story(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with on_call(tmp_path) as (app, pilot, _):
        await press(pilot, "5", "o", "enter", "b")
        await say(pilot, "s", "no notebook here")
        await press(pilot, "5")
        await say(pilot, "e", "none: fine")
        await app.workers.wait_for_complete()
        await press(pilot, "w")
        await app.workers.wait_for_complete()
    assert kept(tmp_path).closing is not None
    assert any("skipped: no notebook here" in text for text in texts(kept(tmp_path), Kind.STEP))
    assert "skipped: no notebook here" in (tmp_path / "INC-0001.md").read_text()


async def test_a_step_right_before_the_program_is_left_is_in_the_story(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (_, pilot, _feed):
        await press(pilot, "5", "o", "enter", "b")
        await say(pilot, "s", "no notebook here")
    assert any("skipped: no notebook here" in text for text in texts(kept(tmp_path), Kind.STEP))


async def test_a_run_is_not_taken_over_from_the_incident_before(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (app, pilot, feed):
        cases = []
        for at in (10.0, 20.0):
            await press(pilot, "5", "o", "enter")
            cases.append(app.incident.case("fraud-scorer"))
            await give(app, pilot, feed, world(NOW + at))
            await say(pilot, "e", "none: fine")
            await app.workers.wait_for_complete()
            cases.append(app.incident.case("fraud-scorer"))
    assert cases == [Case("INC-0001", NOW), Case("", since=NOW + 10), Case("INC-0002", NOW + 10, since=NOW + 10),
                     Case("", since=NOW + 20)]


async def test_what_a_query_showed_stands_in_the_draft_with_its_query(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (_, pilot, _feed):
        await press(pilot, "5", "o", "enter", "b")
        await say(pilot, "s", "no notebook here")
    text = postmortem(kept(tmp_path))
    assert "showed: 7 requests/s" in text
    assert "- `sum by (pod) (rate(requests_total[5m]))`" in text


async def test_one_incident_that_cannot_be_written_does_not_keep_a_person_on_the_others(tmp_path: Path) -> None:
    async with on_call(tmp_path) as (app, pilot, feed):
        await press(pilot, "5", "o", "enter")
        app._wanted = "churn-ranker"
        await give(app, pilot, feed, churn(NOW + 5))
        await press(pilot, "o", "enter")
        await app.workers.wait_for_complete()
        assert kept(tmp_path, "INC-0002").people
        (tmp_path / "state" / "incidents" / "prod-eu" / "INC-0002.jsonl").unlink()
        (tmp_path / "state" / "incidents" / "prod-eu" / "INC-0002.jsonl").mkdir()
    assert not kept(tmp_path).people


async def test_what_was_typed_right_before_the_program_is_left_is_written(tmp_path: Path) -> None:
    for number in range(5):
        async with at_five(tmp_path, begun=not number) as (app, pilot, _):
            await press(pilot, "n")
            pilot.app.screen.query_one("#text", Input).value = f"typed {number}"
            # Without waiting for what the first key began.
            await pilot.press("enter", "q")
        assert texts(kept(tmp_path), Kind.NOTE) == [f"typed {each}" for each in range(number + 1)]
        assert app.farewell == ""


async def test_what_the_disk_did_not_take_is_said_when_the_program_is_left(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triage.tui.incident_link._WRITE_SECONDS", 0.2)
    async with at_five(tmp_path) as (app, pilot, _):
        with (tmp_path / "state/incidents/prod-eu/INC-0001.jsonl").open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            await press(pilot, "n")
            pilot.app.screen.query_one("#text", Input).value = "typed"
            await pilot.press("enter", "q")
            assert app.farewell == ""
            app.farewell = app.incident.leave()
        assert "what was typed last may be missing in INC-0001" in app.farewell
