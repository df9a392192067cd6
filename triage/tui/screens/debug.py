"""The debug screen: why the model is as it is; what only it shows is asked for only while it is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

from textual.binding import BindingType
from textual.timer import Timer

from triage.facts.closer_look import CloserLook
from triage.facts.log_reading import LogsWanted
from triage.signals.drift_reading import Moved
from triage.tui.debug_parts import (
    BY_NAME,
    LEFT,
    PARTS,
    Content,
    Part,
    Row,
    Shown,
    content,
    need,
    priority,
    zoomed,
)
from triage.tui.keymap import DEBUG
from triage.tui.layout import allot
from triage.tui.line import BLANK, Line
from triage.tui.page_parts import moment
from triage.tui.panels import top
from triage.tui.screens.ask import Ask
from triage.tui.screens.base import Host
from triage.tui.screens.reader import Reader
from triage.tui.screens.under_verdict import TwoColumns
from triage.tui.view import View, drift_key

SETTLED_SECONDS = 0.2
"""How long the cursor rests on a feature before its past is asked for."""
BESIDE_FROM = 150
"""Cells from which the parts stand in two columns."""
ID_PREFIX = "id:"
TEXT_CELLS = 160
"""Of the copied text: rows are cut there; the pages hold everything."""
_NAMES = tuple(part.name for part in PARTS)
_RIGHT = tuple(name for name in _NAMES if name not in LEFT)


class DebugHost(Host):
    """The program, as this screen sees it."""

    def read_logs(self, wanted: LogsWanted | None) -> None:
        """What is looked for in the logs; None: nothing is asked."""

    def look_closer(self, wanted: CloserLook | None) -> None:
        """What is asked for only for a closer look; None: nothing is."""

    def say(self, message: str) -> None:
        """Put a message in place of the keys for a few seconds."""


class Debug(TwoColumns, inherit_bindings=False):
    """What the engineer looks at to find out why."""

    BINDINGS: ClassVar[list[BindingType]] = list(DEBUG)

    def __init__(self) -> None:
        super().__init__()
        self._view: View | None = None
        self._model = ""
        self._sought = ""
        self._wanted = LogsWanted()
        self._closer: CloserLook | None = None
        self._asking: Timer | None = None
        """Asks what the feature under the cursor needs, once the cursor rests on it."""
        self._selected: Row | None = None
        self._made: Content | None = None
        self._feature: str | None = None
        """Key of the feature whose distributions and past are shown, also while the cursor is elsewhere."""
        self._zoomed = False

    @property
    def wanted(self) -> LogsWanted:
        """What is looked for in the logs."""
        return self._wanted

    def on_mount(self) -> None:
        """The logs are asked from now on. (Textual calls the same of the class above, too.)"""
        self._host.read_logs(self._wanted)

    def on_unmount(self) -> None:
        """Nobody looks at the logs any more, nor closely at anything."""
        if self._asking is not None:
            self._asking.stop()
            self._asking = None
        self._host.read_logs(None)
        self._host.look_closer(None)

    @property
    def _host(self) -> DebugHost:
        return cast(DebugHost, self.app)

    def update_from(self, view: View) -> None:
        """Show the view: the part with the cursor first, then as much of each other as there is room for."""
        self._view = view
        if view.model is not None and view.model.name != self._model:
            # Another model has other versions and other requests.
            if self._model:
                self._look_for(LogsWanted())
                self._sought = ""
            self._model, self._selected, self._feature, self._zoomed = view.model.name, None, None, False
        self._look_closer(view)
        self.update_verdict(view)
        width, height = view.width, max(0, view.height - 4)
        if self._zoomed or width < BESIDE_FROM:
            names = zoomed(self._focus(view)) if self._zoomed else _NAMES
            self.show_alone(view, self._parts(view, names, width, height))
            return
        right = width * 12 // 25
        self.show_both(view, self._parts(view, LEFT, width - right - 2, height),
                       self._parts(view, _RIGHT, right - 2, height), right, height)

    def _parts(self, view: View, names: tuple[str, ...], width: int, height: int) -> list[Line]:
        focus = self._focus(view)
        shown = {name: self._shown(view, name) for name in names}
        needs = [need(BY_NAME[name], shown[name], width, focused=name == focus) for name in names]
        needs[0] = needs[0]._replace(spaced=False)
        if len(names) < len(LEFT):
            # Alone on the screen, a part takes all of it.
            needs = [each._replace(wanted=max(each.wanted, each.most)) for each in needs]
        places = allot(height, needs, [name for name in priority(focus) if name in names])
        out: list[Line] = []
        for name in names:
            place = places[name]
            if place.rows:
                part = BY_NAME[name].lines(shown[name], width, place.rows)
                out += [*[BLANK] * place.space, *part, *[BLANK] * (place.rows - len(part))]
        return out

    def _shown(self, view: View, name: str) -> Shown:
        chosen = self._chosen(view)
        key = chosen.key if chosen is not None and chosen.part == name else None
        return Shown(self._content(view), self._shown_feature(view), key)

    def _focus(self, view: View) -> str:
        chosen = self._chosen(view)
        return chosen.part if chosen is not None else "drift"

    def _content(self, view: View) -> Content:
        """What there is to show; made once for a view and what is looked for."""
        known = self._made
        if known is None or known.view is not view or (known.sought, known.wanted) != (self._sought, self._wanted):
            known = self._made = content(view, self._sought, self._wanted)
        return known

    def _shown_feature(self, view: View) -> Moved | None:
        found = self._content(view).features
        return next((item for item in found if drift_key(item) == self._feature), found[0] if found else None)

    def _look_closer(self, view: View) -> None:
        """Have asked what the feature shown needs; also before any is known, for all that is not about one."""
        item = self._shown_feature(view)
        wanted = CloserLook(pods=True) if item is None else CloserLook(
            item.feature.feature, item.feature.is_prediction, pods=True)
        if wanted == self._closer:
            return
        if self._asking is not None:
            self._asking.stop()
            self._asking = None
        moves_on = self._closer is not None and bool(self._closer.feature) and bool(wanted.feature)
        self._closer = wanted
        if moves_on:
            # Whoever holds j down wants the feature that is reached, not a request for each one that is passed.
            self._asking = self.set_timer(SETTLED_SECONDS, lambda: self._host.look_closer(wanted))
        else:
            self._host.look_closer(wanted)

    def _chosen(self, view: View) -> Row | None:
        """The row under the cursor: the first one while nothing is selected, or when it is gone."""
        rows = self._content(view).rows
        return self._selected if self._selected in rows else rows[0] if rows else None

    def _select(self, row: Row) -> None:
        self._selected = row
        if row.part == "drift":
            self._feature = row.key
        self._again()

    def _again(self) -> None:
        if self._view is not None:
            self.update_from(self._view)

    def action_move(self, step: int) -> None:
        """Select another row."""
        view = self._view
        rows = self._content(view).rows if view is not None else []
        chosen = self._chosen(view) if view is not None else None
        if chosen is not None:
            self._select(rows[min(len(rows) - 1, max(0, rows.index(chosen) + step))])

    def action_next_part(self) -> None:
        """The first row of the next part."""
        view = self._view
        chosen = self._chosen(view) if view is not None else None
        if view is None or chosen is None:
            return
        rows = self._content(view).rows
        here = _NAMES.index(chosen.part)
        for name in (*_NAMES[here + 1:], *_NAMES[:here]):
            first = next((row for row in rows if row.part == name), None)
            if first is not None:
                self._select(first)
                return

    def action_zoom(self) -> None:
        """The part with the cursor on the full screen, or all of them again."""
        self._zoomed = not self._zoomed
        self._again()

    def action_open(self) -> None:
        """Everything behind the selected row."""
        view = self._view
        chosen = self._chosen(view) if view is not None else None
        part: Part | None = BY_NAME.get(chosen.part) if chosen is not None else None
        if view is None or chosen is None or part is None or part.page is None:
            return
        title, page = part.page(self._shown(view, part.name), chosen.key)
        self.app.push_screen(Reader(title, page, copies_itself=True))

    def action_filter(self) -> None:
        """Features by a part of their name."""
        def take(text: str | None) -> None:
            if text is not None:
                self._sought = text
                self._again()
        self._ask("features by name", "part of a feature's name", self._sought, take)

    def action_search(self) -> None:
        """Log lines by text or request."""
        before = f"{ID_PREFIX}{self._wanted.request_id}" if self._wanted.request_id else self._wanted.text

        def take(text: str | None) -> None:
            if text is None:
                return
            if text.startswith(ID_PREFIX):
                self._look_for(LogsWanted(self._wanted.version, request_id=text.removeprefix(ID_PREFIX).strip()))
            else:
                self._look_for(LogsWanted(self._wanted.version, text))
            self._again()
        self._ask("logs by text or request", f"part of a line, or {ID_PREFIX}REQUEST", before, take)

    def action_version(self) -> None:
        """Logs of the next version; after the last one of all."""
        view = self._view
        if view is None or view.model is None:
            return
        names = ["", *(v.version for v in view.model.versions.items if v.version)]
        here = names.index(self._wanted.version) if self._wanted.version in names else 0
        self._look_for(LogsWanted(names[(here + 1) % len(names)], self._wanted.text, self._wanted.request_id))
        self._again()

    def _ask(self, title: str, placeholder: str, text: str, take: Callable[[str | None], None]) -> None:
        if self._view is not None:
            palette = self.lines("left").palette
            self.app.push_screen(Ask(title, placeholder, text, self._view.look, palette), take)

    def _look_for(self, wanted: LogsWanted) -> None:
        if wanted != self._wanted:
            self._wanted = wanted
            self._host.read_logs(wanted)

    def action_close(self) -> None:
        """All parts again, or back to the on-call screen."""
        if self._zoomed:
            self.action_zoom()
        else:
            self.dismiss(None)

    def as_text(self, view: View) -> str:
        """Everything on the screen and what had no room on it, for a chat or a ticket; "" before there is a model."""
        if view.model is None or view.snapshot is None:
            return ""
        marker = f" {view.marker}" if view.marker else ""
        out = [f"{view.model.name} in {view.snapshot.context}{marker}, {moment(view.now, view.now).partition(' (')[0]}",
               *(row.text for row in top.verdict(view, TEXT_CELLS, 9))]
        for part in PARTS:
            rows = part.lines(self._shown(view, part.name), TEXT_CELLS, 16 if part.name == "scores" else 9999)
            out += ["", *(row.text for row in rows)] if rows else []
        return "\n".join(view.look.say(row).replace("▸", " ").rstrip() for row in out) + "\n"
