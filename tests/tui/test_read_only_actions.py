"""What the screen does without ``--write``: what became of an action is looked at, and nothing is written."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.desk.site import NOT_JUDGED, Site
from tests.desk.test_read_only import files, written
from tests.desk.test_under_way import AT, KUBERNETES_LEASES, at_it
from tests.tui.test_actions import reads, shown
from triage.actions.steps import Stage


@pytest.mark.parametrize("killed", [True, False])
async def test_the_key_that_finds_out_writes_nothing_where_nothing_may_be_written(
        make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, killed: bool) -> None:
    site = make_site(start=AT, lives=False, spec=NOT_JUDGED, actions=KUBERNETES_LEASES)
    async with at_it(site, Stage.VERIFYING):
        pass
    if killed:
        monkeypatch.setenv("TRIAGE_READONLY", "1")
    async with shown(site, size=(200, 24), write=killed) as (_, pilot, _):
        await pilot.press("a")
        await reads(pilot, "v  unknown: verify")
        sent: list[str] = []
        before = written(site, sent)
        await pilot.press("v")
        await reads(pilot, "only seen, not written down: read-only")
        # Who we are and whether we may is asked by requests that store nothing, for the menu.
        assert [each for each in sent if not re.search("selfsubject(access)?reviews", each)] == []
        assert files(site) == before
