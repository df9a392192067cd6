"""The table of objectives, in columns that fit 80: one row per objective, what is not known in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from triage.report.characters import Characters
from triage.signals import wording
from triage.signals.model import ModelState, SloState
from triage.signals.reading import Quality, Verdict

_NARROWER: tuple[tuple[float, ...], ...] = ((300.0, 3600.0, 21600.0), (3600.0, 21600.0), (3600.0,), ())
"""Burn-rate windows that are shown, in seconds; the first that leave the names room."""
_NOTHING = "-"


class SloTable:
    """One row per objective, in the order of the notebook. What is not fresh stands in brackets.

    Where it is narrow, burn rates are left out before a name is broken inside a word.
    """

    def __init__(self, model: ModelState, chars: Characters, styles: Mapping[Verdict, str]) -> None:
        self._model = model
        self._chars = chars
        self._styles = styles
        labels = [chars.say(wording.slo_label(slo)) for slo in model.slos]
        self._label_cells = max(map(cell_len, labels), default=0)
        self._word_cells = max((cell_len(word) for label in labels for word in label.split()), default=0)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        endless = options.update(max_width=100_000)
        for windows in _NARROWER:
            table = self._drawn(windows, self._word_cells)
            least = table.__rich_measure__(console, endless).maximum - self._label_cells + self._word_cells
            if least <= options.max_width:
                yield table
                return
        yield self._drawn(_NARROWER[-1], 8)

    def _drawn(self, windows: tuple[float, ...], name_cells: int) -> Table:
        table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        table.add_column("verdict", no_wrap=True)
        table.add_column("SLO", overflow="fold", min_width=max(3, name_cells))
        for title in ("objective", "now", "n 1h", *(f"{'' if n else 'burn '}{wording.window(w)}"
                                                  for n, w in enumerate(windows)), "budget"):
            table.add_column(title, justify="right", no_wrap=True)
        for slo in self._model.slos:
            table.add_row(*self._row(slo, windows))
        return table

    def _row(self, slo: SloState, windows: tuple[float, ...]) -> Iterator[Text]:
        stale = slo.now.quality is Quality.STALE and slo.now.value is not None
        now, budget = now_text(slo), _budget(slo)
        say = self._chars.say
        yield Text(f"{self._chars.glyph(slo.verdict)} {wording.word(slo.verdict)}",
                   self._styles.get(slo.verdict, "dim" if slo.verdict is Verdict.NOT_JUDGED else ""))
        yield Text(say(wording.slo_label(slo)))
        yield Text(say(wording.slo_promise(slo)), "dim")
        burns = (slo.burn(window) for window in windows)
        for cell in (f"({now}" if stale else now, wording.events(slo.now),
                     *(_NOTHING if burn is None else wording.burn_rate(burn.rate) for burn in burns),
                     f"{budget})" if stale else budget):
            yield Text(say(cell), "dim" if stale else "")


def slo_notes(model: ModelState, at: float, chars: Characters) -> Iterator[str]:
    """What qualifies the numbers and is not among the reasons, a line per objective: quality, sentence, findings."""
    told = {reason.subject for reason in model.reasons}
    source_gone = any(reason.rule == "source" for reason in model.reasons)
    for slo in model.slos:
        explained = slo.name in told or (source_gone and slo.verdict in (Verdict.UNKNOWN, Verdict.NOT_JUDGED))
        now, said = slo.now, []
        if now.quality is not Quality.OK and now.value is not None and not (explained and now.quality is Quality.LOW_N):
            old = f" {wording.age(now.age_seconds(at))} old" if now.quality is Quality.STALE else ""
            said.append(f"{wording.QUALITY_WORDS[now.quality]}{old}")
        if now.note and not explained and now.note not in slo.sentence:
            said.append(now.note)
        if slo.verdict is not Verdict.PASS and not explained:
            said.append(slo.sentence.removeprefix(f"{slo.name}: "))
        said.extend(slo.findings)
        if said:
            yield chars.say(f"{slo.name}: {'; '.join(said)}")


def now_text(slo: SloState) -> str:
    """The present value, or why there is none; bad events for zero tolerance."""
    now = slo.now
    if slo.objective == 100 and now.bad_events is not None:
        return f"{wording.count(max(1.0, now.bad_events))} bad" if now.bad_events > 0 else "none bad"
    return wording.reading(now, slo.objective)


def _budget(slo: SloState) -> str:
    if slo.budget is None:
        return _NOTHING
    few = slo.budget.quality is Quality.LOW_N
    return wording.QUALITY_WORDS[Quality.LOW_N] if few else wording.budget_left(slo.budget.remaining)
