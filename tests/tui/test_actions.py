"""Actions on the screen, with a real executor and the lab's cluster behind them: menu, plan, typing, receipt."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from tests.desk.site import MODEL, TARGET, TOKEN, Gate, Site
from tests.lab.cluster.ground import READY_SECONDS
from tests.live.conftest import FakePrometheus
from tests.sources.faults import FaultServer
from tests.tui import snapshots, trials
from tests.tui.driving import running, screen_text
from tests.tui.scripted import ScriptedFeed
from tests.tui.test_goldens import check
from triage.actions import approvals, carrying
from triage.actions.guards.checking import Verdict
from triage.actions.history import Outcome
from triage.actions.journal import Kind
from triage.actions.opening import open_journal
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Stage
from triage.actions.system import Wish
from triage.clock import ManualClock
from triage.desk.actions import open_desk
from triage.live.snapshot import Snapshot
from triage.runbook.intents import OpenPlan, Place
from triage.tui.action_link import ActionLink
from triage.tui.action_state import ActionState
from triage.tui.app import TriageApp
from triage.tui.screens import plan as plan_dialog
from triage.tui.screens.act import ActMenu, figures_of
from triage.tui.screens.plan import PlanDialog
from triage.tui.screens.receipt import Receipt

NOW = snapshots.NOW
SIZES = ((80, 24), (120, 40))
_PATIENCE = 20.0
Screen = tuple[TriageApp, Pilot[None], ScriptedFeed]


@pytest.fixture
def site(make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Site:
    # Where nothing is typed by a machine, keys are heard at once.
    monkeypatch.setattr(ActionLink, "deaf_seconds", 0.0)
    # The cluster answers at once: who watches it need not wait between two looks.
    monkeypatch.setattr(carrying, "LOOK_SECONDS", 0.1)
    return make_site(start=NOW, lives=False)


def burning(at: float = NOW) -> Snapshot:
    """The canary fails, and the objective burns."""
    made = snapshots.canary_failing()
    return replace(made, at=at, models=(replace(made.models[0], canary=trials.failing(NOW), data_at=at - 2),))


def met(at: float) -> Snapshot:
    """All is well again."""
    made = snapshots.healthy()
    return replace(made, at=at, models=(replace(made.models[0], data_at=at - 1),))


@asynccontextmanager
async def shown(site: Site, snapshot: Snapshot | None = None, size: tuple[int, int] = (80, 24), *,
                write: bool = True) -> AsyncIterator[Screen]:
    first = snapshot or burning()
    feed = ScriptedFeed(first, now=NOW, names=(MODEL,))
    feed.active, feed.notebooks = site.active, {MODEL: site.notebook}
    async with running(first, size, feed=feed, write=write) as (app, pilot, _):
        yield app, pilot, feed


async def until(pilot: Pilot[None], said: Callable[[], bool]) -> None:
    """Wait for what another thread brings about."""
    patience = time.monotonic() + _PATIENCE
    while not said():
        assert time.monotonic() < patience, screen_text(pilot.app)
        await pilot.pause(0.02)


async def reads(pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text in screen_text(pilot.app))


async def opened(pilot: Pilot[None], letter: str) -> PlanDialog:
    """The plan of an action, ready."""
    await pilot.press("a", letter)
    await until(pilot, lambda: isinstance(pilot.app.screen, PlanDialog) and (
        pilot.app.screen.dialog.prepared is not None or pilot.app.screen.dialog.refusal is not None))
    assert isinstance(pilot.app.screen, PlanDialog)
    await pilot.pause()
    return pilot.app.screen


async def typed(pilot: Pilot[None], text: str) -> None:
    # Pilot waits for the whole process to idle after each key, which a dozen of them need not.
    for each in text:
        pilot.app.post_message(events.Key({" ": "space", "-": "minus"}.get(each, each), each))
    await pilot.press("enter")
    await pilot.pause()


async def agreed(pilot: Pilot[None], name: str, size: tuple[int, int]) -> None:
    """The header, the verdict and the dialog look as agreed."""
    await pilot.pause()
    await pilot.pause()
    check(f"{name}-{size[0]}x{size[1]}", masked(cut_out(screen_text(pilot.app))))


def cut_out(text: str) -> str:
    """The dialog without what stands beside and under it."""
    rows = text.splitlines()
    top = next(number for number, row in enumerate(rows) if "╭" in row)
    bottom = next(number for number, row in enumerate(rows) if "╰" in row)
    left, right = rows[top].index("╭"), rows[top].index("╮")
    return "\n".join([*rows[:2], *(row[left:right + 1] for row in rows[top:bottom + 1])])


def masked(text: str) -> str:
    """Without what is another at every run: ports, digests, ids, the seconds a plan has left."""
    text = re.sub(r"expires 1[01]\d s", "expires 120 s", text)
    text = re.sub(r"127\.0\.0\.1:\d{5}", "127.0.0.1:PPPPP", text)
    text = re.sub(r"plan [0-9a-f]{4} [0-9a-f]{4}", "plan DDDD DDDD", text)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "U" * 36, text)


def written(site: Site) -> list[str]:
    """The kinds of the journal's records."""
    return [record.kind for record in open_journal(site.active, ManualClock(NOW)).records()]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_menu_looks_as_agreed(site: Site, size: tuple[int, int]) -> None:
    async with shown(site, size=size) as (_, pilot, _):
        await pilot.press("a")
        await reads(pilot, "not aborted")
        await agreed(pilot, "act-menu", size)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_a_plan_with_guards_that_stop_it_looks_as_agreed(site: Site, size: tuple[int, int]) -> None:
    async with shown(site, size=size) as (_, pilot, _):
        dialog = await opened(pilot, "m")
        assert {"persons"} <= {each.name for each in dialog.dialog.stops}
        await agreed(pilot, "act-blocked", size)


ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ml-platform/serving/inference-server"
PINNED = "registry.example/ml/fraud-scorer@sha256:"


