"""JUnit XML: of ``triage check`` a test case for the verdict, one per objective, metric of the canary and source."""

from __future__ import annotations

import re
from collections.abc import Collection
from xml.etree import ElementTree as xml

from triage.facts.outcome import SourceHealth, SourceState
from triage.live.snapshot import Snapshot
from triage.report.times import iso
from triage.report.verdicts import ALL, Judgement, judge
from triage.signals import canary_words as words
from triage.signals.model import ModelState, SloState
from triage.signals.reading import Verdict

# XML 1.0, section 2.2: whatever else is in a text makes the whole document unreadable.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(snapshot: Snapshot, model: str, fail_on: Collection[str] = ALL, judged: Judgement | None = None) -> str:
    """The judgement of ``model`` as one test suite.

    A verdict in ``fail_on`` is a failure (warn, fail) or an error (unknown); any other that is not pass is skipped
    with its sentence. Objectives that are pending, on too few events, not judged or not required and unknown are
    skipped: they do not gate. A source that is gone is an error when it makes the verdict unknown.
    """
    suite = new_suite(f"triage check {model}", snapshot.context, snapshot.at)
    judged = judged if judged is not None else judge(snapshot, model)
    verdict = judged.verdict
    state = snapshot.model(model)
    if state is None:
        errors = [error for item in snapshot.broken if item.name == model for error in item.errors]
        add_case(suite, model, "notebook", Verdict.UNKNOWN, "\n".join(errors) or "nothing is known about it", fail_on)
    else:
        texts = [*([judged.reason] if judged.beyond else []), *(reason.text for reason in state.reasons)]
        add_case(suite, model, "verdict", verdict, "\n".join(texts), fail_on)
        for slo in state.slos:
            _slo(suite, model, slo, fail_on)
        _canary(suite, state, snapshot.at, fail_on)
    for source in snapshot.sources:
        _source(suite, source, verdict, fail_on)
    return document(suite)


def _slo(suite: xml.Element, model: str, slo: SloState, fail_on: Collection[str]) -> None:
    gates = slo.required or slo.verdict is not Verdict.UNKNOWN
    add_case(suite, model, f"slo {slo.name}", slo.verdict, slo.sentence, fail_on if gates else ())


def _canary(suite: xml.Element, model: ModelState, at: float, fail_on: Collection[str]) -> None:
    """One case for the version on trial and one for each of its metrics; those that only are shown do not gate."""
    trial, reading = words.on_trial(model), model.canary
    state = reading.state if reading is not None else None
    undecided = words.undecided(model, at)
    if state is None:
        if trial is not None:
            add_case(suite, model.name, trial.arm, Verdict.UNKNOWN, undecided, fail_on)
        return
    add_case(suite, model.name, state.arm, Verdict.UNKNOWN if undecided else words.stands_as(state.verdict, state.arm),
             undecided or state.reason, fail_on)
    for metric in state.metrics:
        stands = words.stands_as(metric.verdict, state.arm)
        add_case(suite, model.name, f"{state.arm} {metric.name}",
                 Verdict.UNKNOWN if stands is Verdict.PENDING else stands, metric.sentence,
                 fail_on if metric.gates else ())


def _source(suite: xml.Element, source: SourceHealth, verdict: Verdict, fail_on: Collection[str]) -> None:
    if source.state is SourceState.OFF:
        add_case(suite, "sources", source.name, Verdict.PENDING, "not configured", fail_on)
        return
    answers = source.state in (SourceState.OK, SourceState.PARTIAL)
    text = f"{source.state}: {source.error}" if source.error else str(source.state)
    add_case(suite, "sources", source.name, Verdict.PASS if answers else Verdict.UNKNOWN, text,
             fail_on if verdict is Verdict.UNKNOWN else ())


def new_suite(name: str, host: str, at: float) -> xml.Element:
    """A test suite; ``at``: Unix seconds."""
    suite = xml.Element("testsuite", name=_text(name), hostname=_text(host))
    moment = iso(at)
    if moment is not None:
        suite.set("timestamp", moment[:19])
    return suite


def add_case(suite: xml.Element, group: str, name: str, verdict: Verdict, text: str, fail_on: Collection[str],
             seconds: float = 0.0) -> None:
    """One test case. A verdict in ``fail_on`` is a failure, or an error when it is unknown; others are skipped."""
    case = xml.SubElement(suite, "testcase", classname=_text(f"triage.{group}"), name=_text(name), time=f"{seconds:g}")
    first = _text(text.partition("\n")[0])
    if verdict is Verdict.PASS:
        xml.SubElement(case, "system-out").text = _text(text)
    elif str(verdict) not in fail_on:
        xml.SubElement(case, "skipped", message=_text(f"{verdict}: {first}"))
    else:
        kind = "error" if verdict is Verdict.UNKNOWN else "failure"
        xml.SubElement(case, kind, type=str(verdict), message=first).text = _text(text)


def document(suite: xml.Element) -> str:
    """The whole document, with the counts of its cases."""
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{kind}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    root = xml.Element("testsuites")
    root.append(suite)
    xml.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml.tostring(root, encoding="unicode")}'


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
