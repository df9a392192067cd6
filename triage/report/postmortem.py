"""The draft of a postmortem as Markdown: numbers, queries, timeline, actions, and the questions of the review.

Deterministic: the same incident gives the same bytes wherever the zone is the same. Nothing is invented: what nobody
recorded is a place to be filled in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from triage.incident.entries import Kind, Source
from triage.incident.incident import Incident, Row
from triage.incident.times import CHANGE_SECONDS, TimeName, measures, named_times
from triage.incident.update import phase
from triage.incident.watching import BASELINE, badness
from triage.incident.words import short, told, unread_sentence
from triage.report.markdown import code, escape, table
from triage.report.times import spoken
from triage.signals import wording

if TYPE_CHECKING:
    from triage.notebook.load import Notebook

_ANSWER = "**Answer:**"
_NOTHING = "Nothing is recorded."


def postmortem(incident: Incident, journal_head: str = "", notebook: Notebook | None = None,
               zone: tzinfo | None = None) -> str:
    """The draft. ``zone`` is that of the local times, by default this machine's; ``journal_head`` as
    ``triage journal verify --expect-head`` takes it; with ``notebook`` it says what the objectives are counted from."""
    parts = [_head(incident), _times(incident, zone), _impact(incident), _objectives(notebook), _cause(incident),
             _actions(incident), _people(incident), _timeline(incident, zone), _runbook(incident),
             _queries(incident), _review(incident), _evidence(incident, journal_head)]
    rows = [row for part in parts for row in part]
    return "\n".join(rows).rstrip("\n") + "\n"


def _head(incident: Incident) -> Iterator[str]:
    yield f"# Postmortem of {incident.id}: {escape(incident.title)}"
    yield ""
    yield "Draft, written from the incident's timeline. Empty places are for people."
    yield ""
    closing = incident.closing
    how = "" if closing is None else f" at {spoken(closing.at)} by {escape(short(closing.by))}"
    yield from table(("", ""), [
        ("Model", escape(incident.model)), ("Context", escape(incident.context)),
        ("State", f"{phase(incident)}{how}"),
        ("Opened", f"{spoken(incident.opened_at)} by {escape(short(incident.opened_by))}"),
        *((role, escape(short(who))) for role, who in incident.roles.items())])


def _times(incident: Incident, zone: tzinfo | None) -> Iterator[str]:
    yield "## Times"
    yield ""
    times = named_times(incident)
    rows = []
    for time in times:
        source = escape(time.source) or "not known"
        if time.by_hand and time.automatic is not None:
            source += f" (seen by itself: {spoken(time.automatic)})"
        likely = " (likely)" if time.estimate else ""
        rows.append((f"{time.name}{likely}", spoken(time.at), _local(time.at, zone), source))
    yield from table(("Time", "UTC", "Local", "How it is known"), rows)
    yield "Of this incident alone (n = 1):"
    yield ""
    yield from table(("Measure", "From, to", "Length"), [
        (item.name, item.about, _span(item.seconds) + (", from a likely time" if item.estimate and item.seconds
                                                       is not None else "")) for item in measures(times)])


def _impact(incident: Incident) -> Iterator[str]:
    yield "## Impact"
    yield ""
    for subject, title in _judged(incident).items():
        rows = [row for row in incident.rows if row.entry.kind is Kind.VERDICT and row.entry.about == subject]
        # What was not known was no pass.
        worst = max(rows, key=lambda row: 0.5 if (bad := badness(row.entry.state)) is None else bad)
        last = rows[-1]
        yield f"{title}: {escape(worst.text)}"
        yield ""
        titles = ["Figure", f"{_minute(worst.at)}, {escape(worst.entry.state)}"]
        if last is not worst:
            titles.append(f"{_minute(last.at)}, {escape(last.entry.state)}")
        names = dict.fromkeys([*worst.entry.details, *last.entry.details])
        yield from table(titles, [(escape(name), *(escape(row.entry.details.get(name, "-")) for row in
                                                   ([worst] if last is worst else [worst, last]))) for name in names
                                  if name != BASELINE])
    if not _judged(incident):
        yield _NOTHING
        yield ""
    yield "What users noticed, and how many of them:"
    yield ""


def _judged(incident: Incident) -> Mapping[str, str]:
    """What was judged, in the order of its first verdict."""
    subjects = dict.fromkeys(row.entry.about for row in incident.rows if row.entry.kind is Kind.VERDICT)
    return {subject: "The model" if subject == "verdict" else f"The {escape(subject)}" for subject in subjects}


def _objectives(notebook: Notebook | None) -> Iterator[str]:
    if notebook is None or not notebook.manifest.spec.slos:
        return
    yield "What the objectives are counted from, by the model notebook:"
    yield ""
    rows = []
    for slo in notebook.manifest.spec.slos:
        counted = slo.sli.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
        said = ", ".join(f"{name} {value}" for name, value in counted.items())
        objective = "-" if slo.objective is None else wording.objective_text(slo.objective)
        rows.append((escape(slo.name), objective, wording.span(slo.window), code(said, in_table=True)))
    yield from table(("Objective", "Promise", "Window", "Counted from"), rows)


def _cause(incident: Incident) -> Iterator[str]:
    yield "## Trigger and cause"
    yield ""
    detected = next((t.at for t in named_times(incident) if t.name is TimeName.DETECTED), None)
    edge = detected if detected is not None else incident.opened_at or 0.0
    changed = [row for row in incident.rows if row.entry.kind in (Kind.DEPLOYMENT, Kind.ALIAS)
               and BASELINE not in row.entry.details and edge - CHANGE_SECONDS <= row.at <= edge]
    yield "Changed in the two hours before it was detected:"
    yield ""
    yield from [f"- {_minute(row.at)} UTC {escape(row.text)}" for row in changed] or [f"- {_NOTHING}"]
    yield ""
    rows = [(str(item.number), escape(item.text), item.state, escape(item.why), escape(short(item.by)))
            for item in incident.hypotheses]
    yield from table(("No", "Hypothesis", "State", "Why", "By"), rows)
    decided = [row for row in incident.rows if row.entry.kind is Kind.DECISION]
    if decided:
        yield "Decisions:"
        yield ""
        yield from (f"- {_minute(row.at)} UTC {escape(row.text)} ({escape(short(row.entry.by))})" for row in decided)
        yield ""


def _actions(incident: Incident) -> Iterator[str]:
    yield "## Actions"
    yield ""
    rows = [(escape(deed.title), escape(short(deed.by)), _minute(deed.begun_at), _minute(deed.at),
             escape(deed.state), escape(deed.text)) for deed in incident.deeds]
    yield from table(("Action", "By", "Confirmed, UTC", "Last word, UTC", "State", "Outcome"), rows)
    if not rows:
        yield "Nothing was changed through triage."
        yield ""


def _people(incident: Incident) -> Iterator[str]:
    if not incident.handoffs:
        return
    yield "## Hand-offs"
    yield ""
    for given in incident.handoffs:
        ended = f"accepted by {escape(short(given.accepted_by))} at {spoken(given.accepted_at)}" if given.accepted_by \
            else "never accepted"
        yield (f"{spoken(given.at)}: {escape(short(given.giver))} to {escape(given.receiver)}, {ended}.")
        yield ""
        yield from (f"- {escape(name)}: {escape(said)}" for name, said in given.document.items())
        yield ""


def _timeline(incident: Incident, zone: tzinfo | None) -> Iterator[str]:
    yield "## Timeline"
    yield ""
    rows = []
    for each in told(incident, whole=True):
        entry = each.row.entry
        late = f" (written {_minute(entry.written_at)})" if entry.is_backdated and entry.source is Source.PERSON else ""
        before = f" (first: {escape(entry.text)})" if each.row.edited_by and entry.text != each.row.text else ""
        rows.append((_second(each.row.at), _local(each.row.at, zone), escape(each.text) + before + late,
                     f"{entry.source}, {escape(short(entry.by))}"))
    yield from table(("UTC", "Local", "What happened", "Source"), rows)


def _runbook(incident: Incident) -> Iterator[str]:
    yield "## Runbook"
    yield ""
    rows = _steps(incident)
    if not rows:
        yield "No step of a runbook was recorded."
        yield ""
        return
    several = len({_runbook_of(row) for row in rows}) > 1
    yield from (f"- {f'{escape(_runbook_of(row))}: ' if several else ''}{escape(row.text)}" for row in rows)
    yield ""


def _steps(incident: Incident) -> list[Row]:
    """The last word on every step of every runbook that came out, was looked at or was left out."""
    last: dict[tuple[str, str], Row] = {}
    for row in incident.rows:
        if row.entry.kind is Kind.STEP and row.entry.about:
            last[_runbook_of(row), row.entry.about] = row
    return list(last.values())


def _runbook_of(row: Row) -> str:
    return row.entry.details.get("runbook", "")


def _queries(incident: Incident) -> Iterator[str]:
    found = dict.fromkeys(row.entry.details["query"] for row in incident.rows if row.entry.details.get("query"))
    if found:
        yield "Asked by its steps:"
        yield ""
        yield from (f"- {code(query)}" for query in found)
        yield ""


def _review(incident: Incident) -> Iterator[str]:
    """The questions of a review, each with what the timeline knows of it."""
    yield "## Review"
    yield ""
    for number, (question, known) in enumerate(_questions(incident), 1):
        yield f"### {number}. {question}"
        yield ""
        yield from (f"- {fact}" for fact in known or [_NOTHING])
        yield ""
        yield _ANSWER
        yield ""
    for heading in ("What went well", "What went wrong", "Where we were lucky"):
        yield f"### {heading}"
        yield ""
    yield "### What is done about it"
    yield ""
    closing = incident.closing
    first = [(escape(closing.text) if closing.state == "runbook changed" else " ", " ", " ")] if closing else []
    yield from table(("What", "Owner", "Due"), first or [(" ", " ", " ")])


def _questions(incident: Incident) -> Iterator[tuple[str, list[str]]]:
    found = [f"found at the opening: {escape(row.text)}" for row in incident.rows
             if BASELINE in row.entry.details and row.entry.kind in (Kind.DEPLOYMENT, Kind.ALIAS)]
    found += [f"changed meanwhile: {escape(row.text)}" for row in incident.rows
              if BASELINE not in row.entry.details and row.entry.kind is Kind.ALIAS]
    yield "Did the notebook's metadata match production?", found
    times = {time.name: time for time in named_times(incident)}
    detected = times[TimeName.DETECTED]
    known = [] if detected.at is None else [f"detected at {spoken(detected.at)}: {escape(detected.source)}"]
    earlier = [row for row in incident.rows if row.entry.source is Source.PERSON and row.entry.kind is Kind.NOTE
               and detected.at is not None and row.at < detected.at]
    known += [f"people knew earlier: {_minute(row.at)} UTC {escape(row.text)}" for row in earlier]
    lost = [row for row in incident.rows if row.entry.kind is Kind.SOURCE and row.entry.state != "ok"]
    known += [f"not to be seen for a while: {escape(row.text)}" for row in lost]
    yield "Were the SLIs and SLOs adequate, and enforced?", known
    steps = _steps(incident)
    counts = {state: sum(row.entry.state == state for row in steps) for state in ("passed", "failed", "skipped")}
    known = [f"{sum(counts.values())} steps came out: " + ", ".join(f"{n} {state}" for state, n in counts.items())
             ] if steps else []
    known += [escape(row.text) for row in steps if row.entry.state == "skipped"]
    if incident.closing is not None:
        known.append(f"{incident.closing.state}: {escape(incident.closing.text)}")
    yield "Was the runbook complete, and followed?", known
    yield "What was the root cause in data or feature lineage, and what mends it?", [
        f"{item.state}: {escape(item.text)}" + (f", {escape(item.why)}" if item.why else "")
        for item in incident.hypotheses if item.state != "refuted"]
    known = [f"by hand: {escape(row.text)}" for row in steps if "by hand" in row.text]
    known += [f"{escape(deed.title)}, confirmed by {escape(short(deed.by))}" for deed in incident.deeds]
    yield "What could be automated?", known


def _evidence(incident: Incident, journal_head: str) -> Iterator[str]:
    yield "## Evidence"
    yield ""
    log = hashlib.sha256(b"\n".join(entry.line() for entry in incident.log)).hexdigest()
    yield f"- timeline: {len(incident.log)} entries, SHA-256 {code(log)}"
    if incident.unread:
        yield f"- {unread_sentence(incident)}"
    yield f"- head of the journal of actions: {code(journal_head) if journal_head else 'no action is recorded'}"
    for row in incident.rows:
        if row.entry.kind is Kind.CELL and row.entry.details.get("run"):
            yield f"- cell run {code(row.entry.details['run'])}: {escape(row.text)}"
        if row.entry.kind is Kind.CELL and row.entry.details.get("capture"):
            yield f"- capture, SHA-256 {code(row.entry.details['capture'])}: {escape(row.text)}"
    yield ""


def _local(at: float | None, zone: tzinfo | None) -> str:
    return "-" if at is None else f"{datetime.fromtimestamp(at, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S %z}"


def _second(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def _minute(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M}"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    return f"-{wording.age(-seconds)}" if seconds < 0 else wording.age(seconds)
