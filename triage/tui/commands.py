"""What the command palette offers. Only our own words: the palette parses markup, so no name from outside is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from triage.tui import theme

if TYPE_CHECKING:
    from triage.tui.app import TriageApp

Entry = tuple[str, str, Callable[[], Any]]
"""(title, help, what it does)."""


def commands(app: TriageApp) -> Iterator[Entry]:
    """The keys by name, then the looks."""
    yield "Open a model", "By a part of its name", app.action_pick_model
    yield "Fleet screen", "All models, worst first", app.action_fleet
    yield "Debug screen", "Drift of every feature, stack traces, log lines", app.action_debug
    yield "Act", "What can be done to the model now, and what not and why", app.action_act
    yield "Cells screen", "What can be asked of the notebook", app.action_cells
    yield "Incident screen", "The commander's view and the timeline", app.action_incident
    yield "Note", "For the timeline of the incident", app.action_note
    yield "Pause or go on", "The facts are still collected", app.action_pause
    yield "Zoom", "One panel on the full screen", app.action_zoom
    yield "Longer time range", "Up to a day", lambda: app.action_range(1)
    yield "Shorter time range", "Down to a quarter of an hour", lambda: app.action_range(-1)
    yield "Live", "Charts follow the present", app.action_live
    yield "Copy as text", "To the clipboard and on screen", app.action_copy
    yield "Refresh now", "Ask the sources", app.action_refresh_now
    yield "Redraw", "Send the whole screen again", app.action_redraw
    yield "Help", "Keys and signs", app.action_help
    yield "Quit", "Leave triage", app.exit
    for palette in theme.PALETTES.values():
        yield f"Theme: {palette.title}", "For this session", _theme(app, palette.name)
    yield "Charts: braille", "The finest", lambda: app.use_look(chart="braille")
    yield "Charts: blocks", "For fonts without braille", lambda: app.use_look(chart="block")
    yield "Charts: ASCII", "For any terminal", lambda: app.use_look(chart="ascii")
    yield "Characters: Unicode", "For this session", lambda: app.use_look(ascii=False)
    yield "Characters: ASCII", "For terminals without Unicode", lambda: app.use_look(ascii=True, chart="ascii")


def _theme(app: TriageApp, name: str) -> Callable[[], None]:
    def choose() -> None:
        app.theme = name
    return choose
