"""Of the page behind the verdict: who says which version is which, where the rollout stands, what is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.facts.outcome import Failure
from triage.signals import deployed_words as words
from triage.signals import wording
from triage.tui.line import BLANK, VERDICT_ROLES, Column, Line, Role, line, row
from triage.tui.page_parts import fact, heading, moment, paragraph
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.facts.rollouts import Revision, RolloutFacts
    from triage.signals.lineage_model import Lineage
    from triage.signals.model import ModelState, Reason


def rollout_part(view: View, model: ModelState, width: int) -> list[Line]:
    """Where the rollout stands; [] where the manifest names none that is read."""
    found = model.rollout
    if found is None:
        return []
    if isinstance(found, Failure):
        return heading("ROLLOUT") + fact("not read", found.sentence(), width, Role.UNKNOWN) + (
            fact("to do", found.hint, width) if found.hint else [])
    return heading("ROLLOUT") + _rollout(view, found, width)


def registry_part(view: View, model: ModelState, width: int) -> list[Line]:
    """What is registered, approved and aliased beside what serves; [] without a registry."""
    found = model.lineage
    if found is None or not (found.known or found.findings):
        return []
    return heading("REGISTRY") + _registry(view, found, width)


def about(view: View, model: ModelState, reason: Reason, width: int) -> list[Line]:
    """What stands behind a reason of the registry or of the rollout."""
    if reason.rule == "registry" and model.lineage is not None:
        finding = next((f for f in model.lineage.findings if f.text == reason.text), None)
        todo = [BLANK, *fact("to do", finding.hint, width)] if finding is not None and finding.hint else []
        return todo + registry_part(view, model, width)
    return rollout_part(view, model, width) if reason.rule == "rollout" else []


def _rollout(view: View, found: RolloutFacts, width: int) -> list[Line]:
    out = fact("object", words.whereabouts(found, view.now), width)
    out += fact("phase", str(found.phase) + (f": {found.message}" if found.message else ""), width)
    for label, revision in (("stable", found.stable), ("on its way", found.canary)):
        if revision is not None:
            out += fact(label, _revision(revision), width)
    if found.roles_from or found.roles_doubt:
        out += fact("known by", found.roles_from or found.roles_doubt, width,
                    Role.UNKNOWN if found.roles_unknown else Role.PLAIN)
    weights = words.weights(found)
    out += fact("traffic", weights, width) if weights else []
    for number, step in enumerate(found.steps):
        here = found.step_index is not None and number == found.step_index
        out += fact("steps" if not number else "", step.text, width, Role.ACCENT if here else Role.DIM)
    out += [text for pause in found.pauses for text in fact("paused", words.pause(pause, view.now), width)]
    if found.aborted:
        when = "" if found.aborted_at is None else f"{moment(found.aborted_at, view.now)}; "
        out += fact("aborted", f"{when}the specification still asks for {_name(found.canary)}", width, Role.WARN)
    out += fact("replicas", f"{found.ready_replicas} of {found.desired_replicas} ready, {found.updated_replicas} of "
                            "the version asked for", width)
    if found.incomplete is not None:
        out += fact("versions", f"not read: {found.incomplete.sentence()}", width, Role.UNKNOWN)
    if found.managed_by:
        out += fact("kept by", f"{found.managed_by}, which would undo a change by hand", width)
    return out + fact("read", moment(found.read_at, view.now), width)


def _revision(found: Revision) -> str:
    ready = f", {found.ready} of {found.desired} ready" if found.ready is not None and found.desired is not None else ""
    number = f", revision {found.number}" if found.number is not None else ""
    return f"{_name(found)} (from the {found.version_from}){number}{ready}" if found.version else (
        f"its template names no version{number}{ready}")


def _name(found: Revision | None) -> str:
    return found.version if found is not None and found.version else "the other version"


def _registry(view: View, found: Lineage, width: int) -> list[Line]:
    out: list[Line] = []
    for finding in found.findings:
        urgency = "" if str(finding.urgency) == "none" else f", {finding.urgency}"
        out.append(line(view.look.mark(finding.verdict), (f"{wording.word(finding.verdict)}{urgency}",
                                                          VERDICT_ROLES[finding.verdict])))
        out += [line("  ", text) for text in paragraph(finding.text, max(1, width - 2))]
    if not found.findings:
        out += paragraph(f"{words.summary(found)}, every alias names what serves.", width)
    columns = [Column("", 10, gap=0), Column("", 10), Column("", 7, "right"), Column("", max(10, width - 33))]
    for each in found.rows:
        share = "-" if each.share is None or each.share.value is None else wording.share(each.share.value)
        out.append(row(columns, [(each.version, Role.STRONG), each.arm or ("no arm", Role.DIM), share,
                                 words.registered(each)], view.look.say).fitted(width))
    if found.others:
        out.append(line((f"and {found.others} more that neither serve nor carry an alias", Role.DIM)))
    told = words.promise(found.promise)
    if told:
        out += fact("manifest", told, width)
    if found.promise is not None:
        out += [text for each in found.promise.differences[:10]
                for text in fact("", f"{each.path}: {each.on_disk or 'not set'} on disk, "
                                     f"{each.registered or 'not set'} registered", width, Role.WARN)]
    return out + (fact("read", moment(found.read_at, view.now), width) if found.read_at is not None else [])
