"""The first row of the screens: over what the shares of the versions are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui import snapshots
from triage.live.snapshot import Snapshot
from triage.tui.look import Look
from triage.tui.panels.top import header
from triage.tui.view import View


def shares_over(window_seconds: float) -> Snapshot:
    made = snapshots.canary_failing()
    seen = made.models[0].versions
    items = tuple(replace(v, share=replace(v.share, window_seconds=window_seconds)) for v in seen.items)
    return snapshots.with_model(made, versions=replace(seen, items=items))


def row(made: Snapshot, width: int) -> str:
    view = View(made, made.models[0], None, snapshots.NOW, 3600.0, None, None, Look(), width, 40)
    return header(view, width).text


@pytest.mark.parametrize("width", [80, 120])
def test_shares_of_less_than_five_minutes_say_so(width: int) -> None:
    assert row(shares_over(60.0), width).endswith("v8 canary 10 % in 1m")
    assert row(shares_over(300.0), width).endswith("v8 canary 10 %")


def test_where_there_is_no_room_the_window_goes_before_the_arms() -> None:
    whole = row(shares_over(60.0), 80)
    assert row(shares_over(60.0), len(whole) - 1) == whole.removesuffix(" in 1m")
