"""Scaling on the screen: the number is asked for, refused or planned, and the lab's cluster obeys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.desk.site import TARGET, Site
from tests.tui import snapshots
from tests.tui.driving import screen_text
from tests.tui.test_actions import met, reads, shown, typed, until
from triage.actions import carrying
from triage.tui.action_link import ActionLink
from triage.tui.screens.ask import Ask


@pytest.fixture
def site(make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(ActionLink, "deaf_seconds", 0.0)
    monkeypatch.setattr(carrying, "LOOK_SECONDS", 0.1)
    return make_site(start=snapshots.NOW, lives=False, spec={"resources": {"replicas": {"min": 2, "max": 9}}})


async def test_a_number_is_asked_for_and_what_is_out_of_the_bounds_is_refused_with_them(site: Site) -> None:
    async with shown(site, met(snapshots.NOW), (120, 40)) as (_, pilot, _):
        await pilot.press("a")
        await reads(pilot, "from 5 replicas to another number, the manifest allows 2 to 9")
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("ctrl+u")
        await typed(pilot, "replicas=10")
        await reads(pilot, "10 replicas are outside of what is allowed")
        assert "the manifest allows 2 to 9" in screen_text(pilot.app)
    assert site.gate.changes == []


async def test_what_is_typed_is_sent_once_and_the_pods_are_there(site: Site) -> None:
    async with shown(site, met(snapshots.NOW), (120, 40)) as (_, pilot, _):
        await pilot.press("a", "c")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("ctrl+u")
        await typed(pilot, "replicas=7")
        await reads(pilot, "replicas 5 -> 7")
        await reads(pilot, f"type {TARGET} to go on")
        assert site.gate.changes == []
        await typed(pilot, TARGET)
        await reads(pilot, "5 of 7 replicas of v7 serve")
        site.ground.wait(60)
        await reads(pilot, "DONE")
    assert [change.rpartition("/")[2] for change in site.gate.changes] == [TARGET]
    assert site.ground.pods("7") == 7