@pytest.mark.parametrize(("old", "new", "row"), [
    (f"{ECR}:8.0.2", f"{ECR}:7.0.0", "image …:8.0.2 -> …:7.0.0"),
    (f"{PINNED}{'3f9ac21e' * 8}", f"{PINNED}{'77aa01bc' * 8}",
     "image …:3f9ac21e3f9a -> …:77aa01bc77aa")], ids=["ecr", "pinned"])
async def test_the_plan_of_images_with_long_names_shows_which_becomes_which(
        site: Site, old: str, new: str, row: str) -> None:
    for version, image in (("7", new), ("8", old)):
        site.ground.cluster.deploy("ml", TARGET, version, image=image)
        site.ground.wait(READY_SECONDS)
        if version == "7":
            site.ground.patch_status(promoteFull=True)
        site.ground.wait(READY_SECONDS)
    async with shown(site) as (_, pilot, _):
        dialog = await opened(pilot, "r")
        prepared = dialog.dialog.prepared
        assert prepared is not None
        assert any(each.endswith(f".image: {old} -> {new}") for each in prepared.rehearsals[1].diff)
        assert row in screen_text(pilot.app)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_a_plan_that_asks_for_acknowledgement_looks_as_agreed(site: Site, size: tuple[int, int]) -> None:
    async with shown(site, snapshots.prometheus_lost(), size) as (_, pilot, _):
        dialog = await opened(pilot, "r")
        assert dialog.dialog.wanted == "without facts"
        await agreed(pilot, "act-acknowledge", size)


async def test_what_was_typed_is_asked_for_again_when_the_same_guard_finds_something_else(
        site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_dialog, "_RECHECK_SECONDS", 0.0)
    async with shown(site, snapshots.prometheus_lost()) as (_, pilot, feed):
        dialog = await opened(pilot, "r")
        await typed(pilot, "without facts")
        assert "facts" in dialog.dialog.acknowledged
        # Prometheus answers again, and what it answers is old.
        feed.give(replace(burning(), models=(replace(burning().models[0], data_at=NOW - 600),)))
        await until(pilot, lambda: dialog.dialog.wanted == "without facts")
        assert "facts" not in dialog.dialog.acknowledged
        await reads(pilot, "the facts are 10 min old")
        await typed(pilot, "without facts")
        feed.give(replace(burning(), models=(replace(burning().models[0], data_at=NOW - 900),)))
        await reads(pilot, "the facts are 15 min old")
        assert "facts" in dialog.dialog.acknowledged


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_a_rollback_is_watched_until_it_has_recovered_and_looks_as_agreed(
        site: Site, gate: Gate, size: tuple[int, int]) -> None:
    async with shown(site, size=size) as (_, pilot, feed):
        dialog = await opened(pilot, "r")
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        assert gate.changes == []
        await typed(pilot, TARGET)
        await reads(pilot, "nothing was read since")
        assert len(gate.changes) == 2
        await agreed(pilot, "act-verifying", size)
        feed.time = NOW + 60
        feed.give(met(NOW + 60))
        await reads(pilot, "given back")
        await agreed(pilot, "act-receipt", size)
        assert feed.changes == 1
        assert site.ground.split == {"7": 100}
    assert written(site)[-1] == Kind.CONCLUDED


