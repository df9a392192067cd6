"""The parts of the debug screen: what each shows, what can be selected in it, and how much room it wants. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from triage.facts.log_reading import LogsWanted
from triage.facts.logs import LogLine, StackTrace
from triage.signals import drift_words as words
from triage.signals.drift_reading import Moved, moved
from triage.tui import closer_pages, log_pages
from triage.tui.drift_page import drift_page
from triage.tui.layout import Need
from triage.tui.line import Line, Role, line
from triage.tui.page_parts import paragraph
from triage.tui.panels import closer, features, lineage, logs, pods, promises, quality, slices
from triage.tui.pods_page import pod_page
from triage.tui.view import View, drift_key

Page = Callable[[View, int], list[Line]]
LOOK = 14
"""Rows of a part that are made to see how many it wants; more is not asked for unless there is plenty."""
WHOLE = "whole"
"""Key of a part that is selected as one."""
TALL = 32
"""Rows of the terminal under which every part but the one with the cursor keeps to a few rows."""
_ABOVE = 4
"""Rows that may stand above those of a table."""


class Row(NamedTuple):
    """Something that can be selected and opened."""

    part: str
    key: str


class Content(NamedTuple):
    """What a view has for the screen."""

    view: View
    sought: str
    """Part of a feature's name that is looked for; "" for all."""
    wanted: LogsWanted
    features: tuple[Moved, ...]
    traces: tuple[StackTrace, ...]
    lines: tuple[LogLine, ...]
    rows: list[Row]


class Shown(NamedTuple):
    """What one part is made from."""

    content: Content
    feature: Moved | None
    """The feature whose distributions and past are shown."""
    chosen: str | None
    """Key of the row under the cursor, where it is in this part."""

    @property
    def view(self) -> View:
        return self.content.view


class Part(NamedTuple):
    """One part of the screen."""

    name: str
    lines: Callable[[Shown, int, int], list[Line]]
    """At most so many rows of such a width; [] where there is nothing to say. In one row: what it comes to."""
    keys: Callable[[View], Sequence[str]]
    """What can be selected in it, in order."""
    few: int
    """Rows it wants on a small terminal."""
    many: int
    """Rows it wants on a tall one."""
    page: Callable[[Shown, str], tuple[str, Page]] | None = None
    """Title and page behind a key; None: nothing can be selected."""


def content(view: View, sought: str, wanted: LogsWanted) -> Content:
    """What the view has, with every row that can be selected in the order of the screen."""
    found: tuple[Moved, ...] = ()
    if view.model is not None and view.model.drift is not None:
        found = tuple(item for item in moved(view.model.drift, view.model.versions)
                      if sought.casefold() in words.name(item.feature).casefold())
    made = Content(view, sought, wanted, found, logs.found_traces(view, wanted), logs.found_lines(view, wanted), [])
    for part in PARTS:
        keys = {"drift": [drift_key(item) for item in made.features],
                "traces": [trace.fingerprint for trace in made.traces],
                "lines": [logs.line_key(each) for each in made.lines]}.get(part.name) or list(part.keys(view))
        made.rows.extend(dict.fromkeys(Row(part.name, key) for key in keys))
    return made


def need(part: Part, shown: Shown, width: int, *, focused: bool) -> Need:
    """How much room a part wants; the one with the cursor first of all."""
    tall = shown.view.height >= TALL
    rows, most = _extent(part, shown, width)
    wanted = part.many if tall else part.few
    least = 1
    if focused:
        # The features share the room with two pictures of one of them.
        least, wanted = min(rows, 6), wanted if part.name in WITH_DRIFT else max(wanted, part.many)
    elif part.name == "overlay":
        # Two distributions in fewer rows say nothing.
        least = 4
    return Need(part.name, min(least, rows), min(rows, wanted), most, spaced=part.name != "drift")


