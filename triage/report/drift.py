"""Drift in the text of ``status``: what it adds up to, and a row for every feature that is not simply ok."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from triage.report.characters import Characters
from triage.signals import drift_words as words
from triage.signals import wording
from triage.signals.drift_reading import moved
from triage.signals.drift_verdicts import DriftVerdict
from triage.signals.model import ModelState
from triage.signals.reading import Verdict

_DEEPER = (0, 0, 0, 2)
MOST = 8
"""Rows of features; JSON has them all."""


def drift_parts(model: ModelState, at: float, chars: Characters,
                styles: Mapping[Verdict, str]) -> Iterator[RenderableType]:
    """Nothing where nothing is watched. What is not fresh stands in brackets, with its age."""
    reading = model.drift
    if reading is None:
        return
    if reading.state is None or reading.answered_at is None:
        yield Text.assemble(("drift     ", "dim"), (chars.say(words.not_scored(reading)), styles[Verdict.UNKNOWN]))
        return
    found = moved(reading, model.versions)
    worst = found[0].verdict if found else reading.state.verdict
    stands, stale = words.STANDS_AS[worst], reading.is_stale(at)
    said = f"{chars.glyph(stands)} {words.counted(found)}"
    age = f" {wording.age(at - reading.answered_at)} old" if stale else ""
    yield Text.assemble(("drift     ", "dim"), (f"({said}){age}" if stale else said,
                                                "dim" if stale else styles.get(stands, "")),
                        (f"  in {wording.window(found[0].feature.window_seconds)}" if found else "", "dim"))
    if reading.failure is not None:
        yield Padding(Text(chars.say(f"not renewed: {reading.failure.sentence()}")), _DEEPER)
    yield from (Padding(Text(chars.say(f"partial: {warning}")), _DEEPER) for warning in reading.warnings)
    loud = [item for item in found if item.verdict is not DriftVerdict.OK]
    if not loud:
        return
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("verdict", overflow="fold")
    table.add_column("feature", overflow="fold", min_width=8)
    for title in ("score", "warn", "crit", "n", "nulls"):
        table.add_column(title, justify="right", no_wrap=True)
    for item in loud[:MOST]:
        feature = item.worst
        verdict = words.STANDS_AS[feature.verdict]
        table.add_row(Text(chars.say(f"{chars.glyph(verdict)} {words.verdict(item)}"),
                           "dim" if stale else styles.get(verdict, "")),
                      Text(chars.say(words.name(feature))), Text(words.score(feature)),
                      Text(words.number(feature.warning), "dim"), Text(words.number(feature.critical), "dim"),
                      Text(wording.count(feature.n_current)), Text(words.nulls(feature)))
    yield table
    if len(loud) > MOST:
        yield Padding(Text(f"and {len(loud) - MOST} more", "dim"), _DEEPER)
