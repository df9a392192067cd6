"""The help, made from the bindings, and a page of plain text."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding

from triage.signals import wording
from triage.signals.reading import Verdict
from triage.tui.keymap import all_keys
from triage.tui.line import BLANK, VERDICT_ROLES, Line, Role, line, wrap
from triage.tui.screens.reader import Page
from triage.tui.view import View

_SIGNS = ((Verdict.FAIL, "an objective or a rule is broken"), (Verdict.WARN, "burning, or close to it"),
          (Verdict.UNKNOWN, "cannot be told: something is missing; its row says what"),
          (Verdict.LOW_N, "nothing wrong, but too few events to call it met"),
          (Verdict.PENDING, "expected to be absent for now"), (Verdict.PASS, "fine, and known to be"),
          (Verdict.NOT_JUDGED, "shown, not judged"))


def help_page(bindings: Sequence[Binding]) -> Page:
    """Keys that work on the screen it was called from, and what the signs mean."""
    def page(view: View, width: int) -> list[Line]:
        from triage.tui.page_parts import fact
        out = [line(("KEYS", Role.HEADING))]
        for keys, about in all_keys(bindings).values():
            out += fact(" ".join(keys), about, width)
        out += [BLANK, line(("SIGNS", Role.HEADING))]
        for verdict, about in _SIGNS:
            out.append(
                line(
                    (view.look.glyph(verdict), VERDICT_ROLES[verdict]),
                    f" {wording.word(verdict):<19} ",
                    (about, Role.DIM),
                )
            )
        out += [BLANK, line(("NUMBERS", Role.HEADING))]
        out += fact("(98.9 %) 4 min", "no longer the present value; its age stands behind it", width)
        out += fact("n", "events behind the value, in the window of the heading", width)
        out += fact("burn 1h", "how fast the error budget is used: 1x uses it up exactly in its window", width)
        out += fact(
            "budget", "what is left of the bad events that the objective allows; below 0 it is overspent", width
        )
        strict = "zero tolerance: no budget, and one bad event in the hour is a warning and a ticket"
        out += fact("objective 100 %", strict, width)
        out += fact("data 3 s", "age of the oldest answer that the verdict rests on", width)
        return out
    return page


def text_page(text: str) -> Page:
    """Text as it is, for selecting it with the terminal's own mouse; nothing of it is cut off."""
    rows = text.rstrip("\n").split("\n")

    def page(view: View, width: int) -> list[Line]:
        del view
        out = []
        for row in rows:
            said = row.lstrip()
            indent = " " * min(len(row) - len(said), width // 2)
            out += [line(indent, part) for part in wrap(said, max(1, width - len(indent)))]
        return out
    return page
