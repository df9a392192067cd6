"""The linter of runbooks: what reads well and yet names something that is not there, or leads nowhere."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from triage.cells.document import Book, read_book
from triage.cells.parameters import parameters_of
from triage.errors import Finding, InvalidDocument, TriageError
from triage.notebook.compared import compared_names
from triage.notebook.load import Notebook, is_file, is_folder, load_all
from triage.runbook.anchors import anchors
from triage.runbook.condition import Term
from triage.runbook.document import nearest, read_text
from triage.runbook.metric_names import AT_TIMES, family, is_stated, metrics_in, stated_metrics
from triage.runbook.observe import Signal
from triage.runbook.shelf import read_volume, runbook_files
from triage.runbook.steps import SECTIONS, Act, Approve, Branch, Cell, Check, Link, Query, Question, Runbook, Step
from triage.signals.burn import WINDOWS
from triage.strict_yaml import PathKey
from triage.text import clean

FRESH_DAYS = 180
"""A runbook that nobody has read for longer is doubtful."""
_RUNNABLE = frozenset({"diagnostic", "critical"})
_SLIP = 0.9
"""Ratio (difflib's) from which a name is likely another one that was spelt wrongly."""
_SCHEMES = ("http", "https", "mailto")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
Reach = Callable[[str], str]
"""Why a URL cannot be reached; "" when it can."""


def lint(path: Path, today: date, reach: Reach | None = None,
         there: frozenset[str] | None = None) -> tuple[Finding, ...]:
    """Errors and warnings of the runbooks of every notebook at and below ``path``.

    ``reach`` tries the links that lead out of the notebook; without it they are not tried. ``there``: the metrics that
    Prometheus has; None: it was not asked.
    """
    return tuple(finding for notebook in load_all([path]).notebooks
                 for finding in lint_runbooks(notebook, today, reach, there))


def lint_runbooks(notebook: Notebook, today: date, reach: Reach | None = None,
                  there: frozenset[str] | None = None) -> tuple[Finding, ...]:
    """What is wrong with the runbooks of one notebook."""
    findings: list[Finding] = []
    usable: list[Runbook] = []
    files = runbook_files(notebook)
    for path in files:
        if not is_file(path):
            # The linter of the manifest says that it does not exist.
            continue
        volume = read_volume(path, clean(str(path)))
        findings += volume.findings
        if volume.runbook is not None:
            usable.append(volume.runbook)
            findings += _Linter(notebook, volume.runbook, volume.text, path.parent, today, reach, there).findings()
    findings += _twice(usable)
    if usable and not any(finding.severity == "error" for finding in findings):
        findings += _unanswered(notebook, usable)
    return tuple(sorted(findings, key=lambda f: (f.file, f.line or 0, f.field, f.code)))


def _twice(runbooks: Sequence[Runbook]) -> Iterator[Finding]:
    seen: dict[str, Runbook] = {}
    for runbook in runbooks:
        first = seen.setdefault(runbook.id, runbook)
        if first is not runbook:
            yield Finding("error", runbook.file, 1, "id", f"is {runbook.id}, as that of {first.file}",
                          "give it another id: progress is kept by it", "duplicate-runbook")


def _unanswered(notebook: Notebook, runbooks: Sequence[Runbook]) -> Iterator[Finding]:
    answered = {alert for runbook in runbooks for alert in runbook.alerts}
    for index, alert in enumerate(notebook.manifest.spec.alerts.page):
        if alert not in answered:
            path: PathKey = ("spec", "alerts", "page", index)
            yield notebook.document.finding(path, f"pages, and no runbook answers it: {alert}",
                                            "add it to the alerts of one", "unanswered-alert", "warning")


@dataclass(frozen=True, slots=True)
class _Linter:
    """The checks of one runbook against its notebook."""

    notebook: Notebook
    runbook: Runbook
    text: str
    """Of the runbook."""
    folder: Path
    today: date
    reach: Reach | None
    there: frozenset[str] | None

    def findings(self) -> Iterator[Finding]:
        """Everything found."""
        yield from self._front()
        yield from self._sections()
        book = self._book()
        for step in self.runbook.steps:
            for condition in _conditions(step):
                yield from self._term(step, condition)
            match step.does:
                case Check() | Query():
                    yield from self._looked_at(step, step.does)
                case Cell():
                    yield from self._cell(step, step.does, book)
                case Act(action="rollback", to=to) if to and to == self.notebook.manifest.metadata.version:
                    yield self._say(step.line, step, f"goes to {to}, the version that the notebook is about",
                                    "name the version before it", "rollback-to-itself", "warning")
                case Approve(role) if role not in {o.role for o in self.notebook.manifest.metadata.owners}:
                    yield self._say(step.line, step, f"asks somebody in the role {role}, and no owner has it",
                                    "add the owner to metadata.owners", "unknown-role", "warning")
        yield from self._links()

    def _say(self, line: int | None, step: Step | None, message: str, hint: str, code: str,
             severity: Literal["error", "warning"] = "error") -> Finding:
        field = f"step {step.id}" if step is not None else ""
        return Finding(severity, self.runbook.file, line, field, message, hint, code)

    def _front(self) -> Iterator[Finding]:
        age = (self.today - date.fromisoformat(self.runbook.reviewed[:10])).days
        if age > FRESH_DAYS:
            yield self._say(1, None, f"was reviewed {age} days ago", "read it against what runs today, and say so in "
                            "reviewed", "stale-review", "warning")
        alerts = self.notebook.manifest.spec.alerts
        known = [*alerts.page, *alerts.ticket]
        for alert in self.runbook.alerts:
            if known and alert not in known:
                yield self._say(1, None, f"answers {alert}, which the manifest does not name", nearest(alert, known),
                                "unknown-alert", "warning")
        if not self.runbook.alerts and len(runbook_files(self.notebook)) > 1:
            yield self._say(1, None, "answers no alert, so that another runbook is always preferred",
                            "name the alerts that it is for", "no-alerts", "warning")

    def _sections(self) -> Iterator[Finding]:
        titles = [section.title for section in self.runbook.sections]
        missing = [title for title in SECTIONS if title not in titles]
        if missing:
            yield self._say(None, None, f"has no heading {', '.join(missing)}",
                            f"the headings are ## {', '.join(SECTIONS)}", "missing-section", "warning")
        known = [title for title in titles if title in SECTIONS]
        if known != sorted(known, key=SECTIONS.index):
            yield self._say(None, None, "has its headings out of order", f"the order is {', '.join(SECTIONS)}",
                            "section-order", "warning")

    def _term(self, step: Step, term: Term) -> Iterator[Finding]:
        about = self.runbook.step(term.step)
        if about is None:
            return
        question = about.does if isinstance(about.does, Question) else None
        if term.outcome == "answered" and question is None:
            yield self._say(step.line, step, f"rests on an answer to {about.id}, which asks nothing",
                            "write passed or failed", "no-question")
        elif question is not None and term.outcome == "answered" \
                and term.answer.casefold() not in (choice.casefold() for choice in question.choices):
            yield self._say(step.line, step, f"rests on the answer {term.answer} to {about.id}",
                            nearest(term.answer, question.choices), "unknown-answer")

    def _looked_at(self, step: Step, does: Check | Query) -> Iterator[Finding]:
        if does.expr:
            try:
                named = metrics_in(does.expr)
            except ValueError as error:
                yield self._say(step.line, step, f"is no PromQL: {clean(error, limit=200)}", "try it in Prometheus",
                                "promql")
                return
            yield from self._metrics(step, sorted(named))
        elif isinstance(does, Check) and does.signal is not None:
            problem = unknown_signal(self.notebook, does.signal)
            if problem is not None:
                yield self._say(step.line, step, *problem, "unknown-signal")

    def _metrics(self, step: Step, named: Iterable[str]) -> Iterator[Finding]:
        """Where the manifest states its metrics, no other may be named; else one that Prometheus does not have, or a
        likely slip of the pen. What the manifest names and Prometheus does not have may be a counter of what has not
        happened yet."""
        manifest = self.notebook.manifest
        stated = stated_metrics(manifest)
        is_whole = manifest.spec.metrics.also is not None
        for metric in named:
            is_missing = self.there is not None and metric not in self.there and metric not in AT_TIMES
            if is_stated(metric, stated, manifest):
                if is_missing:
                    yield self._say(step.line, step, f"looks at {clean(metric)}, which Prometheus does not have now",
                                    "see triage discover, and whether it comes with the first event", "missing-metric",
                                    "warning")
                continue
            near = difflib.get_close_matches(family(metric), stated, n=1, cutoff=_SLIP)
            if is_whole:
                yield self._say(step.line, step, f"looks at {clean(metric)}, which the manifest does not name",
                                f"did you mean {near[0]}?" if near else "mend the name, or add it to spec.metrics.also",
                                "unknown-metric")
            elif is_missing:
                yield self._say(step.line, step, f"looks at {clean(metric)}, which Prometheus does not have",
                                f"did you mean {near[0]}?" if near else "see triage discover", "unknown-metric")
            elif near and self.there is None:
                yield self._say(step.line, step, f"looks at {clean(metric)}, and the manifest names "
                                f"{near[0]}", "mend the name; or list further metrics in spec.metrics.also",
                                "unknown-metric", "warning")

    def _book(self) -> Book | None:
        try:
            return read_book(self.notebook.path / self.notebook.manifest.spec.notebook.path)
        except TriageError:
            return None

    def _cell(self, step: Step, does: Cell, book: Book | None) -> Iterator[Finding]:
        if book is None:
            yield self._say(step.line, step, f"runs {does.cell}, and the notebook cannot be read",
                            "see what the linter says of the notebook", "unknown-cell")
            return
        cell = book.cell(does.cell)
        if cell is None:
            yield self._say(step.line, step, f"runs {does.cell}, which there is not",
                            nearest(does.cell, [each.id for each in book.tagged("diagnostic")]), "unknown-cell")
        elif not cell.tags & _RUNNABLE:
            yield self._say(step.line, step, f"runs {does.cell}, which is tagged neither diagnostic nor critical",
                            "tag it", "not-diagnostic")
        names = [parameter.name for parameter in parameters_of(book)]
        for name in does.params:
            if name not in names:
                yield self._say(step.line, step, f"sets {name}, which is no parameter of the notebook",
                                nearest(name, names), "unknown-parameter")

    def _links(self) -> Iterator[Finding]:
        for link in self.runbook.links:
            scheme = _SCHEME.match(link.target)
            if scheme is not None and scheme[1].lower() not in _SCHEMES:
                yield self._say(link.line, None, f"links to {link.target}", f"only {', '.join(_SCHEMES)} are followed",
                                "link-scheme")
            elif scheme is None and not link.target.startswith("//"):
                yield from self._inside(link)
            elif scheme is not None and scheme[1].lower() != "mailto" and self.reach is not None:
                trouble = self.reach(link.target)
                if trouble:
                    yield self._say(link.line, None, f"links to {link.target}, which cannot be reached: {trouble}",
                                    "mend the link, or try again", "dead-link", "warning")


    def _inside(self, link: Link) -> Iterator[Finding]:
        """A link that leads to a file beside the runbook, or to a heading of it or of the runbook itself."""
        name, _, anchor = unquote(link.target).partition("#")
        path = self.folder / name.partition("?")[0] if name else None
        if path is not None and not (is_file(path) or is_folder(path)):
            yield self._say(link.line, None, f"links to {link.target}, which does not exist",
                            "paths are relative to the runbook", "dead-link", "warning")
        elif anchor and (path is None or path.suffix.lower() == ".md"):
            try:
                known = anchors(self.text if path is None else read_text(path))
            except InvalidDocument as error:
                yield self._say(link.line, None, f"links to {link.target}: {error.findings[0].message}",
                                error.findings[0].hint, "dead-link", "warning")
                return
            if anchor.lower() not in {each.lower() for each in known}:
                yield self._say(link.line, None, f"links to {link.target}, and there is no such heading",
                                nearest(anchor, known), "dead-anchor", "warning")


def _conditions(step: Step) -> Iterator[Term]:
    if step.when is not None:
        yield from step.when.terms()
    if isinstance(step.does, Branch):
        for choice in step.does.choices:
            yield from choice.when.terms()


def unknown_signal(notebook: Notebook, signal: Signal) -> tuple[str, str] | None:
    """(what a signal names that the notebook does not have, what there is); None when it has all of it."""
    spec = notebook.manifest.spec
    objectives = [objective.slo.name for objective in notebook.objectives]
    quality: list[str] = []
    if spec.quality is not None:
        quality = [*(metric.name for metric in spec.quality.metrics), *(proxy.name for proxy in spec.quality.proxies),
                   *(metric.name for metric in spec.quality.counted)]
    features = [feature.name for feature in spec.drift.features] if spec.drift is not None else []
    if spec.drift is not None and spec.drift.prediction is not None:
        features.append(spec.drift.prediction.name)

    def named(what: str, known: Iterable[str]) -> tuple[str, str] | None:
        names = list(known)
        return None if signal.name in names else (f"looks at {signal}, but there is no {what} {signal.name}",
                                                  nearest(signal.name, names))

    match signal.kind:
        case "slo" if signal.part == "burn" and signal.name in objectives and signal.window_seconds not in WINDOWS:
            return f"looks at {signal}, a window that is not read", "read are 5m, 30m, 1h, 2h, 6h, 1d and 3d"
        case "slo":
            return named("objective", objectives)
        case "drift" if signal.name:
            return named("watched feature", features)
        case "drift" if spec.drift is None:
            return "looks at drift, and the manifest watches none", "add spec.drift"
        case "features":
            if spec.dependencies is None or spec.dependencies.feature_store is None:
                return f"looks at {signal}, and the manifest names no feature store", "add spec.dependencies"
            views = [view.name for view in spec.dependencies.feature_store.feature_views]
            return named("feature view", views) if signal.name else None
        case "quality":
            return named("quality metric", quality)
        case "alert" if alerts := [*spec.alerts.page, *spec.alerts.ticket]:
            return named("alert in spec.alerts", alerts)
        case "canary" if signal.name:
            return named("metric of the canary", {*objectives, *quality, *compared_names(spec),
                                                  *(delta.metric for delta in spec.canary.max_delta)})
    return None
