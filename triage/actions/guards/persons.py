"""The guard that asks for other persons: who they are, and how well that is known."""

from __future__ import annotations

from triage.actions.approvals import APPROVAL_SECONDS
from triage.actions.circumstances import RISKY, Circumstances
from triage.actions.file_owners import Proof, proof
from triage.actions.guards.checking import Found, Guard, Strength, blocked, cannot_tell, ok, warn
from triage.actions.plan import Action
from triage.actions.system import authenticated
from triage.facts.outcome import Failure
from triage.signals.wording import age

_SKEW_SECONDS = 60.0
"""Two machines may disagree by so much about the time."""


def two_persons(circumstances: Circumstances) -> Found:
    """As many others as the manifest asks for have agreed, each authenticated by the same authority."""
    plan, request, identity = circumstances.plan, circumstances.approval, circumstances.identity
    needed = circumstances.policy.approvals_for(plan.action)
    if needed == 0:
        return ok("no other person is needed")
    back = circumstances.leads_back
    if back is not None:
        return ok(f"no other person is needed to bring on {back.plan.title}, plan {back.plan.short}, by {back.actor}")
    if isinstance(identity, Failure):
        return cannot_tell(f"who you are cannot be read: {identity.sentence()}")
    if not authenticated(identity):
        return cannot_tell(f"nobody says who you are, so nobody can be told from another: {_remedy(circumstances)}")
    if circumstances.authority.impersonates:
        return cannot_tell(f"you are {identity} by impersonation, and may be others too: use a credential of your own")
    if not authenticated(plan.actor):
        return cannot_tell(f"nobody authenticated {plan.actor}, who asked: have it asked for again")
    if request is None:
        return blocked(f"needs {needed} other {'person' if needed == 1 else 'persons'}: share the plan to be approved")
    if request.plan.digest != plan.digest:
        return blocked("another plan than this was asked to be approved")
    if circumstances.now > request.expires_at:
        return blocked(f"the request for approval has ended {age(circumstances.now - request.expires_at)} ago")
    if request.expires_at > circumstances.now + APPROVAL_SECONDS + _SKEW_SECONDS:
        return blocked("the request says that it holds longer than any does: it was changed, or a clock is wrong")
    if circumstances.history.approval_used(request.id):
        return blocked("this approval was used already")
    if identity == request.requester:
        return blocked(f"{identity} asked for it and may not approve it")
    others = request.others(identity)
    agreed = ", ".join(sorted({identity, *others}))
    if len(others) + 1 < needed:
        return blocked(f"{len(others) + 1} of {needed} other persons: {agreed}")
    strength, told = proof(request.persons, request.owners, identity, circumstances.uid)
    sentence = f"asked for by {request.requester}, approved by {agreed}; {told}"
    if strength is Proof.CONTRADICTED or (strength is Proof.NAMED and circumstances.policy.needs_owners):
        return blocked(told if strength is Proof.CONTRADICTED else f"{told} (actions.two_persons: os-users)")
    return ok(sentence) if strength is Proof.PROVEN else warn(sentence)


def _remedy(circumstances: Circumstances) -> str:
    return circumstances.authority.remedy or "use a credential of your own"


GUARDS = (Guard("persons", Strength.BREAKABLE, RISKY | {Action.RETRAIN}, two_persons),)
