"""``triage journal``: the actions of the journal, and whether it is as it was written, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from triage.actions.history import Deed, History, Outcome, cleaned
from triage.actions.journal import Record
from triage.actions.journal_verify import Verified
from triage.report.json import dump
from triage.report.times import iso, spoken
from triage.text import clean

JOURNAL_SCHEMA = "triage.journal/v1"
VERIFY_SCHEMA = "triage.journal-verify/v1"


def journal_json(history: History, records: tuple[Record, ...]) -> str:
    """``triage.journal/v1``: every action, and the records themselves."""
    return dump({"schema": JOURNAL_SCHEMA, "trouble": history.trouble, "actions": [_deed(d) for d in history.deeds],
                 "records": [{"seq": r.seq, "at": iso(r.at), "kind": clean(r.kind), "action": clean(r.action_id),
                              "hash": r.hash, "fields": cleaned(_shown(r.fields))} for r in records]})


def journal_lines(history: History) -> Iterator[str]:
    """Every action in a few lines, oldest first."""
    for deed in history.deeds:
        plan = deed.plan
        yield f"{spoken(deed.begun_at)}  {plan.title}  {_end(deed)}"
        yield (f"    {plan.target.sentence()}; by {deed.actor}; {plan.reason or 'no reason given'}; "
               f"plan {plan.short}, id {deed.action_id}")
        if deed.actor != plan.actor:
            yield f"    asked for by {plan.actor}"
        if deed.break_glass:
            yield f"    GLASS BROKEN: {deed.break_glass}"
        for attempt in deed.attempts:
            yield f"    {plan.requests[attempt.index].sentence}: {_fate(deed, attempt.index)}"
        if deed.sentence:
            yield f"    {deed.sentence}"


def summary(history: History, verified: Verified) -> str:
    """One line on all of it."""
    open_ends = sum(1 for deed in history.deeds if deed.open_end)
    return "; ".join(filter(None, (
        f"{len(history.deeds)} {'action' if len(history.deeds) == 1 else 'actions'}",
        f"{open_ends} unknown: verify" if open_ends else "", history.trouble, str(verified.integrity))))


def verified_json(verified: Verified) -> str:
    """``triage.journal-verify/v1``."""
    return dump({
        "schema": VERIFY_SCHEMA, "integrity": str(verified.integrity), "exit_code": verified.integrity.exit_code,
        "records": verified.records, "first": verified.first_seq, "last": verified.last_seq,
        "head": verified.head or None, "unanchored": verified.unanchored, "torn": verified.torn,
        "findings": list(verified.findings)})


def verified_lines(verified: Verified) -> Iterator[str]:
    """The same for people; the head is what ``--expect-head`` takes later."""
    yield f"{verified.integrity}: {_records(verified)}"
    yield from (f"  {finding}" for finding in verified.findings)
    if verified.records:
        yield f"  head {verified.last_seq}:{verified.head}"
        yield (f"  {verified.unanchored} of {verified.records} records are not anchored: cutting these off would not "
               "be noticed" if verified.unanchored else "  every record is anchored")
    if verified.torn:
        yield f"  {verified.torn} unfinished {'line' if verified.torn == 1 else 'lines'}, left by a crash"


def _records(verified: Verified) -> str:
    if not verified.records:
        return "no records"
    return f"{verified.records} records, {verified.first_seq} to {verified.last_seq}"


def _end(deed: Deed) -> str:
    if deed.unresolved or (deed.open_end and deed.outcome is not None):
        return "unknown: verify"
    if deed.outcome is Outcome.UNKNOWN and deed.reconciled is not None:
        return f"{deed.outcome}; found {deed.reconciled}"
    if deed.outcome is not None:
        return str(deed.outcome)
    if deed.reconciled is not None:
        return f"its process ended; found {deed.reconciled}"
    return "its end was not seen: verify" if deed.attempts else "nothing was sent"


def _fate(deed: Deed, index: int) -> str:
    fate = next(each.fate for each in deed.attempts if each.index == index)
    return "no result is written: unknown" if fate is None else str(fate)


def _shown(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what stands in the actions already, and without what was sent byte for byte."""
    return {name: value for name, value in fields.items() if name not in ("plan", "body", "path")}


def _deed(deed: Deed) -> Mapping[str, Any]:
    plan = deed.plan
    return {"id": deed.action_id, "at": iso(deed.begun_at), "action": str(plan.action), "model": plan.target.model,
            "target": plan.target.key, "from": plan.before.version or None, "to": plan.after.version or None,
            "actor": deed.actor, "requester": plan.actor, "reason": plan.reason, "incident": plan.incident or None,
            "break_glass": deed.break_glass or None,
            "digest": plan.digest, "outcome": None if deed.outcome is None else str(deed.outcome),
            "sentence": deed.sentence, "concluded_at": iso(deed.concluded_at),
            "reconciled": None if deed.reconciled is None else str(deed.reconciled), "unresolved": deed.unresolved,
            "requests": [{"sentence": plan.requests[a.index].sentence, "at": iso(a.at),
                          "fate": None if a.fate is None else str(a.fate), "message": a.message}
                         for a in deed.attempts]}
