"""A terminal that closes, or a program that is told to end, while an action holds its lease in the cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.desk.site import MODEL, Hold, Site, changes_the_world
from tests.desk.test_killed import KUBERNETES_LEASES
from tests.tui.test_actions import NOW, opened, shown, until
from triage.actions.history import Outcome, history_of
from triage.actions.opening import open_journal
from triage.actions.system import Fate
from triage.clock import ManualClock
from triage.lab.cluster.resources import LEASES
from triage.tui.action_link import ActionLink


async def test_what_is_under_way_is_unknown_and_its_lease_free_before_anything_is_written_to_the_terminal(
        make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[Any, ...]] = []
    # It would end the test's own process.
    monkeypatch.setattr("triage.tui.app.end_within", lambda *seconds: limits.append(seconds))
    monkeypatch.setattr(ActionLink, "deaf_seconds", 0.0)
    site = make_site(start=NOW, lives=False, actions=KUBERNETES_LEASES)

    def holders() -> list[str]:
        return [lease["spec"]["holderIdentity"] for lease in site.ground.cluster.storage.all(LEASES)
                if lease["spec"].get("holderIdentity")]

    async with shown(site) as (app, pilot, _):
        await opened(pilot, "f")
        site.gate.hold = Hold(changes_the_world, answers=True)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: site.gate.hold is not None and site.gate.hold.came.acquire(blocking=False))
        assert len(holders()) == 1
        app._hang_up()
        assert holders() == []
    assert limits == [(6.0,)]
    [deed] = history_of(open_journal(site.active, ManualClock(NOW)).records()).deeds
    assert (deed.plan.target.model, deed.outcome, deed.unresolved) == (MODEL, Outcome.UNKNOWN, True)
    assert [each.fate for each in deed.attempts] == [Fate.UNKNOWN]
