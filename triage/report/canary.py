"""The version on trial in the text of ``status``: what the comparison adds up to, and a row for every metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from triage.report.characters import Characters
from triage.signals import canary_words as words
from triage.signals import wording
from triage.signals.canary import CanaryState, MetricVerdict
from triage.signals.canary_reading import CanaryReading
from triage.signals.model import ModelState
from triage.signals.reading import Verdict

_DEEPER = (0, 0, 0, 2)


def canary_parts(model: ModelState, at: float, chars: Characters,
                 styles: Mapping[Verdict, str]) -> Iterator[RenderableType]:
    """Nothing without a version on trial. What is not fresh stands in brackets, with its age."""
    trial, reading = words.on_trial(model), model.canary
    state = reading.state if reading is not None else None
    if reading is None or state is None:
        if trial is not None:
            yield Text.assemble((f"{trial.arm:<10}", "dim"), chars.say(f"{trial.version}  {words.not_compared(model)}"))
        return
    stale = reading.is_stale(at)
    stands = words.stands_as(state.verdict, state.arm)
    said = f"{chars.glyph(stands)} {words.overall(state)}"
    old = f" {wording.age(words.age_seconds(reading, at))} old" if stale else ""
    facts = [words.nobody(state.arm), words.since(state, at), words.weight(state),
             words.known_from(state.known_from)]
    yield Text.assemble((f"{state.arm:<10}", "dim"), chars.say(f"{state.canary}  "),
                        (f"({said}){old}" if stale else said, "dim" if stale else styles.get(stands, "")),
                        (chars.say("  " + ", ".join(fact for fact in facts if fact)), "dim"))
    for text in _findings(model, reading, state):
        yield Padding(Text(chars.say(text)), _DEEPER)
    if state.metrics:
        yield _table(model, state, chars, styles, stale=stale)


def _findings(model: ModelState, reading: CanaryReading, state: CanaryState) -> Iterator[str]:
    """What is not in the table and not among the model's reasons."""
    told = {reason.text for reason in model.reasons}
    if not any(state.reason in text for text in told):
        yield state.reason
    yield from (text for text in (state.both_moved, state.split) if text and text not in told)
    if reading.failure is not None:
        yield f"not renewed: {reading.failure.sentence()}"
    yield from (f"partial: {warning}" for warning in reading.warnings)


def _table(model: ModelState, state: CanaryState, chars: Characters, styles: Mapping[Verdict, str], *,
           stale: bool) -> Table:
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("verdict", no_wrap=True)
    table.add_column("metric", overflow="fold", min_width=8)
    short = max(len(state.stable), len(state.canary)) <= 10
    for title in ((state.stable, state.canary) if short else ("stable", state.arm)):
        table.add_column(chars.say(title), justify="right", no_wrap=True)
    for title in ("delta", "allowed", "n"):
        table.add_column(title, justify="right", no_wrap=True)
    for metric in state.metrics:
        texts = words.figures(metric, model.slos)
        stands = _stands(metric, state)
        style = "dim" if stale or not metric.gates else styles.get(stands, "")
        plain = "dim" if stale or not metric.gates else ""
        numbers = (texts.stable, texts.canary, texts.delta, texts.allowed, wording.count(metric.n_canary))
        cells = [f"({numbers[0]}", *numbers[1:-1], f"{numbers[-1]})"] if stale else [*numbers]
        table.add_row(Text(f"{chars.glyph(stands)} {texts.verdict}", style), Text(chars.say(texts.name), plain),
                      *(Text(chars.say(cell), plain) for cell in cells))
    return table


def _stands(metric: MetricVerdict, state: CanaryState) -> Verdict:
    return words.stands_as(metric.verdict, state.arm) if metric.margin is not None else Verdict.NOT_JUDGED
