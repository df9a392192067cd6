"""The plan of an action: read it, type what has to be typed, or leave it. Nothing is sent by enter alone, by what is
pasted, or by keys that were typed before it stood."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events

from triage.tui.panels.plan import WITHOUT, Dialog, buttons, content, prompt
from triage.tui.screens.ask import Ask
from triage.tui.screens.box import Box
from triage.tui.theme import Palette
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.actions.steps import Prepared
    from triage.actions.system import Refusal, Wish
    from triage.runbook.intents import Place
    from triage.tui.action_link import ActionLink

_RECHECK_SECONDS = 5.0
"""How often the guards are asked again while somebody reads."""
_LONGEST = 200


class PlanDialog(Box[None], inherit_bindings=False):
    """All keys are its own: letters are typed, the buttons are reached by tab, esc leaves."""

    def __init__(self, link: ActionLink, asked: Wish | Path, step: Place | None) -> None:
        """``asked``: what is wished for, or the file of a plan that another person shared. ``step``: of the runbook
        that opened it; None for none."""
        super().__init__()
        self._link, self._asked, self._step = link, asked, step
        self._dialog = self._empty(details=False)
        self._view: View | None = None
        self._palette: Palette | None = None
        self._deaf_until = float("inf")
        self._rechecked_at = 0.0
        self._rechecking = False
        self._gone = False

    @property
    def dialog(self) -> Dialog:
        """What it shows."""
        return self._dialog

    def on_mount(self) -> None:
        """The plan is made behind it."""
        self._make()
        self._link.paint()

    def _make(self) -> None:
        # Keys that were meant for what stood here before must not confirm what comes.
        self._deaf_until = float("inf")
        self._dialog = self._empty(details=self._dialog.details)
        self._link.make(self._asked, self._took)

    def _empty(self, *, details: bool) -> Dialog:
        if isinstance(self._asked, Path):
            return Dialog("APPROVE", None, details=details, approves=True)
        from triage.actions.plan import Action
        return Dialog(str(self._asked.action).upper(), None, details=details,
                      has_versions=self._asked.action is Action.ROLLBACK)

    def _took(self, found: Prepared | Refusal) -> None:
        from triage.actions.steps import Prepared
        if self._gone:
            return
        now = time.monotonic()
        self._deaf_until, self._rechecked_at = now + self._link.deaf_seconds, now
        if isinstance(found, Prepared):
            self._dialog = replace(self._dialog, title=_title(found), prepared=found, refusal=None)
        else:
            self._dialog = replace(self._dialog, refusal=(found.message, found.hint))

    def update_from(self, view: View, palette: Palette) -> None:
        self._view, self._palette = view, palette
        dialog, prepared = self._dialog, self._dialog.prepared
        if prepared is not None:
            from triage.actions.steps import seconds_left
            left = seconds_left(prepared, self._link.clock())
            dialog = self._dialog = replace(dialog, expires_in=max(0.0, left))
            self._recheck(prepared)
        if dialog.focus not in dialog.buttons:
            dialog = self._dialog = replace(dialog, focus="cancel")
        width = self.inside(view)
        said = content(dialog, view.look, width, self.most_rows(view, asks=True))
        self.put(view, palette, dialog.title, said, prompt(dialog, view.look, width),
                 buttons(dialog.buttons, dialog.focus, view.look, width),
                 "" if prepared is None else f"plan {prepared.plan.short}")

    def _recheck(self, prepared: Prepared) -> None:
        """What stands there stays true while it is read."""
        now = time.monotonic()
        if self._rechecking or now - self._rechecked_at < _RECHECK_SECONDS or self._dialog.expires_in <= 0:
            return
        self._rechecking = True

        def took(found: Prepared | None) -> None:
            self._rechecking, self._rechecked_at = False, time.monotonic()
            if found is not None and not self._gone and self._dialog.prepared is prepared:
                from triage.actions.steps import still_read
                # What was typed was about what stood there.
                acknowledged = still_read(self._dialog.acknowledged, prepared.checked, found.checked)
                glass = self._dialog.break_glass if all(each.was_read(prepared.checked) for each in found.stops) else ""
                self._dialog = replace(self._dialog, prepared=found, acknowledged=acknowledged, break_glass=glass)
        self._link.recheck(prepared, took)

    def on_paste(self, event: events.Paste) -> None:
        """Pasting is not typing."""
        event.stop()
        self._say("what is pasted does not count: type it")

    def on_key(self, event: events.Key) -> None:
        """Every key; none of them goes further."""
        event.stop()
        event.prevent_default()
        if self._gone:
            # It was confirmed or left by a key that came in the same read.
            return
        if event.key == "escape":
            self._leave(self._dialog.prepared)
        elif min(event.time, time.monotonic()) < self._deaf_until:
            # Typed before anybody can have read what stands here.
            return
        elif event.key in ("tab", "shift+tab"):
            self._focus(1 if event.key == "tab" else -1)
        elif event.key in ("down", "up", "pagedown", "pageup"):
            self.scroll_rows({"down": 1, "up": -1, "pagedown": self.page_rows, "pageup": -self.page_rows}[event.key])
            self._link.paint()
        elif event.key == "backspace":
            self._dialog = replace(self._dialog, typed=self._dialog.typed[:-1], said="")
            self._link.paint()
        elif event.key == "enter":
            self._enter()
        elif (event.is_printable and event.character and self._dialog.prepared is not None
              and len(self._dialog.typed) < _LONGEST):
            # Also where nothing has to be typed: enter after a name must not press a button then.
            self._dialog = replace(self._dialog, typed=self._dialog.typed + event.character, said="")
            self._link.paint()

    def _focus(self, by: int) -> None:
        names = self._dialog.buttons
        here = names.index(self._dialog.focus) if self._dialog.focus in names else 0
        self._dialog = replace(self._dialog, focus=names[(here + by) % len(names)], said="")
        self._link.paint()

    def _say(self, text: str) -> None:
        self._dialog = replace(self._dialog, said=text)
        self._link.paint()

    def _enter(self) -> None:
        if not self._dialog.typed:
            self._press(self._dialog.focus)
            return
        typed, wanted = self._dialog.typed.strip(), self._dialog.wanted
        self._dialog = replace(self._dialog, typed="", said="")
        if not wanted or typed != wanted:
            self._say(f"that is not {wanted}: nothing was sent" if wanted else "nothing has to be typed now")
        elif wanted.startswith(WITHOUT):
            self._dialog = replace(self._dialog,
                                   acknowledged=self._dialog.acknowledged | {wanted.removeprefix(WITHOUT)})
            self._link.paint()
        else:
            self._confirm()

    def _press(self, button: str) -> None:
        prepared = self._dialog.prepared
        if button == "cancel":
            self._leave(prepared)
        elif button == "make it again":
            self._make()
            self._link.paint()
        elif button == "details":
            self._dialog = replace(self._dialog, details=not self._dialog.details)
            self._link.paint()
        elif button == "break glass":
            self._ask("break glass: why the guards are overridden", "", self._break)
        elif button == "reason" and not isinstance(self._asked, Path):
            self._ask("why, for the journal", self._asked.reason, self._reason)
        elif button == "version" and not isinstance(self._asked, Path):
            self._ask("version to go to; empty: the one that the notebook and the facts name", self._asked.to,
                      self._version)
        elif button == "share for approval" and prepared is not None:
            answered = prepared.circumstances.approval
            number = "" if answered is None else f"-{len(answered.approvals) + 2}"
            self._ask("file for the other person, which must not exist yet",
                      f"{prepared.plan.action}-{prepared.plan.digest[:8]}{number}.json", self._share)
        elif prepared is not None:
            self._confirm()

    def _ask(self, question: str, text: str, take: Callable[[str | None], None]) -> None:
        if self._view is None or self._palette is None:
            return
        self.app.push_screen(Ask(question, "", text, self._view.look, self._palette, "enter takes it  esc back"), take)

    def _break(self, text: str | None) -> None:
        if text:
            self._dialog = replace(self._dialog, break_glass=text)
            self._say(f"GLASS BROKEN: {text}")

    def _reason(self, text: str | None) -> None:
        if text is not None and not isinstance(self._asked, Path) and text != self._asked.reason:
            self._asked = replace(self._asked, reason=text)
            self._make()
            self._link.paint()

    def _version(self, text: str | None) -> None:
        if text is not None and not isinstance(self._asked, Path) and text != self._asked.to:
            self._asked = replace(self._asked, to=text)
            self._make()
            self._link.paint()

    def _share(self, text: str | None) -> None:
        if text and self._dialog.prepared is not None:
            prepared = self._dialog.prepared
            # Whoever shares it has it told as asked for.
            self._leave(None)
            self._link.share(prepared, Path(text))

    def _confirm(self) -> None:
        from triage.actions.steps import Confirmation
        prepared = self._dialog.prepared
        if prepared is None or self._dialog.stops or self._dialog.expires_in <= 0:
            return
        self._gone = True
        self.dismiss(None)
        self._link.go(prepared, Confirmation(prepared.plan.confirmation, self._dialog.acknowledged,
                                             self._dialog.break_glass), self._step)

    def _leave(self, left: Prepared | None) -> None:
        self._gone = True
        self.dismiss(None)
        self._link.left(self._step, left)


def _title(prepared: Prepared) -> str:
    verb, _, rest = prepared.plan.title.partition(" ")
    asked = "" if prepared.circumstances.approval is None else "APPROVE: "
    return f"{asked}{verb.upper()} {rest}"
