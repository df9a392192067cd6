"""Many models as one table in text: a line for each, worst first, and what stands behind the verdict where it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from triage.facts.outcome import SourceState
from triage.live.silence import silent
from triage.live.snapshot import Snapshot
from triage.report.characters import Characters
from triage.signals import wording
from triage.signals.fleet import FleetRow, FleetState, Score, Trial
from triage.signals.reading import Quality, Urgency, Verdict

MOST_IN_FULL = 12
"""Models up to which each is told in full."""
_STYLES = {Verdict.FAIL: "bold red", Verdict.WARN: "yellow", Verdict.UNKNOWN: "cyan"}
_UNREAD = frozenset({Quality.STALE, Quality.ERROR, Quality.WAITING, Quality.PARTIAL})
_TITLES = ("verdict", "model", "health", "burn 1h", "alerts", "canary", "why")
_FIGURES = frozenset({"health", "burn 1h"})
_MOST_NAME, _LEAST_WHY = 32, 20
_ORDER = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS)


def fleet_parts(fleet: FleetState, snapshot: Snapshot, chars: Characters) -> Iterator[RenderableType]:
    """How many models stand how, a line for each, and how more is said of one. Prometheus' silence is said once."""
    is_silent = silent(snapshot) is not None
    counts = ", ".join(f"{fleet.verdicts[verdict]:,} {wording.word(verdict)}" for verdict in _ORDER
                       if fleet.verdicts.get(verdict))
    head = Text.assemble((f"{len(fleet.rows):,} models", "bold"), f"  {counts}")
    if is_silent:
        head.append("  Prometheus is silent", _STYLES[Verdict.UNKNOWN])
    yield head
    yield Text()
    mute = _alerts_are_unknown(snapshot)
    yield _Lines([tuple(_cells(row, chars, is_silent=is_silent, mute=mute)) for row in fleet.rows], chars)
    yield Text()
    yield Text("of one model more is said by: triage status MODEL", "dim")


class _Lines:
    """A line for each model: what has no room is left out from the right, and no row is broken."""

    def __init__(self, rows: Sequence[tuple[Text, ...]], chars: Characters) -> None:
        self._rows = rows
        self._chars = chars
        self._widths = [max(len(title), *(text.cell_len for text in column), 0)
                        for title, column in zip(_TITLES, zip(*rows, strict=True), strict=True)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = [min(width, _MOST_NAME) if title == "model" else width
                  for title, width in zip(_TITLES, self._widths, strict=True)]
        count = len(widths) - 1
        while count > 2 and sum(widths[:count]) + 2 * count > options.max_width:
            count -= 1
        rest = options.max_width - sum(widths[:count]) - 2 * count
        if count == len(widths) - 1 and rest >= _LEAST_WHY:
            widths[count], count = rest, count + 1
        yield self._line([Text(title, "dim") for title in _TITLES], widths[:count])
        for row in self._rows:
            yield self._line(row, widths[:count])

    def _line(self, cells: Sequence[Text], widths: Sequence[int]) -> Text:
        out = Text(no_wrap=True, overflow="crop")
        for title, cell, width in zip(_TITLES, cells, widths, strict=False):
            own = cell.copy()
            if own.cell_len > width:
                mark = self._chars.say("…")
                own.truncate(max(0, width - len(mark)))
                own.append(mark)
            gap = " " * (width - own.cell_len)
            out.append_text(Text.assemble(gap, own) if title in _FIGURES else Text.assemble(own, gap)).append("  ")
        return out


def _cells(row: FleetRow, chars: Characters, *, is_silent: bool, mute: bool) -> Iterator[Text]:
    pushed = row.last_seen is not None and row.last_seen.quality is Quality.STALE
    stale, style = is_silent or pushed, _STYLES.get(row.verdict, "")
    said = wording.word(row.verdict) + (f", {row.urgency}" if row.urgency is not Urgency.NONE else "")
    held = is_silent and row.verdict is not Verdict.UNKNOWN
    yield Text(f"{chars.glyph(row.verdict)} {f'({said})' if held else said}", style)
    yield Text(chars.say(row.name), "bold" if row.verdict is Verdict.FAIL else "")
    yield Text(_score(row.health, wording.budget_left, stale=stale))
    yield Text(_score(row.burn, wording.burn_rate, stale=stale))
    counts = (row.pages, "p"), (row.tickets, "t"), (row.other_alerts, "o")
    yield Text(" ".join(f"{count}{letter}" for count, letter in counts if count) or ("?" if mute else "-"))
    yield Text(chars.say(_trial(row.trial, stale=stale)))
    yield Text(chars.say(row.reason), "dim")


def _score(score: Score, say: Callable[[float], str], *, stale: bool) -> str:
    if score.value is None:
        return "-"
    text = say(score.value)
    return f"({text})" if stale or score.quality in _UNREAD else text


def _trial(trial: Trial | None, *, stale: bool) -> str:
    if trial is None:
        return "-"
    share = "-" if trial.share is None else wording.share(trial.share)
    word = "shadow" if trial.arm == "shadow" else trial.verdict or "not judged yet"
    return f"{trial.version} {f'({share})' if stale else share} {word}"


def _alerts_are_unknown(snapshot: Snapshot) -> bool:
    """Whether a source of alerts does not answer, so that none is not no alert."""
    asked = [s for s in snapshot.sources if s.name in ("prometheus", "alertmanager") and s.state is not SourceState.OFF]
    return not asked or any(s.state in (SourceState.DOWN, SourceState.WAITING) for s in asked)
