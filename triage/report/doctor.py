"""What ``triage doctor`` found, as text and JSON: every source, what it can do, and what to mend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from triage.facts.outcome import SourceState
from triage.report.json import dump
from triage.signals import wording
from triage.signals.reading import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

    from triage.report.characters import Characters
    from triage.sources.checkup import Capability, CheckUp, SourceCheck

DOCTOR_SCHEMA = "triage.doctor/v1"
_GLYPHS = {"ok": Verdict.PASS, "missing": Verdict.FAIL, "unknown": Verdict.UNKNOWN}


def doctor_json(found: CheckUp) -> str:
    """``triage.doctor/v1``: the check-up with all its fields, and whether triage can work."""
    return dump({"schema": DOCTOR_SCHEMA, "ok": found.ok, "context": found.context, "production": found.production,
                 "allow_write": found.allow_write,
                 "sources": [{**asdict(source), "ok": source.ok} for source in found.sources]})


def doctor_text(found: CheckUp, chars: Characters) -> RenderableType:
    """One block per source, and a last line that says whether triage can work with them."""
    from rich.console import Group
    return Group(*_parts(found, chars))


def _parts(found: CheckUp, chars: Characters) -> Iterator[RenderableType]:
    from rich.text import Text
    header = Text(f"{chars.say(found.context)}  ")
    if found.production:
        header.append("PRODUCTION", "bold reverse").append("  ")
    yield header.append("may be written" if found.allow_write else "read-only", "dim")
    for source in found.sources:
        yield Text()
        yield from _source(source, chars)
    yield Text()
    yield Text("triage can work with this" if found.ok else "triage cannot work with this: see what is missing above",
               "" if found.ok else "bold red")


def _source(source: SourceCheck, chars: Characters) -> Iterator[RenderableType]:
    from rich.text import Text
    off = source.state is SourceState.OFF
    verdict = (Verdict.PENDING if off else Verdict.PASS if source.ok and source.state is SourceState.OK
               else Verdict.WARN if source.ok else Verdict.FAIL)
    style = {Verdict.FAIL: "bold red", Verdict.WARN: "yellow"}.get(verdict, "")
    head = Text(f"{chars.glyph(verdict)} ", style).append(source.name, "bold")
    head.append(f"  {source.state}", style)
    said = " ".join(word for word in (source.product, source.version) if word)
    yield head.append(chars.say("".join(f"  {part}" for part in (said, source.url) if part)))
    measured = []
    if source.latency_seconds is not None:
        measured.append(f"answers in {wording.duration(source.latency_seconds)}")
    if source.clock_difference_seconds is not None:
        measured.append(_clock(source.clock_difference_seconds))
    if measured:
        yield _indented(chars.say(", ".join(measured)), "dim")
    for text, mark in ((source.error, ""), (source.fix, "fix: ")):
        if text:
            yield _indented(chars.say(f"{mark}{text}"))
    for capability in source.capabilities:
        yield _capability(capability, chars)
    for warning in source.warnings:
        yield _indented(chars.say(f"{chars.glyph(Verdict.WARN)} warning: {warning}"), "yellow")


def _capability(capability: Capability, chars: Characters) -> RenderableType:
    from rich.console import Group
    verdict = _GLYPHS[capability.state]
    if verdict is Verdict.FAIL and not capability.required:
        verdict = Verdict.WARN
    style = {Verdict.FAIL: "bold red", Verdict.WARN: "yellow", Verdict.UNKNOWN: "cyan"}.get(verdict, "")
    detail = f": {capability.detail}" if capability.detail else ""
    line = _indented(chars.say(f"{chars.glyph(verdict)} {capability.state:<7}  {capability.what}{detail}"), style)
    return Group(line, _indented(chars.say(f"fix: {capability.fix}"), "", 13)) if capability.fix else line


def _clock(seconds: float) -> str:
    if abs(seconds) < 1.5:
        return "its clock agrees with ours"
    return f"its clock is {wording.duration(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'} ours"


def _indented(text: str, style: str = "", left: int = 2) -> RenderableType:
    from rich.padding import Padding
    from rich.text import Text
    return Padding(Text(text, style), (0, 0, 0, left))
