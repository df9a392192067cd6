"""The keys, in one place: screens bind these, the footer and the help are made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.binding import Binding

EVERYWHERE: tuple[Binding, ...] = (
    Binding("question_mark", "help", "help", key_display="?", id="help", tooltip="This page"),
    Binding("1", "fleet", "fleet", id="screen.fleet", show=False,
            tooltip="Fleet screen: all models, worst first"),
    Binding("2", "on_call", "on-call", id="screen.on_call", show=False, tooltip="Back to the on-call screen"),
    Binding("3", "debug", "debug", id="screen.debug", show=False,
            tooltip="Debug screen: drift of every feature, stack traces, log lines"),
    Binding("4", "cells", "cells", id="screen.cells", show=False,
            tooltip="Cells screen: what can be asked of the notebook, and what came of it"),
    Binding("a", "act", "act", id="act", show=False,
            tooltip="The action menu: what can be done to the model now, and what not and why"),
    Binding("5", "incident", "incident", id="screen.incident", show=False,
            tooltip="Incident screen: the commander's view and the timeline"),
    Binding("n", "note", "note", id="note", show=False,
            tooltip="A note for the incident; ! a decision, ? a hypothesis, @ a need"),
    Binding("b", "runbook", "runbook", id="screen.runbook", show=False,
            tooltip="The runbook: its steps and how they stand"),
    Binding("slash", "pick_model", "model", key_display="/", id="model.pick", tooltip="Open another model"),
    Binding(
        "plus,equals_sign",
        "range(1)",
        "longer",
        key_display="+",
        id="range.longer",
        show=False,
        tooltip="Longer time range: 15 min, 30 min, 1 h, 3 h, 6 h, 12 h, 24 h",
    ),
    Binding(
        "minus", "range(-1)", "shorter", key_display="-", id="range.shorter", show=False, tooltip="Shorter time range"
    ),
    Binding(
        "left_square_bracket",
        "pan(-1)",
        "earlier",
        key_display="[",
        id="range.earlier",
        show=False,
        tooltip="Charts half a range earlier",
    ),
    Binding(
        "right_square_bracket",
        "pan(1)",
        "later",
        key_display="]",
        id="range.later",
        show=False,
        tooltip="Charts half a range later",
    ),
    Binding("0", "live", "live", id="range.live", show=False, tooltip="Charts follow the present again"),
    Binding("p", "pause", "pause", id="pause", tooltip="Stop the picture; the facts are still collected"),
    Binding("y", "copy", "copy", id="copy", tooltip="The model's state as plain text, to the clipboard and on screen"),
    Binding("r", "refresh_now", "refresh", id="refresh", tooltip="Ask the sources now"),
    Binding(
        "colon",
        "command_palette",
        "commands",
        key_display=":",
        id="commands",
        tooltip="Command palette, with the themes",
    ),
    Binding("ctrl+l", "redraw", "redraw", id="redraw", show=False, tooltip="Draw the whole screen again"),
    Binding("q", "quit", "quit", id="quit", tooltip="Leave triage"),
    Binding("ctrl+c", "quit", "quit", id="quit.interrupt", show=False, tooltip="Leave triage"),
)
"""Bound by the program; they work on every screen that is no dialog."""

def _moves(target: str) -> tuple[Binding, ...]:
    return (
        Binding("j,down", f"{target}.move(1)", "next", id="move.down", show=False, tooltip="Next row"),
        Binding("k,up", f"{target}.move(-1)", "previous", id="move.up", show=False, tooltip="Previous row"),
        Binding("g,home", f"{target}.move(-9999)", "first", id="move.first", show=False, tooltip="First row"),
        Binding("G,end", f"{target}.move(9999)", "last", id="move.last", show=False, tooltip="Last row"))


BACK = Binding("escape", "screen.close", "back", key_display="esc", id="back", show=False, tooltip="Back")
LIST: tuple[Binding, ...] = (
    *_moves("app"),
    Binding("enter", "app.open", "open", id="open", tooltip="Open what is selected: why it is as it is"))
"""Bound by screens with rows to select."""
NEXT_STEP = Binding("tab", "app.next_step", "runbook", id="runbook.next", show=False,
                    tooltip="To the next step of the runbook, and back to the verdict")
ZOOM = Binding("z", "app.zoom", "zoom", id="zoom", tooltip="The panel of the selected row on the full screen")
ON_CALL: tuple[Binding, ...] = (
    *LIST, ZOOM, NEXT_STEP,
    Binding("escape", "app.clear", "clear", key_display="esc", id="clear", show=False, tooltip="Nothing selected"))
ZOOMED: tuple[Binding, ...] = (
    *LIST,
    Binding("z,tab", "screen.next_panel", "next panel", id="zoom.next", tooltip="The next panel on the full screen"),
    BACK,
)
DEBUG: tuple[Binding, ...] = (
    *_moves("screen"),
    Binding("enter", "screen.open", "open", id="open",
            tooltip="Open what is selected: a feature, a figure, a pod, a stack trace whole, a log line"),
    Binding("tab", "screen.next_part", "next", id="debug.next",
            tooltip="Features, quality, subgroups, labels, pods, stack traces, log lines"),
    Binding("z", "screen.zoom", "zoom", id="debug.zoom", tooltip="The part with the cursor on the full screen"),
    Binding("slash", "screen.filter", "filter", key_display="/", id="debug.filter",
            tooltip="Features by a part of their name"),
    Binding("v", "screen.version", "version", id="debug.version",
            tooltip="Logs of one version, of the next one, of all"),
    Binding("t", "screen.search", "text", id="debug.search", tooltip="Logs with a text, or of a request: id:REQUEST"),
    Binding("y", "app.copy", "copy", id="copy", show=False,
            tooltip="This screen as plain text, to the clipboard and on screen"),
    BACK)
"""Bound by the debug screen."""
FLEET: tuple[Binding, ...] = (
    *_moves("screen"),
    Binding("space,pagedown,ctrl+d", "screen.page(1)", "page down", id="page.down", show=False, tooltip="Next page"),
    Binding("pageup,ctrl+u", "screen.page(-1)", "page up", id="page.up", show=False, tooltip="Previous page"),
    Binding("enter", "screen.open", "open", id="open", tooltip="The on-call screen of the selected model"),
    Binding("slash", "screen.filter", "filter", key_display="/", id="fleet.filter",
            tooltip="Models by a part of their name, an owner, or a verdict"),
    Binding("y", "app.copy", "copy", id="copy", tooltip="This screen as plain text, to the clipboard and on screen"),
    Binding("escape", "screen.close", "back", key_display="esc", id="back", show=False,
            tooltip="All models again where some are sought, else back"))
"""Bound by the fleet screen."""
CELLS: tuple[Binding, ...] = (
    *_moves("screen"),
    Binding("enter", "screen.run", "run", id="cells.run", tooltip="Run the selected cell, within limits"),
    Binding("x", "screen.stop", "stop", id="cells.stop",
            tooltip="Interrupt the selected cell; the second time kill it"),
    Binding("o", "screen.output", "output", id="cells.output", tooltip="All of what it put out, and how it ran"),
    Binding("e", "screen.values", "values", id="cells.values", tooltip="Other values for the notebook's parameters"),
    Binding("c", "screen.capture", "capture", id="cells.capture",
            tooltip="Save what the sources say of the model, with digests, for cells to look at later"),
    Binding("t", "screen.past", "past", id="cells.past", show=False,
            tooltip="Run cells against a capture of the open incident or of this session, another one, the present"),
    Binding("y", "app.copy", "copy", id="copy", tooltip="This screen as plain text, to the clipboard and on screen"),
    BACK)
"""Bound by the cells screen."""
INCIDENT: tuple[Binding, ...] = (
    *_moves("screen"),
    Binding("n", "app.note", "note", id="note",
            tooltip="A note; ! a decision, ? a hypothesis, @ a need; 14:20 or -12m first dates it back"),
    Binding("enter", "screen.enter", "settle", id="incident.enter",
            tooltip="What is selected: settle a hypothesis, meet a need, correct a note, read an entry"),
    Binding("o", "screen.open_incident", "open", id="incident.open",
            tooltip="Open an incident, with what is known of its last two hours"),
    Binding("y", "app.copy", "update", id="copy",
            tooltip="The status update (conditions, actions, needs), to the clipboard and on screen"),
    Binding("u", "screen.told", "given", id="incident.told", show=False,
            tooltip="A status update was given: when the next one is due"),
    Binding("m", "screen.role", "roles", id="incident.role",
            tooltip="Who is commander, operations, communication, scribe"),
    Binding("t", "screen.time", "times", id="incident.time", show=False,
            tooltip="Say when impact started, or another named time, by hand"),
    Binding("h", "screen.hand_off", "hand off", id="incident.hand_off",
            tooltip="Give the incident to another person; that one reads the document and accepts"),
    Binding("e", "screen.end", "close", id="incident.end",
            tooltip="Close it: what changes in the runbook, or why nothing has to"),
    Binding("w", "screen.export", "write", id="incident.export", show=False,
            tooltip="Write the draft of the postmortem as a Markdown file"),
    BACK)
"""Bound by the incident screen."""
RUNBOOK: tuple[Binding, ...] = (
    *_moves("screen"),
    Binding("enter", "screen.step('go')", "do it", id="runbook.go",
            tooltip="Do the step: answer, run its cell, open its plan, take its way"),
    Binding("s", "screen.step('skip')", "skip", id="runbook.skip", tooltip="Leave the step out, with a reason"),
    Binding("d", "screen.step('done')", "done by hand", id="runbook.done",
            tooltip="Say how the step came out that was done elsewhere"),
    Binding("x", "screen.step('again')", "again", id="runbook.again", tooltip="Do the step anew"),
    Binding("c", "screen.step('claim')", "claim", id="runbook.claim", tooltip="Say that you are on it, or release it"),
    Binding("E", "screen.step('close')", "end", id="runbook.close", show=False,
            tooltip="End this run of the runbook: the next one begins anew"),
    Binding("y", "app.copy", "copy", id="copy", tooltip="The runbook as plain text, to the clipboard and on screen"),
    BACK)
"""Bound by the screen of the whole runbook."""
PAGE: tuple[Binding, ...] = (
    *_moves("screen"),
    Binding("space,pagedown,ctrl+d", "screen.page(1)", "page down", id="page.down", show=False, tooltip="Next page"),
    Binding("pageup,ctrl+u", "screen.page(-1)", "page up", id="page.up", show=False, tooltip="Previous page"),
    BACK)
"""Bound by screens that are read."""


def hints(bindings: Iterable[Binding]) -> list[tuple[str, str]]:
    """(key, word) of what the footer shows, in the order of binding."""
    return [(shown_key(b), b.description) for b in bindings if b.show]


def shown_key(binding: Binding) -> str:
    """How the first key of a binding is written."""
    return binding.key_display or _NAMES.get(binding.key.partition(",")[0], binding.key.partition(",")[0])


def all_keys(bindings: Iterable[Binding]) -> Mapping[str, tuple[list[str], str]]:
    """What the help lists: by binding id the keys as they are written and what they do."""
    out: dict[str, tuple[list[str], str]] = {}
    for binding in bindings:
        if binding.id is None:
            continue
        keys, _ = out.setdefault(binding.id, ([], binding.tooltip or binding.description))
        for key in binding.key.split(","):
            name = _NAMES.get(key, key)
            if name not in keys:
                keys.append(name)
    return out


_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "colon": ":",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "ctrl+d": "^d",
    "ctrl+u": "^u",
    "ctrl+c": "^c",
    "ctrl+l": "^l",
}