async def test_what_recovers_is_seen_although_another_model_is_shown(
        make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "LOOK_SECONDS", 0.1)
    fake = FakePrometheus(ManualClock(NOW + 60))
    fake.held.set()
    async with FaultServer(fake.handle) as server:
        site = make_site(start=NOW, lives=False, prometheus=server.url)
        async with shown(site) as (app, pilot, feed):
            dialog = await opened(pilot, "r")
            while dialog.dialog.wanted != TARGET:
                await typed(pilot, dialog.dialog.wanted)
            await typed(pilot, TARGET)
            await reads(pilot, "nothing was read since")
            other = met(NOW + 60)
            feed.give(replace(other, models=(replace(other.models[0], name="churn-ranker"),)))
            feed.time = NOW + 60
            await until(pilot, lambda: not app.actions.is_acting)
            course = app.actions.course(app.actions.newest(MODEL))
            assert course.ending is not None
            assert (course.ending.outcome, course.ending.sentence.endswith("met again")) == (Outcome.DONE, True)


@pytest.mark.parametrize(("letter", "change"), [
    ("r", "rollouts/status: status.abort (none) -> true"), ("m", "status.pauseConditions (1 entry) -> (none)"),
    ("b", "status.abort (none) -> true"), ("f", "spec.paused (none) -> true")])
@pytest.mark.parametrize("lost", [False, True], ids=["all is seen", "prometheus is silent"])
async def test_at_80x24_plan_difference_blast_radius_and_every_guard_are_seen_without_a_key(
        site: Site, letter: str, change: str, lost: bool) -> None:
    async with shown(site, snapshots.prometheus_lost() if lost else None) as (app, pilot, _):
        dialog = await opened(pilot, letter)
        prepared = dialog.dialog.prepared
        assert prepared is not None
        said = " ".join(screen_text(app).replace("│", " ").split())
        wanted = [prepared.plan.short, prepared.plan.target.sentence(), "from v", "to v",
                  prepared.plan.blast_radius.sentence]
        for guard in prepared.checked:
            passes = guard.verdict is Verdict.OK
            wanted.append(guard.name if passes else f"{guard.name}: {guard.sentence}")
        assert [text for text in wanted if text not in said] == []
        assert change.rpartition(": ")[2] in said
        assert "pass: write, permission, target" in said


async def test_what_does_not_fit_is_told_in_rows_with_the_key_to_them(site: Site) -> None:
    async with shown(site, size=(80, 17)) as (app, pilot, _):
        await opened(pilot, "m")
        [below] = re.findall(r"(\d+) more below: down", screen_text(app))
        await pilot.press("down")
        await reads(pilot, f"1 more above, {int(below) - 1} more below: down" if below != "1" else "1 more above: up")
        await pilot.press("pagedown")
        await reads(pilot, "more above: up")


async def test_what_is_cut_in_the_dialog_ends_in_an_ellipsis_and_stands_in_full_among_the_details(site: Site) -> None:
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "m")
        assert dialog.dialog.prepared is not None
        reason = dialog.dialog.prepared.plan.reason
        [row] = [row for row in screen_text(app).splitlines() if "│ reason" in row]
        assert row.rstrip("│ ").endswith("…")
        await pilot.press("tab", "enter")
        for _ in range(8):
            await pilot.press("pagedown")
        assert reason in " ".join(screen_text(app).replace("│", " ").split())


async def test_the_menu_says_in_full_what_it_cuts_when_d_is_pressed(site: Site) -> None:
    async with shown(site) as (app, pilot, _):
        await pilot.press("a")
        await reads(pilot, "NOT POSSIBLE NOW")
        [row] = [row for row in screen_text(app).splitlines() if "m  promote a step" in row]
        assert "trial, persons: canary v8 is slower" in row
        assert row.rstrip("│ ").endswith("…")
        assert "d all in full" in screen_text(app)
        await pilot.press("d")
        await reads(pilot, "d less")
        for _ in range(3):
            await pilot.press("pagedown")
        said = " ".join(screen_text(app).replace("│", " ").split())
        assert "burns 20x, n 1,386; needs 1 other person: share the plan to be approved" in said


