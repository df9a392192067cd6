"""The mark that a change leaves on the object itself, for whoever looks at it with other tools or from another machine:
what was done last with triage, and who asked for it.

It is part of the patch that makes the change, so that it costs no request and says nothing that did not happen. A patch
of the status takes no metadata: what only changes that stands in the journal alone. When it was done, ``managedFields``
says.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from triage.actions.plan import Action, Plan, Request, shown_version
from triage.actions.rollouts.conditions import put, written
from triage.sources.kubernetes import Json
from triage.sources.rollouts.objects import inner, notes_of
from triage.text import clean

LAST_ACTION = "triage.dev/last-action"
_LONGEST = 300
_MARK = re.compile(r"(?P<action>[a-z-]+) \S+(?: from (?P<before>\S+))?(?: to (?P<after>\S+))? by (?P<by>.+?)"
                   r"(?:: (?P<why>.*))?")


@dataclass(frozen=True, slots=True)
class LastAction:
    """A mark, as it was read. Whoever may patch the object may have written it."""

    action: Action
    before: str
    """Version that it went away from, as ``v8``; "" when it says none."""
    after: str
    """Version that it went to; "" when it says none."""
    by: str
    why: str
    """"" when no reason was given."""


def mark(plan: Plan) -> str:
    """``rollback fraud-scorer from v8 to v7 by ana: v8 is slow``."""
    moves = plan.after.version and plan.before.version and plan.after.version != plan.before.version
    start = f" from {shown_version(plan.before.version)}" if moves else ""
    verb, _, rest = plan.title.partition(plan.target.model)
    why = f": {plan.reason}" if plan.reason else ""
    return f"{verb}{plan.target.model}{start}{rest} by {plan.actor}{why}"


def marked(request: Request, item: Json, what: str) -> Request:
    """``request`` with the mark ``what`` for the object ``item`` that it patches; as it is where it patches the status,
    or the object has no annotations yet, which every object that its controller has seen has: to begin with the first
    could take away what somebody else adds meanwhile."""
    if request.path.partition("?")[0].endswith("/status") or not inner(item, "metadata", "annotations"):
        return request
    added = put(f"/metadata/annotations/{LAST_ACTION.replace('/', '~1')}",
                clean(what, limit=_LONGEST))
    return replace(request, body=written([*json.loads(request.body), added]))


def last_action(item: Json) -> LastAction | None:
    """The mark on an object; None when there is none, or it is of another form."""
    text = notes_of(item).get(LAST_ACTION)
    found = _MARK.fullmatch(clean(text, limit=_LONGEST)) if isinstance(text, str) else None
    if found is None or found["action"] not in set(Action):
        return None
    return LastAction(Action(found["action"]), found["before"] or "", found["after"] or "", found["by"],
                      found["why"] or "")
