"""The debug screen: which features moved and how, and what the logs say; asked for only while it is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal

from triage.facts.log_reading import LogsWanted
from triage.facts.logs import LogLine, StackTrace
from triage.signals import drift_words as words
from triage.signals.drift_reading import Moved, moved
from triage.tui import log_pages as pages
from triage.tui.drift_page import drift_page
from triage.tui.keymap import DEBUG
from triage.tui.layout import Need, allot
from triage.tui.line import BLANK, Line, Role, line
from triage.tui.page_parts import moment, paragraph
from triage.tui.panels import features, logs, top
from triage.tui.screens.ask import Ask
from triage.tui.screens.base import Host, TriageScreen
from triage.tui.screens.reader import Page, Reader
from triage.tui.view import View, drift_key
from triage.tui.widgets.lines import Lines

BESIDE_FROM = 150
"""Cells from which the logs stand beside the features."""
ID_PREFIX = "id:"
TEXT_CELLS = 160
"""Of the copied text: rows are cut there; the pages hold everything."""
_LOOK = 14
"""Rows of a part that are made to see how many it wants; more is not asked for unless there is plenty."""
_ABOVE = 4
"""Rows that may stand above those of a table."""
_PRIORITY = ("drift", "traces", "overlay", "lines")
_Kind = Literal["feature", "trace", "line"]
_KINDS: tuple[_Kind, ...] = ("feature", "trace", "line")


class Row(NamedTuple):
    """Something that can be selected and opened."""

    kind: _Kind
    key: str


class _Content(NamedTuple):
    """What a view has for this screen."""

    view: View
    sought: str
    wanted: LogsWanted
    features: tuple[Moved, ...]
    traces: tuple[StackTrace, ...]
    lines: tuple[LogLine, ...]
    rows: list[Row]


def _content(view: View, sought: str, wanted: LogsWanted) -> _Content:
    model = view.model
    found: tuple[Moved, ...] = ()
    if model is not None and model.drift is not None:
        found = tuple(item for item in moved(model.drift, model.versions)
                      if sought.casefold() in words.name(item.feature).casefold())
    traces, lines = logs.found_traces(view, wanted), logs.found_lines(view, wanted)
    rows = [Row("feature", drift_key(item)) for item in found]
    rows += [Row("trace", trace.fingerprint) for trace in traces]
    rows += [Row("line", logs.line_key(each)) for each in lines]
    return _Content(view, sought, wanted, found, traces, lines, list(dict.fromkeys(rows)))


def _extent(part: list[Line], items: int) -> tuple[int, int]:
    """(rows it has, at most ``_LOOK``; rows it has use for), from its first rows."""
    return len(part), len(part) if len(part) < _LOOK else items + _ABOVE


class DebugHost(Host):
    """The program, as this screen sees it."""

    def read_logs(self, wanted: LogsWanted | None) -> None:
        """What is looked for in the logs; None: nothing is asked."""

    def say(self, message: str) -> None:
        """Put a message in place of the keys for a few seconds."""


class Debug(TriageScreen, inherit_bindings=False):
    """What the engineer looks at to find out why."""

    DEFAULT_CSS = """
    Debug #verdict, Debug #rule { height: 1; }
    Debug #body { height: 1fr; width: 1fr; background: ansi_default; }
    Debug #left { width: 1fr; height: 1fr; }
    Debug #right { width: 0; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = list(DEBUG)

    def __init__(self) -> None:
        super().__init__()
        self._view: View | None = None
        self._model = ""
        self._sought = ""
        self._wanted = LogsWanted()
        self._selected: Row | None = None
        self._made: _Content | None = None
        self._feature: str | None = None
        """Key of the feature whose distributions are shown, also while the cursor is in the logs."""

    @property
    def wanted(self) -> LogsWanted:
        """What is looked for in the logs."""
        return self._wanted

    def compose(self) -> ComposeResult:
        yield from self.compose_header()
        yield Lines(id="verdict")
        yield Lines(id="rule")
        with Horizontal(id="body"):
            yield Lines(id="left")
            yield Lines(id="right")
        yield Lines(id="footer")

    def on_mount(self) -> None:
        """The logs are asked from now on. (Textual calls the same of the class above, too.)"""
        self._host.read_logs(self._wanted)

    def on_unmount(self) -> None:
        """Nobody looks at the logs any more."""
        self._host.read_logs(None)

    @property
    def _host(self) -> DebugHost:
        return cast(DebugHost, self.app)

    def update_from(self, view: View) -> None:
        """Show the view: drift and the chosen feature, then the logs, as much of each as there is room for."""
        self._view = view
        if view.model is not None and view.model.name != self._model:
            # Another model has other versions and other requests.
            if self._model:
                self._look_for(LogsWanted())
                self._sought = ""
            self._model, self._selected, self._feature = view.model.name, None, None
        self.update_header(view)
        width, height = view.width, max(0, view.height - 4)
        self.lines("verdict").set_lines(top.verdict(view, width, 1)[:1], view.look)
        self.lines("rule").set_lines([top.rule(view, width)], view.look)
        if width >= BESIDE_FROM:
            right = width * 12 // 25
            self.set_width("right", right)
            self.lines("left").set_lines(self._parts(view, ("drift", "overlay"), width - right - 2, height), view.look)
            bar = view.look.pick("│ ", "| ")
            beside = self._parts(view, ("traces", "lines"), right - 2, height)
            filled = [*beside, *[BLANK] * (height - len(beside))]
            self.lines("right").set_lines([line((bar, Role.RULE), text) for text in filled], view.look)
        else:
            self.set_width("right", 0)
            self.lines("left").set_lines(self._parts(view, ("drift", "overlay", "traces", "lines"), width, height),
                                         view.look)

    def _parts(self, view: View, names: tuple[str, ...], width: int, height: int) -> list[Line]:
        places = allot(height, [n for n in self._needs(view, width) if n.name in names],
                       [p for p in _PRIORITY if p in names])
        out: list[Line] = []
        for name in names:
            place = places[name]
            if place.rows:
                part = self._part(name, view, width, place.rows)
                out += [*[BLANK] * place.space, *part, *[BLANK] * (place.rows - len(part))]
        return out

    def _part(self, name: str, view: View, width: int, rows: int) -> list[Line]:
        chosen = self._chosen(view)
        under = {kind: chosen.key if chosen is not None and chosen.kind == kind else None for kind in _KINDS}
        if name == "drift":
            return features.table(view, self._content(view).features, under["feature"], self._sought, width, rows)
        if name == "overlay":
            return features.overlay(view, self._shown_feature(view), width, rows, stale=_is_stale(view))
        if name == "traces":
            return logs.traces(view, self._wanted, under["trace"], width, rows)
        return logs.lines(view, self._wanted, under["line"], width, rows)

    def _needs(self, view: View, width: int) -> list[Need]:
        tall = view.height >= 32
        shown = self._content(view)
        table, most_table = _extent(self._part("drift", view, width, _LOOK), len(shown.features))
        overlay = features.overlay_rows(shown.features)
        traces, most_traces = _extent(self._part("traces", view, width, _LOOK), len(shown.traces))
        found, most_lines = _extent(self._part("lines", view, width, _LOOK), len(shown.lines))
        return [Need("drift", min(3, table), min(table, 10 if tall else 5), most_table, spaced=False),
                Need("overlay", min(3, overlay), min(overlay, 14 if tall else 6), overlay),
                Need("traces", min(2, traces), min(traces, 7 if tall else 3), most_traces),
                Need("lines", min(2, found), min(found, 9 if tall else 3), most_lines)]

    def _content(self, view: View) -> _Content:
        """What there is to show; made once for a view and what is looked for."""
        known = self._made
        if known is None or known.view is not view or (known.sought, known.wanted) != (self._sought, self._wanted):
            known = self._made = _content(view, self._sought, self._wanted)
        return known

    def _shown_feature(self, view: View) -> Moved | None:
        found = self._content(view).features
        return next((item for item in found if drift_key(item) == self._feature), found[0] if found else None)

    def _rows(self, view: View) -> list[Row]:
        return self._content(view).rows

    def _chosen(self, view: View) -> Row | None:
        """The row under the cursor: the first one while nothing is selected, or when it is gone."""
        rows = self._rows(view)
        return self._selected if self._selected in rows else rows[0] if rows else None

    def _select(self, row: Row) -> None:
        self._selected = row
        if row.kind == "feature":
            self._feature = row.key
        self._again()

    def _again(self) -> None:
        if self._view is not None:
            self.update_from(self._view)

    def action_move(self, step: int) -> None:
        """Select another row."""
        view = self._view
        rows = self._rows(view) if view is not None else []
        chosen = self._chosen(view) if view is not None else None
        if chosen is not None:
            self._select(rows[min(len(rows) - 1, max(0, rows.index(chosen) + step))])

    def action_next_part(self) -> None:
        """The first row of the next part."""
        view = self._view
        chosen = self._chosen(view) if view is not None else None
        if view is None or chosen is None:
            return
        rows = self._rows(view)
        here = _KINDS.index(chosen.kind)
        for kind in (*_KINDS[here + 1:], *_KINDS[:here]):
            first = next((row for row in rows if row.kind == kind), None)
            if first is not None:
                self._select(first)
                return

    def action_open(self) -> None:
        """Everything behind the selected row."""
        view = self._view
        chosen = self._chosen(view) if view is not None else None
        if view is None or chosen is None:
            return
        wanted = self._wanted
        if chosen.kind == "feature":
            name = chosen.key.partition("\n")[0]
            self._open(f"DRIFT of {name}", lambda now, width: _feature_page(now, chosen.key, width))
        elif chosen.kind == "trace":
            trace = next(t for t in logs.found_traces(view, wanted) if t.fingerprint == chosen.key)
            self._open("STACK TRACE", lambda now, width: pages.trace_page(now, trace, wanted, width))
        else:
            found = next(item for item in logs.found_lines(view, wanted) if logs.line_key(item) == chosen.key)
            self._open("LOG LINE", lambda now, width: pages.line_page(now, found, width))

    def _open(self, title: str, page: Page) -> None:
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
        """Back to the on-call screen."""
        self.dismiss(None)

    def as_text(self, view: View) -> str:
        """Everything on the screen and what had no room on it, for a chat or a ticket; "" before there is a model."""
        if view.model is None or view.snapshot is None:
            return ""
        marker = f" {view.marker}" if view.marker else ""
        out = [f"{view.model.name} in {view.snapshot.context}{marker}, {moment(view.now, view.now).partition(' (')[0]}",
               *(row.text for row in top.verdict(view, TEXT_CELLS, 9))]
        for name in ("drift", "overlay", "traces", "lines"):
            part = self._part(name, view, TEXT_CELLS, 9999)
            out += ["", *(row.text for row in part)] if part else []
        return "\n".join(view.look.say(row).replace("▸", " ").rstrip() for row in out) + "\n"


def _feature_page(view: View, key: str, width: int) -> list[Line]:
    page = drift_page(view, view.model, key, width) if view.model is not None else []
    return page or paragraph("it is no longer watched, or nothing is known of it any more", width, Role.UNKNOWN)


def _is_stale(view: View) -> bool:
    return view.model is not None and view.model.drift is not None and view.model.drift.is_stale(view.now)