def _extent(part: Part, shown: Shown, width: int) -> tuple[int, int]:
    """(rows it has, at most ``LOOK``; rows it has use for), from its first rows."""
    if part.name == "overlay":
        rows = features.overlay_rows(shown.content.features)
        return rows, rows
    if part.name == "scores":
        rows = len(part.lines(shown, width, closer.SCORE_ROWS))
        return rows, 2 * rows if rows > 1 else rows
    if part.keys(shown.view)[:1] == (WHOLE,):
        rows = len(part.lines(shown, width, LOOK))
        return rows, rows if rows < LOOK else len(part.lines(shown, width, shown.view.height))
    rows = len(part.lines(shown, width, LOOK))
    items = sum(row.part == part.name for row in shown.content.rows)
    return rows, rows if rows < LOOK else items + _ABOVE


def _nothing(view: View) -> tuple[str, ...]:
    return ()


def _whole(panel: Callable[[View, int, int], list[Line]]) -> Callable[[View], Sequence[str]]:
    """The part as one, where it says more than that nothing is known."""
    return lambda view: (WHOLE,) if len(panel(view, 120, 2)) > 1 else ()


def _as_one(panel: Callable[[View, int, int], list[Line]]) -> Callable[[Shown, int, int], list[Line]]:
    """A panel without rows of its own: the cursor stands before its heading."""
    def made(shown: Shown, width: int, rows: int) -> list[Line]:
        out = panel(shown.view, width, rows)
        if shown.chosen is None or not out or not out[0].spans:
            return out
        (text, role), *rest = out[0].spans
        cursor = line((shown.view.look.pick("▸", ">"), Role.ACCENT), (text.removeprefix(" "), role), *rest)
        return [cursor, *out[1:]]
    return made


def _drift(shown: Shown, width: int, rows: int) -> list[Line]:
    return features.table(shown.view, shown.content.features, shown.chosen, shown.content.sought, width, rows)


def _overlay(shown: Shown, width: int, rows: int) -> list[Line]:
    model = shown.view.model
    stale = model is not None and model.drift is not None and model.drift.is_stale(shown.view.now)
    return features.overlay(shown.view, shown.feature, width, rows, stale=stale)


def _scores(shown: Shown, width: int, rows: int) -> list[Line]:
    return closer.scores(shown.view, shown.feature, width, rows) if closer.reading(shown.view) is not None else []


def _pods(shown: Shown, width: int, rows: int) -> list[Line]:
    return pods.pods(shown.view, shown.chosen, width, rows) if pods.reading_of(shown.view) is not None else []


def _lineage(view: View, width: int, rows: int) -> list[Line]:
    known = view.model.lineage if view.model is not None else None
    return lineage.lineage(view, width, rows) if known is not None and known.links else []


def _has_labels(view: View) -> Sequence[str]:
    found = closer.reading(view)
    return (WHOLE,) if found is not None and found.labels.answer is not None else ()


def _has_attributions(view: View) -> Sequence[str]:
    found = closer.reading(view)
    return (WHOLE,) if found is not None and found.attributions.answer else ()


def _feature_page(shown: Shown, key: str) -> tuple[str, Page]:
    def made(view: View, width: int) -> list[Line]:
        page = drift_page(view, view.model, key, width) if view.model is not None else []
        return page or paragraph("it is no longer watched, or nothing is known of it any more", width, Role.UNKNOWN)
    return f"DRIFT of {key.partition(chr(10))[0]}", made


def _pod_page(shown: Shown, key: str) -> tuple[str, Page]:
    def made(view: View, width: int) -> list[Line]:
        page = pod_page(view, view.model, key, width) if view.model is not None else []
        return page or paragraph("it is gone, or nothing is known of it any more", width, Role.UNKNOWN)
    return f"POD {key}", made


def _trace_page(shown: Shown, key: str) -> tuple[str, Page]:
    trace, wanted = next(t for t in shown.content.traces if t.fingerprint == key), shown.content.wanted
    return "STACK TRACE", lambda view, width: log_pages.trace_page(view, trace, wanted, width)


def _line_page(shown: Shown, key: str) -> tuple[str, Page]:
    found = next(item for item in shown.content.lines if logs.line_key(item) == key)
    return "LOG LINE", lambda view, width: log_pages.line_page(view, found, width)