async def test_where_all_of_the_menu_fits_nothing_is_cut(site: Site) -> None:
    async with shown(site, size=(120, 50)) as (app, pilot, _):
        await pilot.press("a")
        await reads(pilot, "NOT POSSIBLE NOW")
        assert "…" not in "".join(row.partition("╭")[2] + row.partition("│")[2] for row in
                                  cut_out(screen_text(app)).splitlines()[2:])
        assert "all in full" not in screen_text(app)


async def test_without_write_the_menu_does_not_call_anything_possible_now(site: Site) -> None:
    async with shown(site, write=False) as (app, pilot, _):
        await pilot.press("a")
        await reads(pilot, "NOT POSSIBLE NOW")
        assert "POSSIBLE ONCE WRITING IS ON" in screen_text(app)
        assert "│ POSSIBLE NOW" not in screen_text(app)
        assert "nothing is executed without --write" in " ".join(screen_text(app).replace("│", " ").split())


async def test_letters_go_on_while_the_systems_are_asked(site: Site) -> None:
    async with shown(site) as (app, pilot, _):
        await pilot.press("a")
        assert isinstance(app.screen, ActMenu)
        await pilot.press("f")
        assert isinstance(app.screen, PlanDialog)


async def test_a_pause_needs_a_button_and_no_name(site: Site, gate: Gate) -> None:
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "f")
        assert dialog.dialog.wanted == ""
        await pilot.press("tab")
        await pilot.pause()
        assert dialog.dialog.focus == "pause"
        await pilot.press("enter")
        await reads(pilot, "DONE")
        assert isinstance(app.screen, Receipt)
    assert len(gate.changes) == 1


def enter_twice(app: TriageApp) -> None:
    """As a link that lags behind gives it: two in one read."""
    for _ in range(2):
        app.post_message(events.Key("enter", None))


async def test_two_enters_in_one_read_confirm_a_plan_once_and_do_not_leave_it(site: Site, gate: Gate) -> None:
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "f")
        await pilot.press("tab")
        assert dialog.dialog.focus == "pause"
        enter_twice(app)
        await reads(pilot, "DONE")
        assert [type(screen) for screen in app.screen_stack].count(Receipt) == 1
    assert len(gate.changes) == 1
    assert written(site).count(Kind.BEGUN) == 1


async def test_an_enter_too_much_after_the_word_leaves_the_receipt_and_does_not_say_that_the_plan_was_left(
        site: Site, gate: Gate) -> None:
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "b")
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        for letter in TARGET:
            app.post_message(events.Key({"-": "minus"}.get(letter, letter), letter))
        enter_twice(app)
        await until(pilot, lambda: isinstance(app.screen, Receipt))
        assert "nothing was sent" not in screen_text(app)
        await until(pilot, lambda: len(gate.changes) == 1)
        assert isinstance(app.screen, Receipt)


async def test_enter_leaves_and_esc_leaves_and_nothing_is_sent(site: Site, gate: Gate) -> None:
    async with shown(site) as (app, pilot, _):
        for key in ("enter", "escape"):
            await opened(pilot, "b")
            await pilot.press(key)
            await pilot.pause()
            assert not isinstance(app.screen, PlanDialog | ActMenu)
            assert "the plan was left: nothing was sent" in screen_text(app)
    assert gate.changes == []
    assert written(site) == []


async def test_watching_what_is_not_there_is_answered(site: Site) -> None:
    async with shown(site) as (_, pilot, _):
        await pilot.press("a", "w")
        await reads(pilot, "nothing is under way, and nothing was done since the start")


async def test_what_is_pasted_does_not_count(site: Site, gate: Gate) -> None:
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "b")
        app.screen.post_message(events.Paste(f"{MODEL}\n"))
        await reads(pilot, "what is pasted does not count")
        assert dialog.dialog.typed == ""
    assert gate.changes == []


async def test_keys_that_were_typed_before_anybody_can_have_read_it_do_not_count(
        site: Site, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionLink, "deaf_seconds", 60.0)
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "b")
        await typed(pilot, TARGET)
        await pilot.press("tab", "enter")
        await pilot.pause()
        assert app.screen is dialog
        assert (dialog.dialog.typed, dialog.dialog.focus) == ("", "cancel")
    assert gate.changes == []


async def test_another_name_is_not_the_name(site: Site, gate: Gate) -> None:
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "b")
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        await typed(pilot, MODEL)
        assert f"that is not {TARGET}: nothing was sent" in screen_text(app)
    assert gate.changes == []


