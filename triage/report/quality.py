"""Quality in reports: ``quality`` of ``triage.status/v1``, and a few lines of text about what is not simply fine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from triage.report.characters import Characters
from triage.report.times import iso
from triage.signals import wording
from triage.signals.estimated import NotEstimated
from triage.signals.model import ModelState
from triage.signals.quality_reading import VersionEstimate, VersionFigure, VersionSlice, fine_of
from triage.signals.reading import Verdict

_DEEPER = (0, 0, 0, 2)
_QUIET = (Verdict.PASS, Verdict.NOT_JUDGED)


def quality_json(model: ModelState, at: float) -> dict[str, Any] | None:
    """Figures and subgroups of the versions that are in an arm; None where the manifest names none, or nothing has been
    answered or refused yet."""
    if model.quality is None:
        return None
    reading = model.quality.present(model.versions)
    age = None if reading.answered_at is None else round(max(0.0, at - reading.answered_at), 3)
    state = ("error" if reading.answered_at is None else "stale" if reading.is_stale(at) else
             "partial" if reading.warnings else "ok")
    return {"answered_at": iso(reading.answered_at), "age_seconds": age, "quality": state,
            "failure": "" if reading.failure is None else reading.failure.sentence(),
            "warnings": list(reading.warnings), "figures": [_figure(item) for item in reading.figures],
            "slices": [_slice(item) for item in reading.slices],
            "estimates": [_estimate(item) for item in reading.estimates]}


def _estimate(item: VersionEstimate) -> dict[str, Any]:
    found = item.estimated
    if isinstance(found, NotEstimated):
        return {"version": item.version, "window_seconds": item.window_seconds, "reason": found.reason, "sentence": "",
                "n": None, "threshold": None, "method": "", "assumptions": [], "notes": [], "figures": []}
    return {"version": item.version, "window_seconds": item.window_seconds, "reason": "", "sentence": found.sentence,
            "n": found.n, "threshold": found.threshold, "method": found.method,
            "assumptions": list(found.assumptions), "notes": list(found.notes),
            "figures": [{"name": f.name, "value": f.value, "low": f.low, "high": f.high} for f in found.figures]}


def _figure(item: VersionFigure) -> dict[str, Any]:
    figure, expected = item.judged.figure, item.judged.expected
    return {"name": figure.name, "version": item.version, "proxy": item.is_proxy, "value": figure.value,
            "low": figure.low, "high": figure.high, "n": figure.n, "unit": figure.unit, "lowest": expected.lowest,
            "highest": expected.highest, "quality": str(item.judged.quality), "verdict": str(item.judged.verdict),
            "sentence": item.judged.sentence, "method": figure.method, "sampled_at": iso(figure.sampled_at)}


def _slice(item: VersionSlice) -> dict[str, Any]:
    found = item.disparity
    return {"label": item.label, "version": item.version, "definition": found.definition,
            "difference": found.difference, "low": found.low, "high": found.high, "ratio": found.ratio,
            "limit": found.limit, "n": found.n, "quality": str(found.quality), "verdict": str(found.verdict),
            "sentence": found.sentence,
            "rates": [{"group": rate.group, "of": rate.of, "value": rate.value, "low": rate.low, "high": rate.high,
                       "n": rate.n} for rate in found.rates]}


def _compared(item: VersionSlice) -> str:
    found = item.disparity
    # A difference says itself what is apart.
    what = "" if found.difference is not None else f"{found.definition.replace('_', ' ')} "
    return f"{what}by {item.label}, {found.sentence}"


def quality_parts(model: ModelState, at: float, chars: Characters,
                  styles: Mapping[Verdict, str]) -> Iterator[RenderableType]:
    """How many figures and comparisons are fine, and a row for each that is not so. What is old is in brackets."""
    if model.quality is None:
        return
    reading = model.quality.present(model.versions)
    rows = [*((f"{item.version}: " if item.version else "", item.judged.verdict, item.judged.sentence)
              for item in reading.figures),
            *((f"{item.version}: " if item.version else "", item.disparity.verdict, _compared(item))
              for item in reading.slices)]
    head = Text("quality   ", "dim")
    if reading.answered_at is None:
        failure = "" if reading.failure is None else f": {reading.failure.sentence()}"
        yield head.append(chars.say(f"not known{failure}"), styles[Verdict.UNKNOWN])
        return
    stale = reading.is_stale(at)
    said = fine_of([verdict for _, verdict, _ in rows], "figures as expected") if rows else "no figures"
    age = f" {wording.age(at - reading.answered_at)} old" if stale else ""
    yield head.append(f"({said}){age}" if stale else said, "dim" if stale else "")
    if reading.failure is not None:
        yield Padding(Text(chars.say(f"not renewed: {reading.failure.sentence()}")), _DEEPER)
    yield from (Padding(Text(chars.say(f"partial: {warning}")), _DEEPER) for warning in reading.warnings)
    for version, verdict, sentence in rows:
        if verdict not in _QUIET:
            # Beyond a limit it warns; where quality must fail the model it is an objective.
            shown = Verdict.WARN if verdict is Verdict.FAIL else verdict
            yield Padding(Text.assemble((f"{chars.glyph(shown)} ", styles.get(shown, "")),
                                        chars.say(f"{version}{sentence}")), _DEEPER)
    for item in reading.estimates:
        if not isinstance(item.estimated, NotEstimated):
            of = f"{item.version}: " if item.version else ""
            yield Padding(Text(chars.say(f"{of}{item.estimated.sentence}"), "dim"), _DEEPER)
