"""``status`` as text: per model a headline, the reasons, the table of objectives, versions and alerts.

Texts are drawn as they are (:class:`rich.text.Text`), never parsed as markup. Every verdict is a word beside its
glyph; colour only repeats what the word says.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from triage.facts.outcome import SourceHealth, SourceState
from triage.facts.rollouts import RolloutFacts
from triage.live.silence import as_shown, silent
from triage.live.snapshot import BrokenNotebook, Snapshot
from triage.report.canary import canary_parts
from triage.report.characters import Characters
from triage.report.closer_json import feature_store_parts
from triage.report.deployed import deployed_lines
from triage.report.drift import drift_parts
from triage.report.fleet import MOST_IN_FULL, fleet_parts
from triage.report.quality import quality_parts
from triage.report.retrain import retrain_parts
from triage.report.slos import SloTable, slo_notes
from triage.report.times import spoken
from triage.signals import wording
from triage.signals.canary_words import UNTOLD, WAITING, known_from
from triage.signals.deployed_words import SAID_BY
from triage.signals.model import AlertGroup, ModelState
from triage.signals.reading import Quality, Urgency, Verdict

STYLES = {Verdict.FAIL: "bold red", Verdict.WARN: "yellow", Verdict.UNKNOWN: "cyan", Verdict.LOW_N: "cyan"}
"""Colour is for exceptions: what passes has none."""
_DEEPER = (0, 0, 0, 2)


def status_text(snapshot: Snapshot, chars: Characters) -> RenderableType:
    """The whole snapshot."""
    return Group(*_parts(snapshot, chars))


def _parts(snapshot: Snapshot, chars: Characters) -> Iterator[RenderableType]:
    header = Text(f"{chars.say(snapshot.context)}  ")
    if snapshot.production:
        header.append("PRODUCTION", "bold reverse").append("  ")
    yield header.append(spoken(snapshot.at), "dim")
    fleet, many = snapshot.fleet, len(snapshot.models) > MOST_IN_FULL
    if fleet is not None and many:
        yield Text()
        yield from fleet_parts(fleet, snapshot, chars)
    for known in snapshot.models if fleet is None or not many else ():
        model = as_shown(known, snapshot)
        yield Text()
        yield from _model(model, snapshot, chars)
    if not snapshot.models and not snapshot.broken:
        yield Text()
        yield Text("no model notebooks: name a folder of them with --notebooks or in the configuration")
    for item in snapshot.broken:
        yield Text()
        yield from _broken(item, chars)
    yield Text()
    for source in snapshot.sources:
        yield _source(source, snapshot.at, chars)
    if snapshot.other_models:
        yield Text(chars.say(f"not asked about: {', '.join(snapshot.other_models)}"), "dim")


def _model(model: ModelState, snapshot: Snapshot, chars: Characters) -> Iterator[RenderableType]:
    style = STYLES.get(model.verdict, "")
    head = Text(f"{chars.glyph(model.verdict)} ", style)
    head.append(chars.say(model.name), "bold").append("  ")
    headline = wording.headline(model.verdict, model.urgency)
    held = silent(snapshot) is not None and model.verdict is not Verdict.UNKNOWN
    head.append(f"({headline})" if held else headline, style or "bold")
    if held:
        head.append("  Prometheus is silent", STYLES[Verdict.UNKNOWN])
    if model.urgency_rule:
        head.append(chars.say(f"  by {model.urgency_rule}"), "dim")
    data = "no data yet" if model.data_at is None else f"data {wording.age(snapshot.at - model.data_at)} old"
    yield head.append(f"  {data}", "dim")
    for number, reason in enumerate(model.reasons):
        line = Text()
        if number:
            line.append(f"{chars.glyph(reason.verdict)} {wording.word(reason.verdict)}", STYLES.get(reason.verdict, ""))
            if reason.urgency is not Urgency.NONE:
                line.append(f", {reason.urgency}")
            line.append("  ")
        yield Padding(line.append(chars.say(reason.text)), _DEEPER)
    if model.last_verdict is not None and model.last_verdict is not model.verdict:
        then = "" if model.last_verdict_at is None else f" {wording.age(snapshot.at - model.last_verdict_at)} ago"
        yield Padding(Text(f"last verdict{then}: {wording.headline(model.last_verdict, model.last_urgency)}"), _DEEPER)
    if model.slos:
        yield Text()
        yield SloTable(model, chars, STYLES)
    notes = [*slo_notes(model, snapshot.at, chars), *(chars.say(note) for note in model.notes)]
    if notes:
        yield Text()
        for note in notes:
            yield Padding(Text(note, "dim"), _DEEPER)
    compared = [*canary_parts(model, snapshot.at, chars, STYLES)]
    if compared:
        yield Text()
        yield from compared
    for parts in (drift_parts, quality_parts, feature_store_parts, retrain_parts):
        told = [*parts(model, snapshot.at, chars, STYLES)]
        if told:
            yield Text()
            yield from told
    yield Text()
    yield Padding(_versions(model, chars), _DEEPER)
    for label, text in deployed_lines(model, snapshot.at):
        yield Padding(_hanging(f"{label:<8}  ", chars.say(text)), _DEEPER)
    yield Padding(_alerts(model.alerts, snapshot.at, chars) if model.alerts else _no_alerts(snapshot), _DEEPER)


def _versions(model: ModelState, chars: Characters) -> Text:
    said = []
    for version in model.versions.items:
        share = version.share
        part = wording.QUALITY_WORDS[share.quality] if share.value is None else wording.share(share.value)
        if share.value is not None and share.quality is Quality.STALE:
            part = f"({part})"
        said.append(" ".join(word for word in (version.version, version.arm, part) if word))
    line = Text("versions  ", "dim")
    line.append(chars.say(", ".join(said)) or "none seen")
    if model.versions.known_from in (WAITING, UNTOLD):
        line.append(f"; {known_from(model.versions.known_from)}", "dim")
    elif model.versions.known_from in SAID_BY and model.versions.known_from != "traffic":
        rollout = model.rollout
        line.append(f"; which is stable is known by {rollout.roles_from}" if isinstance(rollout, RolloutFacts)
                    and rollout.roles_from else
                    f"; which is which says {SAID_BY[model.versions.known_from]}", "dim")
    return line


def _hanging(label: str, text: str) -> Table:
    """A label, and its text wrapped under itself."""
    table = Table.grid()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(label, "dim"), Text(text))
    return table


def _alerts(groups: tuple[AlertGroup, ...], at: float, chars: Characters) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for group in groups:
        loud = group.state == "firing" and group.urgency is Urgency.PAGE
        count = f" ({len(group.alerts)})" if len(group.alerts) > 1 else ""
        of = " ".join(word for word in (group.version, group.deployment) if word)
        urgency = "-" if group.urgency is Urgency.NONE else str(group.urgency)
        table.add_row(Text.assemble(("alert     ", "dim"), chars.say(f"{group.name}{count}"),
                                    style="" if not loud else STYLES[Verdict.FAIL]),
                      Text(urgency), Text(group.state), Text(wording.age(at - group.since)), Text(chars.say(of)))
    return table


def _no_alerts(snapshot: Snapshot) -> Text:
    """That there are none, or which source would have to say so."""
    asked = [source for source in snapshot.sources if source.state is not SourceState.OFF]
    silent = [source.name for source in asked if source.state in (SourceState.DOWN, SourceState.WAITING)]
    line = Text("alert     ", "dim")
    if silent or not asked:
        return line.append(f"not known: no answer from {' and '.join(silent) or 'any source'}",
                           STYLES[Verdict.UNKNOWN])
    return line.append("none")


def _broken(item: BrokenNotebook, chars: Characters) -> Iterator[RenderableType]:
    style = STYLES[Verdict.UNKNOWN]
    yield Text.assemble((f"{chars.glyph(Verdict.UNKNOWN)} ", style), (chars.say(item.name), "bold"), "  ",
                        ("UNKNOWN", style), "  its notebook cannot be used")
    for error in item.errors:
        yield Padding(Text(chars.say(error)), _DEEPER)


def _source(source: SourceHealth, at: float, chars: Characters) -> Text:
    line = Text(f"source    {source.name}  ", "dim")
    down = source.state is SourceState.DOWN
    line.append(str(source.state), STYLES[Verdict.UNKNOWN] if down or source.state is SourceState.PARTIAL else "dim")
    if source.state is SourceState.OFF:
        return line.append("  not configured", "dim")
    if source.last_ok_at is not None:
        line.append(f"  {'last answer ' if down else ''}{wording.age(at - source.last_ok_at)}{' ago' if down else ''}",
                    "dim")
    return line.append(chars.say(f"  {source.error}")) if source.error else line