async def test_a_plan_expires_and_is_made_again(site: Site, gate: Gate) -> None:
    async with shown(site) as (app, pilot, feed):
        dialog = await opened(pilot, "b")
        feed.time += 121
        app.show()
        await reads(pilot, "the plan has expired: make it again")
        await typed(pilot, TARGET)
        assert gate.changes == []
        assert app.screen is dialog
        await pilot.press("tab", "enter")
        await until(pilot, lambda: dialog.dialog.prepared is not None and dialog.dialog.expires_in > 100)


async def test_the_facts_go_on_behind_the_dialog(site: Site) -> None:
    async with shown(site) as (app, pilot, feed):
        await opened(pilot, "b")
        before = screen_text(app).splitlines()[1]
        feed.give(met(NOW))
        await until(pilot, lambda: "PASS" in screen_text(app).splitlines()[1])
        assert "PASS" not in before


async def test_everything_is_shown_where_it_is_asked_for(site: Site) -> None:
    async with shown(site, size=(120, 50)) as (app, pilot, _):
        await opened(pilot, "b")
        await pilot.press("tab", "enter")
        await reads(pilot, "rehearsed:")
        assert "permission: you may patch" in screen_text(app)


async def test_breaking_glass_is_loud_and_journalled(site: Site, gate: Gate) -> None:
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "m")
        while dialog.dialog.focus != "break glass":
            await pilot.press("tab")
        await pilot.press("enter")
        await pilot.pause()
        await typed(pilot, "shop is down")
        await reads(pilot, "GLASS BROKEN: shop is down")
        while dialog.dialog.wanted:
            wanted = dialog.dialog.wanted
            await typed(pilot, wanted)
            if wanted == TARGET:
                break
        await reads(pilot, "break glass")
        await until(pilot, lambda: app.actions.newest(MODEL) != "")
    records = open_journal(site.active, ManualClock(NOW)).records()
    begun = next(record for record in records if record.kind == Kind.BEGUN)
    assert begun.fields["break_glass"] == "shop is down"


async def test_a_plan_is_shared_from_the_dialog(site: Site, gate: Gate, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with shown(site) as (_, pilot, _):
        dialog = await opened(pilot, "m")
        while dialog.dialog.focus != "share for approval":
            await pilot.press("tab")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: bool(list(tmp_path.glob("promote-*.json"))))
    assert gate.changes == []