def _keyed(title: str, page: Callable[[View, str, int], list[Line]]) -> Callable[[Shown, str], tuple[str, Page]]:
    return lambda shown, key: (title, lambda view, width: page(view, key, width))


def _at_length(title: str, panel: Callable[[View, int, int], list[Line]]) -> Callable[[Shown, str], tuple[str, Page]]:
    """The page behind a panel that is one: all of it."""
    return lambda shown, key: (title, lambda view, width: panel(view, width, 9999))


PARTS: tuple[Part, ...] = (
    Part("drift", _drift, _nothing, 5, 10, _feature_page),
    Part("overlay", _overlay, _nothing, 6, 14),
    Part("scores", _scores, _nothing, 3, closer.SCORE_ROWS),
    Part("attributions", lambda shown, width, rows: closer.attributions(shown.view, shown.chosen, width, rows),
         _has_attributions, 1, 6, lambda shown, key: ("ATTRIBUTIONS", closer_pages.attributions_page)),
    Part("quality", lambda shown, width, rows: quality.quality(shown.view, shown.chosen, width, rows),
         lambda view: [item.key for item in quality.rows_of(view)], 3, 7, _keyed("QUALITY", closer_pages.quality_page)),
    Part("slices", lambda shown, width, rows: slices.slices(shown.view, shown.chosen, width, rows),
         lambda view: [item.key for item in slices.rows_of(view)], 3, 6, _keyed("SLICES", closer_pages.slice_page)),
    Part("labels", lambda shown, width, rows: closer.labels(shown.view, shown.chosen, width, rows), _has_labels, 1, 7,
         lambda shown, key: ("LABELS by prediction time", closer_pages.labels_page)),
    Part("store", lambda shown, width, rows: promises.feature_store(shown.view, shown.chosen, width, rows),
         lambda view: [item.view for item in promises.views(view)], 1, 4,
         _keyed("FEATURE VIEW", closer_pages.view_page)),
    Part("retrain", lambda shown, width, rows: promises.retrain(shown.view, shown.chosen, width, rows),
         lambda view: list(dict.fromkeys(item.condition for item in promises.triggers(view))), 1, 4,
         _keyed("RETRAIN TRIGGER", closer_pages.trigger_page)),
    Part("pods", _pods, lambda view: [pod.name for pod in pods.found_pods(view)], 2, 6, _pod_page),
    Part("work", _as_one(pods.work), _whole(pods.work), 1, 4, _at_length("WORK", pods.work)),
    Part("scaling", _as_one(pods.scaling), _whole(pods.scaling), 1, 3, _at_length("SCALING", pods.scaling)),
    Part("lineage", _as_one(_lineage), _whole(_lineage), 1, 4, _at_length("LINEAGE", _lineage)),
    Part("traces", lambda shown, width, rows: logs.traces(shown.view, shown.content.wanted, shown.chosen, width, rows),
         _nothing, 3, 7, _trace_page),
    Part("lines", lambda shown, width, rows: logs.lines(shown.view, shown.content.wanted, shown.chosen, width, rows),
         _nothing, 3, 9, _line_page))
"""In the order of the screen."""
BY_NAME = {part.name: part for part in PARTS}
LEFT = ("drift", "overlay", "scores", "attributions", "lineage")
"""Where two columns stand beside each other, the left one."""
WITH_DRIFT = ("drift", "overlay", "scores")
"""Shown together: the features, and two pictures of the one under the cursor."""
_PRIORITY = ("drift", "quality", "slices", "pods", "traces", "overlay", "retrain", "store", "labels", "scores",
             "lineage", "lines", "attributions", "work", "scaling")


def priority(focus: str) -> tuple[str, ...]:
    """The order in which parts get their room: the one with the cursor first."""
    first = WITH_DRIFT if focus == "drift" else (focus,)
    return (*first, *(name for name in _PRIORITY if name not in first))


def zoomed(focus: str) -> tuple[str, ...]:
    """What is shown on the full screen."""
    return WITH_DRIFT if focus in WITH_DRIFT else (focus,)
