"""The screens as text. They are written anew only with ``TRIAGE_WRITE_GOLDENS=1``, and read by a person then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.tui import snapshots
from tests.tui.driving import press, running, screen_text

GOLDENS = Path(__file__).parent / "goldens"
SIZES = ((80, 24), (120, 40), (200, 50))
STATES = ("healthy", "canary", "lost", "waiting", "idle", "few", "partial", "many", "broken", "nothing",
          "trial-few", "trial-both", "trial-stale", "drift-moved", "drift-both")
VARIANTS: dict[str, tuple[str, tuple[int, int], tuple[str, ...], dict[str, Any]]] = {
    "no-colour": ("canary", (80, 24), (), {"theme_name": "no-colour"}),
    "ascii": ("canary", (120, 40), (), {"glyphs": "ascii"}),
    "ascii-lost": ("lost", (80, 24), (), {"glyphs": "ascii"}),
    "blocks": ("canary", (120, 40), (), {"chart": "block"}),
    "paused": ("canary", (120, 40), ("p",), {}),
    "panned": ("canary", (120, 40), ("left_square_bracket",), {}),
    "help": ("canary", (80, 56), ("question_mark",), {}),
    "detail-slo": ("canary", (100, 50), ("j", "enter"), {}),
    "half-80x24": ("half", (80, 24), (), {}),
    "just-lost-80x24": ("just-lost", (80, 24), (), {}),
    "just-lost-120x40": ("just-lost", (120, 40), (), {}),
    "detail-young": ("few", (100, 50), ("j", "j", "j", "enter"), {}),
    "ascii-few": ("few", (80, 24), (), {"glyphs": "ascii"}),
    "detail-verdict": ("lost", (100, 50), ("enter",), {}),
    "detail-alert": ("canary", (100, 40), ("G", "enter"), {}),
    "detail-broken": ("broken", (80, 24), ("G", "enter"), {}),
    "trial-begun": ("trial-begun", (80, 24), (), {}),
    "trial-pass": ("trial-pass", (120, 40), (), {}),
    "trial-shadow": ("trial-shadow", (120, 40), (), {}),
    "trial-partial": ("trial-partial", (120, 40), (), {}),
    "trial-unread": ("trial-unread", (80, 24), (), {}),
    "trial-unreadable": ("trial-unreadable", (120, 40), (), {}),
    "trial-ascii": ("trial-both", (80, 24), (), {"glyphs": "ascii"}),
    "drift-apart": ("drift-apart", (120, 50), (), {}),
    "drift-quiet": ("drift-quiet", (80, 24), (), {}),
    "drift-stale": ("drift-stale", (120, 40), (), {}),
    "drift-unread": ("drift-unread", (80, 24), (), {}),
    "deployed-paused-120x40": ("deployed-paused", (120, 40), (), {}),
    "deployed-paused-80x24": ("deployed-paused", (80, 24), (), {}),
    "deployed-unapproved": ("deployed-unapproved", (120, 40), (), {}),
    "deployed-aborted-120x40": ("deployed-aborted", (120, 40), (), {}),
    "deployed-aborted-80x24": ("deployed-aborted", (80, 24), (), {}),
    "deployed-stale": ("deployed-stale", (120, 40), (), {}),
    "detail-deployed": ("deployed-unapproved", (100, 90), ("enter",), {}),
    "detail-deployed-aborted": ("deployed-aborted", (80, 90), ("enter",), {}),
    "detail-deployed-unread": ("deployed-unread", (80, 60), ("enter",), {}),
    "drift-ascii": ("drift-moved", (120, 40), (), {"glyphs": "ascii"}),
    "drift-text": ("drift-moved", (100, 60), ("y",), {}),
    "detail-drift": ("drift-both", (100, 70), ("G", *["k"] * 7, "enter"), {}),
    "detail-drift-stale": ("drift-stale", (80, 60), (*["j"] * 5, "enter"), {}),
    "trial-small": ("trial-few", (60, 20), (), {}),
    "trial-text": ("trial-both", (100, 50), ("y",), {}),
    "detail-canary-share": ("canary", (100, 45), (*["j"] * 7, "enter"), {}),
    "detail-canary-latency": ("canary", (100, 45), (*["j"] * 11, "enter"), {}),
    "detail-canary-shadow": ("trial-shadow", (80, 40), (*["j"] * 5, "enter"), {}),
    "zoom-latency": ("canary", (120, 40), ("z",), {}),
    "zoom-alerts": ("canary", (80, 24), ("G", "z"), {}),
    "text": ("canary", (100, 40), ("y",), {}),
    "picker": ("healthy", (80, 24), ("slash", "c", "h"), {}),
    "alert": ("canary", (120, 40), (), {"alert": '{alertname="FeatureAge"}'}),
    "alert-gone": ("canary", (80, 24), (), {"alert": "0123456789abcdef"}),
    "last-of-many": ("many", (80, 24), ("k", "G"), {}),
    "broken-asked-80x24": ("broken-asked", (80, 24), (), {"model": "ads-pacing"}),
    "broken-asked-120x40": ("broken-asked", (120, 40), (), {"model": "ads-pacing"}),
    "broken-asked-tiny": ("broken-asked", (20, 8), (), {"model": "ads-pacing"}),
    "broken-asked-detail": ("broken-asked", (80, 24), ("enter",), {"model": "ads-pacing"}),
    "broken-asked-text": ("broken-asked", (80, 24), ("y",), {"model": "ads-pacing"}),
    "small": ("canary", (40, 12), (), {}),
    "tiny": ("canary", (20, 5), (), {}),
}


def check(name: str, text: str) -> None:
    path = GOLDENS / f"{name}.txt"
    if os.environ.get("TRIAGE_WRITE_GOLDENS"):
        path.write_text(text + "\n")
    assert path.read_text() == text + "\n", f"{path.name} shows something else; if that is better, write it anew"


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("state", STATES)
async def test_the_on_call_screen_looks_as_agreed(state: str, size: tuple[int, int]) -> None:
    snapshot = None if state == "nothing" else snapshots.ALL[state]()
    async with running(snapshot, size) as (app, _, _):
        check(f"{state}-{size[0]}x{size[1]}", screen_text(app))


@pytest.mark.parametrize("name", VARIANTS)
async def test_variants_look_as_agreed(name: str) -> None:
    state, size, keys, options = VARIANTS[name]
    async with running(snapshots.ALL[state](), size, **options) as (app, pilot, _):
        await press(pilot, *keys)
        check(name, screen_text(app))