def asked_by_another(site: Site, path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A promotion that ``operator`` shared in ``path``, from a state directory of their own; its digest. From then on
    the site is looked at as ``approver``."""
    monkeypatch.setenv("TRIAGE_STATE", str(site.folder / "other"))

    async def share() -> str:
        desk = await open_desk(site.active, site.notebook, ManualClock(NOW), lambda: proven(), write=True)
        prepared = await desk.prepare(Wish(Action.PROMOTE, "planned step"))
        assert isinstance(prepared, Prepared)
        await desk.share(prepared, path)
        await desk.aclose()
        return prepared.plan.short
    digest = asyncio.run(share())
    monkeypatch.setenv("TRIAGE_STATE", str(site.folder / "state"))
    monkeypatch.setenv(TOKEN, "second")
    return digest


def proven() -> Snapshot:
    """The canary is proven, and every objective is met."""
    made = snapshots.healthy()
    return replace(made, at=NOW, models=(replace(made.models[0], canary=trials.passing(NOW), data_at=NOW - 1),))


async def asks_to_approve(pilot: Pilot[None], path: Path) -> PlanDialog:
    await pilot.press("a", "p")
    await reads(pilot, "the file that was shared")
    for each in str(path):
        pilot.app.post_message(events.Key({"/": "slash", ".": "full_stop"}.get(each, each), each))
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, PlanDialog) and (
        pilot.app.screen.dialog.prepared is not None or pilot.app.screen.dialog.refusal is not None))
    assert isinstance(pilot.app.screen, PlanDialog)
    await pilot.pause()
    return pilot.app.screen


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_a_plan_that_another_person_shared_is_approved_as_oneself_by_typing_its_name(
        site: Site, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    digest = await asyncio.to_thread(asked_by_another, site, tmp_path / "promote.json", monkeypatch)
    async with shown(site, proven(), size=size) as (_, pilot, _):
        dialog = await asks_to_approve(pilot, tmp_path / "promote.json")
        assert f"plan {digest} " in screen_text(pilot.app)
        assert not {"reason", "version", "share for approval"} & set(dialog.dialog.buttons)
        assert dialog.dialog.wanted == TARGET
        await agreed(pilot, "act-approve", size)
        await typed(pilot, TARGET)
        await reads(pilot, "sent 1 of 1  done")
    assert len(gate.changes) == 1
    records = open_journal(site.active, ManualClock(NOW)).records()
    begun = next(record for record in records if record.kind == Kind.BEGUN)
    assert (begun.fields["actor"], begun.fields["requester"]) == ("approver", "operator")
    assert list(tmp_path.glob("*.used")) != []


async def test_where_more_persons_are_needed_the_approval_is_added_to_a_new_file(
        make_site: Callable[..., Site], gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionLink, "deaf_seconds", 0.0)
    monkeypatch.chdir(tmp_path)
    site = make_site(start=NOW, lives=False, spec={"promote": {"approvals": 2}})
    await asyncio.to_thread(asked_by_another, site, tmp_path / "promote.json", monkeypatch)
    async with shown(site, proven()) as (app, pilot, _):
        dialog = await asks_to_approve(pilot, tmp_path / "promote.json")
        assert "1 of 2 other persons: approver" in screen_text(app)
        while dialog.dialog.focus != "share for approval":
            await pilot.press("tab")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: bool(list(tmp_path.glob("promote-*-2.json"))))
    [path] = tmp_path.glob("promote-*-2.json")
    request = approvals.read(path)
    assert (request.requester, [each.by for each in request.approvals]) == ("operator", ["approver"])
    assert gate.changes == []


async def test_whoever_asked_does_not_approve_on_the_screen(
        site: Site, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.to_thread(asked_by_another, site, tmp_path / "promote.json", monkeypatch)
    monkeypatch.setenv(TOKEN, "writing")
    async with shown(site, proven()) as (app, pilot, _):
        dialog = await asks_to_approve(pilot, tmp_path / "promote.json")
        assert [each.name for each in dialog.dialog.stops] == ["persons"]
        assert "operator asked for it and may not approve it" in screen_text(app)
        await typed(pilot, TARGET)
    assert gate.changes == []


@pytest.mark.parametrize(("content", "said"), [
    (None, "cannot be read: No such file"), ("{}", "is no triage.approval/v1"),
    ("another", "it was asked to approve: promote churn-ranker")], ids=["no file", "no plan", "another model"])
async def test_a_file_that_is_no_plan_of_the_model_is_refused_with_the_reason(
        site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, said: str) -> None:
    path = tmp_path / "promote.json"
    if content == "another":
        await asyncio.to_thread(asked_by_another, site, path, monkeypatch)
        request = approvals.read(path)
        plan = replace(request.plan, target=replace(request.plan.target, model="churn-ranker"))
        path.write_text(approvals.dump(replace(request, plan=plan)))
    elif content is not None:
        path.write_text(content)
    async with shown(site, proven()) as (app, pilot, _):
        dialog = await asks_to_approve(pilot, path)
        assert dialog.dialog.buttons == ("cancel",)
        assert said in " ".join(screen_text(app).replace("│", " ").split())


async def test_without_write_it_is_planned_and_stopped(site: Site, gate: Gate) -> None:
    async with shown(site, write=False) as (app, pilot, _):
        assert " WRITE " not in screen_text(app)
        await pilot.press("a")
        await reads(pilot, "READ-ONLY")
        await pilot.press("escape")
        dialog = await opened(pilot, "r")
        assert dialog.dialog.wanted == ""
        assert "stopped by write" in screen_text(app)
        await typed(pilot, TARGET)
    assert gate.changes == []


async def test_with_write_every_screen_says_so(site: Site) -> None:
    async with shown(site) as (app, pilot, _):
        await reads(pilot, " WRITE ")
        await pilot.press("3")
        await pilot.pause()
        assert " WRITE " in screen_text(app).splitlines()[0]


async def test_while_a_kill_switch_is_on_no_screen_says_write(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_READONLY", "1")
    async with shown(site) as (app, pilot, feed):
        await reads(pilot, " READ-ONLY ")
        assert " WRITE " not in screen_text(app)
        await pilot.press("a")
        await reads(pilot, "TRIAGE_READONLY is set: nothing is executed")
        await reads(pilot, "READ-ONLY")
        await pilot.press("escape")
        monkeypatch.setenv("TRIAGE_READONLY", "0")
        feed.give(burning())
        await reads(pilot, " WRITE ")


ABORT = Place("lab", "fraud-scorer", "canary-slow", "abort")


async def test_a_step_of_a_runbook_opens_its_plan_and_learns_how_it_came_out(site: Site, gate: Gate) -> None:
    told: list[tuple[Place, str, str]] = []
    async with shown(site) as (app, pilot, _):
        app.actions._conclude = lambda step, outcome, text: told.append((step, str(outcome), text))
        assert app.open_plan(OpenPlan("abort", "", "runbook canary-slow, step 5: abort", "abort", ABORT)) == ""
        await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.dialog.prepared is not None)
        await pilot.press("escape")
        await until(pilot, lambda: len(told) == 1)
        assert told[0][:2] == (ABORT, "None")
        app.open_plan(OpenPlan("abort", "", "runbook canary-slow, step 5: abort", "abort", ABORT))
        await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.dialog.prepared is not None)
        dialog = app.screen
        assert isinstance(dialog, PlanDialog)
        assert dialog.dialog.prepared is not None
        assert dialog.dialog.prepared.plan.reason == "runbook canary-slow, step 5: abort"
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        await typed(pilot, TARGET)
        await pilot.pause()
        app.feed.time = NOW + 60  # type: ignore[attr-defined]
        app.feed.give(met(NOW + 60))  # type: ignore[attr-defined]
        await until(pilot, lambda: len(told) == 2)
    assert told[1][:2] == (ABORT, "passed")


async def test_leaving_the_program_in_the_middle_writes_down_that_its_end_is_unknown(site: Site, gate: Gate) -> None:
    async with shown(site) as (_, pilot, _):
        dialog = await opened(pilot, "r")
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        await typed(pilot, TARGET)
        await reads(pilot, "nothing was read since")
    journal = open_journal(site.active, ManualClock(NOW))
    last = journal.records()[-1]
    assert (last.kind, last.fields["outcome"]) == (Kind.CONCLUDED, Outcome.UNKNOWN)
    async with shown(site) as (_, pilot, _):
        await reads(pilot, "unknown: verify")


async def test_an_action_whose_end_is_not_known_is_shown_at_the_start_and_found_out(site: Site, gate: Gate) -> None:
    async with shown(site) as (_, pilot, _):
        dialog = await opened(pilot, "r")
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        await typed(pilot, TARGET)
        await reads(pilot, "nothing was read since")
    _forget_the_end(site)
    async with shown(site) as (app, pilot, feed):
        await reads(pilot, "unknown: verify")
        assert "rollback fraud-scorer to v7" in screen_text(app)
        changes = list(gate.changes)
        feed.time = NOW + 120
        await pilot.press("a")
        await reads(pilot, "v  unknown: verify")
        await pilot.press("v")
        await until(pilot, lambda: "unknown: verify" not in screen_text(app))
        assert gate.changes == changes
    assert written(site)[-1] == Kind.RECONCILED


def _forget_the_end(site: Site) -> None:
    """As after ``kill -9``: the last record was not written."""
    journal = open_journal(site.active, ManualClock(NOW))
    [path] = [path for path in (site.folder / "state" / "journal").iterdir() if path.suffix == ".jsonl"]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert journal.records()[-1].kind != Kind.CONCLUDED


async def test_what_another_triage_is_at_is_under_way_and_its_end_unknown_only_when_that_one_is_gone(
        site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionState, "again_seconds", 0.0)
    desk = await open_desk(site.active, site.notebook, ManualClock(NOW), lambda: burning(), write=True)
    prepared = await desk.prepare(Wish(Action.ROLLBACK, "v8 is slow"))
    assert isinstance(prepared, Prepared)
    typed_by_another = Confirmation(prepared.plan.confirmation, frozenset(prepared.acknowledgements))
    async with shown(site) as (app, pilot, feed):
        async with aclosing(desk.carry_out(prepared, typed_by_another)) as steps:
            while (await anext(steps)).stage is not Stage.VERIFYING:
                pass
            app.actions.state.changed(MODEL)
            await reads(pilot, "under way  rollback fraud-scorer to v7 by operator since 14:33")
            assert "unknown: verify" not in screen_text(app)
            await pilot.press("a")
            await reads(pilot, "under way          rollback fraud-scorer to v7 by operator since 14:33")
            assert "v  unknown" not in screen_text(app)
            await pilot.press("escape")
        feed.give(burning())
        await reads(pilot, "unknown: verify")
        assert "under way" not in screen_text(app)
    await desk.aclose()


async def test_what_is_under_way_here_stands_on_the_screen_when_its_dialog_is_closed(site: Site) -> None:
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "r")
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        await typed(pilot, TARGET)
        await reads(pilot, "nothing was read since")
        await pilot.press("escape")
        await reads(pilot, "under way  rollback fraud-scorer to v7, begun 14:33   a w")
        app.actions.state.changed(MODEL)
        await pilot.pause(0.2)
        assert "unknown: verify" not in screen_text(app)


async def test_where_not_all_of_it_fits_the_newest_step_is_seen_until_somebody_scrolls(site: Site) -> None:
    async with shown(site, size=(80, 12)) as (app, pilot, _):
        dialog = await opened(pilot, "r")
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        await typed(pilot, TARGET)
        await reads(pilot, "nothing was read since")
        assert "more above: up" in screen_text(app)
        assert "the lease is ours" not in screen_text(app)
        await pilot.press("up")
        await reads(pilot, "1 more below")
        app.show()
        await pilot.pause()
        assert "1 more below" in screen_text(app)
        await pilot.press("down")
        await until(pilot, lambda: "more below" not in screen_text(app))


async def test_what_is_under_way_is_not_lost_when_its_dialog_is_closed(site: Site) -> None:
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "r")
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        await typed(pilot, TARGET)
        await reads(pilot, "nothing was read since")
        await pilot.press("escape")
        await pilot.press("a")
        await reads(pilot, "w  watch")
        await pilot.press("w")
        await pilot.pause()
        assert isinstance(app.screen, Receipt)


async def test_while_one_action_is_watched_another_is_begun_and_each_has_its_receipt(site: Site, gate: Gate) -> None:
    async with shown(site) as (app, pilot, _):
        dialog = await opened(pilot, "r")
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        await typed(pilot, TARGET)
        await reads(pilot, "nothing was read since")
        rollback = app.actions.newest(MODEL)
        await pilot.press("escape")
        await opened(pilot, "f")
        assert "verifies rollback fraud-scorer to v7" in " ".join(screen_text(app).split())
        await pilot.press("tab", "enter")
        await reads(pilot, "DONE")
        assert "sent 1 of 1" in screen_text(app)
        await pilot.press("escape")
        await pilot.press("a")
        await reads(pilot, "w  watch              rollback fraud-scorer to v7")
        await pilot.press("w")
        await reads(pilot, "sent 2 of 2")
        assert "sent 1 of 1" not in screen_text(app)
        assert app.actions.newest(MODEL) == rollback
    assert len(gate.changes) == 3


async def test_leaving_while_an_action_is_watched_has_to_be_meant(site: Site) -> None:
    async with shown(site, size=(120, 40)) as (app, pilot, _):
        dialog = await opened(pilot, "r")
        while dialog.dialog.wanted != TARGET:
            await typed(pilot, dialog.dialog.wanted)
        await typed(pilot, TARGET)
        await reads(pilot, "nothing was read since")
        await pilot.press("escape")
        await pilot.press("q")
        await reads(pilot, "an action is being watched: q again leaves it")
        assert app.return_code is None
        await pilot.press("q")
        await pilot.pause()
        assert app.return_code == 0


@pytest.mark.parametrize("key", ["a", "a r"])
async def test_facts_that_come_while_a_dialog_is_built_break_nothing(site: Site, key: str) -> None:
    async with shown(site) as (app, pilot, _):
        # Pilot lets everything settle between two keys, a terminal does not.
        for each in key.split():
            app.post_message(events.Key(each, each))
            for _ in range(300):
                app.actions.paint()
                await asyncio.sleep(0)
        await reads(pilot, "ROLLBACK" if "r" in key else "ACT on")


async def test_the_title_of_a_plan_draws_nothing_of_its_own(site: Site) -> None:
    async with shown(site) as (app, pilot, _):
        assert app.actions.choose("rollback", to="[red]9[/]") == ""
        await reads(pilot, "not possible")
        assert "[red]9[/]" in screen_text(app)


def test_no_name_is_used_twice() -> None:
    from triage.tui.panels.menu import LETTERS, WORDS
    assert set(LETTERS.values()) == set(WORDS)
    assert not {"w", "v", "x", "p"} & set(LETTERS)


@pytest.mark.parametrize(("text", "figures"), [
    ("replicas=6", {"replicas": "6"}),
    ("alert=High latency duration=1h", {"alert": "High latency", "duration": "1h"}),
    ("  duration=30m   alert=A ", {"duration": "30m", "alert": "A"}),
    ("matchers=alertname=A, model=b duration=1h", {"matchers": "alertname=A, model=b", "duration": "1h"}),
    ("what is this", {"what is this": ""})])
def test_a_figure_ends_where_the_next_one_begins(text: str, figures: dict[str, str]) -> None:
    assert figures_of(text) == figures
